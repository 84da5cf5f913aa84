//! Whatever the order of arrival and wherever the cable breaks, all end up with the same, and fetch it once.

use super::desk::{Desk, noise};
use super::mesh::Mesh;
use crate::frame::Frame;
use crate::limits::PROGRESS_TIMEOUT_MS;
use crate::replica::Replica;
use crate::{CloseReason, Input};
use muster_log::{DagId, Timestamp};

/// Three desks that have written apart, each in one incident of its own and all in a common one.
fn apart(seed: u64, notes: usize) -> Mesh {
    let mut desks = Mesh::team(3);
    let incident = desks[0].declare("checkout is down", None);
    let (first, rest) = desks.split_at_mut(1);
    rest.iter_mut().for_each(|desk| first[0].copy_to(desk));
    for (i, desk) in desks.iter_mut().enumerate() {
        let own = desk.declare(&format!("incident of desk {i}"), None);
        for note in 0..notes {
            desk.say(incident, &format!("desk {i} saw {note}"));
            desk.say(own, &format!("desk {i} noted {note}"));
        }
    }
    Mesh::new(desks, seed)
}

#[test]
fn desks_that_wrote_apart_agree_in_any_order_of_arrival() {
    for seed in 0..40 {
        let mut mesh = apart(seed, 20);
        mesh.connect_all();
        mesh.run();
        assert_eq!(mesh.closes, [], "seed {seed}");
        mesh.assert_agreed();
    }
}

#[test]
fn frames_that_arrive_twice_change_nothing() {
    for seed in 0..20 {
        let mut mesh = apart(seed, 10);
        mesh.repeat_one_in = 3;
        mesh.connect_all();
        mesh.run();
        mesh.assert_agreed();
    }
}

#[test]
fn what_is_written_while_connected_is_everywhere_without_a_comparison() {
    for seed in 0..20 {
        let mut mesh = apart(seed, 3);
        mesh.news_last = false;
        mesh.connect_all();
        mesh.run();
        let incident = mesh.declare(0, "disk full", None);
        mesh.run();
        let before = mesh.frames.len();
        for note in 0..30 {
            mesh.say(note % 3, incident, &format!("live {note}"));
            if note % 4 == 0 {
                mesh.step();
            }
            if note % 7 == 0 {
                mesh.deliver();
            }
        }
        mesh.deliver();
        mesh.assert_agreed();
        assert_eq!(mesh.closes, []);
        let team = mesh.desks[0].team().into();
        for (_, _, frame) in &mesh.frames[before..] {
            let frame = Frame::decode(frame, team).unwrap();
            assert!(matches!(frame, Frame::Entries(..) | Frame::Ack(_)), "seed {seed}: {frame:?}");
        }
    }
}

#[test]
fn an_entry_does_not_go_back_to_where_it_came_from() {
    let mut mesh = apart(1, 1);
    mesh.connect(0, 1);
    mesh.deliver();
    let before = mesh.frames.len();
    let dag = mesh.declare(0, "disk full", None);
    mesh.say(0, dag, "it is");
    mesh.deliver();
    let team = mesh.desks[0].team().into();
    let back = mesh.frames[before..].iter().filter(|(from, ..)| *from == 1);
    for (_, _, frame) in back {
        assert!(matches!(Frame::decode(frame, team), Ok(Frame::Ack(_))));
    }
}

#[test]
fn what_comes_by_one_link_goes_on_by_the_others() {
    let mut mesh = apart(5, 10);
    mesh.connect(0, 1);
    mesh.connect(1, 2);
    mesh.run();
    mesh.assert_agreed();
    let dag = mesh.declare(0, "disk full", None);
    mesh.say(2, mesh.desks[2].incidents()[0], "from the other end");
    mesh.run();
    assert_eq!(mesh.desks[2].len(&dag), 1);
    mesh.assert_agreed();
}

/// Two desks, one with some chunks' worth of long texts.
fn heavy() -> Mesh {
    let mut desks = Mesh::team(2);
    let incident = desks[0].declare("a long story", None);
    for note in 0..420 {
        let text: String = (0..4_000).map(|i| char::from(b'a' + (noise(note * 5_000 + i) % 26) as u8)).collect();
        desks[0].say(incident, &text);
    }
    Mesh::new(desks, 7)
}

#[test]
fn a_link_that_breaks_at_any_frame_costs_at_most_what_was_under_way() {
    let mut whole = heavy();
    whole.connect(0, 1);
    whole.run();
    whole.assert_agreed();
    assert_eq!(whole.repeated, 0);
    let chunks = whole.frames.iter().filter(|(_, _, frame)| frame.len() > 100_000).count();
    assert!(chunks > 4, "{chunks} chunks are too few for this test");
    for broken_after in 0..whole.delivered {
        let mut mesh = heavy_again(&whole);
        mesh.connect(0, 1);
        while mesh.delivered < broken_after && mesh.step() {}
        mesh.cut(0, 1);
        // What was handed out is judged all the same.
        mesh.run();
        mesh.connect(0, 1);
        mesh.run();
        mesh.assert_agreed();
        assert_eq!(mesh.closes, []);
        assert_eq!(mesh.repeated, 0, "broken after frame {broken_after}");
        let entries = mesh.frames.iter().filter(|(from, _, frame)| *from == 0 && frame.len() > 100_000).count();
        assert!(entries <= chunks + 4, "{entries} chunks were sent instead of {chunks}");
    }
}

/// The desks of [`heavy`] as they were at first, without writing all anew.
fn heavy_again(whole: &Mesh) -> Mesh {
    let mut founder = Desk::newcomer(1, whole.desks[0].team());
    whole.desks[0].copy_to(&mut founder);
    let mut guest = Desk::newcomer(2, whole.desks[0].team());
    whole.desks[0].copy_roster_to(&mut guest);
    Mesh::new(vec![founder, guest], 7)
}

#[test]
fn a_newcomer_with_an_empty_roster_is_given_the_roster_first() {
    for seed in 0..10 {
        let mut founder = Desk::founder(1);
        let incident = founder.declare("before", None);
        founder.say(incident, "a note");
        let guest = founder.let_in(2);
        founder.say(incident, "a note that cites the new roster");
        let mut mesh = Mesh::new(vec![founder, guest], seed);
        mesh.connect(0, 1);
        mesh.run();
        mesh.assert_agreed();
        assert_eq!(mesh.closes, []);
        assert_eq!(mesh.desks[1].len(&incident), 3);
        mesh.say(1, incident, "and an answer");
        mesh.run();
        assert_eq!(mesh.desks[0].len(&incident), 4);
    }
}

#[test]
fn a_roster_that_grows_while_connected_goes_before_what_cites_it() {
    let mut mesh = apart(11, 5);
    mesh.connect_all();
    mesh.run();
    let incident = mesh.desks[0].incidents()[0];
    let guest = mesh.desks[0].let_in(8);
    let roster: DagId = mesh.desks[0].team().into();
    let entries = mesh.desks[0].order(&roster).iter().rev().take(3).rev().copied().collect();
    mesh.input(0, Input::Advanced { entries });
    mesh.say(0, incident, "cites the vouch");
    mesh.run();
    mesh.assert_agreed();
    assert_eq!(
        mesh.desks[2].ledger.roster().person_of(&guest.key()),
        mesh.desks[0].ledger.roster().person_of(&guest.key())
    );
}

#[test]
fn receipts_tell_what_the_other_holds() {
    let mut mesh = apart(3, 4);
    mesh.connect(0, 1);
    mesh.run();
    let incident = mesh.desks[0].incidents()[0];
    let id = mesh.say(0, incident, "who holds this?");
    let peer = mesh.desks[1].key();
    let held = |mesh: &Mesh| {
        let held = mesh.receipts.get(&(0, peer, incident)).cloned().unwrap_or_default();
        held.iter().any(|later| *later == id || mesh.desks[0].is_past(&incident, &id, later))
    };
    assert!(!held(&mesh), "before anything was delivered");
    mesh.run();
    assert!(held(&mesh));
}

#[test]
fn a_clock_that_is_ahead_shows_in_the_greeting() {
    let mut mesh = apart(3, 0);
    mesh.connect(0, 1);
    mesh.run();
    assert!(mesh.offsets.contains(&(0, 5_000)) && mesh.offsets.contains(&(1, -5_000)), "{:?}", mesh.offsets);
}

#[test]
fn a_peer_that_owes_an_answer_and_never_gives_it_is_let_go() {
    for seed in 0..20 {
        let mut mesh = apart(seed, 4);
        let team = mesh.desks[0].team().into();
        mesh.connect(0, 1);
        let owes = |mesh: &Mesh| {
            let sent = mesh.frames.iter().filter(|(from, ..)| *from == 0);
            sent.map(|(_, _, frame)| Frame::decode(frame, team)).any(|frame| matches!(frame, Ok(Frame::Want(_))))
        };
        while !owes(&mesh) {
            assert!(mesh.step());
        }
        // From here on nothing arrives.
        for _ in 0..40 {
            let Some(deadline) = mesh.replicators[0].poll_deadline() else { break };
            mesh.now = mesh.now.max(deadline);
            mesh.input(0, Input::Timeout);
        }
        assert!(mesh.closes.contains(&(0, CloseReason::Stalled)), "seed {seed}");
        assert!(mesh.now.0 >= PROGRESS_TIMEOUT_MS);
    }
}

#[test]
fn heads_that_differ_are_sent_again_ever_more_rarely_but_for_ever() {
    let mut mesh = apart(1, 4);
    let team = mesh.desks[0].team().into();
    mesh.connect(0, 1);
    // The greetings arrive and all that is said of incidents is lost.
    for _ in 0..2 {
        mesh.step();
    }
    mesh.lose_all();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let before = mesh.now;
        mesh.now = mesh.replicators[0].poll_deadline().unwrap();
        waits.push(mesh.now.since_ms(before));
        let sent = mesh.frames.len();
        mesh.input(0, Input::Timeout);
        let heads = mesh.frames[sent..]
            .iter()
            .filter(|(_, _, frame)| matches!(Frame::decode(frame, team), Ok(Frame::Heads(_))));
        assert!(heads.count() > 0);
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
    // And when the line is good again, that is enough.
    mesh.run();
    mesh.assert_agreed();
}

#[test]
fn four_desks_agree_after_any_history_of_cuts_and_writing() {
    for seed in 0..60u64 {
        let mut mesh = Mesh::new(Mesh::team(4), seed);
        let mut incidents = vec![mesh.declare(0, "first", None)];
        for act in 0..80u64 {
            let dice = |n: u64| noise(seed * 100_000 + act * 16 + n) as usize;
            let (a, b) = (dice(1) % 4, dice(2) % 4);
            match dice(0) % 10 {
                0 if a != b => mesh.connect(a, b),
                1 if a != b => mesh.cut(a, b),
                2 if incidents.len() < 5 => incidents.push(mesh.declare(a, "another", None)),
                3 => {
                    let private_to = (0..4).filter(|desk| *desk == a || dice(3 + *desk as u64) % 2 == 0).collect();
                    incidents.push(mesh.declare(a, "private", Some(private_to)));
                }
                4..=6 => {
                    let held: Vec<DagId> = mesh.desks[a].incidents();
                    if let Some(incident) = held.get(dice(4) % held.len().max(1)) {
                        mesh.say(a, *incident, &format!("act {act}"));
                    }
                }
                _ => (0..dice(5) % 12).for_each(|_| {
                    mesh.step();
                }),
            }
        }
        mesh.connect_all();
        mesh.run();
        assert_eq!(mesh.closes, [], "seed {seed}");
        mesh.assert_agreed();
    }
}

#[test]
fn a_greeting_that_comes_before_its_bearer_is_known_is_kept() {
    let mut mesh = apart(4, 3);
    let (one, other) = (mesh.desks[0].key(), mesh.desks[1].key());
    let greeting = Input::Connected { peer: other, wall: Timestamp(0), nonce: [9; 16] };
    mesh.input(0, greeting);
    let (_, _, hello) = mesh.frames.pop().unwrap();
    mesh.input(1, Input::Frame { peer: one, bytes: hello });
    assert_eq!(mesh.frames.len(), 0, "nothing is said to somebody unknown");
    mesh.input(1, Input::Connected { peer: one, wall: Timestamp(0), nonce: [9; 16] });
    assert!(mesh.replicators[1].standing(&one, &mesh.desks[1]).is_some());
}
