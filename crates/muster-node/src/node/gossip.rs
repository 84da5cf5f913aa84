//! Gossip between the network task and the replica: topics are teams, and every message gets its verdict.
//!
//! What a message means is decided in `muster-sync`; how it travels in `muster-net`.

use super::Node;
use muster_log::{DeviceKey, TeamId};
use muster_net::{NetHandle, Topic};
use muster_replica::Input;
use muster_sync::{GossipId, Verdict};
use std::collections::BTreeMap;

/// Which team each topic is, and which messages wait for their verdict.
#[derive(Default)]
pub(super) struct State {
    teams: BTreeMap<Topic, TeamId>,
    /// By the number that the replica knows a message by. The replica judges all but a few at once.
    waiting: BTreeMap<u64, muster_net::GossipId>,
    numbered: u64,
}

impl State {
    /// The topic of a team, remembered.
    pub(super) fn topic_of(&mut self, team: TeamId) -> Topic {
        let topic = muster_sync::frame::topic(team);
        self.teams.insert(topic, team);
        topic
    }

    /// Passes a verdict on.
    pub(super) fn judge(&mut self, net: &NetHandle, gossip: GossipId, verdict: Verdict) {
        let Some(id) = self.waiting.remove(&gossip.0) else { return };
        net.judge(
            id,
            match verdict {
                Verdict::Accept => muster_net::Verdict::Accept,
                Verdict::Ignore => muster_net::Verdict::Ignore,
                Verdict::Reject => muster_net::Verdict::Reject,
            },
        );
    }
}

impl Node {
    pub(super) fn hear_gossip(&mut self, topic: &Topic, peer: DeviceKey, id: muster_net::GossipId, bytes: Vec<u8>) {
        let team = self.gossip.teams.get(topic).copied().filter(|_| self.engine.is_some());
        let Some(team) = team else { return self.net.judge(id, muster_net::Verdict::Ignore) };
        self.gossip.numbered += 1;
        let gossip = GossipId(self.gossip.numbered);
        self.gossip.waiting.insert(gossip.0, id);
        self.input(Input::Gossip { team, peer, gossip, bytes });
    }

    pub(super) fn note_gossiping(&mut self, topic: &Topic, peer: DeviceKey, is: bool) {
        tracing::debug!(%peer, is, "takes part in gossip");
        if let Some(team) = self.gossip.teams.get(topic).copied() {
            self.input(Input::Gossiping { team, peer, is });
        }
    }

    /// The replica that knew these messages is gone: they go no further.
    pub(super) fn forget_gossip(&mut self) {
        for (_, id) in std::mem::take(&mut self.gossip.waiting) {
            self.net.judge(id, muster_net::Verdict::Ignore);
        }
    }
}
