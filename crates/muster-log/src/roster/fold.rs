//! The fold of a closed set of roster entries (protocol, section "Fold"): what is set aside, which removals count,
//! what stands, and what it says.
//!
//! Step 1 (forks) is in `forks`, step 2 (removals) in `removals`, the sum in `people`; what is set aside, what stands (steps 3
//! and 4), and the capability for a kind are here. Tests compare it with `book`, which goes by the words of the protocol.

use super::graph::{Graph, Node, Own, Place};
use super::mask::Mask;
use super::people::Roster;
use super::sight::{Settled, Sight, Undecided, World};
use super::verdict::{Aside, Counted, Verdict};
use crate::fact::{Capability, Kind, RosterFact};
use crate::ids::PersonId;
use crate::key::DeviceKey;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a closed set of roster entries comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fold {
    pub(crate) aside: Arc<Aside>,
    pub(crate) counted: Arc<Counted>,
    /// The entries that have an effect.
    pub(crate) standing: Mask,
    pub(crate) roster: Arc<Roster>,
}

/// Who is asked what somebody may do.
pub(super) trait Members {
    fn person_of(&self, device: &DeviceKey) -> Result<Option<PersonId>, Undecided>;

    /// What a person with a device may do, and whether it is a guest.
    fn held(&self, person: &PersonId) -> Result<Option<(Capability, bool)>, Undecided>;

    fn stands(&self, x: u32) -> Result<bool, Undecided>;
}

impl<W: World> Members for Sight<'_, W> {
    fn person_of(&self, device: &DeviceKey) -> Result<Option<PersonId>, Undecided> {
        Sight::person_of(self, device)
    }

    fn held(&self, person: &PersonId) -> Result<Option<(Capability, bool)>, Undecided> {
        Ok(self.grade(person)?.map(|grade| (grade.capability, grade.guest.is_some())))
    }

    fn stands(&self, x: u32) -> Result<bool, Undecided> {
        Sight::stands(self, x)
    }
}

/// A roster that is there, with what stands.
impl Members for (&Roster, &Mask) {
    fn person_of(&self, device: &DeviceKey) -> Result<Option<PersonId>, Undecided> {
        Ok(self.0.person_of(device))
    }

    fn held(&self, person: &PersonId) -> Result<Option<(Capability, bool)>, Undecided> {
        Ok(self.0.capability(person).map(|held| (held, self.0.guest_of(person).is_some())))
    }

    fn stands(&self, x: u32) -> Result<bool, Undecided> {
        Ok(self.1.contains(x))
    }
}

/// What the capability for a kind depends on in the entry itself.
pub(super) struct Deed<'a> {
    pub(super) key: &'a DeviceKey,
    pub(super) kind: Kind,
    pub(super) fact: Option<&'a RosterFact>,
    pub(super) is_first: bool,
    pub(super) deps: &'a [u32],
    pub(super) recovery: Option<usize>,
}

impl Graph {
    /// Decides a closed set as a whole.
    pub(super) fn work_out(&self, set: &Mask) -> Verdict {
        if self.is_quiet(set) {
            // Nothing is set aside, and whatever was admitted stands unless it is void.
            return Verdict { standing: set.without(self.void()), ..Verdict::default() };
        }
        let forked = self.set_aside_forks(set);
        let counted = self.count_removals(set, &forked);
        // Counted removals, and the seconds they stand at, stay.
        let stays = |x: u32| counted.removals.contains(x) || counted.places.contains(x);
        let is_taken = |x: &u32| !stays(*x) && self.takers(*x, &counted).next().is_some();
        let taken = if counted.is_empty() { Mask::default() } else { set.iter().filter(is_taken).collect() };
        let aside = Aside { forked, taken };
        let standing = self.standing(set, &aside, &counted);
        Verdict { aside: Arc::new(aside), counted: Arc::new(counted), standing }
    }

    /// Step 4: the entries whose author has the capability by what stands of the entry's own past.
    ///
    /// Never by the state reached so far, in which a concurrent entry of less depth would decide.
    fn standing(&self, set: &Mask, aside: &Aside, counted: &Counted) -> Mask {
        let mut standing = Mask::default();
        // The past before what builds on it.
        for x in set.iter() {
            let own = &self.node(x).own;
            let stands = if counted.removals.contains(x) {
                true
            } else if aside.contains(x) || own.is_void || own.is_removal {
                false
            } else {
                self.able_within(x, &standing, counted)
            };
            if stands {
                standing.insert(x);
            }
        }
        standing
    }

    /// Whether the author of `x` has the capability by the part of its own past that is in `standing`.
    pub(super) fn able_within(&self, x: u32, standing: &Mask, counted: &Counted) -> bool {
        let node = self.node(x);
        let own = &node.own.verdict;
        // Admission asked the same question of the same sets, and the answer was yes.
        if standing.is_same_within(&own.standing, &node.past)
            && counted.places.is_same_within(&own.counted.places, &node.past)
        {
            return true;
        }
        // Removals that do not stand in the own past take nothing from anybody there.
        let world = Settled { standing, counted };
        let sight = Sight { graph: self, world: &world, within: Some(&node.past) };
        // A settled world has an answer to everything.
        self.able(&Deed::of(node), &sight).unwrap_or(false)
    }

    /// Whether an entry that is yet to come has the capability by the fold of its own past.
    pub(super) fn able_place(&self, place: &Place<'_>, fold: &Fold) -> bool {
        let deed = Deed {
            key: &place.entry.key(),
            kind: place.entry.kind(),
            fact: place.fact.as_ref(),
            is_first: place.entry.backlink().is_none(),
            deps: &place.deps,
            recovery: place.recovery,
        };
        // A roster that is there has an answer to everything.
        self.able(&deed, &(&*fold.roster, &fold.standing)).unwrap_or(false)
    }

    /// The capability for a roster kind, given who is in the team and what stands in the entry's own past.
    pub(super) fn able(&self, deed: &Deed<'_>, members: &impl Members) -> Result<bool, Undecided> {
        match deed.kind {
            Kind::TEAM_CREATE => return Ok(true),
            Kind::JOIN => return Ok(deed.is_first && self.is_standing_invite(deed.deps, members)?),
            kind if deed.recovery.is_some() => return Ok(is_recovery_kind(kind)),
            _ => {}
        }
        let Some(person) = members.person_of(deed.key)? else { return Ok(false) };
        let Some((held, is_guest)) = members.held(&person)? else { return Ok(false) };
        if is_guest && !is_guest_kind(deed.kind) {
            return Ok(false);
        }
        if let (Some(RosterFact::Revoke { devices, .. }), Capability::Responder) = (deed.fact, held) {
            for device in devices {
                if members.person_of(device)? != Some(person) {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        Ok(held >= if is_admin_kind(deed.kind) { Capability::Admin } else { Capability::Responder })
    }

    fn is_standing_invite(&self, deps: &[u32], members: &impl Members) -> Result<bool, Undecided> {
        let [invite] = deps else { return Ok(false) };
        Ok(self.node(*invite).kind == Kind::INVITE && members.stands(*invite)?)
    }

    /// Works out what the own past of a new entry says of it.
    pub(super) fn own(&self, place: &Place<'_>, fold: &Fold) -> Own {
        let roster = &fold.roster;
        let person = match place.fact {
            Some(RosterFact::TeamCreate { .. } | RosterFact::Join { .. }) => {
                crate::ids::PersonId::of_genesis(place.entry.id())
            }
            _ if place.recovery.is_some() => recovery_person(&place.entry.key()),
            // The capability was found through a person; the fallback names nobody.
            _ => roster.person_of(&place.entry.key()).unwrap_or(recovery_person(&place.entry.key())),
        };
        let is_removal = is_removal(place, roster);
        Own {
            verdict: Verdict {
                aside: Arc::clone(&fold.aside),
                counted: Arc::clone(&fold.counted),
                standing: fold.standing.clone(),
            },
            person,
            grant: if place.recovery.is_some() { None } else { roster.grant.get(&person).copied() },
            is_void: self.is_void(place, roster, person),
            is_removal,
            needs_second: is_removal && needs_second(place, roster, person),
        }
    }
}

impl<'a> Deed<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        Self {
            key: &node.key,
            kind: node.kind,
            fact: node.fact.as_ref(),
            is_first: node.backlink.is_none(),
            deps: &node.deps,
            recovery: node.recovery,
        }
    }
}

/// The person of a recovery key's entry is the key.
pub(crate) fn recovery_person(key: &DeviceKey) -> crate::ids::PersonId {
    crate::ids::PersonId::from_bytes(*key.as_bytes())
}

pub(super) fn is_admin_kind(kind: Kind) -> bool {
    matches!(kind, Kind::INVITE | Kind::CONFIRM | Kind::SET_CAPABILITY | Kind::REVOKE | Kind::SECOND | Kind::CUT)
}

/// What a guest writes in the roster; a revoke only of the own person's devices, as any responder.
pub(super) fn is_guest_kind(kind: Kind) -> bool {
    matches!(kind, Kind::ADD_DEVICE | Kind::REVOKE | Kind::ROSTER_MERGE)
}

pub(super) fn is_recovery_kind(kind: Kind) -> bool {
    matches!(kind, Kind::REVOKE | Kind::SET_CAPABILITY | Kind::CONFIRM | Kind::CUT | Kind::ROSTER_MERGE)
}

/// A revoke, or a grant of less than the own past gives.
fn is_removal(place: &Place<'_>, roster: &Roster) -> bool {
    match &place.fact {
        Some(RosterFact::Revoke { .. }) => true,
        Some(RosterFact::SetCapability { person, capability }) => {
            roster.capability(person).is_some_and(|held| roster.reach(person, *capability) < held)
        }
        _ => false,
    }
}

/// A removal that takes something from another admin, where there are three.
fn needs_second(place: &Place<'_>, roster: &Roster, author: crate::ids::PersonId) -> bool {
    let targets: BTreeSet<_> = match &place.fact {
        Some(RosterFact::Revoke { devices, .. }) => devices.iter().filter_map(|d| roster.person_of(d)).collect(),
        Some(RosterFact::SetCapability { person, .. }) => BTreeSet::from([*person]),
        _ => return false,
    };
    let is_admin = |person: &PersonId| roster.capability(person) == Some(Capability::Admin);
    place.recovery.is_none()
        && targets.iter().any(|target| *target != author && is_admin(target))
        && roster.has_three_admins()
}
