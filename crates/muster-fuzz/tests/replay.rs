//! The committed corpus, and damaged copies of it, through every target. Nobody needs a fuzzer for that.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_fuzz::{TARGETS, seeds};
use std::fs;
use std::path::{Path, PathBuf};

/// Damaged copies of each piece of the corpus.
const DAMAGED_EACH: u64 = 300;

/// Larger pieces are damaged less often: each is read twice.
const LARGE_BYTES: usize = 2_000;

fn pieces(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

/// A well-mixed number for a number (splitmix64).
fn noise(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Flips, cuts, doubles or inserts, as a fuzzer would.
fn damage(bytes: &mut Vec<u8>, number: u64) {
    for step in 0..=noise(number) % 3 {
        let (what, at) = (noise(number * 7 + step), noise(number * 11 + step + 1));
        let place = at as usize % bytes.len().max(1);
        match what % 5 {
            0 | 1 if !bytes.is_empty() => bytes[place] ^= 1 << ((what >> 8) % 8),
            2 if !bytes.is_empty() => bytes[place] = [0, 0x7f, 0x80, 0xff, 0x9b, 0xbf][(what >> 8) as usize % 6],
            3 => bytes.truncate(place),
            _ => bytes.insert(place.min(bytes.len()), (what >> 8) as u8),
        }
    }
}

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).unwrap();
    let pieces = pieces(name);
    assert!(!pieces.is_empty(), "the corpus of {name} is empty");
    for (path, bytes) in pieces {
        target(&bytes);
        let count = if bytes.len() > LARGE_BYTES { DAMAGED_EACH / 3 } else { DAMAGED_EACH };
        for number in 0..count {
            let mut damaged = bytes.clone();
            damage(&mut damaged, number);
            let done = std::panic::catch_unwind(|| target(&damaged));
            assert!(done.is_ok(), "{name}: copy {number} of {}: {damaged:02x?}", path.display());
        }
    }
}

#[test]
fn entries_and_damaged_entries_have_one_form_or_none() {
    replay("entry");
}

#[test]
fn bodies_and_damaged_bodies_can_be_shown() {
    replay("body");
}

#[test]
fn frames_and_damaged_frames_have_one_form_or_none() {
    replay("frame");
}

#[test]
fn tickets_and_damaged_tickets_are_read_as_what_they_are() {
    replay("ticket");
}

#[test]
fn bundles_and_damaged_bundles_give_the_same_in_pieces_of_any_size() {
    replay("bundle");
}

#[test]
fn histories_of_a_team_end_with_all_replicas_agreed() {
    replay("roster");
}

#[test]
fn the_corpus_begins_with_what_the_program_writes_today() {
    for (target, name, bytes) in seeds::all() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target).join(&name);
        assert_eq!(
            fs::read(&path).unwrap(),
            bytes,
            "{target}/{name}: `cargo run -p muster-fuzz --bin corpus` writes it anew"
        );
    }
}

#[test]
fn whatever_is_undamaged_is_taken() {
    for (path, bytes) in pieces("entry") {
        assert!(muster_log::Entry::decode(&bytes).is_ok(), "{}", path.display());
    }
    for (path, bytes) in pieces("ticket") {
        assert!(std::str::from_utf8(&bytes).unwrap().parse::<muster_log::Ticket>().is_ok(), "{}", path.display());
    }
}
