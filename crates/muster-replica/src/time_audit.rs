//! Time brackets of an incident's entries, kept up to date from look to look.

use crate::error::ReplicaError;
use crate::replica::Replica;
use muster_log::{Bracket, DagId, EntryId, IncidentId, TeamId, TimeBrackets, TimeLabel};
use muster_store::Storage;
use std::collections::BTreeMap;

/// Incidents whose brackets are kept: some hundred and fifty bytes an entry, made anew in milliseconds.
const KEPT_MAX: usize = 8;

/// What others' clocks say of when an entry was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeFinding {
    /// Between which times.
    pub bracket: Bracket,
    /// How the author's own claim fits.
    pub label: TimeLabel,
}

/// The time findings of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeAudit {
    /// Of every entry.
    pub findings: BTreeMap<EntryId, TimeFinding>,
    /// How many persons' clocks may be wrong on each side without moving a bracket (f).
    pub spare: usize,
}

/// Brackets by incident.
pub(crate) type KeptBrackets = BTreeMap<IncidentId, TimeBrackets>;

impl<S: Storage> Replica<S> {
    /// Between which provable times every entry of an incident was written, and how its author's claim fits.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`], [`ReplicaError::NoSuchIncident`].
    pub fn time_audit(&mut self, team: TeamId, incident: IncidentId) -> Result<TimeAudit, ReplicaError> {
        let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        let dag = state.ledger.dag(&DagId::from(incident)).ok_or(ReplicaError::NoSuchIncident(incident))?;
        if state.brackets.len() >= KEPT_MAX && !state.brackets.contains_key(&incident) {
            state.brackets.clear();
        }
        let brackets = state.brackets.entry(incident).or_default();
        brackets.update(&state.ledger, &incident);
        let finding = |entry: &muster_log::Entry| {
            let bracket = brackets.of(dag, &entry.id())?;
            Some((entry.id(), TimeFinding { bracket, label: bracket.label(entry.claimed().time) }))
        };
        Ok(TimeAudit { findings: dag.entries().filter_map(finding).collect(), spare: brackets.spare() })
    }
}
