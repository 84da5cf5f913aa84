//! Who may hold an incident now: by the whole roster, the `declare`, and the `admit` entries that are active.
//!
//! What an entry's own past says of it is in `holding`.

use super::Ledger;
use crate::admission::Judged;
use crate::ids::{DagId, EntryId, IncidentId, PersonId};
use crate::status::Status;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The `admit` entries that are not void, and whom those name that are active.
#[derive(Debug, Default)]
pub(super) struct Holders {
    admits: BTreeMap<DagId, BTreeMap<EntryId, PersonId>>,
    /// Worked out since the last entry that could change it: statuses of a long incident take their time.
    active: Mutex<BTreeMap<DagId, Arc<BTreeSet<PersonId>>>>,
}

impl Holders {
    /// Takes note of an entry that was admitted.
    pub(super) fn note(&mut self, verdict: &Judged, id: EntryId) {
        if let Some(person) = verdict.admits {
            self.admits.entry(verdict.dag).or_default().insert(id, person);
        }
        let active = self.active.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Of the roster every status may be another.
        match verdict.standpoint {
            Some(_) => drop(active.remove(&verdict.dag)),
            None => active.clear(),
        }
    }
}

impl Ledger {
    /// Whether a person may hold an incident: as one whom it names, as a member, or as its guest. Nobody who is not in the
    /// roster may, and nobody an incident that is not here.
    pub fn may_hold(&self, person: &PersonId, incident: &IncidentId) -> bool {
        let roster = self.roster();
        let dag = DagId::from(*incident);
        let Some(named) = self.holdings.named(&dag) else { return false };
        if roster.capability(person).is_none() {
            return false;
        }
        let by_itself = match named {
            Some(named) => named.contains(person),
            None => roster.guest_of(person).is_none_or(|of| of == *incident),
        };
        by_itself || self.admitted_to(&dag).contains(person)
    }

    /// Whether the incident is here and private: only those whom it names may hold it.
    pub fn is_private(&self, incident: &IncidentId) -> bool {
        self.holdings.is_private(&(*incident).into())
    }

    /// The persons whom a private incident names, by its `declare` and by active `admit` entries: `None` where it is the
    /// team's. Of an incident that is not here, nobody.
    pub fn names(&self, incident: &IncidentId) -> Option<BTreeSet<PersonId>> {
        let dag = DagId::from(*incident);
        let Some(named) = self.holdings.named(&dag) else { return Some(BTreeSet::new()) };
        named.map(|named| named.union(&self.admitted_to(&dag)).copied().collect())
    }

    /// Private incidents here, by id.
    pub fn private_incidents(&self) -> impl Iterator<Item = IncidentId> {
        self.holdings.private().map(|dag| IncidentId::of_genesis(dag.genesis()))
    }

    /// Incidents of the team here that guests may hold, by id.
    pub fn incidents_with_guests(&self) -> BTreeSet<IncidentId> {
        let roster = self.roster();
        let admitting = self.holders.admits.keys().map(|dag| IncidentId::of_genesis(dag.genesis()));
        let visited = roster.persons().filter_map(|person| roster.guest_of(&person));
        let is_here = |incident: &IncidentId| matches!(self.holdings.named(&(*incident).into()), Some(None));
        admitting.chain(visited).filter(is_here).collect()
    }

    /// The persons of the roster who may hold the incident, by id.
    pub fn holders(&self, incident: &IncidentId) -> BTreeSet<PersonId> {
        self.roster().persons().filter(|person| self.may_hold(person, incident)).collect()
    }

    /// Whether an entry is an `admit` whose author could let somebody in, which its own past decides. It has an effect while
    /// it is active.
    pub fn is_admit(&self, incident: &IncidentId, entry: &EntryId) -> bool {
        self.holders.admits.get(&(*incident).into()).is_some_and(|admits| admits.contains_key(entry))
    }

    /// Whom active `admit` entries name.
    fn admitted_to(&self, dag: &DagId) -> Arc<BTreeSet<PersonId>> {
        let Some(admits) = self.holders.admits.get(dag) else { return Arc::default() };
        let mut active = self.holders.active.lock().unwrap_or_else(PoisonError::into_inner);
        let persons = active.entry(*dag).or_insert_with(|| {
            let incident = IncidentId::of_genesis(dag.genesis());
            let statuses = if self.is_quiet(&incident) { BTreeMap::new() } else { self.statuses(&incident) };
            let is_active = |id: &EntryId| statuses.get(id).is_none_or(|status| *status == Status::Active);
            Arc::new(admits.iter().filter(|(id, _)| is_active(id)).map(|(_, person)| *person).collect())
        });
        Arc::clone(persons)
    }
}
