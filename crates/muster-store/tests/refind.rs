//! A damaged `format`: the journals beside it tell what it said, so that everything is read on and a repair writes it again.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod sample;

use muster_store::{Choice, Disk, DiskStore, Fault, FaultyDisk, OpenOptions, Repaired, Storage, StoreError};
use sample::{check_filled, dag, fill, local};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const HOME: &str = "/home/store";
const ENTRIES: u32 = 12;

fn options(disk: &FaultyDisk) -> OpenOptions {
    OpenOptions::write([9; 16]).index_in_memory().disk(Arc::new(disk.clone())).now_ms(1_234)
}

fn open(disk: &FaultyDisk) -> Result<DiskStore, StoreError> {
    DiskStore::open(Path::new(HOME), options(disk)).map(|(store, _)| store)
}

fn path(name: &str) -> PathBuf {
    Path::new(HOME).join(name)
}

/// A store of one kind or the other.
fn filled(is_compacted: bool) -> FaultyDisk {
    let disk = FaultyDisk::new();
    let mut store = open(&disk).unwrap();
    fill(&mut store, 1, 0..ENTRIES);
    store.stage(local("kept", "yes")).unwrap();
    store.commit().unwrap();
    if is_compacted {
        store.compact(&[dag(1)]).unwrap();
    }
    disk
}

fn repair(disk: &FaultyDisk) -> Result<Option<Repaired>, StoreError> {
    DiskStore::repair(Path::new(HOME), options(disk), |store| Ok((store, Choice::default())))
}

#[track_caller]
fn check(store: &DiskStore) {
    check_filled(store, 1, ENTRIES);
    assert_eq!(store.local("kept").unwrap(), Some(b"yes".to_vec()));
}

/// That everything is read as it lies there, that a repair makes it writable, and that nothing is put aside for it.
#[track_caller]
fn check_found_again(disk: &FaultyDisk) {
    assert!(matches!(open(disk), Err(StoreError::Damaged { segment, .. }) if segment == path("format")));
    let read = OpenOptions::read().disk(Arc::new(disk.clone()));
    let (store, report) = DiskStore::open(Path::new(HOME), read).unwrap();
    check(&store);
    assert_eq!(report.damage.iter().map(|damage| damage.segment.clone()).collect::<Vec<_>>(), [path("format")]);
    let repaired = repair(disk).unwrap().unwrap();
    assert_eq!((repaired.damage, repaired.quarantine, repaired.left_out), (report.damage, None, 0));
    assert_eq!(repaired.kept, u64::from(ENTRIES));
    let store = open(disk).unwrap();
    check(&store);
    assert_eq!(store.lost().unwrap(), None);
    drop(store);
    assert_eq!(repair(disk).unwrap(), None);
}

#[test]
fn no_flipped_bit_and_no_cut_of_the_format_costs_an_entry_or_puts_a_journal_aside() {
    for is_compacted in [false, true] {
        let disk = filled(is_compacted);
        let format = disk.contents(&path("format")).unwrap();
        for bit in 0..format.len() * 8 {
            let mut flipped = format.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            disk.replace(&path("format"), &flipped);
            check_found_again(&disk);
            assert!(disk.contents(&path("format")) == Some(format.clone()), "bit {bit}");
        }
        for len in [0, 1, 20, 40, format.len() - 1] {
            disk.replace(&path("format"), &format[..len]);
            check_found_again(&disk);
        }
        disk.remove(&path("format")).unwrap();
        check_found_again(&disk);
    }
}

#[test]
fn a_format_without_a_checksum_that_names_another_store_or_journal_is_not_believed() {
    let [plain, compacted] = [false, true].map(filled);
    for (disk, text) in [
        (&plain, format!("muster-store 2\nstore {}\n", "08".repeat(16))),
        (&compacted, format!("muster-store 3\nstore {}\n", "09".repeat(16))),
        (&compacted, format!("muster-store 3\nstore {}\njournal 3\n", "09".repeat(16))),
        (&compacted, format!("muster-store 1\nstore {}\njournal 2\n", "09".repeat(16))),
    ] {
        disk.replace(&path("format"), text.as_bytes());
        check_found_again(disk);
    }
    // As it was written before there was one.
    plain.replace(&path("format"), format!("muster-store 2\nstore {}\n", "09".repeat(16)).as_bytes());
    check(&open(&plain).unwrap());
}

#[test]
fn of_a_compaction_that_was_killed_at_any_call_the_journal_is_found_that_has_everything() {
    let made = |fail: Option<u64>| {
        let disk = filled(false);
        let mut store = open(&disk).unwrap();
        let before = disk.calls();
        fail.iter().for_each(|nth| disk.fail_times(*nth, u64::MAX / 2, Fault::Error));
        let _ = store.compact(&[dag(1)]);
        (disk.calls() - before, disk)
    };
    let (calls, _) = made(None);
    assert!(calls > 20, "{calls}");
    for nth in 1..=calls {
        let (_, disk) = made(Some(nth));
        disk.fail_times(1, 0, Fault::Error);
        for disk in (0..3).map(|seed| disk.cut(seed)) {
            disk.replace(&path("format"), b"");
            check_found_again(&disk);
        }
    }
}

#[test]
fn a_repair_of_the_format_that_is_killed_at_any_call_leaves_a_store_that_can_be_read_and_repaired() {
    let damaged = || {
        let disk = filled(true);
        disk.replace(&path("format"), b"muster-stare 3\n");
        disk
    };
    let counting = damaged();
    let before = counting.calls();
    repair(&counting).unwrap().unwrap();
    for fault in [Fault::Error, Fault::Half, Fault::Full] {
        for nth in 1..=counting.calls() - before {
            let disk = damaged();
            disk.fail_times(nth, u64::MAX / 2, fault);
            let done = repair(&disk);
            disk.fail_times(1, 0, fault);
            for disk in (0..3).map(|seed| disk.cut(seed)) {
                match open(&disk) {
                    Ok(store) => check(&store),
                    Err(_) => {
                        assert!(done.is_err(), "call {nth}: it was said to be repaired");
                        check_found_again(&disk);
                    }
                }
            }
        }
    }
}

#[test]
fn a_format_of_which_no_journal_tells_is_refused_for_what_it_is() {
    let disk = filled(false);
    disk.replace(&path("format"), b"no format");
    disk.replace(&path("journal/00000001.log"), &[0; 4_000]);
    let read = OpenOptions::read().disk(Arc::new(disk.clone()));
    for options in [options(&disk), read] {
        assert!(matches!(DiskStore::open(Path::new(HOME), options), Err(StoreError::NoJournal { .. })));
    }
    assert!(matches!(repair(&disk), Err(StoreError::NoJournal { .. })));
    assert_eq!(disk.contents(&path("format")).unwrap(), b"no format");
}
