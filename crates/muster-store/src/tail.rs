//! The tail: what a shell wants to find again without opening the store, bound to the journal as it stands
//! (`docs/storage.md`).
//!
//! Derived, like the index, and never synced: it is believed only where it names the journal's last record with the chain
//! value behind it, and that value stands for every record before. What is in it is the shell's affair.

use crate::disk::{Disk, How, RealDisk, read_up_to, write_all};
use crate::home::Home;
use crate::journal::Journal;
use crate::record::{Chain, Place, StoreId, decode};
use crate::{DiskStore, StoreError};
use std::path::Path;
use std::sync::Arc;

/// The first bytes of the file.
const MAGIC: &[u8; 8] = b"mustert1";

/// Bytes before the contents.
const HEAD: usize = 72;

/// Bytes of the contents: more would be slower to read than it saves.
pub const TAIL_BYTES_MAX: usize = 1024 * 1024;

/// The last record of a journal and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) segment: u32,
    /// Where its last record begins and ends, with which the segment ends.
    pub(crate) last: u32,
    pub(crate) end: u32,
    /// The chain value behind it.
    pub(crate) chain: Chain,
}

impl Standing {
    fn head(&self, store: StoreId, contents: usize) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(MAGIC);
        head[8..24].copy_from_slice(&store);
        let numbers = [self.segment, self.last, self.end].map(u32::to_be_bytes);
        head[24..36].copy_from_slice(numbers.as_flattened());
        head[36..68].copy_from_slice(&self.chain.0);
        head[68..].copy_from_slice(&(contents as u32).to_be_bytes());
        head
    }

    fn read(head: &[u8; HEAD], store: StoreId) -> Option<(Self, usize)> {
        let number = |at: usize| head[at..].first_chunk().copied().map_or(0, u32::from_be_bytes);
        let chain = Chain(head[36..68].try_into().ok()?);
        let standing = Self { segment: number(24), last: number(28), end: number(32), chain };
        let contents = number(68) as usize;
        (standing.head(store, contents) == *head && contents <= TAIL_BYTES_MAX).then_some((standing, contents))
    }

    /// Whether the journal ends so.
    fn holds(&self, home: &Home, disk: &Arc<dyn Disk>, store: StoreId) -> Option<bool> {
        let journal = Journal::new(Arc::clone(disk), home.journal(), store);
        let (last, size) = journal.last_segment().ok()??;
        if last != self.segment || size != u64::from(self.end) {
            return Some(false);
        }
        let len = self.end.checked_sub(self.last)?;
        let bytes = journal.read_bytes(self.segment, self.last, len as usize).ok()?;
        let place = Place { store, segment: self.segment, offset: self.last };
        let record = decode(&bytes, place).ok()?;
        Some(record.last && record.len == len && record.after() == self.chain)
    }
}

/// The tail of the store in `dir`, if there is one and the journal ends as it says. Takes no lock and changes nothing.
pub fn read_tail(dir: &Path) -> Option<Vec<u8>> {
    read(Arc::new(RealDisk), dir)
}

fn read(disk: Arc<dyn Disk>, dir: &Path) -> Option<Vec<u8>> {
    let home = Home::new(Arc::clone(&disk), dir);
    let format = home.read_format().ok()??;
    let (home, store) = (home.of(format.generation), format.store);
    let file = disk.open(&home.tail(), How::Read).ok()?;
    let mut bytes = read_up_to(&*file, 0, HEAD + TAIL_BYTES_MAX + 4).ok()?;
    let (standing, contents) = Standing::read(bytes.first_chunk()?, store)?;
    let (covered, crc) = bytes.split_at_checked(HEAD + contents)?;
    if *crc != crc32c::crc32c(covered).to_be_bytes() || !standing.holds(&home, &disk, store)? {
        return None;
    }
    bytes.truncate(HEAD + contents);
    Some(bytes.split_off(HEAD))
}

impl DiskStore {
    /// Whether [`read_tail`] would find what belongs to the last commit.
    pub fn has_tail(&self) -> bool {
        let found = || {
            let file = self.home.disk().open(&self.home.tail(), How::Read).ok()?;
            let head = read_up_to(&*file, 0, HEAD).ok()?;
            Standing::read(head.first_chunk()?, self.format.store)
        };
        self.standing().is_some_and(|now| found().is_some_and(|(standing, _)| standing == now))
    }

    /// Keeps `contents` for [`read_tail`] until the next commit. Nothing is lost where this fails.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], also where nothing was ever committed; [`StoreError::TooLarge`] and those of writing.
    pub fn keep_tail(&self, contents: &[u8]) -> Result<(), StoreError> {
        if contents.len() > TAIL_BYTES_MAX {
            let (found, limit) = (contents.len() as u64, TAIL_BYTES_MAX as u64);
            return Err(StoreError::TooLarge { what: "the tail", found, limit });
        }
        let standing = self.standing().ok_or_else(|| StoreError::ReadOnly { path: self.path().into() })?;
        let mut bytes = [&standing.head(self.format.store, contents.len()), contents].concat();
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        let (path, new) = (self.home.tail(), self.path().join("tail.new"));
        let disk = self.home.disk();
        let written = disk.open(&new, How::Create).and_then(|file| write_all(&*file, &bytes, 0));
        let kept = written.and_then(|()| disk.rename(&new, &path));
        kept.map_err(|error| StoreError::io("write to", &path, error)).inspect_err(|_| drop(disk.remove(&new)))
    }

    /// How the journal ends, where all of it is known to be durable.
    fn standing(&self) -> Option<Standing> {
        self.writer.as_ref().filter(|writer| !writer.poisoned)?.tail.standing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FaultyDisk, OpenOptions, Storage, Write};

    const DIR: &str = "/store";

    fn open(disk: &FaultyDisk) -> DiskStore {
        let options = OpenOptions::write([7; 16]).disk(Arc::new(disk.clone())).index_in_memory();
        DiskStore::open(Path::new(DIR), options).unwrap().0
    }

    fn tail(disk: &FaultyDisk) -> Option<Vec<u8>> {
        read(Arc::new(disk.clone()), Path::new(DIR))
    }

    fn commit(store: &mut DiskStore, value: &[u8]) {
        store.stage(Write::Local { key: "key".to_owned(), value: Some(value.to_vec()) }).unwrap();
        store.commit().unwrap();
    }

    #[test]
    fn a_tail_is_found_again_until_the_next_commit() {
        let disk = FaultyDisk::default();
        let mut store = open(&disk);
        assert!(store.keep_tail(b"nothing yet").is_err() && !store.has_tail());
        commit(&mut store, b"one");
        assert_eq!((tail(&disk), store.has_tail()), (None, false));
        store.keep_tail(b"after one").unwrap();
        assert_eq!((tail(&disk), store.has_tail()), (Some(b"after one".to_vec()), true));
        commit(&mut store, b"two");
        assert_eq!((tail(&disk), store.has_tail()), (None, false));
        store.keep_tail(b"after two").unwrap();
        drop(store);
        assert_eq!(tail(&disk), Some(b"after two".to_vec()));
        // Opening writes the last commit again, the same bytes.
        let store = open(&disk);
        assert_eq!((tail(&disk), store.has_tail()), (Some(b"after two".to_vec()), true));
    }

    #[test]
    fn a_tail_of_another_journal_is_not_believed_however_alike() {
        let (one, other) = (FaultyDisk::default(), FaultyDisk::default());
        for (disk, value) in [(&one, b"one"), (&other, b"two")] {
            let mut store = open(disk);
            commit(&mut store, value);
            commit(&mut store, b"same");
            store.keep_tail(value).unwrap();
        }
        let bytes = |disk: &FaultyDisk| {
            let file = disk.open(&Path::new(DIR).join("tail"), How::Read).unwrap();
            read_up_to(&*file, 0, 1_000).unwrap()
        };
        let put = |bytes: &[u8]| {
            let file = other.open(&Path::new(DIR).join("tail"), How::Create).unwrap();
            write_all(&*file, bytes, 0).unwrap();
        };
        let own = bytes(&other);
        put(&bytes(&one));
        assert_eq!(tail(&other), None, "the journals have the same length and the same last record but for its chain");
        put(&own);
        assert_eq!(tail(&other), Some(b"two".to_vec()));
        for at in 0..own.len() {
            let mut flipped = own.clone();
            flipped[at] ^= 1;
            put(&flipped);
            assert_eq!(tail(&other), None, "flipped at {at}");
            put(&own[..at]);
            assert_eq!(tail(&other), None, "cut at {at}");
        }
    }
}
