//! Putting a key file into place, so that it is there whole or not at all, and that no copy of it stays beside.
//!
//! It is written without a name where the file system can do that, and gets one when it is whole. Over a file that is there it
//! needs a second name for a moment, and where files without a name are not known, for longer: whoever is killed then leaves a
//! copy. The next one removes it, unless a living process still writes it, which holds a lock on it.

use super::{KeyError, failed};
use crate::clock::entropy16;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroize;

/// Digits behind the name of a copy.
const SUFFIX_DIGITS: usize = 16;

/// How often a copy is begun that somebody else takes for a dead one, between its making and its lock.
const TRIES: u32 = 8;

/// Writes the file unless there is one; `false` when another process was first.
pub(crate) fn create(path: &Path, text: &str) -> Result<bool, KeyError> {
    put(path, text, false)
}

/// The same over the file that is there: afterwards the one or the other is whole.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), KeyError> {
    put(path, text, true).map(drop)
}

fn put(path: &Path, text: &str, is_over: bool) -> Result<bool, KeyError> {
    sweep(path);
    let mut suffix = entropy16()?;
    let beside = beside(path, u128::from_be_bytes(suffix) as u64);
    suffix.zeroize();
    let put_named = || write_named(&beside, text).and_then(|_file| move_into_place(&beside, path, is_over));
    let done = match unnamed(path, text) {
        // A file system may know files without a name and give them none.
        Some(written) => written.and_then(|file| name(&file, path, &beside, is_over)).or_else(|_| put_named()),
        None => put_named(),
    };
    if !matches!(done, Ok(true)) {
        // What cannot be removed is found again, and told.
        let _ = fs::remove_file(&beside);
    }
    let moved = done.map_err(|source| failed("write", path, source))?;
    File::open(parent(path)).and_then(|dir| dir.sync_all()).map_err(|source| failed("write", path, source))?;
    Ok(moved)
}

/// Removes what was left beside the key file by processes that were killed. What cannot be removed stays ([`left_behind`]).
pub(crate) fn sweep(path: &Path) {
    for left in left_behind(path) {
        if let Err(error) = fs::remove_file(&left) {
            tracing::warn!(path = %left.display(), %error, "an old copy of the key cannot be removed");
        }
    }
}

/// Copies beside the key file that nobody is writing.
pub(crate) fn left_behind(path: &Path) -> Vec<PathBuf> {
    let Some(name) = path.file_name().map(|name| format!("{}.new-", name.to_string_lossy())) else { return Vec::new() };
    let is_ours = |found: &str| {
        let digits = found.strip_prefix(&name).unwrap_or_default();
        digits.len() == SUFFIX_DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    };
    let found = fs::read_dir(parent(path)).into_iter().flatten().flatten();
    let named = found.filter(|item| is_ours(&item.file_name().to_string_lossy())).map(|item| item.path());
    named.filter(|path| is_dead(path)).collect()
}

/// Whether it is a file of ours and no process has it locked.
fn is_dead(path: &Path) -> bool {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(path) else {
        // One that cannot even be opened is told all the same; links and pipes are none of ours.
        return fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    };
    let is_own = |found: fs::Metadata| found.is_file() && found.uid() == rustix::process::geteuid().as_raw();
    file.metadata().is_ok_and(is_own) && file.try_lock().is_ok()
}

/// Writes and syncs a file without a name in the same directory; `None` where the file system knows none, or no names for them.
fn unnamed(path: &Path, text: &str) -> Option<io::Result<File>> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, parent(path), flags, Mode::RUSR | Mode::WUSR).ok()?;
    let file = File::from(opened);
    // It is named by way of this.
    fs::symlink_metadata(descriptor(&file)).ok()?;
    Some(fill(file, text))
}

fn fill(mut file: File, text: &str) -> io::Result<File> {
    // Should two names be needed, nobody takes the first for left behind.
    file.lock()?;
    file.write_all(text.as_bytes())?;
    file.sync_all().map(|()| file)
}

fn descriptor(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Gives the file its name, unless there is another under it; `is_over` that too.
fn name(file: &File, path: &Path, beside: &Path, is_over: bool) -> io::Result<bool> {
    let to = if is_over { beside } else { path };
    match rustix::fs::linkat(CWD, descriptor(file), CWD, to, AtFlags::SYMLINK_FOLLOW) {
        Ok(()) if is_over => fs::rename(beside, path).map(|()| true),
        Ok(()) => Ok(true),
        Err(Errno::EXIST) if !is_over => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Writes and syncs a file of this name, and holds it locked.
fn write_named(path: &Path, text: &str) -> io::Result<File> {
    for _ in 0..TRIES {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let is_locked = file.try_lock().is_ok();
        // Somebody may have swept it away before it was locked.
        if is_locked
            && fs::symlink_metadata(path).is_ok_and(|found| file.metadata().is_ok_and(|own| own.ino() == found.ino()))
        {
            return fill(file, text);
        }
        let _ = fs::remove_file(path);
    }
    Err(io::ErrorKind::WouldBlock.into())
}

fn move_into_place(from: &Path, to: &Path, is_over: bool) -> io::Result<bool> {
    if is_over {
        return fs::rename(from, to).map(|()| true);
    }
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // File systems without that flag; a hard link never replaces either.
        Err(Errno::INVAL | Errno::NOSYS) => match fs::hard_link(from, to) {
            Ok(()) => fs::remove_file(from).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        },
        Err(errno) => Err(errno.into()),
    }
}

fn beside(path: &Path, number: u64) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".new-{number:016x}"));
    PathBuf::from(beside)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|item| item.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_copy_that_a_dead_process_left_goes_with_the_next_key_and_that_of_a_living_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        fs::write(beside(&path, 1), "old").unwrap();
        let living = write_named(&beside(&path, 2), "being written").unwrap();
        for other in ["device.key.new-12", "device.key.new-000000000000000g", "other.key.new-0000000000000003"] {
            fs::write(dir.path().join(other), "not ours").unwrap();
        }
        std::os::unix::fs::symlink("nowhere", beside(&path, 3)).unwrap();
        assert_eq!(left_behind(&path), [beside(&path, 1)]);
        assert!(create(&path, "text").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
        assert_eq!(names(dir.path()).len(), 6, "{:?}", names(dir.path()));
        drop(living);
        replace(&path, "other").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "other");
        let left =
            ["device.key", "device.key.new-0000000000000003", "device.key.new-000000000000000g", "device.key.new-12"];
        assert_eq!(names(dir.path())[..4], left);
    }

    #[test]
    fn a_key_that_is_there_is_not_written_over_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("exported");
        assert!(create(&path, "one").unwrap());
        assert!(!create(&path, "two").unwrap());
        assert_eq!(
            (names(dir.path()), fs::read_to_string(&path).unwrap()),
            (vec!["exported".to_owned()], "one".to_owned())
        );
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        // As where files without a name are not known.
        let named = write_named(&beside(&path, 1), "three").unwrap();
        assert!(!move_into_place(&beside(&path, 1), &path, false).unwrap());
        assert!(move_into_place(&beside(&path, 1), &path, true).unwrap());
        drop(named);
        assert_eq!(
            (names(dir.path()), fs::read_to_string(&path).unwrap()),
            (vec!["exported".to_owned()], "three".to_owned())
        );
    }

    #[test]
    fn until_it_is_whole_it_has_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("exported");
        let Some(file) = unnamed(&path, "text") else {
            panic!("the tests' own file system knows no files without a name");
        };
        let file = file.unwrap();
        assert_eq!(names(dir.path()), Vec::<String>::new());
        assert!(name(&file, &path, &beside(&path, 1), false).unwrap());
        assert_eq!(names(dir.path()), ["exported"]);
    }
}
