//! Who is in the team: removals with their outlook, seconds, recovery keys, further devices, coming back.

use super::{HOUR_MS, Room, declare, say};
use crate::{Decision, JoinAnswer, Removing, ReplicaError};
use muster_incident::Aside;
use muster_log::fact::{Capability, RevokeMode, RosterFact};
use muster_log::{DeviceSecret, EntryId, IncidentId, PersonId, Standing, Status, TeamId};
use std::collections::BTreeSet;

impl Room {
    fn person_at(&self, desk: usize, team: TeamId) -> PersonId {
        self.desks[desk].person_in(&team).unwrap()
    }

    fn out(&self, desk: usize, mode: RevokeMode) -> Removing {
        Removing::Devices { devices: BTreeSet::from([self.key(desk)]), mode, until: None }
    }

    fn status(&self, desk: usize, team: TeamId, incident: IncidentId, entry: &EntryId) -> Status {
        self.desks[desk].ledger(&team).unwrap().statuses(&incident)[entry]
    }

    fn note(&mut self, desk: usize, team: TeamId, incident: IncidentId, text: &str) -> EntryId {
        self.tick += 1;
        let now = self.now();
        let written = self.desks[desk].write(team, Some(incident), &say(text), &Aside::default(), now).unwrap();
        self.desks[desk].commit(now).unwrap();
        written.entry
    }

    pub(super) fn make_admin(&mut self, by: usize, team: TeamId, desk: usize) {
        let (person, now) = (self.person_at(desk, team), self.now());
        let fact = RosterFact::SetCapability { person, capability: Capability::Admin };
        self.desks[by].decide(team, &fact, now).unwrap();
        self.desks[by].commit(now).unwrap();
        self.settle();
    }
}

#[test]
fn an_outlook_tells_what_a_removal_then_does_and_signs_nothing() {
    let mut room = Room::new(3);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    let early = room.note(1, team, incident, "early");
    room.settle();
    room.tick += 1;
    let stolen_at = room.now().wall;
    let stolen = room.note(1, team, incident, "by the thief");
    room.settle();
    let mut removing = room.out(1, RevokeMode::Compromise);
    if let Removing::Devices { until, .. } = &mut removing {
        *until = Some(stolen_at);
    }
    let now = room.now();
    let before = room.desks[0].ledger(&team).unwrap().len();
    let outlook = room.desks[0].outlook(team, &removing, now).unwrap();
    assert_eq!(room.desks[0].ledger(&team).unwrap().len(), before);
    assert!(outlook.counts && outlook.roster.person_of(&room.key(1)).is_none());
    let changed: Vec<_> = outlook.changed.iter().map(|c| (c.entry, c.before, c.after)).collect();
    assert_eq!(changed, [(stolen, Status::Active, Status::Revoked)]);
    assert_eq!(room.status(0, team, incident, &stolen), Status::Active);

    room.disconnect_all();
    room.desks[0].remove(team, &removing, now).unwrap();
    room.desks[0].commit(now).unwrap();
    assert_eq!(room.status(0, team, incident, &stolen), Status::Revoked);
    assert_eq!(room.status(0, team, incident, &early), Status::Active);
    let people = room.desks[0].people(&team).unwrap();
    assert!(people.find("desk 1").is_err());
    assert!(room.timeline(0, team, incident).contains("desk 1"), "the name stays beside what was written");
}

#[test]
fn a_retired_device_goes_and_all_that_is_here_of_it_counts() {
    let mut room = Room::new(2);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    let noted = room.note(1, team, incident, "last words");
    room.settle();
    room.disconnect_all();
    let (removing, now) = (room.out(1, RevokeMode::Retire), room.now());
    let outlook = room.desks[0].remove(team, &removing, now).unwrap();
    assert_eq!(outlook.changed, []);
    assert_eq!(room.status(0, team, incident, &noted), Status::Active);
    assert!(room.desks[0].ledger(&team).unwrap().roster().person_of(&room.key(1)).is_none());
}

#[test]
fn among_three_admins_a_removal_waits_for_its_second() {
    let mut room = Room::new(3);
    let team = room.team();
    room.make_admin(0, team, 1);
    room.make_admin(0, team, 2);
    let (removing, now) = (room.out(2, RevokeMode::Compromise), room.now());
    let outlook = room.desks[0].remove(team, &removing, now).unwrap();
    room.desks[0].commit(now).unwrap();
    assert!(!outlook.counts && outlook.roster.person_of(&room.key(2)).is_some());
    room.settle();
    let waiting = room.desks[1].ledger(&team).unwrap().removals();
    assert_eq!(waiting.iter().map(|r| r.standing).collect::<Vec<_>>(), [Standing::NeedsSecond]);
    assert!(room.desks[1].ledger(&team).unwrap().roster().person_of(&room.key(2)).is_some());
    room.disconnect_all();
    room.desks[1].second(team, waiting[0].id, now).unwrap();
    assert!(room.desks[1].ledger(&team).unwrap().roster().person_of(&room.key(2)).is_none());
}

#[test]
fn a_recovery_key_brings_an_admin_back_and_no_other_key_does() {
    let mut room = Room::new(2);
    let now = room.now();
    let (key, stranger) = (DeviceSecret::from_seed(&[77; 32]), DeviceSecret::from_seed(&[78; 32]));
    let team = room.desks[0].create_team_with("alice", None, vec![key.public()], now).unwrap();
    room.desks[0].commit(now).unwrap();
    let ticket = room.ticket(team, HOUR_MS);
    assert_eq!(room.join(1, &ticket), JoinAnswer::Welcome);
    room.connect_all();
    room.disconnect_all();
    let grant = Decision::Grant { person: room.person_at(1, team), capability: Capability::Admin };
    let refused = room.desks[1].recover(team, &stranger, &grant, now);
    assert!(matches!(refused, Err(ReplicaError::NotAllowed(why)) if why.contains("no recovery key")));
    room.desks[1].recover(team, &key, &grant, now).unwrap();
    let out = room.out(0, RevokeMode::Compromise);
    let outlook = room.desks[1].recovery_outlook(team, &key, &out, now).unwrap();
    assert!(outlook.counts);
    room.desks[1].recover(team, &key, &Decision::Remove(out), now).unwrap();
    room.desks[1].commit(now).unwrap();
    let roster = room.desks[1].ledger(&team).unwrap().roster();
    assert_eq!(roster.capability_of(&room.key(1)), Some(Capability::Admin));
    assert_eq!(roster.capability_of(&room.key(0)), None);
    assert_eq!(room.desks[1].verify(crate::VerifyScope::default()).unwrap().problems, []);
}

#[test]
fn another_device_writes_as_the_same_person_once_it_was_added() {
    let mut room = Room::new(2);
    let now = room.now();
    let team = room.desks[0].create_team("alice", now).unwrap();
    room.desks[0].commit(now).unwrap();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    let offer = room.desks[0].offer_device(team, &["/ip4/192.0.2.1/tcp/7001".into()]).unwrap();
    let answer = room.desks[1].accept_offer(&offer).unwrap();
    room.desks[1].commit(now).unwrap();
    room.connect_all();
    assert!(room.desks[1].incidents().unwrap().is_empty(), "nothing comes before it was added");
    room.disconnect_all();
    room.desks[0].add_device(&answer, now).unwrap();
    room.desks[0].commit(now).unwrap();
    assert!(matches!(room.desks[0].add_device(&answer, now), Err(ReplicaError::Pointless { .. })), "once");
    room.connect_all();
    room.note(1, team, incident, "from the other laptop");
    room.settle();
    let view = room.desks[0].view(team, incident).unwrap();
    assert_eq!(view.timeline.iter().filter(|line| line.author.person == "alice").count(), 2);
    assert_eq!(room.desks[0].ledger(&team).unwrap().roster().persons().count(), 1);
}

#[test]
fn a_device_that_retires_itself_knows_that_it_was_removed_until_it_comes_back() {
    let mut room = Room::new(2);
    let team = room.team();
    assert!(!room.desks[1].was_removed_from(&team));
    let (removing, now) = (room.out(1, RevokeMode::Retire), room.now());
    room.desks[1].remove(team, &removing, now).unwrap();
    room.desks[1].commit(now).unwrap();
    room.settle();
    assert!(room.desks[1].was_removed_from(&team) && !room.desks[0].was_removed_from(&team));
    let ticket = room.ticket(team, HOUR_MS);
    assert_eq!(room.join(1, &ticket), JoinAnswer::Welcome);
    room.disconnect_all();
    room.connect_all();
    assert!(!room.desks[1].was_removed_from(&team));
}

#[test]
fn who_was_removed_comes_back_by_a_new_ticket_as_somebody_new() {
    let mut room = Room::new(2);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    let (first, now) = (room.person_at(1, team), room.now());
    let known = room.ticket(team, HOUR_MS);
    room.settle();
    assert!(matches!(room.desks[1].join_request(&known, "bob", now), Err(ReplicaError::InTeam)), "a member already");
    room.disconnect_all();
    let removing = room.out(1, RevokeMode::Retire);
    room.desks[0].remove(team, &removing, now).unwrap();
    room.desks[0].commit(now).unwrap();
    // The device has not heard of its removal: nobody tells it anything any more.
    let ticket = room.ticket(team, HOUR_MS);
    assert_eq!(room.join(1, &ticket), JoinAnswer::Welcome);
    room.connect_all();
    assert_ne!(room.person_at(1, team), first);
    let back = room.note(1, team, incident, "back again");
    room.settle();
    assert_eq!(room.status(0, team, incident, &back), Status::Active);
    assert_eq!(room.timeline(0, team, incident), room.timeline(1, team, incident));
}

#[test]
fn what_was_shared_with_somebody_who_left_is_not_declared_alone() {
    let mut room = Room::new(3);
    let now = room.now();
    let team = room.desks[0].create_team("alice", now).unwrap();
    room.desks[0].commit(now).unwrap();
    let shared = room.write(0, team, None, &declare("ours"));
    let ticket = room.ticket(team, HOUR_MS);
    assert_eq!(room.join(1, &ticket), JoinAnswer::Welcome);
    let removing = room.out(1, RevokeMode::Retire);
    room.desks[0].remove(team, &removing, now).unwrap();
    room.desks[0].commit(now).unwrap();
    let other = room.desks[2].create_team("carol", now).unwrap();
    let ticket = room.desks[2].invite(
        other,
        Capability::Responder,
        None,
        now.wall.plus_ms(HOUR_MS),
        &["/ip4/192.0.2.1/tcp/1".into()],
        now,
    );
    room.desks[2].commit(now).unwrap();
    room.desks[0].joined(&ticket.unwrap()).unwrap();
    room.desks[0].commit(now).unwrap();
    assert!(room.desks[0].coming_to(&other).unwrap().is_empty());
    assert_eq!(room.desks[0].carried_to(shared).unwrap(), shared);
}
