//! What the network task tells the node.
//!
//! The queue that carries these events is in [`crate::inbox`], the rules of their order in the crate header.

use crate::{GossipId, JoinReply, Link, Multiaddr, Topic};
use muster_log::DeviceKey;
use std::error::Error;
use std::{fmt, io};

/// Something that happened on the network. Its `Debug` form shows no bytes that a peer sent.
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
        error: io::Error,
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
    /// A message on one of our topics, the first time it is seen; to be judged. Only of connected members.
    Gossip {
        /// What it is about.
        topic: Topic,
        /// The neighbour that passed it on, who need not have written it.
        from: DeviceKey,
        /// For [`crate::NetHandle::judge`].
        id: GossipId,
        /// As published; at most [`crate::MAX_GOSSIP_BYTES`].
        bytes: Vec<u8>,
    },
    /// A connected member hears, or no longer hears, what is published on one of our topics. All of that ends with the
    /// link.
    Subscribed {
        /// Who.
        peer: DeviceKey,
        /// What it is about.
        topic: Topic,
        /// Whether it does from now on.
        subscribed: bool,
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

impl fmt::Debug for NetEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetEvent::Listening { addr } => write!(f, "Listening({addr})"),
            NetEvent::NotListening { addr, error } => write!(f, "NotListening({addr}, {error})"),
            NetEvent::Connected { peer, addr, .. } => write!(f, "Connected({peer}, {addr})"),
            NetEvent::Disconnected { peer, reason } => write!(f, "Disconnected({peer}, {reason:?})"),
            // Frames hold what people typed, join requests the proof of a ticket.
            NetEvent::Frame { peer, bytes } => write!(f, "Frame({peer}, {} bytes)", bytes.len()),
            NetEvent::Gossip { from, bytes, .. } => write!(f, "Gossip({from}, {} bytes)", bytes.len()),
            NetEvent::Subscribed { peer, subscribed, .. } => write!(f, "Subscribed({peer}, {subscribed})"),
            NetEvent::JoinRequest { peer, bytes, .. } => write!(f, "JoinRequest({peer}, {} bytes)", bytes.len()),
            NetEvent::AddressesLearned { peer, addrs } => write!(f, "AddressesLearned({peer}, {addrs:?})"),
            NetEvent::Unreachable { peer, faults } => write!(f, "Unreachable({peer}, {faults:?})"),
            NetEvent::Rtt { peer, ms } => write!(f, "Rtt({peer}, {ms} ms)"),
        }
    }
}

/// Why a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEnd {
    /// The other side hung up or its process ended.
    Closed,
    /// The line was lost: no way to the peer, pings without an answer, or an end within a frame.
    Lost,
    /// A newer connection with the same peer took its place; another [`NetEvent::Connected`] follows.
    Replaced,
    /// The peer read too slowly; see [`crate::MAX_OUTGOING_BYTES`].
    TooSlow,
    /// The peer announced a frame longer than [`crate::MAX_FRAME_BYTES`].
    OversizeFrame,
    /// We ended it with [`Link::close`] or [`Link::finish`].
    Dropped,
    /// The peer is no longer a member.
    NotAMember,
    /// We cut the peer off with [`crate::NetHandle::cut`].
    Cut,
    /// The network task failed and starts again.
    Restarted,
    /// The task is stopping.
    Shutdown,
}

impl LinkEnd {
    /// What an error of the connection means: a reset is a peer that went away, silence a line that did.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        match io_kind(error) {
            Some(
                io::ErrorKind::TimedOut
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::NetworkDown,
            ) => LinkEnd::Lost,
            _ => LinkEnd::Closed,
        }
    }
}

/// The kind of the innermost IO error with one of its own: each layer of libp2p wraps what it got in an "other".
pub(crate) fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let io_error = error.downcast_ref::<io::Error>();
    // `source` of an IO error is the source of what it wraps, not that itself.
    let wrapped = io_error.and_then(io::Error::get_ref).map(|inner| inner as &(dyn Error + 'static));
    let inner = wrapped.or_else(|| error.source()).and_then(io_kind);
    inner.or_else(|| io_error.map(io::Error::kind).filter(|kind| *kind != io::ErrorKind::Other))
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
            LinkEnd::Restarted => "networking failed and starts again",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_never_shows_the_bytes_of_a_peer() {
        let (peer, bytes) = (DeviceKey::from_bytes([0; 32]), vec![171; 3]);
        let shown = format!("{:?}", NetEvent::Frame { peer, bytes });
        assert!(!shown.contains("171") && shown.contains("3 bytes"), "{shown}");
    }

    #[test]
    fn a_wrapped_error_keeps_its_kind() {
        let refused = io::Error::other(io::Error::other(io::Error::from(io::ErrorKind::TimedOut)));
        assert_eq!(io_kind(&refused), Some(io::ErrorKind::TimedOut));
        assert_eq!(LinkEnd::of(&refused), LinkEnd::Lost);
        assert_eq!(LinkEnd::of(&io::Error::other("strange")), LinkEnd::Closed);
    }
}
