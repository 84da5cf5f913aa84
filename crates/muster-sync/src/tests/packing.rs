//! Entries come out of a chunk as they went in, byte for byte, and cost few bytes on the way.

use super::desk::{Desk, noise};
use crate::frame::{Frame, Packed, Part};
use crate::limits::{CHUNK_BYTES_MAX, FRAME_BYTES_MAX, RELAYED_CHUNK_BYTES_AIM, RELAYED_CHUNK_BYTES_MAX};
use crate::pack::{ChunkSize, Signing, fill, fill_to};
use crate::replica::{Replica, View};
use crate::unpack::unpack;
use muster_log::fact::{ActionState, Letter, RoleAct, What};
use muster_log::{DagId, EntryId};
use proptest::prelude::*;

fn view<'a>(desk: &'a Desk) -> View<'a> {
    View::new(desk, desk.team().into(), desk.key())
}

/// Packs a DAG in as many chunks as it takes.
fn chunks(desk: &Desk, dag: DagId, signing: Signing) -> Vec<Packed> {
    let mut rest = desk.order(&dag);
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let filled = fill(view(desk), rest, &[], signing);
        rest = &rest[filled.taken..];
        chunks.push(filled.finish(chunks.len() as u32 + 1, Part::More));
    }
    chunks
}

#[track_caller]
fn check_round_trip(desk: &Desk, dag: DagId, signing: Signing) {
    let mut ids: Vec<EntryId> = Vec::new();
    for packed in chunks(desk, dag, signing) {
        let unpacked = unpack(&packed, desk.team(), dag).unwrap();
        for received in unpacked.received {
            let id = received.entry.id();
            assert_eq!(received.entry.bytes(), desk.ledger.entry(&id).unwrap().bytes());
            if let Some(signature) = received.signature {
                assert!(received.entry.key().verifies_entry(&id, &signature));
            }
            ids.push(id);
        }
        for (id, body) in unpacked.bodies {
            assert_eq!(Some(body.reference()), desk.ledger.entry(&id).unwrap().body());
        }
    }
    assert_eq!(ids, desk.order(&dag));
}

/// Everything an incident can say, by two authors, with bodies of both forms and without.
fn varied() -> (Desk, DagId) {
    let mut founder = Desk::founder(1);
    let mut guest = founder.let_in(2);
    let incident = founder.declare("varied", None);
    founder.copy_to(&mut guest);
    let role = |act| What::Role { role: "incident-commander".into(), act, supersedes: Vec::new() };
    let claim = founder.write(Some(incident), role(RoleAct::Claim), "");
    founder.copy_to(&mut guest);
    let action = guest.write(
        Some(incident),
        What::Action { target: "db-1".into(), state: ActionState::Planned, expected_minutes: Some(5) },
        "restart it",
    );
    founder.say(incident, "concurrent");
    guest.copy_to(&mut founder);
    founder.write(Some(incident), What::ActionState { action, state: ActionState::Doing, supersedes: vec![] }, "");
    founder.write(Some(incident), What::Severity { severity: Some(2), supersedes: vec![] }, "worse");
    founder.write(Some(incident), What::Milestone { letter: Letter::Detected }, "");
    founder.write(Some(incident), What::Amendment { target: claim }, "it was bob");
    (founder, incident)
}

#[test]
fn every_kind_comes_out_as_it_went_in() {
    let (desk, incident) = varied();
    for dag in [incident, desk.team().into()] {
        for signing in [Signing::ByRun, Signing::Every] {
            check_round_trip(&desk, dag, signing);
        }
    }
}

#[test]
fn a_body_that_is_absent_or_of_a_form_of_its_own_keeps_its_entry() {
    let (mut desk, incident) = varied();
    let hash = desk.ledger.dag(&incident).unwrap().entries().find_map(|entry| entry.body()).unwrap().hash;
    desk.bodies.remove(&hash);
    check_round_trip(&desk, incident, Signing::ByRun);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_part_of_a_history_comes_out_as_it_went_in(keep in proptest::collection::vec(any::<bool>(), 16)) {
        let (desk, incident) = varied();
        let ids: Vec<EntryId> =
            desk.order(&incident).iter().zip(keep).filter(|(_, keep)| *keep).map(|(id, _)| *id).collect();
        let filled = fill(view(&desk), &ids, &[], Signing::Every);
        prop_assert_eq!(filled.taken, ids.len());
        let unpacked = unpack(&filled.finish(1, Part::Live), desk.team(), incident).unwrap();
        let out: Vec<EntryId> = unpacked.received.iter().map(|received| received.entry.id()).collect();
        prop_assert_eq!(out, ids);
    }

    #[test]
    fn a_damaged_chunk_never_panics_and_never_names_another_id(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let (desk, incident) = varied();
        let mut packed = chunks(&desk, incident, Signing::ByRun).remove(0);
        let mut raw = zstd::bulk::decompress(&packed.compressed, CHUNK_BYTES_MAX).unwrap();
        for (place, byte) in damage {
            let place = place.index(raw.len());
            raw[place] = byte;
        }
        if let Some(cut) = cut {
            raw.truncate(cut.index(raw.len()));
        }
        packed.raw_size = raw.len() as u32;
        packed.compressed = zstd::bulk::compress(&raw, 1).unwrap();
        if let Ok(unpacked) = unpack(&packed, desk.team(), incident) {
            for received in unpacked.received {
                let again = muster_log::Entry::decode(received.entry.bytes()).unwrap();
                prop_assert_eq!(again.id(), received.entry.id());
                prop_assert_eq!(again.dag(), incident);
            }
        }
    }
}

#[test]
fn a_raw_size_that_lies_is_a_fault() {
    let (desk, incident) = varied();
    let good = chunks(&desk, incident, Signing::ByRun).remove(0);
    for raw_size in [0, good.raw_size - 1, good.raw_size + 1, CHUNK_BYTES_MAX as u32] {
        assert!(unpack(&Packed { raw_size, ..good.clone() }, desk.team(), incident).is_err());
    }
    // A bomb: a megabyte of zeros in a few bytes, declared as the little it pretends to be.
    let compressed = zstd::bulk::compress(&vec![0; 1 << 24], 3).unwrap();
    assert!(unpack(&Packed { compressed, ..good }, desk.team(), incident).is_err());
}

#[test]
fn long_bodies_fill_chunks_and_leave_their_place_when_there_is_none() {
    let mut desk = Desk::founder(1);
    let incident = desk.declare("long", None);
    let text: String = (0..16_000).map(|i| char::from(33 + (noise(i) % 90) as u8)).collect();
    for _ in 0..150 {
        desk.say(incident, &text);
    }
    // Only the last entry has a signature, so no chunk can end before it where it would like to.
    let last = *desk.order(&incident).last().unwrap();
    desk.signatures.retain(|id, _| *id == last);
    let filled = fill(view(&desk), desk.order(&incident), &[], Signing::ByRun);
    assert_eq!(filled.taken, 151);
    assert!(filled.left_out.len() > 100 && filled.bytes <= CHUNK_BYTES_MAX, "{} left out", filled.left_out.len());
    let left_out = filled.left_out.clone();
    let packed = filled.finish(1, Part::More);
    assert_eq!(unpack(&packed, desk.team(), incident).unwrap().received.len(), 151);
    let frame = Frame::Entries(incident, packed).encode(desk.team().into());
    assert!(frame.len() <= FRAME_BYTES_MAX);

    let bodies = fill(view(&desk), &[], &left_out, Signing::ByRun);
    assert!(bodies.loose_taken > 5 && bodies.loose_taken < left_out.len());
    let loose = unpack(&bodies.finish(2, Part::More), desk.team(), incident).unwrap().loose;
    assert!(loose.len() > 5 && loose.iter().all(|(id, _)| left_out.contains(id)));
}

#[test]
fn chunks_for_a_relayed_link_are_short_also_where_no_run_ends_with_a_signature() {
    let mut desk = Desk::founder(1);
    let incident = desk.declare("long", None);
    let text: String = (0..1_000).map(|i| char::from(33 + (noise(i) % 90) as u8)).collect();
    for _ in 0..300 {
        desk.say(incident, &text);
    }
    let short = |desk: &Desk| {
        let filled = fill_to(ChunkSize::SHORT, view(desk), desk.order(&incident), &[], Signing::ByRun);
        (filled.bytes, filled.taken)
    };
    let (bytes, taken) = short(&desk);
    assert!(taken > 40 && bytes <= RELAYED_CHUNK_BYTES_AIM + 2_000, "{taken} entries, {bytes} bytes");
    desk.signatures.clear();
    let (bytes, taken) = short(&desk);
    assert!(taken > 100 && bytes <= RELAYED_CHUNK_BYTES_MAX, "{taken} entries, {bytes} bytes");
}

/// Ten thousand notes by five authors; `text` says what they say.
fn ten_thousand(text: impl Fn(u64) -> String) -> (Desk, DagId) {
    let mut desk = Desk::founder(1);
    let guests: Vec<Desk> = (2..=5).map(|number| desk.let_in(number)).collect();
    let incident = desk.declare("ten thousand", None);
    for note in 0..10_000 {
        let author = (noise(note) % 5) as usize;
        match author.checked_sub(1) {
            None => desk.say(incident, &text(note)),
            Some(guest) => desk.say_as(&guests[guest], incident, &text(note)),
        };
    }
    (desk, incident)
}

fn bytes_per_entry(desk: &Desk, incident: DagId) -> f64 {
    let team = desk.team().into();
    let frames = chunks(desk, incident, Signing::ByRun);
    let bytes: usize = frames.into_iter().map(|packed| Frame::Entries(incident, packed).encode(team).len()).sum();
    bytes as f64 / desk.len(&incident) as f64
}

#[test]
fn ten_thousand_templated_notes_travel_in_a_hundred_bytes_each() {
    let (desk, incident) = ten_thousand(|note| {
        let host = noise(note) % 40;
        match noise(note * 3) % 4 {
            0 => format!("restarted api-{host:02} in eu-west-1, error rate {}.{}%", note % 17, note % 10),
            1 => format!("api-{host:02}: p99 latency {} ms, was {} ms", 200 + noise(note) % 3_000, 180 + note % 40),
            2 => format!("drained shard {} of orders-db, {} connections left", noise(note) % 64, noise(note + 1) % 500),
            _ => format!("alert OrdersSlow firing on api-{host:02} since 12:{:02}", note % 60),
        }
    });
    let cost = bytes_per_entry(&desk, incident);
    println!("templated: {cost:.1} bytes an entry");
    assert!(cost <= 100.0, "{cost:.1} bytes an entry");
    check_relay(desk, incident);
}

/// Whoever got entries with the signatures of their runs can pass them on so that nothing has to wait.
fn check_relay(source: Desk, incident: DagId) {
    let mut source = source;
    for hop in 0..2 {
        let mut next = Desk::newcomer(10 + hop, source.team());
        source.copy_roster_to(&mut next);
        for packed in chunks(&source, incident, Signing::ByRun) {
            let unpacked = unpack(&packed, source.team(), incident).unwrap();
            let outcome = next.receive(None, unpacked.received, unpacked.bodies);
            assert_eq!((outcome.refused, outcome.pending), (vec![], vec![]), "hop {hop}, chunk {}", packed.number);
        }
        assert_eq!(next.len(&incident), source.len(&incident));
        assert!(next.signatures.len() < 200, "{} signatures travelled", next.signatures.len());
        source = next;
    }
}

#[test]
fn ten_thousand_notes_of_prose_travel_in_a_hundred_and_thirty_bytes_each() {
    let words = "the of and to in is was we that it on for with as at by from this be are not have but had they all one \
        can when there which their if will would so what up out about who get into than them been its now after \
        database checkout latency deploy rollback cache queue replica leader timeout retry customer region network \
        certificate disk memory restart failing healthy graph alert looks maybe again still almost nobody somebody \
        checking waiting confirmed suspect because since before while until tried worked broke fixed traffic load";
    let words: Vec<&str> = words.split_whitespace().collect();
    let (desk, incident) = ten_thousand(|note| {
        let length = 8 + noise(note) % 20;
        let pick = |i| {
            words[(noise(note * 64 + i) % 1_000 * (noise(note * 64 + i + 7) % 1_000) / 1_000) as usize % words.len()]
        };
        (0..length).map(pick).collect::<Vec<_>>().join(" ")
    });
    let cost = bytes_per_entry(&desk, incident);
    println!("prose: {cost:.1} bytes an entry");
    assert!(cost <= 130.0, "{cost:.1} bytes an entry");
}
