//! Witnesses of forks: which entries of a forked log somebody else built on, and on no sibling.
//!
//! For one author alone knows which of his continuations he meant, others decide by what they build on. Who may
//! witness is decided by those who ask: `status` for incidents, `roster::forks` for the roster.
//!
//! Asked entry by entry this would take the square of a graph's size, and whoever forks a long log at its start would
//! stop everybody. So each entry that builds on the fork is given the branch of the log that it has seen: the last entry
//! up to which it knows no siblings. It witnesses exactly that entry and those before it in the log.

use crate::ids::PersonId;
use std::collections::{BTreeMap, BTreeSet};

/// A graph of entries by number; whatever an entry builds on has a smaller number.
pub(crate) trait Numbered {
    /// What an entry builds on directly.
    fn parents(&self, x: u32) -> impl Iterator<Item = u32>;

    /// The entry before in its log.
    fn backlink(&self, x: u32) -> Option<u32>;

    /// The person of an entry.
    fn author(&self, x: u32) -> PersonId;
}

/// Who builds directly on whom, of some entries of a graph.
pub(crate) struct Children(BTreeMap<u32, Vec<u32>>);

impl Children {
    pub(crate) fn of(graph: &impl Numbered, members: impl Iterator<Item = u32>) -> Self {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for x in members {
            graph.parents(x).for_each(|parent| children.entry(parent).or_default().push(x));
        }
        Self(children)
    }
}

/// A stretch of the log without fork. Later stretches have larger numbers than those they continue.
struct Stretch {
    before: Option<usize>,
    first_seq: u32,
    /// Stretches before it, up to its root.
    depth: u32,
    /// One of those, chosen so that any is a few jumps away (skew-binary numbers: Myers 1983); a root's own.
    jump: usize,
}

/// A place in the tree of stretches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    stretch: usize,
    seq: u32,
}

/// What an entry's past holds of the log: everything up to `top`, and siblings above it if `is_forked`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sight {
    top: Option<Place>,
    is_forked: bool,
}

/// The tree of one forked log.
struct Branches {
    stretches: Vec<Stretch>,
    places: BTreeMap<u32, Place>,
}

/// The entries of a forked log, from its first fork on, that a clean entry of another person witnesses.
///
/// `entries` are those of the log, by sequence number.
pub(crate) fn witnessed(
    graph: &impl Numbered,
    children: &Children,
    entries: &[(u32, u32)],
    first_fork: u32,
    is_clean: impl Fn(u32) -> bool,
) -> BTreeSet<u32> {
    let branches = Branches::of(graph, entries);
    let forked = &entries[entries.partition_point(|(seq, _)| *seq < first_fork)..];
    let mut sights: BTreeMap<u32, Sight> = BTreeMap::new();
    let mut witnesses: BTreeMap<Place, Witnesses> = BTreeMap::new();
    // What builds on no forked entry has seen no more than the part of the log before the fork.
    let mut todo: BTreeSet<u32> = forked.iter().map(|(_, x)| *x).collect();
    while let Some(x) = todo.pop_first() {
        let seen = graph.parents(x).filter_map(|parent| sights.get(&parent).copied());
        let sight = seen.fold(Sight::default(), |sight, more| branches.merge(sight, more));
        if let Some(top) = sight.top.filter(|_| is_clean(x)) {
            witnesses.entry(top).or_default().add(graph.author(x));
        }
        let own = Sight { top: branches.places.get(&x).copied(), is_forked: false };
        sights.insert(x, branches.merge(sight, own));
        todo.extend(children.0.get(&x).into_iter().flatten());
    }
    let mut witnessed = BTreeSet::new();
    for (_, x) in forked.iter().rev() {
        let Some(by) = branches.places.get(x).and_then(|place| witnesses.get(place)).copied() else { continue };
        if by.has_other_than(&graph.author(*x)) {
            witnessed.insert(*x);
        }
        // Who builds on an entry builds on those before it.
        if let Some(before) = graph.backlink(*x).and_then(|before| branches.places.get(&before)) {
            by.0.into_iter().flatten().for_each(|person| witnesses.entry(*before).or_default().add(person));
        }
    }
    witnessed
}

/// Up to two persons: enough to tell whether there is one besides the author.
#[derive(Clone, Copy, Default)]
struct Witnesses([Option<PersonId>; 2]);

impl Witnesses {
    fn add(&mut self, person: PersonId) {
        match &mut self.0 {
            [first @ None, _] => *first = Some(person),
            [Some(first), second @ None] if *first != person => *second = Some(person),
            _ => {}
        }
    }

    fn has_other_than(&self, author: &PersonId) -> bool {
        self.0.iter().flatten().any(|person| person != author)
    }
}

impl Branches {
    fn of(graph: &impl Numbered, entries: &[(u32, u32)]) -> Self {
        let mut followers: BTreeMap<u32, u32> = BTreeMap::new();
        for (_, x) in entries {
            if let Some(before) = graph.backlink(*x) {
                *followers.entry(before).or_default() += 1;
            }
        }
        let mut branches = Self { stretches: Vec::new(), places: BTreeMap::new() };
        for (seq, x) in entries {
            let before = graph.backlink(*x);
            let place = before.and_then(|before| branches.places.get(&before)).map(|place| place.stretch);
            let stretch = match (place, before.and_then(|before| followers.get(&before))) {
                (Some(stretch), Some(1)) => stretch,
                _ => branches.begin(place, *seq),
            };
            branches.places.insert(*x, Place { stretch, seq: *seq });
        }
        branches
    }

    fn begin(&mut self, before: Option<usize>, first_seq: u32) -> usize {
        let number = self.stretches.len();
        let (depth, jump) = match before {
            None => (0, number),
            Some(before) => {
                let (near, far) = (&self.stretches[before], &self.stretches[self.stretches[before].jump]);
                let is_even = near.depth - far.depth == far.depth - self.stretches[far.jump].depth;
                (near.depth + 1, if is_even { far.jump } else { before })
            }
        };
        self.stretches.push(Stretch { before, first_seq, depth, jump });
        number
    }

    /// The stretch before `from`, or `from` itself, at `depth`, which is not more than its own.
    fn climb(&self, mut from: usize, depth: u32) -> usize {
        while self.stretches[from].depth > depth {
            let stretch = &self.stretches[from];
            from = if self.stretches[stretch.jump].depth >= depth {
                stretch.jump
            } else {
                // Only a root has none before it, and its depth is 0.
                stretch.before.unwrap_or(stretch.jump)
            };
        }
        from
    }

    /// The last stretch that is before both, or one of them.
    fn meeting(&self, a: usize, b: usize) -> Option<usize> {
        let depth = self.stretches[a].depth.min(self.stretches[b].depth);
        let (mut a, mut b) = (self.climb(a, depth), self.climb(b, depth));
        while a != b {
            let (one, other) = (&self.stretches[a], &self.stretches[b]);
            if one.jump != other.jump && one.depth > 0 {
                (a, b) = (one.jump, other.jump);
            } else {
                (a, b) = (one.before?, other.before?);
            }
        }
        Some(a)
    }

    fn merge(&self, a: Sight, b: Sight) -> Sight {
        let nothing = Sight::default();
        if a == b || b == nothing {
            return a;
        }
        if a == nothing {
            return b;
        }
        let common = self.common(a.top, b.top);
        match (common == a.top, common == b.top) {
            // The one goes on where the other ends, unless the other has seen a sibling of that.
            (true, _) => {
                if a.is_forked {
                    a
                } else {
                    b
                }
            }
            (_, true) => {
                if b.is_forked {
                    b
                } else {
                    a
                }
            }
            _ => Sight { top: common, is_forked: true },
        }
    }

    /// The last place before which both are one.
    fn common(&self, a: Option<Place>, b: Option<Place>) -> Option<Place> {
        let (a, b) = (a?, b?);
        let stretch = self.meeting(a.stretch, b.stretch)?;
        let last = |place: Place| {
            if place.stretch == stretch {
                return place.seq;
            }
            let follower = self.climb(place.stretch, self.stretches[stretch].depth + 1);
            self.stretches[follower].first_seq.saturating_sub(1)
        };
        Some(Place { stretch, seq: last(a).min(last(b)) })
    }
}
