//! Who may hold an incident, as far as its own entries say: what `declare` names, and whom `admit` entries add.
//!
//! Persons admitted are sets of numbers of the roster's graph, each kept once: nearly every entry of an incident has the
//! set of its parents. Whether an `admit` is active, which serving asks, is in `ledger`.

use crate::entry::Entry;
use crate::fact::{Declare, Fact, IncidentFact, Kind, Visibility, What};
use crate::ids::{DagId, PersonId};
use crate::roster::{Mask, Roster};
use std::collections::{BTreeMap, BTreeSet};

/// Who may hold each incident by its own entries.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// By incident, whom its `declare` names: `None` stands for the team.
    born: BTreeMap<DagId, Option<BTreeSet<PersonId>>>,
    sets: Vec<Mask>,
    number_of: BTreeMap<Mask, u32>,
}

impl Holdings {
    /// An incident begins.
    pub(crate) fn born(&mut self, declare: &Entry, author: PersonId) {
        self.born.insert(declare.dag(), named_by(declare, author));
    }

    /// How many sets there are; see [`Holdings::take_back`].
    pub(crate) fn mark(&self) -> usize {
        self.sets.len()
    }

    /// Forgets these incidents, and every set that came since `mark`.
    pub(crate) fn take_back(&mut self, mark: usize, incidents: impl Iterator<Item = DagId>) {
        incidents.for_each(|incident| drop(self.born.remove(&incident)));
        for set in self.sets.drain(mark.min(self.sets.len())..) {
            self.number_of.remove(&set);
        }
    }

    /// Whom the `declare` of an incident names: the inner `None` stands for the team, the outer for an incident that is not here.
    pub(crate) fn named(&self, incident: &DagId) -> Option<Option<&BTreeSet<PersonId>>> {
        self.born.get(incident).map(Option::as_ref)
    }

    /// Private incidents, by id.
    pub(crate) fn private(&self) -> impl Iterator<Item = DagId> {
        self.born.iter().filter(|(_, named)| named.is_some()).map(|(dag, _)| *dag)
    }

    /// Whether the incident is here and private.
    pub(crate) fn is_private(&self, incident: &DagId) -> bool {
        matches!(self.born.get(incident), Some(Some(_)))
    }

    /// Whether a person may hold an incident, given whom `admit` entries name and a roster. `number` is the person's in the
    /// roster's graph.
    pub(crate) fn may_hold(
        &self,
        incident: &DagId,
        person: &PersonId,
        number: Option<u32>,
        admitted: Option<u32>,
        roster: &Roster,
    ) -> bool {
        let is_admitted = || {
            let set = admitted.and_then(|set| self.sets.get(set as usize));
            number.is_some_and(|number| set.is_some_and(|set| set.contains(number)))
        };
        match self.born.get(incident) {
            Some(Some(named)) => named.contains(person) || is_admitted(),
            Some(None) => roster.guest_of(person).is_none_or(|of| DagId::from(of) == *incident) || is_admitted(),
            None => false,
        }
    }

    /// The union of sets, by their numbers.
    pub(crate) fn union(&mut self, sets: impl Iterator<Item = u32>) -> Option<u32> {
        let different: BTreeSet<u32> = sets.collect();
        let mut sets = different.into_iter();
        let first = sets.next()?;
        let Some(second) = sets.next() else { return Some(first) };
        let mut all = self.sets.get(first as usize).cloned().unwrap_or_default();
        std::iter::once(second)
            .chain(sets)
            .filter_map(|set| self.sets.get(set as usize))
            .for_each(|set| all.union(set));
        Some(self.number(all))
    }

    /// A set and one person more.
    pub(crate) fn with(&mut self, set: Option<u32>, person: u32) -> u32 {
        let mut all = set.and_then(|set| self.sets.get(set as usize)).cloned().unwrap_or_default();
        all.insert(person);
        self.number(all)
    }

    fn number(&mut self, set: Mask) -> u32 {
        let next = self.sets.len() as u32;
        *self.number_of.entry(set).or_insert_with_key(|set| {
            self.sets.push(set.clone());
            next
        })
    }
}

/// Whom an entry names that is an `admit` of good form.
pub(crate) fn admitted_by(entry: &Entry) -> Option<PersonId> {
    match (entry.kind() == Kind::ADMIT).then(|| entry.fact()) {
        Some(Ok(Fact::Incident(IncidentFact { what: What::Admit { person }, .. }))) => Some(person),
        _ => None,
    }
}

/// The persons that may hold what `declare` begins: its author and those it names, or the team.
fn named_by(declare: &Entry, author: PersonId) -> Option<BTreeSet<PersonId>> {
    match declare.fact() {
        Ok(Fact::Incident(IncidentFact {
            what: What::Declare(Declare { visibility: Visibility::Private(persons), .. }),
            ..
        })) => Some(persons.into_iter().chain([author]).collect()),
        _ => None,
    }
}
