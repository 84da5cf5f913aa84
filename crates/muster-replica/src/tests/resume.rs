//! A long sync that is killed at every chunk: it goes on where it was, for what was admitted is the only cursor.

use super::{Room, declare, open, say};
use crate::{Effect, Input};
use muster_log::DeviceKey;
use muster_store::FailedCommit;
use muster_sync::frame::{Frame, Packed, TeamPrefix, team_of};
use std::collections::VecDeque;

/// Entries with long texts, so that they fill several chunks.
const ENTRIES: usize = 150;

/// Links that may be opened before the test gives up.
const LINKS_MAX: usize = 60;

/// When the reader is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    /// Once a chunk is durable.
    AfterCommit,
    /// While a chunk is being made durable: it is lost. Every second time it is let through, or there would be no end.
    InCommit,
}

/// The reader takes chunk after chunk and is killed at each. Returns the rows of each chunk that it was given.
fn killed_at_every_chunk(killed: Killed) -> Vec<usize> {
    let mut room = Room::new(2);
    let team = room.team();
    room.disconnect_all();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    for n in 0..ENTRIES {
        room.write(
            0,
            team,
            Some(incident),
            &say(&format!("{n} {}", "seven words about one slow database ".repeat(240))),
        );
    }
    let mut given = Vec::new();
    let mut spare_this = false;
    for link in 0.. {
        assert!(link < LINKS_MAX, "it never ends");
        let Some(rows) = sync_until_a_chunk(&mut room, killed == Killed::InCommit && !spare_this) else { break };
        given.push(rows);
        spare_this = !spare_this;
    }
    assert_eq!(room.timeline(0, team, incident), room.timeline(1, team, incident));
    given
}

/// Connects the desks and carries frames until the second was given a chunk and is killed, or both are silent: `None`.
fn sync_until_a_chunk(room: &mut Room, commit_fails: bool) -> Option<usize> {
    let (one, other) = (room.key(0), room.key(1));
    let now = room.now();
    room.desks[0].handle(Input::Connected { peer: other }, now).unwrap();
    room.desks[1].handle(Input::Connected { peer: one }, now).unwrap();
    let mut frames: VecDeque<(usize, DeviceKey, Vec<u8>)> = VecDeque::new();
    loop {
        for desk in 0..2 {
            let from = room.key(desk);
            let effects = room.desks[desk].take_effects().into_iter();
            frames.extend(effects.filter_map(|effect| match effect {
                Effect::Send { frame, .. } => Some((1 - desk, from, frame)),
                _ => None,
            }));
        }
        let (to, from, bytes) = frames.pop_front()?;
        room.tick += 1;
        let now = room.now();
        let rows = (to == 1).then(|| rows_of(&bytes)).flatten();
        if rows.is_some() && commit_fails {
            room.desks[1].store.fail_commit(1, FailedCommit::Lost);
        }
        let handled = room.desks[to].handle(Input::Frame { peer: from, bytes }, now);
        let Some(rows) = rows else {
            handled.unwrap();
            continue;
        };
        assert_eq!(handled.is_err(), commit_fails);
        let mut store = room.desks.remove(1).into_store();
        store.crash();
        room.desks.push(open(1, store));
        room.desks[0].handle(Input::Disconnected { peer: other }, now).unwrap();
        room.desks[0].take_effects();
        return Some(rows);
    }
}

/// How many entries with a body a frame brings, where it brings any of an incident.
fn rows_of(bytes: &[u8]) -> Option<usize> {
    let team: TeamPrefix = team_of(bytes)?;
    match Frame::decode(bytes, team) {
        Ok(Frame::Entries(_, Packed { salts, .. })) if !salts.is_empty() => Some(salts.len()),
        _ => None,
    }
}

#[test]
fn a_sync_that_is_killed_after_each_chunk_fetches_nothing_twice() {
    let given = killed_at_every_chunk(Killed::AfterCommit);
    assert!(given.len() >= 4, "the test needs several chunks: {given:?}");
    assert_eq!(given.iter().sum::<usize>(), ENTRIES + 1, "{given:?}");
}

#[test]
fn a_sync_that_is_killed_in_a_commit_fetches_that_chunk_again_and_nothing_else() {
    let given = killed_at_every_chunk(Killed::InCommit);
    let lost: usize = given.iter().step_by(2).sum();
    assert!(given.len() >= 8, "the test needs several chunks: {given:?}");
    assert_eq!(given.iter().sum::<usize>(), ENTRIES + 1 + lost, "{given:?}");
}
