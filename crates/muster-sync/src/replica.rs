//! What the replicator may ask of the replica it speaks for, and what of it one peer may see.
//!
//! A [`Replica`] is a read-only view of what is admitted and committed, or will be committed before any output of this
//! round leaves. `muster-replica` implements it over ledger and store. [`View`] is the same seen through the eyes of
//! one peer: an incident that the peer may not see is, for every question, not here. So nothing of it can get into a
//! frame, and our answers are those of a node that never heard of it.

use crate::frame::{HeadPrefix, HeadsDigest, Range};
use muster_log::dag::Tip;
use muster_log::{BodyHash, DagId, DeviceKey, Entry, EntryId, ShortLog, Signature};
use std::collections::BTreeSet;

/// What is admitted here. The roster is the DAG named like the team.
///
/// All answers concern admitted entries only. Questions about a DAG that is not here are answered with nothing.
pub trait Replica {
    /// The incidents held here, without the roster, in any order.
    fn incidents(&self) -> Vec<DagId>;

    /// Whether the person of device `peer` may see the incident: as a member, as its guest, or as one whom it names. Asked
    /// only of incidents held here.
    fn visible_to(&self, incident: &DagId, peer: &DeviceKey) -> bool;

    /// Whether all members may see the DAG, so that it may travel by gossip: the roster, and an incident held here that
    /// is not private.
    fn is_shared(&self, dag: &DagId) -> bool;

    /// Whether the device is a member's, not a guest's: only those gossip.
    fn is_member(&self, device: &DeviceKey) -> bool;

    /// How many devices the members have.
    fn members(&self) -> usize;

    /// The entry of whatever DAG whose id begins so, if it is here and the only one.
    fn entry_beginning(&self, prefix: &HeadPrefix) -> Option<&Entry>;

    /// How many entries the DAG has.
    fn len(&self, dag: &DagId) -> u64;

    /// The entries on which no other builds, sorted by id.
    fn heads(&self, dag: &DagId) -> Vec<EntryId>;

    /// The entries without successor in their log, sorted by log, then sequence number.
    fn tips(&self, dag: &DagId) -> Vec<Tip>;

    /// The entries of one log with sequence numbers `from..=to`, every branch, by number.
    fn range(&self, dag: &DagId, log: &ShortLog, from: u32, to: u32) -> Vec<EntryId>;

    /// All ids in order of admission, which is causal.
    fn order(&self, dag: &DagId) -> &[EntryId];

    /// Whether `later` builds on `earlier`, both in the DAG.
    fn is_past(&self, dag: &DagId, earlier: &EntryId, later: &EntryId) -> bool;

    /// Those of `ids` that are among `later` or in the past of one of them, all in the DAG.
    fn covered(&self, dag: &DagId, ids: &BTreeSet<EntryId>, later: &[EntryId]) -> BTreeSet<EntryId>;

    /// The first `limit` entries in order of admission of these parts of logs, which share none.
    fn first_of(&self, dag: &DagId, parts: &[Range], limit: usize) -> Vec<EntryId>;

    /// The entry, of whatever DAG.
    fn entry(&self, id: &EntryId) -> Option<&Entry>;

    /// The signature on the entry, where it is kept here.
    fn signature(&self, id: &EntryId) -> Option<Signature>;

    /// The body's bytes, where they are here and not erased.
    fn body(&self, hash: &BodyHash) -> Option<Vec<u8>>;

    /// Whether [`Replica::body`] has it, without reading it.
    fn has_body(&self, hash: &BodyHash) -> bool;

    /// Entries of the DAG whose bodies are not here and are not erased: the first `limit` by id behind `after`, then from the
    /// beginning, without those of `but`.
    fn missing_bodies(
        &self,
        dag: &DagId,
        after: Option<EntryId>,
        but: &BTreeSet<EntryId>,
        limit: usize,
    ) -> Vec<EntryId>;
}

/// The replica as one peer may see it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    replica: &'a dyn Replica,
    roster: DagId,
    peer: DeviceKey,
}

impl<'a> View<'a> {
    pub(crate) fn new(replica: &'a dyn Replica, roster: DagId, peer: DeviceKey) -> Self {
        Self { replica, roster, peer }
    }

    /// Everything that is here, whoever may see it.
    pub(crate) fn all(&self) -> &'a dyn Replica {
        self.replica
    }

    /// Whether the peer may know anything of the DAG. Of one that is not here there is nothing to hide.
    pub(crate) fn sees(&self, dag: &DagId) -> bool {
        *dag == self.roster || self.replica.len(dag) == 0 || self.replica.visible_to(dag, &self.peer)
    }

    pub(crate) fn roster(&self) -> DagId {
        self.roster
    }

    pub(crate) fn incidents(&self) -> Vec<DagId> {
        self.replica.incidents().into_iter().filter(|incident| self.sees(incident)).collect()
    }

    /// The incidents that the peer may see, sorted, each with the digest of its heads.
    pub(crate) fn states(&self) -> Vec<(DagId, HeadsDigest)> {
        let mut incidents = self.incidents();
        incidents.sort_unstable();
        incidents.dedup();
        incidents.into_iter().map(|incident| (incident, HeadsDigest::of(&self.replica.heads(&incident)))).collect()
    }

    pub(crate) fn len(&self, dag: &DagId) -> u64 {
        if self.sees(dag) { self.replica.len(dag) } else { 0 }
    }

    pub(crate) fn heads(&self, dag: &DagId) -> Vec<EntryId> {
        if self.sees(dag) { self.replica.heads(dag) } else { Vec::new() }
    }

    pub(crate) fn tips(&self, dag: &DagId) -> Vec<Tip> {
        if self.sees(dag) { self.replica.tips(dag) } else { Vec::new() }
    }

    pub(crate) fn range(&self, dag: &DagId, log: &ShortLog, from: u32, to: u32) -> Vec<EntryId> {
        if self.sees(dag) { self.replica.range(dag, log, from, to) } else { Vec::new() }
    }

    pub(crate) fn order(&self, dag: &DagId) -> &'a [EntryId] {
        if self.sees(dag) { self.replica.order(dag) } else { &[] }
    }

    pub(crate) fn is_past(&self, dag: &DagId, earlier: &EntryId, later: &EntryId) -> bool {
        self.sees(dag) && self.replica.is_past(dag, earlier, later)
    }

    pub(crate) fn covered(&self, dag: &DagId, ids: &BTreeSet<EntryId>, later: &[EntryId]) -> BTreeSet<EntryId> {
        if self.sees(dag) { self.replica.covered(dag, ids, later) } else { BTreeSet::new() }
    }

    pub(crate) fn first_of(&self, dag: &DagId, parts: &[Range], limit: usize) -> Vec<EntryId> {
        if self.sees(dag) { self.replica.first_of(dag, parts, limit) } else { Vec::new() }
    }

    pub(crate) fn entry(&self, id: &EntryId) -> Option<&'a Entry> {
        self.replica.entry(id).filter(|entry| self.sees(&entry.dag()))
    }

    pub(crate) fn contains(&self, id: &EntryId) -> bool {
        self.entry(id).is_some()
    }

    pub(crate) fn signature(&self, id: &EntryId) -> Option<Signature> {
        self.contains(id).then(|| self.replica.signature(id)).flatten()
    }

    /// The body that `entry`, which was got from this view, names.
    pub(crate) fn body_of(&self, entry: &Entry) -> Option<Vec<u8>> {
        entry.body().and_then(|body| self.replica.body(&body.hash))
    }

    /// Whether the body that `entry`, which was got from this view, names is here.
    pub(crate) fn has_body_of(&self, entry: &Entry) -> bool {
        entry.body().is_some_and(|body| self.replica.has_body(&body.hash))
    }

    pub(crate) fn missing_bodies(
        &self,
        dag: &DagId,
        after: Option<EntryId>,
        but: &BTreeSet<EntryId>,
        limit: usize,
    ) -> Vec<EntryId> {
        if self.sees(dag) { self.replica.missing_bodies(dag, after, but, limit) } else { Vec::new() }
    }

    pub(crate) fn lacks_bodies(&self, dag: &DagId) -> bool {
        !self.missing_bodies(dag, None, &BTreeSet::new(), 1).is_empty()
    }
}
