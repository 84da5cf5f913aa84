//! The index behind a small trait: where in the journal an entry, a body or a late signature lies.
//!
//! All of it is derived from the journal and may be lost at any time. [`MemoryIndex`] is for reading without sled, and
//! for going on when sled fails; sled itself is in [`crate::sled_index`].

use crate::StoreError;
use crate::journal::Journal;
use crate::record::{Payload, StoreId, tagged};
use crate::scan::Position;
use muster_log::{BodyHash, EntryId};
use std::collections::BTreeMap;

/// The key of the checkpoint. One byte, so that it is no prefix and no other key equals it.
pub(crate) const CHECKPOINT_KEY: &[u8] = b"m";

/// Why the index cannot be used. Never a reason to stop: the journal has everything.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct IndexFailed(pub(crate) String);

/// A map from keys to positions.
pub(crate) trait Index: Send {
    /// The position under `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Position>, IndexFailed>;

    /// Puts the rows of durable records, in the order in which they lie in the journal, and the checkpoint behind them. Need not
    /// be durable itself, but never has the one without the other.
    fn put(&mut self, rows: Vec<Row>, checkpoint: Checkpoint) -> Result<(), IndexFailed>;

    /// Ends it without the work that waits: its files are about to be removed.
    fn abandon(self: Box<Self>) {}
}

/// Bytes of an id or hash by which something is found: enough that nobody makes two alike, and whoever reads a record holds
/// it against the whole.
pub(crate) const INDEXED_BYTES: usize = 16;

/// What a row is about, and the beginning of its id.
pub(crate) type Key = [u8; 1 + INDEXED_BYTES];

/// One row of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) position: Position,
}

impl Row {
    /// The row that a record has in the index, if any.
    pub(crate) fn of(payload: &Payload<'_>, position: Position) -> Option<Self> {
        let key = match payload {
            Payload::Entry { id, .. } => entry_key(id),
            Payload::Whole { entry, .. } => entry_key(&entry.id()),
            Payload::Body { hash, .. } => body_key(hash),
            Payload::Signature { entry, .. } => signature_key(entry),
            Payload::Local { .. } | Payload::Archive(_) => return None,
        };
        Some(Self { key, position })
    }
}

fn key(prefix: u8, id: &[u8; 32]) -> Key {
    let mut key = [prefix; 1 + INDEXED_BYTES];
    key[1..].copy_from_slice(&id[..INDEXED_BYTES]);
    key
}

/// Under which an entry is found.
pub(crate) fn entry_key(id: &EntryId) -> Key {
    key(b'e', id.as_bytes())
}

/// Under which a body is found.
pub(crate) fn body_key(hash: &BodyHash) -> Key {
    key(b'b', hash.as_bytes())
}

/// Under which a signature that came after its entry is found.
pub(crate) fn signature_key(entry: &EntryId) -> Key {
    key(b's', entry.as_bytes())
}

/// A position as a row's value.
pub(crate) fn encode_position(position: Position) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&position.segment.to_be_bytes());
    bytes[4..8].copy_from_slice(&position.offset.to_be_bytes());
    bytes[8..].copy_from_slice(&position.len.to_be_bytes());
    bytes
}

/// Reads a row's value.
pub(crate) fn decode_position(bytes: &[u8]) -> Option<Position> {
    let [segment, offset, len] = numbers(bytes)?;
    Some(Position { segment, offset, len })
}

fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    let chunks: &[[u8; 4]; N] = chunks.try_into().ok().filter(|_| rest.is_empty())?;
    Some(chunks.map(u32::from_be_bytes))
}

/// Up to which commit of which store an index is complete, if it is undamaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) store: StoreId,
    /// Segment, and offset behind its last commit.
    pub(crate) end: (u32, u32),
}

impl Checkpoint {
    pub(crate) fn encode(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.store);
        bytes[16..20].copy_from_slice(&self.end.0.to_be_bytes());
        bytes[20..].copy_from_slice(&self.end.1.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (store, end) = bytes.split_first_chunk::<16>()?;
        let [segment, offset] = numbers(end)?;
        Some(Self { store: *store, end: (segment, offset) })
    }

    /// Whether the record at `position` is one of those that should be in the index.
    pub(crate) fn covers(&self, position: Position) -> bool {
        (position.segment, position.offset) < self.end
    }
}

/// Number and additive hash of a set of rows: two sets that agree in both are taken for equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sum {
    pub(crate) rows: u64,
    hash: u128,
}

impl Sum {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        let hash = tagged("muster/row/1", &[key, value]);
        let first = hash.first_chunk().copied().unwrap_or_default();
        self.rows += 1;
        self.hash = self.hash.wrapping_add(u128::from_be_bytes(first));
    }

    pub(crate) fn add_row(&mut self, row: &Row) {
        self.add(&row.key, &encode_position(row.position));
    }
}

/// The index in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryIndex(BTreeMap<Key, Position>);

impl MemoryIndex {
    /// The index of everything that is whole in the journal.
    pub(crate) fn of(journal: &Journal) -> Result<Self, StoreError> {
        let mut index = Self::default();
        journal.load(&mut |position, record| {
            Row::of(&record.payload, position).into_iter().for_each(|row| index.insert(row));
        })?;
        Ok(index)
    }

    pub(crate) fn insert(&mut self, row: Row) {
        self.0.insert(row.key, row.position);
    }
}

impl Index for MemoryIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Position>, IndexFailed> {
        Ok(self.0.get(key).copied())
    }

    fn put(&mut self, rows: Vec<Row>, _checkpoint: Checkpoint) -> Result<(), IndexFailed> {
        rows.into_iter().for_each(|row| self.insert(row));
        Ok(())
    }
}
