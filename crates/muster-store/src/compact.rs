//! Compaction: entries move from the journal into archives, step by step, while the store is in use.
//!
//! First archives are written that nothing names. Then a journal of the next generation is written that names them and
//! has everything else ([`crate::rewrite`]), both are read back, and `format` is replaced: that one rename is the compaction.
//! Before it the store is the old one, after it the new one, and whatever the other one left behind is removed
//! (`docs/storage.md`, "Compaction").

use crate::archive::block::{Filling, Row};
use crate::archive::{ARCHIVE_BYTES, ArchiveRef, ArchiveWriter};
use crate::disk_store::{DiskStore, Held};
use crate::index::{Key, body_key, entry_key};
use crate::journal::{Journal, Tail};
use crate::open::remove_leftovers;
use crate::record::Payload;
use crate::rewrite::{Left, LeftOf, Rewriting};
use crate::whole::bodies_named;
use crate::{Storage, StoreError, StoredEntry, Write};
use muster_log::{BodyHash, DagId, EntryId};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of the records that are copied in one commit.
pub(crate) const COPY_BYTES: usize = 1024 * 1024;

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// Entries that were moved.
    pub entries: u64,
    /// Bytes of journal and archives before.
    pub bytes_before: u64,
    /// The same afterwards.
    pub bytes_after: u64,
}

/// How far a compaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompactionStep {
    /// There is more to do.
    Packed {
        /// Entries packed so far.
        done: u64,
        /// Entries to be packed.
        of: u64,
    },
    /// It is done, and durable.
    Done(Compacted),
}

/// A compaction under way.
#[derive(Default)]
pub(crate) struct Compaction {
    /// What is to be packed yet, the next one last.
    waiting: Vec<Held>,
    total: u64,
    filling: Filling,
    writer: Option<ArchiveWriter>,
    written: Vec<ArchiveRef>,
    next_archive: u32,
    packed: Packed,
    /// The next journal, once all is packed.
    rewriting: Option<Rewriting>,
}

/// What the new archives hold, so that the new journal need not.
#[derive(Default)]
pub(crate) struct Packed {
    /// Entries, and whether with a signature.
    entries: BTreeMap<Key, bool>,
    bodies: BTreeSet<Key>,
}

/// Begins to move the entries of `dags` that are in the journal.
pub(crate) fn begin(store: &mut DiskStore, dags: &[DagId]) -> Result<u64, StoreError> {
    store.writer()?;
    // An erasure goes before, to its end.
    while store.erasure.is_some() && crate::erase::step(store).is_ok() {}
    give_up(store);
    let dags: BTreeSet<&DagId> = dags.iter().collect();
    let order = dags.iter().filter_map(|dag| store.kept.dags.get(dag)).flat_map(|(_, order)| order);
    let mut waiting: Vec<Held> = order.filter(|held| matches!(held, Held::Journal(_))).copied().collect();
    waiting.reverse();
    let next_archive = store.archives.next_number(store.home.disk(), &store.home.archives());
    let total = waiting.len() as u64;
    store.compaction = Some(Box::new(Compaction { waiting, total, next_archive, ..Compaction::default() }));
    Ok(total)
}

/// Goes on with it.
pub(crate) fn step(store: &mut DiskStore) -> Result<CompactionStep, StoreError> {
    store.writer()?;
    let Some(mut compaction) = store.compaction.take() else {
        return Ok(CompactionStep::Done(Compacted::default()));
    };
    let stepped = match compaction.total {
        0 => Ok(CompactionStep::Done(Compacted::default())),
        _ if compaction.is_packed() => compaction.write(store),
        _ => compaction.pack(store).map(|()| compaction.progress()),
    };
    match stepped {
        Ok(CompactionStep::Packed { .. }) => store.compaction = Some(compaction),
        Ok(CompactionStep::Done(_)) => {}
        Err(_) => {
            drop(compaction);
            give_up(store);
        }
    }
    stepped
}

/// Forgets a compaction or an erasure under way and removes what it wrote. A poisoned store may already be what it wrote.
pub(crate) fn give_up(store: &mut DiskStore) {
    store.compaction = None;
    store.erasure = None;
    if let Some(writer) = store.writer.as_ref().filter(|writer| !writer.poisoned) {
        remove_leftovers(&store.home, &store.archives, writer.index_patience.is_none());
    }
}

impl Compaction {
    fn is_packed(&self) -> bool {
        self.waiting.is_empty() && self.filling.is_empty()
    }

    fn progress(&self) -> CompactionStep {
        CompactionStep::Packed { done: self.total.saturating_sub(self.waiting.len() as u64), of: self.total }
    }

    /// Packs and writes one block.
    fn pack(&mut self, store: &DiskStore) -> Result<(), StoreError> {
        while !self.filling.is_full()
            && let Some(held) = self.waiting.pop()
        {
            let entry = store.read_entry(held)?;
            let body = self.body_of(store, &entry)?;
            let row = Row::new(entry, body);
            self.packed.entries.insert(entry_key(&row.entry.id), row.entry.signature.is_some());
            self.packed.bodies.extend(row.body.iter().map(|(hash, _)| body_key(hash)));
            self.filling.push(row);
        }
        let (bytes, rows) = std::mem::take(&mut self.filling).finish_checked(store.path())?;
        if self.writer.as_ref().is_some_and(|writer| writer.size() >= ARCHIVE_BYTES) {
            self.finish_archive()?;
        }
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => {
                self.next_archive = self.next_archive.saturating_add(1);
                store.archives.create(self.next_archive.saturating_sub(1))?
            }
        };
        writer.push(&bytes, &rows)?;
        self.writer = Some(writer);
        Ok(())
    }

    fn finish_archive(&mut self) -> Result<(), StoreError> {
        if let Some(writer) = self.writer.take() {
            self.written.push(writer.finish()?);
        }
        Ok(())
    }

    /// The body that the entry names, if it is in the journal and not packed yet.
    fn body_of(&self, store: &DiskStore, entry: &StoredEntry) -> Result<Option<(BodyHash, Vec<u8>)>, StoreError> {
        for hash in bodies_named(&entry.bytes) {
            let is_packed = |key| self.packed.bodies.contains(&key) || store.kept.archived.contains_key(&key);
            if !is_packed(body_key(&hash))
                && let Some(body) = store.body(&hash)?
            {
                return Ok(Some((hash, body)));
            }
        }
        Ok(None)
    }

    /// Writes a slice of a journal without what is in the archives; at last makes it and them part of the store.
    fn write(&mut self, store: &mut DiskStore) -> Result<CompactionStep, StoreError> {
        let mut rewriting = match self.rewriting.take() {
            Some(rewriting) => rewriting,
            None => {
                self.finish_archive()?;
                store.archives.sync_dir()?;
                Rewriting::begin(store, store.archives.known().chain(&self.written).cloned().collect())?
            }
        };
        let packed = &self.packed;
        let left: LeftOf<'_> = &|payload, is_live| packed.left(payload, is_live);
        if rewriting.is_near_end(store)? {
            let (bytes_before, bytes_after) = rewriting.switch(store, left)?;
            return Ok(CompactionStep::Done(Compacted { entries: self.total, bytes_before, bytes_after }));
        }
        rewriting.step(store, left)?;
        self.rewriting = Some(rewriting);
        Ok(self.progress())
    }
}

pub(crate) fn append(journal: &Journal, tail: &mut Tail, batch: &mut Vec<Write>) -> Result<(), StoreError> {
    let writes = std::mem::take(batch);
    if writes.is_empty() { Ok(()) } else { journal.append(tail, &writes).map(|_| ()) }
}

impl Packed {
    /// What of a record is not in an archive and still means something.
    fn left(&self, payload: &Payload<'_>, is_live: &dyn Fn(&str) -> bool) -> Left {
        let is_packed = |id: &EntryId| self.entries.contains_key(&entry_key(id));
        let has_body = |hash: &BodyHash| self.bodies.contains(&body_key(hash));
        let is_whole = match payload {
            Payload::Entry { id, .. } => !is_packed(id),
            Payload::Whole { entry, .. } => !has_body(&entry.hash) && !is_packed(&entry.id()),
            Payload::Body { hash, .. } => !has_body(hash),
            Payload::Signature { entry, .. } => self.entries.get(&entry_key(entry)) != Some(&true),
            Payload::Local { key, .. } => is_live(key),
            Payload::Archive(_) => false,
        };
        if is_whole { Left::AsItIs } else { Left::Only(self.writes_left(payload, is_live)) }
    }

    /// The same as what is to be written.
    pub(crate) fn writes_left(&self, payload: &Payload<'_>, is_live: &dyn Fn(&str) -> bool) -> Vec<Write> {
        let has_body = |hash: &BodyHash| self.bodies.contains(&body_key(hash));
        let entry = payload.clone().into_entry().filter(|entry| !self.entries.contains_key(&entry_key(&entry.id)));
        let rest = match payload {
            Payload::Whole { entry, .. } if !has_body(&entry.hash) => {
                Some(Write::Body { hash: entry.hash, bytes: entry.body.to_vec() })
            }
            Payload::Body { hash, bytes } if !has_body(hash) => {
                Some(Write::Body { hash: *hash, bytes: bytes.to_vec() })
            }
            Payload::Signature { entry, signature } if self.entries.get(&entry_key(entry)) != Some(&true) => {
                Some(Write::Signature { entry: *entry, signature: *signature })
            }
            Payload::Local { key, value } if is_live(key) => {
                Some(Write::Local { key: (*key).to_owned(), value: value.map(<[u8]>::to_vec) })
            }
            _ => None,
        };
        entry.map(Write::Entry).into_iter().chain(rest).collect()
    }
}
