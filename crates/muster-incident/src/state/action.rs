//! Actions: announced, begun, ended; and which of them touch the same thing.

use super::{distinct, writers};
use crate::document::{Content, Document, Register};
use muster_log::EntryId;
use muster_log::fact::{ActionState, What};
use std::collections::BTreeMap;

/// Clashing actions that are named at one action. A flag needs one; thousands on one target would be named millions of
/// times.
const CLASHES_MAX: usize = 16;

/// An action now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActionNow {
    pub(crate) place: u32,
    pub(crate) id: EntryId,
    pub(crate) target: String,
    pub(crate) expected_minutes: Option<u32>,
    /// The different states; several are contested.
    pub(crate) states: Vec<ActionState>,
    pub(crate) writers: Vec<EntryId>,
    /// Other open actions on the same target, while this one is open: the oldest few.
    pub(crate) clashes: Vec<EntryId>,
}

impl ActionNow {
    /// Whether it may still touch its target; while people disagree, it may.
    pub(crate) fn is_open(&self) -> bool {
        self.states.iter().any(|state| state.is_open())
    }

    /// Whether it was announced and has not begun.
    pub(crate) fn is_planned(&self) -> bool {
        self.states == [ActionState::Planned]
    }
}

/// All actions that count, oldest first.
pub(crate) fn actions(doc: &Document) -> Vec<ActionNow> {
    let mut actions: Vec<ActionNow> = doc
        .acting(|what| matches!(what, What::Action { .. }))
        .filter_map(|(place, node)| {
            let What::Action { target, expected_minutes, .. } = &node.meaning.fact()?.what else { return None };
            let values = doc.values(&Register::action_state(&node.id));
            let states = values.iter().filter_map(|held| match &held.content {
                Content::Text(word) => ActionState::from_word(word),
                _ => None,
            });
            Some(ActionNow {
                place,
                id: node.id,
                target: target.clone(),
                expected_minutes: *expected_minutes,
                states: distinct(states),
                writers: writers(doc, &values),
                clashes: Vec::new(),
            })
        })
        .collect();
    actions.sort_by_key(|action| (doc.node(action.place).depth, action.id));
    let mut open: BTreeMap<String, Vec<EntryId>> = BTreeMap::new();
    for action in actions.iter().filter(|action| action.is_open()) {
        open.entry(action.target.clone()).or_default().push(action.id);
    }
    for action in actions.iter_mut().filter(|action| action.is_open()) {
        let on_target = open.get(&action.target).into_iter().flatten();
        action.clashes = on_target.filter(|id| **id != action.id).take(CLASHES_MAX).copied().collect();
    }
    actions
}
