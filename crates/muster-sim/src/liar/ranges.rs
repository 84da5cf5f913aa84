//! Lies by INDEX: ranges that never shrink, that overlap and run backwards, fingerprints and tags of nothing, and runs
//! about what is none of the peer's business. Encoded by hand, for the encoder of the real node writes no such thing.

use super::ground::{Ground, any_incident};
use super::pen::{int, list};
use crate::rng::Rng;
use minicbor::Encoder;
use muster_log::DagId;
use muster_sync::frame::{Frame, Index, TeamPrefix};
use muster_sync::limits::{INDEX_RANGES_MAX, INDEX_TAGS_MAX, INDEX_TURNS_MAX};

/// Frames of one flood.
const FLOOD: u64 = 30;

/// One range: its end, what is said of it, and the bytes of that.
type Row = (Option<Vec<u8>>, i64, Vec<u8>);

/// Frames of a run that goes on about one that was heard, or begins one.
pub(crate) fn ranges(ground: &Ground<'_>, heard: &[Vec<u8>], rng: &mut Rng) -> Vec<Vec<u8>> {
    let runs: Vec<Index> = heard
        .iter()
        .filter_map(|frame| match Frame::decode(frame, TeamPrefix::from(ground.team)) {
            Ok(Frame::Index(index)) => Some(index),
            _ => None,
        })
        .collect();
    // The turn that is awaited, one too early or too late, or an opening.
    let (salt, turn) = match rng.pick(&runs) {
        Some(index) if rng.chance(700) => (index.salt.0, index.turn + 1 + u8::from(rng.chance(200))),
        _ => (rng.bytes(), if rng.chance(700) { 0 } else { rng.below(u64::from(INDEX_TURNS_MAX) + 1) as u8 }),
    };
    let scope = if rng.chance(850) { DagId::from(ground.team) } else { any_scope(ground, rng) };
    let times = if rng.chance(200) { rng.between(2, FLOOD) } else { 1 };
    (0..times).map(|_| frame(ground, scope, salt, turn, &rows(rng))).collect()
}

/// A scope that is not the team's incidents: an incident, or nothing.
fn any_scope(ground: &Ground<'_>, rng: &mut Rng) -> DagId {
    ground.incident(rng).filter(|_| rng.chance(500)).unwrap_or_else(|| DagId::from(any_incident(rng)))
}

fn rows(rng: &mut Rng) -> Vec<Row> {
    let over = usize::from(rng.chance(300));
    let fingerprint = |rng: &mut Rng| rng.bytes::<16>().to_vec();
    match rng.below(8) {
        // Asked again and again, it is never any smaller.
        0 => vec![(None, 1, fingerprint(rng))],
        1 => {
            let many = [16, 1_024, INDEX_RANGES_MAX + over];
            evenly(*rng.pick(&many).unwrap_or(&16)).into_iter().map(|end| (end, 1, fingerprint(rng))).collect()
        }
        2 => {
            // Backwards, or all at one place.
            let mut ends = evenly(64);
            if rng.chance(500) {
                ends.reverse();
            } else {
                ends.fill(Some(vec![0x80]));
            }
            ends.into_iter().map(|end| (end, 1, fingerprint(rng))).collect()
        }
        3 => vec![(None, 2, tags(INDEX_TAGS_MAX + over, rng))],
        4 => evenly(1_024).into_iter().map(|end| (end, 2, tags(rng.index(64), rng))).collect(),
        5 => evenly(256).into_iter().map(|end| (end, 3, tags(8, rng))).collect(),
        6 => evenly(1_024).into_iter().map(|end| (end, *rng.pick(&[0, 4]).unwrap_or(&0), Vec::new())).collect(),
        // Of the wrong form: no range, an end too long, half a tag, no such mode.
        _ => match rng.below(4) {
            0 => Vec::new(),
            1 => vec![(Some(vec![7; 33]), 1, fingerprint(rng)), (None, 0, Vec::new())],
            2 => vec![(None, 2, vec![1; 12])],
            _ => vec![(None, i64::from(u32::MAX), Vec::new())],
        },
    }
}

/// So many ranges of one size.
fn evenly(count: usize) -> Vec<Option<Vec<u8>>> {
    let end = |number: usize| {
        let place = (number as u64 * (1 << 16) / count as u64) as u16;
        let mut end = place.to_be_bytes().to_vec();
        while end.last() == Some(&0) {
            end.pop();
        }
        Some(end)
    };
    (1..count).map(end).chain([None]).collect()
}

fn tags(count: usize, rng: &mut Rng) -> Vec<u8> {
    (0..count).flat_map(|_| rng.bytes::<8>()).collect()
}

fn frame(ground: &Ground<'_>, scope: DagId, salt: [u8; 16], turn: u8, rows: &[Row]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    list(&mut e, 6);
    int(&mut e, 3);
    bytes(&mut e, &ground.team.as_bytes()[..8]);
    bytes(&mut e, scope.as_bytes());
    bytes(&mut e, &salt);
    int(&mut e, turn.into());
    list(&mut e, rows.len() as u64);
    for (end, mode, payload) in rows {
        list(&mut e, 3);
        match end {
            Some(end) => bytes(&mut e, end),
            None => e.null().map(drop).unwrap_or_default(),
        }
        int(&mut e, *mode);
        bytes(&mut e, payload);
    }
    e.into_writer()
}

fn bytes(e: &mut Encoder<Vec<u8>>, bytes: &[u8]) {
    e.bytes(bytes).map(drop).unwrap_or_default();
}
