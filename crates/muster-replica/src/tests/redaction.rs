//! Redaction between replicas: hidden on arrival, erased when due, not sent, asked for or taken back.

use super::full::pass;
use super::{Room, declare, open, say};
use crate::{ADMIN_WAIT_MS, Erasure, ReplicaError};
use muster_incident::{Act, Aside, CommandError};
use muster_log::fact::{RevokeMode, RosterFact};
use muster_log::{BodyHash, EntryId, IncidentId, TeamId};
use muster_store::Storage;
use muster_sync::Tick;
use std::time::Duration;

const SECRET: &str = "the password is hunter2";

fn redact(id: EntryId) -> Act {
    Act::Redact { id: id.to_string(), reason: "pasted a password".into() }
}

impl Room {
    /// The entry at a desk that says the secret.
    fn secret(&mut self, desk: usize, team: TeamId, incident: IncidentId) -> (EntryId, BodyHash) {
        let rows = self.desks[desk].view(team, incident).unwrap().timeline;
        let id: EntryId = rows.iter().find(|row| row.text == SECRET).unwrap().id.parse().unwrap();
        let entry = self.desks[desk].ledger(&team).unwrap().entry(&id).unwrap().clone();
        (id, entry.body().unwrap().hash)
    }

    fn text(&mut self, desk: usize, team: TeamId, incident: IncidentId, id: EntryId) -> String {
        let rows = self.desks[desk].view(team, incident).unwrap().timeline;
        let drawn = self.desks[desk].newest(team, incident, 100).unwrap();
        assert_eq!(rows, drawn, "the newest lines are those of the document");
        rows.iter().find(|row| row.id == id.to_string()).unwrap().text.clone()
    }

    fn holds(&self, desk: usize, hash: &BodyHash) -> bool {
        self.desks[desk].store().contains_body(hash).unwrap()
    }
}

#[test]
fn the_authors_own_goes_everywhere_at_once_and_from_who_was_away_when_it_hears() {
    let mut room = Room::new(3);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    room.write(1, team, Some(incident), &say(SECRET));
    room.settle();
    let (id, hash) = room.secret(1, team, incident);
    assert!((0..3).all(|desk| room.holds(desk, &hash)));
    let away = room.key(2);
    let now = room.now();
    for desk in 0..2 {
        room.desks[desk].handle(crate::Input::Disconnected { peer: away }, now).unwrap();
    }
    for desk in 0..2 {
        let peer = room.key(desk);
        room.desks[2].handle(crate::Input::Disconnected { peer }, now).unwrap();
    }
    room.write(1, team, Some(incident), &redact(id));
    room.settle();
    let expected = "[redacted by desk 1: pasted a password]";
    for desk in 0..2 {
        assert!(!room.holds(desk, &hash), "desk {desk}");
        assert_eq!(room.text(desk, team, incident, id), expected);
    }
    assert!(room.holds(2, &hash));
    assert_eq!(room.text(2, team, incident, id), SECRET);
    // It comes back with the text, which nobody takes, and loses it.
    room.connect_all();
    let later = room.tick + 60_000;
    pass(&mut room, later);
    for desk in 0..3 {
        assert!(!room.holds(desk, &hash), "desk {desk}");
        assert_eq!(room.text(desk, team, incident, id), expected);
        assert_eq!(room.desks[desk].unerased(room.now()).unwrap(), crate::Unerased::default());
    }
    let views: Vec<String> = (0..3).map(|desk| room.timeline(desk, team, incident)).collect();
    assert!(views.iter().all(|view| *view == views[0]));
}

#[test]
fn one_admins_word_hides_at_once_and_erases_after_a_day() {
    let mut room = Room::new(2);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    room.write(1, team, Some(incident), &say(SECRET));
    room.settle();
    let (id, hash) = room.secret(0, team, incident);
    // The nodes have run for days: the day counts from the redaction.
    let days = room.tick + 3 * ADMIN_WAIT_MS as u64;
    pass(&mut room, days);
    room.write(0, team, Some(incident), &redact(id));
    room.settle();
    for desk in 0..2 {
        assert!(room.text(desk, team, incident, id).starts_with("[redacted by alice"));
        assert!(room.holds(desk, &hash), "it can be wanted again");
        assert_eq!(room.desks[desk].unerased(room.now()).unwrap().waiting, 1);
    }
    let day = ADMIN_WAIT_MS as u64;
    let almost = room.tick + day - 120_000;
    pass(&mut room, almost);
    assert!((0..2).all(|desk| room.holds(desk, &hash)));
    let later = room.tick + 240_000;
    pass(&mut room, later);
    assert!((0..2).all(|desk| !room.holds(desk, &hash)));
}

#[test]
fn a_second_admin_makes_it_go_at_once() {
    let mut room = Room::new(3);
    let team = room.team();
    room.make_admin(0, team, 1);
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    room.write(2, team, Some(incident), &say(SECRET));
    room.settle();
    let (id, hash) = room.secret(0, team, incident);
    room.write(0, team, Some(incident), &redact(id));
    room.settle();
    assert!((0..3).all(|desk| room.holds(desk, &hash)));
    room.write(1, team, Some(incident), &redact(id));
    let later = room.tick + 60_000;
    pass(&mut room, later);
    assert!((0..3).all(|desk| !room.holds(desk, &hash)));
}

#[test]
fn what_a_stolen_admin_device_redacted_is_shown_again_when_the_device_is_out() {
    let mut room = Room::new(3);
    let team = room.team();
    room.make_admin(0, team, 1);
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    room.write(2, team, Some(incident), &say(SECRET));
    room.settle();
    let (id, _) = room.secret(0, team, incident);
    room.write(1, team, Some(incident), &redact(id));
    room.settle();
    assert!((0..3).all(|desk| room.text(desk, team, incident, id).starts_with("[redacted")));
    room.disconnect_all();
    let (devices, now) = (vec![room.key(1)], room.now());
    let out = RosterFact::Revoke { devices, mode: RevokeMode::Compromise, frontier: Vec::new() };
    room.desks[0].decide(team, &out, now).unwrap();
    room.desks[0].commit(now).unwrap();
    for (desk, peer) in [(0, room.key(2)), (2, room.key(0))] {
        room.desks[desk].handle(crate::Input::Connected { peer }, now).unwrap();
    }
    room.settle();
    for desk in [0, 2] {
        assert_eq!(room.text(desk, team, incident, id), SECRET);
        assert_eq!(room.desks[desk].unerased(room.now()).unwrap(), crate::Unerased::default());
    }
    let later = room.tick + 2 * ADMIN_WAIT_MS as u64;
    pass(&mut room, later);
    assert_eq!(room.text(2, team, incident, id), SECRET);
}

#[test]
fn whoever_may_not_redact_is_told_so_and_nothing_is_written() {
    let mut room = Room::new(2);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.write(0, team, Some(incident), &say(SECRET));
    room.settle();
    let (id, hash) = room.secret(0, team, incident);
    let now = room.now();
    let refused = room.desks[1].write(team, Some(incident), &redact(id), &Aside::default(), now);
    assert!(matches!(refused, Err(ReplicaError::NotAllowed(_))), "{refused:?}");
    let phase = Act::Severity { severity: Some(2) };
    room.write(0, team, Some(incident), &phase);
    let rows = room.desks[0].view(team, incident).unwrap().timeline;
    let without_text: EntryId = rows.last().unwrap().id.parse().unwrap();
    let refused = room.desks[0].write(team, Some(incident), &redact(without_text), &Aside::default(), now);
    assert!(matches!(refused, Err(ReplicaError::Command(CommandError::NothingTyped { .. }))), "{refused:?}");
    assert!(room.holds(0, &hash));
}

#[test]
fn a_full_disk_hides_at_once_erases_later_and_says_so_meanwhile() {
    let mut room = Room::new(2);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    room.write(1, team, Some(incident), &say(SECRET));
    room.settle();
    let (id, hash) = room.secret(1, team, incident);
    let now = room.now();
    let redaction = room.desks[1].write(team, Some(incident), &redact(id), &Aside::default(), now).unwrap().entry;
    assert_eq!(room.desks[1].erasure_by(&redaction, now).unwrap(), Erasure::Due);
    room.desks[1].store.commit().unwrap();
    room.desks[1].store.set_full(true);
    room.desks[1].dirty = false;
    room.desks[1].commit(now).unwrap();
    assert!(room.text(1, team, incident, id).starts_with("[redacted"));
    assert!(room.holds(1, &hash));
    assert_eq!(room.desks[1].unerased(now).unwrap().due, 1);
    assert!(!room.desks[1].owes_erasure());
    assert_eq!(room.desks[1].erasure_by(&redaction, now).unwrap(), Erasure::NoRoom);
    room.desks[1].store.set_full(false);
    let later = room.tick + 120_000;
    pass(&mut room, later);
    assert!((0..2).all(|desk| !room.holds(desk, &hash)));
    assert_eq!(room.desks[1].erasure_by(&redaction, room.now()).unwrap(), Erasure::Done);
}

#[test]
fn an_erasure_that_did_not_come_to_its_end_is_made_at_the_next_opening() {
    let mut room = Room::new(1);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.write(0, team, Some(incident), &say(SECRET));
    let (id, hash) = room.secret(0, team, incident);
    let now = room.now();
    room.desks[0].write(team, Some(incident), &redact(id), &Aside::default(), now).unwrap();
    // The entry is durable, and the process is killed before anything is erased.
    room.desks[0].store.commit().unwrap();
    assert!(room.holds(0, &hash));
    let store = room.desks.remove(0).into_store();
    room.desks.push(open(0, store));
    assert!(room.text(0, team, incident, id).starts_with("[redacted"), "hidden from the first look on");
    room.desks[0].commit(now).unwrap();
    assert!(!room.holds(0, &hash));
}

#[test]
fn what_came_along_is_redacted_in_the_team_of_one_too() {
    let mut room = Room::new(2);
    let now = room.now();
    let team = room.desks[0].create_team("alice", now).unwrap();
    room.desks[0].commit(now).unwrap();
    let alone = room.desks[1].create_team("bob", now).unwrap();
    room.desks[1].commit(now).unwrap();
    let incident = room.write(1, alone, None, &declare("search is slow"));
    room.write(1, alone, Some(incident), &say(SECRET));
    let (_, original) = room.secret(1, alone, incident);
    let ticket = room.ticket(team, super::HOUR_MS);
    room.join(1, &ticket);
    room.connect_all();
    let came = room.desks[1].carried_to(incident).unwrap();
    let (id, copy) = room.secret(1, team, came);
    assert_ne!((came, original), (incident, copy));
    room.write(1, team, Some(came), &redact(id));
    room.settle();
    assert!(!room.holds(1, &copy) && !room.holds(0, &copy) && !room.holds(1, &original));
    assert!(room.tick > 0 && room.now().tick > Tick(0));
}

#[test]
fn who_redacts_is_told_what_else_says_the_same() {
    let mut room = Room::new(1);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.write(0, team, Some(incident), &say(SECRET));
    let (id, _) = room.secret(0, team, incident);
    room.write(0, team, Some(incident), &say(&format!("as I said, {SECRET}!")));
    let rows = room.desks[0].view(team, incident).unwrap().timeline;
    let again = rows.last().unwrap().id[..8].to_owned();
    let now = room.now();
    let written = room.desks[0].write(team, Some(incident), &redact(id), &Aside::default(), now).unwrap();
    assert!(written.notes.iter().any(|note| note.contains(&again)), "{:?}", written.notes);
}

impl Room {
    /// Lets a desk write what it then redacts; the body's hash.
    fn say_and_redact(&mut self, desk: usize, team: TeamId, incident: IncidentId, text: &str) -> BodyHash {
        let said = self.write(desk, team, Some(incident), &say(text));
        assert_eq!(said, incident);
        self.settle();
        let rows = self.desks[desk].view(team, incident).unwrap().timeline;
        let id: EntryId = rows.iter().find(|row| row.text == text).unwrap().id.parse().unwrap();
        let entry = self.desks[desk].ledger(&team).unwrap().entry(&id).unwrap().clone();
        self.write(desk, team, Some(incident), &redact(id));
        self.settle();
        entry.body().unwrap().hash
    }
}

#[test]
fn after_an_erasure_that_others_asked_for_a_node_rests_ten_times_as_long_as_it_took() {
    let mut room = Room::new(2);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    room.desks[0].store.set_erasure(0, Duration::from_secs(2));
    let first = room.say_and_redact(1, team, incident, "the first secret");
    assert!(!room.holds(0, &first));
    let erased_at = room.tick;
    let second = room.say_and_redact(1, team, incident, "the second secret");
    assert!(!room.holds(1, &second), "the own hand does not wait");
    pass(&mut room, erased_at + 2_000 + 19_000);
    assert!(room.holds(0, &second));
    pass(&mut room, erased_at + 2_000 + 21_000);
    assert!(!room.holds(0, &second));
}

#[test]
fn between_the_steps_of_an_erasure_a_node_does_its_work_and_who_redacted_is_told_at_its_end() {
    let mut room = Room::new(1);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.write(0, team, Some(incident), &say(SECRET));
    let (id, hash) = room.secret(0, team, incident);
    room.desks[0].store.set_erasure(5, Duration::from_millis(100));
    let now = room.now();
    room.desks[0].write(team, Some(incident), &redact(id), &Aside::default(), now).unwrap();
    assert!(room.desks[0].owes_erasure());
    room.desks[0].commit(now).unwrap();
    let (began, mut notes) = (room.tick, 0);
    while room.desks[0].owes_erasure() {
        assert!(room.holds(0, &hash));
        let due = room.desks[0].deadline().unwrap();
        assert!(due > room.now().tick, "there is time between two steps");
        room.write(0, team, Some(incident), &say(&format!("note {notes}")));
        notes += 1;
        room.tick = due.0;
        let now = room.now();
        room.desks[0].handle(crate::Input::Timeout, now).unwrap();
    }
    assert!(!room.holds(0, &hash));
    let elapsed = room.tick - began;
    assert!((1_000..1_100).contains(&elapsed), "what others do brings no step forward: {elapsed} ms");
    assert_eq!(room.timeline(0, team, incident).matches("note ").count(), notes);
}

#[test]
fn what_is_redacted_while_an_erasure_is_under_way_goes_next_and_a_process_that_ends_leaves_nothing() {
    // Also where the first erasure has but one step to go, and it is time for that.
    for (steps, later_ms) in [(3, 0), (1, 0), (1, 10_000), (3, 10_000)] {
        let mut room = Room::new(1);
        let team = room.team();
        let incident = room.write(0, team, None, &declare("checkout is down"));
        room.desks[0].store.set_erasure(steps, Duration::from_millis(100));
        let first = room.say_and_redact(0, team, incident, "the first secret");
        let second = room.say_and_redact(0, team, incident, "the second secret");
        assert!(room.holds(0, &first) && room.holds(0, &second));
        room.tick += later_ms;
        let now = room.now();
        room.desks[0].erase_rest(now).unwrap();
        assert!(!room.holds(0, &first) && !room.holds(0, &second), "{steps} steps, {later_ms} ms later");
        assert!(!room.desks[0].owes_erasure());
    }
}

#[test]
fn an_erasure_under_way_is_given_up_when_its_redaction_no_longer_counts() {
    let mut room = Room::new(3);
    let team = room.team();
    room.make_admin(0, team, 1);
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    room.write(2, team, Some(incident), &say(SECRET));
    room.settle();
    let (id, hash) = room.secret(0, team, incident);
    room.desks[0].store.set_erasure(1_000, Duration::from_millis(100));
    // Two admins agree, one of them from a stolen device.
    room.write(0, team, Some(incident), &redact(id));
    room.settle();
    room.write(1, team, Some(incident), &redact(id));
    let mut later = room.tick + 1_000;
    pass(&mut room, later);
    assert!(room.desks[0].unerased(room.now()).unwrap().due == 1 && room.holds(0, &hash));
    let (devices, now) = (vec![room.key(1)], room.now());
    let out = RosterFact::Revoke { devices, mode: RevokeMode::Compromise, frontier: Vec::new() };
    room.desks[0].decide(team, &out, now).unwrap();
    room.desks[0].commit(now).unwrap();
    later += 60_000_000;
    pass(&mut room, later);
    assert!(room.holds(0, &hash), "one admin's word waits for a day");
    assert_eq!(room.desks[0].unerased(room.now()).unwrap().waiting, 1);
}
