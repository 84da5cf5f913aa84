//! Who is there and what they hold, beyond those one is connected with: presence, by gossip.
//!
//! A message names heads, those of incidents that changed last first and the others in turn, and where the device listens.
//! It says only what the device itself holds and is, signed by it, so an old or invented one can mislead nobody about anybody
//! else.

use super::Replicator;
use crate::contract::{Output, Verdict};
use crate::frame::{HeadPrefix, Presence};
use crate::limits::{
    HEAD_PREFIX_BYTES, PRESENCE_EVERY_MS, PRESENCE_EVERY_MS_PER_DEVICE, PRESENCE_FORGOTTEN_MS, PRESENCE_HEADS_MAX,
    PRESENCE_LEAST_MS, PRESENCE_SOON_MS, PRESENCE_SOON_MS_PER_DEVICE,
};
use crate::replica::Replica;
use crate::tick::Tick;
use muster_log::{DagId, DeviceKey, EntryId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// DAGs that changed and are remembered until they are told.
const CHANGED_MAX: usize = 64;

/// What was said and heard.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) due: Option<Tick>,
    /// DAGs that changed since they were told last, the latest change last.
    changed: Vec<DagId>,
    /// A change has brought `due` forward.
    is_soon: bool,
    /// The DAG told last in turn.
    turn: Option<DagId>,
    /// The last message of each device.
    heard: BTreeMap<DeviceKey, Last>,
}

#[derive(Debug)]
struct Last {
    wall: Timestamp,
    at: Tick,
}

impl Replicator {
    /// Plans the next message: soon after a change, else at leisure; not at all while nobody listens.
    pub(super) fn plan_presence(&mut self, now: Tick, replica: &dyn Replica) {
        let is_heard = self.peers.values().any(|peer| peer.has_greeted && peer.gossips);
        if !is_heard {
            self.core.presence.due = None;
            return;
        }
        let presence = &mut self.core.presence;
        if presence.due.is_some() && (presence.is_soon || presence.changed.is_empty()) {
            return;
        }
        let devices = replica.members() as u64;
        presence.is_soon = !presence.changed.is_empty();
        let wait = if presence.is_soon {
            let soon = PRESENCE_SOON_MS.max(devices.saturating_mul(PRESENCE_SOON_MS_PER_DEVICE));
            soon + self.core.rounds.chance(soon / 2)
        } else {
            let every = PRESENCE_EVERY_MS.max(devices.saturating_mul(PRESENCE_EVERY_MS_PER_DEVICE));
            every - every / 4 + self.core.rounds.chance(every / 2)
        };
        let at = now.plus_ms(wait);
        let due = &mut self.core.presence.due;
        *due = Some(due.map_or(at, |due| due.min(at)));
    }

    /// A DAG changed here: it is told first.
    pub(super) fn note_changed(&mut self, dags: &BTreeSet<DagId>, replica: &dyn Replica) {
        let changed = &mut self.core.presence.changed;
        for dag in dags.iter().filter(|dag| replica.is_shared(dag)) {
            changed.retain(|known| known != dag);
            changed.push(*dag);
        }
        let surplus = changed.len().saturating_sub(CHANGED_MAX);
        changed.drain(..surplus);
    }

    /// Says that this device is there, if that is due.
    pub(super) fn be_present(&mut self, now: Tick, replica: &dyn Replica) {
        if self.core.presence.due.is_none_or(|due| due > now) {
            return;
        }
        let presence = &mut self.core.presence;
        (presence.due, presence.is_soon) = (None, false);
        let mut heads: Vec<HeadPrefix> = Vec::new();
        // A DAG with more heads than fit tells the first of them: its others come with what joins them.
        let mut put = |dag: &DagId| {
            let room = PRESENCE_HEADS_MAX - heads.len();
            heads.extend(replica.heads(dag).iter().take(room).map(prefix));
            heads.len() < PRESENCE_HEADS_MAX
        };
        let mut has_room = true;
        while has_room && let Some(dag) = presence.changed.pop() {
            has_room = put(&dag);
        }
        let roster: DagId = self.core.config.team.into();
        let mut shared: Vec<DagId> = replica.incidents().into_iter().filter(|dag| replica.is_shared(dag)).collect();
        shared.push(roster);
        shared.sort_unstable();
        let next = presence.turn.map_or(0, |turn| shared.partition_point(|dag| *dag <= turn));
        let (told, untold) = shared.split_at(next);
        let in_turn: Vec<DagId> = untold.iter().chain(told).copied().collect();
        for dag in &in_turn {
            if !has_room {
                break;
            }
            has_room = put(dag);
            presence.turn = Some(*dag);
        }
        heads.sort_unstable();
        heads.dedup();
        self.core.outputs.push_back(Output::Present { heads });
    }

    /// Takes a presence message.
    pub(super) fn presence(&mut self, presence: &Presence, now: Tick, replica: &dyn Replica) -> Verdict {
        let Presence { device, wall, heads, addresses, .. } = presence;
        if heads.len() > PRESENCE_HEADS_MAX || !presence.is_genuine(self.core.config.team) {
            return Verdict::Reject;
        }
        if *device == self.core.config.me || !replica.is_member(device) {
            return Verdict::Ignore;
        }
        if let Some(last) = self.core.presence.heard.get(device) {
            let since = now.since_ms(last.at);
            if since < PRESENCE_LEAST_MS || (*wall <= last.wall && since < PRESENCE_FORGOTTEN_MS) {
                return Verdict::Ignore;
            }
        }
        self.core.presence.heard.insert(*device, Last { wall: *wall, at: now });
        let addresses = addresses.clone();
        self.core.outputs.push_back(Output::Presented { device: *device, wall: *wall, addresses });
        let mut held: BTreeMap<DagId, Vec<EntryId>> = BTreeMap::new();
        for entry in heads.iter().filter_map(|head| replica.entry_beginning(head)) {
            if replica.is_shared(&entry.dag()) {
                held.entry(entry.dag()).or_default().push(entry.id());
            }
        }
        for (dag, entries) in held {
            self.core.outputs.push_back(Output::Receipt { peer: *device, dag, entries });
        }
        Verdict::Accept
    }
}

fn prefix(head: &EntryId) -> HeadPrefix {
    let mut prefix = [0; HEAD_PREFIX_BYTES];
    prefix.copy_from_slice(&head.as_bytes()[..HEAD_PREFIX_BYTES]);
    prefix
}
