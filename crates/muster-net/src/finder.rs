//! Looks for members on the local network, by mDNS.
//!
//! `libp2p-mdns` speaks the protocol. It remembers every record for as long as the sender likes and would have every dial
//! tried at what it remembers; so it is shut in here: it begins after a random wait, it is thrown away and begun anew
//! before it has seen too much, what it says goes through [`Sightings`], and nothing else of it reaches the swarm.

use crate::gate::SharedGate;
use crate::limits::{FINDER_PAUSE, MAX_SIGHTINGS, SIGHTING_LIFE};
use crate::sightings::Sightings;
use libp2p::core::Endpoint;
use libp2p::core::transport::{ListenerId, PortUse};
use libp2p::swarm::behaviour::{ExpiredListenAddr, NewListenAddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId, mdns};
use muster_log::DeviceKey;
use std::collections::{BTreeSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Events of the inner behaviour that are looked at in one go; then others have their turn.
const EVENTS_AT_ONCE: usize = 64;

/// A member was seen on the local network, or is not any more.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) peer: DeviceKey,
    /// Where; all that is known now.
    pub(crate) addrs: Vec<Multiaddr>,
}

/// The behaviour. Without a wait it does nothing at all.
pub(crate) struct Finder {
    me: PeerId,
    gate: SharedGate,
    /// When the inner behaviour is to be made, or made anew.
    timer: Option<Pin<Box<Sleep>>>,
    wait: Option<Duration>,
    inner: Option<mdns::tokio::Behaviour>,
    /// Records that the inner behaviour has told of.
    told: usize,
    sightings: Sightings,
    /// Where we listen, for an inner behaviour that begins later.
    listen: Vec<(ListenerId, Multiaddr)>,
    events: VecDeque<Found>,
}

impl Finder {
    /// Begins after a random part of `longest_wait`; `None` = never.
    pub(crate) fn new(me: PeerId, gate: SharedGate, longest_wait: Option<Duration>) -> Self {
        let random = (RandomState::new().hash_one(()) & 0xffff) as u32;
        Self {
            me,
            gate,
            timer: None,
            wait: longest_wait.map(|longest| longest * random / 0x1_0000),
            inner: None,
            told: 0,
            sightings: Sightings::default(),
            listen: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// Makes the inner behaviour; true if it may be polled.
    fn begin(&mut self) -> bool {
        let config = mdns::Config { ttl: SIGHTING_LIFE, ..mdns::Config::default() };
        self.told = 0;
        match mdns::tokio::Behaviour::new(config, self.me) {
            Ok(mut inner) => {
                for (listener_id, addr) in &self.listen {
                    inner.on_swarm_event(FromSwarm::NewListenAddr(NewListenAddr { listener_id: *listener_id, addr }));
                }
                self.inner = Some(inner);
                self.wait = Some(SIGHTING_LIFE);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "cannot look for members on the local network; trying again later");
                self.wait = Some(SIGHTING_LIFE);
                false
            }
        }
    }

    fn note(&mut self, records: Vec<(PeerId, Multiaddr)>) {
        let now = Instant::now();
        self.told += records.len();
        let mut news = BTreeSet::new();
        for (peer, addr) in records {
            let gate = self.gate.lock();
            news.extend(self.sightings.see(&peer, &addr, |key| gate.members.contains(key), now));
        }
        self.tell(news);
        if self.told >= MAX_SIGHTINGS {
            tracing::warn!("too many records on the local network; looking away for a while");
            (self.inner, self.timer, self.wait) = (None, None, Some(FINDER_PAUSE));
        }
    }

    fn tell(&mut self, keys: impl IntoIterator<Item = DeviceKey>) {
        for peer in keys {
            self.events.push_back(Found { peer, addrs: self.sightings.of(&peer) });
        }
    }
}

impl NetworkBehaviour for Finder {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Found;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::NewListenAddr(NewListenAddr { listener_id, addr }) => {
                self.listen.push((*listener_id, (*addr).clone()));
            }
            FromSwarm::ExpiredListenAddr(ExpiredListenAddr { listener_id, addr }) => {
                self.listen.retain(|(id, known)| (id, known) != (listener_id, *addr));
            }
            _ => {}
        }
        if let Some(inner) = &mut self.inner {
            inner.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Found, THandlerInEvent<Self>>> {
        for _ in 0..EVENTS_AT_ONCE {
            if let Some(found) = self.events.pop_front() {
                return Poll::Ready(ToSwarm::GenerateEvent(found));
            }
            let Some(wait) = self.wait else { return Poll::Pending };
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
            if timer.as_mut().poll(cx).is_ready() {
                // The first time, and then again and again: whoever is here is heard again, the rest is forgotten.
                self.timer = None;
                self.begin();
                let gone = self.sightings.expire(Instant::now());
                self.tell(gone);
                continue;
            }
            let Some(inner) = &mut self.inner else { return Poll::Pending };
            match inner.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ToSwarm::GenerateEvent(mdns::Event::Discovered(records))) => self.note(records),
                // It would add what it heard to what the swarm believes.
                Poll::Ready(_) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
