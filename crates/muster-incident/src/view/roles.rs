//! Who holds which role, since when, and to whom it is offered.

use super::author_name;
use crate::People;
use crate::document::Document;
use crate::role::{ROLES_MANY, ROLES_SINGLE};
use crate::state::{self, Moment, RoleNow};
use serde::Serialize;
use std::collections::BTreeMap;

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RoleView {
    /// Names of the holders.
    pub holders: Vec<String>,
    /// Whether several hold what one can. Somebody must settle it.
    pub contested: bool,
    /// Names of those to whom it is offered and who have not accepted yet.
    pub offered: Vec<String>,
    /// The holds, in the order of `holders`.
    pub holds: Vec<HoldView>,
    /// The offers, in the order of `offered`.
    pub offers: Vec<OfferView>,
}

/// One person's hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldView {
    /// The holder's name.
    pub person: String,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// The entry since which.
    pub entry: String,
}

/// One offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfferView {
    /// Whom it is offered to.
    pub person: String,
    /// Who offers it.
    pub by: String,
    /// The entry that offers it.
    pub entry: String,
}

/// Draws the six known roles and every custom one that is held or offered, by long name.
pub fn roles(doc: &Document, people: &People) -> BTreeMap<String, RoleView> {
    let mut now = state::roles(doc);
    now.retain(|_, role| !role.holds.is_empty() || !role.offers.is_empty());
    for role in ROLES_SINGLE.iter().chain(&ROLES_MANY) {
        now.entry((*role).to_owned()).or_default();
    }
    now.into_iter().map(|(name, role)| (name.clone(), view(doc, people, &name, &role))).collect()
}

fn view(doc: &Document, people: &People, name: &str, role: &RoleNow) -> RoleView {
    let mut holds: Vec<HoldView> = role
        .holds
        .iter()
        .map(|hold| HoldView {
            person: people.name(&hold.person),
            since: doc.find(&hold.since).and_then(|(_, node)| Moment::of(node).start_text()),
            entry: hold.since.to_string(),
        })
        .collect();
    holds.sort_by(|one, other| (&one.person, &one.entry).cmp(&(&other.person, &other.entry)));
    let mut offers: Vec<OfferView> = role
        .offers
        .iter()
        .filter(|offer| !role.is_held_by(&offer.to))
        .map(|offer| OfferView {
            person: people.name(&offer.to),
            by: doc.find(&offer.offer).map(|(_, node)| author_name(people, node)).unwrap_or_default(),
            entry: offer.offer.to_string(),
        })
        .collect();
    offers.sort_by(|one, other| (&one.person, &one.entry).cmp(&(&other.person, &other.entry)));
    let mut offered: Vec<String> = offers.iter().map(|offer| offer.person.clone()).collect();
    offered.dedup();
    RoleView {
        holders: holds.iter().map(|hold| hold.person.clone()).collect(),
        contested: role.is_contested(name),
        offered,
        holds,
        offers,
    }
}
