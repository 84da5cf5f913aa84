//! Actions: who is about to touch what, which of them clash, what nobody said.

use super::moment::{self, since};
use super::wrap::{column, wrapped};
use super::{Page, short};
use muster_incident::printable;
use serde::Deserialize;

/// Columns of a state's word: `abandoned`.
const STATE_COLUMNS: usize = 9;

/// One action.
#[derive(Debug, Deserialize)]
pub(crate) struct Action {
    id: String,
    target: String,
    text: String,
    person: String,
    state: String,
    #[serde(default)]
    states: Vec<String>,
    contested: bool,
    open: bool,
    since: Option<String>,
    expected_minutes: Option<u32>,
    undo: Option<String>,
    tested: Option<String>,
    #[serde(default)]
    clashes: Vec<String>,
}

/// Draws all actions, oldest first.
pub(crate) fn show(actions: &[Action], page: &Page) -> String {
    if actions.is_empty() {
        return "no actions\n".into();
    }
    actions.iter().map(|action| action.draw(page)).collect()
}

impl Action {
    fn draw(&self, page: &Page) -> String {
        let id = short(&self.id);
        let columns = id.len() + 2 + STATE_COLUMNS + 2;
        let head = format!("{}  {}  ", page.paint.dim(id), column(&self.state, STATE_COLUMNS));
        let indent = " ".repeat(columns);
        let mut drawn =
            wrapped(&head, columns, &format!("{}: {} (on {})", self.person, self.text, printable(&self.target)));
        for warning in self.warnings() {
            drawn.push_str(&page.paint.red(&wrapped(&indent, columns, &warning)));
        }
        if self.open {
            drawn.push_str(&wrapped(&indent, columns, &self.particulars(page)));
        }
        drawn
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.clashes.is_empty() && self.open {
            let ids: Vec<&str> = self.clashes.iter().map(|id| short(id)).collect();
            warnings.push(format!("CLASHES with {} on the same target", ids.join(", ")));
        }
        if self.contested {
            let id = short(&self.id);
            let states = self.states.join(" and ");
            warnings.push(format!("CONTESTED: {states}; settle it: `muster did {id} worked` (or how it ended)"));
        }
        warnings
    }

    /// How long it has been open, and what would undo it; where nobody said, that is said.
    fn particulars(&self, page: &Page) -> String {
        let mut words = Vec::new();
        if let Some(start) = self.since.as_deref().and_then(moment::read) {
            let minutes = page.now.0.saturating_sub(start.0) / 60_000;
            let expected = self.expected_minutes.map(|expected| match i64::from(expected) {
                expected if minutes > expected => format!(", expected {expected} min: how did it end?"),
                expected => format!(" of {expected} min"),
            });
            words.push(format!("since {}{}", since(start, page), expected.unwrap_or_default()));
        }
        words.push(format!("undo: {}", self.undo.as_deref().unwrap_or("nobody said")));
        words.push(format!("tested: {}", self.tested.as_deref().unwrap_or("nobody said")));
        printable(&words.join("; "))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{fits, from, page};
    use super::*;
    use serde_json::{Value, json};

    /// Two open actions on one target and one that has ended.
    pub(in crate::render) fn sample() -> Value {
        json!([
            {"id": "a1".repeat(32), "target": "api-gateway", "text": "roll back", "person": "alice", "state": "doing",
             "states": ["doing"], "contested": false, "open": true, "since": "2023-07-20T12:20:00+00:00",
             "expected_minutes": 10, "undo": "deploy again", "tested": null, "clash": true,
             "clashes": ["b2".repeat(32)]},
            {"id": "b2".repeat(32), "target": "api-gateway", "text": "restart", "person": "bob", "state": "planned",
             "states": ["planned"], "contested": false, "open": true, "since": "2023-07-20T12:44:00+00:00",
             "expected_minutes": 20, "undo": null, "tested": "staging", "clash": true, "clashes": ["a1".repeat(32)]},
            {"id": "c3".repeat(32), "target": "db", "text": "vacuum", "person": "carol", "state": "worked",
             "states": ["worked", "failed"], "contested": true, "open": false, "since": null,
             "expected_minutes": null, "undo": null, "tested": null, "clash": false, "clashes": []},
        ])
    }

    #[test]
    fn clashes_and_what_nobody_said_stand_below_the_action() {
        let actions: Vec<Action> = from(sample());
        insta::assert_snapshot!(fits(show(&actions, &page())), @r"
        a1a1a1a1  doing      alice: roll back (on api-gateway)
                             CLASHES with b2b2b2b2 on the same target
                             since 25 min, expected 10 min: how did it end?; undo:
                             deploy again; tested: nobody said
        b2b2b2b2  planned    bob: restart (on api-gateway)
                             CLASHES with a1a1a1a1 on the same target
                             since 1 min of 20 min; undo: nobody said; tested: staging
        c3c3c3c3  worked     carol: vacuum (on db)
                             CONTESTED: worked and failed; settle it:
                             `muster did c3c3c3c3 worked` (or how it ended)
        ");
        assert_eq!(show(&[], &page()), "no actions\n");
    }
}
