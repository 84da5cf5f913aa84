//! Lies that are no entries: frames past every limit, questions without end, offers of what does not exist.

use super::ground::{Ground, any_id, any_incident};
use super::pen::{Sheet, chunk, list, packed, squeeze, value};
use crate::rng::Rng;
use minicbor::Encoder;
use muster_log::limits::{BODY_BYTES_MAX, DEPS_MAX};
use muster_log::{DagId, ShortLog, Value};
use muster_sync::frame::{Ack, Frame, Have, Heads, Packed, Part, Range, ShortTip, TeamPrefix, Want};
use muster_sync::limits::{
    BEFORE_MAX, BODIES_MAX, CHUNK_BYTES_MAX, CHUNK_ROWS_MAX, FRAME_BYTES_MAX, HEADS_MAX, IDS_MAX, RANGES_MAX, TIPS_MAX,
};

/// What a bomb unfolds to, in bytes.
const BOMB_BYTES: usize = 16 * 1024 * 1024;

/// Questions of one flood.
const QUESTIONS: usize = 40;

/// Something at a limit or past it.
pub(crate) fn oversize(ground: &Ground<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
    let dag = ground.incident(rng)?;
    // Exactly at the limit, or one past it.
    let over = usize::from(rng.chance(500));
    let entries = |packed: Packed| ground.frame(&Frame::Entries(dag, packed));
    Some(match rng.below(12) {
        0 => {
            let mut packed = packed(&[], 1, Part::Live);
            packed.raw_size = CHUNK_BYTES_MAX as u32;
            packed.compressed = squeeze(&vec![0; BOMB_BYTES]);
            entries(packed)
        }
        1 => {
            let mut packed = packed(&[0x80], 1, Part::Live);
            packed.raw_size = if over == 0 { CHUNK_BYTES_MAX as u32 } else { u32::MAX };
            entries(packed)
        }
        2 => entries(packed(&huge_counts(rng), 1, Part::Live)),
        3 => entries(packed(&many_rows(CHUNK_ROWS_MAX + over), 1, Part::Live)),
        4 => entries(endless_fields(ground)),
        5 => {
            let mut frame = vec![0x89, 0x06, 0x48];
            frame.extend_from_slice(&ground.team.as_bytes()[..8]);
            frame.resize(FRAME_BYTES_MAX + over, 0x80);
            frame
        }
        6 => vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        7 => {
            let mut tips: Vec<ShortTip> = (0..TIPS_MAX + over).map(|_| any_tip(rng)).collect();
            tips.sort_unstable();
            ground.frame(&Frame::Have(Have { dag, tips, cursor: Some(ShortLog::from_bytes(rng.bytes())) }))
        }
        8 => {
            let mut heads: Vec<_> = (0..HEADS_MAX + over).map(|_| any_id(rng)).collect();
            heads.sort_unstable();
            let mut heads_of = Heads::new(dag, u64::MAX, heads.clone());
            heads_of.heads = heads;
            ground.frame(&Frame::Heads(heads_of))
        }
        9 => ground.frame(&Frame::Want(greedy(ground, dag, RANGES_MAX + over, rng))),
        10 => {
            let mut ids: Vec<_> = (0..IDS_MAX + over).map(|_| any_id(rng)).collect();
            ids.sort_unstable();
            let bodies = ids.clone().into_iter().take(BODIES_MAX).collect();
            let (ranges, before) = (Vec::new(), BEFORE_MAX + over as u32);
            ground.frame(&Frame::Want(Want { dag, ranges, ids, before, bodies, page: None, budget_bytes: u64::MAX }))
        }
        _ => {
            let mut draft = ground.note(dag, rng)?;
            draft.deps.extend((0..(DEPS_MAX + over).saturating_sub(draft.deps.len())).map(|_| any_id(rng)));
            draft.deps.sort_unstable();
            // Salt and media type take some of it.
            let text = "x".repeat(BODY_BYTES_MAX - 34);
            let sheet = Sheet::write(draft, &text, ground.secret, rng)?;
            entries(chunk(&[sheet], 1, Part::Live))
        }
    })
}

/// Lists that claim to be longer than any memory.
fn huge_counts(rng: &mut Rng) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    list(&mut e, 5);
    for _ in 0..rng.below(3) {
        list(&mut e, 0);
    }
    list(&mut e, *rng.pick(&[u64::MAX, 1 << 60, u64::from(u32::MAX), 100_000]).unwrap_or(&0));
    e.into_writer()
}

/// So many rows that are none.
fn many_rows(rows: usize) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    list(&mut e, 5);
    list(&mut e, 0);
    list(&mut e, 0);
    list(&mut e, rows as u64);
    let mut raw = e.into_writer();
    raw.resize(raw.len() + rows, 0x80);
    raw.extend_from_slice(&[0x80, 0x80]);
    raw
}

/// One row with as many fields as a chunk has bytes.
fn endless_fields(ground: &Ground<'_>) -> Packed {
    let mut e = Encoder::new(Vec::new());
    list(&mut e, 5);
    let log = Value::List(vec![Value::Bytes(ground.me().as_bytes().to_vec()), Value::Bytes(vec![7; 16])]);
    value(&mut e, &Value::List(vec![log]));
    list(&mut e, 0);
    list(&mut e, 1);
    list(&mut e, 9);
    value(&mut e, &Value::Int(0));
    value(&mut e, &Value::List(vec![Value::Int(1), Value::Null]));
    value(&mut e, &Value::List(Vec::new()));
    value(&mut e, &Value::Null);
    for number in [0, 0, 1] {
        value(&mut e, &Value::Int(number));
    }
    let mut raw = e.into_writer();
    let count = CHUNK_BYTES_MAX - raw.len() - 16;
    let mut fields = Encoder::new(Vec::new());
    list(&mut fields, count as u64);
    raw.extend_from_slice(fields.writer());
    raw.resize(raw.len() + count, 0xf6);
    raw.extend_from_slice(&[0xf6, 0x80, 0x80]);
    packed(&raw, 1, Part::Live)
}

/// Everything of one log, again and again.
fn greedy(ground: &Ground<'_>, dag: DagId, ranges: usize, rng: &mut Rng) -> Want {
    let tips: Vec<_> = ground.ledger.dag(&dag).map(|dag| dag.tips().collect()).unwrap_or_default();
    let log = rng.pick(&tips).map_or_else(|| ShortLog::from_bytes([1; 16]), |tip| tip.log);
    let ranges = vec![Range { log, from: 1, to: u32::MAX }; ranges];
    Want { dag, ranges, ids: Vec::new(), before: 0, bodies: Vec::new(), page: None, budget_bytes: u64::MAX }
}

fn any_tip(rng: &mut Rng) -> ShortTip {
    let seq = u32::try_from(rng.between(1, u64::from(u32::MAX))).unwrap_or(1);
    ShortTip { log: ShortLog::from_bytes(rng.bytes()), seq, tip: rng.bytes() }
}

/// The state of a DAG that nobody has.
pub(crate) fn offer(ground: &Ground<'_>, dag: DagId, rng: &mut Rng) -> [Vec<u8>; 2] {
    let heads = Heads::new(dag, rng.below(1 << 40), vec![any_id(rng)]);
    let have = Have { dag, tips: vec![any_tip(rng)], cursor: None };
    [ground.frame(&Frame::Heads(heads)), ground.frame(&Frame::Have(have))]
}

/// One question, many times.
pub(crate) fn questions(ground: &Ground<'_>, rng: &mut Rng) -> Option<Vec<Vec<u8>>> {
    let dag = ground.incident(rng)?;
    let prefix = TeamPrefix::from(ground.team);
    let kind = rng.below(5);
    let question = |rng: &mut Rng| match kind {
        0 => Frame::Heads(Heads::new(dag, rng.next(), vec![any_id(rng)])),
        1 => Frame::Want(greedy(ground, dag, 1, rng)),
        2 => Frame::Want(Want { page: Some(ShortLog::from_bytes([0; 16])), ..greedy(ground, dag, 0, rng) }),
        3 => {
            let invented = DagId::from(any_incident(rng));
            Frame::Heads(Heads::new(invented, 1, vec![any_id(rng)]))
        }
        _ => Frame::Ack(Ack { dag, number: rng.below(20) as u32, tips: vec![any_tip(rng)], credit: u32::MAX }),
    };
    Some((0..QUESTIONS).map(|_| question(rng).encode(prefix)).collect())
}

/// Pages that lead nowhere, acknowledgements of what nobody has, and questions that nobody can answer.
pub(crate) fn misleading(ground: &Ground<'_>, rng: &mut Rng) -> Option<Vec<Vec<u8>>> {
    let dag = ground.incident(rng)?;
    let cursor = |rng: &mut Rng| {
        let bytes = rng.pick(&[[0; 16], [0xff; 16]]).copied().filter(|_| rng.chance(600));
        Some(ShortLog::from_bytes(bytes.unwrap_or_else(|| rng.bytes())))
    };
    let kind = rng.below(5);
    let frame = |rng: &mut Rng| match kind {
        0 => Frame::Have(Have { dag, tips: Vec::new(), cursor: cursor(rng) }),
        1 => {
            let mut tips: Vec<ShortTip> = (0..rng.between(1, 100)).map(|_| any_tip(rng)).collect();
            tips.sort_unstable();
            Frame::Have(Have { dag, tips, cursor: cursor(rng) })
        }
        2 => {
            let mut ids: Vec<_> = (0..IDS_MAX).map(|_| any_id(rng)).collect();
            ids.sort_unstable();
            let (ranges, before, bodies) = (Vec::new(), BEFORE_MAX, ids.clone());
            Frame::Want(Want { dag, ranges, ids, before, bodies, page: cursor(rng), budget_bytes: 1 })
        }
        3 => {
            let log = ShortLog::from_bytes(rng.bytes());
            let ranges = vec![Range { log, from: 1, to: u32::MAX }; 1_000];
            let (ids, bodies) = (Vec::new(), Vec::new());
            Frame::Want(Want { dag, ranges, ids, before: 0, bodies, page: None, budget_bytes: 0 })
        }
        _ => {
            let number = if rng.chance(500) { 0 } else { rng.below(30) as u32 };
            let mut tips: Vec<ShortTip> = (0..TIPS_MAX).map(|_| any_tip(rng)).collect();
            tips.sort_unstable();
            Frame::Ack(Ack { dag, number, tips, credit: rng.below(1 << 32) as u32 })
        }
    };
    let count = rng.between(1, QUESTIONS as u64);
    Some((0..count).map(|_| ground.frame(&frame(rng))).collect())
}
