//! Compaction: entries move from the journal into archives, step by step, while the store is in use.
//!
//! First archives are written that nothing names. Then a journal of the next generation is written that names them and
//! has everything else, both are read back, and `format` is replaced: that one rename is the compaction. Before it the
//! store is the old one, after it the new one, and whatever the other one left behind is removed (`docs/storage.md`,
//! "Compaction").

use crate::archive::block::{Filling, Row};
use crate::archive::{ARCHIVE_BYTES, ArchiveRef, ArchiveWriter, Archives};
use crate::disk_store::{DiskStore, Held, Kept};
use crate::home::{FORMAT, Format, Home};
use crate::index::{Checkpoint, Index, Key, MemoryIndex, Sum, body_key, entry_key};
use crate::journal::{Journal, Tail};
use crate::open::{Read, read_journal, remove_leftovers};
use crate::record::Payload;
use crate::whole::bodies_named;
use crate::{Storage, StoreError, StoredEntry, Write};
use crate::{index_check, sled_index};
use muster_log::{BodyHash, DagId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
        _ if compaction.is_packed() => compaction.switch(store).map(CompactionStep::Done),
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

/// Forgets a compaction under way and removes what it wrote. A poisoned store may already be what it wrote.
pub(crate) fn give_up(store: &mut DiskStore) {
    store.compaction = None;
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

    /// Makes the archives part of the store, and the journal one without what is in them.
    fn switch(&mut self, store: &mut DiskStore) -> Result<Compacted, StoreError> {
        self.finish_archive()?;
        store.archives.sync_dir()?;
        let archives: Vec<ArchiveRef> = store.archives.known().chain(&self.written).cloned().collect();
        let (bytes_before, bytes_after) =
            rewrite(store, archives, &|payload, is_live| self.packed.writes_left(payload, is_live))?;
        Ok(Compacted { entries: self.total, bytes_before, bytes_after })
    }
}

/// What of a record goes into the next journal; the second argument says of a local fact whether it still stands.
pub(crate) type Left<'a> = &'a dyn Fn(&Payload<'_>, &dyn Fn(&str) -> bool) -> Vec<Write>;

/// Makes a journal of the next generation the truth: these archives, and what is left of the journal. Answers the bytes of
/// journal and archives before and afterwards.
pub(crate) fn rewrite(
    store: &mut DiskStore,
    archives: Vec<ArchiveRef>,
    left: Left<'_>,
) -> Result<(u64, u64), StoreError> {
    let format = Format { version: FORMAT, generation: store.format.generation.saturating_add(1), ..store.format };
    let home = store.home.of(format.generation);
    let journal = Journal::new(home.shared_disk(), home.journal(), format.store);
    let tail = write_journal(store, &journal, &archives, left)?;
    let read = read_journal(&home, &journal, format.store, true)?;
    check_same(&store.kept, &read)?;
    let bytes_before = bytes_of(&store.journal, &store.archives)?;
    let bytes_after = bytes_of(&journal, &read.archives)?;
    home.write_format(format).map_err(|error| not_switched(store, error))?;
    // From here on the new journal is the store: whatever fails now may not give the rewriting up.
    adopt(store, home, format, journal, tail, read);
    Ok((bytes_before, bytes_after))
}

/// What to say of a `format` that could not be replaced: unless it surely was not, either may be found after a power cut,
/// and nothing more may be acknowledged.
fn not_switched(store: &mut DiskStore, error: StoreError) -> StoreError {
    let is_unchanged = store.home.read_format().is_ok_and(|now| now == Some(store.format));
    if is_unchanged && matches!(error, StoreError::Full { .. }) {
        return error;
    }
    if let Some(writer) = store.writer.as_mut() {
        writer.poisoned = true;
    }
    match error {
        StoreError::Full { path } => {
            StoreError::Io { doing: "write to", path, source: std::io::ErrorKind::StorageFull.into() }
        }
        error => error,
    }
}

/// Writes the next journal: the archives first, for what they hold is older, and then what is left.
fn write_journal(
    store: &DiskStore,
    journal: &Journal,
    archives: &[ArchiveRef],
    left: Left<'_>,
) -> Result<Tail, StoreError> {
    let mut tail = journal.start()?;
    if !archives.is_empty() {
        journal.append_archives(&mut tail, archives)?;
    }
    let mut copy = Copying::new(journal, &mut tail);
    let loaded = store.journal.load(&mut |position, record| {
        let is_live = |key: &str| store.kept.locals.get(key) == Some(&position);
        copy.push(left(&record.payload, &is_live), record.len as usize);
    })?;
    if let Some(damage) = loaded.damage.into_iter().next() {
        let crate::Damage { segment, offset, what } = damage;
        return Err(StoreError::Damaged { segment, offset, what });
    }
    copy.finish()?;
    Ok(tail)
}

/// Records on their way into the next journal, some at a time.
struct Copying<'a> {
    journal: &'a Journal,
    tail: &'a mut Tail,
    batch: Vec<Write>,
    bytes: usize,
    failed: Result<(), StoreError>,
}

impl<'a> Copying<'a> {
    fn new(journal: &'a Journal, tail: &'a mut Tail) -> Self {
        Self { journal, tail, batch: Vec::new(), bytes: 0, failed: Ok(()) }
    }

    /// Takes what is left of a record of so many bytes. Once an append failed nothing is kept: the reading goes on to its end.
    fn push(&mut self, writes: Vec<Write>, bytes: usize) {
        if self.failed.is_err() {
            return;
        }
        self.batch.extend(writes);
        self.bytes += bytes;
        if self.bytes >= COPY_BYTES {
            self.failed = append(self.journal, self.tail, &mut self.batch);
            self.bytes = 0;
        }
    }

    fn finish(mut self) -> Result<(), StoreError> {
        self.failed?;
        append(self.journal, self.tail, &mut self.batch)
    }
}

pub(crate) fn append(journal: &Journal, tail: &mut Tail, batch: &mut Vec<Write>) -> Result<(), StoreError> {
    let writes = std::mem::take(batch);
    if writes.is_empty() { Ok(()) } else { journal.append(tail, &writes).map(|_| ()) }
}

impl Packed {
    /// What of a record is not in an archive and still means something.
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

/// Whether what was read back is as much as there is.
fn check_same(kept: &Kept, read: &Read) -> Result<(), StoreError> {
    if let Some(crate::Damage { segment, offset, what }) = read.loaded.damage.first().cloned() {
        return Err(StoreError::Damaged { segment, offset, what });
    }
    let counts = |kept: &Kept| -> BTreeMap<DagId, usize> {
        kept.dags.iter().map(|(dag, (_, order))| (*dag, order.len())).collect()
    };
    let is_same = counts(kept) == counts(&read.kept) && kept.locals.keys().eq(read.kept.locals.keys());
    if is_same && read.loaded.torn.is_none() {
        return Ok(());
    }
    let source = std::io::Error::other("what was written is not what was there");
    Err(StoreError::Io { doing: "compact", path: read.archives.path(0), source })
}

fn bytes_of(journal: &Journal, archives: &Archives) -> Result<u64, StoreError> {
    Ok(journal.bytes()? + archives.known().map(ArchiveRef::size).sum::<u64>())
}

/// Goes on with the new journal and removes the old one.
fn adopt(store: &mut DiskStore, home: Home, format: Format, journal: Journal, tail: Tail, read: Read) {
    let Some(writer) = store.writer.as_mut() else { return };
    let now = Checkpoint { store: format.store, end: tail.end() };
    writer.tail = tail;
    let patience = writer.index_patience;
    let (kept, archives, memory) = (read.kept, read.archives, read.memory.unwrap_or_default());
    // The old one writes in the background until it is dropped.
    *store.index.get_mut() = Box::new(MemoryIndex::default());
    *store.index.get_mut() = match patience {
        Some(patience) => sled_of(&home, &journal, now, patience).unwrap_or_else(|| Box::new(memory)),
        None => Box::new(memory),
    };
    (store.home, store.format, store.journal, store.archives, store.kept) = (home, format, journal, archives, kept);
    remove_leftovers(&store.home, &store.archives, patience.is_none());
}

/// An index in sled of a journal that has none yet.
fn sled_of(home: &Home, journal: &Journal, now: Checkpoint, patience: Duration) -> Option<Box<dyn Index>> {
    let opened = sled_index::begin(home.index(), patience).finish();
    let checked = index_check::check(home, journal, now, Sum::default(), opened, patience);
    checked.inspect_err(|error| tracing::warn!(%error, "the index is kept in memory")).ok().map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, FaultyDisk};
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn nothing_is_gathered_behind_an_append_that_failed() {
        let disk = FaultyDisk::new();
        let journal = Journal::new(Arc::new(disk.clone()), Path::new("/journal").into(), [9; 16]);
        let mut tail = journal.start().unwrap();
        let mut copy = Copying::new(&journal, &mut tail);
        disk.fail(1, Fault::Full);
        for n in 0..64 {
            let value = Some(vec![n; COPY_BYTES / 16]);
            copy.push(vec![Write::Local { key: "key".to_owned(), value }], COPY_BYTES / 16);
            assert!(copy.batch.len() < 16, "{}", copy.batch.len());
        }
        assert!(copy.batch.is_empty());
        assert!(matches!(copy.finish(), Err(StoreError::Full { .. })));
    }
}
