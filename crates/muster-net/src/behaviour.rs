//! The libp2p behaviour of `/muster/sync/1` and `/muster/join/1`: asks the gate, makes handlers, passes messages.
//!
//! It decides nothing. The task reads its events and speaks to connections through [`Wire::tell`].

use crate::gate::{Class, SharedGate};
use crate::handler::{FromConnection, Handler, ToConnection};
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandlerInEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

/// What one connection says.
#[derive(Debug)]
pub(crate) struct WireEvent {
    pub(crate) id: ConnectionId,
    pub(crate) event: FromConnection,
}

/// The behaviour of muster's own protocols.
pub(crate) struct Wire {
    gate: SharedGate,
    queue: VecDeque<ToSwarm<WireEvent, ToConnection>>,
    waker: Option<Waker>,
}

impl Wire {
    pub(crate) fn new(gate: SharedGate) -> Self {
        Self { gate, queue: VecDeque::new(), waker: None }
    }

    /// Sends a message to one connection; it is dropped if that connection has ended.
    pub(crate) fn tell(&mut self, peer_id: PeerId, id: ConnectionId, event: ToConnection) {
        self.queue.push_back(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(id), event });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl NetworkBehaviour for Wire {
    type ConnectionHandler = Handler;
    type ToSwarm = WireEvent;

    fn handle_pending_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        Ok(self.gate.lock().on_knock()?)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        let mut gate = self.gate.lock();
        let class = gate.on_inbound(&peer)?;
        if class == Class::Stranger {
            gate.strangers.insert(id);
        }
        Ok(Handler::new(class))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        // We never dial without knowing whom.
        if let Some(peer) = peer {
            self.gate.lock().on_outbound(id, &peer)?;
        }
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(self.gate.lock().on_outbound(id, &peer)?))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => {
                self.gate.lock().strangers.remove(&closed.connection_id);
            }
            // Another behaviour refused what we had let in.
            FromSwarm::ListenFailure(failure) => {
                self.gate.lock().strangers.remove(&failure.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, id: ConnectionId, event: FromConnection) {
        self.queue.push_back(ToSwarm::GenerateEvent(WireEvent { id, event }));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<WireEvent, THandlerInEvent<Self>>> {
        if let Some(next) = self.queue.pop_front() {
            return Poll::Ready(next);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
