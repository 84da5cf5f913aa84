//! How a stream begins and ends: HELLO, REFUSE, BYE.

use super::{FrameError, Heads};
use crate::limits::{FRAME_BYTES_MAX, REASON_BYTES_MAX};
use crate::wire::{Reader, Writer};
use muster_log::{EntryId, TeamId, Timestamp};

/// Shortest `max frame` of this version of the protocol, in bytes: whatever one side packs the other can read.
const FRAME_BYTES_LEAST: u32 = FRAME_BYTES_MAX as u32;

/// The first frame in each direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The version of the protocol.
    pub protocol: u32,
    /// What the sender understands besides, as a bit set; none is known yet.
    pub features: u64,
    /// The team, whole.
    pub team: TeamId,
    /// The roster's heads.
    pub roster: Heads,
    /// The sender's wall clock.
    pub now: Timestamp,
    /// Longest frame the sender reads, in bytes.
    pub max_frame: u32,
    /// Chunks that may be under way to the sender.
    pub credit: u32,
}

impl Hello {
    pub(super) const FIELDS: usize = 9;

    pub(super) fn write(&self, w: &mut Writer) {
        w.uint(self.protocol.into()).uint(self.features).bytes(self.team.as_bytes());
        self.roster.write_state(w);
        w.int(self.now.0).uint(self.max_frame.into()).uint(self.credit.into());
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        let (protocol, features) = (r.u32("protocol")?, r.u64("features")?);
        let team = TeamId::from_bytes(r.array("team")?);
        Ok(Self {
            protocol,
            features,
            team,
            roster: Heads::read_state(team.into(), r)?,
            now: Timestamp(r.i64("now")?),
            max_frame: Some(r.u32("max frame")?)
                .filter(|max| *max >= FRAME_BYTES_LEAST)
                .ok_or(FrameError::Form { item: "max frame" })?,
            credit: r.u32("credit")?,
        })
    }

    /// What this version says of itself.
    pub(crate) fn ours(team: TeamId, roster: Heads, now: Timestamp) -> Self {
        Self {
            protocol: crate::limits::PROTOCOL_VERSION,
            features: 0,
            team,
            roster,
            now,
            max_frame: FRAME_BYTES_MAX as u32,
            credit: crate::limits::CREDIT_CHUNKS,
        }
    }
}

/// An entry that cannot be admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refuse {
    /// The entry.
    pub id: EntryId,
    /// The number of the reason.
    pub code: u16,
    /// The reason in words.
    pub reason: String,
}

impl Refuse {
    pub(super) const FIELDS: usize = 3;

    /// Cuts the reason to what a frame may carry, at a character's end.
    pub(crate) fn new(id: EntryId, code: u16, mut reason: String) -> Self {
        let end = (0..=REASON_BYTES_MAX.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end));
        reason.truncate(end.unwrap_or(0));
        Self { id, code, reason }
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(self.id.as_bytes()).uint(self.code.into()).text(&self.reason);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        let (id, code, reason) = (EntryId::from_bytes(r.array("id")?), r.u16("code")?, r.text("reason")?);
        let (found, limit) = (reason.len() as u64, REASON_BYTES_MAX as u64);
        if found > limit {
            return Err(FrameError::TooLarge { item: "reason's length", found, limit });
        }
        Ok(Self { id, code, reason: reason.to_owned() })
    }
}

/// Why a stream is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByeCode {
    /// The node stops.
    Stopping = 0,
    /// A fault of form.
    Form = 1,
    /// A frame that was not due.
    OutOfTurn = 2,
    /// Another version of the protocol.
    Version = 3,
    /// An entry that was refused.
    Refused = 4,
    /// No progress.
    Stalled = 5,
    /// More chunks than there was credit for.
    OverCredit = 6,
}

/// The last frame of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bye {
    /// Why, see [`ByeCode`]; later versions may know more.
    pub code: u16,
    /// How long the peer should wait before it comes again, in milliseconds.
    pub retry_after_ms: u64,
}

impl Bye {
    pub(super) const FIELDS: usize = 2;

    pub(super) fn write(&self, w: &mut Writer) {
        w.uint(self.code.into()).uint(self.retry_after_ms);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        Ok(Self { code: r.u16("code")?, retry_after_ms: r.u64("retry after")? })
    }
}
