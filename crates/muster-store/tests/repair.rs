//! Repair on a disk with a flipped bit that fails or loses power at any call: the store is as it was or repaired, nothing that
//! stands is lost, and the journal as it was found is kept.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod sample;

use muster_log::EntryId;
use muster_store::{Choice, Disk, DiskStore, Fault, FaultyDisk, How, OpenOptions, Repaired, Storage, StoreError};
use sample::linked::lines;
use sample::{dag, entry, fill, id, local};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

const HOME: &str = "/home/store";
const ENTRIES: u32 = 12;
/// The entry whose record is damaged; those after it are left out.
const BAD: u32 = 7;

fn options(disk: &FaultyDisk) -> OpenOptions {
    OpenOptions::write([9; 16]).index_in_memory().disk(Arc::new(disk.clone())).now_ms(1_234)
}

fn open(disk: &FaultyDisk) -> Result<DiskStore, StoreError> {
    DiskStore::open(Path::new(HOME), options(disk)).map(|(store, _)| store)
}

/// A store with an archive beside it, in which one bit of the journal flipped.
fn damaged() -> FaultyDisk {
    let disk = FaultyDisk::new();
    let mut store = open(&disk).unwrap();
    let packed = lines(1, 5);
    for line in &packed {
        line.writes().into_iter().for_each(|write| store.stage(write).unwrap());
    }
    store.commit().unwrap();
    store.compact(&[packed[0].entry.dag]).unwrap();
    store.stage(local("kept", "yes")).unwrap();
    fill(&mut store, 9, 0..ENTRIES);
    drop(store);
    flip(&disk, Path::new("/home/store/journal-2/00000001.log"), &entry(9, BAD).bytes);
    disk
}

/// Flips one bit in the middle of where `needle` stands.
#[track_caller]
fn flip(disk: &FaultyDisk, path: &Path, needle: &[u8]) {
    let bytes = contents(disk, path);
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap() + needle.len() / 2;
    let file = disk.open(path, How::Write).unwrap();
    file.write_at(&[bytes[at] ^ 4], at as u64).unwrap();
    file.sync().unwrap();
}

fn contents(disk: &FaultyDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, How::Read).unwrap();
    let mut bytes = vec![0; file.size().unwrap() as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

fn repair(disk: &FaultyDisk) -> Result<Option<Repaired>, StoreError> {
    DiskStore::repair(Path::new(HOME), options(disk), |store| {
        let left_out: BTreeSet<EntryId> = (BAD + 1..ENTRIES).map(|n| id(9, n)).collect();
        Ok((store, Choice { left_out, gone: [id(9, BAD)].into(), ..Choice::default() }))
    })
}

#[track_caller]
fn check_stands(store: &DiskStore) {
    let standing: Vec<_> = (0..BAD).map(|n| entry(9, n)).collect();
    assert!(store.entries(&dag(9)).unwrap().starts_with(&standing));
    let packed = lines(1, 5);
    let wanted: Vec<_> = packed.iter().map(|line| line.entry.clone()).collect();
    assert!(store.entries(&wanted[0].dag).unwrap() == wanted);
    assert!(packed.iter().all(|line| store.body(&line.hash).unwrap().as_ref() == Some(&line.body)));
    assert_eq!(store.local("kept").unwrap(), Some(b"yes".to_vec()));
}

#[test]
fn what_stands_is_kept_the_rest_is_put_aside_and_noted_until_it_is_back() {
    let disk = damaged();
    assert!(matches!(open(&disk), Err(StoreError::Damaged { .. })));
    let before = contents(&disk, Path::new("/home/store/journal-2/00000001.log"));
    let repaired = repair(&disk).unwrap().unwrap();
    assert_eq!((repaired.damage.len(), repaired.left_out), (1, u64::from(ENTRIES - BAD - 1)));
    assert!(contents(&disk, &repaired.quarantine.clone().unwrap().join("journal/00000001.log")) == before);
    let mut store = open(&disk).unwrap();
    check_stands(&store);
    assert_eq!(store.count(&dag(9)), u64::from(BAD));
    let lost = store.lost().unwrap().unwrap();
    assert_eq!((lost.since_ms, lost.missing), (1_234, u64::from(ENTRIES - BAD)));
    // Peers give it back.
    fill(&mut store, 9, BAD..ENTRIES);
    assert_eq!(store.lost().unwrap(), None);
    drop(store);
    assert!(repair_is_not_needed(&disk));
}

fn repair_is_not_needed(disk: &FaultyDisk) -> bool {
    let none =
        DiskStore::repair(Path::new(HOME), options(disk), |store| Ok::<_, StoreError>((store, Choice::default())));
    none.unwrap().is_none()
}

#[test]
fn what_does_not_come_back_is_forgotten_when_somebody_says_so() {
    let disk = damaged();
    repair(&disk).unwrap().unwrap();
    DiskStore::accept_loss(Path::new(HOME), options(&disk)).unwrap();
    assert_eq!(open(&disk).unwrap().lost().unwrap(), None);
}

#[test]
fn a_damaged_archive_goes_back_into_the_journal_as_far_as_it_can_be_read() {
    let disk = damaged();
    repair(&disk).unwrap().unwrap();
    // The other archive, of entries after the first.
    let mut store = open(&disk).unwrap();
    store.compact(&[dag(9)]).unwrap();
    drop(store);
    let archive = Path::new("/home/store/archives/00000002.arc");
    let size = contents(&disk, archive).len() as u64;
    disk.open(archive, How::Write).unwrap().truncate(size / 2).unwrap();
    assert!(matches!(open(&disk), Err(StoreError::Damaged { .. })));
    let none_left_out = |store| Ok::<_, StoreError>((store, Choice::default()));
    let repaired = DiskStore::repair(Path::new(HOME), options(&disk), none_left_out).unwrap().unwrap();
    assert_eq!(
        contents(&disk, &repaired.quarantine.clone().unwrap().join("archives/00000002.arc")).len() as u64,
        size / 2
    );
    let store = open(&disk).unwrap();
    let wanted: Vec<_> = lines(1, 5).into_iter().map(|line| line.entry).collect();
    assert!(store.entries(&wanted[0].dag).unwrap() == wanted);
    assert_eq!(store.count(&dag(9)), 0);
    // Of the entries in it only the number is known.
    let lost = store.lost().unwrap().unwrap();
    assert_eq!((repaired.unnamed, lost.unnamed), (u64::from(BAD), u64::from(BAD)));
    assert_eq!(lost.missing, u64::from(ENTRIES - BAD), "those of the first repair");
    drop(store);
    drop(open(&disk).unwrap());
    assert_eq!(open(&disk).unwrap().lost().unwrap().unwrap().unnamed, u64::from(BAD));
    DiskStore::accept_loss(Path::new(HOME), options(&disk)).unwrap();
    assert_eq!(open(&disk).unwrap().lost().unwrap(), None);
}

#[test]
fn a_repair_that_fails_or_loses_power_at_any_call_can_be_made_again() {
    let counting = damaged();
    let before = counting.calls();
    repair(&counting).unwrap().unwrap();
    let calls = counting.calls() - before;
    assert!(calls > 15, "{calls} calls are too few");
    for fault in [Fault::Error, Fault::Half, Fault::Full] {
        for nth in 1..=calls {
            let disk = damaged();
            disk.fail(nth, fault);
            let done = repair(&disk);
            disk.fail_times(1, 0, fault);
            for disk in (0..3).map(|seed| disk.cut(seed)) {
                let read = OpenOptions::read().disk(Arc::new(disk.clone()));
                check_stands(&DiskStore::open(Path::new(HOME), read).unwrap().0);
                if open(&disk).is_err() {
                    assert!(done.is_err(), "call {nth}: it was said to be repaired");
                    repair(&disk).unwrap().unwrap();
                }
                let store = open(&disk).unwrap();
                check_stands(&store);
                assert_eq!(store.lost().unwrap().map(|lost| lost.missing), Some(u64::from(ENTRIES - BAD)));
            }
        }
    }
}

#[test]
fn a_repair_that_cannot_look_at_something_loses_nothing() {
    let segment = Path::new("/home/store/journal-2/00000001.log");
    let counting = damaged();
    let before = counting.reads();
    repair(&counting).unwrap().unwrap();
    let reads = counting.reads() - before;
    assert!(reads > 30, "{reads} reads are too few");
    // Once, and from then on until somebody mends the disk.
    for times in [1, u64::MAX / 2] {
        let mut refused = 0;
        for nth in 1..=reads {
            let disk = damaged();
            let (bytes, archive) =
                (contents(&disk, segment), contents(&disk, Path::new("/home/store/archives/00000001.arc")));
            disk.fail_reads(nth, times);
            let done = repair(&disk);
            disk.fail_reads(1, 0);
            refused += u64::from(done.is_err());
            let repaired = match done {
                Ok(done) => done.unwrap(),
                Err(_) => repair(&disk).unwrap().unwrap(),
            };
            assert!(
                contents(&disk, &repaired.quarantine.clone().unwrap().join("journal/00000001.log")) == bytes,
                "{nth}"
            );
            assert!(contents(&disk, Path::new("/home/store/archives/00000001.arc")) == archive, "{nth}");
            check_stands(&open(&disk).unwrap());
        }
        assert!(refused > reads / 2, "{refused} of {reads} refused");
    }
}

#[test]
fn what_was_torn_off_is_kept_through_a_power_cut_before_it_is_cut_off() {
    let disk = FaultyDisk::new();
    let mut store = open(&disk).unwrap();
    fill(&mut store, 9, 0..ENTRIES);
    drop(store);
    let segment = Path::new("/home/store/journal/00000001.log");
    let bytes = contents(&disk, segment);
    let torn = &bytes[..bytes.len() - 5];
    disk.replace(segment, torn);
    let (_, report) = DiskStore::open(Path::new(HOME), options(&disk)).unwrap();
    let kept = report.torn.unwrap().kept.unwrap();
    for seed in 0..8 {
        let after = disk.cut(seed);
        let rest = contents(&after, segment).len();
        assert!(contents(&after, &kept) == torn[rest..], "cut {seed}");
    }
}

#[test]
fn a_repair_without_room_leaves_nothing_behind() {
    let counting = damaged();
    let names = |disk: &FaultyDisk| disk.list(Path::new(HOME)).unwrap().into_iter().collect::<BTreeSet<_>>();
    let used = u64::MAX - counting.free(Path::new(HOME)).unwrap();
    assert_eq!(used, 0, "a disk without limit cannot say");
    counting.set_capacity(Some(usize::MAX / 2));
    let used = usize::MAX / 2 - counting.free(Path::new(HOME)).unwrap() as usize;
    let (mut refused, mut done) = (0, 0);
    for room in (0..12_000).step_by(150) {
        let disk = damaged();
        let before = names(&disk);
        disk.set_capacity(Some(used + room));
        match repair(&disk) {
            Ok(repaired) => {
                done += 1;
                assert!(repaired.unwrap().quarantine.unwrap().ends_with("quarantine-1"));
            }
            Err(StoreError::Full { .. }) => {
                refused += 1;
                let left: BTreeSet<_> = names(&disk).difference(&before).cloned().collect();
                assert!(
                    left.iter().all(|name| ["lost", "lost.new", "format.new"].contains(&name.as_str())),
                    "{left:?}"
                );
            }
            Err(error) => panic!("{error:?}"),
        }
        disk.set_capacity(None);
        if refused > 0 && done == 0 {
            assert!(repair(&disk).unwrap().unwrap().quarantine.unwrap().ends_with("quarantine-1"));
        }
        check_stands(&open(&disk).unwrap());
    }
    assert!(refused > 10 && done > 10, "{refused} refused, {done} done");
}

#[test]
fn a_local_fact_of_which_a_newer_one_may_be_damaged_is_forgotten_and_others_are_as_they_were_said_to_be() {
    let disk = damaged();
    let done = DiskStore::repair(Path::new(HOME), options(&disk), |store| {
        let facts = [("seen".to_owned(), Some(b"3".to_vec())), ("no more".to_owned(), None)].into();
        let doubtful = ["kept".to_owned(), "never said".to_owned()].into();
        Ok::<_, StoreError>((store, Choice { facts, doubtful, ..Choice::default() }))
    });
    assert_eq!(done.unwrap().unwrap().forgotten, ["kept"]);
    assert_eq!(open(&disk).unwrap().locals("").unwrap(), [("seen".to_owned(), b"3".to_vec())]);
}
