//! Audit files: what of a team is handed to somebody who has nothing else, and the word of this device that it is all.
//!
//! The bytes are in [`muster_log::audit`]; opening files and the armour of the signature are the node's affair. A body that
//! is not in the store, because it never came or was erased, or that is redacted and waits to be erased, is absent in the file too.

use crate::error::ReplicaError;
use crate::replica::{Now, Replica};
use muster_log::audit::{AUDIT_NAMESPACE, Manifest, Row};
use muster_log::{DagId, EntryId, IncidentId, Signature, TeamId};
use muster_store::Storage;

/// What an audit file is to hold besides the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditOrder {
    /// One incident, be it private.
    One(IncidentId),
    /// All incidents that the whole team may see.
    All,
}

/// An audit file that can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPlan {
    /// Its manifest.
    pub manifest: Manifest,
    /// This device's signature of the manifest's bytes, in the sense of SSHSIG.
    pub signature: Signature,
    /// Private incidents that are left out.
    pub left_out: usize,
    /// Whether entries are left out, and counted as lost, because nothing here proves them: their rows are not to be written.
    pub is_picked: bool,
}

/// Rows of an audit file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRows {
    /// One after another.
    pub bytes: Vec<u8>,
    /// The number of the entry after these.
    pub next: usize,
    /// The numbers of those that name a body which is not there.
    pub absent: Vec<usize>,
}

impl<S: Storage> Replica<S> {
    /// Plans and signs an audit file. What is staged and not committed must not get into it: commit first. `damaged` is how
    /// many places of the store cannot be read.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`], [`ReplicaError::NoSuchIncident`], [`ReplicaError::Store`]; [`ReplicaError::ProofLost`] where
    /// nothing of the roster or of the one incident can be proven.
    pub fn plan_audit(
        &self,
        team: &TeamId,
        order: &AuditOrder,
        damaged: u64,
        now: Now,
    ) -> Result<AuditPlan, ReplicaError> {
        let ledger = self.ledger(team)?;
        let mut incidents: Vec<IncidentId> = Vec::new();
        let mut left_out = 0;
        match order {
            AuditOrder::One(incident) => incidents.push(*incident),
            AuditOrder::All => {
                let all: Vec<IncidentId> = ledger.incidents().collect();
                incidents.extend(all.iter().filter(|incident| ledger.names(incident).is_none()));
                left_out = all.len() - incidents.len();
            }
        }
        let state = self.teams.get(team).ok_or(ReplicaError::NoSuchTeam(*team))?;
        let provable = self.provable(state)?;
        let may_go = |id: &EntryId| provable.as_ref().is_none_or(|provable| provable.contains(id));
        let mut unproven = 0;
        let mut dags: Vec<(DagId, Vec<EntryId>)> = Vec::new();
        let mut absent: Vec<EntryId> = Vec::new();
        for dag in [DagId::from(*team)].into_iter().chain(incidents.into_iter().map(DagId::from)) {
            let incident = || ReplicaError::NoSuchIncident(IncidentId::of_genesis(dag.genesis()));
            let found = ledger.dag(&dag).ok_or_else(incident)?;
            let ids: Vec<EntryId> = found.order().iter().copied().filter(may_go).collect();
            unproven += found.order().len() - ids.len();
            if ids.is_empty() && (dag == DagId::from(*team) || matches!(order, AuditOrder::One(_))) {
                return Err(ReplicaError::ProofLost { id: dag.genesis() });
            }
            if ids.is_empty() {
                continue;
            }
            for entry in found.entries().filter(|entry| may_go(&entry.id())) {
                if let Some(reference) = entry.body()
                    && (self.is_redacted(team, &entry.id()) || !self.store.contains_body(&reference.hash)?)
                {
                    absent.push(entry.id());
                }
            }
            dags.push((dag, ids));
        }
        absent.sort_unstable();
        let lost = self.count_lost(damaged)?.saturating_add(unproven as u64);
        let manifest = Manifest { team: *team, device: self.device(), now: now.wall, dags, absent, lost };
        let signature = self.secret.sign_file(AUDIT_NAMESPACE, &manifest.encode());
        Ok(AuditPlan { manifest, signature, left_out, is_picked: unproven > 0 })
    }

    /// Entries that are known to have been here and are no more, or do not stand without what is damaged.
    fn count_lost(&self, damaged: u64) -> Result<u64, ReplicaError> {
        let gone = self.store.lost()?.map_or(0, |lost| lost.missing.saturating_add(lost.unnamed));
        Ok(gone.saturating_add(damaged).saturating_add(self.left_out().len() as u64))
    }

    /// The rows of a DAG from the `from`-th entry on, those too that a plan leaves out, in the order of its manifest, as many as begin within so many bytes.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`], [`ReplicaError::Store`]; [`ReplicaError::Damaged`] where the store lacks an entry.
    pub fn audit_rows(
        &self,
        team: &TeamId,
        dag: &DagId,
        from: usize,
        bytes_max: usize,
    ) -> Result<AuditRows, ReplicaError> {
        let order = self.ledger(team)?.dag(dag).map(|dag| dag.order()).unwrap_or_default();
        let mut page = AuditRows { bytes: Vec::new(), next: from, absent: Vec::new() };
        for id in order.iter().skip(from) {
            if page.bytes.len() >= bytes_max {
                break;
            }
            let gone = || ReplicaError::Damaged { id: *id, what: "it is not in the store".into() };
            let stored = self.store.entry(id)?.ok_or_else(gone)?;
            let reference = self.ledger(team)?.entry(id).and_then(|entry| entry.body());
            let body = match reference {
                Some(reference) if !self.is_redacted(team, id) => self.store.body(&reference.hash)?,
                _ => None,
            };
            if reference.is_some() && body.is_none() {
                page.absent.push(page.next);
            }
            page.bytes.extend(Row { entry: stored.bytes, signature: stored.signature, body }.encode());
            page.next += 1;
        }
        Ok(page)
    }
}
