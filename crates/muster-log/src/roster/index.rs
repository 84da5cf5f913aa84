//! Which roster entries speak of whom: lists by device, person, invite and removal, so that a question about one person is not
//! answered by going through the roster.
//!
//! They hold whatever was taken in, standing or not; who asks ([`super::sight`]) looks at what stands.

use super::graph::Node;
use super::sparse::Sparse;
use crate::fact::RosterFact;
use crate::ids::PersonId;
use crate::key::DeviceKey;
use std::collections::BTreeMap;

static NONE: Sparse = Sparse::new();

/// The lists. Entries that are void are in none but `bindings`, `by_key` and `by_person`.
#[derive(Debug, Default)]
pub(super) struct Index {
    bindings: BTreeMap<DeviceKey, Sparse>,
    revokes: BTreeMap<DeviceKey, Sparse>,
    grants: BTreeMap<PersonId, Sparse>,
    devices: BTreeMap<PersonId, Sparse>,
    vouches: BTreeMap<u32, Sparse>,
    confirms: BTreeMap<u32, Sparse>,
    seconds: BTreeMap<u32, Sparse>,
    cuts: BTreeMap<u32, Sparse>,
    by_key: BTreeMap<DeviceKey, Sparse>,
    by_person: BTreeMap<PersonId, Sparse>,
}

impl Index {
    /// Takes note of an entry; numbers come in their order.
    pub(super) fn note(&mut self, number: u32, node: &Node) {
        self.by_key.entry(node.key).or_default().push(number);
        self.by_person.entry(node.own.person).or_default().push(number);
        match &node.fact {
            Some(RosterFact::TeamCreate { .. } | RosterFact::Join { .. }) => {
                self.bindings.entry(node.key).or_default().push(number);
            }
            Some(RosterFact::AddDevice { device, .. }) => {
                self.bindings.entry(*device).or_default().push(number);
                self.devices.entry(node.own.person).or_default().push(number);
            }
            _ => {}
        }
        if node.own.is_void {
            return;
        }
        match (&node.fact, node.target) {
            (Some(RosterFact::Revoke { devices, .. }), _) => {
                devices.iter().for_each(|device| self.revokes.entry(*device).or_default().push(number));
            }
            (Some(RosterFact::SetCapability { person, .. }), _) => {
                self.grants.entry(*person).or_default().push(number);
            }
            (Some(RosterFact::Vouch { .. }), Some(target)) => {
                self.vouches.entry(target.invite).or_default().push(number);
            }
            (Some(RosterFact::Confirm { .. }), Some(target)) => {
                self.confirms.entry(target.invite).or_default().push(number);
            }
            (Some(RosterFact::Second { .. }), Some(target)) => {
                self.seconds.entry(target.entry).or_default().push(number);
            }
            (Some(RosterFact::Cut { .. }), Some(target)) => self.cuts.entry(target.entry).or_default().push(number),
            _ => {}
        }
    }

    /// Forgets everything from a number on.
    pub(super) fn remove_from(&mut self, number: u32) {
        let by_key =
            [&mut self.bindings, &mut self.revokes, &mut self.by_key].into_iter().flat_map(BTreeMap::values_mut);
        let by_person = [&mut self.grants, &mut self.devices, &mut self.by_person];
        let by_entry = [&mut self.vouches, &mut self.confirms, &mut self.seconds, &mut self.cuts];
        let by_person = by_person.into_iter().flat_map(BTreeMap::values_mut);
        let by_entry = by_entry.into_iter().flat_map(BTreeMap::values_mut);
        by_key.chain(by_person).chain(by_entry).for_each(|list| list.remove_from(number));
    }

    /// Entries that would give the device to a person.
    pub(super) fn bindings(&self, device: &DeviceKey) -> &Sparse {
        self.bindings.get(device).unwrap_or(&NONE)
    }

    /// Revokes that name the device.
    pub(super) fn revokes(&self, device: &DeviceKey) -> &Sparse {
        self.revokes.get(device).unwrap_or(&NONE)
    }

    /// What sets the person's capability.
    pub(super) fn grants(&self, person: &PersonId) -> &Sparse {
        self.grants.get(person).unwrap_or(&NONE)
    }

    /// `add-device` entries of the person.
    pub(super) fn devices(&self, person: &PersonId) -> &Sparse {
        self.devices.get(person).unwrap_or(&NONE)
    }

    /// Vouches for joins by the invite.
    pub(super) fn vouches(&self, invite: u32) -> &Sparse {
        self.vouches.get(&invite).unwrap_or(&NONE)
    }

    /// Confirms of joins by the invite.
    pub(super) fn confirms(&self, invite: u32) -> &Sparse {
        self.confirms.get(&invite).unwrap_or(&NONE)
    }

    /// Seconds of the removal.
    pub(super) fn seconds(&self, removal: u32) -> &Sparse {
        self.seconds.get(&removal).unwrap_or(&NONE)
    }

    /// Cuts to the revoke.
    pub(super) fn cuts(&self, revoke: u32) -> &Sparse {
        self.cuts.get(&revoke).unwrap_or(&NONE)
    }

    /// What the device wrote.
    pub(super) fn by_key(&self, device: &DeviceKey) -> &Sparse {
        self.by_key.get(device).unwrap_or(&NONE)
    }

    /// What the person wrote.
    pub(super) fn by_person(&self, person: &PersonId) -> &Sparse {
        self.by_person.get(person).unwrap_or(&NONE)
    }
}
