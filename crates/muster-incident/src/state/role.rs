//! Who holds which role and to whom it is offered.

use super::writers;
use crate::document::{Container, Content, Document, Held, Register, RoleKey};
use crate::role::is_single;
use muster_log::{EntryId, PersonId};
use std::collections::BTreeMap;

/// A role now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RoleNow {
    /// Who holds it, each person once.
    pub(crate) holds: Vec<HoldNow>,
    /// To whom it is offered, each offer once.
    pub(crate) offers: Vec<OfferNow>,
}

/// One person's hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HoldNow {
    pub(crate) person: PersonId,
    /// The entry since which.
    pub(crate) since: EntryId,
}

/// One offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferNow {
    pub(crate) to: PersonId,
    pub(crate) offer: EntryId,
}

impl RoleNow {
    pub(crate) fn is_held_by(&self, person: &PersonId) -> bool {
        self.holds.iter().any(|hold| hold.person == *person)
    }

    /// Offers to one person, the newest last.
    pub(crate) fn offers_to(&self, doc: &Document, person: &PersonId) -> Vec<EntryId> {
        let mut offers: Vec<EntryId> =
            self.offers.iter().filter(|offer| offer.to == *person).map(|offer| offer.offer).collect();
        offers.sort_by_key(|offer| (doc.depth(offer), *offer));
        offers
    }

    fn hold(&mut self, doc: &Document, person: PersonId, since: EntryId) {
        let older = |one: &EntryId, other: &EntryId| (doc.depth(one), one) < (doc.depth(other), other);
        match self.holds.iter_mut().find(|hold| hold.person == person) {
            Some(hold) if older(&since, &hold.since) => hold.since = since,
            Some(_) => {}
            None => self.holds.push(HoldNow { person, since }),
        }
    }
}

/// All roles that anybody ever held or was offered, by long name.
pub(crate) fn roles(doc: &Document) -> BTreeMap<String, RoleNow> {
    let mut roles: BTreeMap<String, RoleNow> = BTreeMap::new();
    for key in doc.keys(Container::Roles) {
        let Some(read) = RoleKey::read(&key) else { continue };
        let (RoleKey::Single(role) | RoleKey::Many { role, .. } | RoleKey::Offer { role, .. }) = &read;
        let now = roles.entry((*role).to_owned()).or_default();
        for held in doc.values(&Register::role_key(&key)) {
            match (&read, held.content) {
                (RoleKey::Offer { person, .. }, Content::Entry(offer)) => {
                    now.offers.push(OfferNow { to: *person, offer });
                }
                (RoleKey::Single(_) | RoleKey::Many { .. }, Content::Hold { person, since }) => {
                    now.hold(doc, person, since);
                }
                _ => {}
            }
        }
    }
    roles
}

/// One role.
pub(crate) fn role(doc: &Document, role: &str) -> RoleNow {
    roles(doc).remove(role).unwrap_or_default()
}

impl RoleNow {
    /// What a write of `person`'s hold supersedes. For roles with one holder that is everybody's.
    pub(crate) fn hold_writers(doc: &Document, role: &str, person: &PersonId) -> Vec<EntryId> {
        writers(doc, &doc.values(&Register::hold(role, person)))
    }

    /// What the end of `person`'s own hold supersedes.
    pub(crate) fn own_hold_writers(doc: &Document, role: &str, person: &PersonId) -> Vec<EntryId> {
        let own = |held: &Held| matches!(held.content, Content::Hold { person: holder, .. } if holder == *person);
        let mut values = doc.values(&Register::hold(role, person));
        values.retain(own);
        writers(doc, &values)
    }

    /// What the end of offers to `person` supersedes.
    pub(crate) fn offer_writers(doc: &Document, role: &str, person: &PersonId) -> Vec<EntryId> {
        writers(doc, &doc.values(&Register::offer(role, person)))
    }

    /// Whether several persons hold what one can.
    pub(crate) fn is_contested(&self, role: &str) -> bool {
        is_single(role) && self.holds.len() > 1
    }
}
