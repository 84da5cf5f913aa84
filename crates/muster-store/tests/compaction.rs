//! Compaction on a disk that fails at any call, loses power at any call, fills up, or flips a byte; and what it saves.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod sample;

use muster_store::{Compacted, Disk, DiskStore, Fault, FaultyDisk, OpenOptions, OpenReport, Storage, StoreError};
use sample::linked::{Line, lines};
use sample::{check_filled, dag, fill, local};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const HOME: &str = "/home/store";
/// Lines of the incident that is compacted, and of the one that is not.
const LINES: u32 = 12;

fn open(disk: &FaultyDisk) -> Result<(DiskStore, OpenReport), StoreError> {
    // Slices so small that there are many.
    let options = OpenOptions::write([9; 16]).index_in_memory().slice_bytes(1_500).disk(Arc::new(disk.clone()));
    DiskStore::open(Path::new(HOME), options)
}

fn open_to_read(disk: &FaultyDisk) -> (DiskStore, OpenReport) {
    DiskStore::open(Path::new(HOME), OpenOptions::read().disk(Arc::new(disk.clone()))).unwrap()
}

fn put(store: &mut DiskStore, lines: &[Line]) {
    for line in lines {
        line.writes().into_iter().for_each(|write| store.stage(write).unwrap());
        store.commit().unwrap();
    }
}

/// Two incidents whose lines came in turns, some made-up entries, and facts that were replaced.
fn written() -> (FaultyDisk, [Vec<Line>; 2]) {
    let disk = FaultyDisk::new();
    let incidents = [lines(1, LINES), lines(2, LINES)];
    let (mut store, _) = open(&disk).unwrap();
    for n in 0..LINES {
        incidents.iter().for_each(|lines| put(&mut store, &lines[n as usize..][..1]));
        store.stage(local("count", &n.to_string())).unwrap();
        fill(&mut store, 9, n..n + 1);
    }
    (disk, incidents)
}

#[track_caller]
fn check(store: &DiskStore, incidents: &[Vec<Line>]) {
    for lines in incidents {
        let wanted: Vec<_> = lines.iter().map(|line| line.entry.clone()).collect();
        assert!(store.entries(&lines[0].entry.dag).unwrap() == wanted);
        for line in lines {
            assert_eq!(store.entry(&line.entry.id).unwrap().as_ref(), Some(&line.entry));
            assert_eq!(store.body(&line.hash).unwrap().as_ref(), Some(&line.body));
        }
    }
    check_filled(store, 9, LINES);
    assert_eq!(store.locals("").unwrap(), [("count".to_owned(), (LINES - 1).to_string().into_bytes())]);
}

/// The store opens with all it had, takes more, can be compacted, and nothing is left over.
#[track_caller]
fn check_survives(disk: &FaultyDisk, incidents: &[Vec<Line>]) {
    let (mut store, report) = open(disk).unwrap();
    assert_eq!((report.torn, report.damage), (None, Vec::new()));
    check(&store, incidents);
    let extra = lines(3, 2);
    put(&mut store, &extra);
    store.compact(&[incidents[0][0].entry.dag]).unwrap();
    drop(store);
    let disk = disk.cut(3);
    let (store, _) = open(&disk).unwrap();
    check(&store, &[incidents, &[extra]].concat());
    assert_eq!(journals(&disk).len(), 1, "one journal is left");
    assert_eq!(archives(&disk).len(), 1, "one archive is left");
    let (read, report) = open_to_read(&disk);
    assert_eq!(report.damage, []);
    check(&read, incidents);
}

fn journals(disk: &FaultyDisk) -> Vec<String> {
    let names = disk.list(Path::new(HOME)).unwrap();
    names.into_iter().filter(|name| name.starts_with("journal")).collect()
}

fn archives(disk: &FaultyDisk) -> Vec<PathBuf> {
    let dir = Path::new(HOME).join("archives");
    disk.list(&dir).unwrap_or_default().into_iter().map(|name| dir.join(name)).collect()
}

/// Calls that change something which a compaction makes.
fn calls() -> u64 {
    let (disk, incidents) = written();
    let (mut store, _) = open(&disk).unwrap();
    let before = disk.calls();
    store.compact(&[incidents[0][0].entry.dag]).unwrap();
    disk.calls() - before
}

#[test]
fn a_compaction_that_fails_at_any_call_loses_nothing() {
    let calls = calls();
    assert!(calls > 15, "{calls} calls are too few");
    let (written, incidents) = written();
    for fault in [Fault::Error, Fault::Half, Fault::Full] {
        for nth in 1..=calls {
            let disk = written.cut(0);
            let (mut store, _) = open(&disk).unwrap();
            disk.fail(nth, fault);
            let compacted = store.compact(&[incidents[0][0].entry.dag]);
            disk.fail_times(1, 0, fault);
            check(&store, &incidents);
            match compacted {
                // What fails while leftovers are removed is none of the caller's affair.
                Ok(_) => fill(&mut store, 8, 0..1),
                Err(StoreError::Full { .. }) => fill(&mut store, 8, 0..1),
                Err(_) => drop(store.commit()),
            }
            drop(store);
            (0..3).for_each(|seed| check_survives(&disk.cut(seed), &incidents));
            check_survives(&disk, &incidents);
        }
    }
}

#[test]
fn a_compaction_that_cannot_look_at_something_loses_nothing_that_is_acknowledged_later() {
    let (written, incidents) = written();
    let dags = [incidents[0][0].entry.dag];
    let counting = written.cut(0);
    let (mut store, _) = open(&counting).unwrap();
    let before = counting.reads();
    store.compact(&dags).unwrap();
    let reads = counting.reads() - before;
    assert!(reads > 30, "{reads} reads are too few");
    let (mut refused, mut done) = (0, 0);
    for nth in 1..=reads {
        let disk = written.cut(0);
        let (mut store, _) = open(&disk).unwrap();
        disk.fail_reads(nth, 1);
        *(if store.compact(&dags).is_err() { &mut refused } else { &mut done }) += 1;
        disk.fail_reads(1, 0);
        check(&store, &incidents);
        fill(&mut store, 8, 0..1);
        drop(store);
        for disk in [disk.cut(0), disk] {
            check_filled(&open(&disk).unwrap().0, 8, 1);
            check_survives(&disk, &incidents);
        }
    }
    assert!(refused > 20 && done > 0, "{refused} of {reads} refused");
}

#[test]
fn what_a_compaction_wrote_whose_process_was_killed_is_removed_at_the_next_opening_and_nothing_else() {
    let (disk, incidents) = written();
    let (mut store, _) = open(&disk).unwrap();
    store.compact(&[incidents[0][0].entry.dag]).unwrap();
    let named = archives(&disk);
    store.begin_compaction(&[incidents[1][0].entry.dag]).unwrap();
    store.step_compaction().unwrap();
    assert_eq!(archives(&disk).len(), 2);
    drop(store);
    // Readers leave it alone, and so does who cannot tell what the journal names.
    check(&open_to_read(&disk).0, &incidents);
    let journal = Path::new(HOME).join("journal-2/00000001.log");
    let bytes = disk.contents(&journal).unwrap();
    let spoilt: Vec<u8> = bytes.iter().enumerate().map(|(at, byte)| if at == 200 { !byte } else { *byte }).collect();
    disk.replace(&journal, &spoilt);
    assert!(matches!(open(&disk), Err(StoreError::Damaged { .. })));
    assert_eq!(archives(&disk).len(), 2);
    disk.replace(&journal, &bytes);
    let (store, _) = open(&disk).unwrap();
    assert_eq!(archives(&disk), named);
    check(&store, &incidents);
}

#[test]
fn power_that_fails_during_a_compaction_loses_nothing() {
    let (written, incidents) = written();
    for nth in 1..=calls() {
        let disk = written.cut(0);
        let (mut store, _) = open(&disk).unwrap();
        // From here on the disk takes nothing more, as if the machine were off, and nothing is cleaned up.
        disk.fail_times(nth, u64::MAX / 2, Fault::Half);
        drop(store.compact(&[incidents[0][0].entry.dag]));
        for seed in 0..6 {
            check_survives(&disk.cut(seed), &incidents);
        }
    }
}

#[test]
fn commits_after_a_compaction_survive_a_power_cut() {
    let (disk, incidents) = written();
    let (mut store, _) = open(&disk).unwrap();
    store.compact(&[incidents[0][0].entry.dag, dag(9)]).unwrap();
    fill(&mut store, 8, 0..5);
    for seed in 0..6 {
        let (store, _) = open(&disk.cut(seed)).unwrap();
        check(&store, &incidents);
        check_filled(&store, 8, 5);
    }
}

#[test]
fn a_disk_too_full_for_a_compaction_refuses_it_and_goes_on() {
    let (disk, incidents) = written();
    let (mut store, _) = open(&disk).unwrap();
    let used = |disk: &FaultyDisk| -> usize {
        let dir = Path::new(HOME).join("journal");
        disk.list(&dir).unwrap().iter().map(|name| disk.contents(&dir.join(name)).unwrap().len()).sum()
    };
    let before = used(&disk);
    // Room for the reserve and half of what the rest of the journal takes.
    for room in [100, 1_000, 3_000] {
        disk.set_capacity(Some(before + 400 + room));
        let refused = store.compact(&[incidents[0][0].entry.dag]);
        assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
        check(&store, &incidents);
        assert!(archives(&disk).is_empty() && journals(&disk) == ["journal"], "nothing is left of it");
    }
    disk.set_capacity(None);
    fill(&mut store, 8, 0..3);
    store.compact(&[incidents[0][0].entry.dag]).unwrap();
    check(&store, &incidents);
    check_filled(&store, 8, 3);
}

fn compacted(dags: &[usize]) -> (FaultyDisk, [Vec<Line>; 2], Compacted) {
    let (disk, incidents) = written();
    let (mut store, _) = open(&disk).unwrap();
    let dags: Vec<_> = dags.iter().map(|of| incidents[*of][0].entry.dag).collect();
    let compacted = store.compact(&dags).unwrap();
    (disk, incidents, compacted)
}

#[test]
fn a_compaction_tells_what_it_saved() {
    let (disk, _, compacted) = compacted(&[0, 1]);
    assert_eq!(compacted.entries, 2 * u64::from(LINES));
    let size = |path: &Path| disk.contents(path).unwrap().len() as u64;
    let journal = Path::new(HOME).join("journal-2/00000001.log");
    assert_eq!(compacted.bytes_after, size(&journal) + size(&archives(&disk)[0]));
    assert!(compacted.bytes_after < compacted.bytes_before / 2, "{compacted:?}");
}

#[test]
fn an_unfinished_compaction_changes_nothing_and_is_cleared_away() {
    let (disk, incidents) = written();
    let (mut store, _) = open(&disk).unwrap();
    let dags = [incidents[0][0].entry.dag];
    store.begin_compaction(&dags).unwrap();
    store.step_compaction().unwrap();
    assert_eq!(archives(&disk).len(), 1);
    assert_eq!(store.begin_compaction(&dags).unwrap(), u64::from(LINES));
    assert!(archives(&disk).is_empty(), "a second one begins anew");
    store.step_compaction().unwrap();
    drop(store);
    let (store, _) = open(&disk).unwrap();
    check(&store, &incidents);
    assert!(archives(&disk).is_empty());
}

#[test]
fn a_store_is_of_the_newer_format_once_it_was_compacted_and_not_before() {
    let first_line = |disk: &FaultyDisk| {
        let text = String::from_utf8(disk.contents(&Path::new(HOME).join("format")).unwrap()).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    assert_eq!(first_line(&written().0), "muster-store 2");
    assert_eq!(first_line(&compacted(&[0]).0), "muster-store 3");
}

#[test]
fn a_flipped_or_missing_byte_of_an_archive_is_named_and_nothing_else_is_lost() {
    let (disk, incidents, _) = compacted(&[0]);
    let path = archives(&disk).remove(0);
    let bytes = disk.contents(&path).unwrap();
    let mut spoilt: Vec<Vec<u8>> = (0..bytes.len())
        .step_by(7)
        .map(|at| {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x20;
            flipped
        })
        .collect();
    spoilt.extend([0, 5, 32, bytes.len() - 1].map(|len| bytes[..len].to_vec()));
    spoilt.push([&bytes[..], &[0]].concat());
    for spoilt in spoilt {
        disk.replace(&path, &spoilt);
        match open(&disk) {
            Err(StoreError::Damaged { segment, offset, .. }) => {
                assert_eq!(segment, path);
                assert!(offset <= bytes.len() as u64);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(disk.contents(&path).unwrap(), spoilt, "nothing may be touched");
        let (store, report) = open_to_read(&disk);
        assert!(report.damage.iter().all(|damage| damage.segment == path) && !report.damage.is_empty());
        check(&store, &incidents[1..]);
    }
    disk.remove(&path).unwrap();
    assert!(matches!(open(&disk), Err(StoreError::Damaged { segment, offset: 0, .. }) if segment == path));
    disk.replace(&path, &bytes);
    check(&open(&disk).unwrap().0, &incidents);
}

#[test]
fn what_is_damaged_while_the_store_is_open_is_an_error_for_the_damaged_block_alone() {
    let (disk, incidents, _) = compacted(&[0]);
    let (store, _) = open(&disk).unwrap();
    let path = archives(&disk).remove(0);
    let bytes = disk.contents(&path).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    disk.replace(&path, &flipped);
    let line = &incidents[0][3];
    for found in [store.entry(&line.entry.id).map(drop), store.body(&line.hash).map(drop)] {
        assert!(matches!(found, Err(StoreError::Damaged { segment, offset: 32, .. }) if segment == path));
    }
    check(&store, &incidents[1..]);
}

#[test]
fn a_journal_that_is_missing_beside_another_is_refused_and_nothing_is_removed() {
    let (disk, _, _) = compacted(&[0]);
    let journal = Path::new(HOME).join("journal-2/00000001.log");
    let bytes = disk.contents(&journal).unwrap();
    disk.remove(&journal).unwrap();
    let old = Path::new(HOME).join("journal/00000001.log");
    disk.create_dir(old.parent().unwrap()).unwrap();
    disk.replace(&old, &bytes);
    assert!(matches!(open(&disk), Err(StoreError::Damaged { .. })));
    assert_eq!(disk.contents(&old), Some(bytes));
    assert_eq!(archives(&disk).len(), 1);
}

#[test]
fn a_compacted_journal_that_is_gone_or_has_lost_its_beginning_is_no_new_store_and_nothing_is_removed() {
    let (disk, _, _) = compacted(&[0]);
    let journal = Path::new(HOME).join("journal-2/00000001.log");
    let (bytes, archive) = (disk.contents(&journal).unwrap(), disk.contents(&archives(&disk)[0]).unwrap());
    for left in [None, Some(0), Some(10), Some(63), Some(64), Some(100)] {
        match left {
            None => disk.remove(&journal).unwrap(),
            Some(left) => disk.replace(&journal, &bytes[..left]),
        }
        let opened = open(&disk);
        match left {
            None => assert!(matches!(opened, Err(StoreError::NoJournal { .. })), "{opened:?}"),
            Some(_) => assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{left:?}: {opened:?}"),
        }
        assert_eq!(disk.contents(&journal), left.map(|left| bytes[..left].to_vec()), "nothing may be touched");
        assert_eq!(disk.contents(&archives(&disk)[0]).as_ref(), Some(&archive));
        let read = DiskStore::open(Path::new(HOME), OpenOptions::read().disk(Arc::new(disk.clone())));
        assert!(read.map_or(true, |(_, report)| !report.damage.is_empty()), "{left:?}");
    }
}

#[test]
fn a_second_process_on_a_full_disk_leaves_the_reserve_of_the_first_alone() {
    let disk = FaultyDisk::new();
    let reserve = Path::new(HOME).join("reserve");
    let room = usize::try_from(muster_store::RESERVE_BYTES).unwrap() + 100_000;
    disk.set_capacity(Some(room));
    let (mut store, _) = open(&disk).unwrap();
    assert!(disk.contents(&reserve).is_some());
    assert!(matches!(open(&disk), Err(StoreError::InUse { .. })));
    assert!(disk.contents(&reserve).is_some(), "it is the first one's");
    fill(&mut store, 8, 0..1);
    drop(store);
    check_filled(&open(&disk).unwrap().0, 8, 1);
}

#[test]
fn a_copy_with_the_format_of_before_and_the_journal_of_after_a_compaction_loses_nothing() {
    let paths = ["format", "journal/00000001.log", "journal-2/00000001.log"].map(|name| Path::new(HOME).join(name));
    let (before, incidents) = written();
    let [format, old] = [0, 1].map(|n| before.contents(&paths[n]).unwrap());
    for short in [0, 5, old.len() / 3, old.len() - 64] {
        let (disk, _, _) = compacted(&[0]);
        disk.create_dir(&Path::new(HOME).join("journal")).unwrap();
        disk.replace(&paths[0], &format);
        disk.replace(&paths[1], &old[..old.len() - short]);
        let (new, archive) = (disk.contents(&paths[2]).unwrap(), archives(&disk).remove(0));
        if short == 0 {
            // As after a kill before the switch.
            check(&open(&disk).unwrap().0, &incidents);
            continue;
        }
        let opened = open(&disk);
        assert!(
            matches!(&opened, Err(StoreError::Damaged { segment, .. }) if paths[2].starts_with(segment)),
            "{opened:?}"
        );
        assert!(!open_to_read(&disk).1.damage.is_empty());
        assert!(disk.contents(&paths[2]) == Some(new) && disk.contents(&archive).is_some(), "nothing may be removed");
        let options = OpenOptions::write([9; 16]).index_in_memory().disk(Arc::new(disk.clone()));
        let all = |store| Ok::<_, StoreError>((store, muster_store::Choice::default()));
        let repaired = DiskStore::repair(Path::new(HOME), options, all).unwrap().unwrap();
        let aside = disk.contents(&repaired.quarantine.clone().unwrap().join("journal/00000001.log")).unwrap();
        assert!(aside == old[..old.len() - short]);
        for seed in 0..3 {
            check_survives(&disk.cut(seed), &incidents);
        }
    }
}

#[test]
fn a_reader_reads_on_when_the_journal_under_it_is_compacted() {
    let (disk, incidents) = written();
    let (reader, _) = open_to_read(&disk);
    let (mut store, _) = open(&disk).unwrap();
    store.compact(&[incidents[0][0].entry.dag]).unwrap();
    assert_eq!(journals(&disk), ["journal-2"]);
    check(&reader, &incidents);
}
