//! Void roster entries: well-formed and admitted, but with a wrong target, so without effect. A fact of the own past.

use super::graph::{Graph, Place};
use super::people::Roster;
use crate::fact::{Kind, RosterFact};
use crate::ids::{EntryId, PersonId};
use crate::key::{DeviceKey, Signature};

/// The tag under which a new device agrees to belong to a person.
pub(crate) const DEVICE_TAG: &str = "muster/device/1";

impl Graph {
    /// Whether the target of an entry is wrong by its own past.
    ///
    /// An `add-device` whose device did not sign is void and not refused: A5 judges who writes, and only of a `join`
    /// does it judge a second signature, because a `join`'s author has nothing else to show.
    pub(super) fn is_void(&self, place: &Place<'_>, roster: &Roster, author: PersonId) -> bool {
        let inside = |id: &EntryId, kind: Kind| {
            self.number(id).is_some_and(|x| place.past.contains(x) && self.node(x).kind == kind)
        };
        match &place.fact {
            Some(RosterFact::Vouch { join }) => !inside(join, Kind::JOIN) || self.has_rival_vouch(place, join),
            Some(RosterFact::Confirm { join }) => !inside(join, Kind::JOIN),
            Some(RosterFact::Cut { revoke, .. }) => !inside(revoke, Kind::REVOKE),
            Some(RosterFact::Second { removal }) => !self.number(removal).is_some_and(|x| {
                let own = &self.node(x).own;
                place.past.contains(x) && own.needs_second && own.person != author
            }),
            Some(RosterFact::AddDevice { device, device_signature }) => {
                roster.person_of(device).is_some() || !self.is_device_willing(device, author, device_signature)
            }
            // A grant that changes nothing is void; else a needless grant would make a senior admin junior.
            Some(RosterFact::SetCapability { person, capability }) => {
                roster.capability(person).is_none_or(|held| held == roster.reach(person, *capability))
            }
            Some(RosterFact::Revoke { devices, .. }) => !self.are_known(place, devices),
            _ => false,
        }
    }

    fn is_device_willing(&self, device: &DeviceKey, person: PersonId, signature: &Signature) -> bool {
        self.team().is_some_and(|team| device.verifies(DEVICE_TAG, &[team.as_bytes(), person.as_bytes()], signature))
    }

    /// Whether the own past holds a vouch for another join by the same invite.
    fn has_rival_vouch(&self, place: &Place<'_>, join: &EntryId) -> bool {
        let Some(join) = self.number(join) else { return false };
        let Some(invite) = self.node(join).deps.first() else { return false };
        let mut vouches = self.index().vouches(*invite).among(|word| place.past.word(word));
        vouches.any(|vouch| self.target(vouch) != Some(join))
    }

    /// Whether the own past has introduced all these devices.
    fn are_known(&self, place: &Place<'_>, devices: &[DeviceKey]) -> bool {
        devices.iter().all(|device| self.index().bindings(device).is_any(|word| place.past.word(word)))
    }
}
