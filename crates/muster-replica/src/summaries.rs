//! Summaries of all incidents, without deriving all their documents.
//!
//! A summary is kept with everything that it was made from: the heads, which stand for all entries, what of them does
//! not count, and whether all bodies were here. While these are the same the summary is too; else it is made anew.
//! [`Replica::keep_summaries`] gives the kept ones as bytes for a file beside the store, [`Replica::take_summaries`]
//! takes them back: derived like the index, so the file may be damaged, of another time or missing. Names are not
//! kept, they are looked up.

use crate::error::ReplicaError;
use crate::replica::Replica;
use crate::team::{Bodies, Team};
use muster_incident::{People, SUMMARY_VERSION, Summary, commanders, summary};
use muster_log::{BodyHash, DagId, EntryId, IncidentId, PersonId, Status, TeamId};
use muster_store::Storage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One kept summary.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    made_from: MadeFrom,
    /// The commanders, whose names may change.
    commanders: Vec<String>,
    summary: Summary,
}

/// What a summary was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct MadeFrom {
    heads: Vec<String>,
    /// The entries that are not active, with what they are.
    aside: Vec<(String, String)>,
}

impl Summaries {
    /// Something of an incident was redacted, or no longer is.
    pub(crate) fn forget(&mut self, incident: &IncidentId) {
        self.kept.remove(incident);
    }
}

/// What goes into the file.
#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    summaries: BTreeMap<String, Kept>,
}

/// The kept summaries of a team.
#[derive(Debug, Default)]
pub(crate) struct Summaries {
    kept: BTreeMap<IncidentId, Kept>,
    /// How many were made since they were last given out.
    made: usize,
}

impl<S: Storage> Replica<S> {
    /// An incident in a few words.
    ///
    /// # Errors
    /// As [`Replica::document`].
    pub fn summary(&mut self, team: TeamId, incident: IncidentId) -> Result<Summary, ReplicaError> {
        let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        let people = state.people();
        state.summary(&incident, &people, &self.store, &self.staged_bodies)
    }

    /// All of [`Replica::incidents`] in a few words.
    ///
    /// # Errors
    /// As [`Replica::document`].
    pub fn summaries(&mut self) -> Result<Vec<(TeamId, IncidentId, Summary)>, ReplicaError> {
        let mut all = Vec::new();
        let mut people: BTreeMap<TeamId, People> = BTreeMap::new();
        for (team, incident) in self.incidents()? {
            let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
            let people = people.entry(team).or_insert_with(|| state.people());
            all.push((team, incident, state.summary(&incident, people, &self.store, &self.staged_bodies)?));
        }
        Ok(all)
    }

    /// How many summaries were made that [`Replica::keep_summaries`] has not given out.
    pub fn summaries_made(&self) -> usize {
        self.teams.values().map(|team| team.summaries.made).sum()
    }

    /// All summaries at hand, for [`Replica::take_summaries`] of another process.
    pub fn keep_summaries(&mut self) -> Vec<u8> {
        let mut summaries = BTreeMap::new();
        for team in self.teams.values_mut() {
            team.summaries.made = 0;
            summaries.extend(team.summaries.kept.iter().map(|(id, kept)| (id.to_string(), kept.clone())));
        }
        // Maps with text keys and plain values always become JSON; an empty file would only cost time.
        serde_json::to_vec(&File { version: SUMMARY_VERSION, summaries }).unwrap_or_default()
    }

    /// Takes summaries that were kept before. What does not fit what is here is not used; bytes that cannot be read are
    /// as none.
    pub fn take_summaries(&mut self, bytes: &[u8]) {
        let file = serde_json::from_slice(bytes).ok();
        let Some(File { summaries, .. }) = file.filter(|file: &File| file.version == SUMMARY_VERSION) else { return };
        for (id, kept) in summaries {
            let Ok(incident) = id.parse::<IncidentId>() else { continue };
            let dag = DagId::from(incident);
            let held = |team: &&mut Team| team.ledger.dag(&dag).is_some();
            // What is kept of one with redactions may be of before.
            let held = |team: &&mut Team| held(team) && !team.hidden.is_any(&dag);
            if let Some(team) = self.teams.values_mut().find(held) {
                team.summaries.kept.entry(incident).or_insert(kept);
            }
        }
    }
}

impl Team {
    fn summary<S: Storage>(
        &mut self,
        incident: &IncidentId,
        people: &People,
        store: &S,
        staged: &BTreeMap<BodyHash, Vec<u8>>,
    ) -> Result<Summary, ReplicaError> {
        let made_from = self.made_from(incident)?;
        if let Some(made_from) = &made_from
            && let Some(kept) = self.summaries.kept.get(incident).filter(|kept| kept.made_from == *made_from)
        {
            return Ok(kept.shown(people));
        }
        let bodies = Bodies { store, hidden: &self.hidden, staged };
        let document = self.documents.get(incident, &self.ledger, &bodies)?;
        let (summary, commanders) = (summary(document, people), commanders(document));
        if let Some(made_from) = made_from {
            let commanders = commanders.iter().map(PersonId::to_string).collect();
            self.summaries.kept.insert(*incident, Kept { made_from, commanders, summary: summary.clone() });
            self.summaries.made += 1;
        }
        Ok(summary)
    }

    /// What the summary of an incident is made from; `None` while bodies are missing, for they may come at any time.
    fn made_from(&self, incident: &IncidentId) -> Result<Option<MadeFrom>, ReplicaError> {
        let dag = DagId::from(*incident);
        let graph = self.ledger.dag(&dag).ok_or(ReplicaError::NoSuchIncident(*incident))?;
        if self.missing_bodies.get(&dag).is_some_and(|missing| !missing.is_empty()) {
            return Ok(None);
        }
        let aside = match self.ledger.is_quiet(incident) {
            true => Vec::new(),
            false => {
                self.ledger.statuses(incident).into_iter().filter(|(_, status)| *status != Status::Active).collect()
            }
        };
        Ok(Some(MadeFrom {
            heads: graph.heads().iter().map(EntryId::to_string).collect(),
            aside: aside.into_iter().map(|(id, status)| (id.to_string(), status.word().to_owned())).collect(),
        }))
    }
}

impl Kept {
    /// The summary with the names that persons have now.
    fn shown(&self, people: &People) -> Summary {
        let mut names: Vec<String> =
            self.commanders.iter().filter_map(|id| id.parse().ok()).map(|person| people.name(&person)).collect();
        names.sort();
        Summary { commanders: names, ..self.summary.clone() }
    }
}
