//! The frames of `/muster/sync/1` and their bytes (protocol, section "Sync frames").
//!
//! A [`Frame`] is well-formed and within the limits. Whether it comes at the right time is decided in
//! `crate::replicator`; the entries inside a chunk are still packed, see `crate::unpack`.

mod chunk;
mod compare;
mod gossip;
mod greeting;
mod index;
mod transfer;

pub use chunk::{Packed, Part};
pub use compare::{Have, Heads, HeadsDigest, ShortTip};
pub use gossip::{Announcement, Gossip, HeadPrefix, Presence, topic};
pub use greeting::{Bye, ByeCode, Hello, Refuse};
pub use index::{Bound, Fingerprint, Index, Salt, Span, Tag, What};
pub use transfer::{Ack, Missing, Range, Want};

use crate::limits::FRAME_BYTES_MAX;
use crate::wire::{Reader, Writer};
use muster_log::{DagId, EntryId, FormError, TeamId};

/// Why bytes are no frame, or a chunk no entries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not the canonical encoding of the fields of its type.
    #[error("the {item} is malformed")]
    Form {
        /// The item that was found wrong.
        item: &'static str,
    },
    /// More of something than the protocol allows.
    #[error("the {item} is {found}, at most {limit} is allowed")]
    TooLarge {
        /// What is too large.
        item: &'static str,
        /// How large it is.
        found: u64,
        /// How large it may be.
        limit: u64,
    },
    /// A type this version does not know.
    #[error("frames of type {number} are not known")]
    UnknownType {
        /// The type.
        number: u64,
    },
    /// Meant for another team.
    #[error("the frame is for another team")]
    Team,
    /// A row of a chunk is no entry.
    #[error("row {row} of the chunk is no entry: {source}")]
    Entry {
        /// The row, from 0.
        row: usize,
        /// What is wrong with it.
        source: FormError,
    },
}

/// The first eight bytes of a team id: enough for a node to find the right replicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TeamPrefix([u8; 8]);

impl TeamPrefix {
    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl From<TeamId> for TeamPrefix {
    fn from(team: TeamId) -> Self {
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&team.as_bytes()[..8]);
        Self(prefix)
    }
}

/// The team a frame is meant for; `None` where the bytes do not begin like a frame.
pub fn team_of(frame: &[u8]) -> Option<TeamPrefix> {
    let mut r = Reader::new(frame);
    r.list("frame", usize::MAX).ok()?;
    r.u64("type").ok()?;
    r.array("team").ok().map(TeamPrefix)
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The greeting; the HEADS of the roster.
    Hello(Hello),
    /// Roster entries.
    Roster(Packed),
    /// Which incidents differ, by ranges.
    Index(Index),
    /// What a DAG has, in short.
    Heads(Heads),
    /// What a DAG has, log by log.
    Have(Have),
    /// What the sender would like to have.
    Want(Want),
    /// Entries of an incident.
    Entries(DagId, Packed),
    /// What became durable of a chunk.
    Ack(Ack),
    /// What was asked for and is not here.
    Missing(Missing),
    /// An entry that cannot be admitted.
    Refuse(Refuse),
    /// The end.
    Bye(Bye),
}

impl Frame {
    /// The number of the frame's type.
    fn number(&self) -> u64 {
        match self {
            Self::Hello(_) => 1,
            Self::Roster(_) => 2,
            Self::Index(_) => 3,
            Self::Heads(_) => 4,
            Self::Have(_) => 5,
            Self::Want(_) => 6,
            Self::Entries(..) => 7,
            Self::Ack(_) => 8,
            Self::Missing(_) => 9,
            Self::Refuse(_) => 10,
            Self::Bye(_) => 11,
        }
    }

    /// How many fields follow type and team.
    fn fields(number: u64) -> Option<usize> {
        Some(match number {
            1 => Hello::FIELDS,
            2 => Packed::FIELDS,
            3 => Index::FIELDS,
            4 => Heads::FIELDS,
            5 => Have::FIELDS,
            6 => Want::FIELDS,
            7 => 1 + Packed::FIELDS,
            8 => Ack::FIELDS,
            9 => Missing::FIELDS,
            10 => Refuse::FIELDS,
            11 => Bye::FIELDS,
            _ => return None,
        })
    }

    /// The frame's bytes.
    pub fn encode(&self, team: TeamPrefix) -> Vec<u8> {
        let mut w = Writer::new();
        let number = self.number();
        w.list(2 + Self::fields(number).unwrap_or(0)).uint(number).bytes(&team.0);
        match self {
            Self::Hello(hello) => hello.write(&mut w),
            Self::Roster(packed) => packed.write(&mut w),
            Self::Index(index) => index.write(&mut w),
            Self::Heads(heads) => heads.write(&mut w),
            Self::Have(have) => have.write(&mut w),
            Self::Want(want) => want.write(&mut w),
            Self::Entries(incident, packed) => {
                w.bytes(incident.as_bytes());
                packed.write(&mut w);
            }
            Self::Ack(ack) => ack.write(&mut w),
            Self::Missing(missing) => missing.write(&mut w),
            Self::Refuse(refuse) => refuse.write(&mut w),
            Self::Bye(bye) => bye.write(&mut w),
        }
        w.finish()
    }

    /// Reads a frame for `team`.
    ///
    /// # Errors
    /// [`FrameError`] for anything that [`Frame::encode`] would not have written.
    pub fn decode(bytes: &[u8], team: TeamPrefix) -> Result<Self, FrameError> {
        if bytes.len() > FRAME_BYTES_MAX {
            let (found, limit) = (bytes.len() as u64, FRAME_BYTES_MAX as u64);
            return Err(FrameError::TooLarge { item: "frame's length", found, limit });
        }
        let frame = Self::read(bytes, team)?;
        // One place decides what is canonical: the encoder.
        if frame.encode(team) == bytes { Ok(frame) } else { Err(FrameError::Form { item: "encoding" }) }
    }

    fn read(bytes: &[u8], team: TeamPrefix) -> Result<Self, FrameError> {
        let mut r = Reader::new(bytes);
        let items = r.list("frame", 64)?;
        let number = r.u64("type")?;
        if r.array("team")? != team.0 {
            return Err(FrameError::Team);
        }
        let fields = Self::fields(number).ok_or(FrameError::UnknownType { number })?;
        if items != 2 + fields {
            return Err(FrameError::Form { item: "number of fields" });
        }
        let frame = match number {
            1 => Self::Hello(Hello::read(&mut r)?),
            2 => Self::Roster(Packed::read(&mut r)?),
            3 => Self::Index(Index::read(&mut r)?),
            4 => Self::Heads(Heads::read(&mut r)?),
            5 => Self::Have(Have::read(&mut r)?),
            6 => Self::Want(Want::read(&mut r)?),
            7 => Self::Entries(DagId::from_bytes(r.array("incident")?), Packed::read(&mut r)?),
            8 => Self::Ack(Ack::read(&mut r)?),
            9 => Self::Missing(Missing::read(&mut r)?),
            10 => Self::Refuse(Refuse::read(&mut r)?),
            _ => Self::Bye(Bye::read(&mut r)?),
        };
        r.end()?;
        Ok(frame)
    }
}

fn write_ids(w: &mut Writer, ids: &[EntryId]) {
    w.list_of(ids, |w, id| {
        w.bytes(id.as_bytes());
    });
}

/// A sorted list of different ids.
fn read_ids(r: &mut Reader<'_>, item: &'static str, limit: usize) -> Result<Vec<EntryId>, FrameError> {
    let ids = r.list_of(item, limit, |r| r.array(item).map(EntryId::from_bytes))?;
    sorted(item, ids)
}

fn sorted<T: Ord>(item: &'static str, items: Vec<T>) -> Result<Vec<T>, FrameError> {
    if items.is_sorted_by(|a, b| a < b) { Ok(items) } else { Err(FrameError::Form { item }) }
}
