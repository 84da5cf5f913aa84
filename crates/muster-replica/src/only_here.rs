//! What only this device is known to hold: what would be lost if it died now.
//!
//! Knowledge, not guesswork: an entry counts as held elsewhere when another device wrote it, wrote something that builds
//! on it, or acknowledged it durably. From a device that has said nothing nothing follows, and it is counted as silent.

use crate::error::ReplicaError;
use crate::replica::Replica;
use muster_log::TeamId;
use muster_store::Storage;

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
}

impl<S: Storage> Replica<S> {
    /// Counts the entries of a team that no other device is known to hold.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`].
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
        for (_, dag) in state.ledger.dags() {
            counted.entries += dag.len();
            counted.only_here += state.only_here(dag, &me).len();
        }
        Ok(counted)
    }
}
