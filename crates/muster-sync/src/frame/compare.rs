//! Finding out what differs: HEADS and HAVE.

use super::{FrameError, read_ids, sorted, write_ids};
use crate::limits::{HEADS_MAX, TIPS_MAX};
use crate::wire::{Reader, Writer};
use muster_log::dag::Tip;
use muster_log::{DagId, EntryId, ShortLog};
use sha2::{Digest, Sha256};

/// SHA-256 over all heads of a DAG, sorted, under the tag `muster/heads/1`. Equal digests mean equal sets of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeadsDigest([u8; 32]);

impl HeadsDigest {
    /// The digest of these heads, which are sorted.
    pub fn of(heads: &[EntryId]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"muster/heads/1\0");
        heads.iter().for_each(|head| hasher.update(head.as_bytes()));
        Self(hasher.finalize().into())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What a DAG has, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads {
    /// The DAG.
    pub dag: DagId,
    /// How many entries it has.
    pub count: u64,
    /// Its heads, or the first [`HEADS_MAX`] of them; sorted.
    pub heads: Vec<EntryId>,
    /// The digest of all heads.
    pub digest: HeadsDigest,
}

impl Heads {
    pub(super) const FIELDS: usize = 4;

    /// States that the DAG has `count` entries and exactly these heads, sorted.
    pub fn new(dag: DagId, count: u64, mut heads: Vec<EntryId>) -> Self {
        let digest = HeadsDigest::of(&heads);
        heads.truncate(HEADS_MAX);
        Self { dag, count, heads, digest }
    }

    /// Whether the list holds all heads.
    pub fn is_complete(&self) -> bool {
        HeadsDigest::of(&self.heads) == self.digest
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(self.dag.as_bytes());
        self.write_state(w);
    }

    /// The fields besides the DAG, which HELLO has too.
    pub(super) fn write_state(&self, w: &mut Writer) {
        w.uint(self.count);
        write_ids(w, &self.heads);
        w.bytes(&self.digest.0);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        Self::read_state(DagId::from_bytes(r.array("DAG")?), r)
    }

    pub(super) fn read_state(dag: DagId, r: &mut Reader<'_>) -> Result<Self, FrameError> {
        Ok(Self {
            dag,
            count: r.u64("count")?,
            heads: read_ids(r, "number of heads", HEADS_MAX)?,
            digest: HeadsDigest(r.array("digest")?),
        })
    }
}

/// A tip as it travels: enough to tell whether one knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShortTip {
    /// The log.
    pub log: ShortLog,
    /// The entry's sequence number.
    pub seq: u32,
    /// The first half of the entry's id.
    pub tip: [u8; 16],
}

impl ShortTip {
    /// Whether `id` is the entry meant, as far as can be seen.
    pub fn is(&self, id: &EntryId) -> bool {
        id.as_bytes().starts_with(&self.tip)
    }

    fn write(&self, w: &mut Writer) {
        w.list(3).bytes(self.log.as_bytes()).uint(self.seq.into()).bytes(&self.tip);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        r.exactly("tip", 3)?;
        Ok(Self { log: ShortLog::from_bytes(r.array("log")?), seq: read_seq(r)?, tip: r.array("tip")? })
    }

    pub(super) fn write_list(tips: &[Self], w: &mut Writer) {
        w.list_of(tips, |w, tip| tip.write(w));
    }

    pub(super) fn read_list(r: &mut Reader<'_>) -> Result<Vec<Self>, FrameError> {
        let item = "number of tips";
        sorted(item, r.list_of(item, TIPS_MAX, Self::read)?)
    }
}

impl From<Tip> for ShortTip {
    fn from(tip: Tip) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&tip.id.as_bytes()[..16]);
        Self { log: tip.log, seq: tip.seq, tip: short }
    }
}

pub(super) fn read_seq(r: &mut Reader<'_>) -> Result<u32, FrameError> {
    let item = "sequence number";
    Some(r.u32(item)?).filter(|seq| *seq >= 1).ok_or(FrameError::Form { item })
}

/// One page of a DAG's tips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Have {
    /// The DAG.
    pub dag: DagId,
    /// The tips of this page, sorted.
    pub tips: Vec<ShortTip>,
    /// The next page begins after this log; `None` on the last page.
    pub cursor: Option<ShortLog>,
}

impl Have {
    pub(super) const FIELDS: usize = 3;

    /// The page of `tips` (sorted) that begins after the log `after`. A log is never divided between pages.
    pub fn page(dag: DagId, tips: &[Tip], after: Option<ShortLog>) -> Self {
        let rest = &tips[after.map_or(0, |after| tips.partition_point(|tip| tip.log <= after))..];
        let mut taken = &rest[..rest.len().min(TIPS_MAX)];
        let mut cursor = None;
        if let (Some(next), Some(last)) = (rest.get(TIPS_MAX), taken.last()) {
            if next.log == last.log && taken.first().is_some_and(|first| first.log != last.log) {
                taken = &taken[..taken.partition_point(|tip| tip.log < last.log)];
            }
            // Of a log with more tips than a page holds only the first travel; the page after goes on behind it.
            let end = taken.last().map(|tip| tip.log);
            cursor = end.filter(|end| rest.last().is_some_and(|last| last.log > *end));
        }
        let mut tips: Vec<ShortTip> = taken.iter().map(|tip| ShortTip::from(*tip)).collect();
        tips.sort_unstable();
        tips.dedup();
        Self { dag, tips, cursor }
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(self.dag.as_bytes());
        ShortTip::write_list(&self.tips, w);
        match &self.cursor {
            Some(log) => w.bytes(log.as_bytes()),
            None => w.null(),
        };
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        Ok(Self {
            dag: DagId::from_bytes(r.array("DAG")?),
            tips: ShortTip::read_list(r)?,
            cursor: r.optional(|r| r.array("cursor").map(ShortLog::from_bytes))?,
        })
    }
}
