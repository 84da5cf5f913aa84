//! Putting files aside as they are: a second name for each in the quarantine, a copy only where the file system knows none.
//!
//! Nothing is skipped and nothing made up: a file that cannot be opened, or not be copied to its last byte, is an error. Which
//! files, and when the first name goes, is in [`crate::repair`].

use crate::StoreError;
use crate::disk::{Disk, How, read_up_to, write_all};
use std::io;
use std::path::{Path, PathBuf};

/// Bytes that are copied at a time.
const COPY_STEP: usize = 1024 * 1024;

/// The files of a directory that are the store's: with this ending. None where there is no such directory.
///
/// # Errors
/// Those of listing.
pub(crate) fn files(disk: &dyn Disk, dir: &Path, ending: &str) -> Result<Vec<PathBuf>, StoreError> {
    let names = match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names.map_err(|error| StoreError::io("list", dir, error))?,
    };
    Ok(names.into_iter().filter(|name| name.ends_with(ending)).map(|name| dir.join(name)).collect())
}

/// Whether every file can be opened. What is in one that cannot must not be taken for lost.
///
/// # Errors
/// [`StoreError::Unreadable`].
pub(crate) fn check_readable(disk: &dyn Disk, files: &[PathBuf]) -> Result<(), StoreError> {
    for path in files {
        disk.open(path, How::Read).map_err(|source| StoreError::Unreadable { path: path.clone(), source })?;
    }
    Ok(())
}

/// Whether a file can be read from its first byte to its last now.
pub(crate) fn is_readable(disk: &dyn Disk, path: &Path) -> bool {
    let Ok(file) = disk.open(path, How::Read) else { return false };
    let Ok(size) = file.size() else { return false };
    (0..size).step_by(COPY_STEP).all(|at| read_up_to(&*file, at, COPY_STEP).is_ok())
}

/// Puts the files into the directory `to`, durably but for the name of `to` itself.
///
/// # Errors
/// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Unreadable`].
pub(crate) fn put_aside(disk: &dyn Disk, files: &[PathBuf], to: &Path) -> Result<(), StoreError> {
    if files.is_empty() {
        return Ok(());
    }
    disk.create_dir(to).map_err(|error| StoreError::io("create", to, error))?;
    for from in files {
        let path = to.join(from.file_name().unwrap_or_default());
        if disk.link(from, &path).is_err() {
            copy(disk, from, &path)?;
        }
    }
    disk.sync_dir(to).map_err(|error| StoreError::io("sync", to, error))
}

fn copy(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), StoreError> {
    let unreadable = |source| StoreError::Unreadable { path: from.into(), source };
    let failed = |error| StoreError::io("write to", to, error);
    let source = disk.open(from, How::Read).map_err(unreadable)?;
    let copy = disk.open(to, How::Create).map_err(failed)?;
    let mut at = 0;
    loop {
        let bytes = read_up_to(&*source, at, COPY_STEP).map_err(unreadable)?;
        if bytes.is_empty() {
            return copy.sync().map_err(failed);
        }
        write_all(&*copy, &bytes, at).map_err(failed)?;
        at += bytes.len() as u64;
    }
}
