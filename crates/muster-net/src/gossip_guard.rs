//! Who may hear and say what on a topic, and how much: the limits that gossipsub does not have.
//!
//! Gossipsub is shown each message of a peer by a connection, and asks a filter about subscriptions and a transform about
//! payloads, neither of which is told whose they are. So [`Guarded`] stands before it, notes who is speaking, and drops
//! what is over that peer's quota before gossipsub remembers anything of it. [`Ears`] are the filter and the transform.

use crate::gossip::{Topic, topic_of};
use crate::limits::{
    GOSSIP_BURST, GOSSIP_BURST_BYTES, GOSSIP_BYTES_PER_SECOND, GOSSIP_PER_SECOND, MAX_GOSSIP_BYTES, MAX_TOPICS,
};
use crate::peer_key::device_key;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::gossipsub::{DataTransform, Message, RawMessage, TopicHash, TopicSubscriptionFilter};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use muster_log::DeviceKey;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::time::Instant;

/// What the guard knows.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// Our topics, with who may hear and speak on each.
    pub(crate) audiences: BTreeMap<Topic, BTreeSet<DeviceKey>>,
    /// Whose message is being read; `None` = our own doing.
    speaker: Option<DeviceKey>,
    quotas: BTreeMap<DeviceKey, Quota>,
    /// Subscriptions that were not taken, which come only once on a connection.
    pub(crate) refused: BTreeMap<DeviceKey, BTreeSet<Topic>>,
}

/// A guard that the behaviours and the task hold together.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedGuard(Arc<Mutex<Guard>>);

impl SharedGuard {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Guard> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard {
    /// Whether whoever is speaking may do so on this topic.
    fn may_speak(&self, topic: &TopicHash) -> bool {
        let audience = topic_of(topic).and_then(|topic| self.audiences.get(&topic));
        audience.is_some_and(|audience| self.speaker.is_none_or(|speaker| audience.contains(&speaker)))
    }

    /// The speaker subscribes; whether that counts.
    fn admits(&mut self, topic: &TopicHash) -> bool {
        let admits = self.may_speak(topic);
        if let (false, Some(speaker), Some(topic)) = (admits, self.speaker, topic_of(topic)) {
            let refused = self.refused.entry(speaker).or_default();
            if refused.len() < MAX_TOPICS {
                refused.insert(topic);
            }
        }
        admits
    }

    /// Charges the speaker for a payload.
    fn takes(&mut self, bytes: usize, now: Instant) -> bool {
        let Some(speaker) = self.speaker else { return true };
        self.quotas.entry(speaker).or_insert_with(|| Quota::new(now)).bytes.take(bytes, now)
    }

    /// A peer says something; whether it is listened to.
    fn begin(&mut self, peer: &PeerId, now: Instant) -> bool {
        self.speaker = device_key(peer);
        let Some(speaker) = self.speaker else { return false };
        self.quotas.entry(speaker).or_insert_with(|| Quota::new(now)).messages.take(1, now)
    }

    /// Forgets what concerns connections; audiences and quotas stay.
    pub(crate) fn begin_anew(&mut self) {
        self.speaker = None;
        self.refused.clear();
    }

    /// Forgets whoever left and has not used up anything, so that hanging up restores no quota.
    fn forget_idle(&mut self, now: Instant) {
        self.quotas.retain(|_, quota| !(quota.messages.is_full(now) && quota.bytes.is_full(now)));
    }
}

/// What one peer may still send.
#[derive(Debug)]
struct Quota {
    messages: Bucket,
    bytes: Bucket,
}

impl Quota {
    fn new(now: Instant) -> Self {
        Self {
            messages: Bucket::new(GOSSIP_BURST, GOSSIP_PER_SECOND, now),
            bytes: Bucket::new(GOSSIP_BURST_BYTES, GOSSIP_BYTES_PER_SECOND, now),
        }
    }
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    left: usize,
    burst: usize,
    per_second: usize,
    /// Up to when `left` was filled.
    since: Instant,
}

impl Bucket {
    fn new(burst: usize, per_second: usize, now: Instant) -> Self {
        Self { left: burst, burst, per_second, since: now }
    }

    fn take(&mut self, amount: usize, now: Instant) -> bool {
        let grown = self.left_at(now);
        // Less than one token's time is kept for the next look.
        if grown > self.left || grown == self.burst {
            (self.left, self.since) = (grown, now);
        }
        let fits = self.left >= amount;
        self.left -= if fits { amount } else { 0 };
        fits
    }

    fn left_at(&self, now: Instant) -> usize {
        let ms = usize::try_from(now.duration_since(self.since).as_millis()).unwrap_or(usize::MAX);
        self.left.saturating_add(ms.saturating_mul(self.per_second) / 1000).min(self.burst)
    }

    fn is_full(&self, now: Instant) -> bool {
        self.left_at(now) == self.burst
    }
}

/// Gossipsub's filter of subscriptions and transform of payloads.
#[derive(Debug, Clone)]
pub(crate) struct Ears {
    guard: SharedGuard,
}

impl Ears {
    pub(crate) fn new(guard: SharedGuard) -> Self {
        Self { guard }
    }
}

impl TopicSubscriptionFilter for Ears {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        self.guard.lock().admits(topic)
    }
}

impl DataTransform for Ears {
    fn inbound_transform(&self, message: RawMessage) -> io::Result<Message> {
        let mut guard = self.guard.lock();
        let refused = match () {
            () if message.data.len() > MAX_GOSSIP_BYTES => "too long",
            () if !guard.may_speak(&message.topic) => "not a topic of theirs",
            () if !guard.takes(message.data.len(), Instant::now()) => "over the quota",
            () => {
                let RawMessage { source, data, sequence_number, topic, .. } = message;
                return Ok(Message { source, data, sequence_number, topic });
            }
        };
        Err(io::Error::new(io::ErrorKind::InvalidData, refused))
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> io::Result<Vec<u8>> {
        Ok(data)
    }
}

/// Stands before gossipsub.
pub(crate) struct Guarded<B> {
    inner: B,
    guard: SharedGuard,
}

impl<B> Guarded<B> {
    pub(crate) fn new(inner: B, guard: SharedGuard) -> Self {
        Self { inner, guard }
    }

    pub(crate) fn inner(&mut self) -> &mut B {
        &mut self.inner
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Guarded<B> {
    type ConnectionHandler = THandler<B>;
    type ToSwarm = B::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local_addr: &Multiaddr,
        remote_addr: &Multiaddr,
    ) -> Result<THandler<B>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local_addr, remote_addr)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<B>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(id, peer, addr, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(_) = event {
            self.guard.lock().forget_idle(Instant::now());
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<B>) {
        // Not held while gossipsub works: it asks the ears, which lock it.
        let is_heard = self.guard.lock().begin(&peer, Instant::now());
        if is_heard {
            self.inner.on_connection_handler_event(peer, id, event);
        } else {
            tracing::debug!(%peer, "gossip over the quota dropped");
        }
        self.guard.lock().speaker = None;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<B::ToSwarm, THandlerInEvent<B>>> {
        self.inner.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gossip::topic_hash;
    use crate::peer_key::peer_id;
    use muster_log::DeviceSecret;
    use std::time::Duration;

    fn key(byte: u8) -> DeviceKey {
        DeviceSecret::from_seed(&[byte; 32]).public()
    }

    #[test]
    fn a_peer_is_heard_up_to_its_quota_and_again_later_and_others_are_not_touched() {
        let (mut guard, start) = (Guard::default(), Instant::now());
        let heard = |guard: &mut Guard, byte, now| guard.begin(&peer_id(&key(byte)), now);
        assert_eq!((0..GOSSIP_BURST * 2).filter(|_| heard(&mut guard, 1, start)).count(), GOSSIP_BURST);
        assert!(heard(&mut guard, 2, start));
        guard.forget_idle(start);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..GOSSIP_BURST).filter(|_| heard(&mut guard, 1, later)).count(), GOSSIP_PER_SECOND);
        let much_later = start + Duration::from_secs(3600);
        guard.forget_idle(much_later);
        assert!(guard.quotas.is_empty());
    }

    #[test]
    fn a_bucket_that_is_asked_often_still_fills() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 1, start);
        assert!(bucket.take(10, start));
        let taken = (1..=10_000).filter(|ms| bucket.take(1, start + Duration::from_millis(*ms))).count();
        assert_eq!(taken, 10);
    }

    #[test]
    fn only_the_audience_of_a_topic_hears_it_and_speaks_on_it() {
        let guard = SharedGuard::default();
        guard.lock().audiences.insert([1; 32], [key(1)].into());
        let mut ears = Ears::new(guard.clone());
        let message = |topic: u8, len: usize| RawMessage {
            source: None,
            data: vec![0; len],
            sequence_number: None,
            topic: topic_hash(&[topic; 32]),
            signature: None,
            key: None,
            validated: false,
        };
        let mut allowed = |byte, topic| {
            assert!(guard.lock().begin(&peer_id(&key(byte)), Instant::now()));
            let subscribes = ears.can_subscribe(&topic_hash(&[topic; 32]));
            assert_eq!(subscribes, ears.inbound_transform(message(topic, 1)).is_ok());
            subscribes
        };
        assert_eq!([allowed(1, 1), allowed(2, 1), allowed(1, 2)], [true, false, false]);
        assert!(guard.lock().begin(&peer_id(&key(1)), Instant::now()));
        let fits = |len| Ears::new(guard.clone()).inbound_transform(message(1, len)).is_ok();
        assert_eq!([fits(MAX_GOSSIP_BYTES), fits(MAX_GOSSIP_BYTES + 1)], [true, false]);
    }
}
