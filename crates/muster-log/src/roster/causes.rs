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
        let revokes = whole.counted.keys().copied();
        let mut causes: Numbers = revokes.filter(|r| self.node(*r).revoked_devices().contains(key)).collect();
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
        let id = self.node(revoke).id;
        let own = match &self.node(revoke).fact {
            Some(RosterFact::Revoke { frontier, .. }) => Some(frontier),
            _ => None,
        };
        let cuts = whole.standing.iter().filter_map(move |x| match &self.node(x).fact {
            Some(RosterFact::Cut { revoke, frontier }) if *revoke == id => Some(frontier),
            _ => None,
        });
        own.into_iter().chain(cuts)
    }

    /// Standing entries that bind a key to a person.
    fn bindings(&self, key: &DeviceKey, person: PersonId, standing: &Mask) -> Vec<u32> {
        let is_binding = |x: &u32| {
            let node = self.node(*x);
            match &node.fact {
                Some(RosterFact::TeamCreate { .. } | RosterFact::Join { .. }) => {
                    node.key == *key && node.id == person.genesis()
                }
                Some(RosterFact::AddDevice { device, .. }) => device == key && node.own.person == person,
                Some(RosterFact::Vouch { join }) => {
                    *join == person.genesis() && self.number(join).is_some_and(|join| self.node(join).key == *key)
                }
                _ => false,
            }
        };
        standing.iter().filter(is_binding).collect()
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
            if whole.aside.contains_key(&b) {
                causes.extend(self.set_aside_by(b, whole));
                continue;
            }
            match node.kind {
                Kind::JOIN => todo.extend(&node.deps),
                Kind::TEAM_CREATE => {}
                _ if node.recovery.is_some() => {}
                _ => {
                    todo.extend(self.bindings(&node.key, node.own.person, &node.own.standing));
                    todo.extend(node.own.standing.iter().filter(|x| {
                        matches!(&self.node(*x).fact, Some(RosterFact::SetCapability { person, .. })
                            if *person == node.own.person)
                    }));
                }
            }
        }
    }
}
