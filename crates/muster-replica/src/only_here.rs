//! What only this device is known to hold: what would be lost if it died now.
//!
//! Knowledge, not guesswork: an entry counts as held elsewhere when another device wrote it, wrote something that builds
//! on it, or acknowledged it durably. From a device that has said nothing nothing follows, and it is counted as silent.

use crate::error::ReplicaError;
use crate::replica::Replica;
use muster_log::{DagId, TeamId};
use muster_store::Storage;
use std::collections::BTreeSet;

/// The entries of a team that no other device is known to hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnlyHere {
    /// Entries of the team on this device.
    pub entries: usize,
    /// Those that no other device is known to hold.
    pub only_here: usize,
    /// Other members' devices.
    pub others: usize,
    /// Those of them that have not yet said what they hold, so that they may hold more than is known.
    pub silent: usize,
    /// Of `only_here`, those of teams in which nobody else is.
    pub alone: usize,
}

impl OnlyHere {
    /// Both counted together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            only_here: self.only_here + other.only_here,
            others: self.others + other.others,
            silent: self.silent + other.silent,
            alone: self.alone + other.alone,
        }
    }
}

impl<S: Storage> Replica<S> {
    /// Counts the entries of a team that no other device is known to hold.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`], [`ReplicaError::Store`].
    pub fn count_only_here(&self, team: &TeamId) -> Result<OnlyHere, ReplicaError> {
        let state = self.teams.get(team).ok_or(ReplicaError::NoSuchTeam(*team))?;
        let me = self.device();
        let mut others = state.ledger.roster().members();
        others.remove(&me);
        let mut counted = OnlyHere {
            others: others.len(),
            silent: others.iter().filter(|device| !state.receipts.contains_key(device)).count(),
            ..OnlyHere::default()
        };
        let gone: BTreeSet<DagId> = self.carried()?.into_iter().map(|(from, _)| DagId::from(from)).collect();
        // What went along to another team is counted there.
        for (_, dag) in state.ledger.dags().filter(|(id, _)| !gone.contains(id)) {
            counted.entries += dag.len();
            counted.only_here += state.only_here(dag, &me).len();
        }
        counted.alone = if others.is_empty() { counted.only_here } else { 0 };
        Ok(counted)
    }

    /// Whether a team has incidents that did not go along to another one.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`], [`ReplicaError::Store`].
    pub fn has_what_stayed(&self, team: &TeamId) -> Result<bool, ReplicaError> {
        let state = self.teams.get(team).ok_or(ReplicaError::NoSuchTeam(*team))?;
        let gone: BTreeSet<_> = self.carried()?.into_iter().map(|(from, _)| from).collect();
        Ok(state.incidents().iter().any(|incident| !gone.contains(incident)))
    }
}
