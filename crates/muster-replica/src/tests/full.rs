//! A disk that is full while peers have something to give.

use super::{Room, declare, say};
use crate::{Effect, Input, Replica, ReplicaError};
use muster_store::MemoryStore;
use muster_sync::limits::ROOM_WAIT_MAX_MS;

/// Lets time pass at every desk until nothing is due before `until_ms`.
pub(super) fn pass(room: &mut Room, until_ms: u64) {
    room.settle();
    while let Some(due) = room.desks.iter().filter_map(Replica::deadline).map(|due| due.0).min()
        && due <= until_ms
    {
        room.tick = room.tick.max(due);
        let now = room.now();
        for desk in &mut room.desks {
            if desk.deadline().is_some_and(|due| due <= now.tick) {
                desk.handle(Input::Timeout, now).unwrap();
            }
        }
        room.settle();
    }
    room.tick = room.tick.max(until_ms);
}

fn set_full(desk: &mut Replica<MemoryStore>, is_full: bool) {
    desk.store.set_full(is_full);
}

/// Everything that `settle` carries is handled without an error, and it panics where a link is closed.
#[test]
fn a_full_disk_costs_neither_store_nor_link_and_what_was_put_off_comes_when_there_is_room() {
    let mut room = Room::new(2);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    set_full(&mut room.desks[1], true);
    for n in 0..20 {
        room.write(0, team, Some(incident), &say(&format!("while full {n}")));
        room.settle();
    }
    let later = room.tick + 10 * ROOM_WAIT_MAX_MS;
    pass(&mut room, later);
    assert_eq!(room.timeline(1, team, incident).matches("while full").count(), 0);
    let now = room.now();
    assert!(matches!(room.desks[1].check_room(), Err(ReplicaError::Store(_))));
    room.desks[1].commit(now).unwrap();
    set_full(&mut room.desks[1], false);
    let later = room.tick + 2 * ROOM_WAIT_MAX_MS;
    pass(&mut room, later);
    assert_eq!(room.timeline(1, team, incident).matches("while full").count(), 20);
    assert_eq!(room.timeline(0, team, incident), room.timeline(1, team, incident));
}

#[test]
fn while_the_disk_is_full_a_long_answer_is_asked_for_seldom() {
    let mut room = Room::new(2);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    room.disconnect_all();
    for n in 0..200 {
        room.write(0, team, Some(incident), &say(&format!("while apart {n}")));
    }
    set_full(&mut room.desks[1], true);
    room.connect_all();
    let (alice, mut asked) = (room.key(0), 0);
    let until = room.tick + 10 * ROOM_WAIT_MAX_MS;
    while let Some(due) = room.desks[1].deadline().filter(|due| due.0 <= until) {
        room.tick = room.tick.max(due.0);
        let now = room.now();
        room.desks[1].handle(Input::Timeout, now).unwrap();
        let effects = room.desks[1].take_effects();
        let frames: Vec<Vec<u8>> = effects
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Send { peer, frame } if peer == alice => Some(frame),
                _ => None,
            })
            .collect();
        let me = room.key(1);
        for bytes in frames {
            asked += 1;
            room.desks[0].handle(Input::Frame { peer: me, bytes }, now).unwrap();
        }
        room.settle();
    }
    assert!(asked < 60, "{asked} frames in ten of the longest waits");
    set_full(&mut room.desks[1], false);
    let later = until + 2 * ROOM_WAIT_MAX_MS;
    pass(&mut room, later);
    assert_eq!(room.timeline(1, team, incident).matches("while apart").count(), 200);
}
