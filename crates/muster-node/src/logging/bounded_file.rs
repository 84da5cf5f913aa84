//! A log file that never grows past its bound: at the bound it is put aside as `NAME.1`, over the one before.
//!
//! Several processes may write to it at once (a node and a command); each line is one append. Writing never fails for
//! the caller: lines that cannot be written are counted.

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Bytes of one line; more is cut off. The longest line worth reading is a stack of spans with ids, some 2 KiB.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct BoundedFile {
    path: PathBuf,
    bytes_max: u64,
    state: Mutex<State>,
    lost_lines: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    /// Half a line was written, so the next one begins with a line break.
    torn: bool,
}

impl BoundedFile {
    /// Opens nothing yet.
    pub(super) fn new(path: PathBuf, bytes_max: u64) -> Self {
        Self { path, bytes_max, state: Mutex::default(), lost_lines: AtomicU64::new(0) }
    }

    /// Lines that could not be written.
    pub(super) fn lost_lines(&self) -> u64 {
        self.lost_lines.load(Ordering::Relaxed)
    }

    fn append(&self, line: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.try_append(&mut state, line).is_err() {
            // Opened anew for the next line: the trouble may be over by then.
            state.file = None;
            self.lost_lines.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn try_append(&self, state: &mut State, line: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(line.len().min(LINE_BYTES_MAX) + 2);
        if state.torn {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(&line[..line.len().min(LINE_BYTES_MAX)]);
        if bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        let mut file = self.file_with_room(state.file.take(), bytes.len() as u64)?;
        // One write, so that lines of other processes do not fall into this one.
        let written = file.write(&bytes)?;
        state.torn = written < bytes.len();
        state.file = Some(file);
        if state.torn { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }

    /// The file at the path with room for `bytes` more.
    fn file_with_room(&self, open: Option<File>, bytes: u64) -> io::Result<File> {
        let file = match open {
            Some(file) => file,
            None => self.open()?,
        };
        let found = file.metadata()?;
        let full = found.len() > 0 && found.len().saturating_add(bytes) > self.bytes_max;
        if full {
            self.put_aside(&file, &found)?;
        }
        // Full, or somebody removed it: what stands at the path now is the file to write to.
        if full || found.nlink() == 0 { self.open() } else { Ok(file) }
    }

    fn open(&self) -> io::Result<File> {
        let no_link = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(no_link).open(&self.path)
    }

    /// Renames the full file, unless another process was first: its fresh file must not be put over the old lines.
    fn put_aside(&self, file: &File, found: &Metadata) -> io::Result<()> {
        // Without locks (some network file systems) a race is left, and it costs old lines at worst.
        if rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            return Ok(()); // being renamed at this moment
        }
        let same = fs::metadata(&self.path).is_ok_and(|at| (at.dev(), at.ino()) == (found.dev(), found.ino()));
        if same {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            fs::rename(&self.path, aside)?;
        }
        Ok(())
    }
}

impl Write for &BoundedFile {
    /// Takes one line and never fails.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn lines(path: &Path) -> Vec<String> {
        fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    #[test]
    fn two_files_never_hold_more_than_twice_the_bound_and_end_with_the_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("muster.log"), dir.path().join("muster.log.1"));
        let log = BoundedFile::new(path.clone(), 100);
        for number in 0..200 {
            (&log).write_all(format!("line {number:03}\n").as_bytes()).unwrap();
            assert!(fs::metadata(&path).unwrap().len() <= 100);
        }
        assert!(fs::metadata(&aside).unwrap().len() <= 100);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        let kept = [lines(&aside), lines(&path)].concat();
        assert!(kept.len() > 11);
        let expected: Vec<_> = (200 - kept.len()..200).map(|number| format!("line {number:03}")).collect();
        assert_eq!(kept, expected);
        assert_eq!(log.lost_lines(), 0);
    }

    #[test]
    fn two_writers_put_the_file_aside_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("muster.log");
        let (one, other) = (BoundedFile::new(path.clone(), 100), BoundedFile::new(path.clone(), 100));
        for _ in 0..11 {
            (&one).write_all(b"line one\n").unwrap();
        }
        (&other).write_all(b"line oth\n").unwrap();
        (&one).write_all(b"line one\n").unwrap();
        (&one).write_all(b"line one\n").unwrap();
        assert_eq!(lines(&dir.path().join("muster.log.1")).len(), 11, "the full file was kept");
        assert_eq!(lines(&path), ["line oth", "line one", "line one"]);
    }

    #[test]
    fn a_file_removed_under_the_writer_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("muster.log");
        let log = BoundedFile::new(path.clone(), 100);
        (&log).write_all(b"before\n").unwrap();
        fs::remove_file(&path).unwrap();
        (&log).write_all(b"after\n").unwrap();
        assert_eq!(lines(&path), ["after"]);
    }

    #[test]
    fn on_a_full_disk_lines_are_lost_and_counted_and_nothing_fails() {
        // /dev/full answers every write with "no space left on device".
        let log = BoundedFile::new("/dev/full".into(), 100);
        for _ in 0..3 {
            (&log).write_all(b"line\n").unwrap();
        }
        assert_eq!(log.lost_lines(), 3);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("muster.log");
        let log = BoundedFile::new(path.clone(), 1024 * 1024);
        (&log).write_all(&vec![b'x'; 2 * LINE_BYTES_MAX]).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), LINE_BYTES_MAX as u64 + 1);
    }
}
