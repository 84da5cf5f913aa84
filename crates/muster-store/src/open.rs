//! Opening a store: version, lock, journal, index; healing what can be healed and saying so.

use crate::StoreError;
use crate::archive::{ArchiveRef, Archives};
use crate::disk::{Disk, RealDisk};
use crate::disk_store::{DiskStore, Kept, Writer};
use crate::format::Format;
use crate::home::Home;
use crate::index::{Checkpoint, Index, MemoryIndex, Row, Sum};
use crate::index_check;
use crate::journal::{Damage, Journal, Loaded};
use crate::record::{Payload, StoreId};
use crate::refind::{self, Refound};
use crate::rewrite::SLICE_BYTES;
use crate::sled_index;
use crate::staged::Staged;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long sled may take to open before it is quarantined. Healthy stores take well under a second.
const INDEX_PATIENCE: Duration = Duration::from_secs(30);

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    store_id: StoreId,
    read_only: bool,
    pub(crate) index_in_memory: bool,
    pub(crate) index_patience: Duration,
    pub(crate) disk: Arc<dyn Disk>,
    slice_bytes: usize,
    now_ms: i64,
}

impl OpenOptions {
    /// For writing. `store_id` is sixteen fresh random bytes, used only if the store is new.
    pub fn write(store_id: StoreId) -> Self {
        let disk = Arc::new(RealDisk);
        Self {
            store_id,
            read_only: false,
            index_in_memory: false,
            index_patience: INDEX_PATIENCE,
            disk,
            slice_bytes: SLICE_BYTES,
            now_ms: 0,
        }
    }

    /// For reading alone: takes no lock, writes nothing, needs no sled, and reads everything that is whole in a damaged
    /// store. Sees what was committed when it was opened.
    pub fn read() -> Self {
        Self { read_only: true, index_in_memory: true, ..Self::write([0; 16]) }
    }

    /// The time, in milliseconds since the Unix epoch: for what is written down for people, nothing else.
    pub fn now_ms(self, now_ms: i64) -> Self {
        Self { now_ms, ..self }
    }

    /// Keeps the index in memory instead of in sled.
    pub fn index_in_memory(self) -> Self {
        Self { index_in_memory: true, ..self }
    }

    /// How long sled may take before it is given up.
    pub fn index_patience(self, index_patience: Duration) -> Self {
        Self { index_patience, ..self }
    }

    /// How many bytes of the journal are written anew in one step of a compaction or an erasure. Fewer make shorter steps, and more
    /// of them.
    pub fn slice_bytes(self, slice_bytes: usize) -> Self {
        Self { slice_bytes, ..self }
    }

    /// Puts journal and home on another disk. sled stays on the real one, so this is best with the index in memory.
    pub fn disk(self, disk: Arc<dyn Disk>) -> Self {
        Self { disk, ..self }
    }
}

/// What opening found and did. Whatever is not plain is for the user to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// Whether the store was made just now.
    pub created: bool,
    /// Entries in the store.
    pub entries: u64,
    /// A commit that was never acknowledged and was cut off.
    pub torn: Option<TornTail>,
    /// Places that cannot be read back. Only a store opened for reading opens with any.
    pub damage: Vec<Damage>,
    /// How the index was found.
    pub index: IndexReport,
    /// Whether the disk is so full that commits will be refused until there is room.
    pub full: bool,
}

/// A commit that was cut off the end of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment's file.
    pub segment: PathBuf,
    /// Where the commit began.
    pub offset: u64,
    /// Bytes that were there.
    pub bytes: u64,
    /// Where they were put, if there was room and the store was opened for writing.
    pub kept: Option<PathBuf>,
}

/// How the index was found at opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexReport {
    /// It agreed with the journal.
    Whole,
    /// It lacked this many rows at its end, as it does after a crash. They were put.
    CaughtUp(u64),
    /// It failed or did not agree. It was moved away and built again from the journal.
    Rebuilt {
        /// Why.
        reason: String,
        /// Where the damaged one is now.
        quarantine: PathBuf,
    },
    /// It was ahead of the journal: acknowledged commits are gone from the journal's end, as after a copy from a backup or
    /// a disk that lied. It was moved away and built again from what is there.
    JournalShort {
        /// Entries and bodies that are gone, at least.
        records: u64,
        /// Where the index that knew them is now.
        quarantine: PathBuf,
    },
    /// It is kept in memory: as asked, or because sled cannot be used now.
    InMemory {
        /// Why, if not as asked.
        reason: Option<String>,
    },
}

/// The journal as read at opening, with the archives that it names.
pub(crate) struct Read {
    pub(crate) loaded: Loaded,
    pub(crate) kept: Kept,
    pub(crate) sum: Sum,
    pub(crate) memory: Option<MemoryIndex>,
    pub(crate) archives: Archives,
}

pub(crate) fn open(dir: &Path, options: OpenOptions) -> Result<(DiskStore, OpenReport), StoreError> {
    let home = home_of(dir, &options);
    if options.read_only {
        let found = refind::format_of(&home)?;
        return open_to_read(home, found, options);
    }
    if let Err(error) = home.read_format() {
        // Whether it can be read at all is to be known by whoever is told that it is damaged.
        return Err(refind::format_of(&home).err().unwrap_or(error));
    }
    open_to_write(home, options)
}

pub(crate) fn home_of(dir: &Path, options: &OpenOptions) -> Home {
    Home::new(Arc::clone(&options.disk), dir).opened_at(options.now_ms)
}

fn open_to_read(home: Home, found: Refound, options: OpenOptions) -> Result<(DiskStore, OpenReport), StoreError> {
    open_to_read_as(home, found, options, |journal| journal).map(|(store, report, _)| (store, report))
}

/// A store opened for reading, and behind which commit its end is not whole, if it is not.
type ToRead = (DiskStore, OpenReport, Option<(u32, u32)>);

/// The same with what is known of its journal.
pub(crate) fn open_to_read_as(
    home: Home,
    (found, wrong): Refound,
    options: OpenOptions,
    known: fn(Journal) -> Journal,
) -> Result<ToRead, StoreError> {
    let format = found.ok_or_else(|| StoreError::NoStore { path: home.path().into() })?;
    let home = home.of(format.generation);
    let journal = known(Journal::new(Arc::clone(&options.disk), home.journal(), format.store));
    // Before ours: whatever was in a later one when it was written had been in ours.
    let later = read_later(&home, format.store);
    let mut read = read_journal(&home, &journal, format.store, true)?;
    check_beginning(&home, &journal, &mut read);
    check_later(&later, &mut read);
    // Before the look whether they are still the store's.
    journal.hold();
    if wrong.is_none()
        && let Some(now) = home.read_format()?.filter(|now| now.generation != format.generation)
    {
        // It was compacted meanwhile, and some or all of what was read had been removed.
        return open_to_read_as(home, (Some(now), None), options, known);
    }
    let unfinished = read.loaded.unfinished();
    let report = OpenReport {
        created: false,
        entries: read.kept.entries,
        torn: read.loaded.torn.as_ref().map(|torn| TornTail {
            segment: torn.segment.clone(),
            offset: torn.offset,
            bytes: torn.bytes.len() as u64,
            kept: None,
        }),
        damage: wrong.into_iter().chain(read.loaded.damage).collect(),
        index: IndexReport::InMemory { reason: None },
        full: false,
    };
    let index: Box<dyn Index> = Box::new(read.memory.unwrap_or_default());
    let index = RefCell::new(index);
    let staged = Staged::default();
    let (kept, archives) = (read.kept, read.archives);
    let store = DiskStore {
        home,
        format,
        journal,
        archives,
        kept,
        index,
        writer: None,
        staged,
        compaction: None,
        erasure: None,
    };
    Ok((store, report, unfinished))
}

fn open_to_write(home: Home, options: OpenOptions) -> Result<(DiskStore, OpenReport), StoreError> {
    home.create()?;
    let lock = lock_and_make_room(&home)?;
    // Read again: whoever had the lock before may have made the store meanwhile.
    let found = home.read_format()?;
    let format = found.filter(|found| !found.is_old());
    let format = format.unwrap_or_else(|| Format::plain(found.map_or(options.store_id, |found| found.store)));
    let (store, home) = (format.store, home.of(format.generation));
    if found != Some(format) {
        if found.is_some() && !options.index_in_memory {
            // Its rows are of another form. What is left of it would be put aside as damaged.
            let _ = std::fs::remove_dir_all(home.index());
        }
        // Before anything is written that an older version would take for damage.
        home.write_format(format)?;
    }
    // sled reads its files while we read ours.
    let opening = (!options.index_in_memory).then(|| sled_index::begin(home.index(), options.index_patience));
    let journal = Journal::new(options.disk, home.journal(), store);
    let mut read = read_journal(&home, &journal, store, options.index_in_memory)?;
    check_beginning(&home, &journal, &mut read);
    check_later(&read_later(&home, store), &mut read);
    if let Some(Damage { segment, offset, what }) = read.loaded.damage.first().cloned() {
        return Err(StoreError::Damaged { segment, offset, what });
    }
    let opened = opening.map(sled_index::Opening::finish);
    if let Some(Ok(opened)) = &opened
        && let Some(end) = read.loaded.unfinished()
        && opened.is_ahead(Checkpoint { store, end })
    {
        // What is not whole was acknowledged. A repair keeps what can be read of it.
        let (what, segment) = ("the end of an acknowledged commit is missing", journal.path(end.0.max(1)));
        return Err(StoreError::Damaged { segment, offset: end.1.into(), what });
    }
    let torn = read.loaded.torn.as_ref().map(|torn| TornTail {
        segment: torn.segment.clone(),
        offset: torn.offset,
        bytes: torn.bytes.len() as u64,
        kept: home.keep_torn(torn),
    });
    let tail = journal.begin(std::mem::take(&mut read.loaded))?;
    home.sync()?;
    remove_leftovers(&home, &read.archives, options.index_in_memory);
    let (index, index_report) = match opened {
        Some(opened) => {
            let now = Checkpoint { store, end: tail.end() };
            index_check::check(&home, &journal, now, read.sum, opened, options.index_patience)?
        }
        None => {
            let index: Box<dyn Index> = Box::new(read.memory.take().unwrap_or_default());
            (index, IndexReport::InMemory { reason: None })
        }
    };
    let reserve = home.keep_reserve();
    let report = OpenReport {
        created: found.is_none(),
        entries: read.kept.entries,
        torn,
        damage: Vec::new(),
        index: index_report,
        full: !reserve,
    };
    let index_patience = (!options.index_in_memory).then_some(options.index_patience);
    let writer =
        Some(Writer { tail, reserve, poisoned: false, index_patience, slice_bytes: options.slice_bytes, _lock: lock });
    let (index, staged) = (RefCell::new(index), Staged::default());
    let (kept, archives) = (read.kept, read.archives);
    let store =
        DiskStore { home, format, journal, archives, kept, index, writer, staged, compaction: None, erasure: None };
    if matches!(store.count_lost(), Ok(None)) {
        // Everything is here again, or nothing ever was gone. It is only a note.
        let _ = store.home.forget_lost();
    }
    Ok((store, report))
}

/// Takes the home, and gives the reserve up if the disk is as good as full: never that of another process.
fn lock_and_make_room(home: &Home) -> Result<Box<dyn Send>, StoreError> {
    let lock = home.lock().or_else(|error| match error {
        // There was no room for the file itself, so nobody has it.
        StoreError::Full { .. } => {
            home.make_room();
            home.lock()
        }
        error => Err(error),
    })?;
    home.make_room();
    Ok(lock)
}

/// The journals of later generations, as far as they can be read: what an interrupted compaction left, or, in a copy that was
/// made while one ended, the store itself.
fn read_later(home: &Home, store: StoreId) -> Vec<(PathBuf, Kept)> {
    let later = home.generations("journal").unwrap_or_default().into_iter().filter(|other| *other > home.generation());
    let read = later.filter_map(|generation| {
        let home = home.of(generation);
        let journal = Journal::new(home.shared_disk(), home.journal(), store);
        read_journal(&home, &journal, store, false).ok().map(|read| (home.journal(), read.kept))
    });
    read.collect()
}

/// Notes where a later journal holds what ours does not: it is the store's, and not to be removed.
fn check_later(later: &[(PathBuf, Kept)], read: &mut Read) {
    for (segment, kept) in later.iter().filter(|(_, kept)| kept.has_more_than(&read.kept)) {
        tracing::debug!(entries = kept.entries, here = read.kept.entries, "a later journal holds more");
        let what = "this journal holds entries that the one named by `format` does not";
        read.loaded.damage.push(Damage { segment: segment.clone(), offset: 0, what });
    }
}

/// Notes where a journal that a compaction or a repair made lacks its beginning: it is no new one, and what it named is not to
/// be removed.
fn check_beginning(home: &Home, journal: &Journal, read: &mut Read) {
    if home.generation() > 1 && read.loaded.damage.is_empty() {
        let are_archives = !Archives::present(home.disk(), &home.archives()).is_empty();
        read.loaded.damage.extend(read.loaded.missing_beginning(journal, are_archives));
    }
}

/// Reads the whole journal and every block of the archives that it names.
pub(crate) fn read_journal(
    home: &Home,
    journal: &Journal,
    store: StoreId,
    with_index: bool,
) -> Result<Read, StoreError> {
    let (mut kept, mut sum, mut memory) = (Kept::default(), Sum::default(), with_index.then(MemoryIndex::default));
    let mut archives = Archives::new(home.shared_disk(), home.archives(), store);
    let mut damage = Vec::new();
    let mut loaded = journal.load(&mut |position, record| {
        if let Payload::Archive(archive) = &record.payload {
            read_archive(&mut archives, archive, &mut kept, &mut damage);
        }
        kept.take_in(&record.payload, position);
        let Some(row) = Row::of(&record.payload, position) else { return };
        match &mut memory {
            Some(index) => index.insert(row),
            None => sum.add_row(&row),
        }
    })?;
    loaded.damage.append(&mut damage);
    Ok(Read { loaded, kept, sum, memory, archives })
}

fn read_archive(archives: &mut Archives, archive: &ArchiveRef, kept: &mut Kept, damage: &mut Vec<Damage>) {
    archives.read_all(archive, &mut |slot, row| kept.take_in_archived(row, slot), &mut |segment, offset, what| {
        damage.push(Damage { segment, offset, what });
    });
    archives.learn(archive.clone());
}

/// Removes what a compaction left behind that was interrupted: journals, indexes and archives that are no longer or not yet
/// part of the store. What cannot be removed now is found again.
pub(crate) fn remove_leftovers(home: &Home, archives: &Archives, index_in_memory: bool) {
    let other = |generation: &u32| *generation != home.generation();
    for generation in home.generations("journal").unwrap_or_default().into_iter().filter(other) {
        Journal::remove(home.disk(), &home.of(generation).journal());
    }
    if !index_in_memory {
        for generation in home.generations("index").unwrap_or_default().into_iter().filter(other) {
            let _ = std::fs::remove_dir_all(home.of(generation).index());
        }
    }
    let is_known = |number: &u32| archives.known().any(|archive| archive.number == *number);
    let present = Archives::present(home.disk(), &home.archives()).into_iter();
    let unnamed: Vec<u32> = present.filter(|number| !is_known(number)).collect();
    for number in &unnamed {
        drop(home.disk().remove(&archives.path(*number)));
    }
    if !unnamed.is_empty() {
        drop(archives.sync_dir());
    }
}
