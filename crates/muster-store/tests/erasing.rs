//! Erasing bodies on a disk that fails at any call, loses power at any call or fills up; and what is left in its files.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod sample;

use muster_log::BodyHash;
use muster_store::{Disk, DiskStore, Fault, FaultyDisk, How, OpenOptions, OpenReport, Storage, StoreError, Write};
use sample::linked::{Line, lines};
use sample::{check_filled, fill, local};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const HOME: &str = "/home/store";
const LINES: u32 = 12;
/// The lines whose texts are erased: one in the journal, one in an archive.
const GOING: [(usize, usize); 2] = [(1, 5), (0, 4)];

fn open(disk: &FaultyDisk) -> Result<(DiskStore, OpenReport), StoreError> {
    let options = OpenOptions::write([9; 16]).index_in_memory().disk(Arc::new(disk.clone()));
    DiskStore::open(Path::new(HOME), options)
}

/// Two incidents, the first in an archive, the second in the journal, a fact that was replaced, and files beside them that
/// repeat a text.
fn written() -> (FaultyDisk, [Vec<Line>; 2]) {
    let disk = FaultyDisk::new();
    let incidents = [lines(1, LINES), lines(2, LINES)];
    let (mut store, _) = open(&disk).unwrap();
    for n in 0..LINES as usize {
        for lines in &incidents {
            lines[n].writes().into_iter().for_each(|write| store.stage(write).unwrap());
            store.commit().unwrap();
        }
        store.stage(local("count", &n.to_string())).unwrap();
        fill(&mut store, 9, n as u32..n as u32 + 1);
    }
    store.compact(&[incidents[0][0].entry.dag]).unwrap();
    store.keep_tail(&incidents[1][5].body).unwrap();
    drop(store);
    for name in ["summaries", "quarantine-1/torn-1", "quarantine-2/journal/00000001.log"] {
        let path = Path::new(HOME).join(name);
        let mut above: Vec<&Path> = path.ancestors().skip(1).take_while(|dir| dir.starts_with(HOME)).collect();
        above.reverse();
        above.iter().for_each(|dir| disk.create_dir(dir).unwrap());
        let file = disk.open(&path, How::Create).unwrap();
        file.write_at(&incidents[1][5].body, 0).unwrap();
        file.sync().unwrap();
        disk.sync_dir(path.parent().unwrap()).unwrap();
    }
    (disk.cut(0), incidents)
}

fn going(incidents: &[Vec<Line>; 2]) -> Vec<BodyHash> {
    GOING.iter().map(|(incident, line)| incidents[*incident][*line].hash).collect()
}

/// Everything is there but perhaps the erased texts; tells whether they are gone.
#[track_caller]
fn check(store: &DiskStore, incidents: &[Vec<Line>; 2]) -> bool {
    let mut gone = Vec::new();
    for (i, lines) in incidents.iter().enumerate() {
        let wanted: Vec<_> = lines.iter().map(|line| line.entry.clone()).collect();
        assert!(store.entries(&lines[0].entry.dag).unwrap() == wanted);
        for (n, line) in lines.iter().enumerate() {
            let body = store.body(&line.hash).unwrap();
            assert_eq!(store.contains_body(&line.hash).unwrap(), body.is_some());
            match body {
                Some(body) => assert_eq!(body, line.body),
                None => gone.push((i, n)),
            }
        }
    }
    check_filled(store, 9, LINES);
    assert_eq!(store.locals("").unwrap(), [("count".to_owned(), (LINES - 1).to_string().into_bytes())]);
    gone.sort_unstable_by(|a, b| b.cmp(a));
    assert!(gone.is_empty() || gone == GOING, "all or none are erased, not {gone:?}");
    !gone.is_empty()
}

fn files(disk: &FaultyDisk, dir: &Path) -> Vec<PathBuf> {
    let paths = disk.list(dir).unwrap().into_iter().map(|name| dir.join(name));
    paths.flat_map(|path| if disk.list(&path).is_ok() { files(disk, &path) } else { vec![path] }).collect()
}

/// Files in which a text stands as it is. Archives are compressed; their rows are read by [`check`].
fn holding(disk: &FaultyDisk, line: &Line) -> Vec<PathBuf> {
    let text = &line.body[line.body.len() - 30..];
    let holds = |path: &PathBuf| disk.contents(path).unwrap().windows(text.len()).any(|bytes| bytes == text);
    files(disk, Path::new(HOME)).into_iter().filter(holds).collect()
}

/// The store opens with all it had, and what is still to be erased can be; then no file holds it, and archives and journals
/// of before are gone.
#[track_caller]
fn check_goes_on(disk: &FaultyDisk, incidents: &[Vec<Line>; 2]) {
    let (mut store, report) = open(disk).unwrap();
    assert_eq!((report.torn, report.damage), (None, Vec::new()));
    if !check(&store, incidents) {
        assert_eq!(store.erase(&going(incidents)).unwrap(), 2);
    }
    assert!(check(&store, incidents));
    assert_eq!(holding(disk, &incidents[1][5]), Vec::<PathBuf>::new());
    let names = disk.list(Path::new(HOME)).unwrap();
    assert_eq!(names.iter().filter(|name| name.starts_with("journal")).count(), 1, "{names:?}");
    assert_eq!(disk.list(&Path::new(HOME).join("archives")).unwrap().len(), 1);
    drop(store);
    let (store, report) = open(&disk.cut(1)).unwrap();
    assert_eq!(report.damage, []);
    assert!(check(&store, incidents));
}

fn calls() -> u64 {
    let (disk, incidents) = written();
    let (mut store, _) = open(&disk).unwrap();
    let before = disk.calls();
    store.erase(&going(&incidents)).unwrap();
    disk.calls() - before
}

#[test]
fn erased_texts_are_in_no_file_and_everything_else_is_there() {
    let (disk, incidents) = written();
    assert!(holding(&disk, &incidents[1][5]).len() > 3, "the test sees what it looks for");
    check_goes_on(&disk, &incidents);
}

#[test]
fn an_erased_body_can_come_again_and_be_erased_again() {
    let (disk, incidents) = written();
    let (mut store, _) = open(&disk).unwrap();
    for _ in 0..2 {
        assert_eq!(store.erase(&going(&incidents)).unwrap(), 2);
        assert_eq!(store.erase(&going(&incidents)).unwrap(), 0);
        for (incident, line) in GOING {
            let Line { hash, body, .. } = incidents[incident][line].clone();
            store.stage(Write::Body { hash, bytes: body }).unwrap();
        }
        store.commit().unwrap();
        assert!(!check(&store, &incidents));
    }
    drop(store);
    let (mut store, _) = open(&disk.cut(0)).unwrap();
    assert!(!check(&store, &incidents));
    store.erase(&going(&incidents)).unwrap();
    store.compact(&[incidents[1][0].entry.dag]).unwrap();
    assert!(check(&store, &incidents));
}

#[test]
fn an_erasure_that_fails_at_any_call_is_made_up_for_and_loses_nothing() {
    let (calls, (written, incidents)) = (calls(), written());
    assert!(calls > 15, "{calls} calls are too few");
    for fault in [Fault::Error, Fault::Half, Fault::Full] {
        for nth in 1..=calls {
            let disk = written.cut(0);
            let (mut store, _) = open(&disk).unwrap();
            disk.fail(nth, fault);
            let erased = store.erase(&going(&incidents));
            disk.fail_times(1, 0, fault);
            let is_gone = check(&store, &incidents);
            match erased {
                Ok(_) => assert!(is_gone),
                Err(StoreError::Full { .. }) => {
                    assert!(!is_gone);
                    store.erase(&going(&incidents)).unwrap();
                }
                Err(_) => drop(store.erase(&going(&incidents))),
            }
            drop(store);
            (0..2).for_each(|seed| check_goes_on(&disk.cut(seed), &incidents));
            check_goes_on(&disk, &incidents);
        }
    }
}

#[test]
fn power_that_fails_during_an_erasure_leaves_it_to_be_made_again() {
    let (written, incidents) = written();
    for nth in 1..=calls() {
        let disk = written.cut(0);
        let (mut store, _) = open(&disk).unwrap();
        disk.fail_times(nth, u64::MAX / 2, Fault::Half);
        drop(store.erase(&going(&incidents)));
        (0..5).for_each(|seed| check_goes_on(&disk.cut(seed), &incidents));
    }
}

#[test]
fn a_full_disk_erases_nothing_takes_more_when_it_can_and_erases_then() {
    let (disk, incidents) = written();
    let (mut store, _) = open(&disk).unwrap();
    let bytes: usize = files(&disk, Path::new(HOME)).iter().map(|path| disk.contents(path).unwrap().len()).sum();
    disk.set_capacity(Some(bytes));
    assert!(matches!(store.erase(&going(&incidents)), Err(StoreError::Full { .. })));
    assert!(!check(&store, &incidents));
    disk.set_capacity(None);
    assert_eq!(store.erase(&going(&incidents)).unwrap(), 2);
    fill(&mut store, 8, 0..2);
    drop(store);
    check_goes_on(&disk, &incidents);
}
