//! How this node relays for other members, and where it asks them to relay for it.
//!
//! Every node relays, for members alone: the protocols of relaying are offered on their connections and on no others. The
//! choice of relays, made by the task, is in [`crate::task_reach`].

use crate::limits::{
    MAX_CIRCUITS, MAX_RESERVATIONS, RELAY_CIRCUIT_BYTES, RELAY_CIRCUIT_TIME, RELAY_PACE, RELAY_REQUESTS,
};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, relay};
use std::num::NonZeroU32;
use std::time::Duration;

/// When a circuit through this node ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CircuitLimit {
    /// What it may carry, both directions together.
    pub(crate) bytes: u64,
    /// How long it may stand.
    pub(crate) time: Duration,
}

impl Default for CircuitLimit {
    fn default() -> Self {
        Self { bytes: RELAY_CIRCUIT_BYTES, time: RELAY_CIRCUIT_TIME }
    }
}

/// The relaying part, with limits that suit members.
pub(crate) fn server(me: PeerId, limit: CircuitLimit) -> relay::Behaviour {
    let requests = NonZeroU32::new(RELAY_REQUESTS).expect("a constant that is not zero");
    let config = relay::Config {
        max_reservations: MAX_RESERVATIONS,
        max_reservations_per_peer: 2,
        reservation_duration: Duration::from_secs(60 * 60),
        reservation_rate_limiters: Vec::new(),
        max_circuits: MAX_CIRCUITS,
        max_circuits_per_peer: MAX_CIRCUITS,
        max_circuit_duration: limit.time,
        max_circuit_bytes: limit.bytes,
        circuit_src_rate_limiters: Vec::new(),
    };
    // By peer alone: a team behind one address is many members.
    let config = config.reservation_rate_per_peer(requests, RELAY_PACE).circuit_src_per_peer(requests, RELAY_PACE);
    relay::Behaviour::new(me, config)
}

/// The way through a relay, which is linked at this address.
pub(crate) fn through(relay: PeerId, addr: &Multiaddr) -> Multiaddr {
    addr.clone().with(Protocol::P2p(relay)).with(Protocol::P2pCircuit)
}
