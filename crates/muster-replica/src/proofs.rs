//! Proofs that are lost: entries that stand here, while the signature that proved them is gone from a damaged store.
//!
//! They were proven when they were admitted, or they would not be in the store. What builds on them stands too; but nobody else
//! can be shown it, so a file that is handed over leaves it out. The signature comes again with what came after them in their
//! log, or with a bundle.

use crate::error::ReplicaError;
use crate::replica::Replica;
use crate::team::Team;
use muster_log::EntryId;
use muster_store::Storage;
use std::collections::BTreeSet;

impl Team {
    /// Notes of an admitted entry whether its own signature is here. What came before it in its log is proven by that too.
    pub(crate) fn note_proof(&mut self, id: EntryId, is_signed: bool) {
        if !is_signed {
            self.unproven.insert(id);
            return;
        }
        self.unproven.remove(&id);
        let mut at = id;
        while let Some(before) = self.ledger.entry(&at).and_then(|entry| entry.backlink())
            && self.unproven.remove(&before)
        {
            at = before;
        }
    }
}

impl<S: Storage> Replica<S> {
    /// How many entries stand here whose proof is lost, in all teams.
    pub fn proofs_lost(&self) -> usize {
        self.teams.values().map(|team| team.unproven.len()).sum()
    }

    /// The entries of a team that can be proven to others; `None` where all can.
    pub(crate) fn provable(&self, team: &Team) -> Result<Option<BTreeSet<EntryId>>, ReplicaError> {
        if team.unproven.is_empty() {
            return Ok(None);
        }
        let mut signed = BTreeSet::new();
        for id in team.ledger.dags().flat_map(|(_, dag)| dag.order()) {
            if self.store.entry(id)?.is_some_and(|stored| stored.signature.is_some()) {
                signed.insert(*id);
            }
        }
        Ok(Some(team.ledger.provable(|id| signed.contains(id))))
    }
}
