//! Asking and acknowledging: WANT, ACK, MISSING. The chunks themselves are in [`super::chunk`].

use super::compare::read_seq;
use super::{FrameError, ShortTip, read_ids, write_ids};
use crate::limits::{BEFORE_MAX, BODIES_MAX, IDS_MAX, RANGES_MAX};
use crate::wire::{Reader, Writer};
use muster_log::{DagId, EntryId, ShortLog};

/// The entries of one log by number, every branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The log.
    pub log: ShortLog,
    /// The first number.
    pub from: u32,
    /// The last number, not before the first.
    pub to: u32,
}

impl Range {
    fn write(&self, w: &mut Writer) {
        w.list(3).bytes(self.log.as_bytes()).uint(self.from.into()).uint(self.to.into());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        r.exactly("range", 3)?;
        let range = Self { log: ShortLog::from_bytes(r.array("log")?), from: read_seq(r)?, to: read_seq(r)? };
        if range.from <= range.to { Ok(range) } else { Err(FrameError::Form { item: "range" }) }
    }
}

/// What the sender would like to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The DAG of the ranges and the page.
    pub dag: DagId,
    /// Entries by log and number.
    pub ranges: Vec<Range>,
    /// Entries by id, of whatever DAG; sorted.
    pub ids: Vec<EntryId>,
    /// How many entries before each id in its log are asked for along with it.
    pub before: u32,
    /// Entries whose bodies are asked for; sorted.
    pub bodies: Vec<EntryId>,
    /// Asks for the page of HAVE that begins after this log.
    pub page: Option<ShortLog>,
    /// How much the sender will take, in bytes of chunks before compression.
    pub budget_bytes: u64,
}

impl Want {
    pub(super) const FIELDS: usize = 7;

    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(self.dag.as_bytes()).list_of(&self.ranges, |w, range| range.write(w));
        write_ids(w, &self.ids);
        w.uint(self.before.into());
        write_ids(w, &self.bodies);
        match &self.page {
            None => w.null(),
            Some(log) => w.bytes(log.as_bytes()),
        };
        w.uint(self.budget_bytes);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        Ok(Self {
            dag: DagId::from_bytes(r.array("DAG")?),
            ranges: r.list_of("number of ranges", RANGES_MAX, Range::read)?,
            ids: read_ids(r, "number of ids", IDS_MAX)?,
            before: Some(r.u32("before")?)
                .filter(|before| *before <= BEFORE_MAX)
                .ok_or(FrameError::Form { item: "before" })?,
            bodies: read_ids(r, "number of bodies", BODIES_MAX)?,
            page: r.optional(|r| r.array("page").map(ShortLog::from_bytes))?,
            budget_bytes: r.u64("budget")?,
        })
    }
}

/// What became durable of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The chunk's DAG.
    pub dag: DagId,
    /// The chunk's number.
    pub number: u32,
    /// The durable tips of the logs that the chunk touched, sorted.
    pub tips: Vec<ShortTip>,
    /// Chunks that may be under way to the sender from now on.
    pub credit: u32,
}

impl Ack {
    pub(super) const FIELDS: usize = 4;

    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(self.dag.as_bytes()).uint(self.number.into());
        ShortTip::write_list(&self.tips, w);
        w.uint(self.credit.into());
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        Ok(Self {
            dag: DagId::from_bytes(r.array("DAG")?),
            number: r.u32("number")?,
            tips: ShortTip::read_list(r)?,
            credit: r.u32("credit")?,
        })
    }
}

/// What was asked for and is not here, or not for the asker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The DAG of the WANT.
    pub dag: DagId,
    /// Entries, sorted.
    pub ids: Vec<EntryId>,
    /// Entries whose bodies are not here, sorted.
    pub bodies: Vec<EntryId>,
}

impl Missing {
    pub(super) const FIELDS: usize = 3;

    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(self.dag.as_bytes());
        write_ids(w, &self.ids);
        write_ids(w, &self.bodies);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        Ok(Self {
            dag: DagId::from_bytes(r.array("DAG")?),
            ids: read_ids(r, "number of ids", IDS_MAX)?,
            bodies: read_ids(r, "number of bodies", BODIES_MAX)?,
        })
    }
}
