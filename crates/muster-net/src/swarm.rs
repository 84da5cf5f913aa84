//! The libp2p stack put together: transport, behaviours, limits.
//!
//! Whoever looks for members on the local network is in [`crate::finder`].

use crate::behaviour::Wire;
use crate::finder::Finder;
use crate::gate::SharedGate;
use crate::gossip;
use crate::gossip_guard::{Ears, Guarded, SharedGuard};
use crate::later::Later;
use crate::limits::{
    CIRCUIT_AFTER, DIALS_AT_ONCE, HANDSHAKE_TIMEOUT, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_PEER, MAX_PENDING_INCOMING,
    MAX_PENDING_OUTGOING, PING_INTERVAL, PING_TIMEOUT,
};
use crate::members_only::MembersOnly;
use crate::mux;
use crate::relay;
use futures::future::Either;
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::ConnectedPoint;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::{Config, NetworkBehaviour};
use libp2p::{PeerId, Swarm, Transport, gossipsub, identify, noise, ping, tcp};
use muster_log::DeviceKey;
use std::num::NonZeroU8;
use std::time::Duration;

/// Everything that speaks on our connections.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviours {
    /// First, so that a connection past a limit meets nobody else.
    limits: connection_limits::Behaviour,
    pub(crate) wire: Wire,
    /// After `wire`, which counts strangers.
    pub(crate) members: MembersOnly<MemberProtocols>,
    finder: Finder,
}

/// What members speak besides sync.
#[derive(NetworkBehaviour)]
pub(crate) struct MemberProtocols {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(crate) gossip: Guarded<gossipsub::Behaviour<Ears, Ears>>,
    relay_server: libp2p::relay::Behaviour,
    relay_client: libp2p::relay::client::Behaviour,
}

/// A swarm that polls its connections itself: nothing is spawned, and dropping it drops every socket.
pub(crate) fn swarm(
    me: &DeviceKey,
    keypair: &Keypair,
    gate: &SharedGate,
    guard: &SharedGuard,
    mdns: Option<Duration>,
    circuits: relay::CircuitLimit,
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
    let peer = keypair.public().to_peer_id();
    let (ways_round, relay_client) = libp2p::relay::client::new(peer);
    let members = MemberProtocols {
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
        gossip: gossip::behaviour(me, guard),
        relay_server: relay::server(peer, circuits),
        relay_client,
    };
    let behaviours = Behaviours {
        limits: connection_limits::Behaviour::new(limits),
        wire: Wire::new(gate.clone()),
        members: MembersOnly::new(members, gate.clone()),
        finder: Finder::new(peer, gate.clone(), mdns),
    };
    let config = Config::without_executor()
        .with_dial_concurrency_factor(NonZeroU8::new(DIALS_AT_ONCE).unwrap_or(NonZeroU8::MIN));
    Ok(Swarm::new(transport(keypair, ways_round)?, behaviours, peer, config))
}

fn transport(
    keypair: &Keypair,
    circuits: libp2p::relay::client::Transport,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(mux::Upgrade)
        .timeout(HANDSHAKE_TIMEOUT)
        .boxed();
    let circuits = circuits
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(mux::Upgrade)
        .timeout(HANDSHAKE_TIMEOUT)
        .boxed();
    // The first that knows an address takes it, and an address through a relay begins like that of the relay.
    let all = Later::new(circuits, CIRCUIT_AFTER).or_transport(tcp).map(either).boxed();
    #[cfg(feature = "quic")]
    let all = all.or_transport(Later::new(quic(keypair), crate::limits::QUIC_AFTER)).map(either).boxed();
    Ok(all)
}

#[cfg(feature = "quic")]
fn quic(keypair: &Keypair) -> Boxed<(PeerId, StreamMuxerBox)> {
    use crate::limits::{QUIC_WINDOW_BYTES, YAMUX_STREAMS};
    let mut config = libp2p::quic::Config::new(keypair);
    config.handshake_timeout = HANDSHAKE_TIMEOUT;
    config.max_concurrent_stream_limit = YAMUX_STREAMS as u32;
    config.max_connection_data = QUIC_WINDOW_BYTES;
    config.max_stream_data = QUIC_WINDOW_BYTES;
    libp2p::quic::tokio::Transport::new(config)
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .boxed()
}

type Output = (PeerId, StreamMuxerBox);

fn either(output: Either<Output, Output>, _: ConnectedPoint) -> Output {
    output.into_inner()
}
