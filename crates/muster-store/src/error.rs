//! What can go wrong with a store, by who must act.

use muster_log::EntryId;
use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process writes to this home.
    #[error("the home {} is in use by another process{}", path.display(), pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    InUse {
        /// The home.
        path: PathBuf,
        /// The other process, where its lock file tells.
        pid: Option<u32>,
    },
    /// The home was written by a newer muster. Nothing was touched.
    #[error("the home {} has store format {found}, this muster knows up to {known}", path.display())]
    Newer {
        /// The home.
        path: PathBuf,
        /// The format found.
        found: u64,
        /// The newest format this version reads.
        known: u64,
    },
    /// Asked to read a home in which there is no store.
    #[error("there is no store in {}", path.display())]
    NoStore {
        /// The home.
        path: PathBuf,
    },
    /// The home cannot be written to, or was opened for reading.
    #[error("{} is read-only", path.display())]
    ReadOnly {
        /// The home, or the file in it that cannot be written.
        path: PathBuf,
    },
    /// No space is left. What was staged is dropped; reads go on; a later commit may succeed.
    #[error("the disk that holds {} is full, nothing was written", path.display())]
    Full {
        /// The home, or the file in it for which there was no room.
        path: PathBuf,
    },
    /// A place that was once written and synced cannot be read back. Opening for reading gives everything else.
    #[error("{} is damaged at offset {offset}: {what}", segment.display())]
    Damaged {
        /// The file.
        segment: PathBuf,
        /// Bytes from its beginning.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// `format` is damaged, or names a journal that is gone, and none is there that tells more. Nothing was changed.
    #[error("the file format of the store in {} is of no use ({what}), and no journal beside it tells what it should say", path.display())]
    NoJournal {
        /// The home.
        path: PathBuf,
        /// What is wrong with the file.
        what: &'static str,
    },
    /// A file of the store cannot be read, and what is in it must not be taken for lost. Nothing was changed.
    #[error("{} cannot be read, so that what is in it could not be kept", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A write or sync failed before; nothing more is accepted until the store is opened again.
    #[error("an earlier write to the store failed, it must be opened again")]
    Poisoned,
    /// The caller staged something that no record can hold.
    #[error("{what} is {found} bytes, at most {limit} are allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        found: u64,
        /// The most allowed, in bytes.
        limit: u64,
    },
    /// The caller staged a signature for an entry that is neither stored nor staged.
    #[error("the entry {entry} is not in the store")]
    UnknownEntry {
        /// The entry.
        entry: EntryId,
    },
    /// The environment failed.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done, as an infinitive.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// Sorts a failure of the system: read-only and full have answers of their own.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly { path: path.into() },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path: path.into() },
            _ => Self::Io { doing, path: path.into(), source },
        }
    }
}
