//! Small stores written in each version of the format, which every later one must open.
//!
//! `crates/muster-store/tests/fixtures/store-N` holds `format` and journal as they lay on disk; index and reserve are made
//! anew.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod sample;

use muster_store::{DiskStore, FORMAT, FaultyDisk, OpenOptions, OpenReport, Storage, Write};
use sample::{check_filled, dag, fill, local, signature};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of the version: the third is one that was compacted.
fn files(version: u64) -> &'static [&'static str] {
    match version {
        1 | 2 => &["format", "journal/00000001.log"],
        _ => &["format", "journal-2/00000001.log", "archives/00000001.arc"],
    }
}

fn fixture(version: u64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/store-{version}"))
}

/// What the fixtures hold.
fn write_contents(store: &mut impl Storage) {
    fill(store, 1, 0..3);
    fill(store, 2, 0..2);
    let signed = muster_store::StoredEntry { signature: Some(signature(1)), ..sample::entry(3, 0) };
    store.stage(Write::Entry(signed)).unwrap();
    store.stage(Write::Entry(sample::entry(3, 1))).unwrap();
    store.stage(local("own/team", "one")).unwrap();
    store.stage(local("chosen", "two")).unwrap();
    store.commit().unwrap();
    store.stage(Write::Signature { entry: sample::id(3, 1), signature: signature(2) }).unwrap();
    store.stage(Write::Local { key: "chosen".to_owned(), value: None }).unwrap();
    store.commit().unwrap();
}

/// What those from the second version on hold besides.
fn write_whole(store: &mut impl Storage) {
    for write in sample::whole(4) {
        store.stage(write).unwrap();
    }
    store.commit().unwrap();
}

#[track_caller]
fn check_contents(store: &impl Storage) {
    check_filled(store, 1, 3);
    check_filled(store, 2, 2);
    let signatures: Vec<_> = store.entries(&dag(3)).unwrap().into_iter().map(|entry| entry.signature).collect();
    assert_eq!(signatures, [Some(signature(1)), Some(signature(2))]);
    assert_eq!(store.locals("").unwrap(), [("own/team".to_owned(), b"one".to_vec())]);
}

fn written_today() -> FaultyDisk {
    let disk = FaultyDisk::new();
    let (mut store, _): (DiskStore, OpenReport) =
        DiskStore::open(Path::new("/"), OpenOptions::write([5; 16]).index_in_memory().disk(Arc::new(disk.clone())))
            .unwrap();
    write_contents(&mut store);
    write_whole(&mut store);
    disk
}

#[track_caller]
fn check_opens(version: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files(version) {
        std::fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
        std::fs::copy(fixture(version).join(file), dir.path().join(file)).unwrap();
    }
    check_contents(&DiskStore::open(dir.path(), OpenOptions::read()).unwrap().0);
    let (mut store, report) = DiskStore::open(dir.path(), OpenOptions::write([0; 16])).unwrap();
    assert!(!report.created && report.torn.is_none());
    assert_eq!(store.store_id(), [5; 16]);
    check_contents(&store);
    fill(&mut store, 1, 3..4);
    check_filled(&store, 1, 4);
    dir
}

#[test]
fn a_store_of_the_first_version_opens_and_is_of_the_second_once_it_was_written_to() {
    let dir = check_opens(1);
    let format = std::fs::read_to_string(dir.path().join("format")).unwrap();
    assert!(format.starts_with("muster-store 2\n"), "an older muster must not take it for damaged");
    let (mut store, report) = DiskStore::open(dir.path(), OpenOptions::write([0; 16])).unwrap();
    assert_eq!(report.index, muster_store::IndexReport::Whole);
    write_whole(&mut store);
    drop(store);
    sample::check_whole(&DiskStore::open(dir.path(), OpenOptions::write([0; 16])).unwrap().0, 4);
}

#[test]
fn a_store_of_the_second_version_opens() {
    let dir = check_opens(2);
    sample::check_whole(&DiskStore::open(dir.path(), OpenOptions::read()).unwrap().0, 4);
}

#[test]
fn a_store_of_the_third_version_opens() {
    let dir = check_opens(3);
    let (mut store, report) = DiskStore::open(dir.path(), OpenOptions::write([0; 16])).unwrap();
    assert_eq!(report.index, muster_store::IndexReport::Whole);
    sample::check_whole(&store, 4);
    store.compact(&[dag(1), dag(2)]).unwrap();
    sample::check_whole(&store, 4);
    check_filled(&store, 1, 4);
}

#[test]
fn the_bytes_of_the_format_have_not_changed() {
    assert_eq!(FORMAT, 3, "a new format needs a fixture of its own, beside the old ones");
    // Without archives it is the second. How tightly an archive is packed may change at any time.
    let disk = written_today();
    for file in files(2) {
        let (now, then) =
            (disk.contents(&Path::new("/").join(file)).unwrap(), std::fs::read(fixture(2).join(file)).unwrap());
        // The lines behind the second are new, and versions that do not know them pass over them in a store of this kind.
        let is_same = if file == &"format" { now.starts_with(&then) } else { now == then };
        assert!(is_same, "{file} is written differently now: raise the format");
    }
}
