//! Entries that lie with their bodies in one record, beside those that cannot: every store reads them all the same.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod sample;

use muster_log::EntryId;
use muster_store::{DiskStore, FaultyDisk, MemoryStore, OpenOptions, Storage, StoredEntry, Write};
use sample::{check_whole, framed_entry, hash, long_body, signature, whole};
use std::path::Path;
use std::sync::Arc;

fn on(disk: &FaultyDisk) -> DiskStore {
    let options = OpenOptions::write([5; 16]).index_in_memory().disk(Arc::new(disk.clone()));
    DiskStore::open(Path::new("/"), options).unwrap().0
}

fn commit(store: &mut impl Storage, writes: Vec<Write>) {
    writes.into_iter().for_each(|write| store.stage(write).unwrap());
    store.commit().unwrap();
}

/// Whole ones; one whose id is not its hash; one whose body comes later; a signature that comes later.
fn fill(store: &mut impl Storage) {
    commit(store, whole(1));
    let lie = StoredEntry { id: EntryId::from_bytes([8; 32]), ..framed_entry(2, 0) };
    commit(store, vec![Write::Entry(lie), Write::Body { hash: hash(2, 0), bytes: long_body(2, 0) }]);
    commit(store, vec![Write::Entry(framed_entry(3, 1))]);
    commit(store, vec![Write::Body { hash: hash(3, 1), bytes: long_body(3, 1) }]);
    commit(store, vec![Write::Signature { entry: framed_entry(1, 1).id, signature: signature(4) }]);
    // Known ones change nothing.
    commit(store, whole(1));
}

#[track_caller]
fn check(store: &impl Storage) {
    let late = framed_entry(1, 1).id;
    assert_eq!(store.entry(&late).unwrap().unwrap().signature, Some(signature(4)));
    let ids: Vec<EntryId> = store.entries(&sample::dag(1)).unwrap().iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [0, 1, 2].map(|n| framed_entry(1, n).id));
    for (of, n) in [(1, 0), (1, 1), (1, 2), (2, 0), (3, 1)] {
        assert_eq!(store.body(&hash(of, n)).unwrap(), Some(long_body(of, n)), "body {n} of {of}");
        assert!(store.contains_body(&hash(of, n)).unwrap());
    }
    assert_eq!(store.entries(&sample::dag(2)).unwrap()[0].id, EntryId::from_bytes([8; 32]));
    assert_eq!(store.entry(&framed_entry(3, 1).id).unwrap(), Some(framed_entry(3, 1)));
    // The same beginning is not the same id.
    let mut alike = *framed_entry(1, 0).id.as_bytes();
    alike[31] ^= 1;
    assert_eq!(store.entry(&EntryId::from_bytes(alike)).unwrap(), None);
}

#[test]
fn whole_and_plain_entries_are_read_alike_in_memory_on_disk_and_after_opening_again() {
    let mut memory = MemoryStore::new();
    fill(&mut memory);
    check(&memory);
    let disk = FaultyDisk::new();
    let mut store = on(&disk);
    fill(&mut store);
    check(&store);
    drop(store);
    check(&on(&disk));
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = DiskStore::open(dir.path(), OpenOptions::write([5; 16])).unwrap();
    fill(&mut store);
    check(&store);
    drop(store);
    let (store, report) = DiskStore::open(dir.path(), OpenOptions::write([5; 16])).unwrap();
    assert_eq!(report.index, muster_store::IndexReport::Whole);
    check(&store);
    check(&DiskStore::open(dir.path(), OpenOptions::read()).unwrap().0);
}

#[test]
fn an_entry_and_its_body_together_take_less_room_than_apart_by_what_follows_from_them() {
    let (together, apart) = (FaultyDisk::new(), FaultyDisk::new());
    commit(&mut on(&together), whole(1));
    let mut store = on(&apart);
    let (entries, bodies): (Vec<Write>, Vec<Write>) =
        whole(1).into_iter().partition(|write| matches!(write, Write::Entry(_)));
    commit(&mut store, entries);
    commit(&mut store, bodies);
    check_whole(&store, 1);
    let length = |disk: &FaultyDisk| disk.contents(Path::new("/journal/00000001.log")).unwrap().len();
    // Three times: a head, the entry's id, its team, its DAG and the body's hash; less the body's length.
    assert_eq!(length(&apart) - length(&together), 3 * (46 + 4 * 32 - 2));
}
