//! Who is in the team, asked of one device or one person: what a set of standing entries says.
//!
//! The same questions are put to sets that are decided ([`Settled`]) and to those that are decided as far as somebody asks
//! ([`super::turn`]). The whole roster is put together of the answers in `people`.

use super::graph::Graph;
use super::mask::Mask;
use super::verdict::Counted;
use crate::fact::{Capability, PersonKind, RosterFact};
use crate::ids::{IncidentId, PersonId};
use crate::key::DeviceKey;

/// An entry must be decided before there is an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Undecided(pub(super) u32);

/// What stands, and which removals count.
pub(super) trait World {
    fn stands(&self, x: u32) -> Result<bool, Undecided>;

    fn counts(&self, removal: u32) -> bool;

    /// The removals that count; perhaps others besides.
    fn removals(&self) -> &Mask;

    /// Where the removals stand that count; perhaps others besides.
    fn places(&self) -> &Mask;
}

/// A world that is decided.
pub(super) struct Settled<'a> {
    pub(super) standing: &'a Mask,
    pub(super) counted: &'a Counted,
}

impl World for Settled<'_> {
    fn stands(&self, x: u32) -> Result<bool, Undecided> {
        Ok(self.standing.contains(x))
    }

    fn counts(&self, removal: u32) -> bool {
        self.counted.removals.contains(removal)
    }

    fn removals(&self) -> &Mask {
        &self.counted.removals
    }

    fn places(&self) -> &Mask {
        &self.counted.places
    }
}

/// A world as seen from a past, or from everywhere.
pub(super) struct Sight<'a, W> {
    pub(super) graph: &'a Graph,
    pub(super) world: &'a W,
    pub(super) within: Option<&'a Mask>,
}

/// What a person is, with a device or without.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grade {
    pub(super) capability: Capability,
    pub(super) guest: Option<IncidentId>,
    pub(super) kind: Option<PersonKind>,
    /// The entry that made an admin of the person.
    pub(super) grant: Option<u32>,
}

impl<W: World> Sight<'_, W> {
    pub(super) fn stands(&self, x: u32) -> Result<bool, Undecided> {
        if self.sees(x) { self.world.stands(x) } else { Ok(false) }
    }

    fn sees(&self, x: u32) -> bool {
        self.within.is_none_or(|within| within.contains(x))
    }

    /// The person whose device it is: of all who have it, who came by it first in the order of the fold.
    pub(super) fn person_of(&self, device: &DeviceKey) -> Result<Option<PersonId>, Undecided> {
        let graph = self.graph;
        let mut first: Option<u32> = None;
        // Whatever came before a removal, and so has a smaller number, has it not in its past.
        let removed = match self.within {
            Some(past) => self.last_revoke(device, |word| past.word(word)),
            None => self.last_revoke(device, |_| u64::MAX),
        };
        for binding in graph.index().bindings(device).iter() {
            if removed.is_some_and(|removed| binding < removed) {
                break;
            }
            let is_later = first.is_some_and(|first| graph.rank(first) < graph.rank(binding));
            if is_later || !self.sees(binding) || self.is_gone(device, binding)? || !self.stands(binding)? {
                continue;
            }
            if self.base(&graph.bound_person(binding))?.is_some() {
                first = Some(binding);
            }
        }
        Ok(first.map(|binding| graph.bound_person(binding)))
    }

    /// The greatest number of a revoke of the device that counts and needs no second.
    fn last_revoke(&self, device: &DeviceKey, within: impl Fn(usize) -> u64) -> Option<u32> {
        let counted = self.world.removals();
        let revokes = self.graph.index().revokes(device).among(|word| counted.word(word) & within(word));
        let mut revokes = revokes.filter(|revoke| self.world.counts(*revoke));
        revokes.find(|revoke| !self.graph.needs_second(*revoke))
    }

    /// What a person may do, if let in; whether there is a device left is not asked.
    pub(super) fn grade(&self, person: &PersonId) -> Result<Option<Grade>, Undecided> {
        let Some(mut grade) = self.base(person)? else { return Ok(None) };
        let newest = self.newest(self.graph.index().grants(person).iter())?;
        let given = newest.iter().filter_map(|grant| match self.graph.node(*grant).fact {
            Some(RosterFact::SetCapability { capability, .. }) => Some(capability),
            _ => None,
        });
        if let Some(lowest) = given.min() {
            // A guest's never reaches beyond responder.
            grade.capability = if grade.guest.is_some() { lowest.min(Capability::Responder) } else { lowest };
            let first = newest.into_iter().min_by_key(|grant| self.graph.rank(*grant));
            grade.grant = first.filter(|_| grade.capability == Capability::Admin);
        }
        Ok(Some(grade))
    }

    /// What the entry that made the person gives.
    fn base(&self, person: &PersonId) -> Result<Option<Grade>, Undecided> {
        let Some(genesis) = self.graph.number(&person.genesis()).filter(|genesis| self.sees(*genesis)) else {
            return Ok(None);
        };
        match self.graph.node(genesis).fact {
            Some(RosterFact::TeamCreate { person_kind, .. }) if self.stands(genesis)? => Ok(Some(Grade {
                capability: Capability::Admin,
                guest: None,
                kind: Some(person_kind),
                grant: Some(genesis),
            })),
            Some(RosterFact::Join { person_kind, .. }) => {
                let given = self.given(genesis, person)?;
                Ok(given.map(|(capability, guest)| Grade { capability, guest, kind: Some(person_kind), grant: None }))
            }
            _ => Ok(None),
        }
    }

    /// What a vouched join gives: alone, what its invite gives; rivals get less until one is confirmed.
    fn given(&self, join: u32, person: &PersonId) -> Result<Option<(Capability, Option<IncidentId>)>, Undecided> {
        let graph = self.graph;
        let Some(invite) = graph.node(join).deps.first().copied() else { return Ok(None) };
        let Some(RosterFact::Invite { capability, incident, .. }) = graph.node(invite).fact else { return Ok(None) };
        if !self.stands(invite)? || !self.stands(join)? {
            return Ok(None);
        }
        let (mut is_vouched, mut has_rivals) = (false, false);
        for vouch in graph.index().vouches(invite).iter().filter(|vouch| self.sees(*vouch)) {
            let Some(other) = graph.target(vouch) else { continue };
            if other == join {
                is_vouched = is_vouched || self.stands(vouch)?;
            } else if !has_rivals {
                // A revoked rival is none.
                has_rivals =
                    !self.is_gone(&graph.node(other).key, other)? && self.stands(other)? && self.stands(vouch)?;
            }
            if is_vouched && has_rivals {
                break;
            }
        }
        if !is_vouched {
            return Ok(None);
        }
        if !has_rivals {
            return Ok(Some((capability, incident)));
        }
        let confirms = self.newest(graph.index().confirms(invite).iter())?;
        let mut confirmed: Vec<u32> = confirms.into_iter().filter_map(|confirm| graph.target(confirm)).collect();
        confirmed.sort_unstable();
        confirmed.dedup();
        if confirmed == [join] {
            return Ok(Some((capability, incident)));
        }
        if confirmed.len() == 1 && !self.is_any_standing(graph.index().grants(person).iter())? {
            return Ok(None);
        }
        Ok(Some((capability.min(Capability::Observer), incident)))
    }

    /// Whether a counted revoke took a device, which an entry had given to somebody.
    fn is_gone(&self, device: &DeviceKey, binding: u32) -> Result<bool, Undecided> {
        let (past, removals, places) = (&self.graph.node(binding).past, self.world.removals(), self.world.places());
        let unknown = |word: usize| removals.word(word) & !(places.word(word) & past.word(word));
        for revoke in self.graph.index().revokes(device).among(unknown) {
            if !self.world.counts(revoke) || self.graph.is_placed_in(past, revoke, places) {
                continue;
            }
            if !self.graph.needs_second(revoke) {
                if self.stands(revoke)? {
                    return Ok(true);
                }
            } else if self.is_any_standing(self.graph.index().seconds(revoke).among(|word| places.word(word)))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_any_standing(&self, mut among: impl Iterator<Item = u32>) -> Result<bool, Undecided> {
        among.try_fold(false, |found, x| Ok(found || self.stands(x)?))
    }

    /// Of standing entries, the greatest number first, those on which no other of them builds.
    fn newest(&self, among: impl Iterator<Item = u32>) -> Result<Vec<u32>, Undecided> {
        let mut newest: Vec<u32> = Vec::new();
        for x in among {
            let is_old = newest.iter().any(|later| self.graph.node(*later).past.contains(x));
            if !is_old && self.stands(x)? {
                newest.push(x);
            }
        }
        Ok(newest)
    }
}
