//! Checking everything again: every signature, chain, binding, capability and body, from the store's bytes.

use crate::error::ReplicaError;
use crate::replica::Replica;
use muster_log::{DagId, EntryId, IncidentId, TeamId, Verifier, VerifyReport};
use muster_store::{Storage, StoredEntry};

/// What to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerifyScope {
    /// One incident with its team's roster; `None`: everything that is stored.
    pub incident: Option<(TeamId, IncidentId)>,
    /// Whether each signature that is there is checked, not only those that prove runs.
    pub every: bool,
}

/// What verification found, over all teams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// One report a team, in the order of their ids.
    pub teams: Vec<(TeamId, VerifyReport)>,
    /// Entries judged.
    pub entries: usize,
    /// Signatures checked, the bad ones counted too.
    pub signatures_checked: usize,
    /// What does not stand: the entry and what is wrong with it.
    pub problems: Vec<(EntryId, String)>,
}

/// Entries read at a time.
const PAGE: usize = 1_024;

impl<S: Storage> Replica<S> {
    /// Judges stored entries anew, as if they had just arrived, and names what does not stand.
    ///
    /// # Errors
    /// [`ReplicaError::Store`] where the store cannot be read.
    pub fn verify(&self, scope: VerifyScope) -> Result<Verification, ReplicaError> {
        let mut found = Verification::default();
        let teams = self.store.teams().into_iter();
        for team in teams.filter(|team| scope.incident.is_none_or(|(of, _)| of == *team)) {
            let report = self.verify_team(team, scope)?;
            found.entries += report.entries;
            found.signatures_checked += report.signatures_checked;
            found.problems.extend(report.problems.iter().map(|(id, fault)| (*id, fault.to_string())));
            found.teams.push((team, report));
        }
        Ok(found)
    }

    fn verify_team(&self, team: TeamId, scope: VerifyScope) -> Result<VerifyReport, ReplicaError> {
        let roster = DagId::from(team);
        let dags = self.store.dags(&team);
        let is_meant = |dag: &DagId| scope.incident.is_none_or(|(_, incident)| *dag == incident.into());
        let incidents = dags.iter().filter(|dag| **dag != roster && is_meant(dag));
        let mut verifier = Verifier::new(team);
        if scope.every {
            verifier = verifier.every();
        }
        for dag in dags.iter().filter(|dag| **dag == roster).chain(incidents) {
            let mut start = 0;
            loop {
                let page = self.store.page(dag, start, PAGE)?;
                for StoredEntry { id, bytes, signature, .. } in &page {
                    let Some(entry) = verifier.read(Some(*id), bytes) else { continue };
                    let body = match entry.body() {
                        Some(reference) => self.store.body(&reference.hash)?,
                        None => None,
                    };
                    verifier.judge(entry, *signature, body.as_deref());
                }
                start += page.len() as u64;
                if page.len() < PAGE {
                    break;
                }
            }
        }
        Ok(verifier.finish().0)
    }
}
