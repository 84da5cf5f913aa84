//! Tests of packing and unpacking.

use super::*;
use proptest::prelude::*;

/// An entry that is framed as the protocol does up to its session, or not at all.
fn entry(author: u8, seq: u32, rest: &[u8], framed: bool) -> Vec<u8> {
    if !framed {
        return rest.to_vec();
    }
    let seq = match seq {
        0..24 => vec![seq as u8],
        24..256 => vec![0x18, seq as u8],
        _ => [&[0x1a][..], &seq.to_be_bytes()].concat(),
    };
    let id = |n: u8| [&[0x58, 0x20][..], &[n; 32]].concat();
    [&[0x8d, 1][..], &id(1), &id(2), &id(author), &[0x50], &[author; 16], &seq, rest].concat()
}

fn row(bytes: Vec<u8>, named: Option<u8>, dag: u8, received: i64, signed: Option<u8>) -> Row {
    let id = named.map_or_else(|| tagged("muster/entry/1", &[&bytes]), |n| [n; 32]);
    let entry = StoredEntry {
        bytes,
        id: EntryId::from_bytes(id),
        team: TeamId::from_bytes([dag / 4; 32]),
        dag: DagId::from_bytes([dag; 32]),
        received: Timestamp(received),
        signature: signed.map(|n| Signature::from_bytes([n; 64])),
    };
    Row { entry, body: None }
}

fn packed(rows: &[Row]) -> Vec<u8> {
    let mut filling = Filling::default();
    rows.iter().for_each(|row| filling.push(row.clone()));
    filling.finish().0
}

fn any_row() -> impl Strategy<Value = Row> {
    // Bytes that look like what instructions stand for are frequent.
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        Just([&[0x58, 0x20][..], &[7; 32]].concat()),
        any::<[u8; 8]>().prop_map(|time| [&[0x1b][..], &time].concat()),
        Just(vec![0x1b, 0, 0]),
    ];
    let rest = proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat());
    let entry = (0u8..3, prop_oneof![0u32..5, any::<u32>()], rest, any::<bool>())
        .prop_map(|(author, seq, rest, framed)| entry(author, seq, &rest, framed));
    (entry, proptest::option::of(0u8..9), 0u8..9, any::<i64>(), proptest::option::of(any::<u8>()))
        .prop_map(|(bytes, named, dag, received, signed)| row(bytes, named, dag, received, signed))
}

/// Rows that follow each other in their authors' logs.
fn linked(count: u32) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for n in 0..count {
        let id = |back: usize| {
            let id = rows.len().checked_sub(back).map_or([0; 32], |row| *rows[row].entry.id.as_bytes());
            [&[0x58, 0x20][..], &id].concat()
        };
        let time = [&[0x1b][..], &(1_780_000_000_000 + u64::from(n) * 700).to_be_bytes()].concat();
        let bytes = entry((n % 2) as u8, n / 2 + 1, &[id(2), id(1), time].concat(), true);
        rows.push(row(bytes, None, 2, i64::from(n) * 700, Some(n as u8)));
    }
    rows
}

#[test]
fn what_follows_from_other_entries_takes_next_to_nothing() {
    let rows = linked(1_000);
    let bytes = packed(&rows);
    assert_eq!(unpack(&bytes, rows.len()), Some(rows));
    // 64 bytes of signature, and neither backlink, dep nor time.
    assert!(bytes.len() < 70 * 1_000, "{} bytes", bytes.len());
}

#[test]
fn every_cut_of_a_block_and_another_number_of_rows_is_none() {
    let rows = linked(20);
    let bytes = packed(&rows);
    for len in 0..bytes.len() {
        assert_eq!(unpack(&bytes[..len], rows.len()), None, "cut at {len}");
    }
    for count in [0, 19, 21, ROWS_MAX, usize::MAX] {
        assert_eq!(unpack(&bytes, count), None);
    }
}

#[test]
fn a_block_that_says_it_is_larger_than_one_may_be_is_not_inflated() {
    let bytes = packed(&linked(20));
    for size in [RAW_BYTES_MAX as u32 + 1, u32::MAX] {
        let forged = [&size.to_be_bytes(), &bytes[4..]].concat();
        assert_eq!(unpack(&forged, 20), None);
    }
    // A compressed part that inflates to more than was said.
    let bomb = zstd::bulk::compress(&vec![0; 50 * 1024 * 1024], 1).unwrap();
    let forged = [&1_000_000u32.to_be_bytes()[..], &[0; 8], &bomb].concat();
    assert_eq!(unpack(&forged, 20), None);
}

#[test]
fn few_instructions_cannot_stand_for_any_number_of_bytes() {
    // One row of a megabyte, and thousands that repeat ids of it: every row is small, all together are too much.
    let mut raw = Writer::default();
    raw.number(1).number(2).bytes(&[0; 32]).byte(DAG_GIVEN).bytes(&[0; 32]);
    raw.byte(0).number(0).byte(0).number(0);
    raw.literal(b"first").number(0);
    for _ in 0..RAW_BYTES_MAX - 1_000 {
        raw.number((BACK_ONE) << 1);
    }
    raw.number(0);
    let compressed = zstd::bulk::compress(&raw.0, 1).unwrap();
    let numbers = [raw.0.len(), 0, 0].map(|n| (n as u32).to_be_bytes());
    assert_eq!(unpack(&[numbers.as_flattened(), &compressed].concat(), 2), None);
}

/// The instruction for the id of the row before.
const BACK_ONE: u64 = 5;

proptest! {
    #[test]
    fn any_rows_come_out_as_they_went_in(rows in proptest::collection::vec(any_row(), 0..40)) {
        prop_assert_eq!(unpack(&packed(&rows), rows.len()), Some(rows));
    }

    #[test]
    fn a_spoilt_block_never_panics(
        rows in proptest::collection::vec(any_row(), 1..20),
        spoils in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
    ) {
        let mut bytes = packed(&rows);
        for (at, with) in spoils {
            let at = at.index(bytes.len());
            bytes[at] ^= with;
        }
        let _ = unpack(&bytes, rows.len());
    }

    #[test]
    fn spoilt_instructions_never_panic(raw in proptest::collection::vec(any::<u8>(), 0..400), rows in 0usize..20) {
        let compressed = zstd::bulk::compress(&raw, 1).unwrap();
        let numbers = [raw.len(), raw.len() / 3, 0].map(|n| (n as u32).to_be_bytes());
        let _ = unpack(&[numbers.as_flattened(), &compressed].concat(), rows);
    }
}
