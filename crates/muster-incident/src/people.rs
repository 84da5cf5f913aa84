//! Who is who: persons, their handles and devices, as the roster's bodies tell.
//!
//! Handles are typed by people and need not differ. Two persons never fold into one: where a handle is shared, each is
//! shown with a suffix of their device.

use crate::{printable, printable_name};
use muster_log::{DeviceKey, PersonId};
use std::collections::BTreeMap;

/// Characters of a handle that are shown; a handle is text of others and can be of any length.
const HANDLE_CHARS_MAX: usize = 64;

/// Characters of a device's text that tell two persons apart, at the least.
const SUFFIX_CHARS_MIN: usize = 4;

/// Between handle and suffix. A handle that holds it is always shown with a suffix, or it could pose as another's.
const SUFFIX_MARK: char = '~';

/// Around a guest's team. A handle that holds one is always shown with a suffix, as above.
const BRACKETS: [char; 2] = ['(', ')'];

/// Characters of a guest's team that are shown.
const TEAM_CHARS_MAX: usize = 24;

/// The persons of a team.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct People {
    persons: BTreeMap<PersonId, Known>,
    /// Names of those who are no longer in the team: their lines stay, but nobody can mean them any more.
    former: BTreeMap<PersonId, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    handle: String,
    /// The team of a guest.
    guest_of: Option<String>,
    shown: String,
    devices: Vec<DeviceKey>,
}

/// Why a typed name is nobody's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownPerson {
    /// Nobody is called so.
    #[error("nobody in the team is called `{typed}`")]
    Nobody {
        /// What was typed.
        typed: String,
        /// Who there is.
        known: Vec<String>,
    },
    /// Several are.
    #[error("several people are called `{typed}`")]
    Several {
        /// What was typed.
        typed: String,
        /// Their names with suffixes.
        candidates: Vec<String>,
    },
}

impl People {
    /// Takes each person's handle and devices, first device first.
    pub fn new(persons: impl IntoIterator<Item = (PersonId, String, Vec<DeviceKey>)>) -> Self {
        let mut persons: BTreeMap<PersonId, Known> = persons
            .into_iter()
            .map(|(person, handle, devices)| {
                let handle: String = printable_name(handle.trim()).chars().take(HANDLE_CHARS_MAX).collect();
                (person, Known { shown: handle.clone(), handle, guest_of: None, devices })
            })
            .collect();
        name_all(&mut persons);
        Self { persons, former: BTreeMap::new() }
    }

    /// Marks guests, each with what they call their own team: they are shown as `carol (network)`, where that is empty as
    /// `carol (guest)`.
    #[must_use]
    pub fn with_guests(mut self, guests: impl IntoIterator<Item = (PersonId, String)>) -> Self {
        for (person, team) in guests {
            if let Some(known) = self.persons.get_mut(&person) {
                known.guest_of = Some(shown_team(&team));
            }
        }
        name_all(&mut self.persons);
        self
    }

    /// Adds the handles of persons who are not in the team any more. A name that somebody else has, or had, gets a suffix;
    /// those of the team keep theirs.
    #[must_use]
    pub fn with_former(mut self, former: impl IntoIterator<Item = (PersonId, String)>) -> Self {
        let former: BTreeMap<PersonId, String> = former
            .into_iter()
            .map(|(person, handle)| (person, printable_name(handle.trim()).chars().take(HANDLE_CHARS_MAX).collect()))
            .collect();
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for handle in self.persons.values().map(|known| &known.handle).chain(former.values()) {
            *times.entry(handle.clone()).or_default() += 1;
        }
        for (person, handle) in former {
            let is_plain = times.get(&handle) == Some(&1) && is_plain(&handle);
            // Eight digits of the id, not of a device: whoever is gone has none.
            let suffix = &person.to_string()[..8];
            let name = if is_plain { handle } else { format!("{handle}{SUFFIX_MARK}{suffix}") };
            self.former.insert(person, name);
        }
        self
    }

    /// Marks guests among those who are not in the team any more, as [`People::with_guests`] does.
    #[must_use]
    pub fn with_former_guests(mut self, guests: impl IntoIterator<Item = (PersonId, String)>) -> Self {
        for (person, team) in guests {
            if let Some(name) = self.former.get_mut(&person) {
                *name = format!("{name} ({})", shown_team(&team));
            }
        }
        self
    }

    /// The name to show: the handle, with a suffix where it would not be unique.
    pub fn name(&self, person: &PersonId) -> String {
        match self.persons.get(person) {
            Some(known) => known.shown.clone(),
            None => match self.former.get(person) {
                Some(name) => name.clone(),
                None => format!("unknown{SUFFIX_MARK}{}", &person.to_string()[..8]),
            },
        }
    }

    /// The devices of a person.
    pub fn devices(&self, person: &PersonId) -> &[DeviceKey] {
        self.persons.get(person).map_or(&[], |known| &known.devices)
    }

    /// All persons, in the order of their ids.
    pub fn persons(&self) -> impl Iterator<Item = PersonId> + '_ {
        self.persons.keys().copied()
    }

    /// The person a typed name means: a name as shown, a handle, a device, or the person's id.
    ///
    /// # Errors
    /// [`UnknownPerson`] where that is nobody or not one.
    pub fn find(&self, typed: &str) -> Result<PersonId, UnknownPerson> {
        let typed = typed.trim().trim_start_matches('@');
        let pick = |matches: &dyn Fn(&PersonId, &Known) -> bool| -> Vec<PersonId> {
            self.persons.iter().filter(|(person, known)| matches(person, known)).map(|(person, _)| *person).collect()
        };
        let exact = pick(&|person, known| {
            known.shown == typed
                || person.to_string() == typed
                || known.devices.iter().any(|device| device.to_string() == typed)
        });
        let found = match exact.as_slice() {
            [] => match pick(&|_, known| known.handle == typed).as_slice() {
                [] => pick(&|_, known| known.handle.to_lowercase() == typed.to_lowercase()),
                same => same.to_vec(),
            },
            _ => exact,
        };
        match found.as_slice() {
            [person] => Ok(*person),
            [] => Err(UnknownPerson::Nobody {
                typed: printable(typed),
                known: self.persons.values().map(|known| known.shown.clone()).collect(),
            }),
            several => Err(UnknownPerson::Several {
                typed: printable(typed),
                candidates: several.iter().map(|person| self.name(person)).collect(),
            }),
        }
    }
}

/// A team's name as it stands behind its people's: short, and nothing in it that could end the brackets.
fn shown_team(name: &str) -> String {
    let name: String =
        printable_name(name.trim()).chars().filter(|c| !BRACKETS.contains(c)).take(TEAM_CHARS_MAX).collect();
    if name.trim().is_empty() { "guest".to_owned() } else { name.trim().to_owned() }
}

fn name_all(persons: &mut BTreeMap<PersonId, Known>) {
    for (person, shown) in shown_names(persons) {
        if let Some(known) = persons.get_mut(&person) {
            known.shown = shown;
        }
    }
}

impl Known {
    /// What the person is called, if nobody else is.
    fn label(&self) -> String {
        match &self.guest_of {
            Some(team) => format!("{} ({team})", self.handle),
            None => self.handle.clone(),
        }
    }
}

/// Names by person, all different.
fn shown_names(persons: &BTreeMap<PersonId, Known>) -> Vec<(PersonId, String)> {
    // A member whose handle looks like a guest's label does not change that guest's name.
    let mut by_label: BTreeMap<(String, bool), Vec<(&PersonId, &Known)>> = BTreeMap::new();
    for (person, known) in persons {
        by_label.entry((known.label(), known.guest_of.is_some())).or_default().push((person, known));
    }
    let mut names = Vec::new();
    for ((label, _), same) in by_label {
        if let [(person, known)] = same.as_slice()
            && is_plain(&known.handle)
        {
            names.push((**person, label));
            continue;
        }
        let marks: Vec<String> = same.iter().map(|(person, known)| suffix_text(person, known)).collect();
        // The persons' ids differ, so at full length the marks do.
        let longest = marks.iter().map(String::len).max().unwrap_or(0);
        let differs = |len: &usize| all_differ(marks.iter().map(|mark| tail(mark, *len)));
        let len = (SUFFIX_CHARS_MIN..longest).find(differs).unwrap_or(longest);
        for ((person, _), mark) in same.iter().zip(&marks) {
            names.push((**person, format!("{label}{SUFFIX_MARK}{}", tail(mark, len))));
        }
    }
    names
}

/// Whether a handle can stand alone: it says something, and could not be taken for another name with its addition.
fn is_plain(handle: &str) -> bool {
    !handle.is_empty() && !handle.contains(SUFFIX_MARK) && !handle.contains(BRACKETS)
}

/// Read from its end: the device, then the person.
fn suffix_text(person: &PersonId, known: &Known) -> String {
    let device = known.devices.first().map(DeviceKey::to_string).unwrap_or_default();
    format!("{person}{device}")
}

fn tail(text: &str, len: usize) -> &str {
    // Base 58 and hex are ASCII, so every position is a boundary.
    &text[text.len().saturating_sub(len)..]
}

fn all_differ<'a>(items: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    items.into_iter().all(|item| seen.insert(item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_log::DeviceSecret;

    fn person(byte: u8) -> PersonId {
        PersonId::from_bytes([byte; 32])
    }

    fn team(handles: &[&str]) -> People {
        People::new(handles.iter().zip(1..).map(|(handle, byte)| {
            (person(byte), (*handle).to_owned(), vec![DeviceSecret::from_seed(&[byte; 32]).public()])
        }))
    }

    #[test]
    fn a_handle_of_one_person_is_shown_as_it_is() {
        let people = team(&["alice", "bob"]);
        assert_eq!(people.name(&person(1)), "alice");
        assert_eq!(people.find("bob"), Ok(person(2)));
        assert_eq!(people.find("@Bob"), Ok(person(2)));
    }

    #[test]
    fn equal_handles_get_suffixes_and_each_name_finds_its_own_person() {
        let people = team(&["alice", "alice", "bob", "", "eve~1234"]);
        let names: Vec<String> = people.persons().map(|person| people.name(&person)).collect();
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len(), "{names:?}");
        assert!(names[0].starts_with("alice~") && names[3].starts_with('~') && names[4].starts_with("eve~1234~"));
        for (name, person) in names.iter().zip(people.persons()) {
            assert_eq!(people.find(name), Ok(person));
        }
        assert!(matches!(people.find("alice"), Err(UnknownPerson::Several { .. })));
        assert!(matches!(people.find("carol"), Err(UnknownPerson::Nobody { .. })));
    }

    #[test]
    fn one_device_claimed_for_two_persons_still_gives_two_names() {
        let device = vec![DeviceSecret::from_seed(&[1; 32]).public()];
        let people = People::new([1, 2].map(|byte| (person(byte), "alice".to_owned(), device.clone())));
        assert_ne!(people.name(&person(1)), people.name(&person(2)));
    }

    #[test]
    fn who_left_keeps_the_name_in_the_log_and_is_not_found_any_more() {
        let left = |byte: u8, handle: &str| (person(byte), handle.to_owned());
        let people = team(&["alice"]).with_former([left(7, "bob"), left(8, "alice"), left(9, "")]);
        assert_eq!(people.name(&person(7)), "bob");
        assert_eq!(people.clone().with_former_guests([(person(7), "net".into())]).name(&person(7)), "bob (net)");
        assert_eq!(people.name(&person(1)), "alice", "those of the team keep theirs");
        assert_eq!(people.name(&person(8)), "alice~08080808");
        assert_eq!(people.name(&person(9)), "~09090909");
        assert!(matches!(people.find("bob"), Err(UnknownPerson::Nobody { .. })));
        assert_eq!(people.find("alice"), Ok(person(1)));
        assert_eq!(people.persons().count(), 1);
    }

    #[test]
    fn a_guest_is_shown_with_the_own_team_and_nobody_can_pose_as_one() {
        let guests =
            [(person(2), "network".to_owned()), (person(3), " (a)\u{1b} ".to_owned()), (person(4), String::new())];
        let people = team(&["carol", "carol", "dave", "eve", "carol (network)"]).with_guests(guests);
        let names: Vec<String> = people.persons().map(|person| people.name(&person)).collect();
        assert_eq!(names[..4], ["carol", "carol (network)", "dave (a\u{fffd})", "eve (guest)"]);
        assert!(names[4].starts_with("carol (network)~"), "{names:?}");
        for (name, person) in names.iter().zip(people.persons()) {
            assert_eq!(people.find(name), Ok(person));
        }
        assert_eq!(people.find("eve"), Ok(person(4)));
    }

    #[test]
    fn a_handle_cannot_carry_an_escape_sequence() {
        assert_eq!(team(&["a\u{1b}[2J"]).name(&person(1)), "a\u{fffd}[2J");
    }

    #[test]
    fn a_handle_cannot_look_like_anothers_by_what_nobody_sees_in_it() {
        let people =
            team(&["bob", "b\u{200d}ob", "bob\u{2060}", "\u{3164}"]).with_former([(person(9), "bob\u{200c}".into())]);
        let names: Vec<String> = people.persons().chain([person(9)]).map(|person| people.name(&person)).collect();
        assert_eq!(names, ["bob", "b\u{fffd}ob", "bob\u{fffd}", "\u{fffd}", "bob\u{fffd}~09090909"]);
    }
}
