//! The operating system's files, with a count of how often one is synced.

use muster_store::{Disk, DiskFile, How, RealDisk};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A disk that counts the syncs of its files.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountingDisk {
    syncs: Arc<AtomicU64>,
}

struct CountedFile {
    file: Box<dyn DiskFile>,
    syncs: Arc<AtomicU64>,
}

impl CountingDisk {
    /// Syncs of files so far.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

impl Disk for CountingDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn open(&self, path: &Path, how: How) -> io::Result<Box<dyn DiskFile>> {
        let file = RealDisk.open(path, how)?;
        Ok(Box::new(CountedFile { file, syncs: Arc::clone(&self.syncs) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send>> {
        RealDisk.lock(path)
    }

    fn reserve(&self, path: &Path, bytes: u64) -> io::Result<()> {
        RealDisk.reserve(path, bytes)
    }

    fn free(&self, dir: &Path) -> io::Result<u64> {
        RealDisk.free(dir)
    }
}

impl DiskFile for CountedFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(buf, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }
}
