//! Every frame reads back from its bytes, and no bytes make a reader panic.

use crate::frame::{
    Ack, Bye, Frame, FrameError, Have, Heads, Hello, Index, Missing, Packed, Part, Range, Refuse, Salt, ShortTip,
    TeamPrefix, Want, team_of,
};
use crate::limits::{CHUNK_BYTES_MAX, FRAME_BYTES_MAX, INDEX_TURNS_MAX, TIPS_MAX};
use muster_log::{DagId, EntryId, ShortLog, Signature, TeamId, Timestamp, Tip};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

fn team() -> TeamId {
    TeamId::from_bytes([7; 32])
}

fn prefix() -> TeamPrefix {
    team().into()
}

fn id() -> impl Strategy<Value = EntryId> {
    any::<[u8; 32]>().prop_map(EntryId::from_bytes)
}

fn dag() -> impl Strategy<Value = DagId> {
    id().prop_map(DagId::of_genesis)
}

fn log() -> impl Strategy<Value = ShortLog> {
    any::<[u8; 16]>().prop_map(ShortLog::from_bytes)
}

fn ids(most: usize) -> impl Strategy<Value = Vec<EntryId>> {
    btree_set(id(), 0..most).prop_map(|ids| ids.into_iter().collect())
}

fn seq() -> impl Strategy<Value = u32> {
    prop_oneof![1..100u32, Just(u32::MAX)]
}

fn heads() -> impl Strategy<Value = Heads> {
    (dag(), any::<u64>(), ids(80)).prop_map(|(dag, count, heads)| Heads::new(dag, count, heads))
}

fn tips() -> impl Strategy<Value = Vec<ShortTip>> {
    btree_set((log(), seq(), any::<[u8; 16]>()), 0..20)
        .prop_map(|tips| tips.into_iter().map(|(log, seq, tip)| ShortTip { log, seq, tip }).collect())
}

fn range() -> impl Strategy<Value = Range> {
    (log(), seq(), seq()).prop_map(|(log, a, b)| Range { log, from: a.min(b), to: a.max(b) })
}

fn packed() -> impl Strategy<Value = Packed> {
    let part = prop_oneof![Just(Part::Live), Just(Part::More), Just(Part::End), Just(Part::EndForNow)];
    let tables = (vec(id(), 0..5), vec(any::<[u8; 16]>(), 0..5), vec(any::<[u8; 32]>(), 0..3));
    (any::<u32>(), part, tables, 0..=CHUNK_BYTES_MAX as u32, vec(any::<u8>(), 0..100)).prop_map(
        |(number, part, (ids, salts, halves), raw_size, compressed)| Packed {
            number,
            part,
            ids,
            salts,
            signatures: halves
                .iter()
                .map(|half| Signature::from_bytes([*half, *half].as_flattened().try_into().unwrap()))
                .collect(),
            raw_size,
            compressed,
        },
    )
}

fn hello() -> impl Strategy<Value = Frame> {
    (any::<u32>(), any::<u64>(), heads(), any::<i64>(), any::<u32>()).prop_map(
        |(protocol, features, roster, now, credit)| {
            let roster = Heads { dag: team().into(), ..roster };
            let max_frame = FRAME_BYTES_MAX as u32;
            Frame::Hello(Hello { protocol, features, team: team(), roster, now: Timestamp(now), max_frame, credit })
        },
    )
}

fn want() -> impl Strategy<Value = Frame> {
    (dag(), vec(range(), 0..9), ids(9), 0..64u32, ids(9), proptest::option::of(log()), any::<u64>()).prop_map(
        |(dag, ranges, ids, before, bodies, page, budget_bytes)| {
            Frame::Want(Want { dag, ranges, ids, before, bodies, page, budget_bytes })
        },
    )
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        hello(),
        packed().prop_map(Frame::Roster),
        heads().prop_map(Frame::Heads),
        (dag(), tips(), proptest::option::of(log())).prop_map(|(dag, tips, cursor)| Frame::Have(Have {
            dag,
            tips,
            cursor
        })),
        want(),
        (dag(), packed()).prop_map(|(dag, packed)| Frame::Entries(dag, packed)),
        (dag(), any::<u32>(), tips(), any::<u32>()).prop_map(|(dag, number, tips, credit)| Frame::Ack(Ack {
            dag,
            number,
            tips,
            credit
        })),
        (dag(), ids(9), ids(9)).prop_map(|(dag, ids, bodies)| Frame::Missing(Missing { dag, ids, bodies })),
        (id(), any::<u16>(), ".{0,400}").prop_map(|(id, code, reason)| Frame::Refuse(Refuse::new(id, code, reason))),
        (dag(), any::<[u8; 16]>(), 0..INDEX_TURNS_MAX, super::ranges::spans())
            .prop_map(|(scope, salt, turn, spans)| { Frame::Index(Index { scope, salt: Salt(salt), turn, spans }) }),
        (any::<u16>(), any::<u64>()).prop_map(|(code, retry_after_ms)| Frame::Bye(Bye { code, retry_after_ms })),
    ]
}

proptest! {
    #[test]
    fn a_frame_reads_back_from_its_bytes(frame in frame()) {
        let bytes = frame.encode(prefix());
        prop_assert_eq!(team_of(&bytes), Some(prefix()));
        prop_assert_eq!(Frame::decode(&bytes, prefix()), Ok(frame));
    }

    #[test]
    fn a_frame_for_another_team_is_refused(frame in frame()) {
        let bytes = frame.encode(TeamId::from_bytes([8; 32]).into());
        prop_assert_eq!(Frame::decode(&bytes, prefix()), Err(FrameError::Team));
    }

    #[test]
    fn what_a_damaged_frame_reads_as_is_what_its_bytes_say(
        frame in frame(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = frame.encode(prefix());
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(read) = Frame::decode(&bytes, prefix()) {
            prop_assert_eq!(read.encode(prefix()), bytes);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = team_of(&bytes);
        let _ = Frame::decode(&bytes, prefix());
    }

    #[test]
    fn pages_of_tips_hold_every_tip_once(logs in btree_set(log(), 0..30), forks in 0..3u32, many in 0..3usize) {
        let logs: Vec<ShortLog> = logs.into_iter().collect();
        let tips: Vec<Tip> = logs.iter()
            .flat_map(|log| (0..=forks as usize + many * 400).map(move |i| {
                let mut id = [i as u8; 32];
                id[..8].copy_from_slice(&(i as u64).to_be_bytes());
                Tip { log: *log, seq: 1 + i as u32, id: EntryId::from_bytes(id) }
            }))
            .collect();
        let (mut seen, mut after) = (Vec::new(), None);
        for _ in 0..=tips.len() {
            let page = Have::page(DagId::from_bytes([0; 32]), &tips, after);
            prop_assert!(page.tips.len() <= TIPS_MAX);
            seen.extend(page.tips);
            after = page.cursor;
            if after.is_none() { break; }
        }
        let all: Vec<ShortTip> = tips.into_iter().map(ShortTip::from).collect();
        prop_assert_eq!(seen, all);
    }
}

#[test]
fn a_length_that_lies_is_refused_before_anything_is_allocated() {
    #[track_caller]
    fn check(fields: &[u8]) {
        let bytes = [fields[..1].to_vec(), vec![fields[1], 0x48], vec![7; 8], fields[2..].to_vec()].concat();
        assert!(Frame::decode(&bytes, prefix()).is_err());
    }
    // Frame list of 2^64 - 1 items; HAVE with 2^63 tips; BYE in an indefinite list; a frame that is a map.
    check(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    check(&[0x85, 5, 0x58, 32, 0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    check(&[0x9f, 11, 0, 0, 0xff]);
    check(&[0xa4, 11, 0, 0]);
}

#[test]
fn types_that_are_reserved_or_unknown_are_named() {
    for number in [0, 12, 15, 23] {
        let bytes = [&[0x82, number, 0x48][..], &[7; 8]].concat();
        assert_eq!(Frame::decode(&bytes, prefix()), Err(FrameError::UnknownType { number: number.into() }));
    }
}

#[test]
fn a_bye_is_these_bytes() {
    let bytes = Frame::Bye(Bye { code: 5, retry_after_ms: 1_000 }).encode(prefix());
    assert_eq!(bytes, [&[0x84, 11, 0x48][..], &[7; 8], &[5, 0x19, 0x03, 0xe8]].concat());
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let refuse = Refuse::new(EntryId::from_bytes([0; 32]), 1, "ö".repeat(200));
    assert_eq!(refuse.reason, "ö".repeat(128));
}
