//! The board: all of now on one screen.

use super::timeline::{draw, told};
use super::{ActionView, MilestoneView, RoleView, Row, Summary, actions, milestones, present, roles, summary};
use crate::People;
use crate::document::Document;
use muster_log::Status;
use muster_log::fact::{Saying, What};
use serde::Serialize;
use std::collections::BTreeMap;

/// Entries at the foot of the board.
const LAST_ENTRIES: usize = 10;

/// Decisions and requests that the board shows, the newest: what a screen holds.
const LISTED_MAX: usize = 20;

/// What the board shows of one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Board {
    /// The incident in a few words.
    pub summary: Summary,
    /// Roles by long name.
    pub roles: BTreeMap<String, RoleView>,
    /// Actions that may still touch something, oldest first; clashes are flagged.
    pub actions: Vec<ActionView>,
    /// Milestones with their claims.
    pub milestones: Vec<MilestoneView>,
    /// The newest decisions, oldest first.
    pub decisions: Vec<Row>,
    /// The newest requests, oldest first.
    pub requests: Vec<Row>,
    /// The newest entries by event time, oldest first.
    pub last: Vec<Row>,
    /// Who wrote or holds a role.
    pub people: Vec<String>,
}

/// Draws the board.
pub fn board(doc: &Document, people: &People) -> Board {
    let told = told(doc);
    let newest = |saying: Saying| {
        let is_meant = |place: &&u32| {
            let node = doc.node(**place);
            let says = node.meaning.fact().is_some_and(|fact| fact.what == What::Say(saying));
            says && node.status == Status::Active
        };
        draw(doc, people, &last(told.iter().filter(is_meant).copied().collect(), LISTED_MAX))
    };
    Board {
        summary: summary(doc, people),
        roles: roles(doc, people),
        actions: actions(doc, people).into_iter().filter(|action| action.open).collect(),
        milestones: milestones(doc, people),
        decisions: newest(Saying::Decision),
        requests: newest(Saying::Request),
        people: present(doc, people),
        last: draw(doc, people, &last(told.clone(), LAST_ENTRIES)),
    }
}

fn last<T>(mut items: Vec<T>, count: usize) -> Vec<T> {
    items.split_off(items.len().saturating_sub(count))
}
