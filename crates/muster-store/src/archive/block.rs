//! A block of an archive: some thousand entries with what is kept of each, packed together (`docs/storage.md`).
//!
//! Where blocks lie and how they are checked is in [`super`]; an entry's own bytes are packed in [`super::row`].

use super::row::Past;
use crate::record::tagged;
use crate::whole::WholeEntry;
use crate::{StoreError, StoredEntry};
use muster_log::{BodyHash, DagId, EntryId, Signature, TeamId, Timestamp};
use std::path::Path;

/// Bytes at which a block is closed: the more share a block, the less each takes, and all of it is unpacked to read one.
const BYTES_AIM: usize = 256 * 1024;

/// Entries at which a block is closed.
const ROWS_AIM: usize = 4_096;

/// Most entries of a block.
pub(crate) const ROWS_MAX: usize = ROWS_AIM;

/// Most bytes of a block's compressed part once inflated: what is short of [`BYTES_AIM`] and the largest entry and body.
const RAW_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Most bytes of a block's entries and bodies: an instruction of two bytes may stand for a hundred.
const UNPACKED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Slow to pack, fast to unpack: an archive is written once.
const ZSTD_LEVEL: i32 = 15;

/// What is told of a row in one byte.
const SIGNED: u8 = 1;
const WITH_BODY: u8 = 2;
const NAMED: u8 = 4;
const SALTED: u8 = 8;

/// How a body begins that begins with its salt.
const SALT_HEAD: [u8; 2] = [0x83, 0x50];

/// How the DAG of some rows is told.
const DAG_GIVEN: u8 = 0;
const DAG_OF_FIRST: u8 = 1;

/// An entry and its body, where that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) entry: StoredEntry,
    pub(crate) body: Option<(BodyHash, Vec<u8>)>,
}

impl Row {
    /// A row of an entry and a body that it names; another body has no place in it.
    pub(crate) fn new(entry: StoredEntry, body: Option<(BodyHash, Vec<u8>)>) -> Self {
        let fits = |(hash, body): &(BodyHash, Vec<u8>)| {
            WholeEntry::read(&entry.bytes, body).is_some_and(|whole| whole.hash == *hash)
        };
        let body = body.filter(fits);
        Self { entry, body }
    }
}

/// A block that is being filled.
#[derive(Default)]
pub(crate) struct Filling {
    rows: Vec<Row>,
    past: Past,
    heads: Writer,
    entries: Writer,
    texts: Writer,
    loose: Vec<u8>,
    received: i64,
}

impl Filling {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether it takes no more.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.0.len() + self.texts.0.len() + self.loose.len() >= BYTES_AIM || self.rows.len() >= ROWS_AIM
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Row) {
        let Row { entry, body } = &row;
        let id = *entry.id.as_bytes();
        let named = tagged("muster/entry/1", &[&entry.bytes]) != id;
        let body = body.as_ref().map(|(_, bytes)| bytes.as_slice());
        let salted = body.and_then(|body| body.strip_prefix(&SALT_HEAD)?.split_first_chunk::<16>());
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let flags = flag(entry.signature.is_some(), SIGNED)
            | flag(body.is_some(), WITH_BODY)
            | flag(named, NAMED)
            | flag(salted.is_some(), SALTED);
        self.heads.byte(flags).difference(entry.received.0.wrapping_sub(self.received) as u64);
        self.received = entry.received.0;
        if named {
            self.loose.extend_from_slice(&id);
        }
        entry.signature.iter().for_each(|signature| self.loose.extend_from_slice(signature.as_bytes()));
        salted.iter().for_each(|(salt, _)| self.loose.extend_from_slice(*salt));
        if let Some(text) = salted.map(|(_, text)| text).or(body) {
            self.texts.number(text.len() as u64).bytes(text);
        }
        self.past.pack(&entry.bytes, body, &mut self.entries);
        self.past.note(&entry.bytes, id);
        self.rows.push(row);
    }

    /// As [`Filling::finish`], after holding what comes out against what went in.
    ///
    /// # Errors
    /// [`StoreError::Io`], which only a fault of ours can bring about. `store` is named in it.
    pub(crate) fn finish_checked(self, store: &Path) -> Result<(Vec<u8>, Vec<Row>), StoreError> {
        let (bytes, rows) = self.finish();
        if unpack(&bytes, rows.len()).as_ref() == Some(&rows) {
            return Ok((bytes, rows));
        }
        let source = std::io::Error::other("entries do not come out as they went in");
        Err(StoreError::Io { doing: "pack", path: store.into(), source })
    }

    /// The packed block and its rows. The bytes are those that [`unpack`] reads.
    pub(crate) fn finish(self) -> (Vec<u8>, Vec<Row>) {
        let mut raw = Writer::default();
        let groups: Vec<&[Row]> = self.rows.chunk_by(|a, b| place(a) == place(b)).collect();
        raw.number(groups.len() as u64);
        for group in groups {
            let Some(first) = group.first().map(|row| &row.entry) else { continue };
            raw.number(group.len() as u64).bytes(first.team.as_bytes());
            if first.dag.as_bytes() == first.id.as_bytes() {
                raw.byte(DAG_OF_FIRST);
            } else {
                raw.byte(DAG_GIVEN).bytes(first.dag.as_bytes());
            }
        }
        raw.bytes(&self.heads.0).bytes(&self.entries.0).bytes(&self.texts.0);
        let (raw, texts) = (raw.0, self.texts.0.len());
        let compressed = match zstd::bulk::compress(&raw, ZSTD_LEVEL) {
            Ok(compressed) => compressed,
            Err(error) => unreachable!("compressing {} bytes in memory cannot fail: {error}", raw.len()),
        };
        let numbers = [raw.len(), texts, self.loose.len()].map(|n| (n as u32).to_be_bytes());
        (([numbers.as_flattened(), &self.loose, &compressed].concat()), self.rows)
    }
}

fn place(row: &Row) -> (TeamId, DagId) {
    (row.entry.team, row.entry.dag)
}

/// The rows of a block; none where the bytes are not one of so many rows. Every size is checked before room is made for it.
pub(crate) fn unpack(bytes: &[u8], rows: usize) -> Option<Vec<Row>> {
    let (numbers, rest) = bytes.split_first_chunk::<12>()?;
    let (numbers, _) = numbers.as_chunks::<4>();
    let [raw, texts, loose] = *<&[[u8; 4]; 3]>::try_from(numbers).ok()?;
    let [raw, texts, loose] = [raw, texts, loose].map(|n| u32::from_be_bytes(n) as usize);
    let (loose, compressed) = rest.split_at_checked(loose)?;
    if raw > RAW_BYTES_MAX || rows > ROWS_MAX {
        return None;
    }
    let raw = zstd::bulk::decompress(compressed, raw).ok().filter(|inflated| inflated.len() == raw)?;
    let (front, texts) = raw.split_at_checked(raw.len().checked_sub(texts)?)?;
    let mut unpacking = Unpacking {
        front: Reader(front),
        texts: Reader(texts),
        loose: Reader(loose),
        past: Past::default(),
        room: UNPACKED_BYTES_MAX,
        received: 0,
    };
    unpacking.rows(rows)
}

struct Unpacking<'a> {
    front: Reader<'a>,
    texts: Reader<'a>,
    loose: Reader<'a>,
    past: Past,
    /// Bytes that may still be made.
    room: usize,
    received: i64,
}

/// Some rows of one DAG.
struct Group {
    rows: usize,
    team: TeamId,
    dag: Option<DagId>,
}

impl Unpacking<'_> {
    fn rows(&mut self, rows: usize) -> Option<Vec<Row>> {
        let groups = self.groups(rows)?;
        let heads = (0..rows).map(|_| self.head()).collect::<Option<Vec<_>>>()?;
        let (mut out, mut heads) = (Vec::with_capacity(rows), heads.into_iter());
        for Group { rows, team, mut dag } in groups {
            for (flags, received) in heads.by_ref().take(rows) {
                let mut row = self.row(flags, received, team)?;
                row.entry.dag = *dag.get_or_insert(DagId::from_bytes(*row.entry.id.as_bytes()));
                out.push(row);
            }
        }
        let is_whole = out.len() == rows && [&self.front, &self.texts, &self.loose].iter().all(|r| r.0.is_empty());
        is_whole.then_some(out)
    }

    fn groups(&mut self, rows: usize) -> Option<Vec<Group>> {
        let groups = usize::try_from(self.front.number()?).ok().filter(|groups| *groups <= rows)?;
        let mut left = rows;
        let groups: Option<Vec<Group>> = (0..groups)
            .map(|_| {
                let rows = usize::try_from(self.front.number()?).ok()?;
                left = left.checked_sub(rows)?;
                let team = TeamId::from_bytes(self.front.array()?);
                let dag = match self.front.array()? {
                    [DAG_GIVEN] => Some(DagId::from_bytes(self.front.array()?)),
                    [DAG_OF_FIRST] => None,
                    _ => return None,
                };
                Some(Group { rows, team, dag })
            })
            .collect();
        groups.filter(|_| left == 0)
    }

    fn head(&mut self) -> Option<(u8, Timestamp)> {
        let [flags] = self.front.array()?;
        self.received = self.received.wrapping_add(self.front.difference()? as i64);
        (flags <= SIGNED | WITH_BODY | NAMED | SALTED).then_some((flags, Timestamp(self.received)))
    }

    fn row(&mut self, flags: u8, received: Timestamp, team: TeamId) -> Option<Row> {
        let has = |flag: u8| flags & flag != 0;
        let named = if has(NAMED) { Some(self.loose.array()?) } else { None };
        let signature = if has(SIGNED) { Some(Signature::from_bytes(self.loose.array()?)) } else { None };
        let body = if has(WITH_BODY) { Some(self.body(has(SALTED))?) } else { None };
        let bytes = self.past.unpack(&mut self.front, body.as_deref(), self.room)?;
        self.room = self.room.checked_sub(bytes.len())?;
        let id = named.unwrap_or_else(|| tagged("muster/entry/1", &[&bytes]));
        self.past.note(&bytes, id);
        let body = match body {
            Some(body) => Some((WholeEntry::read(&bytes, &body)?.hash, body)),
            None => None,
        };
        let dag = DagId::from_bytes(id);
        Some(Row { entry: StoredEntry { bytes, id: EntryId::from_bytes(id), team, dag, received, signature }, body })
    }

    fn body(&mut self, salted: bool) -> Option<Vec<u8>> {
        let salt: Option<[u8; 16]> = if salted { Some(self.loose.array()?) } else { None };
        let size = usize::try_from(self.texts.number()?).ok()?;
        let text = self.texts.take(size)?;
        self.room = self.room.checked_sub(text.len())?;
        Some(match salt {
            Some(salt) => [&SALT_HEAD, &salt[..], text].concat(),
            None => text.to_vec(),
        })
    }
}

/// Bytes with numbers of as many bytes as they need (LEB128).
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn number(&mut self, mut n: u64) -> &mut Self {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.byte(n as u8)
    }

    /// A difference of two numbers modulo 2⁶⁴, small where they are near each other.
    pub(super) fn difference(&mut self, n: u64) -> &mut Self {
        self.number(n << 1 ^ ((n as i64) >> 63) as u64)
    }

    /// Bytes as an instruction; none for none.
    pub(super) fn literal(&mut self, bytes: &[u8]) -> &mut Self {
        if bytes.is_empty() {
            return self;
        }
        self.number((bytes.len() as u64) << 1 | 1).bytes(bytes)
    }
}

/// What a [`Writer`] wrote.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            n |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(n);
            }
        }
        None
    }

    pub(super) fn difference(&mut self) -> Option<u64> {
        let n = self.number()?;
        Some((n >> 1) ^ (n & 1).wrapping_neg())
    }
}

#[cfg(test)]
mod tests;
