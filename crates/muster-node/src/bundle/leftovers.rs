//! Files under way beside the one that they are to be, and those that a killed process left behind.
//!
//! Whoever writes one holds a lock on it, which goes with the process however that ends. So the next who writes into the
//! same directory can tell what nobody writes any more.

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open};
use rustix::process::geteuid;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tempfile::NamedTempFile;

/// What the names of such files begin with.
const PREFIX: &str = ".muster-bundle-";

/// Letters and digits behind it.
const RANDOM_CHARS: usize = 6;

/// Names of a directory that are looked at. Who writes into a larger one has other troubles than a leftover.
const NAMES_MAX: usize = 100_000;

/// How often a new file is made again because somebody took it for a leftover before it was locked.
const TRIES_MAX: usize = 16;

/// Begins a file in a directory, locked, for the owner only.
pub(super) fn begin_in(dir: &Path) -> io::Result<NamedTempFile> {
    for _ in 0..TRIES_MAX {
        let file = tempfile::Builder::new().prefix(PREFIX).rand_bytes(RANDOM_CHARS).tempfile_in(dir)?;
        // A file system without locks has nobody who could take it away either.
        let _ = flock(file.as_file(), FlockOperation::LockExclusive);
        if fstat(file.as_file())?.st_nlink > 0 {
            return Ok(file);
        }
    }
    Err(io::Error::other("its files are taken away as soon as they are made"))
}

/// Removes what killed processes of this user left in a directory. Nothing where that is in doubt.
pub(super) fn sweep(dir: &Path) {
    let Ok(names) = fs::read_dir(dir) else { return };
    for entry in names.take(NAMES_MAX).flatten().filter(|entry| is_name(&entry.file_name())) {
        // What cannot be looked at or removed stays, and hinders nobody.
        let _ = remove_unless_written(&entry.path());
    }
}

fn is_name(name: &OsStr) -> bool {
    let random = name.as_bytes().strip_prefix(PREFIX.as_bytes());
    random.is_some_and(|random| random.len() == RANDOM_CHARS && random.iter().all(u8::is_ascii_alphanumeric))
}

fn remove_unless_written(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let is_ours = found.is_file() && found.uid() == geteuid().as_raw() && found.nlink() == 1;
    if !is_ours || found.mode() & 0o7777 != 0o600 {
        return Ok(());
    }
    // Read and not write: a lock is all that is wanted of it. Nothing is followed, and nothing waited for.
    let opened = open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let same = fstat(&opened)?;
    if (same.st_dev, same.st_ino) != (found.dev(), found.ino()) {
        return Ok(());
    }
    // Fails where somebody writes it, and where there are no locks.
    flock(&opened, FlockOperation::NonBlockingLockExclusive)?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_nobody_writes_any_more_is_removed_and_what_somebody_writes_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (living, killed) = (begin_in(dir.path()).unwrap(), begin_in(dir.path()).unwrap());
        // As a kill leaves it: the lock goes with the descriptor, the name stays.
        let (file, path) = killed.keep().unwrap();
        drop(file);
        assert_eq!(names(dir.path()).len(), 2);
        sweep(dir.path());
        assert!(living.path().exists() && !path.exists());
        drop(living);
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_removed_that_may_be_somebody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let private = |name: &str| {
            fs::write(dir.path().join(name), b"x").unwrap();
            fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
        };
        for name in
            [".muster-bundle-notes", ".muster-bundle-abc.ef", ".muster-bundle-abcdefg", "muster-bundle-abcdef", "kept"]
        {
            private(name);
        }
        private(".muster-bundle-public");
        fs::set_permissions(dir.path().join(".muster-bundle-public"), fs::Permissions::from_mode(0o644)).unwrap();
        symlink(dir.path().join("kept"), dir.path().join(".muster-bundle-linked")).unwrap();
        private(".muster-bundle-twice1");
        fs::hard_link(dir.path().join(".muster-bundle-twice1"), dir.path().join("twice")).unwrap();
        fs::create_dir(dir.path().join(".muster-bundle-folder")).unwrap();
        let before = names(dir.path());
        sweep(dir.path());
        assert_eq!(names(dir.path()), before);
        sweep(&dir.path().join("nowhere"));
    }
}
