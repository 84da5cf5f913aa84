//! How a long answer is given: few chunks at first, more with each acknowledgement, within credit, budget and memory.

use super::desk::Desk;
use super::mesh::Mesh;
use crate::frame::{Ack, Frame, Heads, Packed, Part, Range, Want};
use crate::limits::{CREDIT_CHUNKS, SERVED_AT_ONCE, SERVED_IDS_MAX};
use crate::replica::Replica;
use crate::unpack::unpack;
use crate::{CloseReason, Config, Input, Output, Replicator, Tick};
use muster_log::fact::{Capability, RosterFact};
use muster_log::{DagId, DeviceSecret, EntryId, Timestamp};

/// Lines of the incident that is asked for, each so long that a chunk takes a few dozen.
const LINES: usize = 900;

/// Somebody who answers, and what came out.
struct Server {
    desk: Desk,
    replicator: Replicator,
    chunks: Vec<Packed>,
    closed: Vec<CloseReason>,
}

impl Server {
    /// A desk with a long incident, and a peer that has greeted and has the whole roster.
    fn with_long_incident() -> (Self, Mesh, DagId) {
        let mut mesh = Mesh::new(Mesh::team(2), 1);
        let mut desk = mesh.desks.remove(0);
        let dag = desk.declare("long", None);
        let text = "so long that few lines fill a chunk ".repeat(60);
        for n in 0..LINES {
            desk.say(dag, &format!("{n} {text}"));
        }
        let mut peer = Replicator::new(Config { team: desk.team(), me: mesh.desks[0].key() });
        let me = desk.key();
        peer.handle_input(Input::Connected { peer: me, wall: Timestamp(0), nonce: [2; 16] }, Tick(0), &mesh.desks[0]);
        let replicator = Replicator::new(Config { team: desk.team(), me });
        let mut server = Self { desk, replicator, chunks: Vec::new(), closed: Vec::new() };
        let peer_key = mesh.desks[0].key();
        server.input(Input::Connected { peer: peer_key, wall: Timestamp(0), nonce: [1; 16] });
        while let Some(output) = peer.poll_output() {
            if let Output::Send { frame, .. } = output {
                server.input(Input::Frame { peer: peer_key, bytes: frame });
            }
        }
        (server, mesh, dag)
    }

    fn input(&mut self, input: Input) {
        self.replicator.handle_input(input, Tick(0), &self.desk);
        let team = self.desk.team();
        for output in std::iter::from_fn(|| self.replicator.poll_output()) {
            match output {
                Output::Close { reason, .. } => self.closed.push(reason),
                Output::Send { frame, .. } => {
                    if let Frame::Entries(_, packed) = Frame::decode(&frame, team.into()).unwrap() {
                        self.chunks.push(packed);
                    }
                }
                _ => {}
            }
        }
    }

    fn frame(&mut self, mesh: &Mesh, frame: &Frame) {
        let bytes = frame.encode(self.desk.team().into());
        self.input(Input::Frame { peer: mesh.desks[0].key(), bytes });
    }

    fn ask_for_all(&mut self, mesh: &Mesh, dag: DagId, budget_bytes: u64) {
        let ranges = self.desk.tips(&dag).iter().map(|tip| Range { log: tip.log, from: 1, to: tip.seq }).collect();
        let (ids, bodies) = (Vec::new(), Vec::new());
        self.frame(mesh, &Frame::Want(Want { dag, ranges, ids, before: 0, bodies, page: None, budget_bytes }));
    }

    fn acknowledge(&mut self, mesh: &Mesh, dag: DagId, number: u32) {
        self.frame(mesh, &Frame::Ack(Ack { dag, number, tips: Vec::new(), credit: CREDIT_CHUNKS }));
    }

    fn entries(&self, dag: DagId) -> Vec<EntryId> {
        let unpacked = self.chunks.iter().flat_map(|packed| unpack(packed, self.desk.team(), dag).unwrap().received);
        unpacked.map(|received| received.entry.id()).collect()
    }
}

#[test]
fn an_answer_begins_with_few_chunks_and_each_acknowledgement_brings_more_within_credit() {
    let (mut server, mesh, dag) = Server::with_long_incident();
    server.ask_for_all(&mesh, dag, u64::MAX);
    assert_eq!(server.chunks.len(), SERVED_AT_ONCE as usize, "the first do not wait for the rest");
    let mut acknowledged = 0;
    while server.chunks.last().unwrap().part == Part::More {
        let number = server.chunks[acknowledged].number;
        server.acknowledge(&mesh, dag, number);
        acknowledged += 1;
        let under_way = server.chunks.len() - acknowledged;
        assert!((1..=CREDIT_CHUNKS as usize).contains(&under_way), "{under_way} under way");
    }
    assert!(server.chunks.len() > CREDIT_CHUNKS as usize + 2, "{}", server.chunks.len());
    assert_eq!(server.chunks.last().unwrap().part, Part::End);
    assert_eq!(server.entries(dag), server.desk.order(&dag), "every entry once, in causal order");
    assert_eq!(server.closed, []);
}

#[test]
fn without_an_acknowledgement_an_answer_stands_still_and_keeps_a_bounded_number_of_ids() {
    let (mut server, mesh, dag) = Server::with_long_incident();
    for _ in 0..10 {
        // A peer that asks and asks and reads nothing.
        server.ask_for_all(&mesh, dag, u64::MAX);
    }
    assert!(server.chunks.len() <= CREDIT_CHUNKS as usize, "{}", server.chunks.len());
    let kept = server.replicator.kept_for(&mesh.desks[0].key());
    assert!((LINES / 2..=LINES + SERVED_IDS_MAX).contains(&kept.ids), "{kept:?}");
}

#[test]
fn an_answer_ends_for_now_where_its_budget_does() {
    let (mut server, mesh, dag) = Server::with_long_incident();
    server.ask_for_all(&mesh, dag, 1);
    let parts: Vec<Part> = server.chunks.iter().map(|packed| packed.part).collect();
    assert_eq!(parts, [Part::EndForNow]);
    let number = server.chunks[0].number;
    server.acknowledge(&mesh, dag, number);
    assert_eq!(server.chunks.len(), 1, "the rest is for another question");
}

#[test]
fn a_body_that_may_not_go_before_the_roster_goes_when_the_peer_has_that() {
    let (mut server, mesh, dag) = Server::with_long_incident();
    let fact = RosterFact::Invite {
        ticket_key: DeviceSecret::from_seed(&[91; 32]).public(),
        capability: Capability::Responder,
        expires: Timestamp(0),
        incident: None,
    };
    server.desk.roster_fact(&fact); // not on its way yet
    let body = server.desk.order(&dag)[7];
    let (ranges, ids, bodies) = (Vec::new(), Vec::new(), vec![body]);
    server.frame(&mesh, &Frame::Want(Want { dag, ranges, ids, before: 0, bodies, page: None, budget_bytes: u64::MAX }));
    let sent = |server: &Server| -> Vec<EntryId> {
        let unpacked = server.chunks.iter().map(|packed| unpack(packed, server.desk.team(), dag).unwrap());
        unpacked.flat_map(|chunk| chunk.loose).map(|(id, _)| id).collect()
    };
    assert_eq!((sent(&server), server.chunks.len()), (Vec::new(), 1));
    let number = server.chunks[0].number;
    server.acknowledge(&mesh, dag, number);
    let roster = DagId::from(server.desk.team());
    let heads = Heads::new(roster, server.desk.len(&roster), server.desk.heads(&roster));
    server.frame(&mesh, &Frame::Heads(heads));
    assert_eq!(sent(&server), [body], "who asked does not ask again");
    assert_eq!(server.closed, []);
}
