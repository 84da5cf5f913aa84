//! The pending pool: entries that lack a parent, a roster entry or a proof. Bounded, for strangers to each other fill it.
//!
//! Being evicted delays an entry and decides nothing: it is asked for again by its id. Whether an entry can leave the
//! pool is decided in `ledger`.

use crate::entry::Entry;
use crate::ids::EntryId;
use crate::key::{DeviceKey, Signature};
use std::collections::{BTreeMap, BTreeSet};

/// Entries that may wait from one sender.
pub(crate) const PENDING_ENTRIES_PER_SENDER: usize = 256;

/// Bytes of the entries that may wait from one sender.
pub(crate) const PENDING_BYTES_PER_SENDER: usize = 1024 * 1024;

/// Entries that may wait in all.
pub(crate) const PENDING_ENTRIES_MAX: usize = 4096;

/// Bytes of the entries that may wait in all.
pub(crate) const PENDING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An entry that waits. `None` as sender is the own hand.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) entry: Entry,
    /// Checked, where there is one.
    pub(crate) signature: Option<Signature>,
    pub(crate) sender: Option<DeviceKey>,
    /// Counts arrivals; the oldest is evicted first.
    pub(crate) arrival: u64,
}

impl Waiting {
    /// Everything that must be admitted before it: parents and roster heads.
    pub(crate) fn needs(&self) -> impl Iterator<Item = EntryId> + '_ {
        self.entry.parents().chain(self.entry.items().roster_heads.iter().copied())
    }
}

/// How much waits, in all and of the sender who has most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolSize {
    /// Entries in all.
    pub entries: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Most entries of one sender.
    pub sender_entries: usize,
    /// Most bytes of one sender.
    pub sender_bytes: usize,
}

impl PoolSize {
    /// Whether it is no more than may wait. The pool sees to that; this is for whoever checks it.
    pub fn is_within_limits(&self) -> bool {
        self.entries <= PENDING_ENTRIES_MAX
            && self.bytes <= PENDING_BYTES_MAX
            && self.sender_entries <= PENDING_ENTRIES_PER_SENDER
            && self.sender_bytes <= PENDING_BYTES_PER_SENDER
    }
}

/// What one sender has waiting.
#[derive(Debug, Default)]
struct Share {
    by_arrival: BTreeMap<u64, EntryId>,
    bytes: usize,
}

/// All entries that wait.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    waiting: BTreeMap<EntryId, Waiting>,
    needed_by: BTreeMap<EntryId, BTreeSet<EntryId>>,
    shares: BTreeMap<Option<DeviceKey>, Share>,
    bytes: usize,
}

impl Pool {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn size(&self) -> PoolSize {
        PoolSize {
            entries: self.waiting.len(),
            bytes: self.waiting.values().map(|waiting| waiting.entry.bytes().len()).sum(),
            sender_entries: self.shares.values().map(|share| share.by_arrival.len()).max().unwrap_or(0),
            sender_bytes: self.shares.values().map(|share| share.bytes).max().unwrap_or(0),
        }
    }

    pub(crate) fn contains(&self, id: &EntryId) -> bool {
        self.waiting.contains_key(id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = EntryId> + '_ {
        self.waiting.keys().copied()
    }

    /// What all waiting entries need and does not wait itself.
    pub(crate) fn needed(&self) -> impl Iterator<Item = EntryId> + '_ {
        self.needed_by.keys().filter(|id| !self.contains(id)).copied()
    }

    /// What lacks for `needs` to be admitted: those of them that neither wait nor are here, and what those that wait lack
    /// in turn. Whoever brought what waits need not be one who has the rest.
    pub(crate) fn lacking(
        &self,
        needs: impl IntoIterator<Item = EntryId>,
        is_here: impl Fn(&EntryId) -> bool,
    ) -> BTreeSet<EntryId> {
        let mut todo: Vec<EntryId> = needs.into_iter().collect();
        let (mut seen, mut lacking) = (BTreeSet::new(), BTreeSet::new());
        while let Some(id) = todo.pop() {
            if is_here(&id) || !seen.insert(id) {
                continue;
            }
            match self.waiting.get(&id) {
                Some(waiting) => todo.extend(waiting.needs()),
                None => drop(lacking.insert(id)),
            }
        }
        lacking
    }

    /// Takes out everything that hangs together with `seeds`, in either direction.
    ///
    /// What is here already (`is_here`) connects nothing: nobody waits for it any more. Else all that waits would hang
    /// together by the roster heads that everybody names, and be taken out and put back for every entry that comes.
    pub(crate) fn take_connected(
        &mut self,
        seeds: impl IntoIterator<Item = EntryId>,
        is_here: impl Fn(&EntryId) -> bool,
    ) -> Vec<Waiting> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let mut todo: Vec<EntryId> = seeds.into_iter().collect();
        let mut seen: BTreeSet<EntryId> = BTreeSet::new();
        let mut taken = Vec::new();
        while let Some(id) = todo.pop() {
            if !seen.insert(id) || is_here(&id) {
                continue;
            }
            todo.extend(self.needed_by.get(&id).into_iter().flatten());
            if let Some(waiting) = self.remove(&id) {
                todo.extend(waiting.needs());
                taken.push(waiting);
            }
        }
        taken.sort_by_key(|waiting| waiting.arrival);
        taken
    }

    /// Puts an entry in and evicts what is too much: the oldest of the sender who has most.
    pub(crate) fn put(&mut self, waiting: Waiting) {
        let (id, sender, size) = (waiting.entry.id(), waiting.sender, waiting.entry.bytes().len());
        self.remove(&id);
        for need in waiting.needs() {
            self.needed_by.entry(need).or_default().insert(id);
        }
        let share = self.shares.entry(sender).or_default();
        share.by_arrival.insert(waiting.arrival, id);
        share.bytes += size;
        self.bytes += size;
        self.waiting.insert(id, waiting);
        while self.is_share_full(&sender) {
            self.evict_oldest(sender);
        }
        while self.waiting.len() > PENDING_ENTRIES_MAX || self.bytes > PENDING_BYTES_MAX {
            let largest = self.shares.iter().max_by_key(|(_, share)| (share.by_arrival.len(), share.bytes));
            let Some(sender) = largest.map(|(sender, _)| *sender) else { break };
            self.evict_oldest(sender);
        }
    }

    fn is_share_full(&self, sender: &Option<DeviceKey>) -> bool {
        self.shares.get(sender).is_some_and(|share| {
            share.by_arrival.len() > PENDING_ENTRIES_PER_SENDER || share.bytes > PENDING_BYTES_PER_SENDER
        })
    }

    fn evict_oldest(&mut self, sender: Option<DeviceKey>) {
        let oldest = self.shares.get(&sender).and_then(|share| share.by_arrival.values().next().copied());
        match oldest {
            Some(id) => drop(self.remove(&id)),
            None => drop(self.shares.remove(&sender)),
        }
    }

    fn remove(&mut self, id: &EntryId) -> Option<Waiting> {
        let waiting = self.waiting.remove(id)?;
        for need in waiting.needs() {
            if let Some(waiters) = self.needed_by.get_mut(&need) {
                waiters.remove(id);
                if waiters.is_empty() {
                    self.needed_by.remove(&need);
                }
            }
        }
        let size = waiting.entry.bytes().len();
        self.bytes -= size;
        if let Some(share) = self.shares.get_mut(&waiting.sender) {
            share.by_arrival.remove(&waiting.arrival);
            share.bytes -= size;
            if share.by_arrival.is_empty() {
                self.shares.remove(&waiting.sender);
            }
        }
        Some(waiting)
    }
}
