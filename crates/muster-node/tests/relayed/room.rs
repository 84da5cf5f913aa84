//! Replicas in memory, joined by plain function calls: how entries come to be where the test begins.

use muster_incident::{Act, Aside};
use muster_log::fact::Capability;
use muster_log::{DagId, DeviceKey, DeviceSecret, IncidentId, SessionId, TeamId, Timestamp};
use muster_replica::{Effect, Entropy, Input, JoinAnswer, Now, Replica};
use muster_store::MemoryStore;
use muster_sync::Tick;
use muster_sync::frame::Frame;
use std::collections::BTreeSet;

/// 2023-07-20T12:17:00Z, when an outage began.
const START_MS: i64 = 1_689_855_420_000;

/// Bytes that differ from draw to draw.
struct Counter(u64);

impl Entropy for Counter {
    fn sixteen(&mut self) -> [u8; 16] {
        let mut out = [0; 16];
        out.copy_from_slice(&self.thirty_two()[..16]);
        out
    }

    fn thirty_two(&mut self) -> [u8; 32] {
        self.0 += 1;
        let mut out = [7; 32];
        out[..8].copy_from_slice(&self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        out[8..16].copy_from_slice(&self.0.wrapping_mul(0xD1B5_4A32_D192_ED03).to_be_bytes());
        out
    }
}

pub(crate) fn secret(desk: usize) -> DeviceSecret {
    DeviceSecret::from_seed(&[desk as u8 + 1; 32])
}

pub(crate) fn now(tick: u64) -> Now {
    Now { tick: Tick(tick), wall: Timestamp(START_MS + tick as i64), offset_minutes: 0 }
}

/// The desks of one team, and the time they share. The first founded it.
pub(crate) struct Room {
    pub(crate) desks: Vec<Replica<MemoryStore>>,
    pub(crate) tick: u64,
    pub(crate) team: TeamId,
    /// Who is joined with whom, both ways.
    joined: BTreeSet<(usize, usize)>,
    /// Bytes of entries that were carried, as chunks are counted: before compression.
    pub(crate) carried: u64,
}

impl Room {
    pub(crate) fn new(count: usize) -> Self {
        let open = |desk: usize| {
            let session = SessionId::from_bytes([desk as u8 + 1; 16]);
            Replica::open(MemoryStore::new(), secret(desk), session, Box::new(Counter((desk as u64) << 40))).unwrap()
        };
        let mut desks: Vec<_> = (0..count).map(open).collect();
        let team = desks[0].create_team("desk 0", now(0)).unwrap();
        desks[0].commit(now(0)).unwrap();
        let mut room = Self { desks, tick: 0, team, joined: BTreeSet::new(), carried: 0 };
        for desk in 1..count {
            room.lets_in(desk);
        }
        room
    }

    fn lets_in(&mut self, desk: usize) {
        self.tick += 1;
        let (now, team) = (now(self.tick), self.team);
        let address = ["/ip4/127.0.0.1/tcp/7001".to_owned()];
        let ticket =
            self.desks[0].invite(team, Capability::Responder, None, now.wall.plus_ms(60_000), &address, now).unwrap();
        self.desks[0].commit(now).unwrap();
        let request = self.desks[desk].join_request(&ticket, &format!("desk {desk}"), now).unwrap();
        self.desks[desk].commit(now).unwrap();
        let key = self.desks[desk].device();
        assert_eq!(self.desks[0].answer_join(&key, &request, now).unwrap(), JoinAnswer::Welcome);
        self.desks[0].commit(now).unwrap();
        self.desks[desk].joined(&ticket).unwrap();
        self.desks[desk].commit(now).unwrap();
        self.join(0, desk, false);
        self.part(0, desk);
    }

    /// Joins two desks and lets them talk until they have nothing to say.
    pub(crate) fn join(&mut self, one: usize, other: usize, relayed: bool) {
        for (desk, peer) in [(one, other), (other, one)] {
            let peer = self.desks[peer].device();
            self.joined.insert((desk, if desk == one { other } else { one }));
            self.desks[desk].handle(Input::Connected { peer }, now(self.tick)).unwrap();
            if relayed {
                self.desks[desk].handle(Input::Relayed { peer }, now(self.tick)).unwrap();
            }
        }
        self.settle();
    }

    pub(crate) fn part(&mut self, one: usize, other: usize) {
        for (desk, peer) in [(one, other), (other, one)] {
            self.joined.remove(&(desk, peer));
            let peer = self.desks[peer].device();
            self.desks[desk].handle(Input::Disconnected { peer }, now(self.tick)).unwrap();
            self.desks[desk].take_effects();
        }
    }

    /// Carries frames until there are none.
    fn settle(&mut self) {
        loop {
            let mut frames = Vec::new();
            for (from, desk) in self.desks.iter_mut().enumerate() {
                for effect in desk.take_effects() {
                    match effect {
                        Effect::Send { peer, frame } => frames.push((from, peer, frame)),
                        Effect::Close { peer, reason } => panic!("desk {from} closes on {peer}: {reason}"),
                        _ => {}
                    }
                }
            }
            if frames.is_empty() {
                return;
            }
            for (from, to, bytes) in frames {
                let to = self.desks.iter().position(|desk| desk.device() == to).unwrap();
                assert!(self.joined.contains(&(from, to)));
                self.carried += entry_bytes(&bytes, self.team);
                let peer = self.desks[from].device();
                self.desks[to].handle(Input::Frame { peer, bytes }, now(self.tick)).unwrap();
            }
        }
    }

    pub(crate) fn declare(&mut self, title: &str) -> IncidentId {
        let act =
            Act::Declare { title: title.into(), severity: Some(2), drill: false, suspected: false, private: vec![] };
        self.write(0, None, &act)
    }

    pub(crate) fn say(&mut self, desk: usize, incident: IncidentId, text: String) {
        self.write(desk, Some(incident), &Act::Say { text });
    }

    fn write(&mut self, desk: usize, incident: Option<IncidentId>, act: &Act) -> IncidentId {
        self.tick += 1;
        let now = now(self.tick);
        let written = self.desks[desk].write(self.team, incident, act, &Aside::default(), now).unwrap();
        self.desks[desk].commit(now).unwrap();
        self.settle();
        written.incident
    }
}

/// How many entries of an incident are here.
pub(crate) fn count(desk: &Replica<MemoryStore>, team: TeamId, incident: IncidentId) -> usize {
    desk.ledger(&team).unwrap().dag(&DagId::from(incident)).map_or(0, |dag| dag.len())
}

/// The bytes of an incident's entries that a frame carries, before compression.
pub(crate) fn entry_bytes(frame: &[u8], team: TeamId) -> u64 {
    match Frame::decode(frame, team.into()) {
        Ok(Frame::Entries(_, packed)) => u64::from(packed.raw_size) + 16 * packed.salts.len() as u64,
        _ => 0,
    }
}

/// The device of a desk.
pub(crate) fn key(desk: usize) -> DeviceKey {
    secret(desk).public()
}
