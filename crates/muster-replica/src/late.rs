//! Late arrivals: what others wrote and reached this device well after they wrote it, until somebody here has seen it.
//!
//! The mark is local: how far the incident's entries, in the order in which they came, had been seen. Decides nothing.

use crate::error::ReplicaError;
use crate::local;
use crate::replica::Replica;
use crate::team::Team;
use muster_log::{DagId, DeviceKey, Entry, EntryId, IncidentId, TeamId, Timestamp};
use muster_store::Storage;
use std::collections::{BTreeMap, BTreeSet};

/// How much later than it was written an entry must come to be a late arrival, in milliseconds: longer than any retry of
/// sync, so that only being apart makes one.
pub const LATE_MS: i64 = 120_000;

impl<S: Storage> Replica<S> {
    /// The late arrivals of an incident that nobody here has marked as seen, in the order in which they came.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`].
    pub fn late_arrivals(&self, team: &TeamId, incident: &IncidentId) -> Result<&[EntryId], ReplicaError> {
        let state = self.teams.get(team).ok_or(ReplicaError::NoSuchTeam(*team))?;
        Ok(state.late.get(&DagId::from(*incident)).map_or(&[], Vec::as_slice))
    }

    /// Marks all that came so far in an incident as seen; durable with the next commit. Returns how many late arrivals
    /// that were.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`], [`ReplicaError::Store`].
    pub fn mark_seen(&mut self, team: TeamId, incident: IncidentId) -> Result<usize, ReplicaError> {
        let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        let dag = DagId::from(incident);
        let late = state.late.remove(&dag).unwrap_or_default().len();
        let came = state.ledger.dag(&dag).map_or(0, |dag| dag.len());
        if late > 0 {
            self.set_local(local::seen(&incident), Some(came.to_string().into_bytes()))?;
        }
        Ok(late)
    }
}

impl Team {
    /// Whether an entry of others came late.
    pub(crate) fn is_late(&self, entry: &Entry, received: Timestamp, me: &DeviceKey) -> bool {
        let roster = DagId::from(self.ledger.team());
        if entry.key() == *me || entry.dag() == roster {
            return false;
        }
        let clock_off = self.heard.get(&entry.key()).and_then(|heard| heard.clock_offset_ms).unwrap_or(0);
        let written = entry.claimed().time.0.saturating_sub(clock_off);
        if received.0.saturating_sub(written) < LATE_MS {
            return false;
        }
        // What the team wrote before this person came is history.
        let since = self.person_of(me).and_then(|person| self.ledger.entry(&person.genesis())).map(Entry::claimed);
        let is_history = since.is_some_and(|joined| written < joined.time.0);
        !is_history
    }
}

/// How many entries of an incident were here when it was last marked as seen.
pub(crate) fn seen_mark<S: Storage>(store: &S, dag: &DagId) -> Result<u64, ReplicaError> {
    let mark = store.local(&local::seen(&IncidentId::of_genesis(dag.genesis())))?;
    Ok(mark.and_then(|text| String::from_utf8(text).ok()?.parse().ok()).unwrap_or(0))
}

/// The marks that are otherwise without these entries, as local facts: the mark is a place in the order in which entries came,
/// and those behind it would count as seen.
pub(crate) fn seen_marks_without<S: Storage>(
    store: &S,
    fallen: &BTreeSet<EntryId>,
) -> Result<BTreeMap<String, Option<Vec<u8>>>, ReplicaError> {
    let mut facts = BTreeMap::new();
    let mut marks: BTreeMap<String, Vec<u8>> = store.locals(local::SEEN)?.into_iter().collect();
    for team in store.teams() {
        for dag in store.dags(&team).into_iter().filter(|dag| *dag != DagId::from(team)) {
            let key = local::seen(&IncidentId::of_genesis(dag.genesis()));
            if marks.remove(&key).is_none() {
                continue;
            }
            let mark = seen_mark(store, &dag)?;
            let seen = store.entries(&dag)?.into_iter().take(usize::try_from(mark).unwrap_or(usize::MAX));
            let stands = seen.filter(|entry| !fallen.contains(&entry.id)).count();
            if stands as u64 != mark {
                facts.insert(key, (stands > 0).then(|| stands.to_string().into_bytes()));
            }
        }
    }
    // Of these incidents nothing is here.
    facts.extend(marks.into_keys().map(|key| (key, None)));
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_store::{MemoryStore, StoredEntry, Write};

    fn id(n: u8) -> EntryId {
        EntryId::from_bytes([n; 32])
    }

    fn incident(n: u8) -> IncidentId {
        IncidentId::of_genesis(id(n))
    }

    /// Two incidents of ten entries each, of which seven and all were seen, and one of which nothing is left.
    fn store() -> MemoryStore {
        let mut store = MemoryStore::new();
        for n in 100..120 {
            let dag = DagId::from(incident(1 + n % 2));
            let (team, received) = (TeamId::from_bytes([9; 32]), Timestamp(0));
            store
                .stage(Write::Entry(StoredEntry { bytes: vec![n], id: id(n), team, dag, received, signature: None }))
                .unwrap();
        }
        for (incident, seen) in [(incident(1), "7"), (incident(2), "10"), (incident(3), "4")] {
            store.stage(Write::Local { key: local::seen(&incident), value: Some(seen.into()) }).unwrap();
        }
        store.commit().unwrap();
        store
    }

    #[test]
    fn a_mark_stands_behind_what_was_seen_and_is_left() {
        let (store, gone) = (store(), (local::seen(&incident(3)), None));
        assert_eq!(seen_marks_without(&store, &BTreeSet::new()).unwrap(), [gone.clone()].into());
        // The first, the seventh and the eighth of the first; none of the second.
        let fallen = [100, 112, 114].map(id).into();
        let five = (local::seen(&incident(1)), Some(b"5".to_vec()));
        assert_eq!(seen_marks_without(&store, &fallen).unwrap(), [five, gone].into());
    }
}
