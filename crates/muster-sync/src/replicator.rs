//! Who says what when: the state machine of one team (protocol, section "Who says what when").
//!
//! Here are the three calls and the round that follows every input. What is known of one peer is in [`peer`]; each
//! part of the talk has its own file: [`greet`] how a stream begins, [`compare`] what differs, [`index`] which of many incidents
//! do, [`fetch`] what we ask for, [`serve`] what we answer, [`live`] what is new, [`ack`] what arrived. Gossip: [`publish`] goes
//! out, [`gossip`] comes in, [`patience`] is what a peer that gossips is given, [`rounds`] the safety net under it, [`presence`]
//! who is there, [`proven`] who pays for what comes unasked. [`room`] is what happens while nothing can be kept. No rule of
//! admission is known here.

mod ack;
mod bodies;
mod compare;
mod fetch;
mod gossip;
mod greet;
mod index;
mod kept;
mod live;
mod owed;
mod patience;
mod peer;
mod presence;
pub(crate) mod proven;
mod publish;
mod room;
mod rounds;
mod serve;

#[cfg(test)]
pub(crate) use gossip::FORGED;

use crate::contract::{ChunkId, CloseReason, Config, Input, Output};
use crate::frame::{Bye, ByeCode, Frame, Refuse, TeamPrefix};
use crate::limits::{EARLY_HELLOS_MAX, LET_DOWN_MAX};
use crate::pack::ChunkSize;
use crate::quota::Quotas;
use crate::replica::{Replica, View};
use crate::tick::Tick;
pub use kept::Kept;
use muster_log::{DagId, DeviceKey, EntryId, ShortLog};
use peer::Peer;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Replicates one team with the peers that are connected.
#[derive(Debug)]
pub struct Replicator {
    core: Core,
    peers: BTreeMap<DeviceKey, Peer>,
    /// Greetings of peers that were not announced yet by [`Input::Connected`].
    early: BTreeMap<DeviceKey, Vec<u8>>,
}

/// What all peers share.
#[derive(Debug)]
struct Core {
    config: Config,
    prefix: TeamPrefix,
    outputs: VecDeque<Output>,
    /// Chunks handed out for admission.
    arriving: BTreeMap<ChunkId, Arriving>,
    next_chunk: u64,
    next_stream: u64,
    /// Whom a DAG is being asked of: one at a time, so that nothing comes twice.
    fetched: BTreeMap<DagId, DeviceKey>,
    /// How often each peer left a question without an answer since it last gave one. They are asked after the others,
    /// or those who only promise would keep everybody else from being asked.
    let_down: BTreeMap<DeviceKey, u32>,
    /// What must be looked at again in this round.
    touched: BTreeSet<(DeviceKey, DagId)>,
    touched_dags: BTreeSet<DagId>,
    gossip: gossip::State,
    quotas: Quotas,
    rounds: rounds::State,
    presence: presence::State,
    room: room::State,
}

/// A chunk that is being judged.
#[derive(Debug)]
struct Arriving {
    peer: DeviceKey,
    /// The peer's stream, for it may have come anew.
    stream: u64,
    number: u32,
    dag: DagId,
    logs: BTreeSet<ShortLog>,
    is_answer: bool,
    /// What its entries build on that is here and that the peer may not see.
    hidden: BTreeSet<EntryId>,
}

/// How a peer and we stand to each other, as far as is known. For people; decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Entries that the peer has and we lack; `None` while that is being found out.
    pub missing_here: Option<u64>,
    /// Entries that the peer may see and lacks; `None` while that is being found out.
    pub missing_there: Option<u64>,
}

/// What a peer's handlers work with.
struct Context<'a> {
    core: &'a mut Core,
    view: View<'a>,
    now: Tick,
}

impl Replicator {
    /// A replicator that knows nobody.
    pub fn new(config: Config) -> Self {
        let core = Core {
            config,
            prefix: config.team.into(),
            outputs: VecDeque::new(),
            arriving: BTreeMap::new(),
            next_chunk: 1,
            next_stream: 1,
            fetched: BTreeMap::new(),
            let_down: BTreeMap::new(),
            touched: BTreeSet::new(),
            touched_dags: BTreeSet::new(),
            gossip: gossip::State::default(),
            quotas: Quotas::default(),
            rounds: rounds::State::new(config.me),
            presence: presence::State::default(),
            room: room::State::default(),
        };
        Self { core, peers: BTreeMap::new(), early: BTreeMap::new() }
    }

    /// Takes one input. Take the outputs afterwards, until there are none.
    pub fn handle_input(&mut self, input: Input, now: Tick, replica: &dyn Replica) {
        match input {
            Input::Connected { peer, wall, nonce } => {
                self.forget(&peer);
                let stream = self.core.next_stream;
                self.core.next_stream += 1;
                let mut state = Peer::new(peer, stream, now, wall, nonce);
                state.gossips = self.core.gossip.peers.contains(&peer);
                self.peers.insert(peer, state);
                self.with(peer, now, replica, |peer, cx| peer.greet(cx));
                if let Some(hello) = self.early.remove(&peer) {
                    self.frame(peer, &hello, now, replica);
                }
            }
            Input::Disconnected { peer } => {
                self.early.remove(&peer);
                self.forget(&peer);
            }
            Input::Relayed { peer } => self.with(peer, now, replica, |peer, _| {
                peer.chunk = ChunkSize::SHORT;
                Ok(())
            }),
            Input::Frame { peer, bytes } => self.frame(peer, &bytes, now, replica),
            Input::Gossiping { peer, is } => self.gossiping(peer, is),
            Input::Gossip { peer, gossip, bytes } => self.gossip(peer, gossip, &bytes, now, replica),
            Input::Admitted { chunk, admission } => {
                if let Some(heard) = self.core.gossip.judging.remove(&chunk) {
                    self.gossip_admitted(&heard, &admission, now, replica);
                } else if let Some(arriving) = self.core.arriving.remove(&chunk) {
                    let stream = arriving.stream;
                    self.core.touched_dags.insert(arriving.dag);
                    self.with(arriving.peer, now, replica, |peer, cx| match peer.stream == stream {
                        true => peer.admitted(arriving, admission, cx),
                        false => Ok(()),
                    });
                }
            }
            Input::Advanced { entries } => self.advanced(&entries, now, replica),
            Input::Reconsider => self.core.touched_dags.extend(replica.incidents()),
            Input::Timeout => {
                self.each(now, replica, Peer::timeout);
                self.give_up_announced(now);
                self.core.room.timeout(now);
                self.compare_with_somebody(now, replica);
                self.be_present(now, replica);
            }
        }
        self.round(now, replica);
        self.plan_round(now);
        self.plan_presence(now, replica);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.core.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due; `None` while nothing waits for time to pass.
    pub fn poll_deadline(&self) -> Option<Tick> {
        let core = [self.core.rounds.due, self.core.presence.due, self.core.gossip.deadline(), self.core.room.due()];
        self.peers.values().filter_map(Peer::deadline).chain(core.into_iter().flatten()).min()
    }

    /// The peers that have greeted us.
    pub fn peers(&self) -> impl Iterator<Item = DeviceKey> {
        self.peers.iter().filter(|(_, peer)| peer.has_greeted).map(|(key, _)| *key)
    }

    /// How a peer and we stand to each other; `None` where it is not connected or has not greeted.
    pub fn standing(&self, peer: &DeviceKey, replica: &dyn Replica) -> Option<Standing> {
        let state = self.peers.get(peer).filter(|peer| peer.has_greeted)?;
        Some(state.standing(View::new(replica, self.core.roster(), *peer)))
    }

    fn frame(&mut self, peer: DeviceKey, bytes: &[u8], now: Tick, replica: &dyn Replica) {
        if self.peers.contains_key(&peer) {
            self.with(peer, now, replica, |peer, cx| peer.frame(bytes, cx));
        } else if let Ok(Frame::Hello(_)) = Frame::decode(bytes, self.core.prefix) {
            // Closed a moment ago, or a member whose membership has not reached us: then it will not greet again.
            if self.early.len() < EARLY_HELLOS_MAX || self.early.contains_key(&peer) {
                self.early.insert(peer, bytes.to_vec());
            }
        }
    }

    /// Everything that follows from an input: what can be sent is sent, what was touched is compared, what is wanted
    /// is asked for. Ends, for each turn uses up touches, and only a want that is dropped or a body that was never
    /// asked for makes new ones.
    fn round(&mut self, now: Tick, replica: &dyn Replica) {
        loop {
            self.each(now, replica, Peer::send_due);
            self.each(now, replica, Peer::see_to_index);
            let dags = std::mem::take(&mut self.core.touched_dags);
            let peers = &self.peers;
            self.core.touched.extend(dags.iter().flat_map(|dag| peers.keys().map(|peer| (*peer, *dag))));
            for (peer, dag) in std::mem::take(&mut self.core.touched) {
                self.with(peer, now, replica, |peer, cx| peer.settle(dag, cx));
            }
            let let_down = self.core.let_down.clone();
            let mut peers: Vec<DeviceKey> = self.peers.keys().copied().collect();
            peers.sort_by_key(|peer| let_down.get(peer).copied().unwrap_or_default());
            peers.into_iter().for_each(|peer| self.with(peer, now, replica, Peer::ask));
            if self.core.touched.is_empty() && self.core.touched_dags.is_empty() {
                return;
            }
        }
    }

    fn each(
        &mut self,
        now: Tick,
        replica: &dyn Replica,
        act: impl Fn(&mut Peer, &mut Context<'_>) -> Result<(), CloseReason>,
    ) {
        let peers: Vec<DeviceKey> = self.peers.keys().copied().collect();
        for peer in peers {
            self.with(peer, now, replica, &act);
        }
    }

    /// Lets one peer act; ends its stream if that fails.
    fn with(
        &mut self,
        peer: DeviceKey,
        now: Tick,
        replica: &dyn Replica,
        act: impl FnOnce(&mut Peer, &mut Context<'_>) -> Result<(), CloseReason>,
    ) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let view = View::new(replica, self.core.roster(), peer);
        let mut cx = Context { core: &mut self.core, view, now };
        if let Err(reason) = act(state, &mut cx) {
            self.core.bid_farewell(peer, &reason);
            self.core.outputs.push_back(Output::Close { peer, reason });
            self.forget(&peer);
        }
    }

    fn forget(&mut self, peer: &DeviceKey) {
        let Some(state) = self.peers.remove(peer) else { return };
        if state.open_want.is_some_and(|want| !want.has_progress) {
            let known = self.core.let_down.contains_key(peer);
            if known || self.core.let_down.len() < LET_DOWN_MAX {
                let times = self.core.let_down.entry(*peer).or_default();
                *times = times.saturating_add(1);
            }
        }
        let (theirs, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.core.fetched).into_iter().partition(|(_, asked)| asked == peer);
        self.core.fetched = others;
        self.core.touched_dags.extend(theirs.into_keys());
    }
}

impl Core {
    fn roster(&self) -> DagId {
        self.config.team.into()
    }

    fn send(&mut self, peer: DeviceKey, frame: &Frame) {
        let frame = frame.encode(self.prefix);
        self.outputs.push_back(Output::Send { peer, frame });
    }

    /// Tells the peer why, where it is its fault and it may still hear.
    fn bid_farewell(&mut self, peer: DeviceKey, reason: &CloseReason) {
        let code = match reason {
            CloseReason::Form(_) => ByeCode::Form,
            CloseReason::OutOfTurn { .. } => ByeCode::OutOfTurn,
            CloseReason::OverCredit => ByeCode::OverCredit,
            CloseReason::Version { .. } => ByeCode::Version,
            CloseReason::Stalled => ByeCode::Stalled,
            CloseReason::Refused(refused) => {
                let refuse = Refuse::new(refused.id, refused.code, refused.reason.clone());
                self.send(peer, &Frame::Refuse(refuse));
                ByeCode::Refused
            }
            CloseReason::RefusedThere(_) | CloseReason::Bye { .. } => return,
        };
        self.send(peer, &Frame::Bye(Bye { code: code as u16, retry_after_ms: 0 }));
    }
}
