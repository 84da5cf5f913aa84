//! Rebuilds the entries of a chunk, byte for byte (protocol, section "Chunk").
//!
//! What comes out is well-formed and bound to the team and the DAG (A1, A2 in part); whether it is proven and admitted
//! is for the ledger to say. Sizes are checked before anything is inflated or allocated. The way there is in
//! [`crate::pack`].

use crate::frame::{FrameError, Packed};
use crate::limits::{CHUNK_ROWS_MAX, CHUNK_UNPACKED_BYTES_MAX};
use crate::pack::join;
use crate::wire::Reader;
use minicbor::data::Type;
use muster_log::body::BodyPlace;
use muster_log::limits::{BODY_BYTES_MAX, DEPS_MAX, ENTRY_BYTES_MAX, ROSTER_HEADS_MAX};
use muster_log::{
    Body, BodyHash, BodyRef, Claimed, DagId, DeviceKey, Draft, Entry, EntryId, GoodKeys, IncidentId, Kind, Received,
    SessionId, TeamId, Timestamp,
};

/// A chunk's contents.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// The entries, in causal order.
    pub(crate) received: Vec<Received>,
    /// The bodies that came in the rows, with their entries' ids.
    pub(crate) bodies: Vec<(EntryId, Body)>,
    /// Bodies of entries that are not here; nothing about them is checked.
    pub(crate) loose: Vec<(EntryId, Vec<u8>)>,
}

/// Rebuilds what `packed` holds of `dag`.
pub(crate) fn unpack(packed: &Packed, team: TeamId, dag: DagId) -> Result<Unpacked, FrameError> {
    let raw = zstd::bulk::decompress(&packed.compressed, packed.raw_size as usize)
        .ok()
        .filter(|raw| raw.len() == packed.raw_size as usize)
        .ok_or(FrameError::Form { item: "compressed part" })?;
    let mut r = Reader::new(&raw);
    r.exactly("chunk", 5)?;
    let mut unpacker = Unpacker {
        team,
        dag,
        ids: &packed.ids,
        logs: r.list_of("number of logs", CHUNK_ROWS_MAX, read_log)?,
        rosters: r.list_of("number of rosters", CHUNK_ROWS_MAX, |r| read_roster(r, &packed.ids))?,
        log_ends: Vec::new(),
        salts: packed.salts.iter(),
        entries: Vec::new(),
        bodies: Vec::new(),
        time_ms: 0,
        unpacked_bytes: 0,
        good: GoodKeys::default(),
    };
    unpacker.log_ends = vec![None; unpacker.logs.len()];
    let rows = r.list("number of rows", CHUNK_ROWS_MAX)?;
    for row in 0..rows {
        unpacker.row(&mut r, row)?;
    }
    let signed = r.list_of("number of signatures", CHUNK_ROWS_MAX, |r| r.u32("signed row"))?;
    let loose = r.list_of("number of loose bodies", CHUNK_ROWS_MAX, read_loose)?;
    r.end()?;
    let bodies = std::mem::take(&mut unpacker.bodies);
    Ok(Unpacked { received: unpacker.finish(&signed, packed)?, bodies, loose })
}

fn read_log(r: &mut Reader<'_>) -> Result<(DeviceKey, SessionId), FrameError> {
    r.exactly("log", 2)?;
    Ok((DeviceKey::from_bytes(r.array("key")?), SessionId::from_bytes(r.array("session")?)))
}

fn read_roster(r: &mut Reader<'_>, ids: &[EntryId]) -> Result<Vec<EntryId>, FrameError> {
    let item = "roster heads";
    let mut heads = r.list_of(item, ROSTER_HEADS_MAX, |r| {
        let place = r.u32(item)? as usize;
        ids.get(place).copied().ok_or(FrameError::Form { item })
    })?;
    heads.sort_unstable();
    Ok(heads)
}

fn read_loose(r: &mut Reader<'_>) -> Result<(EntryId, Vec<u8>), FrameError> {
    r.exactly("loose body", 2)?;
    let (id, body) = (EntryId::from_bytes(r.array("entry id")?), r.bytes("loose body")?);
    if body.len() > BODY_BYTES_MAX {
        let (found, limit) = (body.len() as u64, BODY_BYTES_MAX as u64);
        return Err(FrameError::TooLarge { item: "body's length", found, limit });
    }
    Ok((id, body.to_vec()))
}

/// What a row says of its body.
enum RowBody<'b> {
    None,
    Whole(&'b [u8]),
    Parts(u64, &'b [u8]),
    Absent(BodyRef),
}

struct Unpacker<'a> {
    team: TeamId,
    dag: DagId,
    ids: &'a [EntryId],
    logs: Vec<(DeviceKey, SessionId)>,
    rosters: Vec<Vec<EntryId>>,
    log_ends: Vec<Option<(u32, EntryId)>>,
    salts: std::slice::Iter<'a, [u8; 16]>,
    entries: Vec<Entry>,
    bodies: Vec<(EntryId, Body)>,
    time_ms: i64,
    unpacked_bytes: usize,
    good: GoodKeys,
}

impl Unpacker<'_> {
    fn row(&mut self, r: &mut Reader<'_>, row: usize) -> Result<(), FrameError> {
        r.exactly("row", 9)?;
        let log = r.u32("log")? as usize;
        let (key, session) = *self.logs.get(log).ok_or(FrameError::Form { item: "log" })?;
        let (seq, backlink) = self.place(r, log)?;
        let mut deps = r.list_of("number of deps", DEPS_MAX, |r| self.reference(r))?;
        deps.sort_unstable();
        let roster = r.optional(|r| r.u32("roster"))?;
        let roster_heads = match roster {
            None => Vec::new(),
            Some(place) => self.rosters.get(place as usize).ok_or(FrameError::Form { item: "roster" })?.clone(),
        };
        self.time_ms = self.time_ms.wrapping_add(r.i64("time")?);
        let zone = r.i64("zone")?;
        let claimed = Claimed {
            time: Timestamp(self.time_ms),
            offset_minutes: i16::try_from(zone).map_err(|_| FrameError::Form { item: "zone" })?,
        };
        let kind = Kind::from_number(r.u16("kind")?);
        // A field costs one byte here and thirty in memory.
        r.bounded("length of the fields", ENTRY_BYTES_MAX)?;
        let fields = r.list_of("number of fields", usize::MAX, |r| r.value("field"))?;
        let (team, incident) = self.address(kind);
        let draft = Draft {
            team,
            incident,
            key,
            session,
            seq,
            backlink,
            deps,
            roster_heads,
            claimed,
            kind,
            fields,
            body: None,
        };
        let body = read_body(r)?;
        self.seal(row, log, draft, body)
    }

    fn seal(&mut self, row: usize, log: usize, mut draft: Draft, body: RowBody<'_>) -> Result<(), FrameError> {
        let body = self.body(&mut draft, body)?;
        let entry = draft.seal_by(&mut self.good).map_err(|source| FrameError::Entry { row, source })?;
        if entry.dag() != self.dag || entry.team() != self.team {
            return Err(FrameError::Form { item: "row of another DAG" });
        }
        self.unpacked_bytes += entry.bytes().len();
        if self.unpacked_bytes > CHUNK_UNPACKED_BYTES_MAX {
            let (found, limit) = (self.unpacked_bytes as u64, CHUNK_UNPACKED_BYTES_MAX as u64);
            return Err(FrameError::TooLarge { item: "rebuilt size", found, limit });
        }
        self.bodies.extend(body.map(|body| (entry.id(), body)));
        self.log_ends[log] = Some((entry.seq(), entry.id()));
        self.entries.push(entry);
        Ok(())
    }

    fn place(&self, r: &mut Reader<'_>, log: usize) -> Result<(u32, Option<EntryId>), FrameError> {
        let item = "place";
        let given = r.optional(|r| {
            r.exactly(item, 2)?;
            let seq = r.u32("sequence number")?;
            Ok((seq, r.optional(|r| self.reference(r))?))
        })?;
        if let Some(given) = given {
            return Ok(given);
        }
        let (seq, before) = self.log_ends[log].ok_or(FrameError::Form { item })?;
        Ok((seq.checked_add(1).ok_or(FrameError::Form { item })?, Some(before)))
    }

    fn reference(&self, r: &mut Reader<'_>) -> Result<EntryId, FrameError> {
        let item = "reference";
        let reference = r.i64(item)?;
        let found = match usize::try_from(reference) {
            Ok(back) if back >= 1 => self.entries.len().checked_sub(back).and_then(|row| self.entries.get(row)),
            Ok(_) => None,
            // Not negative: the reference is below zero, and adding one cannot overflow.
            Err(_) => {
                let place = usize::try_from(-(reference + 1)).unwrap_or(usize::MAX);
                return self.ids.get(place).copied().ok_or(FrameError::Form { item });
            }
        };
        found.map(Entry::id).ok_or(FrameError::Form { item })
    }

    /// The items team and incident, which follow from DAG and kind.
    fn address(&self, kind: Kind) -> (TeamId, IncidentId) {
        let none = IncidentId::from_bytes([0; 32]);
        match kind {
            Kind::TEAM_CREATE => (TeamId::from_bytes([0; 32]), none),
            Kind::DECLARE => (self.team, none),
            kind if kind.is_roster() => (self.team, IncidentId::from_bytes(*self.team.as_bytes())),
            _ => (self.team, IncidentId::from_bytes(*self.dag.as_bytes())),
        }
    }

    /// Puts the body's hash and size into the draft; gives the body where it is here.
    fn body(&mut self, draft: &mut Draft, body: RowBody<'_>) -> Result<Option<Body>, FrameError> {
        let form = FrameError::Form { item: "body" };
        let joined;
        let bytes = match body {
            RowBody::None => return Ok(None),
            RowBody::Absent(named) => {
                draft.body = Some(named);
                return Ok(None);
            }
            RowBody::Whole(bytes) => bytes,
            RowBody::Parts(code, content) => {
                let salt = *self.salts.next().ok_or(FrameError::Form { item: "number of salts" })?;
                joined = join(salt, code, content).ok_or(form.clone())?;
                &joined
            }
        };
        let body = Body::take(bytes, &BodyPlace::of(draft)).map_err(|_| form)?;
        draft.body = Some(body.reference());
        Ok(Some(body))
    }

    /// Gives the rows their signatures.
    fn finish(self, signed: &[u32], packed: &Packed) -> Result<Vec<Received>, FrameError> {
        let rising = signed.is_sorted_by(|a, b| a < b);
        let inside = signed.last().is_none_or(|last| (*last as usize) < self.entries.len());
        if !rising || !inside || signed.len() != packed.signatures.len() {
            return Err(FrameError::Form { item: "signed rows" });
        }
        if self.salts.len() > 0 {
            return Err(FrameError::Form { item: "number of salts" });
        }
        let mut received: Vec<Received> =
            self.entries.into_iter().map(|entry| Received { entry, signature: None }).collect();
        for (row, signature) in signed.iter().zip(&packed.signatures) {
            received[*row as usize].signature = Some(*signature);
        }
        Ok(received)
    }
}

fn read_body<'b>(r: &mut Reader<'b>) -> Result<RowBody<'b>, FrameError> {
    let item = "body";
    let body = r.optional(|r| {
        if r.next_is(Type::Bytes) {
            return Ok(RowBody::Whole(r.bytes(item)?));
        }
        r.exactly(item, 2)?;
        if r.next_is(Type::Bytes) {
            let hash = BodyHash::from_bytes(r.array("body hash")?);
            return Ok(RowBody::Absent(BodyRef { hash, size: r.u32("body size")? }));
        }
        Ok(RowBody::Parts(r.u64(item)?, r.bytes(item)?))
    })?;
    Ok(body.unwrap_or(RowBody::None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Part;
    use crate::limits::CHUNK_BYTES_MAX;
    use crate::wire::Writer;

    /// A chunk of one row with so many fields, each of one byte.
    fn one_row(fields: usize) -> Packed {
        let mut w = Writer::new();
        w.list(5).list(1).list(2).bytes(&[9; 32]).bytes(&[7; 16]).list(0);
        w.list(1).list(9).uint(0).list(2).uint(1).null().list(0).null().int(0).int(0).uint(1);
        w.list(fields);
        for _ in 0..fields {
            w.null();
        }
        w.null().list(0).list(0);
        let raw = w.finish();
        Packed {
            number: 1,
            part: Part::Live,
            ids: Vec::new(),
            salts: Vec::new(),
            signatures: Vec::new(),
            raw_size: raw.len() as u32,
            compressed: zstd::bulk::compress(&raw, 1).unwrap(),
        }
    }

    #[test]
    fn fields_longer_than_an_entry_are_not_even_read() {
        let unpacked = |fields| unpack(&one_row(fields), TeamId::from_bytes([1; 32]), DagId::from_bytes([2; 32]));
        for fields in [ENTRY_BYTES_MAX, CHUNK_BYTES_MAX - 1_000] {
            let error = unpacked(fields).unwrap_err();
            assert_eq!(error, FrameError::Form { item: "length of the fields" });
        }
        assert!(matches!(unpacked(10), Err(FrameError::Entry { row: 0, .. })));
    }
}
