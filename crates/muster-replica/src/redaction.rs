//! Redacted bodies are hidden as soon as the redaction is admitted, and shown again when it counts no more.
//!
//! Who redacted what follows from the set of entries ([`Ledger::redacted`]). When a hidden body leaves this disk is in
//! [`crate::erasing`].

use crate::error::ReplicaError;
use crate::local;
use crate::replica::Replica;
use crate::team::Team;
use muster_log::ledger::Ledger;
use muster_log::{BodyHash, DagId, Entry, EntryId, Fact, IncidentId, Kind, Redacted, Standing, Taken, TeamId};
use muster_store::Storage;
use std::collections::{BTreeMap, BTreeSet};

/// Characters of the shortest text of which a repetition is told; shorter ones say nothing.
const REPEAT_CHARS_MIN: usize = 6;

/// Repetitions of a text that are told.
const REPEATS_MAX: usize = 16;

type ByDag = BTreeMap<DagId, BTreeMap<EntryId, Redacted>>;

/// What is redacted in one team, as it stands.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    /// By redactions in the team.
    by: ByDag,
    /// Originals of own entries that came along to another team and were redacted there.
    originals: ByDag,
    /// The bodies of all these.
    bodies: BTreeSet<BodyHash>,
}

impl Hidden {
    /// The redactions of an entry, by id.
    pub(crate) fn redacted_by(&self, dag: &DagId, id: &EntryId) -> Vec<EntryId> {
        let of = |all: &ByDag| all.get(dag)?.get(id).map(|redacted| redacted.by.clone());
        of(&self.by).or_else(|| of(&self.originals)).unwrap_or_default()
    }

    /// The bodies that are not shown, asked for, sent or taken.
    pub(crate) fn bodies(&self) -> &BTreeSet<BodyHash> {
        &self.bodies
    }

    /// Whether anything of a DAG is redacted.
    pub(crate) fn is_any(&self, dag: &DagId) -> bool {
        [&self.by, &self.originals].iter().any(|all| all.get(dag).is_some_and(|of| !of.is_empty()))
    }

    /// Everything that is redacted, in which DAG and by whom.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&DagId, &EntryId, &Redacted)> {
        [&self.by, &self.originals]
            .into_iter()
            .flatten()
            .flat_map(|(dag, of)| of.iter().map(move |(id, redacted)| (dag, id, redacted)))
    }
}

impl<S: Storage> Replica<S> {
    /// Whether the body of an entry is redacted, as it stands.
    pub fn is_redacted(&self, team: &TeamId, id: &EntryId) -> bool {
        let state = self.teams.get(team);
        state.is_some_and(|state| {
            let body = state.ledger.entry(id).and_then(Entry::body);
            body.is_some_and(|body| state.hidden.bodies.contains(&body.hash))
        })
    }

    /// The own hand is about to redact: whether it may, and what it should know.
    pub(crate) fn before_redacting(
        &mut self,
        team: TeamId,
        incident: IncidentId,
        target: EntryId,
    ) -> Result<Vec<String>, ReplicaError> {
        let me = self.device();
        let state = self.teams.get(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        let person = state.person_of(&me);
        if !person.is_some_and(|person| state.ledger.may_redact(&person, &target)) {
            return Err(ReplicaError::NotAllowed("only the author of an entry or an admin redacts it".into()));
        }
        // What becomes of the text is told when that is known: [`Replica::erasure_by`].
        let has_removed = state
            .ledger
            .removals()
            .iter()
            .any(|removal| removal.standing == Standing::Counts && matches!(removal.taken, Taken::Devices { .. }));
        let mut notes = vec![
            "copies that left muster before stay: exports, bundles, backups, a terminal's history, `unsent-N.txt` of a \
             command that failed"
                .to_owned(),
        ];
        if has_removed {
            notes.push("a device that was removed from the team hears nothing of this and keeps the text".to_owned());
        }
        let repeats = self.repeats(team, incident, target)?;
        if !repeats.is_empty() {
            let ids: Vec<String> = repeats.iter().map(|id| id.to_string()[..8].to_owned()).collect();
            notes.push(format!("these say the same and are not redacted: {}", ids.join(", ")));
        }
        // It goes from here before anybody is told that it did.
        self.erasing.is_urgent = true;
        Ok(notes)
    }

    /// Entries of the incident that repeat the text of one, or of which it repeats the text; the oldest here first.
    fn repeats(&self, team: TeamId, incident: IncidentId, of: EntryId) -> Result<Vec<EntryId>, ReplicaError> {
        let text = |id: &EntryId| -> Result<String, ReplicaError> {
            Ok(self.text(&team, id)?.map(|text| text.trim().to_owned()).unwrap_or_default())
        };
        let wanted = text(&of)?;
        let long = |text: &str| text.chars().count() >= REPEAT_CHARS_MIN;
        let mut found = Vec::new();
        let Some(dag) = self.ledger(&team)?.dag(&incident.into()).filter(|_| long(&wanted)) else { return Ok(found) };
        for id in dag.order().iter().filter(|id| **id != of) {
            let text = text(id)?;
            if long(&text) && (text.contains(&wanted) || wanted.contains(&text)) {
                found.push(*id);
                if found.len() == REPEATS_MAX {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Entries came to a team: hides what is redacted now, and wants again what no longer is.
    pub(crate) fn hide(&mut self, team: TeamId, admitted: &[EntryId]) -> Result<(), ReplicaError> {
        let Some(state) = self.teams.get(&team) else { return Ok(()) };
        let roster = DagId::from(team);
        let touched: BTreeSet<DagId> = admitted.iter().filter_map(|id| Some(state.ledger.entry(id)?.dag())).collect();
        let all = touched.contains(&roster);
        let dags = state.ledger.dags().map(|(dag, _)| *dag).filter(|dag| all || touched.contains(dag));
        let dags: Vec<DagId> = dags.filter(|dag| state.ledger.has_redactions(dag)).collect();
        if dags.is_empty() {
            return Ok(());
        }
        let redacts = |id: &EntryId| state.ledger.entry(id).is_some_and(|entry| entry.kind() == Kind::REDACTION);
        // What they redact may stand where the store knows nothing of it, and is asked for once more.
        let is_news = admitted.iter().any(redacts);
        self.hide_in(team, &dags)?;
        self.hide_originals()?;
        self.erasing.is_asked |= is_news;
        self.note_sought()
    }

    /// Hides everything that is redacted: after opening.
    pub(crate) fn hide_all(&mut self) -> Result<(), ReplicaError> {
        for team in self.teams() {
            let Some(state) = self.teams.get(&team) else { continue };
            let dags = state.ledger.dags().map(|(dag, _)| *dag).filter(|dag| state.ledger.has_redactions(dag));
            let dags: Vec<DagId> = dags.collect();
            self.hide_in(team, &dags)?;
        }
        self.hide_originals()?;
        let keys = self.store.locals(local::SOUGHT)?.into_iter();
        self.erasing.noted = keys.filter_map(|(key, _)| key.strip_prefix(local::SOUGHT)?.parse().ok()).collect();
        self.erasing.fresh = self.erasing.noted.clone();
        Ok(())
    }

    fn hide_in(&mut self, team: TeamId, dags: &[DagId]) -> Result<(), ReplicaError> {
        let Some(state) = self.teams.get_mut(&team) else { return Ok(()) };
        for dag in dags {
            let now = state.ledger.redacted(&IncidentId::of_genesis(dag.genesis()));
            let before = state.hidden.by.insert(*dag, now.clone()).unwrap_or_default();
            if now != before {
                self.erasing.is_asked = true;
                self.erasing.fresh.extend(state.changed(dag, &before, &now, &self.store)?);
            }
        }
        Ok(())
    }

    /// What was declared alone and came along stands twice on this device; redacted in the one place, it is in the other.
    fn hide_originals(&mut self) -> Result<(), ReplicaError> {
        let me = self.device();
        let mut originals: BTreeMap<TeamId, ByDag> = BTreeMap::new();
        for state in self.teams.values() {
            for (_, id, redacted) in state.hidden.all() {
                let Some(copy) = state.ledger.entry(id).filter(|copy| copy.key() == me) else { continue };
                let Ok(Fact::Incident(fact)) = copy.fact() else { continue };
                let Some(origin) = fact.origin.map(|origin| origin.entry) else { continue };
                for (team, other) in &self.teams {
                    if let Some(original) = other.ledger.entry(&origin).filter(|original| original.key() == me) {
                        let of = originals.entry(*team).or_default().entry(original.dag()).or_default();
                        of.insert(origin, redacted.clone());
                    }
                }
            }
        }
        for (team, state) in &mut self.teams {
            let now = originals.remove(team).unwrap_or_default();
            let before = std::mem::replace(&mut state.hidden.originals, now.clone());
            if now == before {
                continue;
            }
            self.erasing.is_asked = true;
            let (nothing, dags) = (BTreeMap::new(), before.keys().chain(now.keys()).collect::<BTreeSet<_>>());
            for dag in dags {
                let (before, now) = (before.get(dag).unwrap_or(&nothing), now.get(dag).unwrap_or(&nothing));
                self.erasing.fresh.extend(state.changed(dag, before, now, &self.store)?);
            }
        }
        Ok(())
    }
}

impl Team {
    /// Takes in what changed of what is hidden in a DAG; gives the bodies that were hidden now.
    fn changed<S: Storage>(
        &mut self,
        dag: &DagId,
        before: &BTreeMap<EntryId, Redacted>,
        now: &BTreeMap<EntryId, Redacted>,
        store: &S,
    ) -> Result<BTreeSet<BodyHash>, ReplicaError> {
        let incident = IncidentId::of_genesis(dag.genesis());
        self.documents.forget(&incident);
        self.summaries.forget(&incident);
        let body_of = |ledger: &Ledger, id: &EntryId| ledger.entry(id).and_then(muster_log::Entry::body);
        let mut fresh = BTreeSet::new();
        for id in now.keys() {
            if let Some(missing) = self.missing_bodies.get_mut(dag) {
                missing.remove(id);
            }
            fresh.extend(body_of(&self.ledger, id).filter(|_| before.get(id) != now.get(id)).map(|body| body.hash));
        }
        for id in before.keys().filter(|id| !now.contains_key(id)) {
            // It is wanted again, if it is not here any more.
            if let Some(body) = body_of(&self.ledger, id)
                && !store.contains_body(&body.hash)?
            {
                self.missing_bodies.entry(*dag).or_default().insert(*id);
            }
        }
        let bodies = self.hidden.all().filter_map(|(_, id, _)| body_of(&self.ledger, id)).map(|body| body.hash);
        let bodies: BTreeSet<BodyHash> = bodies.collect();
        self.hidden.bodies = bodies;
        Ok(fresh)
    }
}
