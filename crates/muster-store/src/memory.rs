//! The memory twin: the contract of [`Storage`] without a disk, with faults on demand. For the simulator and for tests.

use crate::staged::{Known, Staged};
use crate::{ErasureStep, Storage, StoreError, StoredEntry, Write};
use muster_log::{BodyHash, DagId, EntryId, TeamId};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// What the next reopening finds of a commit that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedCommit {
    /// Nothing of it reached the disk.
    Lost,
    /// All of it did, only the confirmation failed.
    Kept,
}

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    committed: Kept,
    staged: Staged,
    /// A failed commit of which a crash will show that it was kept.
    uncertain: Vec<Write>,
    commits: u64,
    fault: Option<(u64, FailedCommit)>,
    full: Cell<bool>,
    poisoned: bool,
    /// Bodies of an erasure under way.
    going: BTreeSet<BodyHash>,
    steps_left: u32,
    /// Steps of an erasure before its last, and how long each is said to take.
    steps: u32,
    step_took: Duration,
}

#[derive(Debug, Default)]
struct Kept {
    entries: BTreeMap<EntryId, StoredEntry>,
    bodies: BTreeMap<BodyHash, Vec<u8>>,
    dags: BTreeMap<DagId, (TeamId, Vec<EntryId>)>,
    locals: BTreeMap<String, Vec<u8>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the `nth` commit from now on fail (1 = the next that has anything to write).
    pub fn fail_commit(&mut self, nth: u64, outcome: FailedCommit) {
        self.fault = Some((self.commits.saturating_add(nth), outcome));
    }

    /// Makes every commit answer [`StoreError::Full`], or ends that. Room comes and goes without anybody asking the store,
    /// so this can be done while somebody holds it.
    pub fn set_full(&self, full: bool) {
        self.full.set(full);
    }

    /// Makes every erasure take so many steps before its last, each said to take so long.
    pub fn set_erasure(&mut self, steps: u32, took: Duration) {
        (self.steps, self.step_took) = (steps, took);
    }

    /// Power loss and reopening: what was not committed is gone, the store accepts writes again.
    pub fn crash(&mut self) {
        self.staged.take();
        for write in std::mem::take(&mut self.uncertain) {
            self.committed.apply(write);
        }
        self.poisoned = false;
        self.fault = None;
        self.going.clear();
    }

    /// Commits that had anything to write, failed ones too.
    pub fn commits(&self) -> u64 {
        self.commits
    }
}

impl Known for Kept {
    fn signed(&self, id: &EntryId) -> Result<Option<bool>, StoreError> {
        Ok(self.entries.get(id).map(|entry| entry.signature.is_some()))
    }

    fn has_body(&self, hash: &BodyHash) -> Result<bool, StoreError> {
        Ok(self.bodies.contains_key(hash))
    }
}

impl Kept {
    fn apply(&mut self, write: Write) {
        match write {
            Write::Entry(entry) => {
                self.dags.entry(entry.dag).or_insert_with(|| (entry.team, Vec::new())).1.push(entry.id);
                self.entries.insert(entry.id, entry);
            }
            Write::Body { hash, bytes } => drop(self.bodies.insert(hash, bytes)),
            Write::Signature { entry, signature } => {
                if let Some(entry) = self.entries.get_mut(&entry) {
                    entry.signature = Some(signature);
                }
            }
            Write::Local { key, value: Some(value) } => drop(self.locals.insert(key, value)),
            Write::Local { key, value: None } => drop(self.locals.remove(&key)),
        }
    }
}

impl Storage for MemoryStore {
    fn stage(&mut self, write: Write) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        self.staged.add(write, &self.committed)
    }

    fn check_room_for(&mut self, _: u64) -> Result<(), StoreError> {
        if self.full.get() { Err(StoreError::Full { path: PathBuf::from("memory") }) } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        if self.staged.is_empty() {
            return Ok(());
        }
        let writes = self.staged.take();
        if self.full.get() {
            return Err(StoreError::Full { path: PathBuf::from("memory") });
        }
        self.commits += 1;
        if let Some((_, outcome)) = self.fault.take_if(|(at, _)| *at == self.commits) {
            self.poisoned = true;
            self.uncertain = if outcome == FailedCommit::Kept { writes } else { Vec::new() };
            let source = std::io::Error::other("fault on demand");
            return Err(StoreError::Io { doing: "sync", path: PathBuf::from("memory"), source });
        }
        writes.into_iter().for_each(|write| self.committed.apply(write));
        Ok(())
    }

    fn begin_compaction(&mut self, _: &[DagId]) -> Result<u64, StoreError> {
        self.steps_left = 0;
        self.step_erasure().map(|_| 0)
    }

    fn begin_erasure(&mut self, bodies: &[BodyHash]) -> Result<ErasureStep, StoreError> {
        self.commit()?;
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        let found: BTreeSet<BodyHash> =
            bodies.iter().filter(|hash| self.committed.bodies.contains_key(hash)).copied().collect();
        if !found.is_empty() && self.full.get() {
            return Err(StoreError::Full { path: PathBuf::from("memory") });
        }
        self.going = found;
        self.steps_left = self.steps;
        self.step_erasure()
    }

    fn step_erasure(&mut self) -> Result<ErasureStep, StoreError> {
        let took = self.step_took * self.steps.saturating_sub(self.steps_left).saturating_add(1);
        if !self.going.is_empty() && self.steps_left > 0 {
            self.steps_left -= 1;
            return Ok(ErasureStep::Going { took });
        }
        let going = std::mem::take(&mut self.going);
        going.iter().for_each(|hash| drop(self.committed.bodies.remove(hash)));
        Ok(ErasureStep::Done { erased: going.len() as u64, took })
    }

    fn give_up_erasure(&mut self) {
        self.going.clear();
    }

    fn contains(&self, id: &EntryId) -> Result<bool, StoreError> {
        Ok(self.committed.entries.contains_key(id))
    }

    fn entry(&self, id: &EntryId) -> Result<Option<StoredEntry>, StoreError> {
        Ok(self.committed.entries.get(id).cloned())
    }

    fn body(&self, hash: &BodyHash) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.committed.bodies.get(hash).cloned())
    }

    fn contains_body(&self, hash: &BodyHash) -> Result<bool, StoreError> {
        Ok(self.committed.bodies.contains_key(hash))
    }

    fn teams(&self) -> Vec<TeamId> {
        self.committed.dags.values().map(|(team, _)| *team).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn dags(&self, team: &TeamId) -> Vec<DagId> {
        self.committed.dags.iter().filter(|(_, (of, _))| of == team).map(|(dag, _)| *dag).collect()
    }

    fn count(&self, dag: &DagId) -> u64 {
        self.committed.dags.get(dag).map_or(0, |(_, order)| order.len() as u64)
    }

    fn page(&self, dag: &DagId, start: u64, limit: usize) -> Result<Vec<StoredEntry>, StoreError> {
        let order = self.committed.dags.get(dag).map_or(&[][..], |(_, order)| order);
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let ids = order.iter().skip(start).take(limit);
        Ok(ids.filter_map(|id| self.committed.entries.get(id).cloned()).collect())
    }

    fn local(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.committed.locals.get(key).cloned())
    }

    fn locals(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let from = self.committed.locals.range(prefix.to_owned()..);
        Ok(from
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(store: &mut MemoryStore, value: u8) -> Result<(), StoreError> {
        store.stage(Write::Local { key: "key".to_owned(), value: Some(vec![value]) })
    }

    #[test]
    fn a_failed_commit_is_seen_only_after_a_crash_if_it_was_kept() {
        for (outcome, after) in [(FailedCommit::Lost, vec![1]), (FailedCommit::Kept, vec![3])] {
            let mut store = MemoryStore::new();
            store.fail_commit(3, outcome);
            stage(&mut store, 1).unwrap();
            store.commit().unwrap();
            stage(&mut store, 1).unwrap();
            store.commit().unwrap();
            stage(&mut store, 3).unwrap();
            assert!(matches!(store.commit(), Err(StoreError::Io { .. })));
            assert!(matches!(stage(&mut store, 4), Err(StoreError::Poisoned)));
            assert_eq!(store.local("key").unwrap(), Some(vec![1]));
            store.crash();
            assert_eq!(store.local("key").unwrap(), Some(after));
            stage(&mut store, 5).unwrap();
            store.commit().unwrap();
        }
    }

    #[test]
    fn a_full_store_drops_what_was_staged_and_goes_on() {
        let mut store = MemoryStore::new();
        store.set_full(true);
        stage(&mut store, 1).unwrap();
        assert!(matches!(store.commit(), Err(StoreError::Full { .. })));
        store.set_full(false);
        store.commit().unwrap();
        assert_eq!(store.local("key").unwrap(), None);
        stage(&mut store, 2).unwrap();
        store.commit().unwrap();
        assert_eq!(store.local("key").unwrap(), Some(vec![2]));
    }
}
