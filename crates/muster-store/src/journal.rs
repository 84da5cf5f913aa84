//! The commit journal: segments in a directory, appended to and synced (`docs/storage.md`).
//!
//! What the bytes mean is in [`crate::record`] and [`crate::scan`]. This file reads and writes them, and keeps the one
//! promise everything rests on: when [`Journal::append`] returns, all of the commit is on the disk.

use crate::archive::ArchiveRef;
use crate::disk::{Disk, DiskFile, How, read_up_to, write_all};
use crate::record::{Chain, Contents, Place, RECORD_HEAD, Record, SEGMENT_HEAD, StoreId, decode, encode};
use crate::record::{decode_segment_head, encode_segment_head, store_of_head};
use crate::scan::{Position, scan};
use crate::storage::{COMMIT_BYTES_MAX, RECORD_BYTES_MAX};
use crate::tail::Standing;
use crate::whole::{WholeEntry, bodies_named};
use crate::{StoreError, Write};
use muster_log::BodyHash;
use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes after which a new segment is begun. Small enough to rewrite one for an erasure.
pub(crate) const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

/// Segments kept open for reading.
const HANDLES_MAX: usize = 16;

/// Segments that a store opened for reading holds open, so that they outlive a compaction elsewhere: an eighth of the files that a
/// process may usually have open.
const HELD_MAX: usize = 128;

/// A place in the journal that cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file.
    pub segment: PathBuf,
    /// Bytes from its beginning.
    pub offset: u64,
    /// What is wrong there.
    pub what: &'static str,
}

/// What follows the last whole commit: of a commit that was never acknowledged.
#[derive(Debug)]
pub(crate) struct Torn {
    pub(crate) segment: PathBuf,
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The journal of one store.
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    store: StoreId,
    /// Whether its end may be of a commit that was never acknowledged.
    may_be_torn: bool,
    handles: RefCell<BTreeMap<u32, Box<dyn DiskFile>>>,
    /// Whether more of them are kept than are read from now ([`Journal::hold`]).
    holds: Cell<bool>,
}

/// What reading the whole journal found.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) damage: Vec<Damage>,
    pub(crate) torn: Option<Torn>,
    /// The last segment, if any: number, offset behind its last commit, and that commit's bytes.
    tail: Option<(u32, u32, Vec<u8>)>,
    /// The last record of a whole commit.
    last: Option<Position>,
    /// A last file whose making was interrupted: it has no whole head.
    stub: Option<u32>,
    chain: Chain,
}

/// The place at which the next commit is appended.
pub(crate) struct Tail {
    file: Box<dyn DiskFile>,
    segment: u32,
    end: u32,
    /// Where the last record of the segment begins, if it has any.
    last: Option<u32>,
    chain: Chain,
}

/// A place between two commits of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    segment: u32,
    offset: u32,
    /// Chain value there.
    chain: Chain,
}

impl Cursor {
    /// Before the first record.
    pub(crate) fn begin() -> Self {
        Self { segment: 1, offset: SEGMENT_HEAD as u32, chain: Chain::default() }
    }

    /// Segment and offset.
    pub(crate) fn place(&self) -> (u32, u32) {
        (self.segment, self.offset)
    }
}

impl Tail {
    /// How the journal ends, unless its last segment has nothing in it.
    pub(crate) fn standing(&self) -> Option<Standing> {
        Some(Standing { segment: self.segment, last: self.last?, end: self.end, chain: self.chain })
    }

    /// Segment and offset behind the last commit.
    pub(crate) fn end(&self) -> (u32, u32) {
        (self.segment, self.end)
    }
}

impl Journal {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, store: StoreId) -> Self {
        Self { disk, dir, store, may_be_torn: true, handles: RefCell::default(), holds: Cell::new(false) }
    }

    /// The same of which it is known that its last commit was acknowledged: what is not whole at its end is damage.
    pub(crate) fn acknowledged(self) -> Self {
        Self { may_be_torn: false, ..self }
    }

    /// Makes the first segment of a journal that has none.
    ///
    /// # Errors
    /// [`StoreError::Full`] and [`StoreError::Io`].
    pub(crate) fn start(&self) -> Result<Tail, StoreError> {
        self.disk.create_dir(&self.dir).map_err(|error| StoreError::io("create", &self.dir, error))?;
        self.create(1, Chain::default())
    }

    /// Removes all segments and the directory, durably: what was erased is not to come back. What cannot be removed stays.
    pub(crate) fn remove(disk: &dyn Disk, dir: &Path) {
        for number in segments(disk, dir).unwrap_or_default() {
            drop(disk.remove(&dir.join(name(number))));
        }
        drop(disk.sync_dir(dir));
        drop(disk.remove_dir(dir));
    }

    /// Whether `dir` holds any segment.
    pub(crate) fn exists(disk: &dyn Disk, dir: &Path) -> Result<bool, StoreError> {
        segments(disk, dir).map(|segments| !segments.is_empty())
    }

    /// Of which stores the segments in `dir` are by their heads, and how many of each. What has no whole head does not count.
    pub(crate) fn stores_told(disk: &dyn Disk, dir: &Path) -> BTreeMap<StoreId, usize> {
        let mut told = BTreeMap::new();
        for number in segments(disk, dir).unwrap_or_default() {
            if let Some(store) = store_told(disk, dir, number) {
                *told.entry(store).or_default() += 1;
            }
        }
        told
    }

    /// Whether nothing in `dir` says that most of it is of another store. Looks at the first segment only, where that agrees.
    pub(crate) fn may_belong_to(disk: &dyn Disk, dir: &Path, store: StoreId) -> bool {
        if store_told(disk, dir, 1) == Some(store) {
            return true;
        }
        let told = Self::stores_told(disk, dir);
        told.is_empty() || told.get(&store).is_some_and(|own| own * 2 >= told.values().sum())
    }

    /// Reads everything, changes nothing, and shows each record of a whole commit to `visit`.
    pub(crate) fn load(&self, visit: &mut dyn FnMut(Position, &Record<'_>)) -> Result<Loaded, StoreError> {
        let mut segments = segments(&*self.disk, &self.dir)?;
        let mut out = Loaded { stub: self.find_stub(&segments), ..Loaded::default() };
        segments.truncate(segments.len() - usize::from(out.stub.is_some()));
        let mut chain = Some(Chain::default());
        let mut expected = 1;
        for (index, number) in segments.iter().copied().enumerate() {
            if number != expected {
                out.damage(self.path(expected), 0, "the segment is missing");
                chain = None;
            }
            expected = number.saturating_add(1);
            let last = index + 1 == segments.len();
            match self.read_segment(number) {
                Ok(bytes) => self.load_segment(number, &bytes, last, &mut chain, &mut out, visit),
                Err(what) => {
                    out.damage(self.path(number), 0, what);
                    chain = None;
                }
            }
        }
        out.chain = chain.unwrap_or_default();
        Ok(out)
    }

    fn load_segment(
        &self,
        number: u32,
        bytes: &[u8],
        last: bool,
        chain: &mut Option<Chain>,
        out: &mut Loaded,
        visit: &mut dyn FnMut(Position, &Record<'_>),
    ) {
        let found = scan(bytes, self.store, number, last && self.may_be_torn, chain, &mut |position, record| {
            out.last = Some(position);
            visit(position, record);
        });
        for (offset, what) in found.damage {
            out.damage(self.path(number), offset, what);
        }
        if !last {
            return;
        }
        let end = found.end as usize;
        if let Some(torn) = bytes.get(end..).filter(|torn| !torn.is_empty() && out.damage.is_empty()) {
            out.torn = Some(Torn { segment: self.path(number), offset: end as u64, bytes: torn.to_vec() });
        }
        let commit = found.last_commit.and_then(|begin| bytes.get(begin as usize..end)).unwrap_or_default();
        out.tail = Some((number, found.end, commit.to_vec()));
    }

    /// Prepares an undamaged journal for appending: cuts off what is torn, and writes and syncs the last commit once more,
    /// for it may come from a process that was killed before its sync or whose sync failed. Until this returns, nothing
    /// that was loaded may be called durable.
    pub(crate) fn begin(&self, loaded: Loaded) -> Result<Tail, StoreError> {
        if let Some(stub) = loaded.stub {
            let path = self.path(stub);
            self.disk.remove(&path).map_err(|error| StoreError::io("remove", &path, error))?;
        }
        let Some((segment, end, commit)) = loaded.tail else {
            return self.start();
        };
        let path = self.path(segment);
        let fail = |doing| move |error| StoreError::io(doing, &path, error);
        let file = self.disk.open(&self.path(segment), How::Write).map_err(fail.clone()("open"))?;
        if loaded.torn.is_some() {
            file.truncate(end.into()).map_err(fail.clone()("cut the torn end off"))?;
        }
        let begin = u64::from(end).saturating_sub(commit.len() as u64);
        write_all(&*file, &commit, begin).map_err(fail.clone()("write to"))?;
        file.sync().map_err(fail("sync"))?;
        self.disk.sync_dir(&self.dir).map_err(|error| StoreError::io("sync", &self.dir, error))?;
        let last = loaded.last.filter(|last| last.segment == segment).map(|last| last.offset);
        Ok(Tail { file, segment, end, last, chain: loaded.chain })
    }

    /// Appends one commit and syncs it. On success it is durable.
    ///
    /// # Errors
    /// [`StoreError::Full`]: nothing of it is left, a later one may succeed. Any other: nothing may be appended until
    /// the journal has been loaded anew.
    pub(crate) fn append(&self, tail: &mut Tail, writes: &[Write]) -> Result<Vec<Laid>, StoreError> {
        self.append_laid(tail, &|segment, begin, chain| self.lay_out(segment, begin, chain, writes))
    }

    /// Appends a commit that names archives and syncs it.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub(crate) fn append_archives(&self, tail: &mut Tail, archives: &[ArchiveRef]) -> Result<(), StoreError> {
        self.append_each(tail, archives, Contents::Archive)
    }

    /// Appends a commit of one record for each of `items` and syncs it.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub(crate) fn append_each<'a, T>(
        &self,
        tail: &mut Tail,
        items: &'a [T],
        contents: impl Fn(&'a T) -> Contents<'a>,
    ) -> Result<(), StoreError> {
        let lay_out = |segment, begin: u32, mut chain| {
            let (mut bytes, mut laid) = (Vec::new(), Vec::new());
            for (nth, item) in items.iter().enumerate() {
                let at = bytes.len() as u32;
                let place = Place { store: self.store, segment, offset: begin.saturating_add(at) };
                let last = nth + 1 == items.len();
                chain = encode(&mut bytes, contents(item), place, begin, last, chain);
                let position = Position { segment, offset: place.offset, len: bytes.len() as u32 - at };
                laid.push(Laid { position, within: false });
            }
            (bytes, laid, chain)
        };
        self.append_laid(tail, &lay_out).map(|_| ())
    }

    fn append_laid(
        &self,
        tail: &mut Tail,
        lay_out: &dyn Fn(u32, u32, Chain) -> (Vec<u8>, Vec<Laid>, Chain),
    ) -> Result<Vec<Laid>, StoreError> {
        let (mut bytes, mut positions, mut chain) = lay_out(tail.segment, tail.end, tail.chain);
        if tail.end as usize > SEGMENT_HEAD && tail.end as usize + bytes.len() > SEGMENT_BYTES {
            *tail = self.create(tail.segment.saturating_add(1), tail.chain)?;
            // Place and commit are part of every record.
            (bytes, positions, chain) = lay_out(tail.segment, tail.end, tail.chain);
        }
        let path = self.path(tail.segment);
        if let Err(error) = write_all(&*tail.file, &bytes, tail.end.into()) {
            let error = StoreError::io("write to", &path, error);
            return match tail.file.truncate(tail.end.into()) {
                Ok(()) => Err(error),
                Err(source) => Err(StoreError::Io { doing: "cut the failed write off", path, source }),
            };
        }
        if let Err(source) = tail.file.sync() {
            // What the system failed to write may look written when read back. Better it is not there at all.
            if tail.file.truncate(tail.end.into()).is_err() {
                tracing::warn!(path = %path.display(), "a commit whose sync failed could not be cut off");
            }
            return Err(StoreError::Io { doing: "sync", path, source });
        }
        // A commit is limited to 64 MiB and a segment to one commit more than 4 MiB.
        tail.end = tail.end.saturating_add(bytes.len() as u32);
        tail.last = positions.iter().map(|laid| laid.position.offset).max();
        tail.chain = chain;
        Ok(positions)
    }

    /// Tells of each write where it is.
    fn lay_out(&self, segment: u32, begin: u32, mut chain: Chain, writes: &[Write]) -> (Vec<u8>, Vec<Laid>, Chain) {
        let mut bytes = Vec::new();
        let within = bodies_within(writes);
        let bodies: BTreeSet<usize> = within.values().copied().collect();
        let alone: Vec<usize> = (0..writes.len()).filter(|index| !bodies.contains(index)).collect();
        let mut laid = vec![Laid::default(); writes.len()];
        for (nth, index) in alone.iter().enumerate() {
            let at = bytes.len() as u32;
            let place = Place { store: self.store, segment, offset: begin.saturating_add(at) };
            let body = within.get(index).copied();
            let contents = match (&writes[*index], body.map(|body| &writes[body])) {
                (Write::Entry(entry), Some(Write::Body { bytes, .. })) => Contents::Whole(entry, bytes),
                (write, _) => Contents::Write(write),
            };
            chain = encode(&mut bytes, contents, place, begin, nth + 1 == alone.len(), chain);
            let position = Position { segment, offset: place.offset, len: bytes.len() as u32 - at };
            laid[*index] = Laid { position, within: false };
            if let Some(body) = body {
                laid[body] = Laid { position, within: true };
            }
        }
        (bytes, laid, chain)
    }

    /// Makes a segment that survives power loss, before anything is written to it.
    fn create(&self, number: u32, chain: Chain) -> Result<Tail, StoreError> {
        let path = self.path(number);
        let made = self.disk.open(&path, How::Create).and_then(|file| {
            write_all(&*file, &encode_segment_head(self.store, number, chain), 0)?;
            Ok(file)
        });
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                let error = StoreError::io("create", &path, error);
                return match self.disk.remove(&path) {
                    Err(source) if source.kind() != io::ErrorKind::NotFound => {
                        Err(StoreError::Io { doing: "remove the unfinished", path, source })
                    }
                    _ => Err(error),
                };
            }
        };
        let fail = |source| StoreError::Io { doing: "sync the new", path: path.clone(), source };
        file.sync().map_err(fail)?;
        self.disk.sync_dir(&self.dir).map_err(fail)?;
        Ok(Tail { file, segment: number, end: SEGMENT_HEAD as u32, last: None, chain })
    }

    /// Reads on from a place between two commits, whole commits of about so many bytes and none behind `until`, and shows each of
    /// their records to `visit`. Answers how far it came. It is for a journal that is known to be whole: one segment at most is
    /// read in one call, and whatever is amiss is an error.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and those of reading.
    pub(crate) fn read_on(
        &self,
        from: Cursor,
        until: (u32, u32),
        bytes: usize,
        visit: &mut dyn FnMut(Position, &Record<'_>),
    ) -> Result<Cursor, StoreError> {
        let mut at = from;
        let damaged = |at: &Cursor, what| {
            Err(StoreError::Damaged { segment: self.path(at.segment), offset: at.offset.into(), what })
        };
        let end = match at.segment.cmp(&until.0) {
            Ordering::Less => self.with_handle(at.segment, |file| file.size())?,
            Ordering::Equal => until.1.into(),
            Ordering::Greater => return Ok(at),
        };
        let begin = if at.offset as usize == SEGMENT_HEAD { 0 } else { at.offset };
        let len = usize::try_from(end.saturating_sub(begin.into())).unwrap_or(usize::MAX);
        if len > SEGMENT_BYTES + COMMIT_BYTES_MAX {
            return damaged(&at, "the segment is longer than one can be");
        }
        let segment = self.with_handle(at.segment, |file| read_up_to(file, begin.into(), len))?;
        let mut rest = segment.as_slice();
        if begin == 0 {
            match decode_segment_head(rest, self.store, at.segment) {
                Some(chain) if chain == at.chain => rest = rest.get(SEGMENT_HEAD..).unwrap_or_default(),
                _ => return damaged(&at, "the segment does not continue the one before"),
            }
        }
        let (mut offset, mut chain, mut commit) = (at.offset, at.chain, Vec::new());
        while !rest.is_empty() {
            let place = Place { store: self.store, segment: at.segment, offset };
            let record = match decode(rest, place) {
                Ok(record) if record.before == chain && record.commit == at.offset => record,
                Ok(_) => return damaged(&at, "a record does not fit into its commit"),
                Err(bad) => return damaged(&at, bad.what()),
            };
            (chain, rest) = (record.after(), rest.get(record.len as usize..).unwrap_or_default());
            let (is_last, len) = (record.last, record.len);
            commit.push((Position { segment: at.segment, offset, len }, record));
            offset = offset.saturating_add(len);
            if is_last {
                commit.drain(..).for_each(|(position, record)| visit(position, &record));
                at = Cursor { offset, chain, ..at };
                if (at.offset - from.offset) as usize >= bytes {
                    return Ok(at);
                }
            }
        }
        if !commit.is_empty() {
            return damaged(&at, "the end of a commit is missing");
        }
        if at.segment < until.0 {
            at = Cursor { segment: at.segment.saturating_add(1), offset: SEGMENT_HEAD as u32, ..at };
        }
        Ok(at)
    }

    /// The number of the last segment and its bytes on disk, whole commits or not; none without any.
    pub(crate) fn last_segment(&self) -> Result<Option<(u32, u64)>, StoreError> {
        let Some(last) = segments(&*self.disk, &self.dir)?.pop() else { return Ok(None) };
        self.with_handle(last, |file| file.size()).map(|size| Some((last, size)))
    }

    /// Opens the segments to read from them later, however long that takes: what is removed meanwhile stays readable.
    pub(crate) fn hold(&self) {
        self.holds.set(true);
        let mut handles = self.handles.borrow_mut();
        for number in segments(&*self.disk, &self.dir).unwrap_or_default().into_iter().take(HELD_MAX) {
            // What cannot be opened now is met again by whoever reads it.
            if let Ok(file) = self.disk.open(&self.path(number), How::Read) {
                handles.insert(number, file);
            }
        }
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> Result<u64, StoreError> {
        let sizes = segments(&*self.disk, &self.dir)?.into_iter();
        sizes.map(|number| self.with_handle(number, |file| file.size())).sum()
    }

    /// Reads bytes of a segment, unchecked; fewer where it ends.
    pub(crate) fn read_bytes(&self, segment: u32, offset: u32, len: usize) -> Result<Vec<u8>, StoreError> {
        let len = len.min(RECORD_HEAD + RECORD_BYTES_MAX);
        self.with_handle(segment, |file| read_up_to(file, offset.into(), len))
    }

    /// Reads the record at `position` and gives what it says to `take`.
    pub(crate) fn read<T>(
        &self,
        position: Position,
        take: impl FnOnce(Record<'_>) -> Option<T>,
    ) -> Result<T, StoreError> {
        let damaged =
            |what| StoreError::Damaged { segment: self.path(position.segment), offset: position.offset.into(), what };
        let len = position.len as usize;
        if len > RECORD_HEAD + RECORD_BYTES_MAX {
            return Err(damaged("the length of a record is not possible"));
        }
        let bytes = self.with_handle(position.segment, |file| read_up_to(file, position.offset.into(), len))?;
        let place = Place { store: self.store, segment: position.segment, offset: position.offset };
        let record = decode(&bytes, place).map_err(|bad| damaged(bad.what()))?;
        take(record).ok_or_else(|| damaged("the record is not the one that was looked for"))
    }

    fn with_handle<T>(&self, number: u32, act: impl FnOnce(&dyn DiskFile) -> io::Result<T>) -> Result<T, StoreError> {
        let path = self.path(number);
        let mut handles = self.handles.borrow_mut();
        if !handles.contains_key(&number) {
            match self.holds.get() {
                false if handles.len() >= HANDLES_MAX => drop(handles.pop_first()),
                // Those that are held are the first.
                true if handles.len() >= HELD_MAX + HANDLES_MAX => drop(handles.pop_last()),
                _ => {}
            }
            let file = self.disk.open(&path, How::Read).map_err(|error| StoreError::io("open", &path, error))?;
            handles.insert(number, file);
        }
        let Some(file) = handles.get(&number) else { return Err(StoreError::NoStore { path }) };
        act(&**file).map_err(|error| StoreError::io("read", &path, error))
    }

    /// The last file, if its making was interrupted before its head was whole. Nothing was ever written to it.
    fn find_stub(&self, segments: &[u32]) -> Option<u32> {
        let last = segments.last().copied().filter(|_| self.may_be_torn)?;
        let bytes = self.read_segment(last).ok()?;
        let whole = decode_segment_head(&bytes, self.store, last).is_some();
        (bytes.len() <= SEGMENT_HEAD && !whole).then_some(last)
    }

    fn read_segment(&self, number: u32) -> Result<Vec<u8>, &'static str> {
        const LIMIT: u64 = (SEGMENT_BYTES + COMMIT_BYTES_MAX) as u64;
        let read = || {
            let file = self.disk.open(&self.path(number), How::Read)?;
            let len = file.size()?;
            if len > LIMIT { Ok(None) } else { read_up_to(&*file, 0, len as usize).map(Some) }
        };
        match read() {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err("the segment is longer than one can be"),
            Err(_) => Err("the segment cannot be read"),
        }
    }

    /// The file of a segment.
    pub(crate) fn path(&self, number: u32) -> PathBuf {
        self.dir.join(name(number))
    }
}

fn name(number: u32) -> String {
    format!("{number:08}.log")
}

/// Where a write is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Laid {
    pub(crate) position: Position,
    /// It is a body in the record of its entry.
    pub(crate) within: bool,
}

/// The bodies that go into the records of their entries: number of the entry's write to that of the body's.
fn bodies_within(writes: &[Write]) -> BTreeMap<usize, usize> {
    let bodies: BTreeMap<&BodyHash, (usize, &[u8])> = (writes.iter().enumerate())
        .filter_map(|(index, write)| match write {
            Write::Body { hash, bytes } => Some((hash, (index, bytes.as_slice()))),
            _ => None,
        })
        .collect();
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    let mut within = BTreeMap::new();
    for (index, write) in writes.iter().enumerate() {
        let Write::Entry(entry) = write else { continue };
        let body = bodies_named(&entry.bytes).find_map(|hash| {
            let (body, bytes) = *bodies.get(&hash)?;
            WholeEntry::read(&entry.bytes, bytes).filter(|whole| whole.is_of(entry, &hash)).map(|_| body)
        });
        // Two entries may name one body; it is kept once.
        if let Some(body) = body.filter(|body| taken.insert(*body)) {
            within.insert(index, body);
        }
    }
    within
}

impl Loaded {
    /// Where the end was cut off that is not whole, if it is not: behind the last commit of its last segment.
    pub(crate) fn unfinished(&self) -> Option<(u32, u32)> {
        let end = self.tail.as_ref().map_or((0, 0), |(segment, end, _)| (*segment, *end));
        (self.torn.is_some() || self.stub.is_some()).then_some(end)
    }

    /// What is wrong with the beginning of a journal that had one before it became the store's: its first segment was whole,
    /// and its first commit names the archives, if there are any (`are_archives`).
    pub(crate) fn missing_beginning(&self, journal: &Journal, are_archives: bool) -> Option<Damage> {
        let damage = |offset, what| Some(Damage { segment: journal.path(1), offset, what });
        match self.stub {
            Some(1) => damage(0, "the head of the segment does not fit"),
            _ if self.last.is_none() && are_archives => {
                damage(SEGMENT_HEAD as u64, "what names the archives is missing")
            }
            _ => None,
        }
    }

    fn damage(&mut self, segment: PathBuf, offset: u32, what: &'static str) {
        self.damage.push(Damage { segment, offset: offset.into(), what });
    }
}

/// Of which store a segment is by its head, if that is whole.
fn store_told(disk: &dyn Disk, dir: &Path, number: u32) -> Option<StoreId> {
    let file = disk.open(&dir.join(name(number)), How::Read).ok()?;
    store_of_head(&read_up_to(&*file, 0, SEGMENT_HEAD).ok()?, number)
}

/// The numbers of all segments, in order; other files are none of our business.
fn segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<u32>, StoreError> {
    let names = match disk.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("list", dir, error)),
    };
    let number = |name: &str| name.strip_suffix(".log").filter(|n| n.len() == 8)?.parse().ok();
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}
