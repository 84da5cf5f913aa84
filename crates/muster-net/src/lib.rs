//! The network task: authenticated opaque frames between known peers, over libp2p.
//!
//! This crate moves bytes and knows who sent them. What a frame means is `muster-sync`'s affair, what a join request
//! means the node's; who is a member is told to it. It has never heard of entries, Automerge or the store.
//!
//! # How to drive it
//!
//! ```no_run
//! # async fn example(secret: &muster_log::DeviceSecret) -> Result<(), Box<dyn std::error::Error>> {
//! use muster_net::{NetEvent, NetTask, parse_address};
//!
//! let (task, net, mut events) = NetTask::new(secret, vec![parse_address("127.0.0.1:0")?])?;
//! tokio::spawn(task.run()); // the caller spawns; nothing in this crate does
//! while let Some(event) = events.recv().await {
//!     match event {
//!         NetEvent::Connected { peer, link, .. } => link.send(b"hello".to_vec())?,
//!         NetEvent::Frame { peer, bytes } => println!("{peer} said {} bytes", bytes.len()),
//!         NetEvent::JoinRequest { bytes, reply, .. } => reply.send(bytes),
//!         _ => {}
//!     }
//! }
//! net.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! - **Events.** [`NetEvents::recv`] is the only way out, in order. Take events until it gives `None`, which it does
//!   after [`NetHandle::shutdown`] or when the task ended. The queue is bounded: when it is full the task stops reading
//!   from peers (not from the handle), and one peer's unread frames stop that peer alone first. A node that takes no
//!   events for ten seconds looks like a dead line to the others.
//! - **Links.** [`NetEvent::Connected`] carries a [`Link`], the way to send to that peer until the matching
//!   [`NetEvent::Disconnected`]. There is at most one link per peer at a time; the two events alternate, and frames come
//!   only between them. What arrives on a link is a prefix of what the peer sent on it: in order, without gaps. A link
//!   that has ended refuses frames, so a frame meant for an old session never reaches a new one.
//! - **Sending.** [`Link::send`] never waits. A peer that reads too slowly for [`MAX_OUTGOING_BYTES`] is disconnected;
//!   sync resumes from durable tips and nothing is lost. [`Link::queued_bytes`] tells how far the peer lags.
//!   [`Link::close`] ends a link at once, [`Link::finish`] after what is queued.
//! - **Commands.** The methods of [`NetHandle`] wait only for room in a short queue that the task always drains, also
//!   while its events are not being read; calling them from the loop that reads the events cannot deadlock. Two wait for
//!   their outcome: `shutdown`, a second at most, and `join`, which belongs in a task of its own. They take effect in
//!   the order given, and before anything that the network brings later. The task starts with no members, no addresses
//!   and nothing cut.
//! - **Members.** Only keys given to [`NetHandle::set_members`] are dialled or may speak `/muster/sync/1`, identify and
//!   ping. Any other key may do one thing, for ten seconds: ask to join.
//! - **Gossip.** [`NetHandle::subscribe`] takes part in a topic; [`NetHandle::publish`] tells all who do, over neighbours
//!   if need be. Each message comes once, as [`NetEvent::Gossip`], and goes on to this node's own neighbours only after
//!   [`NetHandle::judge`] accepted it. Payloads carry no proof of their own here: whoever judges checks whose they are.
//! - **Faults.** A panic in the task ends the links ([`LinkEnd::Restarted`]) and nothing else: networking starts again with
//!   the same handle, events, members, addresses, topics and ports.
//! - **Reach.** All addresses are dialled at once, and whichever connection stands first is kept; with the feature `quic` (default)
//!   those of QUIC, too. A member that cannot be dialled is
//!   reached through another member's node, if there is one that both reach; [`Link::path`] tells. With
//!   [`NetTask::with_mdns`] members on the local network are found without any address.
//! - **Joining.** A connection is a member's or a stranger's from its birth. So after a join has been answered, the
//!   joiner hangs up and both sides meet again as members: the answering node calls `set_members` before it replies,
//!   the joining node calls `set_members` and `set_addresses` when it has the answer.
//!
//! # On the wire
//!
//! TCP, Noise (XX) and yamux, or with the feature `quic` QUIC. All integers are big-endian.
//!
//! | protocol | streams | bytes |
//! |---|---|---|
//! | `/muster/sync/1` | one in each direction, each written by the side that opened it | frames: length u32, then that many bytes (≤ [`MAX_FRAME_BYTES`]) |
//! | `/muster/join/1` | one, opened by the joiner | request: length u32 (≤ [`MAX_JOIN_BYTES`]), bytes; answer: length u32, then status u8 and payload |
//! | gossipsub 1.2 and 1.3 (`/meshsub/…`) | one in each direction | its own; one anonymous message of at most [`MAX_GOSSIP_BYTES`] each; topics are 64 digits of hexadecimal |
//!
//! Members also speak libp2p's identify, ping and circuit relay v2.
//!
//! One stream in each direction has no simultaneous opening to settle. Join status: 0 = the payload is the answer; 1 =
//! too many tries, the payload is the number of seconds to wait, u32; 2 = not answered.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a panic is a failed test

#[cfg(test)]
extern crate self as muster_net; // the tests over sockets, here and outside, share a stage

mod address;
mod backoff;
mod behaviour;
mod dial_fault;
mod event;
mod finder;
mod frame;
mod gate;
mod gossip;
mod gossip_guard;
mod handle;
mod handler;
mod handler_join;
mod handler_sync;
mod inbox;
mod join;
mod join_rate;
mod later;
mod limits;
mod link;
mod members_only;
mod mux;
#[cfg(test)]
#[path = "../tests/net/node.rs"]
#[allow(dead_code, reason = "what the tests outside need of it")]
mod node;
mod peer;
mod peer_key;
mod relay;
mod sightings;
mod swarm;
mod task;
mod task_command;
mod task_gossip;
mod task_join;
mod task_reach;
mod task_restart;
mod task_stop;

pub use address::{BadAddress, addresses_told, is_loopback, parse_address, parse_addresses};
pub use event::{DialFault, LinkEnd, NetEvent};
pub use gossip::{GossipId, PublishError, Topic, Verdict};
pub use handle::{NetClosed, NetHandle};
pub use inbox::NetEvents;
pub use join::{JoinError, JoinFailure, JoinReply};
pub use libp2p::Multiaddr;
pub use limits::*;
pub use link::{Link, Path, SendError};
pub use task::{NetError, NetTask};
