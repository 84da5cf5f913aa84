//! What people see: pure folds of the document and of who is who, ready to draw or to serialise.
//!
//! Everything here is canonical: equal entries, statuses, bodies and people give equal bytes of JSON, whatever the
//! order of arrival. What only one node knows (receipts, holders, clocks of peers) is added by the node. Texts are as
//! typed; whoever writes them to a terminal sends them through [`crate::printable`] first.

mod actions;
mod board;
mod milestones;
mod newest;
mod roles;
mod row;
mod scene;
mod summary;
mod timeline;
mod times;
mod why;
mod words;

pub use actions::{ActionView, actions};
pub use board::{Board, board};
pub use milestones::{ClaimView, MilestoneView, milestones};
pub use newest::{Entries, Newest};
pub use roles::{HoldView, OfferView, RoleView, roles};
pub use row::{Author, Detail, OriginView, Row};
pub use summary::{SUMMARY_VERSION, Summary, commanders, status_line, summary};
pub use timeline::{timeline, timeline_end, timeline_of};
pub use times::{OUT_OF_RANGE, Times, time_words};
pub use why::{Why, status_words};

use crate::People;
use crate::document::{Document, Node};
use muster_log::{EntryId, PersonId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Everything there is to see of one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct View {
    /// The incident in a few words.
    pub summary: Summary,
    /// Who wrote or holds a role, by name.
    pub people: Vec<String>,
    /// Roles by long name.
    pub roles: BTreeMap<String, RoleView>,
    /// Milestones in the order of an incident's life.
    pub milestones: Vec<MilestoneView>,
    /// Actions, oldest first.
    pub actions: Vec<ActionView>,
    /// The timeline, oldest event first.
    pub timeline: Vec<Row>,
}

/// Draws everything.
pub fn incident_view(doc: &Document, people: &People) -> View {
    View {
        summary: summary(doc, people),
        people: present(doc, people),
        roles: roles(doc, people),
        milestones: milestones(doc, people),
        actions: actions(doc, people),
        timeline: timeline(doc, people),
    }
}

/// Who wrote or holds a role: names in order, never how often (nothing sums or sorts by person).
fn present(doc: &Document, people: &People) -> Vec<String> {
    let held = crate::state::roles(doc);
    let holders = held.values().flat_map(|role| role.holds.iter().map(|hold| hold.person));
    let persons: BTreeSet<PersonId> = doc.nodes().filter_map(|(_, node)| node.person).chain(holders).collect();
    persons.iter().map(|person| people.name(person)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The name of an entry's author.
fn author_name(people: &People, node: &Node) -> String {
    person_name(people, node.person)
}

fn person_name(people: &People, person: Option<PersonId>) -> String {
    match person {
        Some(person) => people.name(&person),
        None => "unknown".to_owned(),
    }
}

/// An id as people read it: the first eight digits.
pub(crate) fn short(id: &EntryId) -> String {
    id.to_string()[..8].to_owned()
}

#[cfg(test)]
mod tests;
