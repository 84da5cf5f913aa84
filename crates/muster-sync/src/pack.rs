//! Puts entries into a chunk so that nothing travels that the receiver can compute (protocol, section "Chunk").
//!
//! Which entries, and when, is decided in `crate::replicator`; here it is decided where a chunk ends. The way back is in
//! [`crate::unpack`].

use crate::frame::{Packed, Part};
use crate::limits::{
    CHUNK_BODIES_BYTES_MAX, CHUNK_BYTES_AIM, CHUNK_BYTES_MAX, CHUNK_ROWS_AIM, CHUNK_ROWS_MAX, CHUNK_UNPACKED_BYTES_MAX,
    FRAME_BYTES_MAX, RELAYED_CHUNK_BODIES_BYTES_MAX, RELAYED_CHUNK_BYTES_AIM, RELAYED_CHUNK_BYTES_MAX,
};
use crate::replica::View;
use crate::wire::{Reader, Writer};
use muster_log::body::{MEDIA_PARTS, MEDIA_TEXT};
use muster_log::limits::RUN_SIGNATURE_EVERY;
use muster_log::{DeviceKey, Entry, EntryId, SessionId, Signature};
use std::collections::{BTreeMap, BTreeSet};

/// Fast, and within a few percent of the slow levels on so little text.
const ZSTD_LEVEL: i32 = 3;

/// Bytes that a row may cost beside its entry's and body's own: place, references, list heads.
const ROW_OVERHEAD_BYTES: usize = 64;

/// Which signatures travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    /// Those on round sequence numbers and on the last entry of each run.
    ByRun,
    /// All that are held.
    Every,
}

/// How long a chunk becomes, in bytes before compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkSize {
    /// It ends there when it can.
    aim: usize,
    /// Past that it takes no more bodies.
    bodies: usize,
    /// It is never longer.
    most: usize,
}

impl ChunkSize {
    /// For files, and links that last.
    pub(crate) const FULL: Self = Self { aim: CHUNK_BYTES_AIM, bodies: CHUNK_BODIES_BYTES_MAX, most: CHUNK_BYTES_MAX };

    /// For links that may end after few bytes.
    pub(crate) const SHORT: Self =
        Self { aim: RELAYED_CHUNK_BYTES_AIM, bodies: RELAYED_CHUNK_BODIES_BYTES_MAX, most: RELAYED_CHUNK_BYTES_MAX };
}

impl ChunkSize {
    /// The same with no more than so many bytes.
    pub(crate) fn within(self, bytes: usize) -> Self {
        Self { aim: self.aim.min(bytes), bodies: self.bodies.min(bytes), most: self.most.min(bytes) }
    }
}

/// A chunk that was filled, not yet numbered.
pub(crate) struct Filled {
    /// How many of the ids given are in it.
    pub(crate) taken: usize,
    /// How many of the loose bodies given are in it.
    pub(crate) loose_taken: usize,
    /// Entries in it whose bodies had no room.
    pub(crate) left_out: Vec<EntryId>,
    /// The entries in it on which no other in it builds.
    pub(crate) heads: Vec<EntryId>,
    /// The last entries of its runs.
    pub(crate) tips: Vec<EntryId>,
    /// Bytes before compression.
    pub(crate) bytes: usize,
    packer: Packer,
}

impl Filled {
    /// The chunk with its number.
    pub(crate) fn finish(self, number: u32, part: Part) -> Packed {
        self.packer.finish(number, part)
    }
}

/// As [`fill_to`], with a chunk of full size.
pub(crate) fn fill(view: View<'_>, ids: &[EntryId], loose: &[EntryId], signing: Signing) -> Filled {
    fill_to(ChunkSize::FULL, view, ids, loose, signing)
}

/// Fills a chunk from `ids`, which are in causal order and of one DAG, and when they are all in, from `loose`: entries
/// whose bodies alone are wanted.
pub(crate) fn fill_to(size: ChunkSize, view: View<'_>, ids: &[EntryId], loose: &[EntryId], signing: Signing) -> Filled {
    let (mut packer, clean) = fill_rows(size, view, ids, signing);
    let mut taken = packer.offered;
    if taken < ids.len() && clean > 0 && clean < taken {
        // The last place where every run ends with a signature; what follows goes into the next chunk.
        taken = clean;
        packer = Packer::new(size, signing);
        ids[..taken].iter().filter_map(|id| view.entry(id)).for_each(|entry| packer.push(view, entry));
    }
    let loose_taken = if taken == ids.len() { packer.push_loose(view, loose) } else { 0 };
    Filled {
        taken,
        loose_taken,
        left_out: std::mem::take(&mut packer.left_out),
        heads: packer.row_places.iter().filter(|(_, row)| packer.rows[**row].childless).map(|(id, _)| *id).collect(),
        tips: packer.row_places.iter().filter(|(_, row)| packer.rows[**row].tip).map(|(id, _)| *id).collect(),
        bytes: packer.size(),
        packer,
    }
}

/// Packs until the chunk is full; also tells after how many ids every run last ended with a signature.
fn fill_rows(size: ChunkSize, view: View<'_>, ids: &[EntryId], signing: Signing) -> (Packer, usize) {
    let mut packer = Packer::new(size, signing);
    let mut clean = 0;
    for id in ids {
        if let Some(entry) = view.entry(id) {
            if !packer.has_room_for(entry) {
                break;
            }
            packer.push(view, entry);
        }
        packer.offered += 1;
        if packer.unsigned_tips.is_empty() {
            clean = packer.offered;
            if packer.size() >= size.aim || packer.rows.len() >= CHUNK_ROWS_AIM {
                break;
            }
        }
    }
    (packer, clean)
}

struct Row {
    seq: u32,
    signature: Option<Signature>,
    /// No later row continues its log from here.
    tip: bool,
    /// No later row builds on it.
    childless: bool,
}

/// Where the last row of a log stands.
struct LogEnd {
    row: usize,
    id: EntryId,
}

struct Packer {
    chunk: ChunkSize,
    signing: Signing,
    ids: Vec<EntryId>,
    id_places: BTreeMap<EntryId, usize>,
    logs: Vec<(DeviceKey, SessionId)>,
    log_places: BTreeMap<(DeviceKey, SessionId), usize>,
    log_ends: Vec<Option<LogEnd>>,
    rosters: Vec<Vec<usize>>,
    roster_places: BTreeMap<Vec<EntryId>, usize>,
    rows: Vec<Row>,
    row_places: BTreeMap<EntryId, usize>,
    row_bytes: Writer,
    unsigned_tips: BTreeSet<usize>,
    salts: Vec<[u8; 16]>,
    loose: Vec<(EntryId, Vec<u8>)>,
    left_out: Vec<EntryId>,
    time_ms: i64,
    unpacked_bytes: usize,
    loose_bytes: usize,
    roster_bytes: usize,
    signature_count: usize,
    offered: usize,
}

impl Packer {
    fn new(chunk: ChunkSize, signing: Signing) -> Self {
        Self {
            chunk,
            signing,
            ids: Vec::new(),
            id_places: BTreeMap::new(),
            logs: Vec::new(),
            log_places: BTreeMap::new(),
            log_ends: Vec::new(),
            rosters: Vec::new(),
            roster_places: BTreeMap::new(),
            rows: Vec::new(),
            row_places: BTreeMap::new(),
            row_bytes: Writer::new(),
            unsigned_tips: BTreeSet::new(),
            salts: Vec::new(),
            loose: Vec::new(),
            left_out: Vec::new(),
            time_ms: 0,
            unpacked_bytes: 0,
            loose_bytes: 0,
            roster_bytes: 0,
            signature_count: 0,
            offered: 0,
        }
    }

    /// Bytes before compression, never too few.
    fn size(&self) -> usize {
        let tips = self.logs.len() * 2;
        self.row_bytes.len()
            + self.ids.len() * 32
            + self.logs.len() * 64
            + self.roster_bytes
            + self.salts.len() * 16
            + (self.signature_count + tips) * (64 + 5)
            + self.loose_bytes
    }

    /// Whether the entry fits, without its body if need be.
    fn has_room_for(&self, entry: &Entry) -> bool {
        self.rows.len() < CHUNK_ROWS_MAX
            && self.unpacked_bytes + entry.bytes().len() <= CHUNK_UNPACKED_BYTES_MAX
            && self.size() + Self::most_bytes(entry) <= self.chunk.most
    }

    fn most_bytes(entry: &Entry) -> usize {
        // The dictionary can hold each id of the entry once, its log and its signature; the rest is smaller than it was.
        entry.bytes().len() + entry.items().roster_heads.len() * 5 + 2 * 64 + ROW_OVERHEAD_BYTES
    }

    fn push(&mut self, view: View<'_>, entry: &Entry) {
        let items = entry.items();
        let (row, log) = (self.rows.len(), self.log_place(items.key, items.session));
        let room = self.chunk.bodies.saturating_sub(self.size());
        let place = self.place_of(log, entry);
        let deps: Vec<i64> = items.deps.iter().map(|dep| self.reference(dep)).collect();
        let roster = (!items.roster_heads.is_empty()).then(|| self.roster_place(&items.roster_heads));
        let time = items.claimed.time.0.wrapping_sub(self.time_ms);
        self.time_ms = items.claimed.time.0;

        let w = &mut self.row_bytes;
        w.list(9).uint(log as u64);
        match place {
            None => w.null(),
            Some((seq, None)) => w.list(2).uint(seq.into()).null(),
            Some((seq, Some(backlink))) => w.list(2).uint(seq.into()).int(backlink),
        };
        w.list_of(&deps, |w, dep| {
            w.int(*dep);
        });
        match roster {
            None => w.null(),
            Some(roster) => w.uint(roster as u64),
        };
        w.int(time).int(items.claimed.offset_minutes.into()).uint(items.kind.number().into());
        w.list_of(&items.fields, |w, field| {
            w.value(field);
        });
        self.push_body(view, entry, room);
        self.push_row(view, entry, row, log);
    }

    fn push_body(&mut self, view: View<'_>, entry: &Entry, room: usize) {
        let Some(named) = entry.body() else {
            self.row_bytes.null();
            return;
        };
        let body = view.body_of(entry);
        let has_no_room = body.as_ref().is_some_and(|body| body.len() > room);
        match body.filter(|_| !has_no_room) {
            None => {
                if has_no_room {
                    self.left_out.push(entry.id());
                }
                self.row_bytes.list(2).bytes(named.hash.as_bytes()).uint(named.size.into());
            }
            Some(body) => match split(&body) {
                Some((salt, code, content)) => {
                    self.salts.push(salt);
                    self.row_bytes.list(2).uint(code).bytes(content);
                }
                None => {
                    self.row_bytes.bytes(&body);
                }
            },
        }
    }

    fn push_row(&mut self, view: View<'_>, entry: &Entry, row: usize, log: usize) {
        for parent in entry.parents() {
            if let Some(parent) = self.row_places.get(&parent) {
                self.rows[*parent].childless = false;
            }
        }
        if let Some(before) = entry.backlink().and_then(|backlink| self.row_places.get(&backlink)) {
            self.rows[*before].tip = false;
            self.unsigned_tips.remove(before);
        }
        let signature = view.signature(&entry.id());
        match signature {
            None => drop(self.unsigned_tips.insert(row)),
            Some(_) if self.signing == Signing::Every || entry.seq().is_multiple_of(RUN_SIGNATURE_EVERY) => {
                self.signature_count += 1;
            }
            Some(_) => {}
        }
        self.rows.push(Row { seq: entry.seq(), signature, tip: true, childless: true });
        self.row_places.insert(entry.id(), row);
        self.log_ends[log] = Some(LogEnd { row, id: entry.id() });
        self.unpacked_bytes += entry.bytes().len();
    }

    /// Adds bodies without their entries; tells how many of the ids are done with.
    fn push_loose(&mut self, view: View<'_>, loose: &[EntryId]) -> usize {
        for (done, id) in loose.iter().enumerate() {
            let Some(body) = view.entry(id).and_then(|entry| view.body_of(entry)) else { continue };
            let cost = body.len() + 48;
            if self.size() + cost > self.chunk.aim.max(cost) {
                return done;
            }
            self.loose_bytes += cost;
            self.loose.push((*id, body));
        }
        loose.len()
    }

    fn log_place(&mut self, key: DeviceKey, session: SessionId) -> usize {
        let next = self.logs.len();
        let place = *self.log_places.entry((key, session)).or_insert(next);
        if place == next {
            self.logs.push((key, session));
            self.log_ends.push(None);
        }
        place
    }

    /// Seq and backlink, unless the row goes on from the last one of its log.
    fn place_of(&mut self, log: usize, entry: &Entry) -> Option<(u32, Option<i64>)> {
        let goes_on = self.log_ends[log].as_ref().is_some_and(|end| {
            Some(end.id) == entry.backlink() && self.rows[end.row].seq.checked_add(1) == Some(entry.seq())
        });
        if goes_on {
            return None;
        }
        let backlink = entry.backlink().map(|backlink| self.reference(&backlink));
        Some((entry.seq(), backlink))
    }

    /// How many rows back, or which place in the table of ids.
    fn reference(&mut self, id: &EntryId) -> i64 {
        if let Some(row) = self.row_places.get(id) {
            return (self.rows.len() - row) as i64;
        }
        -1 - self.id_place(id) as i64
    }

    fn id_place(&mut self, id: &EntryId) -> usize {
        let next = self.ids.len();
        let place = *self.id_places.entry(*id).or_insert(next);
        if place == next {
            self.ids.push(*id);
        }
        place
    }

    fn roster_place(&mut self, heads: &[EntryId]) -> usize {
        if let Some(place) = self.roster_places.get(heads) {
            return *place;
        }
        let places = heads.iter().map(|head| self.id_place(head)).collect();
        self.roster_bytes += 8 + heads.len() * 5;
        self.rosters.push(places);
        self.roster_places.insert(heads.to_vec(), self.rosters.len() - 1);
        self.rosters.len() - 1
    }

    fn travels(&self, row: &Row) -> bool {
        self.signing == Signing::Every || row.tip || row.seq.is_multiple_of(RUN_SIGNATURE_EVERY)
    }

    fn finish(mut self, number: u32, part: Part) -> Packed {
        self.loose.sort_unstable_by_key(|(id, _)| *id);
        let signed: Vec<(usize, Signature)> = (self.rows.iter().enumerate())
            .filter_map(|(place, row)| Some((place, row.signature.filter(|_| self.travels(row))?)))
            .collect();
        let mut w = Writer::new();
        w.list(5).list_of(&self.logs, |w, (key, session)| {
            w.list(2).bytes(key.as_bytes()).bytes(session.as_bytes());
        });
        w.list_of(&self.rosters, |w, roster| {
            w.list_of(roster, |w, place| {
                w.uint(*place as u64);
            });
        });
        w.list(self.rows.len()).raw(&self.row_bytes.finish());
        w.list_of(&signed, |w, (place, _)| {
            w.uint(*place as u64);
        });
        w.list_of(&self.loose, |w, (id, body)| {
            w.list(2).bytes(id.as_bytes()).bytes(body);
        });
        let raw = w.finish();
        let compressed = match zstd::bulk::compress(&raw, ZSTD_LEVEL) {
            Ok(compressed) => compressed,
            Err(error) => unreachable!("compressing {} bytes in memory cannot fail: {error}", raw.len()),
        };
        debug_assert!(raw.len() <= CHUNK_BYTES_MAX && compressed.len() < FRAME_BYTES_MAX);
        Packed {
            number,
            part,
            ids: self.ids,
            salts: self.salts,
            signatures: signed.into_iter().map(|(_, signature)| signature).collect(),
            raw_size: raw.len() as u32,
            compressed,
        }
    }
}

/// A body of one of the usual forms: salt, code of the media type, content.
fn split(body: &[u8]) -> Option<([u8; 16], u64, &[u8])> {
    let mut r = Reader::new(body);
    r.exactly("body", 3).ok()?;
    let salt = r.array("salt").ok()?;
    let code = match r.text("media type").ok()? {
        MEDIA_TEXT => 0,
        MEDIA_PARTS => 1,
        _ => return None,
    };
    let content = r.bytes("content").ok()?;
    // The author may have signed another encoding of the same; then the body travels as it is.
    (join(salt, code, content)? == body).then_some((salt, code, content))
}

/// The body whose parts these are; `None` for a code that stands for no media type.
pub(crate) fn join(salt: [u8; 16], code: u64, content: &[u8]) -> Option<Vec<u8>> {
    let media = match code {
        0 => MEDIA_TEXT,
        1 => MEDIA_PARTS,
        _ => return None,
    };
    let mut w = Writer::new();
    w.list(3).bytes(&salt).text(media).bytes(content);
    Some(w.finish())
}
