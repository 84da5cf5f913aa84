//! Peers that promise and never answer, and whom a node asks in spite of them.

use super::desk::Desk;
use super::mesh::Mesh;
use crate::frame::{Frame, Have, Heads, Hello};
use crate::limits::PROGRESS_TIMEOUT_MS;
use crate::replica::Replica;
use crate::{CloseReason, Config, Input, Output, Replicator, Tick};
use muster_log::{DagId, DeviceKey, Timestamp};

/// A node that lacks an incident which all its peers offer. They say nothing more, and come back whenever they are closed.
struct Asker {
    desk: Desk,
    peers: Vec<Desk>,
    replicator: Replicator,
    incident: DagId,
    now: Tick,
    /// Whom it asked for the incident, and when.
    asked: Vec<(DeviceKey, Tick)>,
    closed: Vec<DeviceKey>,
}

impl Asker {
    fn new() -> Self {
        let mut desks = Mesh::team(4);
        let desk = desks.remove(0);
        let incident = desks[0].declare("offered by all", None);
        let (first, others) = desks.split_at_mut(1);
        others.iter_mut().for_each(|other| first[0].copy_to(other));
        desks.sort_by_key(Desk::key);
        let replicator = Replicator::new(Config { team: desk.team(), me: desk.key() });
        let (asked, closed) = (Vec::new(), Vec::new());
        let mut asker = Self { desk, peers: desks, replicator, incident, now: Tick(5), asked, closed };
        (0..asker.peers.len()).for_each(|at| asker.connect(at));
        asker
    }

    fn connect(&mut self, at: usize) {
        let (peer, team) = (&self.peers[at], self.desk.team());
        let roster = DagId::from(team);
        let heads = |dag: DagId| Heads::new(dag, peer.len(&dag), peer.heads(&dag));
        let frames = [
            Frame::Hello(Hello::ours(team, heads(roster), Timestamp(0))),
            Frame::Heads(heads(self.incident)),
            Frame::Have(Have::page(self.incident, &peer.tips(&self.incident), None)),
        ];
        let peer = peer.key();
        self.input(Input::Connected { peer, wall: Timestamp(0), nonce: [9; 16] });
        frames.iter().for_each(|frame| self.input(Input::Frame { peer, bytes: frame.encode(team.into()) }));
    }

    fn input(&mut self, input: Input) {
        self.replicator.handle_input(input, self.now, &self.desk);
        while let Some(output) = self.replicator.poll_output() {
            match output {
                Output::Send { peer, frame } => {
                    if let Ok(Frame::Want(want)) = Frame::decode(&frame, self.desk.team().into())
                        && want.dag == self.incident
                    {
                        self.asked.push((peer, self.now));
                    }
                }
                Output::Close { peer, reason } => {
                    assert_eq!(reason, CloseReason::Stalled);
                    self.closed.push(peer);
                }
                _ => {}
            }
        }
    }

    /// Lets time go by until somebody is closed, who then comes back.
    fn wait(&mut self) {
        while self.closed.is_empty() {
            self.now = self.replicator.poll_deadline().expect("an answer is awaited").max(self.now);
            self.input(Input::Timeout);
        }
        for peer in std::mem::take(&mut self.closed) {
            let at = self.peers.iter().position(|desk| desk.key() == peer).unwrap();
            self.connect(at);
        }
    }
}

/// Of peers that offered the same the one with the first key was asked, and again as soon as it was back: two who took
/// turns at that kept everybody else from being asked.
#[test]
fn whoever_left_a_question_unanswered_is_asked_after_those_who_did_not() {
    let mut asker = Asker::new();
    let keys: Vec<DeviceKey> = asker.peers.iter().map(Desk::key).collect();
    for _ in 0..2 * keys.len() - 1 {
        asker.wait();
    }
    let asked: Vec<DeviceKey> = asker.asked.iter().map(|(peer, _)| *peer).collect();
    assert_eq!(asked, [keys.clone(), keys.clone()].concat(), "everybody in turn");
    let last_first = asker.asked[keys.len() - 1].1;
    assert_eq!(last_first, Tick(5).plus_ms((keys.len() as u64 - 1) * PROGRESS_TIMEOUT_MS));
}
