//! Gossip in the task: what the node asks of it, and what comes of it.
//!
//! Gossipsub knows peers, we speak of links: what a peer gossips counts between its [`NetEvent::Connected`] and its
//! [`NetEvent::Disconnected`], and the node is told in that order.

use crate::event::NetEvent;
use crate::gossip::{GossipId, Topic, topic_hash, topic_of};
use crate::handle::GossipCommand;
use crate::peer::Peer;
use crate::peer_key::{device_key, peer_id, short};
use crate::task::NetTask;
use libp2p::gossipsub::{Behaviour, Event, IdentTopic, Message, MessageAcceptance, MessageId, PublishError};
use libp2p::{PeerId, swarm::ConnectionId};
use muster_log::DeviceKey;
use std::collections::BTreeSet;

impl NetTask {
    fn gossip(&mut self) -> &mut Behaviour<crate::gossip_guard::Ears, crate::gossip_guard::Ears> {
        self.swarm.behaviour_mut().members.inner().gossip.inner()
    }

    pub(crate) fn subscribe(&mut self, topic: Topic, audience: BTreeSet<DeviceKey>) {
        let is_heard = |key: &DeviceKey| audience.contains(key);
        let (before, refused) = {
            let mut guard = self.guard.lock();
            let refused: Vec<_> = guard.refused.iter().filter(|(_, topics)| topics.contains(&topic)).collect();
            let refused: Vec<_> = refused.into_iter().map(|(key, _)| *key).filter(is_heard).collect();
            (guard.audiences.insert(topic, audience.clone()), refused)
        };
        let lost: Vec<_> = before.unwrap_or_default().into_iter().filter(|key| !is_heard(key)).collect();
        let _ = self.gossip().subscribe(&IdentTopic::new(topic_hash(&topic).into_string()));
        // A subscription is asked about once, when it comes; who has lost or gained the right meets us anew.
        let connections =
            self.owners.iter().filter(|(_, owner)| refused.contains(&owner.key) || lost.contains(&owner.key));
        let connections: Vec<ConnectionId> = connections.map(|(id, _)| *id).collect();
        for id in connections {
            self.swarm.close_connection(id);
        }
    }

    pub(crate) fn unsubscribe(&mut self, topic: &Topic) {
        self.gossip().unsubscribe(&IdentTopic::new(topic_hash(topic).into_string()));
        self.guard.lock().audiences.remove(topic);
        for peer in self.peers.values_mut() {
            peer.topics.remove(topic);
        }
    }

    pub(crate) fn on_gossip_command(&mut self, command: GossipCommand) {
        match command {
            GossipCommand::Publish(topic, bytes) => match self.gossip().publish(topic_hash(&topic), bytes) {
                // Nobody to tell, or told already: both are as good as published.
                Ok(_) | Err(PublishError::NoPeersSubscribedToTopic | PublishError::Duplicate) => {}
                Err(error) => tracing::debug!(%error, "not published"),
            },
            GossipCommand::Judge(GossipId { id, from }, verdict) => {
                self.judge(&MessageId::new(&id), &peer_id(&from), verdict.acceptance());
            }
        }
    }

    fn judge(&mut self, id: &MessageId, from: &PeerId, acceptance: MessageAcceptance) {
        self.gossip().report_message_validation_result(id, from, acceptance);
    }

    pub(crate) fn on_gossip(&mut self, event: Event) {
        match event {
            Event::Message { propagation_source, message_id, message } => {
                if self.offer(&propagation_source, &message_id, message).is_none() {
                    self.judge(&message_id, &propagation_source, MessageAcceptance::Ignore);
                }
            }
            Event::Subscribed { peer_id, topic } => self.on_subscription(&peer_id, topic_of(&topic), true),
            Event::Unsubscribed { peer_id, topic } => self.on_subscription(&peer_id, topic_of(&topic), false),
            Event::GossipsubNotSupported { .. } | Event::SlowPeer { .. } => {}
        }
    }

    /// Gives a message to the node, if its sender has a link.
    fn offer(&mut self, from: &PeerId, id: &MessageId, message: Message) -> Option<()> {
        let (from, topic) = (device_key(from)?, topic_of(&message.topic)?);
        self.peers.get(&from).and_then(Peer::line)?;
        let id = GossipId { id: id.0.as_slice().try_into().ok()?, from };
        tracing::trace!(peer = short(&from), bytes = message.data.len(), "gossip");
        self.outlet.push(NetEvent::Gossip { topic, from, id, bytes: message.data });
        Some(())
    }

    fn on_subscription(&mut self, peer: &PeerId, topic: Option<Topic>, subscribed: bool) {
        let (Some(key), Some(topic)) = (device_key(peer), topic) else { return };
        let Some(state) = self.peers.get_mut(&key) else { return };
        let changed = if subscribed { state.topics.insert(topic) } else { state.topics.remove(&topic) };
        if changed && state.line().is_some() {
            self.outlet.push(NetEvent::Subscribed { peer: key, topic, subscribed });
        }
    }

    /// A link begins: what its peer subscribed to before.
    pub(crate) fn tell_subscriptions(&mut self, key: DeviceKey) {
        let topics = self.peers.get(&key).map(|peer| peer.topics.clone()).unwrap_or_default();
        for topic in topics {
            self.outlet.push(NetEvent::Subscribed { peer: key, topic, subscribed: true });
        }
    }

    /// A connection ended. With the last one gossipsub forgets the peer.
    pub(crate) fn forget_subscriptions(&mut self, key: DeviceKey) {
        let is_gone = self.owners.values().all(|owner| owner.key != key);
        if let Some(peer) = self.peers.get_mut(&key).filter(|_| is_gone) {
            peer.topics.clear();
            self.guard.lock().refused.remove(&key);
        }
    }
}
