//! One suite for every store: what `Storage` promises, kept in memory, on a disk with sled, and on a disk in memory.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod sample;

use muster_store::{
    Compacted, CompactionStep, DiskStore, ErasureStep, FaultyDisk, MemoryStore, OpenOptions, Storage, StoreError, Write,
};
use sample::linked::{Line, lines};
use sample::{body, check_filled, dag, entry, fill, hash, id, local, signature, stage, team};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A store that can be closed and opened again.
trait Bench {
    type Store: Storage;
    fn store(&mut self) -> &mut Self::Store;
    /// As after a power cut: only what was committed is left.
    fn reopen(&mut self);
}

struct InMemory(MemoryStore);

impl Bench for InMemory {
    type Store = MemoryStore;
    fn store(&mut self) -> &mut MemoryStore {
        &mut self.0
    }
    fn reopen(&mut self) {
        self.0.crash();
    }
}

struct OnDisk {
    dir: tempfile::TempDir,
    store: Option<DiskStore>,
}

impl Bench for OnDisk {
    type Store = DiskStore;
    fn store(&mut self) -> &mut DiskStore {
        self.store.as_mut().unwrap()
    }
    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(DiskStore::open(self.dir.path(), OpenOptions::write([9; 16])).unwrap().0);
    }
}

struct OnFaultyDisk {
    disk: FaultyDisk,
    store: Option<DiskStore>,
}

impl Bench for OnFaultyDisk {
    type Store = DiskStore;
    fn store(&mut self) -> &mut DiskStore {
        self.store.as_mut().unwrap()
    }
    fn reopen(&mut self) {
        self.store = None;
        self.disk = self.disk.cut(1);
        let options = OpenOptions::write([9; 16]).index_in_memory().disk(Arc::new(self.disk.clone()));
        self.store = Some(DiskStore::open(Path::new("/home"), options).unwrap().0);
    }
}

fn in_memory() -> InMemory {
    let mut store = MemoryStore::new();
    store.set_erasure(10, Duration::from_millis(1));
    InMemory(store)
}

fn on_disk() -> OnDisk {
    let mut bench = OnDisk { dir: tempfile::tempdir().unwrap(), store: None };
    bench.reopen();
    bench
}

fn on_faulty_disk() -> OnFaultyDisk {
    let mut bench = OnFaultyDisk { disk: FaultyDisk::new(), store: None };
    bench.reopen();
    bench
}

/// Each promise, as a test for each store.
macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod memory { $(#[test] fn $name() { super::promise::$name(super::in_memory()); })* }
        mod disk { $(#[test] fn $name() { super::promise::$name(super::on_disk()); })* }
        mod faulty_disk { $(#[test] fn $name() { super::promise::$name(super::on_faulty_disk()); })* }
    };
}

contract![
    what_was_committed_is_there_after_reopening,
    what_was_only_staged_is_never_seen,
    entries_come_back_in_the_order_they_were_staged,
    staging_what_is_known_changes_nothing,
    a_signature_that_comes_later_is_kept,
    a_signature_of_an_unknown_entry_is_refused,
    teams_and_dags_are_told_apart,
    local_facts_are_replaced_and_forgotten,
    what_no_record_can_hold_is_refused_alone,
    a_page_has_the_entries_asked_for,
    a_commit_larger_than_a_segment_is_whole,
    what_was_compacted_reads_as_before,
    what_comes_after_compacting_is_kept_and_compacted_another_time,
    a_store_goes_on_between_the_steps_of_a_compaction,
    compacting_nothing_changes_nothing,
    what_was_erased_is_gone_alone_and_can_come_again,
    a_store_goes_on_between_the_steps_of_an_erasure,
    an_erasure_that_is_given_up_erases_nothing,
];

mod promise {
    use super::*;

    pub(super) fn what_was_committed_is_there_after_reopening(mut bench: impl Bench) {
        fill(bench.store(), 1, 0..20);
        check_filled(bench.store(), 1, 20);
        bench.reopen();
        check_filled(bench.store(), 1, 20);
        fill(bench.store(), 1, 20..25);
        bench.reopen();
        check_filled(bench.store(), 1, 25);
    }

    pub(super) fn what_was_only_staged_is_never_seen(mut bench: impl Bench) {
        fill(bench.store(), 1, 0..3);
        stage(bench.store(), 1, 3);
        bench.store().stage(local("key", "value")).unwrap();
        check_filled(bench.store(), 1, 3);
        assert!(!bench.store().contains(&id(1, 3)).unwrap());
        assert_eq!(bench.store().body(&hash(1, 3)).unwrap(), None);
        assert_eq!(bench.store().local("key").unwrap(), None);
        bench.reopen();
        check_filled(bench.store(), 1, 3);
        bench.store().commit().unwrap();
        check_filled(bench.store(), 1, 3);
    }

    pub(super) fn entries_come_back_in_the_order_they_were_staged(mut bench: impl Bench) {
        let numbers = [5, 3, 9, 1];
        for n in numbers {
            bench.store().stage(Write::Entry(entry(1, n))).unwrap();
            bench.store().stage(Write::Entry(entry(2, n))).unwrap();
        }
        bench.store().commit().unwrap();
        for _ in 0..2 {
            for of in [1, 2] {
                let ids: Vec<_> = bench.store().entries(&dag(of)).unwrap().into_iter().map(|entry| entry.id).collect();
                assert_eq!(ids, numbers.map(|n| id(of, n)));
            }
            bench.reopen();
        }
    }

    pub(super) fn staging_what_is_known_changes_nothing(mut bench: impl Bench) {
        stage(bench.store(), 1, 0);
        stage(bench.store(), 1, 0);
        bench.store().commit().unwrap();
        let mut later = entry(1, 0);
        later.received.0 += 1;
        bench.store().stage(Write::Entry(later)).unwrap();
        bench.store().stage(body(1, 0)).unwrap();
        bench.store().commit().unwrap();
        check_filled(bench.store(), 1, 1);
        assert_eq!(bench.store().count(&dag(1)), 1);
    }

    pub(super) fn a_signature_that_comes_later_is_kept(mut bench: impl Bench) {
        fill(bench.store(), 1, 0..3);
        fn signed(bench: &mut impl Bench, n: u32) -> Option<muster_log::Signature> {
            bench.store().entry(&id(1, n)).unwrap().unwrap().signature
        }
        bench.store().stage(Write::Signature { entry: id(1, 0), signature: signature(1) }).unwrap();
        bench.store().stage(Write::Entry(entry(1, 1))).unwrap();
        let again = muster_store::StoredEntry { signature: Some(signature(2)), ..entry(1, 1) };
        bench.store().stage(Write::Entry(again)).unwrap();
        assert_eq!(signed(&mut bench, 0), None);
        bench.store().commit().unwrap();
        bench.store().stage(Write::Signature { entry: id(1, 0), signature: signature(3) }).unwrap();
        bench.store().commit().unwrap();
        for _ in 0..2 {
            let now: Vec<_> = (0..3).map(|n| signed(&mut bench, n)).collect();
            assert_eq!(now, [Some(signature(1)), Some(signature(2)), None]);
            let page: Vec<_> = bench.store().entries(&dag(1)).unwrap().into_iter().map(|e| e.signature).collect();
            assert_eq!(page, now);
            bench.reopen();
        }
    }

    pub(super) fn a_signature_of_an_unknown_entry_is_refused(mut bench: impl Bench) {
        let stray = Write::Signature { entry: id(1, 0), signature: signature(1) };
        let refused = bench.store().stage(stray.clone());
        assert!(matches!(refused, Err(StoreError::UnknownEntry { entry }) if entry == id(1, 0)));
        stage(bench.store(), 1, 0);
        bench.store().stage(stray).unwrap();
        bench.store().commit().unwrap();
        assert_eq!(bench.store().entry(&id(1, 0)).unwrap().unwrap().signature, Some(signature(1)));
    }

    pub(super) fn teams_and_dags_are_told_apart(mut bench: impl Bench) {
        for n in 0..100 {
            let mut entry = entry(n, 0);
            entry.team = team(n % 3);
            bench.store().stage(Write::Entry(entry)).unwrap();
        }
        bench.store().commit().unwrap();
        for _ in 0..2 {
            assert_eq!(bench.store().teams(), [team(0), team(1), team(2)]);
            let of_two: Vec<_> = (0..100).filter(|n| n % 3 == 2).map(dag).collect();
            assert_eq!(bench.store().dags(&team(2)), of_two);
            assert_eq!(bench.store().dags(&team(3)), []);
            assert_eq!(bench.store().count(&dag(99)), 1);
            assert_eq!(bench.store().count(&dag(100)), 0);
            bench.reopen();
        }
    }

    pub(super) fn local_facts_are_replaced_and_forgotten(mut bench: impl Bench) {
        let facts =
            [("peer/a", "1"), ("peer/b", "2"), ("peers", "3"), ("own/team", "4"), ("peer/a", "5"), ("peer/c", "")];
        for (key, value) in facts {
            bench.store().stage(local(key, value)).unwrap();
        }
        bench.store().commit().unwrap();
        bench.store().stage(Write::Local { key: "peer/b".to_owned(), value: None }).unwrap();
        bench.store().commit().unwrap();
        for _ in 0..2 {
            let peers = bench.store().locals("peer/").unwrap();
            assert_eq!(peers, [("peer/a".to_owned(), b"5".to_vec()), ("peer/c".to_owned(), vec![])]);
            assert_eq!(bench.store().local("own/team").unwrap(), Some(b"4".to_vec()));
            assert_eq!(bench.store().local("peer/b").unwrap(), None);
            assert_eq!(bench.store().locals("").unwrap().len(), 4);
            bench.reopen();
        }
    }

    pub(super) fn what_no_record_can_hold_is_refused_alone(mut bench: impl Bench) {
        stage(bench.store(), 1, 0);
        let too_large = [
            Write::Body { hash: hash(1, 9), bytes: vec![0; muster_store::RECORD_BYTES_MAX] },
            Write::Local { key: "k".repeat(257), value: None },
        ];
        for write in too_large {
            assert!(matches!(bench.store().stage(write), Err(StoreError::TooLarge { .. })));
        }
        let large = Write::Body { hash: hash(1, 9), bytes: vec![7; muster_store::RECORD_BYTES_MAX - 32] };
        bench.store().stage(large).unwrap();
        bench.store().commit().unwrap();
        bench.reopen();
        check_filled(bench.store(), 1, 1);
        assert_eq!(bench.store().body(&hash(1, 9)).unwrap().unwrap().len(), muster_store::RECORD_BYTES_MAX - 32);
    }

    pub(super) fn a_page_has_the_entries_asked_for(mut bench: impl Bench) {
        fill(bench.store(), 1, 0..10);
        let numbers = |entries: Vec<muster_store::StoredEntry>| -> Vec<i64> {
            entries.into_iter().map(|entry| entry.received.0 - 1_000).collect()
        };
        for (start, limit, wanted) in
            [(0, 3, vec![0, 1, 2]), (8, 5, vec![8, 9]), (10, 1, vec![]), (u64::MAX, usize::MAX, vec![]), (4, 0, vec![])]
        {
            assert_eq!(numbers(bench.store().page(&dag(1), start, limit).unwrap()), wanted, "{start} {limit}");
        }
        assert_eq!(numbers(bench.store().tail(&dag(1), 2).unwrap()), [8, 9]);
        assert_eq!(numbers(bench.store().tail(&dag(1), 50).unwrap()).len(), 10);
        assert_eq!(numbers(bench.store().tail(&dag(7), 50).unwrap()), [0i64; 0]);
    }

    pub(super) fn a_commit_larger_than_a_segment_is_whole(mut bench: impl Bench) {
        fill(bench.store(), 1, 0..2);
        for n in 0..12 {
            bench.store().stage(Write::Body { hash: hash(2, n), bytes: vec![n as u8; 500_000] }).unwrap();
        }
        bench.store().commit().unwrap();
        fill(bench.store(), 1, 2..4);
        bench.reopen();
        check_filled(bench.store(), 1, 4);
        for n in 0..12 {
            assert_eq!(bench.store().body(&hash(2, n)).unwrap(), Some(vec![n as u8; 500_000]));
        }
    }

    fn put(store: &mut impl Storage, lines: &[Line]) {
        for line in lines {
            line.writes().into_iter().for_each(|write| store.stage(write).unwrap());
            store.commit().unwrap();
        }
    }

    #[track_caller]
    fn check_lines(store: &impl Storage, lines: &[Line]) {
        let dag = lines[0].entry.dag;
        assert_eq!(store.count(&dag), lines.len() as u64);
        let wanted: Vec<_> = lines.iter().map(|line| line.entry.clone()).collect();
        assert!(store.entries(&dag).unwrap() == wanted);
        for line in lines {
            assert!(store.contains(&line.entry.id).unwrap() && store.contains_body(&line.hash).unwrap());
            assert_eq!(store.entry(&line.entry.id).unwrap().as_ref(), Some(&line.entry));
            assert_eq!(store.body(&line.hash).unwrap().as_ref(), Some(&line.body));
        }
    }

    pub(super) fn what_was_compacted_reads_as_before(mut bench: impl Bench) {
        let (one, other, third) = (lines(1, 40), lines(2, 25), lines(3, 4));
        for n in 0..40 {
            for dag in [&one, &other, &third] {
                put(bench.store(), dag.get(n..=n).unwrap_or_default());
            }
            fill(bench.store(), 1, n as u32..n as u32 + 1);
            bench.store().stage(local("count", &n.to_string())).unwrap();
        }
        for write in sample::whole(4) {
            bench.store().stage(write).unwrap();
        }
        bench.store().commit().unwrap();
        bench.store().compact(&[one[0].entry.dag, dag(1), third[0].entry.dag, dag(4), dag(77)]).unwrap();
        for _ in 0..2 {
            [&one, &other, &third].into_iter().for_each(|lines| check_lines(bench.store(), lines));
            check_filled(bench.store(), 1, 40);
            sample::check_whole(bench.store(), 4);
            assert_eq!(bench.store().locals("").unwrap(), [("count".to_owned(), b"39".to_vec())]);
            assert_eq!(bench.store().body(&hash(9, 9)).unwrap(), None);
            assert_eq!(bench.store().entry(&id(9, 9)).unwrap(), None);
            let page = bench.store().page(&dag(1), 38, 9).unwrap();
            assert_eq!(page, [entry(1, 38), entry(1, 39)]);
            bench.reopen();
        }
    }

    pub(super) fn what_comes_after_compacting_is_kept_and_compacted_another_time(mut bench: impl Bench) {
        let mut all = lines(1, 30);
        put(bench.store(), &all[..12]);
        for until in [20, 30] {
            bench.store().compact(&[all[0].entry.dag]).unwrap();
            put(bench.store(), &all[until - 8..until]);
            if until == 20 {
                put(bench.store(), &all[20..22]);
            }
            let unsigned = all.iter_mut().take(until).find(|line| line.entry.signature.is_none()).unwrap();
            unsigned.entry.signature = Some(signature(5));
            let late = Write::Signature { entry: unsigned.entry.id, signature: signature(5) };
            bench.store().stage(late).unwrap();
            bench.store().stage(Write::Entry(all[0].entry.clone())).unwrap();
            bench.store().commit().unwrap();
            check_lines(bench.store(), &all[..if until == 20 { 22 } else { 30 }]);
            bench.reopen();
        }
        bench.store().compact(&[all[0].entry.dag]).unwrap();
        for _ in 0..2 {
            check_lines(bench.store(), &all);
            bench.reopen();
        }
    }

    pub(super) fn a_store_goes_on_between_the_steps_of_a_compaction(mut bench: impl Bench) {
        let mut all = lines(1, 6_000);
        for line in &all[..5_500] {
            line.writes().into_iter().for_each(|write| bench.store().stage(write).unwrap());
        }
        bench.store().commit().unwrap();
        bench.store().begin_compaction(&[all[0].entry.dag]).unwrap();
        let (mut steps, mut written) = (0, 5_500);
        while let CompactionStep::Packed { done, of } = bench.store().step_compaction().unwrap() {
            assert!(done <= of && of == 5_500);
            put(bench.store(), &all[written..written + 3]);
            fill(bench.store(), 7, steps..steps + 1);
            bench.store().stage(local("steps", &steps.to_string())).unwrap();
            // The first of them may be packed already.
            for line in [1, 5_497 - 4 * steps as usize] {
                assert_eq!(all[line].entry.signature.replace(signature(1)).is_some(), line == 1 && steps > 0);
                let late = Write::Signature { entry: all[line].entry.id, signature: signature(1) };
                bench.store().stage(late).unwrap();
            }
            (steps, written) = (steps + 1, written + 3);
        }
        for _ in 0..2 {
            assert_eq!(bench.store().count(&all[0].entry.dag), written as u64);
            let wanted: Vec<_> = all[..written].iter().map(|line| line.entry.clone()).collect();
            bench.store().commit().unwrap();
            assert!(bench.store().entries(&all[0].entry.dag).unwrap() == wanted);
            check_filled(bench.store(), 7, steps);
            bench.reopen();
        }
    }

    pub(super) fn what_was_erased_is_gone_alone_and_can_come_again(mut bench: impl Bench) {
        let all = [lines(1, 6), lines(2, 6)];
        all.iter().for_each(|lines| put(bench.store(), lines));
        bench.store().compact(&[all[0][0].entry.dag]).unwrap();
        fill(bench.store(), 7, 0..3);
        // What is staged is not lost by it.
        stage(bench.store(), 7, 3);
        let going = [all[0][2].hash, all[1][3].hash, hash(9, 9)];
        assert_eq!(bench.store().erase(&going).unwrap(), 2);
        assert_eq!(bench.store().erase(&going).unwrap(), 0);
        for _ in 0..2 {
            check_filled(bench.store(), 7, 4);
            for (n, line) in all.iter().flatten().enumerate() {
                let is_gone = going.contains(&line.hash);
                assert_eq!(bench.store().body(&line.hash).unwrap().is_none(), is_gone, "line {n}");
                assert_eq!(bench.store().contains_body(&line.hash).unwrap(), !is_gone);
                assert_eq!(bench.store().entry(&line.entry.id).unwrap().as_ref(), Some(&line.entry));
            }
            bench.reopen();
        }
        for line in [&all[0][2], &all[1][3]] {
            bench.store().stage(Write::Body { hash: line.hash, bytes: line.body.clone() }).unwrap();
        }
        bench.store().commit().unwrap();
        for _ in 0..2 {
            all.iter().for_each(|lines| check_lines(bench.store(), lines));
            bench.reopen();
        }
    }

    pub(super) fn a_store_goes_on_between_the_steps_of_an_erasure(mut bench: impl Bench) {
        let mut all = lines(1, 12_000);
        let dag = all[0].entry.dag;
        for some in all[..5_500].chunks(500) {
            some.iter().flat_map(Line::writes).for_each(|write| bench.store().stage(write).unwrap());
            bench.store().commit().unwrap();
        }
        // Entries in two archives, the older of which is written anew, and in the journal.
        bench.store().compact(&[dag]).unwrap();
        put(bench.store(), &all[5_500..5_600]);
        bench.store().compact(&[dag]).unwrap();
        for n in 0..40 {
            bench.store().stage(local(&format!("fact {n}"), "known before")).unwrap();
        }
        for some in all[5_600..11_000].chunks(500) {
            some.iter().flat_map(Line::writes).for_each(|write| bench.store().stage(write).unwrap());
            bench.store().commit().unwrap();
        }
        let going = [all[100].hash, all[5_900].hash, all[10_999].hash];
        let mut step = bench.store().begin_erasure(&going).unwrap();
        let (mut steps, mut written) = (0, 11_000);
        while let ErasureStep::Going { .. } = step {
            assert!(going.iter().all(|hash| bench.store().body(hash).unwrap().is_some()));
            put(bench.store(), &all[written..written + 3]);
            fill(bench.store(), 7, steps..steps + 1);
            bench.store().stage(local("steps", &steps.to_string())).unwrap();
            // One after the other is forgotten, copied already or not.
            let forgotten = Write::Local { key: format!("fact {steps}"), value: None };
            bench.store().stage(forgotten).unwrap();
            for line in [1, 5_501, 10_997 - 4 * steps as usize] {
                all[line].entry.signature = Some(signature(1));
                let late = Write::Signature { entry: all[line].entry.id, signature: signature(1) };
                bench.store().stage(late).unwrap();
            }
            bench.store().commit().unwrap();
            (steps, written) = (steps + 1, written + 3);
            step = bench.store().step_erasure().unwrap();
        }
        assert!(matches!(step, ErasureStep::Done { erased: 3, .. }), "{step:?}");
        for _ in 0..2 {
            let wanted: Vec<_> = all[..written].iter().map(|line| line.entry.clone()).collect();
            assert!(bench.store().entries(&dag).unwrap() == wanted);
            for line in &all[..written] {
                let is_gone = going.contains(&line.hash);
                assert_eq!(bench.store().body(&line.hash).unwrap().is_none(), is_gone);
            }
            check_filled(bench.store(), 7, steps);
            let facts = bench.store().locals("fact").unwrap();
            assert_eq!(facts.len(), 40 - steps as usize, "what was forgotten meanwhile stays forgotten");
            bench.reopen();
        }
        // And in the same order after each further time.
        bench.store().compact(&[dag]).unwrap();
        bench.store().erase(&[all[200].hash]).unwrap();
        let wanted: Vec<_> = all[..written].iter().map(|line| line.entry.clone()).collect();
        assert!(bench.store().entries(&dag).unwrap() == wanted);
    }

    pub(super) fn an_erasure_that_is_given_up_erases_nothing(mut bench: impl Bench) {
        let all = lines(1, 6_000);
        for some in all.chunks(1_000) {
            some.iter().flat_map(Line::writes).for_each(|write| bench.store().stage(write).unwrap());
            bench.store().commit().unwrap();
        }
        let going = [all[10].hash];
        for steps in 0..3 {
            let begun = bench.store().begin_erasure(&going).unwrap();
            assert!(matches!(begun, ErasureStep::Going { .. }));
            for _ in 0..steps {
                bench.store().step_erasure().unwrap();
            }
            bench.store().give_up_erasure();
            let nothing = bench.store().step_erasure().unwrap();
            assert!(matches!(nothing, ErasureStep::Done { erased: 0, .. }));
            fill(bench.store(), 7, steps..steps + 1);
            check_lines(bench.store(), &all);
        }
        bench.reopen();
        check_lines(bench.store(), &all);
        assert_eq!(bench.store().erase(&going).unwrap(), 1);
        // A compaction does not wait for one that is under way, nor does it lose it.
        bench.store().begin_erasure(&[all[11].hash]).unwrap();
        bench.store().compact(&[all[0].entry.dag]).unwrap();
        assert!(!bench.store().contains_body(&all[11].hash).unwrap());
        check_filled(bench.store(), 7, 3);
    }

    pub(super) fn compacting_nothing_changes_nothing(mut bench: impl Bench) {
        fill(bench.store(), 1, 0..3);
        assert_eq!(bench.store().compact(&[]).unwrap(), Compacted::default());
        assert_eq!(bench.store().compact(&[dag(9)]).unwrap(), Compacted::default());
        assert_eq!(bench.store().step_compaction().unwrap(), CompactionStep::Done(Compacted::default()));
        check_filled(bench.store(), 1, 3);
    }
}
