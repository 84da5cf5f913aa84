//! Whether a device was ever let into the team, and what took it out again: for whoever reads what it signed.
//!
//! Who is in the team now is [`Ledger::roster`]; who may write what is judged entry by entry in `admission`.

use super::Ledger;
use crate::fact::{Fact, Kind, RosterFact};
use crate::ids::EntryId;
use crate::key::DeviceKey;

use crate::roster::{DEVICE_TAG, Removal, Standing, Taken};
use std::collections::BTreeSet;

/// What a roster says of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetIn {
    /// It is in the team.
    Member,
    /// It was let in and is there no more: by this revoke, or because what let it in counts no more.
    Removed(Option<Removal>),
    /// Nobody let it in.
    Never,
}

impl Ledger {
    /// What all roster entries here say of a device.
    pub fn let_in(&self, device: &DeviceKey) -> LetIn {
        if self.roster().person_of(device).is_some() {
            return LetIn::Member;
        }
        if !self.was_let_in(device) {
            return LetIn::Never;
        }
        let names = |removal: &Removal| {
            let is_named = matches!(&removal.taken, Taken::Devices { devices, .. } if devices.contains(device));
            is_named && removal.standing == Standing::Counts
        };
        LetIn::Removed(self.removals().into_iter().rfind(names))
    }

    /// Whether it founded the team, came by a join that somebody vouched for, or agreed to be the device of somebody who
    /// added it, whatever became of that.
    fn was_let_in(&self, device: &DeviceKey) -> bool {
        let Some(roster) = self.dag(&self.team.into()) else { return false };
        let fact = |entry: &crate::entry::Entry| match entry.fact() {
            Ok(Fact::Roster(fact)) => Some(fact),
            _ => None,
        };
        let vouch = |entry| match fact(entry) {
            Some(RosterFact::Vouch { join }) => Some(join),
            _ => None,
        };
        let vouched: BTreeSet<EntryId> =
            roster.entries().filter(|entry| entry.kind() == Kind::VOUCH).filter_map(vouch).collect();
        roster.entries().any(|entry| match entry.kind() {
            Kind::TEAM_CREATE => entry.key() == *device,
            Kind::JOIN => entry.key() == *device && vouched.contains(&entry.id()),
            Kind::ADD_DEVICE => match (fact(entry), self.person(&entry.id())) {
                (Some(RosterFact::AddDevice { device: added, device_signature }), Some(person)) => {
                    let agreed: [&[u8]; 2] = [self.team.as_bytes(), person.as_bytes()];
                    added == *device && added.verifies(DEVICE_TAG, &agreed, &device_signature)
                }
                _ => false,
            },
            _ => false,
        })
    }
}
