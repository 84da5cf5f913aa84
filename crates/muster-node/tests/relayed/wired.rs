//! A replica on real sockets: what the node's engine does, for one peer that cannot be dialled.

use crate::room::{entry_bytes, now};
use muster_log::{DeviceKey, DeviceSecret, TeamId};
use muster_net::{Link, NetEvent, NetEvents, NetHandle, NetTask, Path};
use muster_replica::{Effect, Input, Replica};
use muster_store::MemoryStore;
use muster_sync::GossipId;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// A replica with its network.
pub(crate) struct Wired {
    pub(crate) replica: Replica<MemoryStore>,
    team: TeamId,
    pub(crate) net: NetHandle,
    pub(crate) events: NetEvents,
    /// Whom the replica talks to; with others this node has links alone.
    partner: DeviceKey,
    pub(crate) link: Option<Link>,
    gossip: BTreeMap<u64, muster_net::GossipId>,
    start: (Instant, u64),
    /// Bytes of entries that came, before compression.
    pub(crate) carried: u64,
}

impl Wired {
    /// A node that listens nowhere.
    pub(crate) async fn new(
        replica: Replica<MemoryStore>,
        secret: &DeviceSecret,
        team: TeamId,
        partner: DeviceKey,
        tick: u64,
    ) -> Self {
        let (task, net, events) = NetTask::new(secret, Vec::new()).unwrap();
        tokio::spawn(task.run());
        net.subscribe(muster_sync::frame::topic(team), BTreeSet::from([partner])).await.unwrap();
        let start = (Instant::now(), tick);
        Self { replica, team, net, events, partner, link: None, gossip: BTreeMap::new(), start, carried: 0 }
    }

    fn now(&self) -> muster_replica::Now {
        now(self.start.1 + self.start.0.elapsed().as_millis() as u64)
    }

    /// When time must be told to have passed.
    pub(crate) fn deadline(&self) -> Instant {
        let due = self.replica.deadline().map_or(1_000, |due| due.since_ms(self.now().tick));
        Instant::now() + std::time::Duration::from_millis(due)
    }

    pub(crate) fn timeout(&mut self) {
        if self.replica.deadline().is_some_and(|due| due <= self.now().tick) {
            self.input(Input::Timeout);
        }
    }

    fn input(&mut self, input: Input) {
        self.replica.handle(input, self.now()).unwrap();
        for effect in self.replica.take_effects() {
            match effect {
                Effect::Send { frame, .. } => {
                    if let Some(link) = &self.link {
                        // One that has just ended takes nothing, and the event comes.
                        let _ = link.send(frame);
                    }
                }
                Effect::Close { reason, .. } => panic!("the stream is closed: {reason}"),
                Effect::Publish { team, bytes } => {
                    let _ = self.net.publish(muster_sync::frame::topic(team), bytes);
                }
                Effect::Judge { gossip, verdict } => {
                    let verdict = match verdict {
                        muster_sync::Verdict::Accept => muster_net::Verdict::Accept,
                        muster_sync::Verdict::Ignore => muster_net::Verdict::Ignore,
                        muster_sync::Verdict::Reject => muster_net::Verdict::Reject,
                    };
                    if let Some(id) = self.gossip.remove(&gossip.0) {
                        self.net.judge(id, verdict);
                    }
                }
                _ => {}
            }
        }
    }

    /// Works off one event.
    pub(crate) fn take(&mut self, event: NetEvent) {
        match event {
            NetEvent::Connected { peer, link, .. } if peer == self.partner => {
                assert_eq!(link.path(), Path::Relayed, "they have no other way");
                self.link = Some(link);
                self.input(Input::Connected { peer });
                self.input(Input::Relayed { peer });
            }
            NetEvent::Disconnected { peer, .. } if peer == self.partner => {
                self.link = None;
                self.input(Input::Disconnected { peer });
            }
            NetEvent::Frame { peer, bytes } if peer == self.partner => {
                self.carried += entry_bytes(&bytes, self.team);
                self.input(Input::Frame { peer, bytes });
            }
            NetEvent::Subscribed { peer, subscribed, .. } if peer == self.partner => {
                self.input(Input::Gossiping { team: self.team, peer, is: subscribed });
            }
            NetEvent::Gossip { from, id, bytes, .. } => {
                let gossip = GossipId(self.gossip.last_key_value().map_or(0, |(last, _)| last + 1));
                self.gossip.insert(gossip.0, id);
                self.input(Input::Gossip { team: self.team, peer: from, gossip, bytes });
            }
            _ => {}
        }
    }
}
