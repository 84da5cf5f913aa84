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

/// Entries read at a time: a tenth of a second where each signature is checked.
const PAGE: usize = 1_024;

/// A verification under way. It judges what was stored when it began, whatever comes meanwhile.
pub struct Verifying {
    /// Teams that are not finished, the next at the end.
    teams: Vec<TeamBeingVerified>,
    done: u64,
    of: u64,
    found: Verification,
}

struct TeamBeingVerified {
    team: TeamId,
    verifier: Verifier,
    /// DAGs that are not finished with how many entries each has, the next at the end.
    dags: Vec<(DagId, u64)>,
    /// Entries of the next that were judged.
    start: u64,
}

impl Verifying {
    /// How many entries were judged, and of how many.
    pub fn progress(&self) -> (u64, u64) {
        (self.done, self.of)
    }
}

impl<S: Storage> Replica<S> {
    /// Judges stored entries anew, as if they had just arrived, and names what does not stand.
    ///
    /// # Errors
    /// [`ReplicaError::Store`] where the store cannot be read.
    pub fn verify(&self, scope: VerifyScope) -> Result<Verification, ReplicaError> {
        let mut verifying = self.begin_verify(scope);
        loop {
            if let Some(found) = self.step_verify(&mut verifying)? {
                return Ok(found);
            }
        }
    }

    /// As [`Replica::verify`], step by step, so that other work can be done in between.
    pub fn begin_verify(&self, scope: VerifyScope) -> Verifying {
        let mut teams = self.store.teams();
        teams.retain(|team| scope.incident.is_none_or(|(of, _)| of == *team));
        // The order in which they are taken off the end is that of their ids.
        teams.reverse();
        let teams: Vec<TeamBeingVerified> = teams.into_iter().map(|team| self.begin_team(team, scope)).collect();
        let of = teams.iter().flat_map(|team| &team.dags).map(|(_, count)| count).sum();
        Verifying { teams, done: 0, of, found: Verification::default() }
    }

    fn begin_team(&self, team: TeamId, scope: VerifyScope) -> TeamBeingVerified {
        let roster = DagId::from(team);
        let is_meant = |dag: &DagId| scope.incident.is_none_or(|(_, incident)| *dag == incident.into());
        let mut dags: Vec<(DagId, u64)> = Vec::new();
        for dag in self.store.dags(&team).into_iter().filter(|dag| *dag != roster && is_meant(dag)).chain([roster]) {
            // Whatever these entries cite is among them, for it came before.
            dags.push((dag, self.store.count(&dag)));
        }
        let verifier = Verifier::new(team).of_own_store();
        TeamBeingVerified { team, verifier: if scope.every { verifier.every() } else { verifier }, dags, start: 0 }
    }

    /// Goes on with it, for a tenth of a second or so but where a team ends. Answers what was found when it is over.
    ///
    /// # Errors
    /// As [`Replica::verify`].
    pub fn step_verify(&self, verifying: &mut Verifying) -> Result<Option<Verification>, ReplicaError> {
        let Some(TeamBeingVerified { verifier, dags, start, .. }) = verifying.teams.last_mut() else {
            return Ok(Some(std::mem::take(&mut verifying.found)));
        };
        if let Some((dag, count)) = dags.last() {
            let rest = usize::try_from(count.saturating_sub(*start)).unwrap_or(usize::MAX);
            let page = self.store.page(dag, *start, PAGE.min(rest))?;
            for StoredEntry { id, bytes, signature, .. } in &page {
                let Some(entry) = verifier.read(Some(*id), bytes) else { continue };
                let body = match entry.body() {
                    Some(reference) => self.store.body(&reference.hash)?,
                    None => None,
                };
                verifier.judge(entry, *signature, body.as_deref());
            }
            *start += page.len() as u64;
            verifying.done += page.len() as u64;
            if page.is_empty() || *start >= *count {
                dags.pop();
                *start = 0;
            }
        } else if let Some(TeamBeingVerified { team, verifier, .. }) = verifying.teams.pop() {
            let report = verifier.finish().0;
            let found = &mut verifying.found;
            found.entries += report.entries;
            found.signatures_checked += report.signatures_checked;
            found.problems.extend(report.problems.iter().map(|(id, fault)| (*id, fault.to_string())));
            found.teams.push((team, report));
        }
        Ok(None)
    }
}
