//! Erasing bodies on a disk that fails at any call, loses power at any call or fills up; and what is left in its files.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod sample;

use muster_log::BodyHash;
use muster_store::{
    Disk, DiskStore, ErasureStep, Fault, FaultyDisk, How, OpenOptions, OpenReport, Storage, StoreError, Write,
};
use sample::linked::{Line, lines};
use sample::{check_filled, fill, local};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const HOME: &str = "/home/store";
const LINES: u32 = 12;
/// The lines whose texts are erased: one in the journal, one in an archive.
const GOING: [(usize, usize); 2] = [(1, 5), (0, 4)];

fn open(disk: &FaultyDisk) -> Result<(DiskStore, OpenReport), StoreError> {
    // Slices so small that there are many.
    let options = OpenOptions::write([9; 16]).index_in_memory().slice_bytes(1_500).disk(Arc::new(disk.clone()));
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
fn what_is_derived_from_a_text_while_it_is_being_erased_goes_too() {
    let (disk, incidents) = written();
    let (mut store, _) = open(&disk).unwrap();
    let mut step = store.begin_erasure(&going(&incidents)).unwrap();
    while matches!(step, ErasureStep::Going { .. }) {
        store.keep_tail(&incidents[1][5].body).unwrap();
        assert!(holding(&disk, &incidents[1][5]).contains(&Path::new(HOME).join("tail")));
        step = store.step_erasure().unwrap();
    }
    assert_eq!(holding(&disk, &incidents[1][5]), Vec::<PathBuf>::new());
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

/// Puts a file into quarantine, durably.
fn put_aside(disk: &FaultyDisk, name: &str, bytes: &[u8]) {
    let path = Path::new(HOME).join(name);
    let mut above: Vec<&Path> = path.ancestors().skip(1).take_while(|dir| dir.starts_with(HOME)).collect();
    above.reverse();
    above.iter().for_each(|dir| disk.create_dir(dir).unwrap());
    disk.replace(&path, bytes);
}

/// Where some bytes stand in others.
fn find(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).position(|window| window == part).unwrap()
}

/// What is left in quarantine, by the names in the home.
fn aside(disk: &FaultyDisk) -> Vec<String> {
    let paths = files(disk, Path::new(HOME)).into_iter();
    let mut names: Vec<String> =
        paths.map(|path| path.strip_prefix(HOME).unwrap().to_str().unwrap().to_owned()).collect();
    names.retain(|name| name.starts_with("quarantine-"));
    names.sort();
    names
}

/// A store whose segment was looked at before a line was written and after it: both lines' texts, and the two segments.
struct Before {
    disk: FaultyDisk,
    secret: Line,
    /// A line before.
    other: Line,
    without: Vec<u8>,
    with: Vec<u8>,
}

fn before() -> Before {
    let (disk, lines) = (FaultyDisk::new(), lines(1, 12));
    let (mut store, _) = open(&disk).unwrap();
    let segment = || disk.contents(&Path::new(HOME).join("journal/00000001.log")).unwrap();
    let put = |store: &mut DiskStore, line: &Line| {
        line.writes().into_iter().for_each(|write| store.stage(write).unwrap());
        store.commit().unwrap();
    };
    lines[..5].iter().for_each(|line| put(&mut store, line));
    let without = segment();
    put(&mut store, &lines[5]);
    let with = segment();
    // The made-up signatures of those near it are of its salt.
    Before { disk, secret: lines[5].clone(), other: lines[1].clone(), without, with }
}

#[test]
fn of_what_was_put_aside_an_erasure_removes_what_holds_the_text_and_keeps_the_rest() {
    let Before { disk, secret, without, with, .. } = before();
    let spoilt = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0x10;
        bytes
    };
    // A flipped bit within the secret itself.
    let in_secret = find(&with, &secret.body) + 30;
    put_aside(&disk, "quarantine-1/journal/00000001.log", &without);
    put_aside(&disk, "quarantine-2/journal/00000001.log", &with);
    put_aside(&disk, "quarantine-3/journal-4/00000001.log", &spoilt(&with, in_secret));
    // A torn tail that ends within the secret, and one that never came so far.
    let tail = &with[without.len()..find(&with, &secret.body) + secret.body.len() - 8];
    put_aside(&disk, &format!("quarantine-4/torn-00000001-{}", without.len()), tail);
    put_aside(&disk, &format!("quarantine-5/torn-00000001-{}", without.len()), &with[without.len()..][..60]);
    // An index holds no texts, whatever it looks like; of anything else nobody knows.
    put_aside(&disk, "quarantine-6/db", &secret.body);
    put_aside(&disk, "quarantine-7/notes", &secret.body);
    put_aside(&disk, "quarantine-7/other notes", b"nothing of the kind");
    let (mut store, _) = open(&disk).unwrap();
    assert_eq!(store.erase(&[secret.hash]).unwrap(), 1);
    let torn = format!("quarantine-5/torn-00000001-{}", without.len());
    assert_eq!(
        aside(&disk),
        ["quarantine-1/journal/00000001.log", &torn, "quarantine-6/db", "quarantine-7/other notes"]
    );
    let names = disk.list(Path::new(HOME)).unwrap();
    assert!(!names.contains(&"quarantine-2".to_owned()), "no empty directory stays: {names:?}");
}

#[test]
fn a_damaged_place_of_another_text_is_kept_unless_the_text_that_goes_is_not_known_here() {
    for is_known in [true, false] {
        let Before { disk, secret, other, without, .. } = before();
        // Half of another line cannot be read; what is left of it is not of the secret.
        let mut spoilt = without.clone();
        let at = find(&without, &other.body);
        spoilt[at..at + other.body.len()].fill(0xee);
        put_aside(&disk, "quarantine-1/journal/00000001.log", &spoilt);
        put_aside(&disk, "quarantine-2/journal/00000001.log", &without);
        let (mut store, _) = open(&disk).unwrap();
        let going = if is_known { secret.hash } else { BodyHash::from_bytes([7; 32]) };
        assert_eq!(store.erase(&[going]).unwrap(), u64::from(is_known));
        let damaged = is_known.then_some("quarantine-1/journal/00000001.log".to_owned());
        let whole = Some("quarantine-2/journal/00000001.log".to_owned());
        assert_eq!(aside(&disk), damaged.into_iter().chain(whole).collect::<Vec<_>>());
    }
}

#[test]
fn an_archive_that_was_put_aside_is_kept_only_if_it_can_be_read_and_has_none_of_the_texts() {
    let (disk, incidents) = written();
    for name in ["summaries", "quarantine-1/torn-1", "quarantine-2/journal/00000001.log"] {
        disk.remove(&Path::new(HOME).join(name)).unwrap();
    }
    let home = |name: &str| disk.contents(&Path::new(HOME).join(name)).unwrap();
    let (archive, journal) = (home("archives/00000001.arc"), home("journal-2/00000001.log"));
    let mut spoilt = archive.clone();
    spoilt[100] ^= 1;
    // The archive holds lines of the first incident only.
    put_aside(&disk, "quarantine-1/archives/00000001.arc", &archive);
    put_aside(&disk, "quarantine-2/archives/00000001.arc", &spoilt);
    put_aside(&disk, "quarantine-3/archives/00000009.arc", &archive);
    let (mut store, _) = open(&disk).unwrap();
    store.erase(&[incidents[1][5].hash]).unwrap();
    assert_eq!(aside(&disk), ["quarantine-1/archives/00000001.arc"]);
    // Once the store does not name it any more, only a journal beside it can.
    store.erase(&[incidents[0][4].hash]).unwrap();
    assert_eq!(aside(&disk), Vec::<String>::new());
    for (name, of) in [("quarantine-1", &journal), ("quarantine-2", &journal[..64].to_vec())] {
        put_aside(&disk, &format!("{name}/archives/00000001.arc"), &archive);
        put_aside(&disk, &format!("{name}/journal/00000001.log"), of);
    }
    store.erase(&[incidents[1][7].hash]).unwrap();
    // That journal has the text; of the archive it tells that it has not.
    assert_eq!(aside(&disk), ["quarantine-1/archives/00000001.arc", "quarantine-2/journal/00000001.log"]);
}

#[test]
fn what_was_put_aside_and_cannot_be_read_is_removed() {
    let Before { disk, secret, without, .. } = before();
    put_aside(&disk, "quarantine-1/journal/00000001.log", &without);
    let reads = {
        let (mut store, _) = open(&disk).unwrap();
        let before = disk.reads();
        store.erase(&[secret.hash]).unwrap();
        disk.reads() - before
    };
    assert_eq!(aside(&disk).len(), 1);
    let mut removed = 0;
    for nth in 1..=reads {
        let Before { disk, secret, without, .. } = before();
        put_aside(&disk, "quarantine-1/journal/00000001.log", &without);
        let (mut store, _) = open(&disk).unwrap();
        disk.fail_reads(nth, 1);
        let erased = store.erase(&[secret.hash]);
        disk.fail_reads(1, 0);
        match erased {
            Ok(erased) => assert_eq!(erased, 1),
            Err(_) => assert!(store.contains_body(&secret.hash).unwrap()),
        }
        removed += usize::from(aside(&disk).is_empty());
    }
    assert!(removed > 0, "of {reads} reads none was of the file");
}
