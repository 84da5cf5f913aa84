//! The network task: one loop that waits for the network, the node or a deadline, and passes on what each says.
//!
//! What happens when it fails is in [`crate::task_restart`]. Decisions are elsewhere: who may connect in [`crate::gate`], which connection counts in [`crate::peer`], who may ask
//! to join how often in [`crate::join_rate`]. Commands are carried out in [`crate::task_command`], our own joins in
//! [`crate::task_join`].

use crate::address::{ip_of, is_loopback, is_relayed, with_port_of, worth_telling};
use crate::behaviour::WireEvent;
use crate::dial_fault::faults_of;
use crate::event::{DialFault, LinkEnd, NetEvent};
use crate::gate::SharedGate;
use crate::gossip_guard::SharedGuard;
use crate::handle::{Commands, NetHandle, handle};
use crate::handler::{FromConnection, ToConnection};
use crate::handler_join::JoinAnswer;
use crate::inbox::{NetEvents, Outlet, inbox};
use crate::join::JoinReply;
use crate::join_rate::JoinRate;
use crate::limits::{JOIN_LINGER, JOIN_TIMEOUT, MAX_ADDRESSES};
use crate::link::Link;
use crate::peer::{Peer, Step};
use crate::peer_key::{device_key, keypair, peer_id, short};
use crate::relay::CircuitLimit;
use crate::swarm::{Behaviours, BehavioursEvent, MemberProtocolsEvent, swarm};
use crate::task_join::JoinRun;
use crate::task_reach::Reach;
use crate::task_stop::Stopping;
use futures::StreamExt;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::{ListenerId, TransportError};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, Swarm, identify, ping};
use muster_log::{DeviceKey, DeviceSecret};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv6Addr;
use std::num::NonZeroU64;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Why a network task could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The keys for the encrypted line could not be made.
    #[error("the keys for the encrypted line could not be made")]
    Noise(#[from] libp2p::noise::Error),
}

/// The network task. [`NetTask::run`] does everything; see the crate header.
pub struct NetTask {
    pub(crate) me: DeviceKey,
    pub(crate) keypair: Keypair,
    pub(crate) swarm: Swarm<Behaviours>,
    pub(crate) gate: SharedGate,
    pub(crate) outlet: Outlet,
    commands: Commands,
    pub(crate) guard: SharedGuard,
    /// Every handle was dropped.
    is_orphaned: bool,
    /// To listen on when the work begins.
    pub(crate) listen: Vec<Multiaddr>,
    /// As asked for, with the port that was got.
    pub(crate) listeners: Vec<(ListenerId, Multiaddr)>,
    pub(crate) peers: BTreeMap<DeviceKey, Peer>,
    /// Every established connection.
    pub(crate) owners: BTreeMap<ConnectionId, Owner>,
    pub(crate) strangers: BTreeMap<ConnectionId, Stranger>,
    pub(crate) joins: Vec<JoinRun>,
    pub(crate) rate: JoinRate,
    pub(crate) reach: Reach,
    /// Sets of devices that this one must be linked into.
    pub(crate) circles: Vec<BTreeSet<DeviceKey>>,
    /// The longest random wait before members are looked for on the local network; `None` = they are not.
    pub(crate) mdns: Option<Duration>,
    circuits: CircuitLimit,
    pub(crate) stopping: Option<Stopping>,
    /// When something is due, unless `stale`.
    deadline: Option<Instant>,
    /// Something happened since `deadline` was computed. Frames, which are many, do not count.
    pub(crate) stale: bool,
}

/// Whose a connection is.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) key: DeviceKey,
    addr: Multiaddr,
}

/// A stranger's connection.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) closes_at: Instant,
    pub(crate) joining: bool,
}

impl NetTask {
    /// Makes a task for this device, with the handle that commands it and the events it gives. Listening begins with
    /// [`NetTask::run`].
    ///
    /// # Errors
    /// [`NetError::Noise`].
    pub fn new(secret: &DeviceSecret, listen: Vec<Multiaddr>) -> Result<(Self, NetHandle, NetEvents), NetError> {
        let gate = SharedGate::default();
        let guard = SharedGuard::default();
        let keypair = keypair(secret);
        let swarm = swarm(&secret.public(), &keypair, &gate, &guard, None, CircuitLimit::default())?;
        let ((handle, commands), (outlet, events)) = (handle(), inbox());
        let task = Self {
            me: secret.public(),
            keypair,
            swarm,
            gate,
            outlet,
            commands,
            guard,
            is_orphaned: false,
            listen,
            listeners: Vec::new(),
            peers: BTreeMap::new(),
            owners: BTreeMap::new(),
            strangers: BTreeMap::new(),
            joins: Vec::new(),
            rate: JoinRate::default(),
            reach: Reach::default(),
            circles: Vec::new(),
            mdns: None,
            circuits: CircuitLimit::default(),
            stopping: None,
            deadline: None,
            stale: true,
        };
        Ok((task, handle, events))
    }

    /// Looks for members on the local network, too, beginning after a random part of this time; see
    /// [`crate::MDNS_START`].
    ///
    /// # Errors
    /// [`NetError::Noise`].
    pub fn with_mdns(mut self, longest_wait: Duration) -> Result<Self, NetError> {
        self.mdns = Some(longest_wait);
        self.swarm = self.new_swarm()?;
        Ok(self)
    }

    /// Ends each circuit that this node relays after so many bytes, both directions together, or so long. Without it a
    /// circuit carries 64 MiB in an hour; the relays of others in libp2p's networks give 128 KiB in two minutes.
    ///
    /// # Errors
    /// [`NetError::Noise`].
    pub fn with_circuit_limit(mut self, bytes: NonZeroU64, time: Duration) -> Result<Self, NetError> {
        self.circuits = CircuitLimit { bytes: bytes.get(), time };
        self.swarm = self.new_swarm()?;
        Ok(self)
    }

    pub(crate) fn new_swarm(&self) -> Result<Swarm<Behaviours>, libp2p::noise::Error> {
        swarm(&self.me, &self.keypair, &self.gate, &self.guard, self.mdns, self.circuits)
    }

    /// Works until told to stop.
    pub(crate) async fn work(&mut self) {
        for addr in std::mem::take(&mut self.listen) {
            self.listen_on(addr);
        }
        while !self.is_finished() {
            self.review(Instant::now());
            let deadline = self.deadline();
            let has_room = self.outlet.has_room() || self.stopping.is_some();
            tokio::select! {
                biased;
                command = self.commands.commands.recv(), if !self.is_orphaned => {
                    self.stale = true;
                    match command {
                        Some(command) => self.on_command(command),
                        None => {
                            self.is_orphaned = true;
                            self.stop(None);
                        }
                    }
                }
                Some(command) = self.commands.gossip.recv(), if !self.is_orphaned => self.on_gossip_command(command),
                () = self.outlet.changed(), if self.stopping.is_none() => {
                    if self.outlet.is_abandoned() {
                        self.stop(None);
                    }
                }
                event = self.swarm.select_next_some(), if has_room => self.on_swarm_event(event),
                () = sleep_until(deadline) => self.on_deadline(),
            }
        }
    }

    pub(crate) fn listen_on(&mut self, addr: Multiaddr) {
        let listening = probe(&addr).and_then(|()| {
            self.swarm.listen_on(addr.clone()).map_err(|error| match error {
                TransportError::Other(error) => error,
                TransportError::MultiaddrNotSupported(_) => io::ErrorKind::Unsupported.into(),
            })
        });
        match listening {
            Ok(id) => self.listeners.push((id, addr)),
            Err(error) => {
                tracing::warn!(%addr, %error, "cannot listen");
                self.outlet.push(NetEvent::NotListening { addr, error });
            }
        }
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehavioursEvent>) {
        let now = Instant::now();
        if let SwarmEvent::Behaviour(BehavioursEvent::Wire(WireEvent { id, event: FromConnection::Frame(bytes) })) =
            event
        {
            return self.on_frame(id, bytes);
        }
        self.stale = true;
        match event {
            SwarmEvent::NewListenAddr { listener_id, address: addr } => {
                if is_relayed(&addr) {
                    tracing::debug!(%addr, "reachable through a relay");
                    return;
                }
                tracing::info!(%addr, "listening");
                // Whoever asks us to relay is told to be found there.
                self.swarm.add_external_address(addr.clone());
                if let Some((_, asked)) = self.listeners.iter_mut().find(|(id, _)| *id == listener_id) {
                    *asked = with_port_of(asked, &addr);
                }
                self.outlet.push(NetEvent::Listening { addr });
            }
            SwarmEvent::ExpiredListenAddr { address: addr, .. } => {
                if is_relayed(&addr) {
                    return;
                }
                self.swarm.remove_external_address(&addr);
                let error = io::ErrorKind::AddrNotAvailable.into();
                self.outlet.push(NetEvent::NotListening { addr, error });
            }
            SwarmEvent::ListenerClosed { listener_id, .. } if self.relay_ended(listener_id) => {}
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                self.listeners.retain(|(id, _)| *id != listener_id);
                let kind = reason.err().map_or(io::ErrorKind::AddrNotAvailable, |error| error.kind());
                for addr in addresses {
                    self.outlet.push(NetEvent::NotListening { addr, error: kind.into() });
                }
            }
            SwarmEvent::ListenerError { error, .. } => tracing::debug!(%error, "a listener stumbled"),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id: id, endpoint, .. } => {
                if let Some(key) = device_key(&peer_id) {
                    self.on_established(id, key, &endpoint, now);
                }
            }
            SwarmEvent::ConnectionClosed { connection_id: id, cause, .. } => {
                let reason = cause.map_or(LinkEnd::Closed, |cause| LinkEnd::of(&cause));
                self.on_closed(id, reason, now);
            }
            SwarmEvent::OutgoingConnectionError { connection_id: id, peer_id, error } => {
                if let Some(key) = peer_id.as_ref().and_then(device_key) {
                    self.on_dial_error(id, key, error, now);
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => tracing::debug!(%error, "a caller was turned away"),
            SwarmEvent::Behaviour(BehavioursEvent::Finder(found)) => self.on_found(found),
            SwarmEvent::Behaviour(BehavioursEvent::Wire(event)) => self.on_wire(event, now),
            SwarmEvent::Behaviour(BehavioursEvent::Members(MemberProtocolsEvent::Identify(event))) => {
                self.on_identify(event);
            }
            SwarmEvent::Behaviour(BehavioursEvent::Members(MemberProtocolsEvent::Ping(event))) => {
                self.on_ping(event, now);
            }
            SwarmEvent::Behaviour(BehavioursEvent::Members(MemberProtocolsEvent::Gossip(event))) => {
                self.on_gossip(event);
            }
            _ => {}
        }
    }

    fn on_established(&mut self, id: ConnectionId, key: DeviceKey, endpoint: &ConnectedPoint, now: Instant) {
        // Of somebody who calls through a relay no address is known but that of the relay.
        let addr = match endpoint {
            ConnectedPoint::Listener { local_addr, .. } if endpoint.is_relayed() => local_addr,
            endpoint => endpoint.get_remote_address(),
        };
        let addr = crate::address::dialable(addr).unwrap_or_else(|| addr.clone());
        self.owners.insert(id, Owner { key, addr: addr.clone() });
        let is_stranger = self.gate.lock().strangers.contains(&id);
        if is_stranger {
            tracing::debug!(peer = short(&key), %addr, "a stranger called");
            self.strangers.insert(id, Stranger { closes_at: now + JOIN_TIMEOUT, joining: false });
        } else if !self.is_join(id) {
            self.with_peer(key, |peer| peer.established(id, endpoint.is_dialer(), addr, now));
        }
    }

    fn on_closed(&mut self, id: ConnectionId, reason: LinkEnd, now: Instant) {
        self.strangers.remove(&id);
        if let Some(owner) = self.owners.remove(&id) {
            self.with_peer(owner.key, |peer| peer.ended(id, reason, now));
            self.forget_subscriptions(owner.key);
        }
        self.join_hung_up(id);
    }

    fn on_dial_error(&mut self, id: ConnectionId, key: DeviceKey, error: DialError, now: Instant) {
        if self.is_join(id) {
            return self.join_dial_failed(id, error);
        }
        let addrs = self.peers.get(&key).map(|peer| peer.addrs().to_vec()).unwrap_or_default();
        self.unreachable(key, faults_of(error, &addrs));
        self.with_peer(key, |peer| peer.dial_failed(Some(id), now));
        self.reach.is_stale = true;
    }

    fn on_frame(&mut self, id: ConnectionId, bytes: Vec<u8>) {
        let Some(owner) = self.owners.get(&id) else { return };
        // A connection that lost its place may still have frames on the way.
        if let Some(line) = self.peers.get(&owner.key).and_then(|peer| peer.line_of(id)) {
            tracing::trace!(peer = short(&owner.key), bytes = bytes.len(), "frame");
            self.outlet.push_frame(NetEvent::Frame { peer: owner.key, bytes }, line.clone());
        }
    }

    fn on_wire(&mut self, WireEvent { id, event }: WireEvent, now: Instant) {
        let Some(key) = self.owners.get(&id).map(|owner| owner.key) else { return };
        match event {
            FromConnection::SyncUp => self.with_peer(key, |peer| peer.sync_up(id, now)),
            FromConnection::SyncRefused => self.with_peer(key, |peer| peer.sync_refused(id, now)),
            FromConnection::SyncFlushed => self.with_peer(key, |peer| peer.sync_flushed(id, now)),
            FromConnection::SyncEnded(reason) => self.with_peer(key, |peer| peer.ended(id, reason, now)),
            FromConnection::Frame(bytes) => self.on_frame(id, bytes),
            FromConnection::JoinAsked { request, answer } => self.on_join_asked(id, key, request, answer, now),
            FromConnection::JoinServed => {
                if let Some(stranger) = self.strangers.get_mut(&id) {
                    stranger.joining = false;
                    stranger.closes_at = stranger.closes_at.min(now + JOIN_LINGER);
                }
            }
            FromConnection::JoinAnswered(outcome) => self.join_answered(id, outcome),
        }
    }

    fn on_join_asked(
        &mut self,
        id: ConnectionId,
        peer: DeviceKey,
        bytes: Vec<u8>,
        answer: oneshot::Sender<JoinAnswer>,
        now: Instant,
    ) {
        let ip = self.owners.get(&id).and_then(|owner| ip_of(&owner.addr));
        if let Err(wait) = self.rate.admit(now, peer, ip) {
            tracing::info!(peer = short(&peer), "too many join requests");
            let _ = answer.send(JoinAnswer::TooManyTries(wait));
            return;
        }
        if let Some(stranger) = self.strangers.get_mut(&id) {
            stranger.joining = true;
        }
        self.outlet.push(NetEvent::JoinRequest { peer, bytes, reply: JoinReply::new(answer) });
    }

    fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { connection_id: id, info, .. } = event else { return };
        let Some(owner) = self.owners.get(&id) else { return };
        let is_direct = !is_relayed(&owner.addr);
        let told = info.listen_addrs.iter().filter_map(crate::address::dialable).filter(|addr| !is_relayed(addr));
        let addrs: BTreeSet<Multiaddr> = told.filter(|addr| worth_telling(addr, is_loopback(&owner.addr))).collect();
        let addrs: Vec<Multiaddr> = addrs.into_iter().take(MAX_ADDRESSES).collect();
        let (peer, Some(state)) = (owner.key, self.peers.get_mut(&owner.key)) else { return };
        if !addrs.is_empty() && state.claimed_addrs != addrs {
            state.claimed_addrs.clone_from(&addrs);
            self.outlet.push(NetEvent::AddressesLearned { peer, addrs });
        }
        if is_direct {
            self.on_observed(&info.observed_addr);
        }
    }

    fn on_ping(&mut self, ping::Event { connection: id, result, .. }: ping::Event, now: Instant) {
        let Some(peer) = self.owners.get(&id).map(|owner| owner.key) else { return };
        match result {
            Ok(rtt) => {
                if self.peers.get(&peer).is_some_and(|state| state.line_of(id).is_some()) {
                    let ms = u32::try_from(rtt.as_micros().div_ceil(1000)).unwrap_or(u32::MAX);
                    self.outlet.push(NetEvent::Rtt { peer, ms });
                }
            }
            // A peer that does not know us as a member does not offer it.
            Err(ping::Failure::Unsupported) => {}
            Err(_) => self.with_peer(peer, |state| state.ended(id, LinkEnd::Lost, now)),
        }
    }

    /// Lets a peer change its mind, then does what it says.
    pub(crate) fn with_peer(&mut self, key: DeviceKey, change: impl FnOnce(&mut Peer) -> Vec<Step>) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let steps = change(peer);
        let _span = tracing::info_span!("peer", peer = short(&key)).entered();
        for step in steps {
            match step {
                Step::Open(id, line) => {
                    self.swarm.behaviour_mut().wire.tell(peer_id(&key), id, ToConnection::OpenSync(line));
                }
                Step::Close(id) => {
                    self.swarm.close_connection(id);
                }
                Step::LinkUp(addr, path, line) => {
                    tracing::info!(%addr, %path, "connected");
                    self.reach.is_stale = true;
                    self.outlet.push(NetEvent::Connected { peer: key, addr, link: Link::new(key, path, line) });
                    self.tell_subscriptions(key);
                }
                Step::LinkDown(reason) => {
                    self.reach.is_stale = true;
                    let reason = if self.stopping.is_some() { LinkEnd::Shutdown } else { reason };
                    tracing::info!(%reason, "disconnected");
                    self.outlet.push(NetEvent::Disconnected { peer: key, reason });
                }
                Step::Unwelcome(addr) => self.unreachable(key, vec![(addr, DialFault::Unwelcome)]),
            }
        }
    }

    pub(crate) fn unreachable(&mut self, peer: DeviceKey, faults: Vec<(Multiaddr, DialFault)>) {
        tracing::debug!(peer = short(&peer), ?faults, "not reached");
        self.outlet.push(NetEvent::Unreachable { peer, faults });
    }

    /// When to wake up though nothing happens.
    fn deadline(&mut self) -> Option<Instant> {
        if self.stale {
            self.stale = false;
            let strangers = self.strangers.values().map(|stranger| stranger.closes_at);
            let joins = self.joins.iter().filter_map(JoinRun::deadline);
            let stop = self.stopping.as_ref().map(|stopping| stopping.until);
            let peers = self.peers.values().filter_map(Peer::deadline);
            let reach = self.reach_deadline();
            self.deadline = strangers.chain(joins).chain(stop).chain(peers).chain(reach).min();
        }
        self.deadline
    }

    fn on_deadline(&mut self) {
        self.stale = true;
        let now = Instant::now();
        let late: Vec<_> = self.strangers.iter().filter(|(_, it)| it.closes_at <= now).map(|(id, _)| *id).collect();
        for id in late {
            self.close_stranger(id);
        }
        self.expire_joins(now);
        let due: Vec<_> = self.peers.iter().filter(|(_, it)| it.deadline().is_some_and(|at| at <= now)).collect();
        for key in due.into_iter().map(|(key, _)| *key).collect::<Vec<_>>() {
            self.with_peer(key, |peer| peer.expire(now));
            self.dial_if_due(key, now);
        }
        self.dial_found(now);
    }

    pub(crate) fn close_stranger(&mut self, id: ConnectionId) {
        self.strangers.remove(&id);
        self.swarm.close_connection(id);
    }

    fn dial_if_due(&mut self, key: DeviceKey, now: Instant) {
        let Some(peer) = self.peers.get(&key).filter(|peer| peer.wants_dial(now)) else { return };
        let (mut addrs, failures) = (peer.addrs().to_vec(), peer.failures());
        if peer.line().is_none() && (addrs.is_empty() || failures > 0) {
            addrs.extend(self.ways_round(&key, failures));
        }
        self.dial(key, addrs, now);
    }

    pub(crate) fn dial(&mut self, key: DeviceKey, addrs: Vec<Multiaddr>, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if addrs.is_empty() {
            return self.with_peer(key, |peer| peer.dial_failed(None, now));
        }
        let dial = dial_opts(&key, addrs.clone());
        peer.dialling(dial.connection_id());
        tracing::debug!(peer = short(&key), ?addrs, "dialling");
        if let Err(error) = self.swarm.dial(dial) {
            self.unreachable(key, faults_of(error, &addrs));
            self.with_peer(key, |peer| peer.dial_failed(None, now));
        }
    }
}

/// Fails if somebody listens on this port. libp2p shares listening ports (`SO_REUSEPORT`), so two nodes on one port would
/// each get some of the callers, and neither would know.
fn probe(addr: &Multiaddr) -> io::Result<()> {
    let (Some(ip), Some(Protocol::Tcp(port))) = (ip_of(addr), addr.iter().nth(1)) else { return Ok(()) };
    // The IPv6 wildcard of std would take IPv4 as well, and meet our own listener there.
    let ip = if ip == Ipv6Addr::UNSPECIFIED { Ipv6Addr::LOCALHOST.into() } else { ip };
    match std::net::TcpListener::bind((ip, port)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        // Another reason is for the listener itself to find.
        _ => Ok(()),
    }
}

/// Options for a dial to this device at these addresses, whatever other connections there are.
///
/// From a port of its own: two nodes that dial each other from the ports they listen on may meet in a TCP
/// simultaneous open, where both are clients and no handshake succeeds.
pub(crate) fn dial_opts(key: &DeviceKey, addrs: Vec<Multiaddr>) -> DialOpts {
    DialOpts::peer_id(peer_id(key)).condition(PeerCondition::Always).addresses(addrs).allocate_new_port().build()
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
