//! The fold by the words of the protocol, step by step over whole sets: what the fold that is in use is compared with.
//!
//! For tests alone: each removal that counts has everything gone through again. A port of the reference model, function by
//! function.

use super::fold::{Deed, is_admin_kind, is_guest_kind, is_recovery_kind};
use super::graph::Graph;
use super::mask::Mask;
use super::people::Roster;
use crate::fact::{Capability, Kind, RosterFact};
use crate::ids::{EntryId, PersonId};
use crate::key::DeviceKey;
use crate::witness::{Children, witnessed};
use std::collections::{BTreeMap, BTreeSet};

/// Counted removals and the entries at which each stands: itself, or its seconds.
type Counted = BTreeMap<u32, Mask>;

/// Entries set aside, each with why.
type Aside = BTreeMap<u32, SetAside>;

#[derive(Debug, Clone, Default)]
struct SetAside {
    is_forked: bool,
    /// These removals took its author.
    removals: BTreeSet<u32>,
}

/// Standing entries by what they do.
#[derive(Default)]
struct Deeds {
    joins_by_invite: BTreeMap<u32, Vec<u32>>,
    confirms_by_invite: BTreeMap<u32, Vec<(u32, u32)>>,
    grants_by_person: BTreeMap<PersonId, Vec<(u32, Capability)>>,
}

/// A key bound to a person; the first in the order of the fold holds it.
type Binding = ((u32, EntryId), DeviceKey, PersonId);

impl Graph {
    /// Compares the fold of a closed set, decided from parts and as a whole, with the book. Answers whether removals count.
    pub(super) fn check_fold(&self, set: &Mask) -> bool {
        let mut aside = self.book_forks(set);
        let counted = self.book_removals(set, &mut aside);
        let standing = self.book_standing(set, &aside, &counted);
        let roster = self.book_roster(&standing, &counted);
        let fold = self.fold(set);
        for verdict in [self.verdict(set), self.work_out(set)] {
            assert!(verdict.counted.removals.iter().eq(counted.keys().copied()));
            assert!(counted.values().flat_map(Mask::iter).collect::<Mask>() == verdict.counted.places);
            assert_eq!(verdict.standing, standing);
            assert!(aside.keys().copied().eq(verdict.aside.keys()));
            assert!(aside.iter().all(|(x, why)| why.is_forked == verdict.aside.forked.contains(*x)));
            assert!(aside.iter().all(|(x, why)| why.removals.is_empty() != verdict.aside.taken.contains(*x)));
            assert_eq!((&verdict.standing, &verdict.counted), (&fold.standing, &fold.counted));
        }
        for (x, why) in aside.iter().filter(|(_, why)| !why.is_forked) {
            assert_eq!(self.set_aside_by(*x, &fold), why.removals);
        }
        assert_eq!(*fold.roster, roster, "from a roster that was kept");
        assert_eq!(*self.roster_from(&super::Fold::default(), &fold.standing, &fold.counted), roster, "from nothing");
        !counted.is_empty()
    }

    fn book_forks(&self, set: &Mask) -> Aside {
        let mut aside = Aside::new();
        if !self.has_forks() {
            return aside;
        }
        let logs = self.book_forked_logs(set);
        if logs.is_empty() {
            return aside;
        }
        let fork_of: BTreeMap<u32, u32> = logs.iter().map(|(log, (fork, _))| (*log, *fork)).collect();
        let is_straight = |x: u32| fork_of.get(&self.node(x).log).is_none_or(|fork| self.node(x).seq < *fork);
        let children = Children::of(self, set.iter());
        for (fork, entries) in logs.values() {
            let may_witness = |w: u32| is_straight(w) && self.node(w).kind != Kind::JOIN;
            let witnessed = witnessed(self, &children, entries, *fork, may_witness);
            for (_, x) in entries.iter().filter(|(seq, x)| seq >= fork && !witnessed.contains(x)) {
                aside.entry(*x).or_default().is_forked = true;
            }
        }
        aside
    }

    /// The forked logs of a set: least sequence number that two entries of the set have, and its entries by number.
    fn book_forked_logs(&self, set: &Mask) -> BTreeMap<u32, (u32, Vec<(u32, u32)>)> {
        let (mut seen, mut first) = (BTreeSet::new(), BTreeMap::new());
        for x in set.iter() {
            let node = self.node(x);
            if !seen.insert((node.log, node.seq)) {
                let least = first.entry(node.log).or_insert(node.seq);
                *least = node.seq.min(*least);
            }
        }
        let mut logs: BTreeMap<u32, (u32, Vec<(u32, u32)>)> =
            first.into_iter().map(|(log, fork)| (log, (fork, Vec::new()))).collect();
        for x in set.iter() {
            let node = self.node(x);
            if let Some((_, entries)) = logs.get_mut(&node.log) {
                entries.push((node.seq, x));
            }
        }
        logs.values_mut().for_each(|(_, entries)| entries.sort_unstable());
        logs
    }

    fn book_removals(&self, set: &Mask, aside: &mut Aside) -> Counted {
        let mut removals: Vec<u32> = set
            .iter()
            .filter(|x| {
                let own = &self.node(*x).own;
                own.is_removal && !own.is_void && !aside.contains_key(x)
            })
            .collect();
        let mut counted = Counted::new();
        if removals.is_empty() {
            return counted;
        }
        removals.sort_by_key(|x| self.seniority(*x));
        // Provisional places, so that "concurrent" means something for the undecided too.
        let mut places: Counted =
            removals.iter().map(|removal| (*removal, self.book_possible_places(*removal, set, aside))).collect();
        // What stands changes only where a removal has been counted.
        let mut stands_now: Option<Mask> = None;
        for removal in removals {
            let standing = &*stands_now.get_or_insert_with(|| self.book_standing(set, aside, &counted));
            if !self.book_stands(removal, standing, &counted, &places) {
                continue;
            }
            if self.node(removal).own.needs_second {
                let possible = places.get(&removal).cloned().unwrap_or_default();
                let at: Mask = possible.iter().filter(|s| self.book_stands(*s, standing, &counted, &places)).collect();
                if at.is_empty() {
                    continue;
                }
                places.insert(removal, at);
            }
            counted.insert(removal, places.get(&removal).cloned().unwrap_or_default());
            self.book_set_aside_targets(set, removal, aside, &counted);
            stands_now = None;
        }
        counted
    }

    fn book_possible_places(&self, removal: u32, set: &Mask, aside: &Aside) -> Mask {
        if !self.node(removal).own.needs_second {
            return Mask::of(removal);
        }
        let id = self.node(removal).id;
        set.iter()
            .filter(|x| {
                let node = self.node(*x);
                matches!(node.fact, Some(RosterFact::Second { removal: named }) if named == id)
                    && !aside.contains_key(x)
                    && !node.own.is_void
            })
            .collect()
    }

    fn book_stands(&self, x: u32, standing: &Mask, counted: &Counted, places: &Counted) -> bool {
        self.book_able_within(x, standing, counted)
            && !counted.keys().any(|removal| {
                self.node(*removal).is_hard()
                    && self.book_removes(*removal, x)
                    && self.book_is_concurrent(*removal, x, places)
            })
    }

    fn book_removes(&self, removal: u32, x: u32) -> bool {
        match &self.node(removal).fact {
            Some(RosterFact::Revoke { devices, .. }) => devices.contains(&self.node(x).key),
            Some(RosterFact::SetCapability { person, .. }) => self.node(x).own.person == *person,
            _ => false,
        }
    }

    fn book_is_before(&self, x: u32, y: u32, places: &Counted) -> bool {
        let past = &self.node(y).past;
        places.get(&x).map_or_else(|| past.contains(x), |places| past.meets(places))
    }

    fn book_is_concurrent(&self, x: u32, y: u32, places: &Counted) -> bool {
        x != y && !self.book_is_before(x, y, places) && !self.book_is_before(y, x, places)
    }

    fn book_set_aside_targets(&self, set: &Mask, removal: u32, aside: &mut Aside, counted: &Counted) {
        if !self.node(removal).is_hard() {
            return;
        }
        let mut stay = Mask::default();
        for (other, places) in counted {
            stay.union(places);
            stay.insert(*other);
        }
        for x in set.iter().filter(|x| !stay.contains(*x)) {
            if self.book_removes(removal, x) && self.book_is_concurrent(removal, x, counted) {
                aside.entry(x).or_default().removals.insert(removal);
            }
        }
    }

    fn book_standing(&self, set: &Mask, aside: &Aside, counted: &Counted) -> Mask {
        let mut standing = Mask::default();
        for x in self.in_order(set) {
            let node = self.node(x);
            let stands = if counted.contains_key(&x) {
                true
            } else if aside.contains_key(&x) || node.own.is_void || node.own.is_removal {
                false
            } else {
                self.book_able_within(x, &standing, counted)
            };
            if stands {
                standing.insert(x);
            }
        }
        standing
    }

    fn book_able_within(&self, x: u32, standing: &Mask, counted: &Counted) -> bool {
        let node = self.node(x);
        let here = standing.and(&node.past);
        // Removals that do not stand in the own past take nothing from anybody there.
        self.book_able(&Deed::of(node), &self.book_roster(&here, counted), &here)
    }

    fn book_able(&self, deed: &Deed<'_>, roster: &Roster, standing: &Mask) -> bool {
        match deed.kind {
            Kind::TEAM_CREATE => return true,
            Kind::JOIN => return deed.is_first && self.book_is_standing_invite(deed.deps, standing),
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

    fn book_is_standing_invite(&self, deps: &[u32], standing: &Mask) -> bool {
        let [invite] = deps else { return false };
        self.node(*invite).kind == Kind::INVITE && standing.contains(*invite)
    }

    fn book_roster(&self, standing: &Mask, counted: &Counted) -> Roster {
        let mut revoked: BTreeMap<DeviceKey, Vec<&Mask>> = BTreeMap::new();
        for (removal, places) in counted.iter().filter(|(_, places)| standing.meets(places)) {
            for device in self.node(*removal).revoked_devices() {
                revoked.entry(*device).or_default().push(places);
            }
        }
        let gone = |key: &DeviceKey, at: u32| {
            revoked.get(key).is_some_and(|all| all.iter().any(|places| !self.node(at).past.meets(places)))
        };
        let mut roster = Roster::default();
        let mut bindings: Vec<Binding> = Vec::new();
        let mut bind = |key: DeviceKey, person, at| {
            if !gone(&key, at) {
                bindings.push((self.rank(at), key, person));
            }
        };
        for x in self.in_order(standing) {
            let node = self.node(x);
            match &node.fact {
                Some(RosterFact::TeamCreate { person_kind, .. }) => {
                    let person = PersonId::of_genesis(node.id);
                    bind(node.key, person, x);
                    roster.capability.insert(person, Capability::Admin);
                    roster.grant.insert(person, x);
                    roster.person_kind.insert(person, *person_kind);
                }
                Some(RosterFact::AddDevice { device, .. }) => bind(*device, node.own.person, x),
                _ => {}
            }
        }
        let deeds = self.book_deeds(standing);
        for (invite, joins) in &deeds.joins_by_invite {
            self.book_settle_invite(*invite, joins, &deeds, &gone, &mut roster, &mut bind);
        }
        self.book_apply_grants(&deeds, &mut roster);
        bindings.sort_unstable();
        for (_, key, person) in bindings {
            if roster.capability.contains_key(&person) {
                roster.person_of.entry(key).or_insert(person);
            }
        }
        let live: BTreeSet<PersonId> = roster.person_of.values().copied().collect();
        roster.capability.retain(|person, _| live.contains(person));
        roster.person_kind.retain(|person, _| live.contains(person));
        roster.guest.retain(|person, _| live.contains(person));
        roster
    }

    fn book_deeds(&self, standing: &Mask) -> Deeds {
        let mut deeds = Deeds::default();
        let invite_of = |join: &EntryId| {
            let join = self.number(join)?;
            Some((join, *self.node(join).deps.first()?))
        };
        let mut vouched = BTreeSet::new();
        for x in self.in_order(standing) {
            match &self.node(x).fact {
                Some(RosterFact::Vouch { join }) => {
                    vouched.extend(
                        invite_of(join).filter(|(join, invite)| standing.contains(*join) && standing.contains(*invite)),
                    );
                }
                Some(RosterFact::Confirm { join }) => {
                    if let Some((join, invite)) = invite_of(join) {
                        deeds.confirms_by_invite.entry(invite).or_default().push((x, join));
                    }
                }
                Some(RosterFact::SetCapability { person, capability }) => {
                    deeds.grants_by_person.entry(*person).or_default().push((x, *capability));
                }
                _ => {}
            }
        }
        for (join, invite) in vouched {
            deeds.joins_by_invite.entry(invite).or_default().push(join);
        }
        deeds
    }

    fn book_settle_invite(
        &self,
        invite: u32,
        joins: &[u32],
        deeds: &Deeds,
        gone: &dyn Fn(&DeviceKey, u32) -> bool,
        roster: &mut Roster,
        bind: &mut dyn FnMut(DeviceKey, PersonId, u32),
    ) {
        let Some(RosterFact::Invite { capability, incident, .. }) = self.node(invite).fact else { return };
        let confirmed = self.book_confirmed(deeds.confirms_by_invite.get(&invite).map_or(&[], Vec::as_slice));
        for join in joins {
            let node = self.node(*join);
            let person = PersonId::of_genesis(node.id);
            // A revoked rival is none.
            let has_rivals = joins.iter().any(|other| other != join && !gone(&self.node(*other).key, *other));
            let is_settled = deeds.grants_by_person.contains_key(&person);
            if has_rivals && !is_settled && confirmed.len() == 1 && !confirmed.contains(join) {
                continue;
            }
            let is_the_one = confirmed.len() == 1 && confirmed.contains(join);
            let given = if has_rivals && !is_the_one { capability.min(Capability::Observer) } else { capability };
            roster.capability.insert(person, given);
            roster.guest.extend(incident.map(|incident| (person, incident)));
            if let Some(RosterFact::Join { person_kind, .. }) = node.fact {
                roster.person_kind.insert(person, person_kind);
            }
            bind(node.key, person, *join);
        }
    }

    fn book_confirmed(&self, confirms: &[(u32, u32)]) -> BTreeSet<u32> {
        let is_newest = |confirm: u32| !confirms.iter().any(|(other, _)| self.node(*other).past.contains(confirm));
        confirms.iter().filter(|(confirm, _)| is_newest(*confirm)).map(|(_, join)| *join).collect()
    }

    fn book_apply_grants(&self, deeds: &Deeds, roster: &mut Roster) {
        for (person, grants) in &deeds.grants_by_person {
            if !roster.capability.contains_key(person) {
                continue;
            }
            let is_newest = |grant: u32| !grants.iter().any(|(other, _)| self.node(*other).past.contains(grant));
            let newest: Vec<_> = grants.iter().filter(|(grant, _)| is_newest(*grant)).collect();
            let Some(lowest) = newest.iter().map(|(_, capability)| *capability).min() else { continue };
            let lowest = roster.reach(person, lowest);
            roster.capability.insert(*person, lowest);
            match newest.first() {
                Some((first, _)) if lowest == Capability::Admin => roster.grant.insert(*person, *first),
                _ => roster.grant.remove(person),
            };
        }
    }
}
