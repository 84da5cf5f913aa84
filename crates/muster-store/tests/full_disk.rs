//! A really full disk and a really read-only one: small file systems in memory.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod mounted;
mod sample;

use mounted::{Mounted, or_skip, run};
use muster_store::{DiskStore, OpenOptions, Storage, StoreError};
use sample::{check_filled, fill, stage};
use std::io::Write;
use std::path::Path;
use std::process::Command;

fn options() -> OpenOptions {
    OpenOptions::write([9; 16])
}

/// Takes up all that is free.
fn fill_up(path: &Path) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    for size in [65_536, 4_096, 1] {
        while file.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
    }
}

#[test]
fn a_full_disk_loses_nothing_and_is_recovered_from() {
    let dir = tempfile::tempdir().unwrap();
    let tmpfs = Mounted::new(&["-t", "tmpfs", "-o", "size=40m", "tmpfs"], &dir.path().join("small"));
    let Some(disk) = or_skip("a_full_disk_loses_nothing_and_is_recovered_from", tmpfs) else { return };
    let (home, filler) = (disk.path().join("home"), disk.path().join("filler"));

    let (mut store, report) = DiskStore::open(&home, options()).unwrap();
    assert!(!report.full);
    fill(&mut store, 1, 0..20);
    fill_up(&filler);
    let mut n = 20;
    let refused = loop {
        stage(&mut store, 1, n);
        match store.commit() {
            Ok(()) => n += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
    check_filled(&store, 1, n);
    drop(store);

    fill_up(&filler);
    let (mut store, _) = DiskStore::open(&home, options()).unwrap();
    check_filled(&store, 1, n);
    fill_up(&filler);
    let mut refused = Ok(());
    for _ in 0..50 {
        stage(&mut store, 1, n);
        refused = store.commit();
        if refused.is_err() {
            break;
        }
        n += 1;
    }
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    check_filled(&store, 1, n);

    std::fs::remove_file(&filler).unwrap();
    fill(&mut store, 1, n..n + 20);
    drop(store);
    let (store, report) = DiskStore::open(&home, options()).unwrap();
    assert!(!report.full && home.join("reserve").exists());
    check_filled(&store, 1, n + 20);
}

#[test]
fn a_read_only_home_is_refused_for_writing_and_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let tmpfs = Mounted::new(&["-t", "tmpfs", "-o", "size=40m", "tmpfs"], &dir.path().join("small"));
    let Some(disk) = or_skip("a_read_only_home_is_refused_for_writing_and_can_be_read", tmpfs) else { return };
    let home = disk.path().join("home");
    let (mut store, _) = DiskStore::open(&home, options()).unwrap();
    fill(&mut store, 1, 0..20);
    drop(store);
    run(Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path())).unwrap();
    for path in [&home, &disk.path().join("new")] {
        let refused = DiskStore::open(path, options());
        assert!(matches!(&refused, Err(StoreError::ReadOnly { .. })), "{refused:?}");
    }
    let (store, _) = DiskStore::open(&home, OpenOptions::read()).unwrap();
    check_filled(&store, 1, 20);
}
