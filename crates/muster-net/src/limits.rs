//! Every bound of the network task, with its unit and its reason.
//!
//! All of them are local: they delay or close, they never decide what is admitted (design section 13). The limits of
//! the sync protocol itself are `muster-sync`'s.

use std::time::Duration;

/// Longest frame of `/muster/sync/1`, in bytes: four times the chunk that sync aims at.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// Longest request or answer of `/muster/join/1`, in bytes: a stranger's memory is our memory.
pub const MAX_JOIN_BYTES: usize = 64 * 1024;

/// What a peer that stops reading may hold of our memory, in bytes.
pub const MAX_HELD_BYTES: usize = 2 * 1024 * 1024;

/// What the multiplexer holds of one stream beside our queue, in bytes: eleven pieces of 16 KiB, and room.
pub(crate) const YAMUX_STREAM_BYTES: usize = 256 * 1024;

/// Outgoing bytes held for one peer, queued and in the writer's hands; one more frame and the peer is disconnected.
pub const MAX_OUTGOING_BYTES: usize = MAX_HELD_BYTES - YAMUX_STREAM_BYTES;

/// Received bytes of one peer that the node has not taken yet; past it we stop reading from that peer.
///
/// With the yamux window and the frame that is being put together it makes the 8 MiB that a peer may cost.
pub const MAX_UNREAD_BYTES: usize = 2 * 1024 * 1024;

/// Charged for each queued frame besides its bytes, so that a million empty frames are not free.
pub const FRAME_OVERHEAD_BYTES: usize = 64;

/// Events that wait for the node; past it the task reads from nobody.
pub const MAX_EVENTS: usize = 1024;

/// Commands that wait for the task, which takes them at once: a burst, not a store.
pub(crate) const MAX_COMMANDS: usize = 32;

/// Receive window of one connection over all its streams, in bytes: 256 KiB for each stream, as yamux demands, and
/// 1 MiB for the sync stream to grow on a long line. The default allows 1 GiB.
pub(crate) const YAMUX_WINDOW_BYTES: usize = YAMUX_STREAMS * 256 * 1024 + 1024 * 1024;

/// Streams of one connection: two each for sync and gossip, ping, identify and its push either way, a reservation, and
/// [`MAX_CIRCUITS`]. Yamux ends a connection with more.
pub(crate) const YAMUX_STREAMS: usize = 20;

/// Receive window of one QUIC connection over all its streams, in bytes, and of one stream. The default allows 15 MB.
#[cfg(feature = "quic")]
pub(crate) const QUIC_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// Circuits that this node relays at once, so that what it carries for others never fills a connection's streams.
pub(crate) const MAX_CIRCUITS: usize = 8;

/// Members that may be reached through this node at once.
pub(crate) const MAX_RESERVATIONS: usize = 64;

/// What one circuit may carry: a team's whole history, and an end to one that runs wild.
pub(crate) const RELAY_CIRCUIT_BYTES: u64 = 64 * 1024 * 1024;

/// How long one circuit may stand.
pub(crate) const RELAY_CIRCUIT_TIME: Duration = Duration::from_secs(60 * 60);

/// Reservations, and circuits, that one member may ask for at once...
pub(crate) const RELAY_REQUESTS: u32 = 60;

/// ... and how long until it may ask for one more.
pub(crate) const RELAY_PACE: Duration = Duration::from_secs(2);

/// Relays at which this node asks to be reachable, and through which it tries one peer at once.
pub(crate) const MAX_RELAYS: usize = 2;

/// How long a member may be without a link before this node asks to be reachable through others.
pub(crate) const RELAY_AFTER: Duration = Duration::from_secs(1);

/// The head start of TCP before QUIC. On a local line TCP has long answered.
#[cfg(feature = "quic")]
pub(crate) const QUIC_AFTER: Duration = Duration::from_millis(250);

/// The head start of direct ways before a relay.
pub(crate) const CIRCUIT_AFTER: Duration = Duration::from_secs(1);

/// While a link is relayed: the first wait before a direct way is tried...
pub(crate) const DIRECT_FIRST: Duration = Duration::from_secs(2);

/// ... and the longest.
pub(crate) const DIRECT_LAST: Duration = Duration::from_secs(5 * 60);

/// Between two requests to be relayed for: what one relay refused the next may refuse, too.
pub(crate) const RELAY_RETRY: Duration = Duration::from_secs(10);

/// Addresses of members seen on the local network that are remembered, and records of anybody that are looked at in one
/// go; more is a storm.
pub(crate) const MAX_SIGHTINGS: usize = 4096;

/// How long such an address counts without being heard again.
pub(crate) const SIGHTING_LIFE: Duration = Duration::from_secs(10 * 60);

/// How long the local network is not listened to after a storm.
pub(crate) const FINDER_PAUSE: Duration = Duration::from_secs(10);

/// The longest random wait before a node looks for members on the local network: a hundred nodes that come up together
/// after a power cut do not speak at once.
pub const MDNS_START: Duration = Duration::from_secs(30);

/// Between two dials at addresses seen on the local network.
pub(crate) const FIND_PACE: Duration = Duration::from_millis(500);

/// The least between two such dials to one member.
pub(crate) const FIND_AGAIN: Duration = Duration::from_secs(10);

/// Addresses dialled at once: all of one peer's, and its relays.
pub(crate) const DIALS_AT_ONCE: u8 = (MAX_ADDRESSES + MAX_RELAYS) as u8;

/// Links that a node makes by itself; in a team with no more than [`FULL_MESH`] members it makes them all.
pub(crate) const LINKS_WANTED: usize = 10;

/// Links that a node makes into each circle of devices that the node names, whatever other links stand: where each makes three
/// at random, all hang together but in one case of many.
pub(crate) const CIRCLE_LINKS: usize = 3;

/// Other devices up to which everybody is linked with everybody.
pub(crate) const FULL_MESH: usize = 12;

/// Addresses of our own that others told us they see, at most.
pub(crate) const MAX_OBSERVED: usize = 4;

/// Established connections in all.
pub(crate) const MAX_CONNECTIONS: u32 = 64;

/// Of those, strangers'; the rest are the members' alone.
pub(crate) const MAX_STRANGERS: usize = 16;

/// Connections with one peer: two, because both sides may dial at once before one of the two is chosen.
pub(crate) const MAX_CONNECTIONS_PER_PEER: u32 = 2;

/// Incoming connections that have not shaken hands yet: 1,000 a minute, each silent for the whole
/// [`HANDSHAKE_TIMEOUT`], are 84 at a time and must not keep a member out.
pub(crate) const MAX_PENDING_INCOMING: u32 = 128;

/// Outgoing attempts under way: no more than there may be connections.
pub(crate) const MAX_PENDING_OUTGOING: u32 = 64;

/// From the first byte to an authenticated, multiplexed connection.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// From a member's connection to both its sync streams; the other side may wait for a dial of its own first.
pub(crate) const SYNC_OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// All the time that a stranger has, and that a joiner gives one address.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the joiner may take to hang up after the answer was written.
pub(crate) const JOIN_LINGER: Duration = Duration::from_secs(1);

/// Join requests in [`JOIN_WINDOW`] from one device and from one IP address (one /64 of IPv6); a device that has become
/// a member is not counted.
pub const MAX_JOIN_TRIES: usize = 5;

/// Join requests in [`JOIN_WINDOW`] from everybody, so that many addresses do not keep the node from its work.
pub(crate) const MAX_JOIN_TRIES_IN_ALL: usize = 120;

/// The time over which join requests are counted.
pub const JOIN_WINDOW: Duration = Duration::from_secs(60);

/// Addresses that one call of [`crate::NetHandle::join`] tries: more than a ticket holds.
pub(crate) const MAX_JOIN_ADDRESSES: usize = 32;

/// First wait before a member is dialled again.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(250);

/// Longest wait before a member is dialled again, before jitter. A healed cable should not wait long for people in a
/// hurry, and one SYN per member in five seconds is nothing.
pub(crate) const BACKOFF_LAST: Duration = Duration::from_secs(5);

/// A link that lived this long was a good one, and the next wait is the first again.
pub(crate) const LINK_PROVEN: Duration = Duration::from_secs(30);

/// How long a peer's call waits for our own dial, which would win. More than a dial takes on most lines; one that goes
/// to an address where nobody answers must not keep a peer waiting who is there.
pub(crate) const OWN_DIAL_GRACE: Duration = Duration::from_millis(500);

/// How long a peer may take to hang up after it was sent the last frame.
pub(crate) const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// Two connections between the same two peers, one dialled by each, are the fruit of one moment if the second came
/// within this time of the first: twice the handshake.
pub(crate) const SIMULTANEOUS: Duration = Duration::from_secs(10);

/// Between two pings, and until one counts as lost: a dead line is noticed within a quarter of a minute.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(5);

/// See [`PING_INTERVAL`].
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest gossip message, in bytes: one entry with its longest body. Checked before anything else is done with it.
pub const MAX_GOSSIP_BYTES: usize = 16 * 1024;

/// Topics of others that are remembered of one peer: more teams than anybody has.
pub(crate) const MAX_TOPICS: usize = 32;

/// Gossip messages that wait for one peer's line; past it they are not sent, and sync carries what they said.
pub(crate) const MAX_GOSSIP_QUEUE: usize = 64;

/// Publications and verdicts that wait for the task: what a burst of the node's own makes.
pub(crate) const MAX_GOSSIP_COMMANDS: usize = 1024;

/// Longest message of gossipsub's own protocol, in bytes: the longest payload, its topic, and the 8 KiB that the codec
/// may have read of what follows.
pub(crate) const GOSSIP_RPC_BYTES: usize = 32 * 1024;

/// Longest control part of such a message, in bytes: [`GOSSIP_IDS`] ids, or 32 subscriptions.
pub(crate) const GOSSIP_CONTROL_BYTES: usize = 4 * 1024;

/// Message ids that we name at once, 34 bytes each.
pub(crate) const GOSSIP_IDS: usize = 100;

/// Gossipsub's own messages, of which each carries one payload at most, that one peer may send at once...
///
/// What gossipsub remembers of a message it remembers for a minute at most, so these four bound what a peer can make it
/// remember: 1 MiB of ids and 5 MiB of payloads.
pub(crate) const GOSSIP_BURST: usize = 1024;

/// ... and from then on in a second: ten times what a busy team writes.
pub(crate) const GOSSIP_PER_SECOND: usize = 256;

/// Bytes of payloads that one peer may send at once...
pub(crate) const GOSSIP_BURST_BYTES: usize = 2 * 1024 * 1024;

/// ... and from then on in a second.
pub(crate) const GOSSIP_BYTES_PER_SECOND: usize = 1024 * 1024;

/// Between two looks of gossipsub at its mesh; idle ones send nothing.
pub(crate) const GOSSIP_HEARTBEAT: Duration = Duration::from_secs(1);

/// Addresses kept for one peer, and reported of one.
pub const MAX_ADDRESSES: usize = 16;

/// From a panic in the task to new sockets, the first time; then twice as long each time...
pub(crate) const RESTART_FIRST: Duration = Duration::from_millis(250);

/// ... up to this: networking is back within five seconds, and one that always fails does not take the processor.
pub(crate) const RESTART_LAST: Duration = Duration::from_secs(4);

/// A task that ran this long was a good one, and the next wait is the first again.
pub(crate) const RESTART_PROVEN: Duration = Duration::from_secs(60);

/// How long [`crate::NetHandle::shutdown`] lets the task write what is queued.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
