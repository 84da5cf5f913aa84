//! Witnesses of forks in an incident: which entries of a forked log somebody else built on, and on no sibling.
//!
//! For one author alone knows which of his continuations he meant, others decide by what they build on. Who may
//! witness (clean entries) is decided in `status`; forks of the roster are in `roster::forks`.
//!
//! Asked entry by entry this would take the square of the incident's size, and whoever forks a long log at its start
//! would stop everybody. So each entry of the incident is given the branch of the log that it has seen: the last entry
//! up to which it knows no siblings. It witnesses exactly that entry and those before it in the log.

use crate::dag::Dag;
use crate::ids::PersonId;
use std::collections::{BTreeMap, BTreeSet};

/// A stretch of the log without fork. Later stretches have larger numbers than those they continue.
struct Stretch {
    before: Option<usize>,
    first_seq: u32,
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

/// The entries of a forked log that a clean entry of another person witnesses.
pub(crate) fn witnessed(dag: &Dag, log: u32, is_clean: impl Fn(u32) -> bool) -> BTreeSet<u32> {
    let branches = Branches::of(dag, log);
    let mut sights: Vec<Sight> = Vec::with_capacity(dag.len());
    let mut witnesses: BTreeMap<Place, Witnesses> = BTreeMap::new();
    for (w, node) in (0u32..).zip(dag.nodes()) {
        let sight =
            node.parents.iter().fold(Sight::default(), |sight, parent| branches.merge(sight, sights[*parent as usize]));
        if let Some(top) = sight.top.filter(|_| is_clean(w)) {
            witnesses.entry(top).or_default().add(node.author);
        }
        let own = Sight { top: branches.places.get(&w).copied(), is_forked: false };
        sights.push(branches.merge(sight, own));
    }
    let mut witnessed = BTreeSet::new();
    for (_, x) in dag.log(log).entries.iter().rev() {
        let node = dag.node(*x);
        let Some(by) = branches.places.get(x).and_then(|place| witnesses.get(place)).copied() else { continue };
        if by.has_other_than(&node.author) {
            witnessed.insert(*x);
        }
        // Who builds on an entry builds on those before it.
        if let Some(before) = node.backlink.and_then(|before| branches.places.get(&before)) {
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
    fn of(dag: &Dag, log: u32) -> Self {
        let entries = &dag.log(log).entries;
        let mut followers: BTreeMap<u32, u32> = BTreeMap::new();
        for (_, x) in entries {
            if let Some(before) = dag.node(*x).backlink {
                *followers.entry(before).or_default() += 1;
            }
        }
        let mut branches = Self { stretches: Vec::new(), places: BTreeMap::new() };
        for (seq, x) in entries {
            let before = dag.node(*x).backlink;
            let place = before.and_then(|before| branches.places.get(&before)).map(|place| place.stretch);
            let stretch = match (place, before.and_then(|before| followers.get(&before))) {
                (Some(stretch), Some(1)) => stretch,
                _ => {
                    branches.stretches.push(Stretch { before: place, first_seq: *seq });
                    branches.stretches.len() - 1
                }
            };
            branches.places.insert(*x, Place { stretch, seq: *seq });
        }
        branches
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
        let (mut a, mut b) = (a?, b?);
        while a.stretch != b.stretch {
            let later = if a.stretch > b.stretch { &mut a } else { &mut b };
            let stretch = &self.stretches[later.stretch];
            *later = Place { stretch: stretch.before?, seq: stretch.first_seq.saturating_sub(1) };
        }
        Some(Place { stretch: a.stretch, seq: a.seq.min(b.seq) })
    }
}
