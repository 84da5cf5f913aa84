//! One member floods: what another writes arrives all the same.
//!
//! Real replicas on a line with delay, each of which needs time for what it handles: most of it for what it commits, little
//! for what it sets aside. Without quotas the queue before a node would grow without end.

#![allow(clippy::unwrap_used)] // a panic is a failed test

use muster_incident::{Act, Aside};
use muster_log::fact::Capability;
use muster_log::{DeviceKey, DeviceSecret, IncidentId, SessionId, TeamId, Timestamp};
use muster_replica::{Effect, Entropy, Input, JoinAnswer, Now, Replica};
use muster_store::MemoryStore;
use muster_sync::{GossipId, Tick, Verdict};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One way, in microseconds.
const TRAVEL_US: u64 = 10_000;

/// What handling an input costs that commits nothing, in microseconds.
const LOOK_US: u64 = 100;

/// What a commit costs, in microseconds.
const COMMIT_US: u64 = 3_000;

/// What an admitted entry costs besides, in microseconds.
const ENTRY_US: u64 = 50;

/// Entries that the flooder writes a second: more than a node could commit one by one.
const FLOOD_PER_S: u64 = 400;

const _: () = assert!(FLOOD_PER_S * COMMIT_US > 1_000_000);

const ALICE: usize = 0;
const BOB: usize = 1;
const FLOODER: usize = 2;

struct Dice(u64);

impl Entropy for Dice {
    fn sixteen(&mut self) -> [u8; 16] {
        let mut out = [0; 16];
        out.copy_from_slice(&self.thirty_two()[..16]);
        out
    }

    fn thirty_two(&mut self) -> [u8; 32] {
        self.0 += 1;
        let mut out = [3; 32];
        out[..8].copy_from_slice(&self.0.to_be_bytes());
        out
    }
}

enum Arrival {
    Frame { from: usize, bytes: Vec<u8> },
    Gossip { from: usize, message: usize },
}

struct Room {
    nodes: Vec<Replica<MemoryStore>>,
    now_us: u64,
    /// By time of arrival.
    line: BTreeMap<(u64, u64), (usize, Arrival)>,
    sent: u64,
    /// What has arrived and waits for the node to have time.
    waiting: Vec<VecDeque<Arrival>>,
    busy_until: Vec<u64>,
    messages: Vec<(TeamId, Vec<u8>)>,
    had: BTreeSet<(usize, usize)>,
    heard: Vec<(usize, usize)>,
}

impl Room {
    fn new(nodes: u8) -> (Self, TeamId) {
        let open = |n: u8| {
            let secret = DeviceSecret::from_seed(&[n + 1; 32]);
            let session = SessionId::from_bytes([n + 1; 16]);
            let dice = Box::new(Dice(u64::from(n) << 40));
            Replica::open(MemoryStore::new(), secret, session, dice).unwrap()
        };
        let mut room = Self {
            nodes: (0..nodes).map(open).collect(),
            now_us: 0,
            line: BTreeMap::new(),
            sent: 0,
            waiting: (0..nodes).map(|_| VecDeque::new()).collect(),
            busy_until: vec![0; usize::from(nodes)],
            messages: Vec::new(),
            had: BTreeSet::new(),
            heard: Vec::new(),
        };
        let team = room.found();
        room.connect(team);
        room.run_until(5_000_000);
        (room, team)
    }

    fn now(&self) -> Now {
        let ms = self.now_us / 1_000;
        Now { tick: Tick(ms), wall: Timestamp(1_767_225_600_000 + ms as i64), offset_minutes: 0 }
    }

    fn key(&self, n: usize) -> DeviceKey {
        self.nodes[n].device()
    }

    fn number(&self, key: &DeviceKey) -> usize {
        self.nodes.iter().position(|node| node.device() == *key).unwrap()
    }

    fn found(&mut self) -> TeamId {
        let now = self.now();
        let team = self.nodes[0].create_team("alice", now).unwrap();
        self.nodes[0].commit(now).unwrap();
        for n in 1..self.nodes.len() {
            let expires = now.wall.plus_ms(3_600_000);
            let ticket =
                self.nodes[0].invite(team, Capability::Responder, None, expires, &["here".into()], now).unwrap();
            let request = self.nodes[n].join_request(&ticket, &format!("member {n}"), now).unwrap();
            self.nodes[n].commit(now).unwrap();
            let key = self.key(n);
            assert_eq!(self.nodes[0].answer_join(&key, &request, now).unwrap(), JoinAnswer::Welcome);
            self.nodes[0].commit(now).unwrap();
            self.nodes[n].joined(&ticket).unwrap();
            self.nodes[n].commit(now).unwrap();
        }
        team
    }

    fn connect(&mut self, team: TeamId) {
        for n in 0..self.nodes.len() {
            for other in (0..self.nodes.len()).filter(|other| *other != n) {
                let peer = self.key(other);
                self.input(n, Input::Connected { peer });
                self.input(n, Input::Gossiping { team, peer, is: true });
            }
        }
    }

    /// Hands in an input at once and carries out what follows.
    fn input(&mut self, n: usize, input: Input) {
        let now = self.now();
        self.nodes[n].handle(input, now).unwrap();
        self.carry_out(n);
    }

    fn carry_out(&mut self, n: usize) {
        for effect in self.nodes[n].take_effects() {
            match effect {
                Effect::Send { peer, frame } => {
                    let to = self.number(&peer);
                    self.send(to, Arrival::Frame { from: n, bytes: frame });
                }
                Effect::Publish { team, bytes } => {
                    self.messages.push((team, bytes));
                    let message = self.messages.len() - 1;
                    self.had.insert((n, message));
                    self.pass_on(n, message);
                }
                Effect::Judge { gossip, verdict } => {
                    assert_ne!(verdict, Verdict::Reject);
                    let (_, message) = self.heard[gossip.0 as usize];
                    if verdict == Verdict::Accept {
                        self.pass_on(n, message);
                    }
                }
                Effect::Close { reason, .. } => panic!("{n} closes: {reason}"),
                Effect::Members(_)
                | Effect::Audience { .. }
                | Effect::Circles(_)
                | Effect::Whereabouts { .. }
                | Effect::Changed { .. } => {}
            }
        }
    }

    fn pass_on(&mut self, n: usize, message: usize) {
        for to in 0..self.nodes.len() {
            if !self.had.contains(&(to, message)) {
                self.send(to, Arrival::Gossip { from: n, message });
            }
        }
    }

    fn send(&mut self, to: usize, arrival: Arrival) {
        // What a node sends leaves once it has done its work.
        self.sent += 1;
        self.line.insert((self.now_us + TRAVEL_US, self.sent), (to, arrival));
    }

    fn entries(&self, n: usize) -> usize {
        let teams = self.nodes[n].teams();
        teams.iter().map(|team| self.nodes[n].ledger(team).unwrap().len()).sum()
    }

    /// Lets a node handle the first that waits, which keeps it busy.
    fn work(&mut self, n: usize) {
        let Some(arrival) = self.waiting[n].pop_front() else { return };
        let before = self.entries(n);
        match arrival {
            Arrival::Frame { from, bytes } => {
                let peer = self.key(from);
                self.input(n, Input::Frame { peer, bytes });
            }
            Arrival::Gossip { from, message } => {
                if self.had.insert((n, message)) {
                    self.heard.push((n, message));
                    let gossip = GossipId(self.heard.len() as u64 - 1);
                    let (team, bytes) = self.messages[message].clone();
                    let peer = self.key(from);
                    self.input(n, Input::Gossip { team, peer, gossip, bytes });
                }
            }
        }
        let new = (self.entries(n) - before) as u64;
        let cost = LOOK_US + if new > 0 { COMMIT_US + new * ENTRY_US } else { 0 };
        self.busy_until[n] = self.now_us + cost;
    }

    fn run_until(&mut self, end_us: u64) {
        while self.now_us < end_us {
            while let Some(((at, _), _)) = self.line.first_key_value()
                && *at <= self.now_us
            {
                let (_, (to, arrival)) = self.line.pop_first().unwrap();
                self.waiting[to].push_back(arrival);
            }
            for n in 0..self.nodes.len() {
                if self.busy_until[n] <= self.now_us {
                    if self.nodes[n].deadline().is_some_and(|due| due <= self.now().tick) {
                        self.input(n, Input::Timeout);
                    }
                    self.work(n);
                }
            }
            self.now_us += LOOK_US;
        }
    }

    fn say(&mut self, n: usize, team: TeamId, incident: Option<IncidentId>, text: &str) -> muster_replica::Written {
        let now = self.now();
        let act = match incident {
            Some(_) => Act::Say { text: text.into() },
            None => {
                Act::Declare { title: text.into(), severity: None, drill: false, suspected: false, private: Vec::new() }
            }
        };
        let written = self.nodes[n].write(team, incident, &act, &Aside::default(), now).unwrap();
        self.nodes[n].commit(now).unwrap();
        self.carry_out(n);
        written
    }
}

/// How long what alice writes takes to bob, in microseconds, the middle of 20; while a third member writes `flood` entries
/// a second.
fn median_us(flood: u64) -> u64 {
    let (mut room, team) = Room::new(4);
    let incident = room.say(ALICE, team, None, "checkout is down").incident;
    let other = room.say(FLOODER, team, None, "look at me").incident;
    let mut delays = Vec::new();
    for second in 0..20 {
        let begin = 6_000_000 + second * 500_000;
        let mut next_flood = begin;
        let mut told = None;
        room.run_until(begin);
        while room.now_us < begin + 500_000 {
            if flood > 0 && room.now_us >= next_flood {
                room.say(FLOODER, team, Some(other), "again");
                next_flood += 1_000_000 / flood;
            }
            if told.is_none() && room.now_us >= begin + 200_000 {
                told = Some((room.now_us, room.say(ALICE, team, Some(incident), "it is the database").entry));
            }
            room.run_until(room.now_us + LOOK_US);
            if let Some((at, entry)) = told
                && delays.len() as u64 == second
                && room.nodes[BOB].ledger(&team).unwrap().contains(&entry)
            {
                delays.push(room.now_us - at);
            }
        }
        if delays.len() as u64 == second {
            delays.push(500_000); // not there within half a second
        }
    }
    delays.sort_unstable();
    delays[delays.len() / 2]
}

#[test]
fn while_one_member_floods_anothers_delay_at_most_doubles() {
    let calm = median_us(0);
    let flooded = median_us(FLOOD_PER_S);
    assert!(flooded <= 2 * calm, "{flooded} us while one floods, {calm} us in calm");
}
