//! Homes in trouble: a damaged index, a newer format, a second process, a store from a backup.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod sample;

use muster_store::{Choice, DiskStore, IndexReport, OpenOptions, OpenReport, Storage, StoreError};
use sample::{check_filled, fill};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ENTRIES: u32 = 50;

fn open(dir: &Path) -> (DiskStore, OpenReport) {
    DiskStore::open(dir, OpenOptions::write([9; 16])).unwrap()
}

fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, report) = open(dir.path());
    assert!(report.created && report.index == IndexReport::CaughtUp(0), "{report:?}");
    fill(&mut store, 1, 0..ENTRIES);
    dir
}

/// Spoils the index, opens, and looks for everything; then once more, when it must be whole again.
#[track_caller]
fn check_heals(spoil: impl FnOnce(&Path)) -> IndexReport {
    let dir = filled();
    spoil(&dir.path().join("index"));
    let options = OpenOptions::write([0; 16]).index_patience(Duration::from_secs(5));
    let (mut store, report) = DiskStore::open(dir.path(), options).unwrap();
    check_filled(&store, 1, ENTRIES);
    fill(&mut store, 1, ENTRIES..ENTRIES + 5);
    drop(store);
    let (store, second) = open(dir.path());
    assert_eq!(second.index, IndexReport::Whole);
    check_filled(&store, 1, ENTRIES + 5);
    match &report.index {
        IndexReport::Rebuilt { quarantine, reason } => assert!(quarantine.exists() && !reason.is_empty()),
        _ => assert!(!dir.path().join("quarantine-1").exists()),
    }
    report.index
}

#[test]
fn a_healthy_index_is_used_as_it_is() {
    assert_eq!(check_heals(|_| {}), IndexReport::Whole);
}

#[test]
fn a_deleted_index_is_put_again() {
    let report = check_heals(|index| fs::remove_dir_all(index).unwrap());
    assert_eq!(report, IndexReport::CaughtUp(2 * u64::from(ENTRIES)));
}

#[test]
fn an_index_without_a_checkpoint_was_never_whole_and_is_put_again_without_alarm() {
    let report = check_heals(|index| {
        let db = sled::Config::default().path(index).segment_size(64 * 1024).open().unwrap();
        // As after a kill while an older version put the rows of a new journal, some at a time.
        assert!(db.remove("m").unwrap().is_some());
        let some: Vec<_> = db.iter().keys().step_by(2).map(Result::unwrap).collect();
        some.iter().for_each(|key| drop(db.remove(key).unwrap()));
        db.flush().unwrap();
    });
    assert_eq!(report, IndexReport::CaughtUp(2 * u64::from(ENTRIES)));
}

#[test]
fn an_index_full_of_garbage_is_quarantined_and_rebuilt() {
    let report = check_heals(|index| {
        for file in files(index) {
            fs::write(file, vec![0xa5; 3_000]).unwrap();
        }
    });
    assert!(matches!(report, IndexReport::Rebuilt { .. }), "{report:?}");
}

#[test]
fn an_index_that_is_a_file_is_quarantined_and_rebuilt() {
    let report = check_heals(|index| {
        fs::remove_dir_all(index).unwrap();
        fs::write(index, "not a directory").unwrap();
    });
    assert!(matches!(report, IndexReport::Rebuilt { .. }), "{report:?}");
}

#[test]
fn an_index_cut_anywhere_heals() {
    for part in [0, 1, 7, 500, 4_096, 100_000, 300_000] {
        check_heals(|index| {
            let db = fs::OpenOptions::new().write(true).open(index.join("db")).unwrap();
            let len = db.metadata().unwrap().len();
            db.set_len(len.min(part)).unwrap();
        });
    }
}

#[test]
fn an_index_with_flipped_bytes_heals() {
    for step in [97, 1_009, 20_011] {
        check_heals(|index| {
            let path = index.join("db");
            let mut bytes = fs::read(&path).unwrap();
            bytes.iter_mut().step_by(step).for_each(|byte| *byte ^= 0x20);
            fs::write(&path, bytes).unwrap();
        });
    }
}

#[test]
fn an_index_that_never_opens_is_given_up_and_rebuilt() {
    let dir = filled();
    // sled waits for ever for somebody to write into the pipe.
    let conf = dir.path().join("index/conf");
    fs::remove_file(&conf).unwrap();
    let (mode, kind) = (rustix::fs::Mode::from_raw_mode(0o600), rustix::fs::FileType::Fifo);
    rustix::fs::mknodat(rustix::fs::CWD, &conf, kind, mode, 0).unwrap();
    let options = OpenOptions::write([0; 16]).index_patience(Duration::from_millis(200));
    let (store, report) = DiskStore::open(dir.path(), options).unwrap();
    assert!(matches!(report.index, IndexReport::Rebuilt { .. } | IndexReport::InMemory { .. }), "{report:?}");
    check_filled(&store, 1, ENTRIES);
}

#[test]
fn the_index_of_another_store_is_quarantined() {
    let other = tempfile::tempdir().unwrap();
    let (mut store, _) = DiskStore::open(other.path(), OpenOptions::write([1; 16])).unwrap();
    fill(&mut store, 1, 0..ENTRIES);
    drop(store);
    let report = check_heals(|index| {
        fs::remove_dir_all(index).unwrap();
        fs::rename(other.path().join("index"), index).unwrap();
    });
    assert!(matches!(report, IndexReport::Rebuilt { .. }), "{report:?}");
}

#[test]
fn acknowledged_commits_that_are_gone_from_the_journals_end_are_counted_and_the_index_follows() {
    let dir = filled();
    let segment = dir.path().join("journal/00000001.log");
    let backup = fs::read(&segment).unwrap();
    let (mut store, _) = open(dir.path());
    fill(&mut store, 1, ENTRIES..ENTRIES + 9);
    drop(store);
    fs::write(&segment, backup).unwrap();
    let (store, report) = open(dir.path());
    // Nine entries with a body each.
    assert!(matches!(report.index, IndexReport::JournalShort { records: 18, .. }), "{report:?}");
    check_filled(&store, 1, ENTRIES);
    drop(store);
    // The index is whole from now on; what is gone stays noted until it is here again.
    let (mut store, report) = open(dir.path());
    assert_eq!((report.index, store.lost().unwrap().map(|lost| lost.missing)), (IndexReport::Whole, Some(9)));
    fill(&mut store, 1, ENTRIES..ENTRIES + 4);
    assert_eq!(store.lost().unwrap().map(|lost| lost.missing), Some(5));
    fill(&mut store, 1, ENTRIES + 4..ENTRIES + 9);
    assert_eq!(store.lost().unwrap(), None);
    drop(store);
    drop(open(dir.path()));
    assert!(!dir.path().join("lost").exists());
}

#[test]
fn an_acknowledged_commit_whose_end_is_gone_is_damage_and_a_repair_keeps_what_is_whole_of_it() {
    let dir = filled();
    let segment = dir.path().join("journal/00000001.log");
    let bytes = fs::read(&segment).unwrap();
    // Within the last record, the body of the last entry.
    fs::write(&segment, &bytes[..bytes.len() - 5]).unwrap();
    for _ in 0..2 {
        let refused = DiskStore::open(dir.path(), OpenOptions::write([9; 16])).unwrap_err();
        assert!(matches!(&refused, StoreError::Damaged { segment: of, .. } if *of == segment), "{refused}");
        assert!(fs::read(&segment).unwrap() == bytes[..bytes.len() - 5], "nothing may be touched");
    }
    let (reader, report) = DiskStore::open(dir.path(), OpenOptions::read()).unwrap();
    assert!(report.torn.is_some(), "without the index it may never have been acknowledged");
    check_filled(&reader, 1, ENTRIES - 1);
    let all = |store| Ok::<_, StoreError>((store, Choice::default()));
    let repaired = DiskStore::repair(dir.path(), OpenOptions::write([9; 16]), all).unwrap().unwrap();
    assert_eq!((repaired.damage.len(), repaired.kept), (1, u64::from(ENTRIES)));
    let (store, report) = open(dir.path());
    assert_eq!((store.count(&sample::dag(1)), report.torn), (u64::from(ENTRIES), None));
    assert!(!store.contains_body(&sample::hash(1, ENTRIES - 1)).unwrap());
}

#[test]
fn an_entry_that_nothing_else_names_is_noted_as_lost_by_what_the_index_knew() {
    let dir = filled();
    let segment = dir.path().join("journal/00000001.log");
    let mut bytes = fs::read(&segment).unwrap();
    let last = sample::entry(1, ENTRIES - 1).bytes;
    let at = bytes.windows(last.len()).position(|window| window == last).unwrap();
    bytes[at] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let all = |store| Ok::<_, StoreError>((store, Choice::default()));
    let repaired = DiskStore::repair(dir.path(), OpenOptions::write([9; 16]), all).unwrap().unwrap();
    assert_eq!(repaired.kept, u64::from(ENTRIES) - 1);
    let (mut store, _) = open(dir.path());
    assert_eq!(store.lost().unwrap().map(|lost| lost.missing), Some(1));
    fill(&mut store, 1, ENTRIES - 1..ENTRIES);
    assert_eq!(store.lost().unwrap(), None);
}

#[test]
fn an_index_left_behind_by_a_crash_is_caught_up() {
    let dir = filled();
    let saved = tempfile::tempdir().unwrap();
    fs::rename(dir.path().join("index"), saved.path().join("index")).unwrap();
    let (mut store, _) = open(dir.path());
    fill(&mut store, 1, ENTRIES..ENTRIES + 9);
    drop(store);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    fs::rename(saved.path().join("index"), dir.path().join("index")).unwrap();
    let (store, report) = open(dir.path());
    assert_eq!(report.index, IndexReport::CaughtUp(18));
    check_filled(&store, 1, ENTRIES + 9);
}

#[test]
fn a_newer_format_is_refused_and_nothing_is_touched() {
    let dir = filled();
    fs::write(dir.path().join("format"), "muster-store 9\nsomething else\n").unwrap();
    let before = contents(dir.path());
    for options in [OpenOptions::write([9; 16]), OpenOptions::read()] {
        let refused = DiskStore::open(dir.path(), options).unwrap_err();
        assert!(matches!(refused, StoreError::Newer { found: 9, known: 3, .. }), "{refused}");
    }
    assert!(contents(dir.path()) == before);
}

#[test]
fn a_format_that_is_damaged_or_gone_is_refused_and_nothing_is_touched() {
    let generations = ["journal", "journal 0", "journal x", "journal 7", "index 2"];
    let with_generation = generations.map(|line| format!("muster-store 3\nstore {}\n{line}\n", "09".repeat(16)));
    let plain = ["", "muster-store x\n", "muster-store 1\n", "muster-store 1\nstore 12\n"].map(str::to_owned);
    for format in plain.into_iter().chain(with_generation).map(Some).chain([None]) {
        let dir = filled();
        let path = dir.path().join("format");
        fs::remove_file(&path).unwrap();
        format.iter().for_each(|text| fs::write(&path, text).unwrap());
        let before = contents(dir.path());
        let refused = DiskStore::open(dir.path(), OpenOptions::write([9; 16])).unwrap_err();
        assert!(matches!(refused, StoreError::Damaged { .. }), "{format:?}: {refused}");
        assert!(contents(dir.path()) == before);
    }
}

#[test]
fn a_home_in_use_is_refused_to_a_second_writer_and_open_to_readers() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    fill(&mut store, 1, 0..3);
    match DiskStore::open(dir.path(), OpenOptions::write([9; 16])) {
        Err(StoreError::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    let (mut reader, _) = DiskStore::open(dir.path(), OpenOptions::read()).unwrap();
    check_filled(&reader, 1, 3);
    assert!(matches!(reader.stage(sample::local("a", "b")), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(reader.commit(), Err(StoreError::ReadOnly { .. })));
    drop(store);
    check_filled(&open(dir.path()).0, 1, 3);
}

#[test]
fn reading_where_no_store_is_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    for home in [dir.path().to_path_buf(), dir.path().join("missing")] {
        let refused = DiskStore::open(&home, OpenOptions::read());
        assert!(matches!(refused, Err(StoreError::NoStore { .. })));
    }
    assert!(contents(dir.path()).is_empty());
}

#[test]
fn the_store_id_is_drawn_once() {
    let dir = tempfile::tempdir().unwrap();
    let first = DiskStore::open(dir.path(), OpenOptions::write([3; 16])).unwrap().0.store_id();
    let second = DiskStore::open(dir.path(), OpenOptions::write([4; 16])).unwrap().0.store_id();
    assert_eq!((first, second), ([3; 16], [3; 16]));
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|item| item.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files(dir).into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}
