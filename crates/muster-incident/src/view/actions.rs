//! Actions: who is about to touch what, what was tried and with what result.

use super::author_name;
use super::words::shown;
use crate::People;
use crate::document::Document;
use crate::state::{self, ActionNow, Moment};
use muster_log::Part;
use muster_log::fact::ActionState;
use serde::Serialize;

/// An action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionView {
    /// The announcing entry, which is the action's id.
    pub id: String,
    /// What it touches.
    pub target: String,
    /// What is done.
    pub text: String,
    /// Who does it.
    pub person: String,
    /// The state; where people disagree, the one that is furthest from done.
    pub state: &'static str,
    /// All states that were given apart; more than one is contested.
    pub states: Vec<&'static str>,
    /// Whether people disagree about the state.
    pub contested: bool,
    /// Whether it may still touch its target.
    pub open: bool,
    /// When it was announced or begun, RFC 3339.
    pub since: Option<String>,
    /// How long it should take.
    pub expected_minutes: Option<u32>,
    /// What would undo it. Null where nobody said: that is worth asking.
    pub undo: Option<String>,
    /// Where it was tried before. Null where nobody said.
    pub tested: Option<String>,
    /// Whether another open action touches the same target.
    pub clash: bool,
    /// Those actions, the oldest few.
    pub clashes: Vec<String>,
}

/// Draws the actions, oldest first.
pub fn actions(doc: &Document, people: &People) -> Vec<ActionView> {
    state::actions(doc).into_iter().map(|action| view(doc, people, &action)).collect()
}

fn view(doc: &Document, people: &People, action: &ActionNow) -> ActionView {
    let node = doc.node(action.place);
    let texts = shown(doc, people, &action.id).unwrap_or_default();
    let part = |part: Part| texts.get(part).map(str::to_owned);
    let states = action.states.iter().copied();
    ActionView {
        id: action.id.to_string(),
        target: part(Part::Target).unwrap_or_else(|| action.target.clone()),
        text: texts.text().to_owned(),
        person: author_name(people, node),
        state: states.clone().min().unwrap_or(ActionState::Planned).word(),
        states: states.map(ActionState::word).collect(),
        contested: action.states.len() > 1,
        open: action.is_open(),
        since: Moment::of(node).start_text(),
        expected_minutes: action.expected_minutes,
        undo: part(Part::Undo),
        tested: part(Part::Tested),
        clash: !action.clashes.is_empty(),
        clashes: action.clashes.iter().map(|id| id.to_string()).collect(),
    }
}
