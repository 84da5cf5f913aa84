//! The libp2p stack put together: transport, behaviours, limits.
//!
//! Further transports (QUIC, relay) and behaviours (mDNS) join here.

use crate::behaviour::Wire;
use crate::gate::SharedGate;
use crate::gossip;
use crate::gossip_guard::{Ears, Guarded, SharedGuard};
use crate::limits::{
    HANDSHAKE_TIMEOUT, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_PEER, MAX_PENDING_INCOMING, MAX_PENDING_OUTGOING,
    PING_INTERVAL, PING_TIMEOUT,
};
use crate::members_only::MembersOnly;
use crate::mux;
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::{Config, NetworkBehaviour};
use libp2p::{PeerId, Swarm, Transport, gossipsub, identify, noise, ping, tcp};
use muster_log::DeviceKey;

/// Everything that speaks on our connections.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviours {
    /// First, so that a connection past a limit meets nobody else.
    limits: connection_limits::Behaviour,
    pub(crate) wire: Wire,
    /// After `wire`, which counts strangers.
    pub(crate) members: MembersOnly<MemberProtocols>,
}

/// What members speak besides sync.
#[derive(NetworkBehaviour)]
pub(crate) struct MemberProtocols {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(crate) gossip: Guarded<gossipsub::Behaviour<Ears, Ears>>,
}

/// A swarm that polls its connections itself: nothing is spawned, and dropping it drops every socket.
pub(crate) fn swarm(
    me: &DeviceKey,
    keypair: &Keypair,
    gate: &SharedGate,
    guard: &SharedGuard,
) -> Result<Swarm<Behaviours>, noise::Error> {
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_INCOMING))
        .with_max_pending_outgoing(Some(MAX_PENDING_OUTGOING))
        .with_max_established(Some(MAX_CONNECTIONS))
        .with_max_established_per_peer(Some(MAX_CONNECTIONS_PER_PEER));
    let identify = identify::Config::new("/muster/1".to_owned(), keypair.public())
        .with_agent_version(concat!("muster/", env!("CARGO_PKG_VERSION")).to_owned())
        .with_push_listen_addr_updates(true)
        // The node keeps addresses; what is dialled is what it says.
        .with_cache_size(0);
    let ping = ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT);
    let members = MemberProtocols {
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
        gossip: gossip::behaviour(me, guard),
    };
    let behaviours = Behaviours {
        limits: connection_limits::Behaviour::new(limits),
        wire: Wire::new(gate.clone()),
        members: MembersOnly::new(members, gate.clone()),
    };
    Ok(Swarm::new(transport(keypair)?, behaviours, keypair.public().to_peer_id(), Config::without_executor()))
}

fn transport(keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    Ok(tcp
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(mux::Upgrade)
        .timeout(HANDSHAKE_TIMEOUT)
        .boxed())
}
