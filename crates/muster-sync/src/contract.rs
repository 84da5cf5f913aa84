//! What goes into a [`crate::Replicator`] and what comes out: the whole contract, in two enums.

use crate::Tick;
use muster_log::{Body, DagId, DeviceKey, EntryId, Received, TeamId, Timestamp};
use std::collections::BTreeSet;

/// Who the replicator speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The team.
    pub team: TeamId,
    /// The own device.
    pub me: DeviceKey,
}

/// A chunk handed out for admission; the answer repeats it. Never used twice by one replicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(pub u64);

/// A gossip message that waits for its verdict; the caller's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GossipId(pub u64);

/// What becomes of a gossip message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is good and goes on to other neighbours.
    Accept,
    /// It goes no further, and nobody is blamed.
    Ignore,
    /// It goes no further, and whoever passed it on is to blame.
    Reject,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A peer is there and frames can be sent to it. Who may connect at all is the caller's affair; whoever does is
    /// given the roster.
    Connected {
        /// Who, authenticated.
        peer: DeviceKey,
        /// The own wall clock at this moment, for the greeting and for the peer's clock offset.
        wall: Timestamp,
        /// Drawn at random for this connection: it keys what incidents are compared by, so that nobody can prepare
        /// incidents which look equal.
        nonce: [u8; 16],
    },
    /// The peer is gone. All that is known of it is forgotten.
    Disconnected {
        /// Who.
        peer: DeviceKey,
    },
    /// The connected peer is reached through somebody's relay, which may end the link after few bytes: from now on its
    /// chunks are short.
    Relayed {
        /// Who.
        peer: DeviceKey,
    },
    /// A frame of a connected peer, in the order sent.
    Frame {
        /// Who sent it.
        peer: DeviceKey,
        /// As it came.
        bytes: Vec<u8>,
    },
    /// The answer to [`Output::Admit`], once what was admitted is durable or will be before any output leaves.
    Admitted {
        /// The chunk.
        chunk: ChunkId,
        /// What became of it.
        admission: Admission,
    },
    /// These entries are new here, in causal order: written by the own hand or received, and admitted by the ledger.
    /// Every entry is told once, those of a chunk too: best before its [`Input::Admitted`], so that they go on to other
    /// peers as news; told after it, a comparison of heads is made first.
    Advanced {
        /// Their ids.
        entries: Vec<EntryId>,
    },
    /// A peer takes part in the team's gossip, or no longer does. What gossip carries is not sent to it besides.
    Gossiping {
        /// Who.
        peer: DeviceKey,
        /// Whether it does.
        is: bool,
    },
    /// A gossip message, answered with [`Output::Judge`].
    Gossip {
        /// The neighbour that passed it on, authenticated.
        peer: DeviceKey,
        /// The message, for the verdict.
        gossip: GossipId,
        /// As it came.
        bytes: Vec<u8>,
    },
    /// Who may see what may have changed without a new entry: a roster fold or a status. The peers' standing is
    /// looked at again.
    Reconsider,
    /// The deadline has come.
    Timeout,
}

/// What became of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Admission {
    /// How many of its entries, and of those that waited for them, were admitted now. 0 where all were known.
    pub admitted: usize,
    /// Ids that pending entries of the chunk wait for, of whatever DAG.
    pub missing: BTreeSet<EntryId>,
    /// There was no room to keep it: nothing of it was judged, and it has to come again.
    pub put_off: bool,
    /// Why the chunk was dropped, where it was: an honest peer sends nothing that can be refused.
    pub refused: Option<Refused>,
}

/// An entry that can never be admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The entry.
    pub id: EntryId,
    /// The number of the reason (`muster_log`'s `Refusal::code`).
    pub code: u16,
    /// The reason in words; cut at [`crate::limits::REASON_BYTES_MAX`].
    pub reason: String,
}

/// Something the caller must do, in this order.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send a frame, once everything admitted so far is durable.
    Send {
        /// To whom.
        peer: DeviceKey,
        /// At most [`crate::limits::FRAME_BYTES_MAX`].
        frame: Vec<u8>,
    },
    /// Judge these entries and answer with [`Input::Admitted`].
    Admit {
        /// The chunk, for the answer.
        chunk: ChunkId,
        /// Who sent it.
        peer: DeviceKey,
        /// The DAG of all its entries.
        dag: DagId,
        /// Entries in causal order, well-formed and of the team and the DAG; nothing else is checked.
        received: Vec<Received>,
        /// Bodies that fit the entry named, which is in `received` or was admitted here before.
        bodies: Vec<(EntryId, Body)>,
    },
    /// End the connection. The replicator has already forgotten the peer; frames before this one should still go out.
    Close {
        /// Whom with.
        peer: DeviceKey,
        /// Why.
        reason: CloseReason,
    },
    /// The peer holds these entries and everything in their past durably ("held by").
    Receipt {
        /// Who.
        peer: DeviceKey,
        /// The DAG.
        dag: DagId,
        /// Entries that are admitted here too.
        entries: Vec<EntryId>,
    },
    /// Give a message to the team's gossip, once everything admitted so far is durable.
    Publish {
        /// At most [`crate::limits::GOSSIP_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// Say what becomes of a gossip message, once everything admitted so far is durable.
    Judge {
        /// The message.
        gossip: GossipId,
        /// What becomes of it.
        verdict: Verdict,
    },
    /// Sign this with the own device's key ([`crate::frame::Presence::sign`]) and publish it.
    Present {
        /// Beginnings of the ids of heads that are durable here.
        heads: Vec<crate::frame::HeadPrefix>,
    },
    /// A device's presence came by gossip; what it holds is told by receipts.
    Presented {
        /// Whose.
        device: DeviceKey,
        /// Its wall clock when it wrote that.
        wall: Timestamp,
        /// Where it says that it listens.
        addresses: Vec<String>,
    },
    /// The peer greeted us.
    Greeted {
        /// Who.
        peer: DeviceKey,
        /// Its wall clock less ours, in milliseconds, off by at most the time the greeting travelled.
        clock_offset_ms: i64,
        /// When.
        at: Tick,
    },
}

/// Why a connection must end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The peer sent bytes that are no frame.
    #[error("the peer sent a malformed frame: {0}")]
    Form(#[from] crate::FrameError),
    /// The peer sent a frame out of turn.
    #[error("the peer sent {what}")]
    OutOfTurn {
        /// What it should not have sent.
        what: &'static str,
    },
    /// The peer sent more chunks than it had credit for.
    #[error("the peer sent more than {} chunks without an acknowledgement", crate::limits::CREDIT_CHUNKS)]
    OverCredit,
    /// The peer speaks another version of the protocol.
    #[error("the peer speaks version {version} of the sync protocol, we speak {}", crate::limits::PROTOCOL_VERSION)]
    Version {
        /// Its version.
        version: u32,
    },
    /// The peer sent an entry that can never be admitted.
    #[error("the peer sent entry {}, which was refused: {}", .0.id, .0.reason)]
    Refused(Refused),
    /// The peer owed an answer and made no progress.
    #[error("the peer made no progress for {} s", crate::limits::PROGRESS_TIMEOUT_MS / 1000)]
    Stalled,
    /// The peer says that it cannot admit an entry of ours.
    #[error("the peer refused entry {}: {}", .0.id, .0.reason)]
    RefusedThere(Refused),
    /// The peer took its leave.
    #[error("the peer ended the stream (code {code})")]
    Bye {
        /// Its code, see [`crate::frame::ByeCode`].
        code: u16,
        /// How long it asks us to wait, in milliseconds.
        retry_after_ms: u64,
    },
}
