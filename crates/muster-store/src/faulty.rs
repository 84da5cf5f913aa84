//! A disk in memory that fails on demand and loses what was not synced when its power is cut.
//!
//! It behaves as badly as real ones may: after a failed sync the written bytes can still be read but are never written
//! out again unless they are rewritten; at a power cut each unsynced sector and each unsynced name survives or not,
//! independently of the others.

use crate::disk::{Disk, DiskFile, How};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that a real disk writes whole or not at all.
const SECTOR: usize = 512;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails and changes nothing; a failed sync also forgets what was to be written.
    Error,
    /// A write stores half of its bytes and then fails. Any other call fails as with `Error`.
    Half,
    /// The call fails for lack of space; a write stores half of its bytes before.
    Full,
}

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    next_inode: u64,
    calls: u64,
    syncs: u64,
    fault: Option<(Range<u64>, Fault)>,
    reads: u64,
    read_fault: Option<Range<u64>>,
    capacity: Option<usize>,
}

#[derive(Debug, Default, Clone)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl FaultyDisk {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the `nth` call from now on that changes something fail (1 = the next): create, write, sync, cut, rename, remove.
    pub fn fail(&self, nth: u64, fault: Fault) {
        self.fail_times(nth, 1, fault);
    }

    /// Lets `times` calls in a row fail, the first of them the `nth` from now on.
    pub fn fail_times(&self, nth: u64, times: u64, fault: Fault) {
        let mut state = self.state();
        let first = state.calls.saturating_add(nth);
        state.fault = Some((first..first.saturating_add(times), fault));
    }

    /// Lets `times` calls in a row fail that only look at something: opening to read, listing, asking for a size, reading. The
    /// first of them is the `nth` from now on; the calls that change something are not among them.
    pub fn fail_reads(&self, nth: u64, times: u64) {
        let mut state = self.state();
        let first = state.reads.saturating_add(nth);
        state.read_fault = Some(first..first.saturating_add(times));
    }

    /// Calls made so far that only look at something.
    pub fn reads(&self) -> u64 {
        self.state().reads
    }

    /// Limits the bytes of all files together; none lifts the limit.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.state().capacity = bytes;
    }

    /// Calls made so far that change something.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Syncs of files asked for so far.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// The disk as another machine would find it after a power cut now; `seed` chooses what of the unsynced survives.
    pub fn cut(&self, seed: u64) -> Self {
        let state = self.state();
        let mut dice = Dice(seed);
        let mut after = State { dirs: state.dirs.clone(), next_inode: state.next_inode, ..State::default() };
        for (id, inode) in &state.inodes {
            let bytes = inode.survivor(&mut dice);
            after.inodes.insert(*id, Inode { now: bytes.clone(), durable: bytes, dirty: BTreeSet::new() });
        }
        let paths: BTreeSet<&PathBuf> = state.names.keys().chain(state.durable_names.keys()).collect();
        for path in paths {
            let (now, durable) = (state.names.get(path), state.durable_names.get(path));
            let kept = if now == durable || dice.coin() { now } else { durable };
            after.names.extend(kept.map(|id| (path.clone(), *id)));
        }
        after.durable_names = after.names.clone();
        Self { state: Arc::new(Mutex::new(after)) }
    }

    /// Contents of a file.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(path).and_then(|id| state.inodes.get(id)).map(|inode| inode.now.clone())
    }

    /// Replaces the contents of a file, durably and without counting as a call.
    pub fn replace(&self, path: &Path, contents: &[u8]) {
        let mut state = self.state();
        let id = state.new_inode();
        let inode = Inode { now: contents.to_vec(), durable: contents.to_vec(), dirty: BTreeSet::new() };
        state.inodes.insert(id, inode);
        state.names.insert(path.to_path_buf(), id);
        state.durable_names.insert(path.to_path_buf(), id);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new_inode(&mut self) -> u64 {
        self.next_inode += 1;
        self.next_inode
    }

    /// Counts a call and tells which fault strikes it.
    fn strike(&mut self) -> Option<Fault> {
        self.calls += 1;
        self.fault.as_ref().filter(|(calls, _)| calls.contains(&self.calls)).map(|(_, fault)| *fault)
    }

    fn check(&mut self) -> io::Result<()> {
        self.strike().map_or(Ok(()), |fault| Err(fault.error()))
    }

    /// Counts a call that only looks, and fails where that was asked for.
    fn look(&mut self) -> io::Result<()> {
        self.reads += 1;
        let struck = self.read_fault.as_ref().is_some_and(|calls| calls.contains(&self.reads));
        if struck { Err(Fault::Error.error()) } else { Ok(()) }
    }

    /// Bytes of all files that have a name.
    fn used(&self) -> usize {
        let named: BTreeSet<&u64> = self.names.values().collect();
        named.into_iter().filter_map(|id| self.inodes.get(id)).map(|inode| inode.now.len()).sum()
    }

    fn room_for(&self, bytes: usize) -> bool {
        let used = self.used();
        self.capacity.is_none_or(|capacity| used.saturating_add(bytes) <= capacity)
    }
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Fault::Error | Fault::Half => io::Error::other("fault on demand"),
            Fault::Full => io::ErrorKind::StorageFull.into(),
        }
    }
}

impl Inode {
    fn write(&mut self, buf: &[u8], offset: usize) {
        let end = offset + buf.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        self.now[offset..end].copy_from_slice(buf);
        self.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    fn sync(&mut self) {
        self.durable.resize(self.now.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            self.write_out(sector);
        }
    }

    fn write_out(&mut self, sector: usize) {
        let end = ((sector + 1) * SECTOR).min(self.now.len());
        let range = (sector * SECTOR).min(end)..end;
        self.durable[range.clone()].copy_from_slice(&self.now[range]);
    }

    /// What is left of the file after a power cut.
    fn survivor(&self, dice: &mut Dice) -> Vec<u8> {
        let mut after = self.clone();
        if after.now.len() != after.durable.len() && dice.coin() {
            after.durable.resize(after.now.len(), 0);
        }
        for sector in &self.dirty {
            if (sector + 1) * SECTOR <= after.durable.len().next_multiple_of(SECTOR) && dice.coin() {
                let end = ((sector + 1) * SECTOR).min(after.now.len()).min(after.durable.len());
                let range = (sector * SECTOR).min(end)..end;
                after.durable[range.clone()].copy_from_slice(&self.now[range]);
            }
        }
        after.durable
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough to choose sectors, and repeatable.
struct Dice(u64);

impl Dice {
    fn coin(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) & 1 == 1
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for FaultyDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.state().dirs.insert(path.to_path_buf());
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.look()?;
        if !state.dirs.contains(dir) {
            return Err(not_found());
        }
        let names = state.names.keys().chain(&state.dirs).filter(|path| path.parent() == Some(dir));
        Ok(names.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn open(&self, path: &Path, how: How) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        if how == How::Read {
            state.look()?;
        }
        if how == How::Create {
            state.check()?;
            let id = state.new_inode();
            state.inodes.insert(id, Inode::default());
            state.names.insert(path.to_path_buf(), id);
        }
        let id = *state.names.get(path).ok_or_else(not_found)?;
        Ok(Box::new(FaultyFile { disk: self.clone(), id }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check()?;
        let id = state.names.remove(from).ok_or_else(not_found)?;
        state.names.insert(to.to_path_buf(), id);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check()?;
        let id = *state.names.get(from).ok_or_else(not_found)?;
        state.names.insert(to.to_path_buf(), id);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check()?;
        state.names.remove(path).map(|_| ()).ok_or_else(not_found)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check()?;
        if state.names.keys().any(|name| name.parent() == Some(path)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.dirs.remove(path).then_some(()).ok_or_else(not_found)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check()?;
        let inside = |path: &PathBuf| path.parent() == Some(dir);
        let now: Vec<_> =
            state.names.iter().filter(|(path, _)| inside(path)).map(|(path, id)| (path.clone(), *id)).collect();
        state.durable_names.retain(|path, _| !inside(path));
        state.durable_names.extend(now);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send>> {
        if !self.state().locks.insert(path.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(FaultyLock { disk: self.clone(), path: path.to_path_buf() }))
    }

    fn reserve(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if !state.room_for(bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let id = state.new_inode();
        // Only its length counts, and only while somebody set a capacity.
        let now = if state.capacity.is_some() { vec![0; bytes] } else { Vec::new() };
        state.inodes.insert(id, Inode { now, ..Inode::default() });
        state.names.insert(path.to_path_buf(), id);
        Ok(())
    }

    fn free(&self, _dir: &Path) -> io::Result<u64> {
        let state = self.state();
        let used = state.used();
        Ok(state.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(used) as u64))
    }
}

struct FaultyLock {
    disk: FaultyDisk,
    path: PathBuf,
}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    id: u64,
}

impl FaultyFile {
    fn with<T>(&self, act: impl FnOnce(&mut Inode) -> T) -> io::Result<T> {
        self.disk.state().inodes.get_mut(&self.id).map(act).ok_or_else(not_found)
    }
}

impl DiskFile for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        self.disk.state().look()?;
        self.with(|inode| inode.now.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.state().look()?;
        self.with(|inode| {
            let from = inode.now.get(offset as usize..).unwrap_or_default();
            let n = from.len().min(buf.len());
            buf[..n].copy_from_slice(&from[..n]);
            n
        })
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let (fault, grows) = {
            let mut state = self.disk.state();
            let len = state.inodes.get(&self.id).map_or(0, |inode| inode.now.len());
            (state.strike(), (offset as usize + buf.len()).saturating_sub(len))
        };
        let fault = fault.or((!self.disk.state().room_for(grows)).then_some(Fault::Full));
        match fault {
            Some(Fault::Error) => {}
            Some(Fault::Half | Fault::Full) => {
                self.with(|inode| inode.write(&buf[..buf.len() / 2], offset as usize))?;
            }
            None => {
                // As short as the contract allows now and then, so that callers must loop.
                let n = if buf.len() > 3 * SECTOR { buf.len() / 2 } else { buf.len() };
                return self.with(|inode| inode.write(&buf[..n], offset as usize)).map(|()| n);
            }
        }
        Err(fault.map_or_else(not_found, Fault::error))
    }

    fn sync(&self) -> io::Result<()> {
        let struck = {
            let mut state = self.disk.state();
            state.syncs += 1;
            state.check()
        };
        match struck {
            Ok(()) => self.with(Inode::sync),
            Err(error) => {
                // As Linux does: the pages are marked clean, the next sync reports success without them.
                self.with(|inode| inode.dirty.clear())?;
                Err(error)
            }
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.disk.state().check()?;
        self.with(|inode| inode.now.truncate(len as usize))
    }
}
