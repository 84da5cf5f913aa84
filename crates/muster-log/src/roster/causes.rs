//! What the roster holds against an incident's entry: the causes of its status, and which of them an author knew.
//!
//! Frontiers, which depend on the incident, are in `status`.

use super::fold::Fold;
use super::graph::{Graph, Numbers};
use super::mask::Mask;
use crate::fact::{Frontier, Kind, RosterFact};
use crate::ids::PersonId;
use crate::key::DeviceKey;

impl Graph {
    /// Everything that speaks against what `key` wrote at `standpoint`: counted revokes of the device, and what took a
    /// membership that the standpoint gave; without those that the standpoint knows.
    pub(crate) fn causes(&self, standpoint: u32, key: &DeviceKey, whole: &Fold) -> Numbers {
        let own = self.fold_at(standpoint);
        let mut causes: Numbers = self.index().revokes(key).among(|word| whole.counted.removals.word(word)).collect();
        if let Some(person) = own.roster.person_of(key)
            && whole.roster.person_of(key) != Some(person)
        {
            let mut seen = Numbers::new();
            for binding in self.bindings(key, person, &own.standing) {
                seen.clear();
                self.took(binding, whole, &mut seen, &mut causes);
            }
        }
        causes.retain(|cause| !self.knows(standpoint, *cause));
        causes
    }

    /// Whether the cause is known at a standpoint: a removal where it counts, a fork sibling where it is.
    pub(crate) fn knows(&self, standpoint: u32, cause: u32) -> bool {
        if self.node(cause).own.is_removal {
            self.fold_at(standpoint).counted.contains_key(&cause)
        } else {
            self.is_in(standpoint, cause)
        }
    }

    /// Whether a roster entry is in the past that a standpoint names.
    pub(crate) fn is_in(&self, standpoint: u32, x: u32) -> bool {
        self.standpoint_mask(standpoint).contains(x)
    }

    /// Whether a cause in mode retire: what it leaves late counts as met.
    pub(crate) fn is_retirement(&self, cause: u32) -> bool {
        !self.node(cause).is_hard()
    }

    /// The device that wrote a roster entry.
    pub(crate) fn author(&self, x: u32) -> DeviceKey {
        self.node(x).key
    }

    /// The frontiers that a revoke and the standing cuts to it name.
    pub(crate) fn frontiers<'a>(&'a self, revoke: u32, whole: &'a Fold) -> impl Iterator<Item = &'a Frontier> {
        let own = match &self.node(revoke).fact {
            Some(RosterFact::Revoke { frontier, .. }) => Some(frontier),
            _ => None,
        };
        let cuts = self.index().cuts(revoke).among(|word| whole.standing.word(word));
        let cuts = cuts.filter_map(|x| match &self.node(x).fact {
            Some(RosterFact::Cut { frontier, .. }) => Some(frontier),
            _ => None,
        });
        own.into_iter().chain(cuts)
    }

    /// Standing entries that bind a key to a person.
    fn bindings(&self, key: &DeviceKey, person: PersonId, standing: &Mask) -> Vec<u32> {
        let bindings = self.index().bindings(key).among(|word| standing.word(word));
        let bindings = bindings.filter(|x| self.bound_person(*x) == person);
        // A join gives nothing without a vouch.
        let join = self.number(&person.genesis()).filter(|join| self.node(*join).key == *key);
        let invite = join.and_then(|join| self.node(join).deps.first());
        let vouches = invite.map(|invite| self.index().vouches(*invite).among(|word| standing.word(word)));
        let vouches = vouches.into_iter().flatten().filter(|vouch| self.target(*vouch) == join);
        bindings.chain(vouches).collect()
    }

    /// Adds what took the effect of `b`: what set it aside, or what took that on which it rests.
    ///
    /// All of them count, and nothing else: a confirm, a concurrent lower grant or an earlier binding is no cause.
    fn took(&self, b: u32, whole: &Fold, seen: &mut Numbers, causes: &mut Numbers) {
        // A loop, because what rests on what is as deep as the chain of guests who invited guests.
        let mut todo = vec![b];
        while let Some(b) = todo.pop() {
            let node = self.node(b);
            if seen.contains(&b) || whole.standing.contains(b) && node.kind != Kind::JOIN {
                continue;
            }
            seen.insert(b);
            if whole.aside.contains(b) {
                causes.extend(self.set_aside_by(b, whole));
                continue;
            }
            match node.kind {
                Kind::JOIN => todo.extend(&node.deps),
                Kind::TEAM_CREATE => {}
                _ if node.recovery.is_some() => {}
                _ => {
                    let standing = &node.own.verdict.standing;
                    todo.extend(self.bindings(&node.key, node.own.person, standing));
                    todo.extend(self.index().grants(&node.own.person).among(|word| standing.word(word)));
                }
            }
        }
    }
}
