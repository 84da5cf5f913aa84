//! The files around the journal: format, lock, reserve, quarantine (`docs/storage.md`). What `format` says is in [`crate::format`].

use crate::StoreError;
use crate::disk::{Disk, How, read_up_to, write_all};
use crate::format::{Format, Unread};
use crate::journal::{Journal, Torn};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The newest store format this version reads, and writes where something was compacted.
pub const FORMAT: u64 = 3;

/// Bytes kept free for hard times: enough for sled's files and a snapshot of a large index.
pub const RESERVE_BYTES: u64 = 16 * 1024 * 1024;

/// Free bytes below which opening gives the reserve up, so that lock and index find room.
const LOW_SPACE_BYTES: u64 = 4 * 1024 * 1024;

/// Free bytes that a small commit needs: an entry of 8 KiB and a body of 16 KiB with their records, and whole blocks.
const COMMIT_ROOM_BYTES: u64 = 64 * 1024;

/// Bytes read of a text file. Ours are far shorter.
const TEXT_BYTES_MAX: usize = 1024;

/// One store's directory.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    generation: u32,
    opened_ms: i64,
}

impl Home {
    pub(crate) fn new(disk: Arc<dyn Disk>, path: &Path) -> Self {
        Self { disk, path: path.to_path_buf(), generation: 1, opened_ms: 0 }
    }

    /// Opened at this time (milliseconds since the Unix epoch): for what is written down for people, nothing else.
    pub(crate) fn opened_at(self, opened_ms: i64) -> Self {
        Self { opened_ms, ..self }
    }

    pub(crate) fn opened_ms(&self) -> i64 {
        self.opened_ms
    }

    /// The same directory with its journal of another generation.
    pub(crate) fn of(&self, generation: u32) -> Self {
        Self { generation, ..self.clone() }
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join(self.of_generation("journal"))
    }

    pub(crate) fn archives(&self) -> PathBuf {
        self.path.join("archives")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.path.join(self.of_generation("index"))
    }

    /// The first of its name has no number, as before there were more.
    fn of_generation(&self, name: &str) -> String {
        if self.generation == 1 { name.to_owned() } else { format!("{name}-{}", self.generation) }
    }

    pub(crate) fn tail(&self) -> PathBuf {
        self.path.join("tail")
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(crate) fn shared_disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk)
    }

    fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> StoreError + '_ {
        move |error| StoreError::io(doing, &self.path, error)
    }

    /// What `format` says, none where there is no store yet. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Newer`], or [`StoreError::Damaged`] where the file is not one of ours or its journal is not there.
    pub(crate) fn read_format(&self) -> Result<Option<Format>, StoreError> {
        let path = self.path.join("format");
        let damaged = |what| StoreError::Damaged { segment: path.clone(), offset: 0, what };
        let Some(text) = self.read_text("format")? else {
            if self.has_other_journal(0)? {
                return Err(damaged("the file is missing beside a journal"));
            }
            return Ok(None);
        };
        let format = Format::read(&text).map_err(|unread| match unread {
            Unread::Newer(found) => StoreError::Newer { path: self.path.clone(), found, known: FORMAT },
            Unread::Damaged(what) => damaged(what),
        })?;
        let generation = format.generation;
        let journal = self.of(generation).journal();
        // A new store without any segment is one that was killed while it was made. One that was compacted had some, and beside
        // another journal it had some too.
        if !Journal::exists(&*self.disk, &journal)? && (generation > 1 || self.has_other_journal(generation)?) {
            if self.read_text("format")?.is_some_and(|now| now != text) {
                // Somebody compacted the store between the two looks.
                return self.read_format();
            }
            return Err(damaged("the journal that it names is missing"));
        }
        // A journal says whose it is with a checksum of its own. Who took it for another store's would find no record in it.
        if !Journal::may_belong_to(&*self.disk, &journal, format.store) {
            return Err(damaged("the journal is of another store"));
        }
        Ok(Some(format))
    }

    /// Whether any journal but that of `generation` has segments.
    fn has_other_journal(&self, generation: u32) -> Result<bool, StoreError> {
        for other in self.generations("journal")?.into_iter().filter(|other| *other != generation) {
            if Journal::exists(&*self.disk, &self.of(other).journal())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The generations of which there is a directory of this name.
    pub(crate) fn generations(&self, name: &str) -> Result<Vec<u32>, StoreError> {
        let names = match self.disk.list(&self.path) {
            Ok(names) => names,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(self.failed("list")(error)),
        };
        let number = |found: &String| match found.strip_prefix(name)? {
            "" => Some(1),
            rest => rest.strip_prefix('-')?.parse().ok().filter(|generation| *generation > 1),
        };
        Ok(names.iter().filter_map(number).collect())
    }

    /// Makes the directory.
    pub(crate) fn create(&self) -> Result<(), StoreError> {
        self.disk.create_dir(&self.path).map_err(self.failed("create"))
    }

    /// Writes `format`, durably: from then on the store is what it says.
    pub(crate) fn write_format(&self, format: Format) -> Result<(), StoreError> {
        let text = format.text();
        let new = self.path.join("format.new");
        let written = self.disk.open(&new, How::Create).and_then(|file| {
            write_all(&*file, text.as_bytes(), 0)?;
            file.sync()
        });
        written.map_err(self.failed("write to"))?;
        self.disk.rename(&new, &self.path.join("format")).map_err(self.failed("write to"))?;
        self.sync()
    }

    /// Makes the names in the home durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.disk.sync_dir(&self.path).map_err(self.failed("sync"))
    }

    /// Takes the home for this process.
    pub(crate) fn lock(&self) -> Result<Box<dyn Send>, StoreError> {
        self.disk.lock(&self.path.join("lock")).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                let pid = self.read_text("lock").ok().flatten().and_then(|text| text.trim().parse().ok());
                StoreError::InUse { path: self.path.clone(), pid }
            }
            _ => StoreError::io("lock", &self.path, error),
        })
    }

    /// Gives the reserve up if the disk is as good as full.
    pub(crate) fn make_room(&self) {
        if self.disk.free(&self.path).is_ok_and(|free| free < LOW_SPACE_BYTES)
            && self.disk.remove(&self.path.join("reserve")).is_ok()
        {
            tracing::warn!("the disk is full, the reserve was given up to start");
        }
    }

    /// Whether a small commit and `bytes` more, with their records and the index's rows, would find room beside the reserve.
    /// A disk that cannot say is taken at its word later.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let needed = COMMIT_ROOM_BYTES.saturating_add(bytes.saturating_mul(2));
        self.disk.free(&self.path).map_or(true, |free| free >= needed)
    }

    /// Whether the reserve stands, after trying to make it. A file system that cannot promise room has none to keep.
    pub(crate) fn keep_reserve(&self) -> bool {
        let path = self.path.join("reserve");
        let there = self.disk.open(&path, How::Read).and_then(|file| file.size());
        if there.is_ok_and(|len| len >= RESERVE_BYTES) {
            return true;
        }
        match self.disk.reserve(&path, RESERVE_BYTES) {
            Ok(()) => true,
            Err(error) => !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded),
        }
    }

    /// Moves the index out of the way.
    pub(crate) fn quarantine_index(&self) -> Result<PathBuf, StoreError> {
        let to = self.next_quarantine()?;
        // Always the system's own files: sled knows no others.
        std::fs::rename(self.index(), &to).map_err(self.failed("rename the index of"))?;
        Ok(to)
    }

    /// Keeps the bytes of a torn tail, where there is room, before they are cut off. They were never acknowledged.
    pub(crate) fn keep_torn(&self, torn: &Torn) -> Option<PathBuf> {
        let dir = self.next_quarantine().ok()?;
        let segment = torn.segment.file_stem()?.to_str()?;
        let path = dir.join(format!("torn-{segment}-{}", torn.offset));
        self.disk.create_dir(&dir).ok()?;
        let file = self.disk.open(&path, How::Create).ok()?;
        write_all(&*file, &torn.bytes, 0).and_then(|()| file.sync()).ok()?;
        self.disk.sync_dir(&dir).ok()?;
        self.sync().ok().map(|()| path)
    }

    pub(crate) fn next_quarantine(&self) -> Result<PathBuf, StoreError> {
        let names = self.disk.list(&self.path).map_err(self.failed("list"))?;
        let numbers = names.iter().filter_map(|name| name.strip_prefix("quarantine-")?.parse::<u64>().ok());
        let next = numbers.max().unwrap_or(0).saturating_add(1);
        Ok(self.path.join(format!("quarantine-{next}")))
    }

    fn read_text(&self, name: &str) -> Result<Option<String>, StoreError> {
        let path = self.path.join(name);
        let file = match self.disk.open(&path, How::Read) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(StoreError::io("open", &path, error)),
        };
        let bytes = read_up_to(&*file, 0, TEXT_BYTES_MAX).map_err(|error| StoreError::io("read", &path, error))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}
