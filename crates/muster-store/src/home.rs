//! The files around the journal: format, lock, reserve, quarantine (`docs/storage.md`).

use crate::disk::{Disk, How, read_up_to, write_all};
use crate::record::StoreId;
use crate::{StoreError, journal::Torn};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The store format this version writes, and the newest it reads.
pub const FORMAT: u64 = 2;

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
}

impl Home {
    pub(crate) fn new(disk: Arc<dyn Disk>, path: &Path) -> Self {
        Self { disk, path: path.to_path_buf() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    pub(crate) fn tail(&self) -> PathBuf {
        self.path.join("tail")
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> StoreError + '_ {
        move |error| StoreError::io(doing, &self.path, error)
    }

    /// The store's id, none where there is no store yet. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Newer`], or [`StoreError::Damaged`] where the file is not one of ours.
    pub(crate) fn read_format(&self) -> Result<Option<StoreId>, StoreError> {
        Ok(self.read_version()?.map(|(_, store)| store))
    }

    /// As [`Home::read_format`], with the version of the format.
    pub(crate) fn read_version(&self) -> Result<Option<(u64, StoreId)>, StoreError> {
        let path = self.path.join("format");
        let damaged = |what| StoreError::Damaged { segment: path.clone(), offset: 0, what };
        let Some(text) = self.read_text("format")? else {
            if crate::journal::Journal::exists(&*self.disk, &self.journal())? {
                return Err(damaged("the file is missing beside a journal"));
            }
            return Ok(None);
        };
        let mut lines = text.lines();
        let version = lines.next().and_then(|line| line.strip_prefix("muster-store ")?.parse().ok());
        let version = match version {
            None => return Err(damaged("this is not the format of a store")),
            Some(found) if found > FORMAT => {
                return Err(StoreError::Newer { path: self.path.clone(), found, known: FORMAT });
            }
            Some(version) => version,
        };
        let id = lines.next().and_then(|line| read_hex(line.strip_prefix("store ")?));
        id.map(|id| Some((version, id))).ok_or_else(|| damaged("the store id is not readable"))
    }

    /// Makes the directory.
    pub(crate) fn create(&self) -> Result<(), StoreError> {
        self.disk.create_dir(&self.path).map_err(self.failed("create"))
    }

    /// Writes the format of a new store, or of one that is written to in this version's way from now on; durably.
    pub(crate) fn write_format(&self, id: StoreId) -> Result<(), StoreError> {
        let text = format!("muster-store {FORMAT}\nstore {}\n", hex(&id));
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

    /// Whether a small commit would find room beside the reserve. A disk that cannot say is taken at its word later.
    pub(crate) fn has_room(&self) -> bool {
        self.disk.free(&self.path).map_or(true, |free| free >= COMMIT_ROOM_BYTES)
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

    /// Keeps the bytes of a torn tail, where there is room. They were never acknowledged.
    pub(crate) fn keep_torn(&self, torn: &Torn) -> Option<PathBuf> {
        let dir = self.next_quarantine().ok()?;
        let segment = torn.segment.file_stem()?.to_str()?;
        let path = dir.join(format!("torn-{segment}-{}", torn.offset));
        self.disk.create_dir(&dir).ok()?;
        let file = self.disk.open(&path, How::Create).ok()?;
        write_all(&*file, &torn.bytes, 0).ok().map(|()| path)
    }

    fn next_quarantine(&self) -> Result<PathBuf, StoreError> {
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

pub(crate) fn hex(id: &StoreId) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_hex(text: &str) -> Option<StoreId> {
    let number = u128::from_str_radix(text, 16).ok()?.to_be_bytes();
    (hex(&number) == text).then_some(number)
}
