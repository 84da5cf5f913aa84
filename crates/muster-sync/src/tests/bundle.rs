//! A bundle gives back what was packed, what is left of it after damage, and nothing that it only claims.
//!
//! The golden vector is `docs/vectors/bundle.json`. Set `MUSTER_WRITE_VECTORS` to write it anew after a change of format.

use super::desk::{Desk, noise};
use crate::bundle::{
    BundleReader, BundleWriter, Cursor, Found, Header, Kind, MAGIC, NoBundle, Packing, Scope, States, Summary, digest,
    known_tips, open_chunk, pack,
};
use crate::frame::{Bye, Frame, FrameError, Have, Packed, Part};
use crate::limits::CHUNK_BYTES_MAX;
use crate::replica::Replica;
use muster_log::{DagId, DeviceKey, DeviceSecret, EntryId, Signature, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeSet;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vectors/bundle.json");

fn header(desk: &Desk, states: &[Vec<u8>], kind: Kind, base: Option<&Header>) -> Header {
    let mut header = Header {
        team: desk.team(),
        kind,
        writer: desk.key(),
        now: Timestamp(1_689_855_420_000),
        reader: None,
        scope: Scope::All,
        base: base.map(Header::id),
        states: states.len() as u32,
        states_digest: digest(states),
        signature: Signature::from_bytes([0; 64]),
    };
    header.sign(&desk.secret);
    header
}

fn dags(desk: &Desk) -> Vec<DagId> {
    [desk.team().into()].into_iter().chain(desk.incidents()).collect()
}

/// Everything a desk has and `base` has not, as a file.
fn written(desk: &Desk, kind: Kind, base: Option<(&Header, &States)>) -> Vec<u8> {
    let dags = dags(desk);
    let mine = States::of(desk, &dags);
    let frames: Vec<Vec<u8>> = dags.iter().flat_map(|dag| mine.frames(desk.team(), dag)).collect();
    let header = header(desk, &frames, kind, base.map(|(header, _)| header));
    let (mut writer, mut bytes) = BundleWriter::begin(header, &frames);
    let nothing = States::default();
    for dag in dags {
        let base = base.map_or(&nothing, |(_, states)| states);
        let packing = Packing { replica: desk, team: desk.team(), me: desk.key(), dag, base };
        let mut cursor = Cursor { from: 0, to: desk.order(&dag).len(), loose: Vec::new() };
        while !cursor.is_at_end() {
            if let Some(chunk) = pack(packing, writer.next_number(), &mut cursor) {
                bytes.extend(writer.chunk(&chunk));
            }
        }
    }
    bytes.extend(writer.end());
    bytes
}

struct Read {
    header: Option<Header>,
    chunks: Vec<Vec<u8>>,
    summary: Summary,
}

/// Reads a file in pieces of a size.
fn read_in(bytes: &[u8], piece: usize) -> Result<Read, NoBundle> {
    let (mut reader, mut header, mut chunks) = (BundleReader::new(), None, Vec::new());
    for piece in bytes.chunks(piece) {
        reader.push(piece);
        while let Some(found) = reader.poll()? {
            match found {
                Found::Header(found) => header = Some(*found),
                Found::Chunk(frame) => chunks.push(frame),
            }
        }
    }
    Ok(Read { header, chunks, summary: reader.finish()? })
}

fn read(bytes: &[u8]) -> Result<Read, NoBundle> {
    read_in(bytes, 4096)
}

/// Hands chunks to a desk's ledger; gives what was admitted.
#[track_caller]
fn take(desk: &mut Desk, chunks: &[Vec<u8>]) -> Vec<EntryId> {
    let mut admitted = Vec::new();
    for chunk in chunks {
        let opened = open_chunk(chunk, desk.team()).unwrap();
        let outcome = desk.receive(None, opened.received, opened.bodies);
        assert_eq!(outcome.refused, []);
        admitted.extend(outcome.admitted);
    }
    admitted
}

fn founder() -> Desk {
    let mut desk = Desk::founder(1);
    for (number, title) in (0..).zip(["checkout is down", "mail is slow", "a drill"]) {
        let incident = desk.declare(title, None);
        for note in 0..=number {
            desk.say(incident, &format!("note {note}"));
        }
    }
    desk
}

/// Where each record of a good file ends, the magic's end first.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![MAGIC.len()];
    while let Some(head) = bytes.get(ends[ends.len() - 1]..).and_then(|rest| rest.first_chunk::<4>()) {
        ends.push(ends[ends.len() - 1] + 12 + u32::from_be_bytes(*head) as usize);
    }
    ends
}

#[test]
fn a_newcomers_ledger_takes_everything_from_a_bundle_whatever_the_pieces_it_is_read_in() {
    let desk = founder();
    let bytes = written(&desk, Kind::Full, None);
    for piece in [1, 7, 4096, bytes.len()] {
        let read = read_in(&bytes, piece).unwrap();
        assert!(read.summary.is_whole && !read.summary.is_cut_off(), "{:?}", read.summary);
        assert!(read.header.unwrap().is_signed());
        let mut guest = Desk::newcomer(2, desk.team());
        take(&mut guest, &read.chunks);
        for dag in dags(&desk) {
            assert_eq!(guest.order(&dag), desk.order(&dag));
        }
        assert_eq!(guest.bodies, desk.bodies);
    }
}

#[test]
fn a_long_incident_goes_into_several_chunks_and_all_bodies_arrive() {
    let mut desk = Desk::founder(1);
    let incident = desk.declare("long", None);
    for n in 0..60 {
        let text: String = (0..12_000).map(|i| char::from(b'!' + (noise(n * 100_000 + i) % 90) as u8)).collect();
        desk.say(incident, &text);
    }
    let read = read(&written(&desk, Kind::Full, None)).unwrap();
    assert!(read.chunks.len() > 3, "{}", read.chunks.len());
    let mut guest = Desk::newcomer(2, desk.team());
    take(&mut guest, &read.chunks);
    assert_eq!(guest.order(&incident), desk.order(&incident));
    assert_eq!(guest.bodies, desk.bodies);
}

#[test]
fn a_file_cut_off_at_any_byte_gives_exactly_its_complete_chunks() {
    let bytes = written(&founder(), Kind::Full, None);
    let whole = read(&bytes).unwrap();
    let ends = ends(&bytes);
    // Magic, header, HAVE frames, chunks, trailer.
    let before = ends.len() - 1 - whole.chunks.len();
    for cut in 0..bytes.len() {
        let complete = ends.iter().filter(|end| **end <= cut).count().saturating_sub(before);
        match read(&bytes[..cut]) {
            Err(error) => assert_eq!((error, cut < MAGIC.len()), (NoBundle::Magic, true)),
            Ok(read) => {
                assert_eq!(read.chunks, whole.chunks[..complete], "cut at {cut}");
                assert!(read.summary.is_cut_off() && !read.summary.is_whole, "cut at {cut}");
                assert_eq!(read.summary.damaged, 0);
            }
        }
    }
}

#[test]
fn a_flipped_bit_costs_at_most_the_chunk_it_is_in() {
    let bytes = written(&founder(), Kind::Full, None);
    let whole = read(&bytes).unwrap();
    for n in 0..3_000 {
        let bit = MAGIC.len() * 8 + noise(n) as usize % ((bytes.len() - MAGIC.len()) * 8);
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let read = read(&flipped).unwrap();
        assert!(!read.summary.is_whole, "bit {bit}");
        let lost: Vec<_> = whole.chunks.iter().filter(|chunk| !read.chunks.contains(chunk)).collect();
        assert!(lost.len() <= 1 && read.chunks.len() + lost.len() == whole.chunks.len(), "bit {bit}");
    }
}

#[test]
fn bits_flipped_in_a_frame_behind_its_checksum_never_panic_and_never_bind_entries_to_another_dag() {
    let desk = founder();
    let chunks = read(&written(&desk, Kind::Full, None)).unwrap().chunks;
    let mut opened = 0;
    for n in 0..3_000 {
        let mut frame = chunks[n as usize % chunks.len()].clone();
        let bit = noise(n) as usize % (frame.len() * 8);
        frame[bit / 8] ^= 1 << (bit % 8);
        if let Ok(chunk) = open_chunk(&frame, desk.team()) {
            opened += 1;
            assert!(chunk.received.iter().all(|received| received.entry.dag() == chunk.dag));
            let mut guest = Desk::newcomer(2, desk.team());
            let roster = DagId::from(desk.team());
            take(&mut guest, &chunks[..1]);
            let outcome = guest.receive(None, chunk.received, chunk.bodies);
            let changed = outcome.admitted.iter().find(|id| desk.ledger.entry(id).is_none());
            assert_eq!(changed, None, "an entry that nobody wrote was admitted to {roster:?}");
        }
    }
    assert!(opened > 0, "some flips are in signatures and must reach admission");
}

proptest! {
    #[test]
    fn rubbish_behind_the_magic_gives_nothing_and_never_panics(rubbish in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let read = read(&[&MAGIC[..], &rubbish].concat()).unwrap();
        prop_assert!(read.chunks.is_empty() && read.header.is_none() && !read.summary.is_whole);
        prop_assert_eq!(read.summary.stray_bytes, rubbish.len() as u64);
    }

    #[test]
    fn rubbish_as_a_header_or_chunk_is_no_header_and_no_chunk(rubbish in proptest::collection::vec(any::<u8>(), 0..500)) {
        prop_assert!(Header::decode(&rubbish).is_err());
        prop_assert!(open_chunk(&rubbish, Desk::founder(1).team()).is_err());
    }

    #[test]
    fn records_lost_or_exchanged_never_give_a_chunk_that_was_not_there(seed in any::<u64>()) {
        let bytes = written(&founder(), Kind::Full, None);
        let whole = read(&bytes).unwrap();
        let ends = ends(&bytes);
        let mut file = MAGIC.to_vec();
        for n in 0..noise(seed) % 12 {
            let record = noise(seed ^ n) as usize % (ends.len() - 1);
            file.extend(&bytes[ends[record]..ends[record + 1]]);
        }
        let read = read(&file).unwrap();
        prop_assert!(read.chunks.iter().all(|chunk| whole.chunks.contains(chunk)));
        prop_assert!(!read.summary.is_whole || file == bytes);
    }
}

#[test]
fn other_files_and_later_versions_are_told_apart() {
    assert_eq!(read(b"").err(), Some(NoBundle::Magic));
    assert_eq!(read(b"PK\x03\x04 something else").err(), Some(NoBundle::Magic));
    assert_eq!(read(b"muster/bundle/2\n and more").err(), Some(NoBundle::Version));
}

#[test]
fn what_follows_the_end_is_told_and_not_counted_as_part_of_the_bundle() {
    let bytes = written(&founder(), Kind::Full, None);
    let rubbish = read(&[&bytes[..], b"rubbish"].concat()).unwrap();
    assert!(!rubbish.summary.is_whole && !rubbish.summary.is_cut_off());
    assert_eq!(rubbish.summary.stray_bytes, 7);
    let twice = read(&[&bytes[..], &bytes[MAGIC.len()..]].concat()).unwrap();
    assert!(!twice.summary.is_whole);
}

#[test]
fn frames_without_a_meaning_here_are_stepped_over_and_counted() {
    let desk = founder();
    let mut file = MAGIC.to_vec();
    for _ in 0..3 {
        let bye = Frame::Bye(Bye { code: 0, retry_after_ms: 0 }).encode(desk.team().into());
        file.extend(crate::bundle::record_of(&bye));
    }
    let read = read(&file).unwrap();
    assert_eq!((read.summary.unknown_frames, read.chunks.len(), read.summary.chunks), (3, 0, 0));
}

#[test]
fn a_chunk_that_inflates_to_more_than_it_says_or_says_more_than_allowed_is_refused_before_it_does() {
    let desk = founder();
    let zeros = zstd::bulk::compress(&vec![0; 64 * 1024 * 1024], 3).unwrap();
    assert!(zeros.len() < 64 * 1024, "a bomb of {} bytes", zeros.len());
    let bomb = |raw_size| {
        let packed = Packed {
            number: 1,
            part: Part::Live,
            ids: Vec::new(),
            salts: Vec::new(),
            signatures: Vec::new(),
            raw_size,
            compressed: zeros.clone(),
        };
        open_chunk(&Frame::Roster(packed).encode(desk.team().into()), desk.team()).unwrap_err()
    };
    assert!(matches!(bomb(u32::MAX), FrameError::TooLarge { .. }));
    assert!(matches!(bomb(64 * 1024 * 1024), FrameError::TooLarge { .. }));
    assert!(matches!(bomb(CHUNK_BYTES_MAX as u32), FrameError::Form { .. }));
}

#[test]
fn a_header_that_was_changed_or_signed_by_another_says_nothing_of_its_writer() {
    let desk = founder();
    let bytes = written(&desk, Kind::Full, None);
    assert!(read(&bytes).unwrap().summary.states.is_some());
    let frames: Vec<Vec<u8>> =
        dags(&desk).iter().flat_map(|dag| States::of(&desk, &dags(&desk)).frames(desk.team(), dag)).collect();
    let forge = |change: &dyn Fn(&mut Header)| {
        let mut forged = header(&desk, &frames, Kind::Full, None);
        change(&mut forged);
        let (writer, mut bytes) = BundleWriter::begin(forged, &frames);
        bytes.extend(writer.end());
        read(&bytes).unwrap().summary
    };
    assert!(forge(&|_| {}).states.is_some());
    assert_eq!(forge(&|header| header.writer = DeviceKey::from_bytes([3; 32])).states, None);
    assert_eq!(forge(&|header| header.now = Timestamp(0)).states, None);
    assert_eq!(forge(&|header| header.sign(&DeviceSecret::from_seed(&[77; 32]))).states, None);
    assert_eq!(forge(&|header| header.states_digest = [0; 32]).states, None);
    assert_eq!(forge(&|header| header.states -= 1).states, None, "one of them is not signed for");
    assert_eq!(forge(&|header| header.states += 1).states, None, "one of them is not there");
}

#[test]
fn a_reply_holds_exactly_what_the_other_lacked_and_answers_both_ways() {
    let mut alice = founder();
    let mut bob = alice.let_in(2);
    take(&mut bob, &read(&written(&alice, Kind::Full, None)).unwrap().chunks);
    let shared = bob.incidents()[0];
    let mine: BTreeSet<EntryId> = (0..5).map(|n| bob.say(shared, &format!("from bob {n}"))).collect();
    let hers: BTreeSet<EntryId> = (0..3).map(|n| alice.say(shared, &format!("from alice {n}"))).collect();
    let new = bob.declare("seen by bob alone", None);

    let from_alice = read(&written(&alice, Kind::Full, None)).unwrap();
    let admitted: BTreeSet<EntryId> = take(&mut bob, &from_alice.chunks).into_iter().collect();
    assert_eq!(admitted, hers);
    let (header, states) = (from_alice.header.unwrap(), from_alice.summary.states.unwrap());
    let reply = read(&written(&bob, Kind::Reply, Some((&header, &states)))).unwrap();
    assert_eq!(reply.summary.trailer.unwrap().entries, mine.len() as u64 + 1);
    let admitted: BTreeSet<EntryId> = take(&mut alice, &reply.chunks).into_iter().collect();
    assert_eq!(admitted, mine.iter().copied().chain([new.genesis()]).collect());
    assert_eq!(alice.heads(&shared), bob.heads(&shared));

    let (header, states) = (reply.header.unwrap(), reply.summary.states.unwrap());
    let nothing = read(&written(&alice, Kind::Reply, Some((&header, &states)))).unwrap();
    assert_eq!(nothing.chunks.len(), 0, "both have everything");
}

#[test]
fn of_a_log_that_goes_on_where_we_do_not_know_it_nothing_is_sent_back() {
    let mut alice = founder();
    let mut bob = alice.let_in(2);
    take(&mut bob, &read(&written(&alice, Kind::Full, None)).unwrap().chunks);
    let shared = bob.incidents()[0];
    alice.say(shared, "bob will not get this");
    let (header, states) = {
        let read = read(&written(&alice, Kind::Full, None)).unwrap();
        (read.header.unwrap(), read.summary.states.unwrap())
    };
    let reply = read(&written(&bob, Kind::Reply, Some((&header, &states)))).unwrap();
    assert_eq!(reply.chunks.len(), 0);
}

#[test]
fn tips_that_are_unknown_here_are_no_receipt() {
    let mut alice = founder();
    let mut bob = alice.let_in(2);
    take(&mut bob, &read(&written(&alice, Kind::Full, None)).unwrap().chunks);
    let shared = bob.incidents()[0];
    let known = bob.heads(&shared);
    let have = |desk: &Desk| Have::page(shared, &desk.tips(&shared), None);
    assert_eq!(known_tips(&bob, &have(&alice)), known);
    alice.say(shared, "bob does not have this");
    assert_eq!(known_tips(&bob, &have(&alice)), []);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// What a reader must find in a bundle.
fn described(bytes: &[u8], desk: &Desk) -> String {
    let read = read(bytes).unwrap();
    let ids: Vec<String> = (read.chunks.iter())
        .flat_map(|chunk| open_chunk(chunk, desk.team()).unwrap().received)
        .map(|received| format!("    \"{}\"", received.entry.id()))
        .collect();
    let header = read.header.unwrap();
    format!(
        "  \"seed\": \"{}\",\n  \"team\": \"{}\",\n  \"id\": \"{}\",\n  \"header\": \"{}\",\n  \"whole\": {},\n  \
         \"chunks\": {},\n  \"entries\": [\n{}\n  ]\n",
        hex(desk.secret.seed().as_slice()),
        desk.team(),
        header.id(),
        hex(&header.encode()),
        read.summary.is_whole && read.summary.states.is_some(),
        read.chunks.len(),
        ids.join(",\n"),
    )
}

#[test]
fn the_golden_bundle_reads_as_it_did() {
    let desk = founder();
    let bytes = written(&desk, Kind::Full, None);
    if std::env::var_os("MUSTER_WRITE_VECTORS").is_some() {
        let about =
            "A bundle of a team of one and its three incidents. Written by a test; see docs/protocol.md, section 12.";
        let document = format!(
            "{{\n  \"about\": \"{about}\",\n  \"bytes\": \"{}\",\n{}}}\n",
            hex(&bytes),
            described(&bytes, &desk)
        );
        std::fs::write(PATH, document).unwrap();
    }
    let committed = std::fs::read_to_string(PATH).unwrap();
    let golden = committed.split("\"bytes\": \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    // Compression may differ between versions of zstd; what is read from the committed bytes may not.
    assert!(committed.ends_with(&format!("{}}}\n", described(&unhex(golden), &desk))), "{}", described(&bytes, &desk));
    assert_eq!(described(&bytes, &desk), described(&unhex(golden), &desk));
}
