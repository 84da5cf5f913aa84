//! Checking everything again: every signature, chain, binding, capability and body, from the store's bytes.

use crate::error::ReplicaError;
use crate::replica::Replica;
use muster_log::{Body, DagId, Entry, EntryId, Signature};
use muster_store::Storage;
use std::collections::BTreeMap;

/// What verification found, over all teams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Entries judged.
    pub entries: usize,
    /// Signatures checked, the bad ones counted too.
    pub signatures_checked: usize,
    /// What does not stand: the entry and what is wrong with it.
    pub problems: Vec<(EntryId, String)>,
}

impl<S: Storage> Replica<S> {
    /// Judges every stored entry anew, as if it had just arrived, and names what does not stand.
    ///
    /// # Errors
    /// [`ReplicaError::Store`] where the store cannot be read.
    pub fn verify(&self) -> Result<Verification, ReplicaError> {
        let mut found = Verification::default();
        for team in self.store.teams() {
            let roster = DagId::from(team);
            let dags = self.store.dags(&team);
            let incidents = dags.iter().filter(|dag| **dag != roster);
            let mut entries: Vec<Entry> = Vec::new();
            let mut signatures: BTreeMap<EntryId, Signature> = BTreeMap::new();
            for dag in dags.iter().filter(|dag| **dag == roster).chain(incidents) {
                for stored in self.store.entries(dag)? {
                    match Entry::decode(&stored.bytes) {
                        Ok(entry) if entry.id() == stored.id => entries.push(entry),
                        Ok(_) => found.problems.push((stored.id, "its bytes have another hash".into())),
                        Err(error) => found.problems.push((stored.id, error.to_string())),
                    }
                    signatures.extend(stored.signature.map(|signature| (stored.id, signature)));
                }
            }
            let report = muster_log::verify::verify(team, entries.iter(), |id| signatures.get(id).copied());
            found.entries += report.entries;
            found.signatures_checked += report.signatures_checked;
            found.problems.extend(report.problems.into_iter().map(|(id, refusal)| (id, refusal.to_string())));
            for entry in &entries {
                if let Some(reference) = entry.body()
                    && let Some(bytes) = self.store.body(&reference.hash)?
                    && Body::check(entry, &bytes).is_err()
                {
                    found.problems.push((entry.id(), "its body is not the one that was signed".into()));
                }
            }
        }
        Ok(found)
    }
}
