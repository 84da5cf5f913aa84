//! Failing writes and syncs, power cuts, torn tails and flipped bytes, on a disk in memory.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod sample;

use muster_store::{DiskStore, Fault, FaultyDisk, OpenOptions, OpenReport, Storage, StoreError, Write};
use sample::{check_filled, dag, entry, fill, local, stage};
use std::path::Path;
use std::sync::Arc;

const HOME: &str = "/home/store";
const SEGMENT: &str = "/home/store/journal/00000001.log";
/// Two calls each, after about ten for the opening, so that the hundredth call is one of them.
const COMMITS: u32 = 60;

fn options(disk: &FaultyDisk) -> OpenOptions {
    OpenOptions::write([9; 16]).index_in_memory().disk(Arc::new(disk.clone()))
}

fn open(disk: &FaultyDisk) -> Result<(DiskStore, OpenReport), StoreError> {
    DiskStore::open(Path::new(HOME), options(disk))
}

fn open_to_read(disk: &FaultyDisk) -> (DiskStore, OpenReport) {
    let options = OpenOptions::read().disk(Arc::new(disk.clone()));
    DiskStore::open(Path::new(HOME), options).unwrap()
}

/// Commits entry after entry until one is refused for good; returns how many were acknowledged.
fn write_until_it_fails(disk: &FaultyDisk, bulk: usize) -> u32 {
    let Ok((mut store, _)) = open(disk) else { return 0 };
    let mut acknowledged = 0;
    while acknowledged < COMMITS {
        stage(&mut store, 1, acknowledged);
        if bulk > 0 && acknowledged.is_multiple_of(8) {
            store.stage(Write::Local { key: "bulk".to_owned(), value: Some(vec![1; bulk]) }).unwrap();
        }
        match store.commit() {
            Ok(()) => acknowledged += 1,
            Err(StoreError::Full { .. }) => check_filled(&store, 1, acknowledged),
            Err(_) => {
                assert!(matches!(store.commit(), Err(StoreError::Poisoned)));
                assert!(matches!(store.stage(local("key", "value")), Err(StoreError::Poisoned)));
                check_filled(&store, 1, acknowledged);
                break;
            }
        }
    }
    acknowledged
}

/// The store opens, holds all that was acknowledged and at most one commit more, whole, and can be written to.
#[track_caller]
fn check_survives(disk: &FaultyDisk, acknowledged: u32) {
    let (mut store, _) = open(disk).unwrap();
    let found = store.count(&dag(1)) as u32;
    assert!(found == acknowledged || found == acknowledged + 1, "{acknowledged} acknowledged, {found} found");
    check_filled(&store, 1, found);
    fill(&mut store, 1, found..found + 3);
    drop(store);
    let (store, _) = open(&disk.cut(7)).unwrap();
    check_filled(&store, 1, found + 3);
}

fn fail_every_call(fault: Fault, calls: std::ops::RangeInclusive<u64>, bulk: usize) {
    for nth in calls {
        let disk = FaultyDisk::new();
        disk.fail(nth, fault);
        let acknowledged = write_until_it_fails(&disk, bulk);
        assert!(acknowledged < COMMITS, "call {nth} was never made");
        for seed in 0..3 {
            check_survives(&disk.cut(seed), acknowledged);
        }
        check_survives(&disk, acknowledged);
    }
}

#[test]
fn failing_the_nth_write_or_sync_acknowledges_nothing_that_is_lost() {
    fail_every_call(Fault::Error, 1..=100, 0);
}

#[test]
fn a_commit_whose_sync_failed_and_that_is_still_there_after_reopening_stays_there() {
    for nth in 1..=100 {
        let disk = FaultyDisk::new();
        // The sync and the cutting off that follows it: the bytes can still be read, but the system will not write them.
        disk.fail_times(nth, 2, Fault::Error);
        let acknowledged = write_until_it_fails(&disk, 0);
        disk.fail_times(1, 0, Fault::Error);
        check_survives(&disk, acknowledged);
    }
}

#[test]
fn half_of_the_nth_write_acknowledges_nothing_that_is_lost() {
    fail_every_call(Fault::Half, 1..=100, 0);
}

#[test]
fn lacking_space_in_the_nth_write_refuses_it_and_goes_on() {
    let disk = FaultyDisk::new();
    let calls_of_commits = |disk: &FaultyDisk, nth| {
        disk.fail(nth, Fault::Full);
        let (mut store, _) = open(disk).unwrap();
        fill(&mut store, 1, 0..1);
    };
    // A sync that lacks space is a failed sync, so only the writes are tried: every second call after the opening.
    calls_of_commits(&disk, 1_000);
    let opening = disk.calls() - 2;
    for commit in 0..50 {
        let disk = FaultyDisk::new();
        disk.fail(opening + 1 + 2 * commit, Fault::Full);
        let acknowledged = write_until_it_fails(&disk, 0);
        assert_eq!(acknowledged, COMMITS);
        check_survives(&disk.cut(commit), COMMITS);
    }
}

#[test]
fn failing_around_a_new_segment_acknowledges_nothing_that_is_lost() {
    for fault in [Fault::Error, Fault::Half] {
        // The fifth megabyte goes into the second segment.
        fail_every_call(fault, 72..=84, 1_000_000);
    }
}

#[test]
fn a_commit_takes_one_sync() {
    let disk = FaultyDisk::new();
    let (mut store, _) = open(&disk).unwrap();
    for n in 0..5 {
        let before = disk.syncs();
        (0..50).for_each(|i| stage(&mut store, 1, n * 50 + i));
        assert_eq!(disk.syncs(), before);
        store.commit().unwrap();
        assert_eq!(disk.syncs(), before + 1);
    }
    store.commit().unwrap();
    assert_eq!(disk.syncs(), open_syncs() + 5, "an empty commit syncs nothing");
}

/// Syncs of files that making a new store takes.
fn open_syncs() -> u64 {
    let disk = FaultyDisk::new();
    open(&disk).unwrap();
    disk.syncs()
}

/// Five commits of one entry and body, then one of three; returns the segment's bytes and where the last commit begins.
fn written() -> (FaultyDisk, Vec<u8>, usize) {
    let disk = FaultyDisk::new();
    let (mut store, _) = open(&disk).unwrap();
    fill(&mut store, 1, 0..5);
    let begin = disk.contents(Path::new(SEGMENT)).unwrap().len();
    (5..8).for_each(|n| stage(&mut store, 1, n));
    store.commit().unwrap();
    drop(store);
    let bytes = disk.contents(Path::new(SEGMENT)).unwrap();
    (disk, bytes, begin)
}

#[test]
fn every_cut_of_the_last_commit_opens_without_it() {
    let (disk, bytes, begin) = written();
    for len in begin..bytes.len() {
        disk.replace(Path::new(SEGMENT), &bytes[..len]);
        let (store, report) = open(&disk).unwrap();
        check_filled(&store, 1, 5);
        assert_eq!(report.torn.is_some(), len > begin, "at {len}");
        if let Some(torn) = report.torn {
            assert_eq!((torn.offset as usize, torn.bytes as usize), (begin, len - begin));
            assert_eq!(disk.contents(&torn.kept.unwrap()).unwrap(), bytes[begin..len]);
        }
        assert_eq!(disk.contents(Path::new(SEGMENT)).unwrap(), bytes[..begin]);
    }
}

#[test]
fn a_torn_tail_is_only_looked_at_when_opened_for_reading() {
    let (disk, bytes, begin) = written();
    let torn = &bytes[..bytes.len() - 1];
    disk.replace(Path::new(SEGMENT), torn);
    let (store, report) = open_to_read(&disk);
    check_filled(&store, 1, 5);
    assert_eq!(report.torn.unwrap().offset as usize, begin);
    assert_eq!(disk.contents(Path::new(SEGMENT)).unwrap(), torn);
}

#[test]
fn a_last_commit_with_a_hole_or_garbage_in_it_is_torn() {
    let (disk, bytes, begin) = written();
    for at in begin..bytes.len() {
        let mut torn = bytes.clone();
        torn[at] ^= 0x55;
        disk.replace(Path::new(SEGMENT), &torn);
        let (store, report) = open(&disk).unwrap();
        check_filled(&store, 1, 5);
        assert_eq!(report.torn.unwrap().offset as usize, begin, "at {at}");
    }
}

#[test]
fn a_flipped_byte_before_the_last_commit_is_named_and_hides_only_its_own_record() {
    let (disk, bytes, begin) = written();
    for at in 0..begin {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        disk.replace(Path::new(SEGMENT), &flipped);
        match open(&disk) {
            Err(StoreError::Damaged { segment, offset, .. }) => {
                assert_eq!(segment, Path::new(SEGMENT));
                let offset = offset as usize;
                assert!(offset <= at && at - offset < 46 + 105 + 300, "flipped at {at}, named {offset}");
            }
            other => panic!("flipped at {at}: {other:?}"),
        }
        assert_eq!(disk.contents(Path::new(SEGMENT)).unwrap(), flipped, "nothing may be touched");
        let (store, report) = open_to_read(&disk);
        assert!(!report.damage.is_empty());
        let (entries, bodies) = readable(&store);
        assert!(entries + bodies >= 15, "flipped at {at}: {entries} entries, {bodies} bodies of 8");
    }
}

/// How many of the eight entries and bodies are there; those that are must be right.
fn readable(store: &DiskStore) -> (usize, usize) {
    let mut found = (0, 0);
    for n in 0..8 {
        if let Some(got) = store.entry(&sample::id(1, n)).unwrap() {
            assert_eq!(got, entry(1, n));
            found.0 += 1;
        }
        if let Some(got) = store.body(&sample::hash(1, n)).unwrap() {
            assert_eq!(got, sample::body_bytes(1, n));
            found.1 += 1;
        }
    }
    found
}

#[test]
fn a_record_planted_in_a_body_is_not_taken_for_one() {
    let (disk, bytes, begin) = written();
    let stolen = bytes[begin..].to_vec();
    let (mut store, _) = open(&disk).unwrap();
    store.stage(Write::Body { hash: sample::hash(2, 0), bytes: stolen }).unwrap();
    store.commit().unwrap();
    drop(store);
    let planted = disk.contents(Path::new(SEGMENT)).unwrap();
    // The commit with the planted body is torn in its first byte: nothing in it may look like a later commit.
    let mut torn = planted.clone();
    torn[bytes.len()] ^= 1;
    disk.replace(Path::new(SEGMENT), &torn);
    let (store, report) = open(&disk).unwrap();
    assert_eq!(report.torn.unwrap().offset as usize, bytes.len());
    check_filled(&store, 1, 8);
}

#[test]
fn a_missing_or_foreign_segment_is_named() {
    let disk = FaultyDisk::new();
    let (mut store, _) = open(&disk).unwrap();
    for n in 0..12 {
        stage(&mut store, 1, n);
        store.stage(Write::Local { key: "bulk".to_owned(), value: Some(vec![1; 1_000_000]) }).unwrap();
        store.commit().unwrap();
    }
    drop(store);
    let second = Path::new(HOME).join("journal/00000002.log");
    let third = disk.contents(&Path::new(HOME).join("journal/00000003.log")).unwrap();
    disk.replace(&second, &third);
    let damaged = |disk| match open(disk) {
        Err(StoreError::Damaged { segment, offset: 0, .. }) => segment,
        other => panic!("{other:?}"),
    };
    assert_eq!(damaged(&disk), second);
    muster_store::Disk::remove(&disk, &second).unwrap();
    assert_eq!(damaged(&disk), second);
    let (store, report) = open_to_read(&disk);
    assert_eq!(report.damage.first().unwrap().segment, second);
    assert!(store.count(&dag(1)) >= 6, "the other segments can be read");
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_else_until_there_is_room() {
    const MIB: usize = 1024 * 1024;
    let disk = FaultyDisk::new();
    disk.set_capacity(Some(18 * MIB));
    let (mut store, report) = open(&disk).unwrap();
    assert!(!report.full);
    fill(&mut store, 1, 0..10);
    disk.set_capacity(Some(16 * MIB + 6_000));
    let mut n = 10;
    let refused = loop {
        stage(&mut store, 1, n);
        match store.commit() {
            Ok(()) => n += 1,
            Err(error) => break error,
        }
        assert!(n < 100);
    };
    assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
    assert!(refused.to_string().contains("full"));
    check_filled(&store, 1, n);
    drop(store);

    // Nothing free at all: the reserve is given up for the start, and is no room for writing.
    let (mut store, report) = open(&disk).unwrap();
    assert!(disk.contents(&Path::new(HOME).join("reserve")).is_none_or(|reserve| reserve.len() >= 16 * MIB));
    check_filled(&store, 1, n);
    stage(&mut store, 1, n);
    assert!(matches!(store.commit(), Err(StoreError::Full { .. })), "{report:?}");

    disk.set_capacity(Some(20 * MIB));
    fill(&mut store, 1, n..n + 5);
    check_filled(&store, 1, n + 5);
    drop(store);
    check_survives(&disk.cut(3), n + 5);
}
