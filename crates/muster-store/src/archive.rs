//! Archives: entries that were moved out of the journal and packed, in files beside it (`docs/storage.md`).
//!
//! A record of the journal names each archive with the size and checksum of every block, so the journal stays the truth. What
//! stands in a block is in [`block`], how rows are packed in [`row`], moving entries there in [`crate::compact`].

pub(crate) mod block;
mod row;

use crate::StoreError;
use crate::disk::{Disk, DiskFile, How, read_up_to, write_all};
use crate::record::{StoreId, tagged};
use block::Row;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The first bytes of an archive.
const MAGIC: &[u8; 8] = b"mustera1";

/// Bytes of an archive's head.
pub(crate) const ARCHIVE_HEAD: usize = 32;

/// Bytes after which a new archive is begun: small enough to rewrite one for an erasure.
pub(crate) const ARCHIVE_BYTES: u64 = 16 * 1024 * 1024;

/// Most bytes of one block: what the largest row may take, and a block is closed before it takes another.
const BLOCK_BYTES_MAX: u32 = 4 * 1024 * 1024;

/// Blocks kept unpacked, about 1 MiB each. Readers go from one to the next.
const CACHED_BLOCKS: usize = 4;

/// What the journal says of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockRef {
    /// Bytes in the file.
    pub(crate) bytes: u32,
    /// The checksum over store, archive, offset and bytes.
    pub(crate) crc: u32,
    /// Entries in it.
    pub(crate) rows: u32,
}

/// What the journal says of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArchiveRef {
    /// Over the ids of all its entries, and what else is kept of each.
    pub(crate) digest: [u8; 32],
    /// Its number, as in its name.
    pub(crate) number: u32,
    /// Its blocks, which follow each other in the file.
    pub(crate) blocks: Vec<BlockRef>,
}

impl ArchiveRef {
    /// Appends the payload of its record.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.digest);
        out.extend_from_slice(&self.number.to_be_bytes());
        for block in &self.blocks {
            out.extend_from_slice([block.bytes, block.crc, block.rows].map(u32::to_be_bytes).as_flattened());
        }
    }

    /// Reads the payload of a record.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let (digest, rest) = payload.split_first_chunk::<32>()?;
        let (number, rest) = rest.split_first_chunk::<4>()?;
        let (numbers, rest) = rest.as_chunks::<4>();
        let (blocks, odd) = numbers.as_chunks::<3>();
        let blocks = blocks.iter().map(|block| {
            let [bytes, crc, rows] = block.map(u32::from_be_bytes);
            (bytes <= BLOCK_BYTES_MAX && rows <= block::ROWS_MAX as u32).then_some(BlockRef { bytes, crc, rows })
        });
        let blocks = blocks.collect::<Option<Vec<_>>>()?;
        let is_whole = rest.is_empty() && odd.is_empty();
        is_whole.then_some(Self { digest: *digest, number: u32::from_be_bytes(*number), blocks })
    }

    /// Where a block begins.
    fn offset(&self, block: usize) -> u64 {
        let before = self.blocks.iter().take(block).map(|block| u64::from(block.bytes));
        ARCHIVE_HEAD as u64 + before.sum::<u64>()
    }

    /// Bytes of the whole file.
    pub(crate) fn size(&self) -> u64 {
        self.offset(self.blocks.len())
    }
}

/// Where an entry lies in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) archive: u32,
    pub(crate) block: u32,
    pub(crate) row: u32,
}

type Cached = ((u32, u32), Arc<Vec<Row>>);

/// The archives of one store.
pub(crate) struct Archives {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    store: StoreId,
    known: BTreeMap<u32, ArchiveRef>,
    /// Their numbers as the journal names them: what one holds is older than what the next holds.
    order: Vec<u32>,
    cache: RefCell<VecDeque<Cached>>,
}

impl Archives {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, store: StoreId) -> Self {
        Self { disk, dir, store, known: BTreeMap::new(), order: Vec::new(), cache: RefCell::default() }
    }

    /// Takes in what the journal says of an archive. Whether it is there is found out by who reads it.
    pub(crate) fn learn(&mut self, archive: ArchiveRef) {
        let number = archive.number;
        if self.known.insert(number, archive).is_none() {
            self.order.push(number);
        }
    }

    /// All archives that the journal names, in its order.
    pub(crate) fn known(&self) -> impl Iterator<Item = &ArchiveRef> {
        self.order.iter().filter_map(|number| self.known.get(number))
    }

    /// A number that no archive has, named by the journal or not.
    pub(crate) fn next_number(&self, disk: &dyn Disk, dir: &Path) -> u32 {
        let present = Self::present(disk, dir).into_iter();
        present.chain(self.known.keys().copied()).max().unwrap_or(0).saturating_add(1)
    }

    /// The file of an archive.
    pub(crate) fn path(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{number:08}.arc"))
    }

    /// Reads every block of an archive for `visit`; what cannot be read goes to `damaged`, and the rest is read all the same.
    pub(crate) fn read_all(
        &self,
        archive: &ArchiveRef,
        visit: &mut dyn FnMut(Slot, &Row),
        damaged: &mut dyn FnMut(PathBuf, u64, &'static str),
    ) {
        let path = self.path(archive.number);
        let file = match self.disk.open(&path, How::Read) {
            Ok(file) => file,
            Err(_) => return damaged(path, 0, "the archive is missing or cannot be read"),
        };
        match read_up_to(&*file, 0, ARCHIVE_HEAD) {
            Err(_) => damaged(path.clone(), 0, "the head of the archive cannot be read"),
            Ok(head) if head == encode_head(self.store, archive.number) => {}
            Ok(_) => damaged(path.clone(), 0, "the head of the archive does not fit"),
        }
        if file.size().is_ok_and(|size| size != archive.size()) {
            damaged(path.clone(), archive.size(), "the archive is not as long as the journal says");
        }
        let (mut digest, mut whole) = (Digest::default(), true);
        for number in 0..archive.blocks.len() {
            match self.read_block(&*file, archive, number) {
                Ok(rows) => {
                    for (row, at) in rows.iter().zip(0..) {
                        digest.add(row);
                        visit(Slot { archive: archive.number, block: number as u32, row: at }, row);
                    }
                }
                Err(what) => {
                    damaged(path.clone(), archive.offset(number), what);
                    whole = false;
                }
            }
        }
        if whole && digest.0 != archive.digest {
            damaged(path, 0, "the archive does not hold what the journal says");
        }
    }

    /// Begins to read an archive block by block. It is for one that is known to be whole: whatever is amiss is an error.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and [`StoreError::Io`].
    pub(crate) fn begin_reading(&self, archive: &ArchiveRef) -> Result<Reading, StoreError> {
        let path = self.path(archive.number);
        let file = self.disk.open(&path, How::Read).map_err(|error| StoreError::io("open", &path, error))?;
        let failed = |error| StoreError::io("read", &path, error);
        let head = read_up_to(&*file, 0, ARCHIVE_HEAD).map_err(failed)?;
        let is_whole =
            head == encode_head(self.store, archive.number) && file.size().map_err(failed)? == archive.size();
        let what = "the archive is not as the journal says";
        let archive = archive.clone();
        let begun = Reading { file, archive, next: 0, digest: Digest::default() };
        if is_whole { Ok(begun) } else { Err(StoreError::Damaged { segment: path, offset: 0, what }) }
    }

    /// Shows the rows of the next block to `visit`; false behind the last one.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub(crate) fn read_on(&self, reading: &mut Reading, visit: &mut dyn FnMut(Slot, &Row)) -> Result<bool, StoreError> {
        let Reading { file, archive, next, digest } = reading;
        let damaged = |offset, what| Err(StoreError::Damaged { segment: self.path(archive.number), offset, what });
        if *next >= archive.blocks.len() {
            let is_whole = digest.0 == archive.digest;
            return if is_whole { Ok(false) } else { damaged(0, "the archive does not hold what the journal says") };
        }
        let rows = match self.read_block(&**file, archive, *next) {
            Ok(rows) => rows,
            Err(what) => return damaged(archive.offset(*next), what),
        };
        for (row, at) in rows.iter().zip(0..) {
            digest.add(row);
            visit(Slot { archive: archive.number, block: *next as u32, row: at }, row);
        }
        *next += 1;
        Ok(true)
    }

    /// The entry in a slot with its neighbours.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and [`StoreError::Io`].
    pub(crate) fn block(&self, slot: Slot) -> Result<Arc<Vec<Row>>, StoreError> {
        let key = (slot.archive, slot.block);
        let found = self.cache.borrow().iter().position(|(cached, _)| *cached == key);
        if let Some(used) = found.and_then(|at| self.cache.borrow_mut().remove(at)) {
            // What was used last stays longest.
            let rows = Arc::clone(&used.1);
            self.cache.borrow_mut().push_front(used);
            return Ok(rows);
        }
        let path = self.path(slot.archive);
        let number = slot.block as usize;
        let damaged = |offset, what| StoreError::Damaged { segment: path.clone(), offset, what };
        let archive = self.known.get(&slot.archive).ok_or_else(|| damaged(0, "the archive is not known"))?;
        let file = self.disk.open(&path, How::Read).map_err(|error| StoreError::io("open", &path, error))?;
        let rows = self.read_block(&*file, archive, number).map_err(|what| damaged(archive.offset(number), what))?;
        let rows = Arc::new(rows);
        let mut cache = self.cache.borrow_mut();
        cache.truncate(CACHED_BLOCKS - 1);
        cache.push_front((key, Arc::clone(&rows)));
        Ok(rows)
    }

    /// The bytes of the block that a slot is in, as they are in the file.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and [`StoreError::Io`].
    pub(crate) fn packed(&self, slot: Slot) -> Result<Vec<u8>, StoreError> {
        let (path, number) = (self.path(slot.archive), slot.block as usize);
        let damaged = |offset, what| StoreError::Damaged { segment: path.clone(), offset, what };
        let archive = self.known.get(&slot.archive).ok_or_else(|| damaged(0, "the archive is not known"))?;
        let block = archive.blocks.get(number).ok_or_else(|| damaged(0, "the archive has no such block"))?;
        let file = self.disk.open(&path, How::Read).map_err(|error| StoreError::io("open", &path, error))?;
        let offset = archive.offset(number);
        let bytes =
            read_up_to(&*file, offset, block.bytes as usize).map_err(|error| StoreError::io("read", &path, error))?;
        if block_crc(self.store, archive.number, offset, &bytes) != block.crc {
            return Err(damaged(offset, "the checksum of a block does not fit"));
        }
        Ok(bytes)
    }

    fn read_block(&self, file: &dyn DiskFile, archive: &ArchiveRef, number: usize) -> Result<Vec<Row>, &'static str> {
        let block = archive.blocks.get(number).ok_or("the archive has no such block")?;
        let offset = archive.offset(number);
        let bytes = read_up_to(file, offset, block.bytes as usize).map_err(|_| "a block cannot be read")?;
        if bytes.len() != block.bytes as usize {
            return Err("a block is cut short");
        }
        if block_crc(self.store, archive.number, offset, &bytes) != block.crc {
            return Err("the checksum of a block does not fit");
        }
        block::unpack(&bytes, block.rows as usize).ok_or("a block's checksum fits but its contents do not")
    }

    /// Begins an archive that nothing names yet.
    ///
    /// # Errors
    /// [`StoreError::Full`] and [`StoreError::Io`].
    pub(crate) fn create(&self, number: u32) -> Result<ArchiveWriter, StoreError> {
        self.disk.create_dir(&self.dir).map_err(|error| StoreError::io("create", &self.dir, error))?;
        let path = self.path(number);
        let made = self.disk.open(&path, How::Create).and_then(|file| {
            write_all(&*file, &encode_head(self.store, number), 0)?;
            Ok(file)
        });
        let file = made.map_err(|error| StoreError::io("create", &path, error))?;
        let archive = ArchiveRef { digest: [0; 32], number, blocks: Vec::new() };
        Ok(ArchiveWriter { file, path, store: self.store, archive, digest: Digest::default() })
    }

    /// Makes the names of all archives durable.
    pub(crate) fn sync_dir(&self) -> Result<(), StoreError> {
        self.disk.sync_dir(&self.dir).map_err(|error| StoreError::io("sync", &self.dir, error))
    }

    /// The numbers of all files that are there, named by the journal or not.
    pub(crate) fn present(disk: &dyn Disk, dir: &Path) -> Vec<u32> {
        let number = |name: &String| name.strip_suffix(".arc").filter(|n| n.len() == 8)?.parse().ok();
        disk.list(dir).unwrap_or_default().iter().filter_map(number).collect()
    }
}

/// An archive that is being read, block by block.
pub(crate) struct Reading {
    file: Box<dyn DiskFile>,
    archive: ArchiveRef,
    next: usize,
    digest: Digest,
}

/// An archive that is being written.
pub(crate) struct ArchiveWriter {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    store: StoreId,
    archive: ArchiveRef,
    digest: Digest,
}

impl ArchiveWriter {
    /// Bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.archive.size()
    }

    /// Appends a packed block of these rows.
    ///
    /// # Errors
    /// [`StoreError::Full`] and [`StoreError::Io`].
    pub(crate) fn push(&mut self, bytes: &[u8], rows: &[Row]) -> Result<(), StoreError> {
        let offset = self.size();
        write_all(&*self.file, bytes, offset).map_err(|error| StoreError::io("write to", &self.path, error))?;
        rows.iter().for_each(|row| self.digest.add(row));
        let crc = block_crc(self.store, self.archive.number, offset, bytes);
        self.archive.blocks.push(BlockRef { bytes: bytes.len() as u32, crc, rows: rows.len() as u32 });
        Ok(())
    }

    /// Makes its contents durable and tells what the journal has to say of it.
    ///
    /// # Errors
    /// [`StoreError::Full`] and [`StoreError::Io`].
    pub(crate) fn finish(mut self) -> Result<ArchiveRef, StoreError> {
        self.file.sync().map_err(|error| StoreError::io("sync", &self.path, error))?;
        self.archive.digest = self.digest.0;
        Ok(self.archive)
    }
}

/// The hash over the entries of an archive, their signatures and bodies by being there.
#[derive(Default)]
struct Digest([u8; 32]);

impl Digest {
    fn add(&mut self, row: &Row) {
        let kept = u8::from(row.entry.signature.is_some()) | u8::from(row.body.is_some()) << 1;
        self.0 = tagged("muster/archive/1", &[&self.0, &[kept], row.entry.id.as_bytes()]);
    }
}

fn encode_head(store: StoreId, number: u32) -> [u8; ARCHIVE_HEAD] {
    let mut head = [0; ARCHIVE_HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..24].copy_from_slice(&store);
    head[24..28].copy_from_slice(&number.to_be_bytes());
    let crc = crc32c::crc32c(&head[..28]);
    head[28..].copy_from_slice(&crc.to_be_bytes());
    head
}

fn block_crc(store: StoreId, archive: u32, offset: u64, bytes: &[u8]) -> u32 {
    let mut context = [0; 28];
    context[..16].copy_from_slice(&store);
    context[16..20].copy_from_slice(&archive.to_be_bytes());
    context[20..].copy_from_slice(&offset.to_be_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&context), bytes)
}
