//! `kill -9` in a write loop: nothing acknowledged is lost, every opening succeeds.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod writer;

use muster_store::{DiskStore, IndexReport, OpenOptions, Storage};

const KILLS: usize = 100;

#[test]
fn a_writer_goes_on_where_it_ended() {
    writer::write_if_asked();
    let dir = tempfile::tempdir().unwrap();
    for limit in [5, 9] {
        let mut out = Vec::new();
        writer::ack_writer::write_to_store(dir.path(), limit, &mut out).unwrap();
        let last = String::from_utf8(out).unwrap().lines().last().unwrap().parse::<u64>().unwrap();
        assert!(last + 1 >= limit);
    }
    let (store, _) = DiskStore::open(dir.path(), OpenOptions::read()).unwrap();
    writer::check(&store, 0, 9);
}

#[test]
fn a_hundred_kills_lose_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for kill in 0..KILLS {
        let acknowledged =
            writer::kill_after("a_writer_goes_on_where_it_ended", dir.path(), false, kill * 7 % 40, || {});
        let (store, report) = DiskStore::open(dir.path(), OpenOptions::write([0; 16])).unwrap();
        assert!(matches!(report.index, IndexReport::Whole | IndexReport::CaughtUp(_)), "a false alarm: {report:?}");
        writer::check(&store, checked, acknowledged);
        checked = store.count(&writer::ack_writer::DAG);
    }
    let (store, _) = DiskStore::open(dir.path(), OpenOptions::read()).unwrap();
    writer::check(&store, 0, checked);
}
