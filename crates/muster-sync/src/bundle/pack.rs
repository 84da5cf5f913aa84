//! Chunks for a bundle, filled from a replica one by one, and opened again.
//!
//! Nothing is remembered between two chunks but a [`Cursor`]: the order of admission only grows, so a place in it stays
//! good while others write. How a chunk is packed is in `crate::pack`.

use super::States;
use crate::frame::{Frame, FrameError, Packed, Part, TeamPrefix};
use crate::limits::CHUNK_ROWS_MAX;
use crate::pack::{Signing, fill};
use crate::replica::{Replica, View};
use crate::unpack::unpack;
use muster_log::{Body, DagId, DeviceKey, EntryId, Received, TeamId};

/// What is packed.
#[derive(Clone, Copy)]
pub struct Packing<'a> {
    /// From what.
    pub replica: &'a dyn Replica,
    /// The team.
    pub team: TeamId,
    /// The own device, which may see the DAG.
    pub me: DeviceKey,
    /// Of which DAG.
    pub dag: DagId,
    /// What the reader has.
    pub base: &'a States,
}

/// How far packing has come in one DAG.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor {
    /// The next place in the order of admission.
    pub from: usize,
    /// The place after the last that belongs to the bundle.
    pub to: usize,
    /// Entries that are packed, whose bodies had no room yet.
    pub loose: Vec<EntryId>,
}

impl Cursor {
    /// Whether everything is packed.
    pub fn is_at_end(&self) -> bool {
        self.from >= self.to && self.loose.is_empty()
    }
}

/// A packed chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The ROSTER or ENTRIES frame.
    pub frame: Vec<u8>,
    /// The rows in it.
    pub entries: u32,
}

/// Packs the next chunk and moves the cursor on. `None`: the reader has all the rest.
pub fn pack(packing: Packing<'_>, number: u32, cursor: &mut Cursor) -> Option<Chunk> {
    let Packing { replica, team, me, dag, base } = packing;
    let order = replica.order(&dag);
    let order = &order[..cursor.to.min(order.len())];
    let view = View::new(replica, team.into(), me);
    let mut due: Vec<(usize, EntryId)> = Vec::new();
    // Bodies that were left out go first, so that they never pile up.
    if cursor.loose.is_empty() {
        let held = base.held(replica, &dag);
        let rest = order.iter().enumerate().skip(cursor.from).filter(|(_, id)| !held.contains(*id));
        // One more than a chunk holds, so that filling sees whether there is more.
        due.extend(rest.take(CHUNK_ROWS_MAX + 1).map(|(place, id)| (place, *id)));
        if due.is_empty() {
            cursor.from = cursor.to;
            return None;
        }
    }
    let ids: Vec<EntryId> = due.iter().map(|(_, id)| *id).collect();
    let mut filled = fill(view, &ids, &cursor.loose, Signing::ByRun);
    // An entry that fits into no chunk does not exist; were there one, packing must still come to an end.
    let taken = if ids.is_empty() { 0 } else { filled.taken.max(1) };
    if !ids.is_empty() {
        cursor.from = due.get(taken).map_or(cursor.to, |(place, _)| *place);
    }
    let loose_taken = if ids.is_empty() { filled.loose_taken.max(1) } else { filled.loose_taken };
    cursor.loose.drain(..loose_taken.min(cursor.loose.len()));
    cursor.loose.append(&mut filled.left_out);
    let entries = filled.taken as u32;
    let packed = filled.finish(number, Part::Live);
    let roster = DagId::from(team);
    let frame = if dag == roster { Frame::Roster(packed) } else { Frame::Entries(dag, packed) };
    Some(Chunk { frame: frame.encode(TeamPrefix::from(team)), entries })
}

/// What a chunk holds, well-formed and bound to the team; whether it is admitted is for the ledger to say.
#[derive(Debug)]
pub struct Opened {
    /// The DAG.
    pub dag: DagId,
    /// The entries, in causal order.
    pub received: Vec<Received>,
    /// Bodies that fit their entries.
    pub bodies: Vec<(EntryId, Body)>,
    /// Bodies of entries that are not in the chunk; nothing about them is checked.
    pub loose: Vec<(EntryId, Vec<u8>)>,
}

/// Rebuilds the entries of a ROSTER or ENTRIES frame.
///
/// # Errors
/// [`FrameError`] where the bytes are no such frame of this team.
pub fn open_chunk(frame: &[u8], team: TeamId) -> Result<Opened, FrameError> {
    let (dag, packed): (DagId, Packed) = match Frame::decode(frame, team.into())? {
        Frame::Roster(packed) => (team.into(), packed),
        Frame::Entries(dag, packed) => (dag, packed),
        _ => return Err(FrameError::Form { item: "type" }),
    };
    let unpacked = unpack(&packed, team, dag)?;
    Ok(Opened { dag, received: unpacked.received, bodies: unpacked.bodies, loose: unpacked.loose })
}
