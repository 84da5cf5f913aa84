//! Writing the journal anew, a slice at a time, while the store is in use: the next generation.
//!
//! What is to be left out is decided by [`crate::compact`] and [`crate::erase`]. A slice is copied, and read back as at opening;
//! what is committed meanwhile goes into the old journal and is copied like everything else. Only when all is copied, `format` is
//! replaced. Until then none of it counts: whoever fails or is killed leaves the old journal as the store, with all that was
//! committed (`docs/storage.md`, "Compaction").

use crate::archive::{ArchiveRef, Archives, Reading};
use crate::disk_store::{DiskStore, Kept};
use crate::format::Format;
use crate::home::{FORMAT, Home};
use crate::index::{Checkpoint, Index, MemoryIndex, Row};
use crate::journal::{Cursor, Journal, Tail};
use crate::open::remove_leftovers;
use crate::record::{Contents, Copied, Payload, Record};
use crate::sled_index;
use crate::{StoreError, Write};
use std::time::Duration;

/// Bytes of the journal that are copied and read back in one step: some hundredths of a second.
pub(crate) const SLICE_BYTES: usize = 1024 * 1024;

/// So many times as much as may be left for the last step, which switches too, is a slice.
const RESTS_A_SLICE: usize = 4;

/// What of a record goes into the next journal.
pub(crate) enum Left {
    /// All of it, as it is.
    AsItIs,
    /// Only this.
    Only(Vec<Write>),
}

/// Says what is left of a record; the second argument says of a local fact whether it still stands.
pub(crate) type LeftOf<'a> = &'a dyn Fn(&Payload<'_>, &dyn Fn(&str) -> bool) -> Left;

/// One record of the next journal.
enum Piece {
    Copied(Copied),
    Write(Write),
}

/// A journal of the next generation on its way.
pub(crate) struct Rewriting {
    home: Home,
    format: Format,
    journal: Journal,
    tail: Tail,
    slice_bytes: usize,
    /// Where the old journal ended when this began. What is behind was not known then, and is copied whatever it is.
    begun: (u32, u32),
    /// How far the old journal is copied.
    copied: Cursor,
    /// How far the new one is read back.
    read: Cursor,
    /// The archives that the new one names, those to be read back yet last to first, and the one that is being read.
    archives: Archives,
    unread: Vec<ArchiveRef>,
    reading: Option<Reading>,
    kept: Kept,
    index: Box<dyn Index>,
}

impl Rewriting {
    /// Begins the next generation, with these archives: what they hold is older than what follows.
    pub(crate) fn begin(store: &DiskStore, archives: Vec<ArchiveRef>) -> Result<Self, StoreError> {
        let format = Format { version: FORMAT, generation: store.format.generation.saturating_add(1), ..store.format };
        let home = store.home.of(format.generation);
        let journal = Journal::new(home.shared_disk(), home.journal(), format.store);
        let Some(writer) = &store.writer else { return Err(StoreError::ReadOnly { path: store.path().into() }) };
        let index = fresh_index(&home, writer.index_patience);
        let mut tail = journal.start()?;
        if !archives.is_empty() {
            journal.append_archives(&mut tail, &archives)?;
        }
        let mut known = Archives::new(home.shared_disk(), home.archives(), format.store);
        archives.iter().cloned().for_each(|archive| known.learn(archive));
        Ok(Self {
            home,
            format,
            journal,
            tail,
            slice_bytes: writer.slice_bytes.max(1),
            begun: writer.tail.end(),
            copied: Cursor::begin(),
            read: Cursor::begin(),
            archives: known,
            unread: archives.into_iter().rev().collect(),
            reading: None,
            kept: Kept::default(),
            index,
        })
    }

    /// Reads the next block of the archives back, or copies the next slice.
    pub(crate) fn step(&mut self, store: &DiskStore, left: LeftOf<'_>) -> Result<(), StoreError> {
        if self.read_archives()? {
            return Ok(());
        }
        let end = self.end_of(store)?;
        self.copy(store, left, end)
    }

    /// Whether so little is left that it goes with the last step, [`Rewriting::switch`].
    pub(crate) fn is_near_end(&self, store: &DiskStore) -> Result<bool, StoreError> {
        let ((segment, offset), end) = (self.copied.place(), self.end_of(store)?);
        let is_near = segment == end.0 && end.1.saturating_sub(offset) as usize <= self.slice_bytes / RESTS_A_SLICE;
        Ok(is_near && self.unread.is_empty() && self.reading.is_none())
    }

    /// Copies what is left and makes the new journal the truth. Answers the bytes of journal and archives before and afterwards.
    pub(crate) fn switch(mut self, store: &mut DiskStore, left: LeftOf<'_>) -> Result<(u64, u64), StoreError> {
        let end = self.end_of(store)?;
        while self.copied.place() < end {
            self.copy(store, left, end)?;
        }
        self.check_same(store)?;
        let bytes_before = bytes_of(&store.journal, &store.archives)?;
        let bytes_after = bytes_of(&self.journal, &self.archives)?;
        self.home.write_format(self.format).map_err(|error| not_switched(store, error))?;
        // From here on the new journal is the store: whatever fails now may not give the rewriting up.
        self.adopt(store);
        Ok((bytes_before, bytes_after))
    }

    fn end_of(&self, store: &DiskStore) -> Result<(u32, u32), StoreError> {
        let writer = store.writer.as_ref().filter(|writer| !writer.poisoned);
        writer.map(|writer| writer.tail.end()).ok_or(StoreError::Poisoned)
    }

    /// Reads the next block of the archives back; false where there is none left.
    fn read_archives(&mut self) -> Result<bool, StoreError> {
        loop {
            if self.reading.is_none() {
                let Some(archive) = self.unread.pop() else { return Ok(false) };
                self.reading = Some(self.archives.begin_reading(&archive)?);
            }
            let kept = &mut self.kept;
            if let Some(reading) = &mut self.reading
                && self.archives.read_on(reading, &mut |slot, row| kept.take_in_archived(row, slot))?
            {
                return Ok(true);
            }
            self.reading = None;
        }
    }

    /// Copies a slice of the old journal, and reads it back.
    fn copy(&mut self, store: &DiskStore, left: LeftOf<'_>, end: (u32, u32)) -> Result<(), StoreError> {
        let (begun, mut pieces) = (self.begun, Vec::new());
        self.copied = store.journal.read_on(self.copied, end, self.slice_bytes, &mut |position, record| {
            let is_new = (position.segment, position.offset) >= begun;
            let is_live = |key: &str| is_new || store.kept.locals.get(key) == Some(&position);
            pieces_left(record, left(&record.payload, &is_live), &mut pieces);
        })?;
        if !pieces.is_empty() {
            self.journal.append_each(&mut self.tail, &pieces, |piece| match piece {
                Piece::Copied(copied) => Contents::Copied(copied),
                Piece::Write(write) => Contents::Write(write),
            })?;
        }
        self.read_back()
    }

    fn read_back(&mut self) -> Result<(), StoreError> {
        let (end, mut rows) = (self.tail.end(), Vec::new());
        while self.read.place() < end {
            let kept = &mut self.kept;
            self.read = self.journal.read_on(self.read, end, usize::MAX, &mut |position, record| {
                kept.take_in(&record.payload, position);
                rows.extend(Row::of(&record.payload, position));
            })?;
        }
        let checkpoint = Checkpoint { store: self.format.store, end };
        self.put(rows, checkpoint)
    }

    /// Gives the rows to the index; one that fails is replaced by one in memory.
    fn put(&mut self, rows: Vec<Row>, checkpoint: Checkpoint) -> Result<(), StoreError> {
        if let Err(failed) = self.index.put(rows, checkpoint) {
            tracing::warn!(reason = %failed, "the index failed, going on with one in memory");
            self.index = Box::new(MemoryIndex::of(&self.journal)?);
        }
        Ok(())
    }

    /// Whether what was read back is as much as there is.
    fn check_same(&self, store: &DiskStore) -> Result<(), StoreError> {
        let counts = |kept: &Kept| kept.dags.iter().map(|(dag, (_, order))| (*dag, order.len())).collect::<Vec<_>>();
        let is_same = counts(&store.kept) == counts(&self.kept) && store.kept.locals.keys().eq(self.kept.locals.keys());
        if is_same {
            return Ok(());
        }
        let source = std::io::Error::other("what was written is not what was there");
        Err(StoreError::Io { doing: "write anew", path: self.home.journal(), source })
    }

    /// Goes on with the new journal and removes the old one.
    fn adopt(self, store: &mut DiskStore) {
        let Some(writer) = store.writer.as_mut() else { return };
        writer.tail = self.tail;
        let is_in_memory = writer.index_patience.is_none();
        // What waits for the old one is of no use any more.
        std::mem::replace(store.index.get_mut(), self.index).abandon();
        (store.home, store.format, store.journal) = (self.home, self.format, self.journal);
        (store.archives, store.kept) = (self.archives, self.kept);
        remove_leftovers(&store.home, &store.archives, is_in_memory);
    }
}

/// An index of the next generation, in sled where that can be used, without any row.
fn fresh_index(home: &Home, patience: Option<Duration>) -> Box<dyn Index> {
    let Some(patience) = patience else { return Box::new(MemoryIndex::default()) };
    // One that was left behind would be taken for damaged when it is held against this journal.
    let _ = std::fs::remove_dir_all(home.index());
    match sled_index::begin(home.index(), patience).finish() {
        Ok(opened) if opened.checkpoint.is_none() && opened.sum.rows == 0 => return Box::new(opened.index),
        Ok(_) => tracing::warn!("an old index cannot be removed, going on with one in memory"),
        Err(failed) => tracing::warn!(reason = %failed.reason, "the index is kept in memory"),
    }
    Box::new(MemoryIndex::default())
}

fn pieces_left(record: &Record<'_>, left: Left, pieces: &mut Vec<Piece>) {
    match left {
        Left::AsItIs => pieces.push(Piece::Copied(record.copy())),
        Left::Only(writes) => pieces.extend(writes.into_iter().map(Piece::Write)),
    }
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

fn bytes_of(journal: &Journal, archives: &Archives) -> Result<u64, StoreError> {
    Ok(journal.bytes()? + archives.known().map(ArchiveRef::size).sum::<u64>())
}
