//! People, their devices and capabilities: what a set of standing roster entries says.
//!
//! Which entries stand is decided in `fold`; here their facts are put together.

use super::fold::Fold;
use super::graph::Graph;
use super::mask::Mask;
use super::sight::{Grade, Settled, Sight};
use super::verdict::Counted;
use crate::fact::{Capability, Kind, PersonKind, RosterFact};
use crate::ids::{EntryId, IncidentId, PersonId};
use crate::key::DeviceKey;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who is in the team, with which devices, and may do what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    pub(super) person_of: BTreeMap<DeviceKey, PersonId>,
    pub(super) capability: BTreeMap<PersonId, Capability>,
    pub(super) person_kind: BTreeMap<PersonId, PersonKind>,
    /// Guests, each with the incident that the invite names.
    pub(super) guest: BTreeMap<PersonId, IncidentId>,
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

    pub(super) fn has_three_admins(&self) -> bool {
        let admins = self.capability.values().filter(|capability| **capability == Capability::Admin);
        admins.take(3).count() == 3
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

/// Of whom a change may say something else.
#[derive(Default)]
struct Touched {
    /// Devices that may belong to somebody else.
    devices: BTreeSet<DeviceKey>,
    /// Persons who may be there no longer, or something else.
    persons: BTreeSet<PersonId>,
    /// Persons who may be something else.
    grades: BTreeSet<PersonId>,
    /// Invites whose joins may have been let in otherwise.
    invites: BTreeSet<u32>,
}

impl Graph {
    /// What standing entries say, the removals being those of `counted`, from a fold that says something like it.
    pub(super) fn roster_from(&self, fold: &Fold, standing: &Mask, counted: &Counted) -> Arc<Roster> {
        let mut flips = fold.standing.differing(standing);
        flips.union(&fold.counted.places.differing(&counted.places));
        let mut touched = Touched::default();
        flips.iter().for_each(|x| self.touch(x, &mut touched));
        for invite in std::mem::take(&mut touched.invites) {
            for join in self.index().vouches(invite).iter().filter_map(|vouch| self.target(vouch)) {
                touched.persons.insert(PersonId::of_genesis(self.node(join).id));
            }
        }
        if touched.devices.is_empty() && touched.persons.is_empty() && touched.grades.is_empty() {
            return Arc::clone(&fold.roster);
        }
        let world = Settled { standing, counted };
        let sight = Sight { graph: self, world: &world, within: None };
        let mut roster = (*fold.roster).clone();
        // Whoever is no longer known has no device.
        for person in &touched.persons {
            touched.devices.extend(self.devices_ever(person));
        }
        for device in touched.devices {
            let before = roster.person_of.get(&device).copied();
            // A settled world has an answer to everything.
            let after = sight.person_of(&device).ok().flatten();
            match after {
                Some(person) => drop(roster.person_of.insert(device, person)),
                None => drop(roster.person_of.remove(&device)),
            }
            if before != after {
                touched.persons.extend(before.into_iter().chain(after));
            }
        }
        for person in touched.persons.union(&touched.grades).copied() {
            self.put(&mut roster, person, sight.grade(&person).ok().flatten());
        }
        Arc::new(roster)
    }

    /// Notes of whom an entry speaks.
    fn touch(&self, x: u32, touched: &mut Touched) {
        let node = self.node(x);
        match (&node.fact, node.target) {
            (Some(RosterFact::TeamCreate { .. }), _) => {
                touched.persons.insert(PersonId::of_genesis(node.id));
            }
            (Some(RosterFact::Invite { .. }), _) => drop(touched.invites.insert(x)),
            (Some(RosterFact::Join { .. }), _) => touched.invites.extend(node.deps.first()),
            (Some(RosterFact::Vouch { .. } | RosterFact::Confirm { .. }), Some(target)) => {
                touched.invites.insert(target.invite);
            }
            (Some(RosterFact::AddDevice { device, .. }), _) => drop(touched.devices.insert(*device)),
            (Some(RosterFact::SetCapability { person, .. }), _) => {
                let invite = self.number(&person.genesis()).filter(|join| self.has_rivals(*join));
                // Whom a grant names is settled.
                match invite.and_then(|join| self.node(join).deps.first()) {
                    Some(invite) => drop(touched.invites.insert(*invite)),
                    None => drop(touched.grades.insert(*person)),
                }
            }
            (Some(RosterFact::Revoke { devices, .. }), _) => {
                devices.iter().for_each(|device| self.touch_revoked(device, touched));
            }
            (Some(RosterFact::Second { .. }), Some(target)) => {
                self.node(target.entry).revoked_devices().iter().for_each(|device| self.touch_revoked(device, touched));
            }
            _ => {}
        }
    }

    /// A device that is revoked, or no longer; a revoked rival is none.
    fn touch_revoked(&self, device: &DeviceKey, touched: &mut Touched) {
        touched.devices.insert(*device);
        let joins = self.index().bindings(device).iter().filter(|join| self.node(*join).kind == Kind::JOIN);
        touched
            .invites
            .extend(joins.filter(|join| self.has_rivals(*join)).filter_map(|join| self.node(join).deps.first()));
    }

    /// Devices that were ever given to a person.
    fn devices_ever(&self, person: &PersonId) -> impl Iterator<Item = DeviceKey> {
        let first = self.number(&person.genesis()).map(|genesis| self.node(genesis).key);
        let added = self.index().devices(person).iter().filter_map(|x| match &self.node(x).fact {
            Some(RosterFact::AddDevice { device, .. }) => Some(*device),
            _ => None,
        });
        first.into_iter().chain(added)
    }

    /// Writes down what a person is. Who has no device is nobody, but for the grant.
    fn put(&self, roster: &mut Roster, person: PersonId, grade: Option<Grade>) {
        let is_there = self.devices_ever(&person).any(|device| roster.person_of(&device) == Some(person));
        let here = grade.filter(|_| is_there);
        set(&mut roster.capability, person, here.map(|grade| grade.capability));
        set(&mut roster.person_kind, person, here.and_then(|grade| grade.kind));
        set(&mut roster.guest, person, here.and_then(|grade| grade.guest));
        set(&mut roster.grant, person, grade.and_then(|grade| grade.grant));
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

    /// The joins that the newest confirms name.
    fn confirmed(&self, confirms: &[(u32, u32)]) -> BTreeSet<u32> {
        let is_newest = |confirm: u32| !confirms.iter().any(|(other, _)| self.node(*other).past.contains(confirm));
        confirms.iter().filter(|(confirm, _)| is_newest(*confirm)).map(|(_, join)| *join).collect()
    }
}

fn set<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}
