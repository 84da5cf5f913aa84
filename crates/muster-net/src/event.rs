//! What the network task tells the node.
//!
//! The queue that carries these events is in [`crate::inbox`], the rules of their order in the crate header.

use crate::{JoinReply, Link, Multiaddr};
use muster_log::DeviceKey;
use std::fmt;

/// Something that happened on the network.
#[derive(Debug)]
pub enum NetEvent {
    /// The task listens on this address. A wildcard address gives one event per interface.
    Listening {
        /// As bound, with the real port.
        addr: Multiaddr,
    },
    /// The task does not, or no longer, listen on this address.
    NotListening {
        /// As asked for, or as bound.
        addr: Multiaddr,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// A member is there and both directions are open.
    Connected {
        /// Who, authenticated.
        peer: DeviceKey,
        /// Dialled by us: the address that answered. Dialled by the peer: where it called from.
        addr: Multiaddr,
        /// The way to send, until the matching [`NetEvent::Disconnected`].
        link: Link,
    },
    /// The link has ended. Frames that were queued may not have arrived.
    Disconnected {
        /// Who.
        peer: DeviceKey,
        /// Why.
        reason: LinkEnd,
    },
    /// A frame of a connected member.
    Frame {
        /// Who sent it, authenticated.
        peer: DeviceKey,
        /// As sent; at most [`crate::MAX_FRAME_BYTES`].
        bytes: Vec<u8>,
    },
    /// Somebody asks to join. Members may ask too: the answer to their first request may have been lost.
    JoinRequest {
        /// Who asks, authenticated; usually no member yet.
        peer: DeviceKey,
        /// As sent; at most [`crate::MAX_JOIN_BYTES`].
        bytes: Vec<u8>,
        /// Answers; dropping it says "not answered".
        reply: JoinReply,
    },
    /// A connected member says where it listens; all that it says now, at most [`crate::MAX_ADDRESSES`].
    AddressesLearned {
        /// Who, authenticated.
        peer: DeviceKey,
        /// IP addresses with a TCP port, without `/p2p`. Claims: whoever dials them checks the key again.
        addrs: Vec<Multiaddr>,
    },
    /// A member could not be reached; tried again later.
    Unreachable {
        /// Who.
        peer: DeviceKey,
        /// What went wrong with each address.
        faults: Vec<(Multiaddr, DialFault)>,
    },
    /// How long a ping to a connected member and back took.
    Rtt {
        /// Who.
        peer: DeviceKey,
        /// Milliseconds, rounded up.
        ms: u32,
    },
}

/// Why a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEnd {
    /// The other side hung up or went away.
    Closed,
    /// The line was lost: an error of the connection or pings without an answer.
    Lost,
    /// A newer connection with the same peer took its place; another [`NetEvent::Connected`] follows.
    Replaced,
    /// The peer read too slowly; see [`crate::MAX_OUTGOING_BYTES`].
    TooSlow,
    /// The peer announced a frame longer than [`crate::MAX_FRAME_BYTES`].
    OversizeFrame,
    /// We closed it with [`Link::close`].
    Dropped,
    /// The peer is no longer a member.
    NotAMember,
    /// We cut the peer off with [`crate::NetHandle::cut`].
    Cut,
    /// The task is stopping.
    Shutdown,
}

impl fmt::Display for LinkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkEnd::Closed => "closed by the peer",
            LinkEnd::Lost => "the line was lost",
            LinkEnd::Replaced => "replaced by a newer connection",
            LinkEnd::TooSlow => "the peer read too slowly",
            LinkEnd::OversizeFrame => "the peer announced a frame that is too long",
            LinkEnd::Dropped => "closed here",
            LinkEnd::NotAMember => "the peer is no longer a member",
            LinkEnd::Cut => "cut here",
            LinkEnd::Shutdown => "stopping",
        })
    }
}

/// Why an address did not lead to the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialFault {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// No answer within [`crate::HANDSHAKE_TIMEOUT`].
    #[error("timed out")]
    TimedOut,
    /// Somebody else answers there.
    #[error("another device answers there: {0}")]
    WrongKey(DeviceKey),
    /// It answered and would not sync: it does not know us as a member yet, or is cut off from us.
    #[error("the peer hung up or does not know this device as a member")]
    Unwelcome,
    /// This peer is cut off here; see [`crate::NetHandle::cut`].
    #[error("cut off here")]
    Cut,
    /// The address is not one that this build can dial.
    #[error("not an address this build can dial")]
    Unsupported,
    /// Anything else, in the transport's words.
    #[error("{0}")]
    Other(String),
}
