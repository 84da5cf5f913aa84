//! People, their devices and capabilities: what a set of standing roster entries says.
//!
//! Which entries stand is decided in `fold`; here their facts are put together.

use super::fold::{Counted, Fold};
use super::graph::Graph;
use super::mask::Mask;
use crate::fact::{Capability, PersonKind, RosterFact};
use crate::ids::{EntryId, IncidentId, PersonId};
use crate::key::DeviceKey;
use std::collections::{BTreeMap, BTreeSet};

/// Who is in the team, with which devices, and may do what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    person_of: BTreeMap<DeviceKey, PersonId>,
    capability: BTreeMap<PersonId, Capability>,
    person_kind: BTreeMap<PersonId, PersonKind>,
    /// Guests, each with the incident that the invite names.
    guest: BTreeMap<PersonId, IncidentId>,
    /// Admin persons with the entry that made them so; also of persons without a device.
    pub(super) grant: BTreeMap<PersonId, u32>,
}

impl Roster {
    /// The person whose device this is.
    pub fn person_of(&self, device: &DeviceKey) -> Option<PersonId> {
        self.person_of.get(device).copied()
    }

    /// What the person may do; none of a person without a device.
    pub fn capability(&self, person: &PersonId) -> Option<Capability> {
        self.capability.get(person).copied()
    }

    /// What the owner of the device may do.
    pub fn capability_of(&self, device: &DeviceKey) -> Option<Capability> {
        self.capability(&self.person_of(device)?)
    }

    /// Whether the person is a human being or a machine.
    pub fn person_kind(&self, person: &PersonId) -> Option<PersonKind> {
        self.person_kind.get(person).copied()
    }

    /// The incident that the person was let in for, where that is a guest; none of a member.
    pub fn guest_of(&self, person: &PersonId) -> Option<IncidentId> {
        self.guest.get(person).copied()
    }

    /// The devices of members, without those of guests, by key.
    pub fn member_devices(&self) -> BTreeSet<DeviceKey> {
        let members = self.person_of.iter().filter(|(_, person)| !self.guest.contains_key(person));
        members.map(|(device, _)| *device).collect()
    }

    /// What a capability given to the person comes to: a guest's never reaches beyond responder.
    pub(super) fn reach(&self, person: &PersonId, capability: Capability) -> Capability {
        if self.guest.contains_key(person) { capability.min(Capability::Responder) } else { capability }
    }

    /// The person's devices, by key.
    pub fn devices(&self, person: &PersonId) -> Vec<DeviceKey> {
        self.person_of.iter().filter(|(_, owner)| *owner == person).map(|(device, _)| *device).collect()
    }

    /// Everybody who has a device, by id.
    pub fn persons(&self) -> impl Iterator<Item = PersonId> {
        self.capability.keys().copied()
    }

    /// All devices of the team, those of guests among them, by key.
    pub fn members(&self) -> BTreeSet<DeviceKey> {
        self.person_of.keys().copied().collect()
    }

    /// All devices with their persons, by key.
    pub fn bindings(&self) -> impl Iterator<Item = (DeviceKey, PersonId)> {
        self.person_of.iter().map(|(device, person)| (*device, *person))
    }

    pub(super) fn admins(&self) -> BTreeSet<PersonId> {
        let admins = self.capability.iter().filter(|(_, capability)| **capability == Capability::Admin);
        admins.map(|(person, _)| *person).collect()
    }
}

/// Standing entries by what they do.
#[derive(Default)]
struct Deeds {
    /// Vouched joins that stand with their invites, by invite.
    joins_by_invite: BTreeMap<u32, Vec<u32>>,
    /// (Confirm, the join it names), by invite.
    confirms_by_invite: BTreeMap<u32, Vec<(u32, u32)>>,
    /// (Entry, capability), by person, in the order of the fold.
    grants_by_person: BTreeMap<PersonId, Vec<(u32, Capability)>>,
}

/// A key bound to a person; the first in the order of the fold holds it.
type Binding = ((u32, EntryId), DeviceKey, PersonId);

impl Graph {
    pub(super) fn work_out_roster(&self, standing: &Mask, counted: &Counted) -> Roster {
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
        let deeds = self.deeds(standing);
        for (invite, joins) in &deeds.joins_by_invite {
            self.settle_invite(*invite, joins, &deeds, &gone, &mut roster, &mut bind);
        }
        self.apply_grants(&deeds, &mut roster);
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

    /// Standing joins by invites of which no join is vouched for; with the invites.
    pub(crate) fn joins_to_vouch(&self, whole: &Fold) -> Vec<(EntryId, EntryId)> {
        let taken: BTreeSet<u32> = self.deeds(&whole.standing).joins_by_invite.into_keys().collect();
        self.in_order(&whole.standing)
            .map(|x| self.node(x))
            .filter(|node| matches!(node.fact, Some(RosterFact::Join { .. })))
            .filter_map(|join| Some((join.id, *join.deps.first()?)))
            .filter(|(_, invite)| whole.standing.contains(*invite) && !taken.contains(invite))
            .map(|(join, invite)| (join, self.node(invite).id))
            .collect()
    }

    /// Vouched joins that share their invite with others, where neither a confirm nor a grant has settled who is meant.
    pub(super) fn unsettled_joins(&self, whole: &Fold) -> Vec<Vec<u32>> {
        let deeds = self.deeds(&whole.standing);
        let person = |join: &u32| PersonId::of_genesis(self.node(*join).id);
        let is_there = |join: &u32| whole.roster.capability(&person(join)).is_some();
        let mut unsettled = Vec::new();
        for (invite, joins) in &deeds.joins_by_invite {
            let rivals: Vec<u32> = joins.iter().copied().filter(is_there).collect();
            let confirmed = self.confirmed(deeds.confirms_by_invite.get(invite).map_or(&[], Vec::as_slice));
            let is_settled = |join: &u32| deeds.grants_by_person.contains_key(&person(join));
            if rivals.len() > 1 && confirmed.len() != 1 && !rivals.iter().all(is_settled) {
                unsettled.push(rivals);
            }
        }
        unsettled
    }

    fn deeds(&self, standing: &Mask) -> Deeds {
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

    /// The vouched joins by one invite: alone, each gets what the invite gives; rivals get less until one is confirmed.
    fn settle_invite(
        &self,
        invite: u32,
        joins: &[u32],
        deeds: &Deeds,
        gone: &dyn Fn(&DeviceKey, u32) -> bool,
        roster: &mut Roster,
        bind: &mut dyn FnMut(DeviceKey, PersonId, u32),
    ) {
        let Some(RosterFact::Invite { capability, incident, .. }) = self.node(invite).fact else { return };
        let confirmed = self.confirmed(deeds.confirms_by_invite.get(&invite).map_or(&[], Vec::as_slice));
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

    /// The joins that the newest confirms name.
    fn confirmed(&self, confirms: &[(u32, u32)]) -> BTreeSet<u32> {
        let is_newest = |confirm: u32| !confirms.iter().any(|(other, _)| self.node(*other).past.contains(confirm));
        confirms.iter().filter(|(confirm, _)| is_newest(*confirm)).map(|(_, join)| *join).collect()
    }

    /// A person's newest grants override the invite; of several the lowest holds.
    fn apply_grants(&self, deeds: &Deeds, roster: &mut Roster) {
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
