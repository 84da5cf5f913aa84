//! What waits for the next commit; the same for every store, so that all agree on what changes nothing.

use crate::record::RECORD_HEAD;
use crate::storage::{COMMIT_BYTES_MAX, LOCAL_KEY_BYTES_MAX, RECORD_BYTES_MAX};
use crate::{StoreError, Write};
use muster_log::{BodyHash, EntryId, Signature};
use std::collections::{BTreeMap, BTreeSet};

/// What a store already has.
pub(crate) trait Known {
    /// Whether the entry is stored, and if so, whether with a signature.
    fn signed(&self, id: &EntryId) -> Result<Option<bool>, StoreError>;

    /// Whether the body is stored.
    fn has_body(&self, hash: &BodyHash) -> Result<bool, StoreError>;
}

/// Writes in the order they came, without those that change nothing.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    writes: Vec<Write>,
    entries: BTreeMap<EntryId, bool>,
    bodies: BTreeSet<BodyHash>,
    bytes: usize,
}

impl Staged {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Hands over all writes and begins anew.
    pub(crate) fn take(&mut self) -> Vec<Write> {
        std::mem::take(self).writes
    }

    /// Adds `write`, unless it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::UnknownEntry`], and those of asking `known`.
    pub(crate) fn add(&mut self, write: Write, known: &dyn Known) -> Result<(), StoreError> {
        check_size(&write)?;
        match write {
            Write::Entry(entry) => match (self.signed(&entry.id, known)?, entry.signature) {
                (None, _) => self.push(Write::Entry(entry)),
                (Some(false), Some(signature)) => self.push(Write::Signature { entry: entry.id, signature }),
                (Some(_), _) => Ok(()),
            },
            Write::Signature { entry, signature } => self.add_signature(entry, signature, known),
            Write::Body { hash, bytes } => {
                if self.bodies.contains(&hash) || known.has_body(&hash)? {
                    return Ok(());
                }
                self.push(Write::Body { hash, bytes })
            }
            local @ Write::Local { .. } => self.push(local),
        }
    }

    fn add_signature(&mut self, entry: EntryId, signature: Signature, known: &dyn Known) -> Result<(), StoreError> {
        match self.signed(&entry, known)? {
            None => Err(StoreError::UnknownEntry { entry }),
            Some(true) => Ok(()),
            Some(false) => self.push(Write::Signature { entry, signature }),
        }
    }

    fn signed(&self, id: &EntryId, known: &dyn Known) -> Result<Option<bool>, StoreError> {
        self.entries.get(id).map_or_else(|| known.signed(id), |signed| Ok(Some(*signed)))
    }

    fn push(&mut self, write: Write) -> Result<(), StoreError> {
        let bytes = self.bytes.saturating_add(record_size(&write));
        check_limit("a commit", bytes, COMMIT_BYTES_MAX)?;
        self.bytes = bytes;
        match &write {
            Write::Entry(entry) => drop(self.entries.insert(entry.id, entry.signature.is_some())),
            Write::Signature { entry, .. } => drop(self.entries.insert(*entry, true)),
            Write::Body { hash, .. } => drop(self.bodies.insert(*hash)),
            Write::Local { .. } => {}
        }
        self.writes.push(write);
        Ok(())
    }
}

/// Bytes of the record that holds `write`.
fn record_size(write: &Write) -> usize {
    let payload = match write {
        Write::Entry(entry) => 3 * 32 + 8 + 1 + entry.signature.map_or(0, |_| 64) + entry.bytes.len(),
        Write::Body { bytes, .. } => 32 + bytes.len(),
        Write::Signature { .. } => 32 + 64,
        Write::Local { key, value } => 2 + key.len() + 1 + value.as_ref().map_or(0, Vec::len),
    };
    RECORD_HEAD + payload
}

/// Refuses what no record can hold.
fn check_size(write: &Write) -> Result<(), StoreError> {
    if let Write::Local { key, .. } = write {
        check_limit("the key of a local fact", key.len(), LOCAL_KEY_BYTES_MAX)?;
    }
    let what = match write {
        Write::Entry(_) => "an entry",
        Write::Body { .. } => "a body",
        Write::Signature { .. } => "a signature",
        Write::Local { .. } => "a local fact",
    };
    check_limit(what, record_size(write) - RECORD_HEAD, RECORD_BYTES_MAX)
}

fn check_limit(what: &'static str, found: usize, limit: usize) -> Result<(), StoreError> {
    if found <= limit { Ok(()) } else { Err(StoreError::TooLarge { what, found: found as u64, limit: limit as u64 }) }
}
