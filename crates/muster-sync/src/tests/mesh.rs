//! A network of desks: frames in order on each link, links and judgements shuffled by a seed, virtual time.

use super::desk::{Desk, noise};
use crate::frame::{Frame, Gossip, Presence};
use crate::replica::{Replica, View};
use crate::{Admission, ChunkId, CloseReason, Config, GossipId, Input, Output, Refused, Replicator, Tick, Verdict};
use muster_log::{DagId, DeviceKey, EntryId, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) struct Mesh {
    pub(super) desks: Vec<Desk>,
    pub(super) replicators: Vec<Replicator>,
    links: BTreeMap<(usize, usize), VecDeque<Vec<u8>>>,
    /// Judged and not told yet: what a commit would still be writing.
    judged: Vec<VecDeque<(ChunkId, Admission, Vec<EntryId>)>>,
    connected: BTreeSet<(usize, usize)>,
    pub(super) now: Tick,
    dice: u64,
    /// Every frame that was sent, and between whom.
    pub(super) frames: Vec<(usize, usize, Vec<u8>)>,
    pub(super) closes: Vec<(usize, CloseReason)>,
    /// Entries that were handed out for admission though they were here.
    pub(super) repeated: usize,
    pub(super) delivered: usize,
    pub(super) receipts: BTreeMap<(usize, DeviceKey, DagId), BTreeSet<EntryId>>,
    pub(super) offsets: Vec<(usize, i64)>,
    /// Every gossip message that was published, and by whom.
    pub(super) published: Vec<(usize, Vec<u8>)>,
    pub(super) verdicts: Vec<(usize, GossipId, Verdict)>,
    pub(super) presence_verdicts: Vec<(usize, Verdict)>,
    pub(super) presented: Vec<(usize, DeviceKey)>,
    /// Gossip under way: from, to, message.
    air: VecDeque<(usize, usize, usize)>,
    /// Who has had which message.
    had: BTreeSet<(usize, usize)>,
    /// Messages handed in, by the number that their verdict names: to whom, from whom, which.
    heard: Vec<(usize, usize, usize)>,
    gossiping: BTreeSet<usize>,
    /// Lose one gossip message in so many on its way to one neighbour.
    pub(super) lose_one_in: u64,
    /// Tell some judgements before their news, which is allowed and costs a comparison.
    pub(super) news_last: bool,
    /// Deliver one frame in so many twice.
    pub(super) repeat_one_in: u64,
}

impl Mesh {
    pub(super) fn new(desks: Vec<Desk>, seed: u64) -> Self {
        let team = desks[0].team();
        let replicators = desks.iter().map(|desk| Replicator::new(Config { team, me: desk.key() })).collect();
        Self {
            replicators,
            links: BTreeMap::new(),
            judged: desks.iter().map(|_| VecDeque::new()).collect(),
            desks,
            connected: BTreeSet::new(),
            now: Tick(1_000),
            dice: seed,
            frames: Vec::new(),
            closes: Vec::new(),
            repeated: 0,
            delivered: 0,
            receipts: BTreeMap::new(),
            offsets: Vec::new(),
            published: Vec::new(),
            verdicts: Vec::new(),
            presence_verdicts: Vec::new(),
            presented: Vec::new(),
            air: VecDeque::new(),
            had: BTreeSet::new(),
            heard: Vec::new(),
            gossiping: BTreeSet::new(),
            lose_one_in: 0,
            news_last: true,
            repeat_one_in: 0,
        }
    }

    /// A team of `n`, all of whom know the roster.
    pub(super) fn team(n: u8) -> Vec<Desk> {
        let mut founder = Desk::founder(1);
        let mut guests: Vec<Desk> = (2..=n).map(|number| founder.let_in(number)).collect();
        guests.iter_mut().for_each(|guest| founder.copy_to(guest));
        std::iter::once(founder).chain(guests).collect()
    }

    pub(super) fn connect(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            self.connected.insert((from, to));
            self.links.insert((from, to), VecDeque::new());
        }
        for (from, to) in [(a, b), (b, a)] {
            // The second desk's clock is five seconds ahead, and so on.
            let wall = Timestamp(self.now.0 as i64 + from as i64 * 5_000);
            let peer = self.desks[to].key();
            self.input(from, Input::Connected { peer, wall, nonce: [from as u8; 16] });
        }
    }

    pub(super) fn connect_all(&mut self) {
        for a in 0..self.desks.len() {
            (0..a).for_each(|b| self.connect(b, a));
        }
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            self.links.remove(&(from, to));
            if self.connected.remove(&(from, to)) {
                let peer = self.desks[to].key();
                self.input(from, Input::Disconnected { peer });
            }
        }
    }

    pub(super) fn say(&mut self, desk: usize, incident: DagId, text: &str) -> EntryId {
        // News are told in causal order: first of what was received, then of what builds on it.
        while self.tell_judged(desk) {}
        let id = self.desks[desk].say(incident, text);
        self.input(desk, Input::Advanced { entries: vec![id] });
        id
    }

    pub(super) fn declare(&mut self, desk: usize, title: &str, private_to: Option<Vec<usize>>) -> DagId {
        let persons =
            private_to.map(|desks| desks.iter().map(|i| self.desks[0].person(&self.desks[*i].key())).collect());
        let incident = self.desks[desk].declare(title, persons);
        self.input(desk, Input::Advanced { entries: vec![incident.genesis()] });
        incident
    }

    pub(super) fn input(&mut self, desk: usize, input: Input) {
        let mut inputs = VecDeque::from([(desk, input)]);
        while let Some((at, input)) = inputs.pop_front() {
            self.replicators[at].handle_input(input, self.now, &self.desks[at]);
            while let Some(output) = self.replicators[at].poll_output() {
                inputs.extend(self.output(at, output));
            }
        }
    }

    fn output(&mut self, at: usize, output: Output) -> Vec<(usize, Input)> {
        match output {
            Output::Send { peer, frame } => {
                assert!(frame.len() <= crate::limits::FRAME_BYTES_MAX, "{} bytes", frame.len());
                let to = self.index(&peer);
                self.frames.push((at, to, frame.clone()));
                if let Some(link) = self.links.get_mut(&(at, to)) {
                    link.push_back(frame);
                }
            }
            Output::Admit { chunk, peer, received, bodies, .. } => {
                self.repeated += received.iter().filter(|r| self.desks[at].ledger.contains(&r.entry.id())).count();
                let outcome = self.desks[at].receive(Some(peer), received, bodies);
                let refused = outcome.refused.first().map(|(id, refusal)| Refused {
                    id: *id,
                    code: refusal.code(),
                    reason: refusal.to_string(),
                });
                let admission =
                    Admission { admitted: outcome.admitted.len(), missing: outcome.missing, refused, put_off: false };
                self.judged[at].push_back((chunk, admission, outcome.admitted));
            }
            Output::Close { peer, reason } => {
                let to = self.index(&peer);
                self.closes.push((at, reason));
                // What was sent before still arrives.
                while let Some(frame) = self.links.get_mut(&(at, to)).and_then(VecDeque::pop_front) {
                    let peer = self.desks[at].key();
                    self.replicators[to].handle_input(Input::Frame { peer, bytes: frame }, self.now, &self.desks[to]);
                    while let Some(output) = self.replicators[to].poll_output() {
                        if let Output::Close { reason, .. } = output {
                            self.closes.push((to, reason));
                        }
                    }
                }
                for (from, to) in [(at, to), (to, at)] {
                    self.links.remove(&(from, to));
                    self.connected.remove(&(from, to));
                }
                let (one, other) = (self.desks[at].key(), self.desks[to].key());
                return vec![(at, Input::Disconnected { peer: other }), (to, Input::Disconnected { peer: one })];
            }
            Output::Receipt { peer, dag, entries } => {
                self.receipts.entry((at, peer, dag)).or_default().extend(entries);
            }
            Output::Publish { bytes } => self.publish(at, bytes),
            Output::Judge { gossip, verdict } => {
                let (_, from, message) = self.heard[gossip.0 as usize];
                let told = Gossip::decode(&self.published[message].1, self.desks[at].team().into());
                match told {
                    Ok(Gossip::Presence(_)) => self.presence_verdicts.push((at, verdict)),
                    _ => self.verdicts.push((at, gossip, verdict)),
                }
                if verdict == Verdict::Accept {
                    self.pass_on(at, Some(from), message);
                }
            }
            Output::Present { heads } => {
                let wall = Timestamp(self.now.0 as i64);
                let presence = Presence::sign(self.desks[at].team(), &self.desks[at].secret, wall, heads, &[]);
                let bytes = Gossip::Presence(presence).encode(self.desks[at].team().into());
                self.publish(at, bytes);
            }
            Output::Presented { device, .. } => self.presented.push((at, device)),
            Output::Greeted { clock_offset_ms, .. } => self.offsets.push((at, clock_offset_ms)),
        }
        Vec::new()
    }

    /// From now on all desks gossip.
    pub(super) fn gossip_all(&mut self) {
        self.gossiping = (0..self.desks.len()).collect();
        for (at, other) in self.connected.clone() {
            let peer = self.desks[other].key();
            self.input(at, Input::Gossiping { peer, is: true });
        }
    }

    /// Gives a message to gossip in the name of a desk.
    pub(super) fn publish(&mut self, at: usize, bytes: Vec<u8>) {
        self.published.push((at, bytes));
        let message = self.published.len() - 1;
        self.had.insert((at, message));
        self.pass_on(at, None, message);
    }

    fn pass_on(&mut self, at: usize, from: Option<usize>, message: usize) {
        let neighbours = self.gossiping.iter().copied().filter(|to| self.connected.contains(&(at, *to)));
        self.air.extend(neighbours.filter(|to| Some(*to) != from).map(|to| (at, to, message)));
    }

    /// Hands in the next gossip message; false where none is under way.
    fn hear(&mut self) -> bool {
        let Some((from, to, message)) = self.air.pop_front() else { return false };
        let loss = self.lose_one_in;
        if (loss > 0 && self.below(loss as usize) == 0) || !self.had.insert((to, message)) {
            return true;
        }
        self.heard.push((to, from, message));
        let (peer, bytes) = (self.desks[from].key(), self.published[message].1.clone());
        self.input(to, Input::Gossip { peer, gossip: GossipId(self.heard.len() as u64 - 1), bytes });
        true
    }

    fn index(&self, key: &DeviceKey) -> usize {
        self.desks.iter().position(|desk| desk.key() == *key).unwrap()
    }

    fn below(&mut self, n: usize) -> usize {
        self.dice = noise(self.dice);
        (self.dice % n.max(1) as u64) as usize
    }

    /// Delivers one frame or tells one judgement; false where nothing is under way.
    pub(super) fn step(&mut self) -> bool {
        if self.below(2) == 0 && self.hear() {
            return true;
        }
        let links: Vec<(usize, usize)> =
            self.links.iter().filter(|(_, frames)| !frames.is_empty()).map(|(link, _)| *link).collect();
        let judged: Vec<usize> = (0..self.judged.len()).filter(|i| !self.judged[*i].is_empty()).collect();
        if links.is_empty() && judged.is_empty() {
            return self.hear();
        }
        let chosen = self.below(links.len() + judged.len());
        if let Some((from, to)) = links.get(chosen).copied() {
            let Some(bytes) = self.links.get_mut(&(from, to)).and_then(VecDeque::pop_front) else { return true };
            self.delivered += 1;
            let peer = self.desks[from].key();
            let repeat = self.repeat_one_in;
            if repeat > 0 && self.below(repeat as usize) == 0 {
                self.input(to, Input::Frame { peer, bytes: bytes.clone() });
            }
            self.input(to, Input::Frame { peer, bytes });
        } else {
            self.tell_judged(judged[chosen - links.len()]);
        }
        true
    }

    /// Takes steps until somebody sends entries; the frames sent until then.
    pub(super) fn run_until_chunk(&mut self) -> Vec<(usize, usize, Vec<u8>)> {
        let has_chunk = |mesh: &Self| mesh.frames.iter().any(|f| matches!(mesh.read(&f.2), Frame::Entries(..)));
        while !has_chunk(self) && self.step() {}
        self.frames.clone()
    }

    pub(super) fn set_dice(&mut self, seed: u64) {
        self.dice = seed;
    }

    /// A frame that was sent here.
    pub(super) fn read(&self, bytes: &[u8]) -> Frame {
        Frame::decode(bytes, self.desks[0].team().into()).unwrap()
    }

    /// Tells one judgement; false where there is none.
    fn tell_judged(&mut self, at: usize) -> bool {
        let Some((chunk, admission, admitted)) = self.judged[at].pop_front() else { return false };
        let (told, new) = (Input::Admitted { chunk, admission }, Input::Advanced { entries: admitted });
        let inputs = if self.news_last && self.below(2) == 0 { [told, new] } else { [new, told] };
        inputs.into_iter().for_each(|input| self.input(at, input));
        true
    }

    /// Forgets every frame that is under way, which no real link does.
    pub(super) fn lose_all(&mut self) {
        self.links.values_mut().for_each(VecDeque::clear);
    }

    /// Delivers all that is under way; no time goes by.
    pub(super) fn deliver(&mut self) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 100_000, "the talk does not end");
        }
    }

    /// Delivers and lets time go by, with every deadline on the way.
    pub(super) fn run_for(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        loop {
            self.deliver();
            let deadline = self.replicators.iter().filter_map(Replicator::poll_deadline).min();
            match deadline.filter(|deadline| *deadline <= end) {
                Some(deadline) => self.now = self.now.max(deadline),
                None => break,
            }
            (0..self.desks.len()).for_each(|desk| self.input(desk, Input::Timeout));
        }
        self.now = end;
    }

    /// Runs until nothing is under way and no deadline is armed, or panics: somebody went on for ever.
    pub(super) fn run(&mut self) {
        for _ in 0..400 {
            self.deliver();
            let Some(deadline) = self.replicators.iter().filter_map(Replicator::poll_deadline).min() else { return };
            self.now = self.now.max(deadline);
            (0..self.desks.len()).for_each(|desk| self.input(desk, Input::Timeout));
        }
        panic!("deadlines go on for ever");
    }

    /// All who are connected and may see a DAG hold the same of it, with all bodies.
    #[track_caller]
    pub(super) fn assert_agreed(&self) {
        for (a, b) in &self.connected {
            let (one, other) = (&self.desks[*a], &self.desks[*b]);
            let roster: DagId = one.team().into();
            for dag in one.incidents().into_iter().chain([roster]) {
                if !View::new(one, roster, other.key()).sees(&dag) {
                    continue;
                }
                assert_eq!(one.heads(&dag), other.heads(&dag), "desks {a} and {b} differ in {dag}");
                assert_eq!(one.len(&dag), other.len(&dag));
                assert_eq!(other.missing_bodies(&dag, None, &BTreeSet::new(), 10), [], "desk {b} lacks bodies");
            }
            let standing = self.replicators[*a].standing(&other.key(), one).unwrap();
            assert_eq!((standing.missing_here, standing.missing_there), (Some(0), Some(0)), "desk {a} about {b}");
        }
    }
}
