//! The names people go by: read once from the bodies of `team-create` and `join`.

use muster_incident::People;
use muster_log::Roster;
use muster_log::{Body, PersonId};
use std::collections::BTreeMap;

/// Handles longer than this are cut: they stand in every line of a timeline.
const HANDLE_CHARS_MAX: usize = 32;

/// Person → handle, as far as the bodies are here.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    by_person: BTreeMap<PersonId, String>,
}

impl Handles {
    pub(crate) fn learn(&mut self, person: PersonId, body: &[u8]) {
        let handle: String = Body::read(body).text().chars().take(HANDLE_CHARS_MAX).collect();
        self.by_person.insert(person, handle);
    }

    /// The handle; a person whose body is not here goes by the beginning of their id.
    pub(crate) fn of(&self, person: &PersonId) -> String {
        match self.by_person.get(person) {
            Some(handle) if !handle.trim().is_empty() => handle.clone(),
            _ => person.to_string().chars().take(8).collect(),
        }
    }

    /// The handle as the person gave it, where its body is here.
    pub(crate) fn given(&self, person: &PersonId) -> Option<String> {
        self.by_person.get(person).filter(|handle| !handle.trim().is_empty()).cloned()
    }

    /// Everybody the roster names, for the views; besides, those it once named, whose lines stay.
    pub(crate) fn people(&self, roster: &Roster) -> People {
        let people = People::new(roster.persons().map(|person| (person, self.of(&person), roster.devices(&person))));
        let former = self.by_person.keys().filter(|person| roster.capability(person).is_none());
        people.with_former(former.map(|person| (*person, self.of(person))))
    }
}
