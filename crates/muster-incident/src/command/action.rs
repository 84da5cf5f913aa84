//! Announcing, beginning and ending actions.

use super::resolve::candidate;
use super::{CommandError, Context, Prepared, optional, resolve_entry, superseding, typed};
use crate::printable;
use crate::state::{ActionNow, actions};
use crate::view::short;
use muster_log::fact::{ActionState, IncidentFact, What};
use muster_log::{BodyText, Part};

impl Context<'_> {
    pub(super) fn will(
        &self,
        text: &str,
        target: &str,
        undo: Option<&str>,
        tested: Option<&str>,
        expected_minutes: Option<u32>,
    ) -> Result<Prepared, CommandError> {
        let prepared = self.act(text, target, ActionState::Planned, expected_minutes)?;
        let body = prepared.body.clone();
        let body = body.with(Part::Undo, undo.unwrap_or_default()).with(Part::Tested, tested.unwrap_or_default());
        Ok(Prepared { body, ..prepared })
    }

    pub(super) fn doing(&self, what: Option<&str>, target: Option<&str>) -> Result<Prepared, CommandError> {
        match (what, target) {
            (what, Some(target)) => self.act(what.unwrap_or_default(), target, ActionState::Doing, None),
            (what, None) => {
                let action = self.action(what, "planned", ActionNow::is_planned)?;
                Ok(go_on(&action, ActionState::Doing, BodyText::default()))
            }
        }
    }

    pub(super) fn did(&self, id: Option<&str>, result: &str, text: Option<&str>) -> Result<Prepared, CommandError> {
        let state = ActionState::from_word(&result.trim().to_lowercase()).filter(|state| !state.is_open());
        let state = state.ok_or_else(|| CommandError::UnknownResult { typed: printable(result) })?;
        let action = self.action(id, "open", ActionNow::is_open)?;
        Ok(go_on(&action, state, optional(text)))
    }

    /// A new action; what else is open on its target is told at once.
    fn act(
        &self,
        text: &str,
        target: &str,
        state: ActionState,
        expected_minutes: Option<u32>,
    ) -> Result<Prepared, CommandError> {
        // Two people who type one target must meet at one name, so case and blanks are evened out. What was typed is
        // kept beside it where it differs.
        let written = target.trim();
        let name = written.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        if !IncidentFact::is_register_name(&name) {
            return Err(CommandError::BadTarget { typed: printable(written) });
        }
        let body = BodyText::plain(typed("text", text)?);
        let body = if written == name { body } else { body.with(Part::Target, written) };
        let clashing: Vec<String> = actions(self.doc)
            .iter()
            .filter(|action| action.is_open() && action.target == name)
            .map(|action| candidate(self.doc, action.place))
            .collect();
        let what = What::Action { target: name, state, expected_minutes };
        Ok(clashing.iter().fold(Prepared::new(what, body), |prepared, other| {
            prepared.note(format!("another open action has this target: {other}"))
        }))
    }

    /// The action a typed id means, or the author's only one of this sort.
    fn action(
        &self,
        id: Option<&str>,
        sort: &'static str,
        is_meant: fn(&ActionNow) -> bool,
    ) -> Result<ActionNow, CommandError> {
        let actions = actions(self.doc);
        if let Some(typed) = id {
            let id = resolve_entry(self.doc, typed)?;
            let action = actions.into_iter().find(|action| action.id == id);
            return action.ok_or_else(|| CommandError::NotAnAction { id: short(&id) });
        }
        let is_mine = |action: &ActionNow| self.doc.node(action.place).person == Some(self.me);
        let mut mine: Vec<ActionNow> =
            actions.into_iter().filter(|action| is_mine(action) && is_meant(action)).collect();
        match (mine.pop(), mine.is_empty()) {
            (None, _) => Err(CommandError::NoAction { sort }),
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                mine.push(last);
                let candidates = mine.iter().map(|action| candidate(self.doc, action.place)).collect();
                Err(CommandError::SeveralActions { sort, candidates })
            }
        }
    }
}

fn go_on(action: &ActionNow, state: ActionState, body: BodyText) -> Prepared {
    let supersedes = superseding(action.writers.iter().copied());
    Prepared::new(What::ActionState { action: action.id, state, supersedes }, body)
}
