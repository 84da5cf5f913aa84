//! The store on disk: a journal that is the truth, an index beside it, a home around both.
//!
//! How it is opened, checked and healed is in [`crate::open`]; here is what it does once it is open.

use crate::archive::{Archives, Slot, block::Row as ArchivedRow};
use crate::compact::{Compaction, CompactionStep};
use crate::erase::Erasure;
use crate::format::Format;
use crate::home::Home;
use crate::index::{
    Checkpoint, INDEXED_BYTES, Index, IndexFailed, Key, MemoryIndex, Row, body_key, entry_key, signature_key,
};
use crate::journal::{Journal, Laid, Tail};
use crate::record::{Payload, StoreId};
use crate::scan::Position;
use crate::staged::{Known, Staged};
use crate::{ErasureStep, OpenOptions, OpenReport, Storage, StoreError, StoredEntry, Write};
use muster_log::{BodyHash, DagId, EntryId, TeamId};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// A store in a directory.
pub struct DiskStore {
    pub(crate) home: Home,
    pub(crate) format: Format,
    pub(crate) journal: Journal,
    pub(crate) archives: Archives,
    pub(crate) kept: Kept,
    pub(crate) index: RefCell<Box<dyn Index>>,
    /// Where to append; none in a store opened for reading.
    pub(crate) writer: Option<Writer>,
    pub(crate) staged: Staged,
    /// A compaction under way.
    pub(crate) compaction: Option<Box<Compaction>>,
    /// An erasure under way.
    pub(crate) erasure: Option<Box<Erasure>>,
}

/// What only a store opened for writing has.
pub(crate) struct Writer {
    pub(crate) tail: Tail,
    pub(crate) reserve: bool,
    pub(crate) poisoned: bool,
    /// How long sled may take; none where the index is kept in memory.
    pub(crate) index_patience: Option<Duration>,
    /// Bytes of the journal that are written anew in one step.
    pub(crate) slice_bytes: usize,
    /// Held until the store is dropped.
    pub(crate) _lock: Box<dyn Send>,
}

/// Where an entry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// In a record of the journal.
    Journal(Position),
    /// In an archive.
    Archive(Slot),
}

/// What is kept in memory: the order of each DAG's entries, where the local facts are, and what the archives hold.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) dags: BTreeMap<DagId, (TeamId, Vec<Held>)>,
    pub(crate) locals: BTreeMap<String, Position>,
    /// The bodies in the records of their entries. The index has no rows of them.
    bodies: BTreeMap<BodyKey, Position>,
    /// The entries and bodies in archives. The index has no rows of them.
    pub(crate) archived: BTreeMap<Key, Slot>,
    pub(crate) entries: u64,
    /// Signatures that came after their entries. Without any, none needs to be looked for.
    late_signatures: u64,
}

/// The first bytes of a body's hash, enough to know it by.
type BodyKey = [u8; INDEXED_BYTES];

fn body_short(hash: &BodyHash) -> BodyKey {
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

impl Kept {
    /// Takes in one durable record.
    pub(crate) fn take_in(&mut self, payload: &Payload<'_>, position: Position) {
        match payload {
            Payload::Entry { team, dag, .. } => self.add_entry(*team, *dag, position),
            Payload::Local { key, value } => self.set_local(key, value.is_some(), position),
            Payload::Whole { entry, .. } => {
                self.add_entry(entry.team(), entry.dag(), position);
                self.bodies.insert(body_short(&entry.hash), position);
            }
            Payload::Signature { .. } => self.late_signatures += 1,
            // What is in it is taken in by whoever reads it.
            Payload::Body { .. } | Payload::Archive(_) => {}
        }
    }

    /// Whether it has more entries of any DAG.
    pub(crate) fn has_more_than(&self, other: &Self) -> bool {
        let there = |dag| other.dags.get(dag).map_or(0, |(_, order)| order.len());
        self.dags.iter().any(|(dag, (_, order))| order.len() > there(dag))
    }

    /// Takes in one entry of an archive.
    pub(crate) fn take_in_archived(&mut self, row: &ArchivedRow, slot: Slot) {
        self.add(row.entry.team, row.entry.dag, Held::Archive(slot));
        self.archived.insert(entry_key(&row.entry.id), slot);
        if let Some((hash, _)) = &row.body {
            self.archived.insert(body_key(hash), slot);
        }
    }

    fn take_in_write(&mut self, write: &Write, Laid { position, within }: Laid) {
        match write {
            Write::Body { hash, .. } if within => drop(self.bodies.insert(body_short(hash), position)),
            Write::Entry(entry) => self.add_entry(entry.team, entry.dag, position),
            Write::Local { key, value } => self.set_local(key, value.is_some(), position),
            Write::Signature { .. } => self.late_signatures += 1,
            Write::Body { .. } => {}
        }
    }

    fn add_entry(&mut self, team: TeamId, dag: DagId, position: Position) {
        self.add(team, dag, Held::Journal(position));
    }

    fn add(&mut self, team: TeamId, dag: DagId, held: Held) {
        self.dags.entry(dag).or_insert_with(|| (team, Vec::new())).1.push(held);
        self.entries += 1;
    }

    fn set_local(&mut self, key: &str, known: bool, position: Position) {
        if known {
            self.locals.insert(key.to_owned(), position)
        } else {
            self.locals.remove(key)
        };
    }
}

impl DiskStore {
    /// Opens the store in `dir`, makes one where there is none, heals what can be healed and reports it.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Newer`], [`StoreError::ReadOnly`], [`StoreError::Full`] (only where there is no
    /// store yet), [`StoreError::NoStore`] (only for reading), [`StoreError::Damaged`] (only for writing) and
    /// [`StoreError::Io`]. Before version and lock are settled, nothing is written.
    pub fn open(dir: &Path, options: OpenOptions) -> Result<(Self, OpenReport), StoreError> {
        crate::open::open(dir, options)
    }

    /// The sixteen random bytes that tell this store from every other, for the session lease.
    pub fn store_id(&self) -> StoreId {
        self.format.store
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// Where a body is kept.
    pub(crate) fn find_body(&self, hash: &BodyHash) -> Result<Option<Held>, StoreError> {
        match self.kept.bodies.get(&body_short(hash)) {
            Some(position) => Ok(Some(Held::Journal(*position))),
            None => self.find_held(&body_key(hash)),
        }
    }

    pub(crate) fn find_held(&self, key: &Key) -> Result<Option<Held>, StoreError> {
        match self.kept.archived.get(key) {
            Some(slot) => Ok(Some(Held::Archive(*slot))),
            None => Ok(self.find(key)?.map(Held::Journal)),
        }
    }

    /// Where the journal's record of `key` is. An index that fails is replaced by one in memory.
    fn find(&self, key: &Key) -> Result<Option<Position>, StoreError> {
        let found = self.index.borrow().get(key);
        match found {
            Ok(position) => Ok(position),
            Err(failed) => {
                self.replace_index(&failed)?;
                self.index.borrow().get(key).map_err(|error| StoreError::Io {
                    doing: "look something up in",
                    path: self.home.index(),
                    source: std::io::Error::other(error),
                })
            }
        }
    }

    fn replace_index(&self, failed: &IndexFailed) -> Result<(), StoreError> {
        tracing::warn!(reason = %failed, "the index failed, going on with one in memory");
        let index = MemoryIndex::of(&self.journal)?;
        *self.index.borrow_mut() = Box::new(index);
        Ok(())
    }

    pub(crate) fn read_entry(&self, held: Held) -> Result<StoredEntry, StoreError> {
        let mut entry = match held {
            Held::Journal(position) => self.journal.read(position, |record| record.payload.into_entry())?,
            Held::Archive(slot) => self.read_archived(slot, |row| Some(row.entry.clone()))?,
        };
        if entry.signature.is_none()
            && self.kept.late_signatures > 0
            && let Some(position) = self.find(&signature_key(&entry.id))?
        {
            let signature = self.journal.read(position, |record| match record.payload {
                Payload::Signature { entry: of, signature } if of == entry.id => Some(signature),
                _ => None,
            })?;
            entry.signature = Some(signature);
        }
        Ok(entry)
    }

    fn read_archived<T>(&self, slot: Slot, take: impl FnOnce(&ArchivedRow) -> Option<T>) -> Result<T, StoreError> {
        let block = self.archives.block(slot)?;
        block.get(slot.row as usize).and_then(take).ok_or_else(|| StoreError::Damaged {
            segment: self.archives.path(slot.archive),
            offset: 0,
            what: "the archive has no such row",
        })
    }

    fn read_local(&self, key: &str, position: Position) -> Result<Option<Vec<u8>>, StoreError> {
        self.journal.read(position, |record| match record.payload {
            Payload::Local { key: of, value } if of == key => Some(value.map(<[u8]>::to_vec)),
            _ => None,
        })
    }

    /// The writer, if this store may be written to now.
    pub(crate) fn writer(&mut self) -> Result<&mut Writer, StoreError> {
        match &mut self.writer {
            None => Err(StoreError::ReadOnly { path: self.home.path().into() }),
            Some(writer) if writer.poisoned => Err(StoreError::Poisoned),
            Some(writer) => Ok(writer),
        }
    }

    fn put_rows(&mut self, writes: &[Write], laid: &[Laid], end: (u32, u32)) -> Result<(), StoreError> {
        let rows = writes.iter().zip(laid).filter_map(|(write, Laid { position, within })| {
            let key = match write {
                Write::Body { .. } if *within => return None,
                Write::Entry(entry) => entry_key(&entry.id),
                Write::Body { hash, .. } => body_key(hash),
                Write::Signature { entry, .. } => signature_key(entry),
                Write::Local { .. } => return None,
            };
            Some(Row { key, position: *position })
        });
        let checkpoint = Checkpoint { store: self.format.store, end };
        let put = self.index.get_mut().put(rows.collect(), checkpoint);
        put.or_else(|failed| self.replace_index(&failed))
    }
}

impl Known for DiskStore {
    fn signed(&self, id: &EntryId) -> Result<Option<bool>, StoreError> {
        Ok(self.entry(id)?.map(|entry| entry.signature.is_some()))
    }

    fn has_body(&self, hash: &BodyHash) -> Result<bool, StoreError> {
        self.find_body(hash).map(|position| position.is_some())
    }
}

impl Storage for DiskStore {
    fn stage(&mut self, write: Write) -> Result<(), StoreError> {
        self.writer()?;
        let mut staged = std::mem::take(&mut self.staged);
        let added = staged.add(write, self);
        self.staged = staged;
        added
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let staged = std::mem::take(&mut self.staged).take();
        let home = self.home.clone();
        let writer = self.writer()?;
        if staged.is_empty() {
            return Ok(());
        }
        if !writer.reserve {
            writer.reserve = home.keep_reserve();
        }
        if !writer.reserve {
            return Err(StoreError::Full { path: home.path().into() });
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let laid = self.journal.append(&mut writer.tail, &staged).inspect_err(|error| {
            writer.poisoned = !matches!(error, StoreError::Full { .. });
        })?;
        let end = writer.tail.end();
        for (write, laid) in staged.iter().zip(&laid) {
            self.kept.take_in_write(write, *laid);
        }
        // The commit is durable. An index that fails even from memory is met again by whoever reads.
        if let Err(error) = self.put_rows(&staged, &laid, end) {
            tracing::warn!(%error, "the index could not be replaced");
        }
        Ok(())
    }

    fn is_writable(&self) -> bool {
        self.writer.is_some()
    }

    fn lost(&self) -> Result<Option<crate::Lost>, StoreError> {
        self.count_lost()
    }

    fn begin_compaction(&mut self, dags: &[DagId]) -> Result<u64, StoreError> {
        crate::compact::begin(self, dags)
    }

    fn step_compaction(&mut self) -> Result<CompactionStep, StoreError> {
        crate::compact::step(self)
    }

    fn give_up_compaction(&mut self) {
        if self.compaction.is_some() {
            crate::compact::give_up(self);
        }
    }

    fn begin_erasure(&mut self, bodies: &[BodyHash]) -> Result<ErasureStep, StoreError> {
        if !self.staged.is_empty() {
            self.commit()?;
        }
        crate::erase::begin(self, bodies)
    }

    fn step_erasure(&mut self) -> Result<ErasureStep, StoreError> {
        crate::erase::step(self)
    }

    fn give_up_erasure(&mut self) {
        if self.erasure.is_some() {
            crate::compact::give_up(self);
        }
    }

    fn check_room_for(&mut self, bytes: u64) -> Result<(), StoreError> {
        let home = self.home.clone();
        let writer = self.writer()?;
        if !writer.reserve {
            writer.reserve = home.keep_reserve();
        }
        let has_room = writer.reserve && home.has_room(bytes);
        if has_room { Ok(()) } else { Err(StoreError::Full { path: home.path().into() }) }
    }

    fn contains(&self, id: &EntryId) -> Result<bool, StoreError> {
        self.find_held(&entry_key(id)).map(|held| held.is_some())
    }

    fn entry(&self, id: &EntryId) -> Result<Option<StoredEntry>, StoreError> {
        let Some(held) = self.find_held(&entry_key(id))? else { return Ok(None) };
        // Only the id's beginning is known where it is looked up.
        Ok(Some(self.read_entry(held)?).filter(|entry| entry.id == *id))
    }

    fn body(&self, hash: &BodyHash) -> Result<Option<Vec<u8>>, StoreError> {
        let position = match self.find_body(hash)? {
            None => return Ok(None),
            Some(Held::Journal(position)) => position,
            Some(Held::Archive(slot)) => {
                let body = self.read_archived(slot, |row| row.body.clone())?;
                return Ok(Some(body).filter(|(of, _)| of == hash).map(|(_, bytes)| bytes));
            }
        };
        self.journal.read(position, |record| match record.payload {
            Payload::Body { hash: of, bytes } => Some((of == *hash).then(|| bytes.to_vec())),
            Payload::Whole { entry, .. } => Some((entry.hash == *hash).then(|| entry.body.to_vec())),
            _ => None,
        })
    }

    fn contains_body(&self, hash: &BodyHash) -> Result<bool, StoreError> {
        self.find_body(hash).map(|position| position.is_some())
    }

    fn teams(&self) -> Vec<TeamId> {
        self.kept.dags.values().map(|(team, _)| *team).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn dags(&self, team: &TeamId) -> Vec<DagId> {
        self.kept.dags.iter().filter(|(_, (of, _))| of == team).map(|(dag, _)| *dag).collect()
    }

    fn count(&self, dag: &DagId) -> u64 {
        self.kept.dags.get(dag).map_or(0, |(_, order)| order.len() as u64)
    }

    fn page(&self, dag: &DagId, start: u64, limit: usize) -> Result<Vec<StoredEntry>, StoreError> {
        let order = self.kept.dags.get(dag).map_or(&[][..], |(_, order)| order);
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        order.iter().skip(start).take(limit).map(|held| self.read_entry(*held)).collect()
    }

    fn local(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.kept.locals.get(key).map_or(Ok(None), |position| self.read_local(key, *position))
    }

    fn locals(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let from = self.kept.locals.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        let read = from.map(|(key, position)| Ok(self.read_local(key, *position)?.map(|value| (key.clone(), value))));
        read.filter_map(Result::transpose).collect()
    }
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let teams = self.teams().len();
        f.debug_struct("DiskStore").field("path", &self.path()).field("teams", &teams).finish_non_exhaustive()
    }
}
