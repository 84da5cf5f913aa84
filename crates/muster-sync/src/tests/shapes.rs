//! Histories of awkward shape: forks, many logs, many heads, many rows, bodies that lack, signatures by run.

use super::desk::{Desk, noise};
use super::mesh::Mesh;
use crate::limits::{ASKED_BODIES_MAX, BODIES_AGAIN_MS, CHUNK_ROWS_AIM, HEADS_MAX, TIPS_MAX};
use crate::replica::Replica;
use muster_log::EntryId;
use std::collections::BTreeSet;

#[test]
fn a_desk_that_was_filled_by_run_signatures_fills_the_next() {
    let mut desks = Mesh::team(4);
    let incident = desks[0].declare("relay", None);
    for note in 0..150 {
        let author = (noise(note) % 3) as usize;
        let (head, tail) = desks.split_at_mut(1);
        if author == 0 {
            head[0].say(incident, &format!("note {note}"));
        } else {
            head[0].copy_to(&mut tail[author - 1]);
            tail[author - 1].say(incident, &format!("note {note}"));
            tail[author - 1].copy_to(&mut head[0]);
        }
    }
    let last = desks.pop().unwrap();
    let middle = Desk::newcomer(9, last.team());
    let source = desks.swap_remove(0);
    let mut mesh = Mesh::new(vec![source, middle, last], 3);
    mesh.connect(0, 1);
    mesh.run();
    assert!(mesh.desks[1].signatures.len() < 30, "{} signatures travelled", mesh.desks[1].signatures.len());
    mesh.cut(0, 1);
    mesh.connect(1, 2);
    mesh.run();
    mesh.assert_agreed();
    assert_eq!(mesh.desks[2].ledger.pending_len(), 0);
    assert_eq!(mesh.desks[2].len(&incident), 151);
}

#[test]
fn bodies_that_lack_are_asked_for_once_entries_are_equal() {
    let mut desks = Mesh::team(2);
    let incident = desks[0].declare("with bodies", None);
    let erased = desks[0].say(incident, "nobody has this one any more");
    for note in 0..20 {
        desks[0].say(incident, &format!("text {note}"));
    }
    let (first, rest) = desks.split_at_mut(1);
    first[0].copy_to(&mut rest[0]);
    desks[1].bodies.clear();
    let hash = desks[0].ledger.entry(&erased).unwrap().body().unwrap().hash;
    desks[0].bodies.remove(&hash);
    let mut mesh = Mesh::new(desks, 2);
    mesh.connect(0, 1);
    mesh.run();
    assert_eq!(mesh.desks[1].bodies.len(), 21);
    assert_eq!(mesh.desks[1].missing_bodies(&incident, None, &BTreeSet::new(), 10), [erased]);
    assert_eq!(mesh.closes, []);
}

#[test]
fn bodies_that_nobody_has_do_not_crowd_out_one_that_is_there() {
    let mut desks = Mesh::team(2);
    let incident = desks[0].declare("many bodies", None);
    let mut said: Vec<EntryId> =
        (0..ASKED_BODIES_MAX + 100).map(|n| desks[0].say(incident, &format!("text {n}"))).collect();
    let (first, rest) = desks.split_at_mut(1);
    first[0].copy_to(&mut rest[0]);
    desks[1].bodies.clear();
    said.sort_unstable();
    let there = said.last().unwrap();
    let hash = desks[0].ledger.entry(there).unwrap().body().unwrap().hash;
    desks[0].bodies.retain(|kept, _| *kept == hash);
    let mut mesh = Mesh::new(desks, 2);
    mesh.connect(0, 1);
    mesh.run_for(BODIES_AGAIN_MS / 2);
    assert!(!mesh.desks[1].bodies.contains_key(&hash), "it is behind all that one peer is asked for at once");
    mesh.run_for(BODIES_AGAIN_MS);
    assert!(mesh.desks[1].bodies.contains_key(&hash));
    assert_eq!(mesh.closes, []);
}

#[test]
fn bodies_that_lack_in_one_incident_do_not_turn_another_back_to_its_beginning() {
    let mut desks = Mesh::team(2);
    let (few, many) = (desks[0].declare("few", None), desks[0].declare("many", None));
    for n in 0..300 {
        desks[0].say(few, &format!("text {n}"));
    }
    let mut said: Vec<EntryId> = (0..2 * ASKED_BODIES_MAX).map(|n| desks[0].say(many, &format!("text {n}"))).collect();
    let (first, rest) = desks.split_at_mut(1);
    first[0].copy_to(&mut rest[0]);
    desks[1].bodies.clear();
    said.sort_unstable();
    // Where the third lap comes to, and none that begins anew each time.
    let there = &said[2 * ASKED_BODIES_MAX - 400];
    let hash = desks[0].ledger.entry(there).unwrap().body().unwrap().hash;
    desks[0].bodies.retain(|kept, _| *kept == hash);
    let mut mesh = Mesh::new(desks, 2);
    mesh.connect(0, 1);
    mesh.run_for(4 * BODIES_AGAIN_MS);
    assert!(mesh.desks[1].bodies.contains_key(&hash));
}

#[test]
fn a_fork_reaches_everybody_from_either_side() {
    for seed in 0..20 {
        let mut desks = Mesh::team(3);
        let incident = desks[0].declare("forked", None);
        for note in 0..40 {
            desks[0].say(incident, &format!("common {note}"));
        }
        // A copy of the disk, put back and written on in the same session: what a lease must prevent.
        let mut twin = Desk::newcomer(1, desks[0].team());
        desks[0].copy_to(&mut twin);
        for note in 0..70 {
            desks[0].say(incident, &format!("one {note}"));
        }
        for note in 0..30 {
            twin.say(incident, &format!("other {note}"));
        }
        let (first, rest) = desks.split_at_mut(1);
        first[0].copy_to(&mut rest[0]);
        twin.copy_to(&mut rest[1]);
        let mut mesh = Mesh::new(desks, seed);
        mesh.connect(1, 2);
        mesh.run();
        assert_eq!(mesh.closes, [], "seed {seed}");
        mesh.assert_agreed();
        assert_eq!(mesh.desks[1].len(&incident), 141);
    }
}

#[test]
fn many_rows_take_more_than_one_chunk_and_one_answer() {
    let mut desks = Mesh::team(2);
    let incident = desks[0].declare("many", None);
    for note in 0..CHUNK_ROWS_AIM + 50 {
        desks[0].say(incident, &format!("n{note}"));
    }
    let mut mesh = Mesh::new(desks, 2);
    mesh.connect(0, 1);
    mesh.run();
    mesh.assert_agreed();
    assert_eq!(mesh.repeated, 0);
}

#[test]
fn logs_that_fill_more_than_a_page_all_arrive() {
    let mut desks = Mesh::team(2);
    let incident = desks[0].declare("opened and closed all day", None);
    for session in 0..2 * TIPS_MAX as u32 + 10 {
        desks[0].begin_session(session);
        desks[0].say(incident, "one note a session");
    }
    let mut mesh = Mesh::new(desks, 6);
    mesh.connect(0, 1);
    mesh.run();
    mesh.assert_agreed();
    assert_eq!((mesh.repeated, &mesh.closes[..]), (0, &[][..]));
    assert_eq!(mesh.desks[1].tips(&incident).len(), 2 * TIPS_MAX + 11);
}

#[test]
fn more_heads_than_a_frame_names_are_still_compared() {
    for seed in 0..5 {
        let mut desks = Mesh::team(2);
        let incident = desks[0].declare("everybody at once", None);
        let mut twins: Vec<Desk> = Vec::new();
        for session in 0..HEADS_MAX as u32 * 2 + 6 {
            let mut twin = Desk::newcomer(1, desks[0].team());
            desks[0].copy_to(&mut twin);
            twin.begin_session(1_000 + session);
            twin.say(incident, &format!("at once, {session}"));
            twins.push(twin);
        }
        // Each desk gets half of them, and both get ten.
        for (i, twin) in twins.iter().enumerate() {
            for (desk, wants) in [(0, i % 2 == 0 || i < 20), (1, i % 2 == 1 || i < 20)] {
                if wants {
                    twin.copy_to(&mut desks[desk]);
                }
            }
        }
        let mut mesh = Mesh::new(desks, seed);
        mesh.connect(0, 1);
        mesh.run();
        mesh.assert_agreed();
        assert_eq!(mesh.desks[0].heads(&incident).len(), HEADS_MAX * 2 + 6);
        assert_eq!(mesh.closes, []);
    }
}
