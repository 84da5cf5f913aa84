//! The names people go by: read once from the bodies of `team-create` and `join`.

use muster_incident::People;
use muster_log::ledger::Ledger;
use muster_log::{Body, DagId, EntryId, Part, PersonId};
use std::collections::BTreeMap;

/// Handles longer than this are cut: they stand in every line of a timeline.
const HANDLE_CHARS_MAX: usize = 32;

/// Person → handle, as far as the bodies are here.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    by_person: BTreeMap<PersonId, String>,
    /// What `team-create` calls the team, and a guest the own one.
    teams: BTreeMap<PersonId, String>,
}

/// The people of a team that is not on this device, from its ledger and the bodies of `team-create` and `join`.
pub fn people_of<'a>(ledger: &Ledger, bodies: impl IntoIterator<Item = (&'a EntryId, &'a [u8])>) -> People {
    let mut handles = Handles::default();
    for (genesis, body) in bodies {
        handles.learn(PersonId::of_genesis(*genesis), body);
    }
    handles.people(ledger)
}

impl Handles {
    pub(crate) fn learn(&mut self, person: PersonId, body: &[u8]) {
        let body = Body::read(body);
        let shortened = |text: &str| text.chars().take(HANDLE_CHARS_MAX).collect::<String>();
        self.by_person.insert(person, shortened(body.text()));
        self.teams.extend(body.get(Part::Team).map(|team| (person, shortened(team))));
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

    /// The name of a team that a person's `team-create` or `join` told.
    pub(crate) fn team_told_by(&self, person: &PersonId) -> Option<&str> {
        self.teams.get(person).map(String::as_str)
    }

    /// Everybody the roster names, for the views; besides, those it once named, whose lines stay.
    pub(crate) fn people(&self, ledger: &Ledger) -> People {
        let (roster, founder) = (ledger.roster(), DagId::from(ledger.team()).genesis());
        let people = People::new(roster.persons().map(|person| (person, self.of(&person), roster.devices(&person))));
        let guests = roster.persons().filter(|person| roster.guest_of(person).is_some());
        let people =
            people.with_guests(guests.map(|guest| (guest, self.team_told_by(&guest).unwrap_or_default().to_owned())));
        let former = self.by_person.keys().filter(|person| roster.capability(person).is_none());
        let people = people.with_former(former.clone().map(|person| (*person, self.of(person))));
        // The roster no longer tells who was a guest; the `join` does.
        let guests = former.filter(|person| person.genesis() != founder);
        people.with_former_guests(guests.filter_map(|guest| Some((*guest, self.team_told_by(guest)?.to_owned()))))
    }
}
