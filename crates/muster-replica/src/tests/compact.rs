//! A compaction with which nobody goes on.

use super::{Counter, START_MS, declare, say};
use crate::{Input, Now, Replica};
use muster_incident::Aside;
use muster_log::{DeviceSecret, SessionId, Timestamp};
use muster_store::{CompactionStep, Disk, DiskStore, FaultyDisk, OpenOptions};
use muster_sync::Tick;
use std::path::Path;
use std::sync::Arc;

fn at(tick: u64) -> Now {
    Now { tick: Tick(tick), wall: Timestamp(START_MS + tick as i64), offset_minutes: 0 }
}

#[test]
fn a_compaction_that_nobody_goes_on_with_is_given_up_with_what_it_wrote() {
    let disk = FaultyDisk::new();
    let options = OpenOptions::write([9; 16]).index_in_memory().disk(Arc::new(disk.clone()));
    let (store, _) = DiskStore::open(Path::new("/home"), options).unwrap();
    let secret = DeviceSecret::from_seed(&[1; 32]);
    let mut desk = Replica::open(store, secret, SessionId::from_bytes([1; 16]), Box::new(Counter(0))).unwrap();
    let team = desk.create_team("alice", at(0)).unwrap();
    let incident = desk.write(team, None, &declare("checkout is down"), &Aside::default(), at(0)).unwrap().incident;
    for n in 0..20 {
        desk.write(team, Some(incident), &say(&format!("note {n}")), &Aside::default(), at(0)).unwrap();
        desk.commit(at(0)).unwrap();
    }
    // News are told on until nothing more is due.
    [900, 990].into_iter().for_each(|tick| desk.handle(Input::Timeout, at(tick)).unwrap());
    let archives = || disk.list(Path::new("/home/archives")).unwrap_or_default().len();
    assert_eq!(desk.begin_compaction(&[incident], at(1_000)).unwrap(), 21);
    assert!(matches!(desk.step_compaction(at(2_000)).unwrap(), CompactionStep::Packed { .. }));
    assert_eq!(archives(), 1);
    assert_eq!(desk.deadline(), Some(Tick(62_000)));
    desk.handle(Input::Timeout, at(61_999)).unwrap();
    assert_eq!(archives(), 1);
    desk.handle(Input::Timeout, at(62_000)).unwrap();
    assert_eq!((archives(), desk.deadline()), (0, None));
    // Whoever comes back to it is told that there is none.
    assert!(matches!(desk.step_compaction(at(63_000)).unwrap(), CompactionStep::Done(done) if done.entries == 0));
    desk.begin_compaction(&[incident], at(64_000)).unwrap();
    while matches!(desk.step_compaction(at(65_000)).unwrap(), CompactionStep::Packed { .. }) {}
    assert_eq!((archives(), desk.deadline()), (1, None));
    assert_eq!(desk.view(team, incident).unwrap().timeline.len(), 21);
}
