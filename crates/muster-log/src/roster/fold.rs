//! The fold of a closed set of roster entries (protocol, section "Fold"): what is set aside, which removals count,
//! what stands, and what it says.
//!
//! Step 1 (forks) is in `forks`, steps 2 and 3 (removals) in `removals`, the sum in `people`; step 4, what stands, and
//! the capability for a kind are here. A port of the reference model, function by function.

use super::graph::{Graph, Node, Own, Place, are_same_within};
use super::mask::Mask;
use super::people::Roster;
use crate::fact::{Capability, Kind, RosterFact};
use crate::key::DeviceKey;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Counted removals and the entries at which each stands: itself, or its seconds.
pub(crate) type Counted = BTreeMap<u32, Mask>;

/// Entries set aside, each with why.
pub(crate) type Aside = BTreeMap<u32, SetAside>;

/// Why an entry is set aside. Siblings are not named here: of a fork with many each would name all others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SetAside {
    /// It is forked, or follows a fork in its log, and is not witnessed.
    pub(crate) is_forked: bool,
    /// These removals took its author.
    pub(crate) removals: BTreeSet<u32>,
}

/// What a closed set of roster entries comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fold {
    pub(crate) aside: Aside,
    pub(crate) counted: Counted,
    /// The entries that have an effect.
    pub(crate) standing: Mask,
    pub(crate) roster: Arc<Roster>,
}

/// What the capability for a kind depends on in the entry itself.
struct Deed<'a> {
    key: &'a DeviceKey,
    kind: Kind,
    fact: Option<&'a RosterFact>,
    is_first: bool,
    deps: &'a [u32],
    recovery: Option<usize>,
}

impl Graph {
    pub(super) fn work_out_fold(&self, set: &Mask) -> Fold {
        if set.is_empty() {
            return Fold::default();
        }
        if self.is_quiet(set) {
            // Nothing is set aside, and whatever was admitted stands unless it is void.
            let standing = set.without(self.void());
            let roster = self.roster(&standing, &Counted::new());
            return Fold { standing, roster, ..Fold::default() };
        }
        let mut aside = self.set_aside_forks(set);
        let counted = self.count_removals(set, &mut aside);
        let standing = self.standing(set, &aside, &counted);
        let roster = self.roster(&standing, &counted);
        Fold { aside, counted, standing, roster }
    }

    /// Step 4: the entries whose author has the capability by what stands of the entry's own past.
    ///
    /// Never by the state reached so far, in which a concurrent entry of less depth would decide.
    pub(super) fn standing(&self, set: &Mask, aside: &Aside, counted: &Counted) -> Mask {
        let mut standing = Mask::default();
        for x in self.in_order(set) {
            let node = self.node(x);
            let stands = if counted.contains_key(&x) {
                true
            } else if aside.contains_key(&x) || node.own.is_void || node.own.is_removal {
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
        let here = standing.and(&node.past);
        // Admission asked the same question of the same sets, and the answer was yes.
        if here == node.own.standing && are_same_within(counted, &node.own.counted, &here) {
            return true;
        }
        // Removals that do not stand in the own past take nothing from anybody there.
        self.able(&Deed::of(node), &self.roster(&here, counted), &here)
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
        self.able(&deed, &fold.roster, &fold.standing)
    }

    /// The capability for a roster kind, given a roster and what stands in the entry's own past.
    fn able(&self, deed: &Deed<'_>, roster: &Roster, standing: &Mask) -> bool {
        match deed.kind {
            Kind::TEAM_CREATE => return true,
            Kind::JOIN => return deed.is_first && self.is_standing_invite(deed.deps, standing),
            kind if deed.recovery.is_some() => return is_recovery_kind(kind),
            _ => {}
        }
        let Some(person) = roster.person_of(deed.key) else { return false };
        let Some(held) = roster.capability(&person) else { return false };
        if roster.guest_of(&person).is_some() && !is_guest_kind(deed.kind) {
            return false;
        }
        if let (Some(RosterFact::Revoke { devices, .. }), Capability::Responder) = (deed.fact, held) {
            return devices.iter().all(|device| roster.person_of(device) == Some(person));
        }
        held >= if is_admin_kind(deed.kind) { Capability::Admin } else { Capability::Responder }
    }

    fn is_standing_invite(&self, deps: &[u32], standing: &Mask) -> bool {
        let [invite] = deps else { return false };
        self.node(*invite).kind == Kind::INVITE && standing.contains(*invite)
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
            standing: fold.standing.clone(),
            counted: fold.counted.clone(),
            person,
            grant: if place.recovery.is_some() { None } else { roster.grant.get(&person).copied() },
            is_void: self.is_void(place, roster, person),
            is_removal,
            needs_second: is_removal && needs_second(place, roster, person),
        }
    }
}

impl<'a> Deed<'a> {
    fn of(node: &'a Node) -> Self {
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

fn is_admin_kind(kind: Kind) -> bool {
    matches!(kind, Kind::INVITE | Kind::CONFIRM | Kind::SET_CAPABILITY | Kind::REVOKE | Kind::SECOND | Kind::CUT)
}

/// What a guest writes in the roster; a revoke only of the own person's devices, as any responder.
fn is_guest_kind(kind: Kind) -> bool {
    matches!(kind, Kind::ADD_DEVICE | Kind::REVOKE | Kind::ROSTER_MERGE)
}

fn is_recovery_kind(kind: Kind) -> bool {
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
    let admins = roster.admins();
    place.recovery.is_none()
        && admins.len() >= 3
        && targets.iter().any(|target| *target != author && admins.contains(target))
}
