//! One record of the journal and the head of a segment: bytes to values and back (`docs/storage.md`).
//!
//! Which records make a whole commit is decided in [`crate::scan`]; files are the affair of [`crate::journal`].

use crate::archive::ArchiveRef;
use crate::storage::RECORD_BYTES_MAX;
use crate::whole::WholeEntry;
use crate::{StoredEntry, Write};
use muster_log::{BodyHash, DagId, EntryId, Signature, TeamId, Timestamp};
use sha2::{Digest, Sha256};

/// The first bytes of a segment.
const MAGIC: &[u8; 8] = b"musterj1";

/// Bytes of a segment's head.
pub(crate) const SEGMENT_HEAD: usize = 64;

/// Bytes of a record before its payload.
pub(crate) const RECORD_HEAD: usize = 46;

/// Sixteen random bytes that tell one store from every other.
pub type StoreId = [u8; 16];

/// The hash over types and ids of all records so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Chain(pub(crate) [u8; 32]);

impl Chain {
    fn next(self, kind: RecordKind, id: &[u8; 32]) -> Self {
        Self(tagged("muster/journal/1", &[&self.0, &[kind as u8], id]))
    }
}

/// H(tag, zero byte, parts); as in `muster-log`, whose hashes are of other tags.
pub(crate) fn tagged(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(tag.as_bytes());
    hasher.update([0]);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordKind {
    Entry = 1,
    Body = 2,
    Signature = 3,
    Local = 4,
    Whole = 5,
    Archive = 32,
}

impl RecordKind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Entry, Self::Body, Self::Signature, Self::Local, Self::Whole, Self::Archive]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// Where a record begins: all of it goes into the record's CRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) store: StoreId,
    pub(crate) segment: u32,
    pub(crate) offset: u32,
}

impl Place {
    fn crc(&self, length: [u8; 4], rest: &[u8]) -> u32 {
        let mut context = [0; 28];
        context[..16].copy_from_slice(&self.store);
        context[16..20].copy_from_slice(&self.segment.to_be_bytes());
        context[20..24].copy_from_slice(&self.offset.to_be_bytes());
        context[24..].copy_from_slice(&length);
        crc32c::crc32c_append(crc32c::crc32c(&context), rest)
    }
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadRecord {
    Short,
    Length,
    Type,
    Commit,
    Checksum,
    Payload,
}

impl BadRecord {
    /// For people.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Short => "a record is cut short",
            Self::Length => "the length of a record is not possible",
            Self::Type => "the type of a record is not known",
            Self::Commit => "a record does not fit into its commit",
            Self::Checksum => "the checksum of a record does not fit",
            Self::Payload => "a record's checksum fits but its contents do not",
        }
    }
}

/// A record of good form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// Whether it ends its commit.
    pub(crate) last: bool,
    /// Offset at which its commit begins.
    pub(crate) commit: u32,
    /// Chain value before it.
    pub(crate) before: Chain,
    /// Bytes of the whole record.
    pub(crate) len: u32,
    /// What it says.
    pub(crate) payload: Payload<'a>,
    kind: RecordKind,
    raw: &'a [u8],
}

impl Record<'_> {
    /// Chain value after it.
    pub(crate) fn after(&self) -> Chain {
        self.before.next(self.kind, &self.id())
    }

    /// What it says, to be said again elsewhere.
    pub(crate) fn copy(&self) -> Copied {
        Copied { kind: self.kind, id: self.id(), payload: self.raw.to_vec() }
    }

    /// What stands for it in the chain.
    fn id(&self) -> [u8; 32] {
        match &self.payload {
            Payload::Whole { entry, .. } => *entry.id().as_bytes(),
            _ => chained_id(self.kind, self.raw),
        }
    }
}

/// A record without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copied {
    kind: RecordKind,
    id: [u8; 32],
    payload: Vec<u8>,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload<'a> {
    Entry { id: EntryId, team: TeamId, dag: DagId, received: Timestamp, signature: Option<Signature>, bytes: &'a [u8] },
    Body { hash: BodyHash, bytes: &'a [u8] },
    Whole { entry: WholeEntry<'a>, received: Timestamp, signature: Option<Signature> },
    Signature { entry: EntryId, signature: Signature },
    Local { key: &'a str, value: Option<&'a [u8]> },
    Archive(ArchiveRef),
}

impl Payload<'_> {
    /// The entry, if it is one, as it is kept.
    pub(crate) fn into_entry(self) -> Option<StoredEntry> {
        match self {
            Self::Entry { id, team, dag, received, signature, bytes } => {
                Some(StoredEntry { bytes: bytes.to_vec(), id, team, dag, received, signature })
            }
            Self::Whole { entry, received, signature } => {
                let (id, team, dag) = (entry.id(), entry.team(), entry.dag());
                Some(StoredEntry { bytes: entry.bytes.to_vec(), id, team, dag, received, signature })
            }
            Self::Body { .. } | Self::Signature { .. } | Self::Local { .. } | Self::Archive(_) => None,
        }
    }
}

/// What one record is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Contents<'a> {
    /// One write.
    Write(&'a Write),
    /// An entry and its body; [`WholeEntry::read`] gave the rest.
    Whole(&'a StoredEntry, &'a [u8]),
    /// Entries that were packed into an archive.
    Archive(&'a ArchiveRef),
    /// What another record said.
    Copied(&'a Copied),
}

/// Appends the record of `contents` to `out`; returns the chain value after it.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    contents: Contents<'_>,
    place: Place,
    commit: u32,
    last: bool,
    before: Chain,
) -> Chain {
    let start = out.len();
    out.extend_from_slice(&[0; RECORD_HEAD]);
    let (kind, id) = match contents {
        Contents::Write(write) => {
            let kind = encode_payload(out, write);
            (kind, chained_id(kind, &out[start + RECORD_HEAD..]))
        }
        Contents::Whole(entry, body) => {
            encode_whole(out, entry, body);
            (RecordKind::Whole, *entry.id.as_bytes())
        }
        Contents::Archive(archive) => {
            archive.encode(out);
            (RecordKind::Archive, archive.digest)
        }
        Contents::Copied(Copied { kind, id, payload }) => {
            out.extend_from_slice(payload);
            (*kind, *id)
        }
    };
    let record = &mut out[start..];
    let length = ((record.len() - RECORD_HEAD) as u32).to_be_bytes();
    record[..4].copy_from_slice(&length);
    record[8] = kind as u8;
    record[9] = last.into();
    record[10..14].copy_from_slice(&commit.to_be_bytes());
    record[14..RECORD_HEAD].copy_from_slice(&before.0);
    let crc = place.crc(length, &record[8..]);
    record[4..8].copy_from_slice(&crc.to_be_bytes());
    before.next(kind, &id)
}

fn encode_whole(out: &mut Vec<u8>, entry: &StoredEntry, body: &[u8]) {
    out.extend_from_slice(&entry.received.0.to_be_bytes());
    out.push(entry.signature.is_some().into());
    entry.signature.iter().for_each(|signature| out.extend_from_slice(signature.as_bytes()));
    // `WholeEntry::body_in` takes no longer one.
    out.extend_from_slice(&(body.len() as u16).to_be_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(&entry.bytes);
}

fn encode_payload(out: &mut Vec<u8>, write: &Write) -> RecordKind {
    match write {
        Write::Entry(entry) => {
            out.extend_from_slice(entry.id.as_bytes());
            out.extend_from_slice(entry.team.as_bytes());
            out.extend_from_slice(entry.dag.as_bytes());
            out.extend_from_slice(&entry.received.0.to_be_bytes());
            out.push(entry.signature.is_some().into());
            entry.signature.iter().for_each(|signature| out.extend_from_slice(signature.as_bytes()));
            out.extend_from_slice(&entry.bytes);
            RecordKind::Entry
        }
        Write::Body { hash, bytes } => {
            out.extend_from_slice(hash.as_bytes());
            out.extend_from_slice(bytes);
            RecordKind::Body
        }
        Write::Signature { entry, signature } => {
            out.extend_from_slice(entry.as_bytes());
            out.extend_from_slice(signature.as_bytes());
            RecordKind::Signature
        }
        Write::Local { key, value } => {
            // `check_size` keeps keys far below 64 KiB.
            out.extend_from_slice(&(key.len() as u16).to_be_bytes());
            out.extend_from_slice(key.as_bytes());
            out.push(value.is_some().into());
            value.iter().for_each(|value| out.extend_from_slice(value));
            RecordKind::Local
        }
    }
}

/// The id that goes into the chain: the first 32 bytes of the payload, but for local facts, which have none.
fn chained_id(kind: RecordKind, payload: &[u8]) -> [u8; 32] {
    match (kind, payload.first_chunk::<32>()) {
        (RecordKind::Entry | RecordKind::Body | RecordKind::Signature | RecordKind::Archive, Some(id)) => *id,
        _ => tagged("muster/local/1", &[payload]),
    }
}

/// Reads the record that begins at the first of `bytes`. Lengths are checked before anything is read by them.
///
/// # Errors
/// [`BadRecord`].
pub(crate) fn decode(bytes: &[u8], place: Place) -> Result<Record<'_>, BadRecord> {
    let (head, rest) = bytes.split_first_chunk::<RECORD_HEAD>().ok_or(BadRecord::Short)?;
    let mut fields = Fields(head);
    let length: [u8; 4] = fields.array()?;
    let n = u32::from_be_bytes(length) as usize;
    let crc = u32::from_be_bytes(fields.array()?);
    let [kind, last] = fields.array()?;
    let commit = u32::from_be_bytes(fields.array()?);
    let before = Chain(fields.array()?);
    if n > RECORD_BYTES_MAX {
        return Err(BadRecord::Length);
    }
    let kind = RecordKind::of(kind).ok_or(BadRecord::Type)?;
    if last > 1 || commit > place.offset || (commit as usize) < SEGMENT_HEAD {
        return Err(BadRecord::Commit);
    }
    let payload = rest.get(..n).ok_or(BadRecord::Short)?;
    let covered = bytes.get(8..RECORD_HEAD + n).ok_or(BadRecord::Short)?;
    if place.crc(length, covered) != crc {
        return Err(BadRecord::Checksum);
    }
    Ok(Record {
        last: last == 1,
        commit,
        before,
        len: (RECORD_HEAD + n) as u32,
        payload: decode_payload(kind, payload)?,
        kind,
        raw: payload,
    })
}

fn decode_payload(kind: RecordKind, payload: &[u8]) -> Result<Payload<'_>, BadRecord> {
    let mut fields = Fields(payload);
    match kind {
        RecordKind::Entry => {
            let (id, team, dag) = (fields.array()?, fields.array()?, fields.array()?);
            let received = Timestamp(i64::from_be_bytes(fields.array()?));
            let signature = if fields.flag()? { Some(Signature::from_bytes(fields.array()?)) } else { None };
            Ok(Payload::Entry {
                id: EntryId::from_bytes(id),
                team: TeamId::from_bytes(team),
                dag: DagId::from_bytes(dag),
                received,
                signature,
                bytes: fields.0,
            })
        }
        RecordKind::Body => Ok(Payload::Body { hash: BodyHash::from_bytes(fields.array()?), bytes: fields.0 }),
        RecordKind::Signature => {
            let entry = EntryId::from_bytes(fields.array()?);
            let signature = Signature::from_bytes(fields.array()?);
            fields.end().map(|()| Payload::Signature { entry, signature })
        }
        RecordKind::Whole => {
            let received = Timestamp(i64::from_be_bytes(fields.array()?));
            let signature = if fields.flag()? { Some(Signature::from_bytes(fields.array()?)) } else { None };
            let length = u16::from_be_bytes(fields.array()?);
            let body = fields.take(length.into())?;
            let entry = WholeEntry::read(fields.0, body).ok_or(BadRecord::Payload)?;
            Ok(Payload::Whole { entry, received, signature })
        }
        RecordKind::Local => {
            let length = u16::from_be_bytes(fields.array()?);
            let key = std::str::from_utf8(fields.take(length.into())?).map_err(|_| BadRecord::Payload)?;
            let value = if fields.flag()? { Some(fields.0) } else { fields.end().map(|()| None)? };
            Ok(Payload::Local { key, value })
        }
        RecordKind::Archive => ArchiveRef::decode(payload).map(Payload::Archive).ok_or(BadRecord::Payload),
    }
}

/// What is left to read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], BadRecord> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(BadRecord::Payload)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadRecord> {
        self.take(N)?.try_into().map_err(|_| BadRecord::Payload)
    }

    fn flag(&mut self) -> Result<bool, BadRecord> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(BadRecord::Payload),
        }
    }

    fn end(&self) -> Result<(), BadRecord> {
        if self.0.is_empty() { Ok(()) } else { Err(BadRecord::Payload) }
    }
}

/// The head of a segment.
pub(crate) fn encode_segment_head(store: StoreId, segment: u32, chain: Chain) -> [u8; SEGMENT_HEAD] {
    let mut head = [0; SEGMENT_HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..24].copy_from_slice(&store);
    head[24..28].copy_from_slice(&segment.to_be_bytes());
    head[28..60].copy_from_slice(&chain.0);
    let crc = crc32c::crc32c(&head[..60]);
    head[60..].copy_from_slice(&crc.to_be_bytes());
    head
}

/// The chain value before the first record, if the head is whole and belongs to this store and number.
pub(crate) fn decode_segment_head(bytes: &[u8], store: StoreId, segment: u32) -> Option<Chain> {
    let head = bytes.first_chunk::<SEGMENT_HEAD>()?;
    let chain = Chain(head[28..60].try_into().ok()?);
    (*head == encode_segment_head(store, segment, chain)).then_some(chain)
}

/// The store that a whole head names, whichever it is.
pub(crate) fn store_of_head(bytes: &[u8], segment: u32) -> Option<StoreId> {
    let store = bytes.get(8..24)?.try_into().ok()?;
    decode_segment_head(bytes, store, segment).map(|_| store)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLACE: Place = Place { store: [7; 16], segment: 3, offset: 4_000 };

    fn entry(bytes: Vec<u8>, signature: Option<Signature>) -> Write {
        Write::Entry(StoredEntry {
            bytes,
            id: EntryId::from_bytes([1; 32]),
            team: TeamId::from_bytes([2; 32]),
            dag: DagId::from_bytes([3; 32]),
            received: Timestamp(-5),
            signature,
        })
    }

    fn writes() -> Vec<Write> {
        let signature = Signature::from_bytes([9; 64]);
        vec![
            entry(vec![], None),
            entry(vec![4; 300], Some(signature)),
            Write::Body { hash: BodyHash::from_bytes([5; 32]), bytes: vec![6; 20] },
            Write::Signature { entry: EntryId::from_bytes([1; 32]), signature },
            Write::Local { key: "chosen".to_owned(), value: None },
            Write::Local { key: "größe".to_owned(), value: Some(vec![]) },
        ]
    }

    fn encoded(write: &Write) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, Contents::Write(write), PLACE, 4_000, true, Chain([8; 32]));
        out
    }

    fn read_back(payload: Payload<'_>) -> Write {
        match payload {
            Payload::Archive(_) => panic!("no write makes an archive"),
            Payload::Body { hash, bytes } => Write::Body { hash, bytes: bytes.to_vec() },
            Payload::Signature { entry, signature } => Write::Signature { entry, signature },
            Payload::Local { key, value } => Write::Local { key: key.to_owned(), value: value.map(<[u8]>::to_vec) },
            entry => Write::Entry(entry.into_entry().unwrap()),
        }
    }

    #[test]
    fn a_record_reads_back_what_was_written() {
        for write in writes() {
            let mut bytes = Vec::new();
            let after = encode(&mut bytes, Contents::Write(&write), PLACE, 4_000, true, Chain([8; 32]));
            let record = decode(&bytes, PLACE).unwrap();
            assert_eq!((record.after(), record.len as usize), (after, bytes.len()));
            assert!(record.last && record.commit == 4_000 && record.before == Chain([8; 32]));
            assert_eq!(read_back(record.payload), write);
        }
    }

    #[test]
    fn every_flipped_byte_and_every_cut_of_a_record_is_noticed() {
        for write in writes() {
            let bytes = encoded(&write);
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[at] ^= 0x40;
                assert!(decode(&flipped, PLACE).is_err(), "flipped at {at}");
                assert!(decode(&bytes[..at], PLACE).is_err(), "cut at {at}");
            }
        }
    }

    #[test]
    fn a_record_of_another_store_segment_or_offset_is_none() {
        let bytes = encoded(&writes()[0]);
        for place in [
            Place { store: [0; 16], ..PLACE },
            Place { segment: 4, ..PLACE },
            Place { offset: PLACE.offset + 1, ..PLACE },
        ] {
            assert_eq!(decode(&bytes, place), Err(BadRecord::Checksum));
        }
    }

    #[test]
    fn a_segment_head_of_another_store_or_number_is_none() {
        let head = encode_segment_head([7; 16], 3, Chain([1; 32]));
        assert_eq!(decode_segment_head(&head, [7; 16], 3), Some(Chain([1; 32])));
        assert_eq!(decode_segment_head(&head, [7; 16], 4), None);
        assert_eq!(decode_segment_head(&head, [8; 16], 3), None);
        assert_eq!(decode_segment_head(&head[..63], [7; 16], 3), None);
    }

    proptest! {
        #[test]
        fn the_decoder_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes, PLACE);
            let _ = decode_segment_head(&bytes, PLACE.store, PLACE.segment);
        }

        #[test]
        fn the_decoder_never_panics_on_payloads_with_a_good_checksum(
            kind in 0u8..32, payload in proptest::collection::vec(any::<u8>(), 0..250),
        ) {
            let mut bytes = vec![0; RECORD_HEAD];
            bytes.extend_from_slice(&payload);
            bytes[..4].copy_from_slice(&(payload.len() as u32).to_be_bytes());
            bytes[8] = kind;
            bytes[10..14].copy_from_slice(&4_000u32.to_be_bytes());
            let crc = PLACE.crc((payload.len() as u32).to_be_bytes(), &bytes[8..]);
            bytes[4..8].copy_from_slice(&crc.to_be_bytes());
            match decode(&bytes, PLACE) {
                Ok(record) => prop_assert_eq!(encoded_length(&read_back(record.payload)), payload.len()),
                Err(bad) => prop_assert!(matches!(bad, BadRecord::Type | BadRecord::Payload)),
            }
        }
    }

    fn encoded_length(write: &Write) -> usize {
        encoded(write).len() - RECORD_HEAD
    }
}
