//! A behaviour that strangers never meet.
//!
//! Identify and ping are made for everybody, and a stranger's connection must offer `/muster/join/1` and nothing else.
//! So on such a connection the wrapped behaviour has a dummy handler and does not hear of it.

use crate::gate::{Class, SharedGate};
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::derive_prelude::Either;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::BTreeMap;
use std::task::{Context, Poll};

/// Shows members' connections, and no others, to the behaviour inside.
pub(crate) struct MembersOnly<B> {
    inner: B,
    gate: SharedGate,
    /// Connections that the inner behaviour has a handler on.
    shown: BTreeMap<ConnectionId, PeerId>,
}

impl<B: NetworkBehaviour> MembersOnly<B> {
    pub(crate) fn new(inner: B, gate: SharedGate) -> Self {
        Self { inner, gate, shown: BTreeMap::new() }
    }

    pub(crate) fn inner(&mut self) -> &mut B {
        &mut self.inner
    }

    fn shows(&self, event: &FromSwarm<'_>) -> bool {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.shown.contains_key(&event.connection_id),
            FromSwarm::ConnectionClosed(event) => self.shown.contains_key(&event.connection_id),
            FromSwarm::AddressChange(event) => self.shown.contains_key(&event.connection_id),
            _ => true,
        }
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for MembersOnly<B> {
    type ConnectionHandler = Either<THandler<B>, dummy::ConnectionHandler>;
    type ToSwarm = B::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local_addr: &Multiaddr,
        remote_addr: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // A stranger has been counted by now, so the gate is asked by name.
        if self.gate.lock().strangers.contains(&id) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler = self.inner.handle_established_inbound_connection(id, peer, local_addr, remote_addr)?;
        self.shown.insert(id, peer);
        Ok(Either::Left(handler))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if self.gate.lock().on_outbound(id, &peer)? != Class::Member {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler = self.inner.handle_established_outbound_connection(id, peer, addr, role, port_use)?;
        self.shown.insert(id, peer);
        Ok(Either::Left(handler))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        let shows = self.shows(&event);
        match &event {
            FromSwarm::ConnectionClosed(event) => self.shown.remove(&event.connection_id),
            FromSwarm::ListenFailure(event) => self.shown.remove(&event.connection_id),
            FromSwarm::DialFailure(event) => self.shown.remove(&event.connection_id),
            _ => None,
        };
        if shows {
            self.inner.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            Either::Left(event) => self.inner.on_connection_handler_event(peer, id, event),
            Either::Right(never) => match never {},
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx).map(|to_swarm| match to_swarm {
            // "Any" could be a connection with the dummy handler, which takes no messages.
            ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::Any, event } => {
                let shown = self.shown.iter().find(|(_, peer)| **peer == peer_id).map(|(id, _)| *id);
                // Connections are numbered from one; a message to none is dropped.
                let handler = NotifyHandler::One(shown.unwrap_or_else(|| ConnectionId::new_unchecked(0)));
                ToSwarm::NotifyHandler { peer_id, handler, event: Either::Left(event) }
            }
            to_swarm => to_swarm.map_in(Either::Left),
        })
    }
}
