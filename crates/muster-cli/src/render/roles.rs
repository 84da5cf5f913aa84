//! Who holds which role, for how long, and what is contested with the command that settles it.

use super::Page;
use super::moment::{self, since};
use super::wrap::{column, wrapped};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Columns of a role's name.
const ROLE_COLUMNS: usize = 20;

/// How long a commander holds the role before relief is suggested.
const RELIEF_MS: i64 = 4 * 3_600_000;

/// Roles that are shown even where nobody holds them, in this order before all others.
const ALWAYS: [&str; 3] = ["incident-commander", "resolution-lead", "deputy"];

/// Roles by long name.
pub(crate) type Roles = BTreeMap<String, Role>;

/// One role.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Role {
    pub(super) holders: Vec<String>,
    contested: bool,
    #[serde(default)]
    offered: Vec<String>,
    #[serde(default)]
    holds: Vec<Hold>,
}

#[derive(Debug, Deserialize)]
struct Hold {
    person: String,
    since: Option<String>,
}

/// Draws all roles.
pub(crate) fn show(roles: &Roles, page: &Page) -> String {
    let nobody = Role::default();
    let first = ALWAYS.iter().map(|name| (*name, roles.get(*name).unwrap_or(&nobody)));
    let others = roles
        .iter()
        .map(|(name, role)| (name.as_str(), role))
        .filter(|(name, role)| !ALWAYS.contains(name) && role.concerns_somebody());
    first.chain(others).map(|(name, role)| line(name, role, page)).collect()
}

fn line(name: &str, role: &Role, page: &Page) -> String {
    let holders = role.held(page);
    let mut words = match holders.as_slice() {
        [] => "nobody".to_owned(),
        holders => holders.join(", "),
    };
    if !role.offered.is_empty() {
        words.push_str(&format!("; offered to {}", role.offered.join(", ")));
    }
    if name == ALWAYS[0] && role.longest_held_ms(page) >= RELIEF_MS {
        words.push_str("; time for relief?");
    }
    let head = format!("{}  ", column(name, ROLE_COLUMNS));
    if !role.contested {
        return wrapped(&head, ROLE_COLUMNS + 2, &words);
    }
    let settle = role.holders.iter().map(|holder| format!("`muster role settle {} {}`", typed(name), quoted(holder)));
    let settle = format!("settle it: {}", settle.collect::<Vec<_>>().join(" or "));
    let mark = "CONTESTED: ";
    let head = format!("{head}{}", page.paint.red(mark));
    wrapped(&head, ROLE_COLUMNS + 2 + mark.len(), &words) + &wrapped(&indent(), ROLE_COLUMNS + 2, &settle)
}

/// A role as people type it.
fn typed(name: &str) -> &str {
    match name {
        "incident-commander" => "ic",
        "resolution-lead" => "rl",
        name => name,
    }
}

/// A word as a shell takes it. Names are chosen by others, and what is copied must not be a command of theirs.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '@');
    if !word.is_empty() && !word.starts_with(['-', '~']) && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn indent() -> String {
    " ".repeat(ROLE_COLUMNS + 2)
}

impl Role {
    /// Whether somebody must settle it.
    pub(super) fn is_contested(&self) -> bool {
        self.contested
    }

    fn concerns_somebody(&self) -> bool {
        !self.holders.is_empty() || !self.offered.is_empty()
    }

    /// Holders with how long each has held it; those of `holders` whose hold is not told, without.
    fn held(&self, page: &Page) -> Vec<String> {
        let hold = |name: &String| {
            let hold = self.holds.iter().find(|hold| hold.person == *name)?;
            Some(format!("{name} (held {})", since(moment::read(hold.since.as_deref()?)?, page)))
        };
        self.holders.iter().map(|name| hold(name).unwrap_or_else(|| name.clone())).collect()
    }

    fn longest_held_ms(&self, page: &Page) -> i64 {
        let starts = self.holds.iter().filter_map(|hold| moment::read(hold.since.as_deref()?));
        starts.map(|start| page.now.0.saturating_sub(start.0)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fits, from, page};
    use super::*;
    use serde_json::json;

    #[test]
    fn contested_roles_come_with_the_command_that_settles_them() {
        let roles: Roles = from(json!({
            "deputy": {"holders": [], "contested": false, "offered": ["carol"], "holds": [], "offers": []},
            "incident-commander": {"holders": ["alice", "bob"], "contested": true, "offered": [], "offers": [],
                "holds": [{"person": "alice", "since": "2023-07-20T08:28:00+00:00", "entry": ""},
                          {"person": "bob", "since": "2023-07-20T12:40:00+00:00", "entry": ""}]},
            "liaison": {"holders": [], "contested": false, "offered": [], "holds": [], "offers": []},
            "scribe": {"holders": ["dave"], "contested": false, "offered": [], "offers": [],
                "holds": [{"person": "dave", "since": null, "entry": ""}]},
        }));
        insta::assert_snapshot!(fits(show(&roles, &page())), @r"
        incident-commander    CONTESTED: alice (held 4 h 17 min), bob (held 5 min); time
                                         for relief?
                              settle it: `muster role settle ic alice` or
                              `muster role settle ic bob`
        resolution-lead       nobody
        deputy                nobody; offered to carol
        scribe                dave
        ");
    }

    #[test]
    fn names_are_quoted_so_that_a_copied_command_runs_nothing_else() {
        for (name, expected) in [
            ("bob", "bob"),
            ("alice~12D3", "alice~12D3"),
            ("Bob B", "'Bob B'"),
            ("$(rm x)", "'$(rm x)'"),
            ("it's", "'it'\\''s'"),
            ("-x", "'-x'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(name), expected);
        }
    }

    #[test]
    fn without_an_incident_the_chief_roles_are_shown_as_open() {
        assert_eq!(show(&Roles::new(), &page()).lines().count(), 3);
    }
}
