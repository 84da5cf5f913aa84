//! A private incident is, for whoever is not named in it, not there.

use super::mesh::Mesh;
use crate::Input;
use crate::frame::{Frame, Have, Heads, Part, ShortTip, Want};
use crate::pack::{Signing, fill};
use crate::replica::{Replica, View};
use muster_log::{DagId, EntryId};

/// Whether a frame names the incident or anything in it.
fn names(frame: &[u8], mesh: &Mesh, incident: DagId) -> bool {
    let holder = &mesh.desks[0];
    let tips: Vec<[u8; 16]> = holder.tips(&incident).iter().map(|tip| *tip.log.as_bytes()).collect();
    let ids: Vec<EntryId> = holder.order(&incident).to_vec();
    let halves = ids.iter().map(|id| &id.as_bytes()[..16]).chain(tips.iter().map(|log| &log[..]));
    halves.into_iter().any(|half| frame.windows(16).any(|window| window == half))
}

fn mesh(seed: u64) -> (Mesh, DagId) {
    let mut mesh = Mesh::new(Mesh::team(3), seed);
    mesh.connect_all();
    mesh.run();
    let incident = mesh.declare(0, "a private matter", Some(vec![0, 1]));
    (mesh, incident)
}

#[test]
fn no_frame_tells_a_stranger_of_a_private_incident() {
    for seed in 0..20 {
        let (mut mesh, incident) = mesh(seed);
        let common = mesh.declare(2, "a common one", None);
        mesh.run();
        for note in 0..5 {
            mesh.say(note % 2, incident, "quietly");
            mesh.say(note % 3, common, "aloud");
            mesh.step();
        }
        mesh.cut(0, 2);
        mesh.say(1, incident, "while apart");
        mesh.connect(0, 2);
        mesh.run();
        mesh.assert_agreed();
        assert_eq!(mesh.desks[1].len(&incident), 7);
        assert_eq!(mesh.desks[2].len(&incident), 0);
        let told = mesh.frames.iter().filter(|(from, to, _)| *to == 2 || *from == 2);
        let leaks = told.filter(|(_, _, frame)| names(frame, &mesh, incident)).count();
        assert_eq!(leaks, 0, "seed {seed}");
    }
}

/// What desk 0 says to desk 2 when that sends it a frame.
fn asked(mesh: &mut Mesh, frame: &Frame) -> Vec<Frame> {
    let team = mesh.desks[0].team();
    let before = mesh.frames.len();
    let peer = mesh.desks[2].key();
    mesh.input(0, Input::Frame { peer, bytes: frame.encode(team.into()) });
    let answers = mesh.frames[before..].iter().filter(|(from, to, _)| (*from, *to) == (0, 2));
    answers.map(|(_, _, bytes)| Frame::decode(bytes, team.into()).unwrap()).collect()
}

#[test]
fn whoever_knows_the_id_learns_no_more_than_of_an_id_that_nobody_has() {
    let (mut private, incident) = mesh(1);
    private.say(0, incident, "quietly");
    private.run();
    let (mut control, _) = mesh(1);
    control.run();
    let unknown = DagId::of_genesis(EntryId::from_bytes([77; 32]));
    let head = private.desks[0].heads(&incident)[0];
    let log = private.desks[0].tips(&incident)[0].log;
    let probes = |dag: DagId, id: EntryId| {
        let want = Want {
            dag,
            ranges: vec![crate::frame::Range { log, from: 1, to: 9 }],
            ids: vec![id],
            before: 0,
            bodies: vec![id],
            page: Some(log),
            budget_bytes: 1 << 20,
        };
        [
            Frame::Heads(Heads::new(dag, 3, vec![id])),
            Frame::Want(want),
            Frame::Have(Have { dag, tips: Vec::new(), cursor: None }),
        ]
    };
    let there: Vec<Vec<Frame>> = probes(incident, head).iter().map(|probe| asked(&mut private, probe)).collect();
    let nowhere: Vec<Vec<Frame>> =
        probes(unknown, EntryId::from_bytes([78; 32])).iter().map(|probe| asked(&mut control, probe)).collect();
    let alike = |frames: Vec<Vec<Frame>>| {
        let text = format!("{frames:?}");
        text.replace(&format!("{incident:?}"), "DAG")
            .replace(&format!("{unknown:?}"), "DAG")
            .replace(&format!("{head:?}"), "ID")
            .replace(&format!("{:?}", EntryId::from_bytes([78; 32])), "ID")
    };
    // The number of the chunk counts what was sent before, and the declaration was not sent.
    assert_eq!(alike(there), alike(nowhere));
}

/// What desk 0 says to desk 2, in turn: to an offer, to an answer that brings nothing, to the same offer at once and later.
fn offered_again(mesh: &mut Mesh, dag: DagId, tip: ShortTip) -> Vec<Vec<Frame>> {
    let team = mesh.desks[0].team();
    let heads = Frame::Heads(Heads::new(dag, 3, vec![EntryId::from_bytes([79; 32])]));
    let have = Frame::Have(Have { dag, tips: vec![tip], cursor: None });
    let nothing = |number| {
        let view = View::new(&mesh.desks[2], team.into(), mesh.desks[2].key());
        Frame::Entries(dag, fill(view, &[], &[], Signing::ByRun).finish(number, Part::End))
    };
    let ends = [nothing(101), nothing(102), nothing(103)];
    let mut said: Vec<Vec<Frame>> = [&heads, &have, &ends[0], &have].iter().map(|frame| asked(mesh, frame)).collect();
    for (wait_ms, end) in [(600, &ends[1]), (600, &ends[2]), (1_200, &ends[2])] {
        mesh.now = mesh.now.plus_ms(wait_ms);
        said.push(asked(mesh, &have));
        said.push(asked(mesh, end));
    }
    said
}

#[test]
fn whoever_offers_a_private_incident_again_and_again_is_answered_as_with_one_that_nobody_has() {
    let (mut private, incident) = mesh(1);
    private.say(0, incident, "quietly");
    private.run();
    let (mut control, _) = mesh(1);
    control.run();
    let tip = private.desks[0].tips(&incident).into_iter().next().map(ShortTip::from).unwrap();
    let unknown = DagId::of_genesis(EntryId::from_bytes([77; 32]));
    let there = offered_again(&mut private, incident, tip);
    let nowhere = offered_again(&mut control, unknown, tip);
    let wants = |frames: &[Vec<Frame>]| -> Vec<usize> {
        frames.iter().map(|said| said.iter().filter(|frame| matches!(frame, Frame::Want(_))).count()).collect()
    };
    assert_eq!(wants(&nowhere), [0, 1, 0, 0, 1, 0, 0, 0, 1, 0], "asked ever more rarely");
    let text = format!("{there:?}").replace(&format!("{incident:?}"), "DAG");
    assert_eq!(text, format!("{nowhere:?}").replace(&format!("{unknown:?}"), "DAG"));
}
