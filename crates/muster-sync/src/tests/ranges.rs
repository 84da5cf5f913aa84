//! Ranges of incidents: both sides always end by knowing exactly what differs, in bounded turns, whatever a peer says.

use crate::frame::{Fingerprint, Frame, HeadsDigest, Index, Salt, Span, Tag, TeamPrefix, What};
use crate::limits::{FRAME_BYTES_MAX, INDEX_RANGES_MAX, INDEX_TAGS_MAX, INDEX_TURNS_MAX};
use crate::reconcile::{Run, Verdict};
use muster_log::{DagId, EntryId, TeamId};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Incident → its state, in short.
type Set = BTreeMap<DagId, u8>;

const SALT: Salt = Salt([3; 16]);

fn prefix() -> TeamPrefix {
    TeamId::from_bytes([7; 32]).into()
}

fn run(set: &Set, salt: Salt) -> Run {
    let digest = |state: &u8| HeadsDigest::of(&[EntryId::from_bytes([*state; 32])]);
    Run::new(salt, set.iter().map(|(incident, state)| (*incident, digest(state))))
}

/// The frame as it comes out of the other side's decoder.
fn carried(turn: u8, spans: Vec<Span>) -> (Index, usize) {
    let index = Index { scope: DagId::from_bytes([7; 32]), salt: SALT, turn, spans };
    let bytes = Frame::Index(index.clone()).encode(prefix());
    assert!(bytes.len() <= FRAME_BYTES_MAX, "{} bytes", bytes.len());
    assert_eq!(Frame::decode(&bytes, prefix()), Ok(Frame::Index(index.clone())));
    (index, bytes.len())
}

/// What a talk has cost and what both sides know after it.
struct Talk {
    frames: usize,
    bytes: usize,
    known: [BTreeMap<DagId, Option<Verdict>>; 2],
}

fn talk(one: &Set, other: &Set) -> Talk {
    let mut runs = [run(one, SALT), run(other, SALT)];
    let (mut frame, mut bytes) = carried(0, runs[0].open());
    let mut frames = 1;
    while frame.asks() {
        let at = frames % 2;
        let spans = runs[at].answer(frame.turn, &frame.spans);
        let (next, size) = carried(frame.turn + 1, spans);
        (frame, frames, bytes) = (next, frames + 1, bytes + size);
    }
    // The last one asks nothing, but says something.
    let last = frames % 2;
    runs[last].answer(frame.turn, &frame.spans);
    let known = runs.map(|run| run.verdicts().map(|(incident, _, verdict)| (incident, verdict)).collect());
    Talk { frames, bytes, known }
}

/// What a side of `ours` should find out against `theirs`.
fn truth(ours: &Set, theirs: &Set) -> BTreeMap<DagId, Option<Verdict>> {
    let verdict = |incident: &DagId, state: &u8| match theirs.get(incident) == Some(state) {
        true => Verdict::Equal,
        false => Verdict::Differs,
    };
    ours.iter().map(|(incident, state)| (*incident, Some(verdict(incident, state)))).collect()
}

/// The `n`th incident, well spread.
fn incident(n: usize) -> DagId {
    let parts = [0, 1, 2, 3].map(|part| super::desk::noise(n as u64 * 4 + part).to_be_bytes());
    DagId::from_bytes(parts.concat().try_into().unwrap())
}

fn many(n: usize) -> Set {
    (0..n).map(|n| (incident(n), 0)).collect()
}

#[test]
fn ten_thousand_equal_incidents_are_one_exchange() {
    let set = many(10_000);
    let talk = talk(&set, &set);
    assert_eq!(talk.frames, 2);
    assert!(talk.bytes <= 600, "{} bytes", talk.bytes);
    assert_eq!(talk.known, [truth(&set, &set), truth(&set, &set)]);
}

#[test]
fn three_of_ten_thousand_are_found_in_three_round_trips_and_20_kb() {
    let one = many(10_000);
    let mut other = one.clone();
    other.insert(incident(17), 1);
    other.remove(&incident(4_000));
    other.insert(incident(10_001), 0);
    let talk = talk(&one, &other);
    assert!(talk.frames <= 6, "{} frames", talk.frames);
    assert!(talk.bytes <= 20_000, "{} bytes", talk.bytes);
    assert_eq!(talk.known, [truth(&one, &other), truth(&other, &one)]);
}

#[test]
fn sets_without_anything_in_common_are_told_apart_in_bounded_frames() {
    for (ours, theirs) in [(0, 5_000), (5_000, 0), (65, 5_000), (5_000, 5_000)] {
        let one = many(ours);
        let other: Set = (ours..ours + theirs).map(|n| (incident(n), 0)).collect();
        let talk = talk(&one, &other);
        assert!(talk.frames <= usize::from(INDEX_TURNS_MAX), "{} frames", talk.frames);
        assert_eq!(talk.known, [truth(&one, &other), truth(&other, &one)]);
    }
}

#[test]
fn a_set_in_which_all_differ_by_state_is_given_up_at_worst() {
    let one = many(70_000);
    let other: Set = one.keys().map(|incident| (*incident, 1)).collect();
    let talk = talk(&one, &other);
    assert!(talk.known.iter().all(|known| known.values().all(|verdict| *verdict == Some(Verdict::Differs))));
}

#[test]
fn the_same_incidents_have_other_tags_under_another_salt() {
    let set = many(300);
    let spans = [SALT, Salt([4; 16])].map(|salt| run(&set, salt).open());
    let fingerprint = |span: &Span| match span.what {
        What::Fingerprint(fingerprint) => fingerprint.0,
        _ => panic!("300 items are told by fingerprints"),
    };
    assert!(spans[0].iter().zip(&spans[1]).all(|(a, b)| a.to == b.to && fingerprint(a) != fingerprint(b)));
}

/// Few bytes that differ, so that ids share prefixes and are zero at their ends.
fn crowded_incident() -> impl Strategy<Value = DagId> {
    (0..4u8, 0..4u8, any::<u8>(), 0..32usize).prop_map(|(first, second, third, place)| {
        let mut id = [0; 32];
        (id[0], id[1], id[place]) = (first, second, third);
        DagId::from_bytes(id)
    })
}

fn set() -> impl Strategy<Value = Set> {
    prop_oneof![btree_map(crowded_incident(), 0..3u8, 0..400), btree_map(crowded_incident(), 0..2u8, 0..6)]
}

fn what() -> impl Strategy<Value = What> {
    let tags = || vec(any::<[u8; 8]>().prop_map(Tag), 0..20);
    prop_oneof![
        Just(What::Settled),
        Just(What::GivenUp),
        any::<[u8; 16]>().prop_map(|bytes| What::Fingerprint(Fingerprint(bytes))),
        tags().prop_map(What::Tags),
        tags().prop_map(What::Lacking),
    ]
}

/// Any ranges that a decoder lets through: their ends rise.
pub(super) fn spans() -> impl Strategy<Value = Vec<Span>> {
    (btree_map(crowded_incident(), what(), 0..40), what()).prop_map(|(inner, last)| {
        let zero = DagId::from_bytes([0; 32]);
        let inner = inner.into_iter().filter(|(end, _)| *end != zero);
        let mut spans: Vec<Span> = inner.map(|(end, what)| Span { to: Some(end_of(&end)), what }).collect();
        spans.push(Span { to: None, what: last });
        spans
    })
}

/// The range's end that is exactly this id.
fn end_of(id: &DagId) -> crate::frame::Bound {
    let mut before = *id.as_bytes();
    // Any smaller id that shares all but the last byte that is not zero.
    if let Some(byte) = before.iter_mut().rfind(|byte| **byte != 0) {
        *byte -= 1;
    }
    crate::frame::Bound::between(&DagId::from_bytes(before), id)
}

proptest! {
    #[test]
    fn both_sides_end_by_knowing_exactly_what_differs(common in set(), one in set(), other in set()) {
        let join = |own: &Set| common.iter().chain(own).map(|(incident, state)| (*incident, *state)).collect::<Set>();
        let (one, other) = (join(&one), join(&other));
        let talk = talk(&one, &other);
        prop_assert!(talk.frames <= usize::from(INDEX_TURNS_MAX));
        prop_assert_eq!(&talk.known[0], &truth(&one, &other));
        prop_assert_eq!(&talk.known[1], &truth(&other, &one));
    }

    #[test]
    fn whatever_ranges_come_the_answer_is_in_its_limits(
        own in set(),
        turns in vec((0..INDEX_TURNS_MAX, spans()), 1..5),
    ) {
        let mut run = run(&own, SALT);
        let mut told: BTreeSet<DagId> = BTreeSet::new();
        for (turn, spans) in turns {
            let (index, _) = carried(turn, spans);
            let answer = run.answer(index.turn, &index.spans);
            prop_assert!(answer.len() <= INDEX_RANGES_MAX);
            prop_assert!(answer.iter().map(|span| span.what.tags().len()).sum::<usize>() <= INDEX_TAGS_MAX);
            prop_assert!(turn + 2 < INDEX_TURNS_MAX || !answer.iter().any(|span| span.what.asks()));
            carried(turn.min(INDEX_TURNS_MAX - 2) + 1, answer);
            for incident in run.take_differing() {
                prop_assert!(own.contains_key(&incident));
                prop_assert!(told.insert(incident), "an incident is told to differ twice");
            }
        }
    }
}
