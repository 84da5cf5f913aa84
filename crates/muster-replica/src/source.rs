//! What the replicators may ask of this replica: the ledger's entries, the store's signatures and bodies.

use crate::redaction::Hidden;
use crate::team::{incidents, is_shared, person_may_see, speaks_of};
use muster_log::dag::Tip;
use muster_log::ledger::Ledger;
use muster_log::{BodyHash, DagId, DeviceKey, Entry, EntryId, ShortLog, Signature};
use muster_store::Storage;
use muster_sync::frame::{HeadPrefix, Range};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// A read-only view of one team, committed or about to be before any frame leaves.
pub(crate) struct LedgerSource<'a, S> {
    pub(crate) ledger: &'a Ledger,
    /// Who speaks, where that is this device to peers: of what its person may not hold it keeps silent. A file tells all that
    /// its reader may hold.
    pub(crate) speaker: Option<DeviceKey>,
    pub(crate) missing_bodies: &'a BTreeMap<DagId, BTreeSet<EntryId>>,
    pub(crate) hidden: &'a Hidden,
    pub(crate) store: &'a S,
}

impl<S: Storage> LedgerSource<'_, S> {
    /// A read that fails is answered as "not here": the peer asks somebody else, and the own next commit will find out
    /// what ails the store.
    fn read<T>(&self, what: &'static str, result: Result<Option<T>, muster_store::StoreError>) -> Option<T> {
        result.unwrap_or_else(|error| {
            tracing::error!(%error, what, "the store could not be read");
            None
        })
    }
}

impl<S: Storage> muster_sync::Replica for LedgerSource<'_, S> {
    fn incidents(&self) -> Vec<DagId> {
        incidents(self.ledger).collect()
    }

    fn visible_to(&self, incident: &DagId, peer: &DeviceKey) -> bool {
        match &self.speaker {
            Some(me) => speaks_of(self.ledger, incident, me, peer),
            None => person_may_see(self.ledger, incident, peer),
        }
    }

    fn is_shared(&self, dag: &DagId) -> bool {
        is_shared(self.ledger, dag)
    }

    fn is_member(&self, device: &DeviceKey) -> bool {
        let roster = self.ledger.roster();
        roster.person_of(device).is_some_and(|person| roster.guest_of(&person).is_none())
    }

    fn members(&self) -> usize {
        self.ledger.roster().member_devices().len()
    }

    fn entry_beginning(&self, prefix: &HeadPrefix) -> Option<&Entry> {
        self.ledger.entry_beginning(prefix)
    }

    fn len(&self, dag: &DagId) -> u64 {
        self.ledger.dag(dag).map_or(0, |dag| dag.len() as u64)
    }

    fn heads(&self, dag: &DagId) -> Vec<EntryId> {
        self.ledger.dag(dag).map(|dag| dag.heads()).unwrap_or_default()
    }

    fn tips(&self, dag: &DagId) -> Vec<Tip> {
        self.ledger.dag(dag).map(|dag| dag.tips().collect()).unwrap_or_default()
    }

    fn range(&self, dag: &DagId, log: &ShortLog, from: u32, to: u32) -> Vec<EntryId> {
        self.ledger.dag(dag).map(|dag| dag.range(log, from, to)).unwrap_or_default()
    }

    fn order(&self, dag: &DagId) -> &[EntryId] {
        self.ledger.dag(dag).map_or(&[], |dag| dag.order())
    }

    fn is_past(&self, dag: &DagId, earlier: &EntryId, later: &EntryId) -> bool {
        self.ledger.dag(dag).is_some_and(|dag| dag.is_past(earlier, later))
    }

    fn covered(&self, dag: &DagId, ids: &BTreeSet<EntryId>, later: &[EntryId]) -> BTreeSet<EntryId> {
        self.ledger.dag(dag).map(|dag| dag.covered(ids, later)).unwrap_or_default()
    }

    fn first_of(&self, dag: &DagId, parts: &[Range], limit: usize) -> Vec<EntryId> {
        let parts = parts.iter().map(|part| (part.log, part.from, part.to));
        self.ledger.dag(dag).map(|dag| dag.first_of(parts, limit)).unwrap_or_default()
    }

    fn entry(&self, id: &EntryId) -> Option<&Entry> {
        self.ledger.entry(id)
    }

    fn signature(&self, id: &EntryId) -> Option<Signature> {
        self.read("signature", self.store.entry(id).map(|stored| stored.and_then(|stored| stored.signature)))
    }

    fn body(&self, hash: &BodyHash) -> Option<Vec<u8>> {
        if self.hidden.bodies().contains(hash) {
            return None;
        }
        self.read("body", self.store.body(hash))
    }

    fn has_body(&self, hash: &BodyHash) -> bool {
        !self.hidden.bodies().contains(hash)
            && self.read("body", self.store.contains_body(hash).map(|is| is.then_some(()))).is_some()
    }

    fn missing_bodies(
        &self,
        dag: &DagId,
        after: Option<EntryId>,
        but: &BTreeSet<EntryId>,
        limit: usize,
    ) -> Vec<EntryId> {
        let Some(missing) = self.missing_bodies.get(dag) else { return Vec::new() };
        let behind = missing.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let before = after.into_iter().flat_map(|after| missing.range(..=after));
        behind.chain(before).filter(|id| !but.contains(id)).take(limit).copied().collect()
    }
}
