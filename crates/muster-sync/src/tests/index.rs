//! Many incidents between replicators: what INDEX costs, what it finds, what a peer may not see, and changes meanwhile.

use super::mesh::Mesh;
use crate::frame::{Frame, Index, Salt, Span, What};
use crate::limits::{INDEX_COMPARED_MAX, INDEX_LEAST};
use crate::{Input, Tick};
use muster_log::DagId;

/// A team of `n` desks with the same `incidents` incidents.
fn alike(n: u8, incidents: usize) -> (Mesh, Vec<DagId>) {
    let mut desks = Mesh::team(n);
    let dags = (0..incidents).map(|i| desks[0].declare(&format!("incident {i}"), None)).collect();
    let (first, others) = desks.split_first_mut().unwrap();
    others.iter_mut().for_each(|desk| first.copy_to(desk));
    (Mesh::new(desks, 1), dags)
}

/// Frames sent, by their type.
fn counted(mesh: &Mesh) -> (usize, usize, usize) {
    let frames: Vec<Frame> = mesh.frames.iter().map(|(_, _, bytes)| mesh.read(bytes)).collect();
    let count = |is: fn(&Frame) -> bool| frames.iter().filter(|frame| is(frame)).count();
    (count(|f| matches!(f, Frame::Index(_))), count(|f| matches!(f, Frame::Heads(_))), frames.len())
}

fn bytes(mesh: &Mesh) -> usize {
    mesh.frames.iter().map(|(_, _, bytes)| bytes.len()).sum()
}

#[test]
fn ten_thousand_equal_incidents_cost_one_exchange_and_three_that_differ_little_more() {
    let (mut mesh, dags) = alike(2, 10_000);
    mesh.connect(0, 1);
    mesh.run();
    let (index, heads, all) = counted(&mesh);
    // Both open, for neither knows of the other; one of the openings is answered.
    assert!(index <= 3 && heads == 0 && all <= 5, "{index} INDEX, {heads} HEADS, {all} frames");
    assert!(bytes(&mesh) <= 2_000, "{} bytes", bytes(&mesh));
    mesh.assert_agreed();

    mesh.cut(0, 1);
    mesh.frames.clear();
    mesh.desks[0].say(dags[5_000], "apart");
    mesh.desks[1].say(dags[7], "apart");
    mesh.desks[1].declare("the other's", None);
    mesh.connect(0, 1);
    mesh.run();
    let (index, heads, _) = counted(&mesh);
    assert!(index <= 7, "{index} INDEX: more than three round trips and an opening that was dropped");
    assert!(heads <= 12, "{heads} HEADS");
    assert!(bytes(&mesh) <= 20_000, "{} bytes", bytes(&mesh));
    mesh.assert_agreed();
}

#[test]
fn few_incidents_are_told_by_heads_alone() {
    let (mut mesh, _) = alike(2, INDEX_LEAST);
    mesh.connect(0, 1);
    mesh.run();
    assert_eq!(counted(&mesh).0, 0);
    mesh.assert_agreed();
}

#[test]
fn a_newcomer_gets_all_of_many_incidents_without_waiting_for_a_retry() {
    let mut desks = Mesh::team(2);
    for i in 0..300 {
        desks[0].declare(&format!("incident {i}"), None);
    }
    let mut mesh = Mesh::new(desks, 2);
    mesh.connect(0, 1);
    // Without letting time pass.
    while mesh.step() {}
    mesh.assert_agreed();
}

#[test]
fn no_more_than_a_few_incidents_are_compared_at_a_time() {
    let mut desks = Mesh::team(2);
    for i in 0..300 {
        desks[0].declare(&format!("incident {i}"), None);
    }
    let mut mesh = Mesh::new(desks, 2);
    mesh.connect(0, 1);
    let mut told = std::collections::BTreeSet::new();
    // As long as the newcomer gets no chunk, no more is told.
    for (from, _, bytes) in mesh.run_until_chunk() {
        if let (0, Frame::Heads(heads)) = (from, mesh.read(&bytes)) {
            told.insert(heads.dag);
        }
    }
    assert_eq!(told.len(), INDEX_COMPARED_MAX);
}

#[test]
fn what_happens_while_an_index_is_under_way_is_not_lost() {
    for seed in 0..40 {
        let (mut mesh, dags) = alike(2, 100);
        mesh.set_dice(seed);
        mesh.connect(0, 1);
        for step in 0..30 {
            let desk = step % 2;
            if step % 5 == 0 {
                mesh.declare(desk, "new", None);
            }
            mesh.say(desk, dags[(seed as usize * 31 + step) % dags.len()], "meanwhile");
            mesh.step();
        }
        mesh.run();
        mesh.assert_agreed();
    }
}

#[test]
fn many_incidents_of_many_desks_end_equal() {
    for seed in 0..8u64 {
        let (mut mesh, dags) = alike(4, 150);
        mesh.set_dice(seed);
        for (i, dag) in dags.iter().enumerate() {
            let desk = (i as u64 + seed) % 7;
            if desk < 2 {
                mesh.desks[desk as usize + 1].say(*dag, "apart");
            }
        }
        for i in 0..80 {
            mesh.desks[3].declare(&format!("of three {i}"), None);
        }
        mesh.repeat_one_in = 5;
        mesh.connect_all();
        mesh.run();
        mesh.assert_agreed();
    }
}

#[test]
fn an_index_counts_only_what_the_peer_may_see() {
    // Desk 1 is named in none of the private incidents; desk 0's frames are the same with them and without.
    let openings = [0, 90].map(|private| {
        let (mut mesh, _) = alike(2, 100);
        let me = mesh.desks[0].person(&mesh.desks[0].key());
        for i in 0..private {
            mesh.desks[0].declare(&format!("private {i}"), Some(vec![me]));
        }
        mesh.connect(0, 1);
        mesh.run();
        let all: Vec<Vec<u8>> = mesh.frames.iter().filter(|(from, ..)| *from == 0).map(|f| f.2.clone()).collect();
        assert!(all.iter().any(|bytes| matches!(mesh.read(bytes), Frame::Index(_))));
        all
    });
    assert_eq!(openings[0], openings[1]);
}

#[test]
fn an_opening_that_nobody_answers_is_sent_anew_and_ever_more_seldom() {
    let (mut mesh, _) = alike(2, 100);
    mesh.connect(0, 1);
    let opened = |mesh: &Mesh| mesh.frames.iter().filter(|f| f.0 == 0 && is_opening(mesh, &f.2)).count();
    while opened(&mesh) == 0 && mesh.step() {}
    let mut waits = Vec::new();
    for _ in 0..4 {
        mesh.lose_all();
        let before = (opened(&mesh), mesh.now);
        let due = mesh.replicators[0].poll_deadline().unwrap();
        mesh.now = due;
        mesh.input(0, Input::Timeout);
        waits.push(due.0 - before.1.0);
        assert_eq!(opened(&mesh), before.0 + 1);
    }
    assert_eq!(waits, [5_000, 10_000, 20_000, 30_000]);
    mesh.run();
    mesh.assert_agreed();
}

fn is_opening(mesh: &Mesh, bytes: &[u8]) -> bool {
    matches!(mesh.read(bytes), Frame::Index(index) if index.turn == 0)
}

#[test]
fn openings_that_come_fast_are_answered_slowly() {
    let (mut mesh, _) = alike(2, 100);
    mesh.connect(0, 1);
    mesh.run();
    mesh.frames.clear();
    let (peer, scope) = (mesh.desks[0].key(), mesh.desks[0].team().into());
    let start = mesh.now;
    for i in 0..200u8 {
        let spans = vec![Span { to: None, what: What::Tags(Vec::new()) }];
        let index = Index { scope, salt: Salt([i; 16]), turn: 0, spans };
        let bytes = Frame::Index(index).encode(mesh.desks[0].team().into());
        mesh.now = Tick(start.0 + u64::from(i) * 10);
        mesh.input(1, Input::Frame { peer, bytes });
    }
    let answers = mesh.frames.iter().filter(|f| f.0 == 1 && matches!(mesh.read(&f.2), Frame::Index(_))).count();
    assert!((1..=5).contains(&answers), "{answers} answers in two seconds");
}
