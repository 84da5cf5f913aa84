//! What a decision about members does, or would do.

use super::wrap::wrapped;
use super::{Page, short};
use crate::render::team::end_of;
use muster_log::Timestamp;
use muster_node::when;
use serde::Deserialize;

/// Lines of entries that are listed; the rest is counted.
const LISTED_MAX: usize = 12;

/// What follows from a decision.
#[derive(Debug, Deserialize)]
pub(crate) struct Outcome {
    signed: bool,
    takes: bool,
    #[serde(default)]
    person: Option<String>,
    #[serde(default)]
    capability: Option<String>,
    #[serde(default)]
    counts: bool,
    #[serde(default)]
    devices: Vec<String>,
    #[serde(default)]
    gone: Vec<String>,
    #[serde(default)]
    lowered: Vec<String>,
    #[serde(default)]
    admins_left: Vec<String>,
    #[serde(default)]
    recovery_keys: usize,
    /// Entries of the devices that go and go on counting.
    #[serde(default)]
    kept_count: Option<usize>,
    #[serde(default)]
    changed_count: usize,
    #[serde(default)]
    changed: Vec<Changed>,
    #[serde(default)]
    entries: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Changed {
    entry: String,
    kind: Option<String>,
    author: Option<String>,
    #[serde(default)]
    text: Option<String>,
    recorded_ms: Option<i64>,
    before: String,
    after: String,
}

/// Draws it: in the future before it is signed, as done after.
pub(crate) fn outcome(outcome: &Outcome, page: &Page) -> String {
    if !outcome.takes {
        let person = outcome.person.as_deref().unwrap_or("somebody");
        let capability = outcome.capability.as_deref().unwrap_or("member");
        let done = if outcome.signed { "is" } else { "would be" };
        return format!("{person} {done} {capability} now\n");
    }
    let mut drawn = String::new();
    let mut line = |head: &str, items: String| drawn.push_str(&wrapped(&format!("{head:<14}"), 14, &items));
    if !outcome.counts {
        line("not yet", "it takes something from an admin while there are three: another admin must second it".into());
    }
    let devices: Vec<String> = outcome.devices.iter().map(|device| end_of(device)).collect();
    for (head, items) in
        [("devices out", devices), ("gone", outcome.gone.clone()), ("lowered", outcome.lowered.clone())]
    {
        if !items.is_empty() {
            line(head, items.join(", "));
        }
    }
    if !outcome.gone.is_empty() {
        line("incidents", "this stops what comes after; what they were shown before they have".into());
    }
    match outcome.admins_left.as_slice() {
        [] if outcome.recovery_keys > 0 => {
            line("admins left", "NOBODY: only a recovery key can decide after this".into());
        }
        [] => line("admins left", "NOBODY, and no recovery key: nobody can decide after this".into()),
        admins => line("admins left", admins.join(", ")),
    }
    line(
        "entries",
        match outcome.changed_count {
            0 => "all that are here count as before".into(),
            1 => "1 entry that is here counts for something else:".into(),
            n => format!("{n} entries that are here count for something else:"),
        },
    );
    for changed in outcome.changed.iter().take(LISTED_MAX) {
        drawn.push_str(&changed.draw(page));
    }
    if let Some(kept) = outcome.kept_count.filter(|kept| *kept > 0) {
        let theirs =
            if kept == 1 { "1 of theirs goes on counting".into() } else { format!("{kept} of theirs go on counting") };
        let hint = "; was the device stolen earlier? `--stolen --until TIME`";
        let hint = if outcome.signed || outcome.changed_count > 0 { "" } else { hint };
        drawn.push_str(&wrapped("              ", 14, &(theirs + hint)));
    }
    let rest = outcome.changed_count.saturating_sub(outcome.changed.len().min(LISTED_MAX));
    if rest > 0 {
        drawn.push_str(&format!("  and {rest} more: --dry-run --json lists the first of them\n"));
    }
    if outcome.signed {
        let ids: Vec<&str> = outcome.entries.iter().map(|entry| short(entry)).collect();
        drawn.push_str(&wrapped("signed        ", 14, &ids.join(", ")));
    }
    drawn
}

impl Changed {
    fn draw(&self, page: &Page) -> String {
        let time = self.recorded_ms.map_or_else(String::new, |ms| when::human(Timestamp(ms), page.now, &page.zone));
        let kind = self.kind.as_deref().unwrap_or("entry");
        let author = self.author.as_deref().unwrap_or("somebody");
        let head = format!("  {}  ", short(&self.entry));
        let said = self.text.as_deref().filter(|text| !text.trim().is_empty());
        let said = said.map_or_else(String::new, |text| {
            format!(": \"{}\"", text.split_whitespace().collect::<Vec<_>>().join(" "))
        });
        wrapped(&head, 12, &format!("{time} {author}, {kind}: {} becomes {}{said}", self.before, self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fits, from, page};
    use super::*;
    use serde_json::json;

    #[test]
    fn a_removal_is_shown_with_everything_that_stops_counting() {
        let outlook: Outcome = from(json!({
            "signed": false, "takes": true, "counts": true, "devices": ["12D3KooWbbbbbb"], "gone": ["bob"], "lowered": [],
            "admins_left": ["alice"], "changed_count": 14, "entries": [],
            "changed": [{"entry": "7e".repeat(32), "incident": "aa", "kind": "note", "author": "bob",
                "recorded_ms": 1_689_855_420_000_i64, "before": "active", "after": "revoked"}],
        }));
        insta::assert_snapshot!(fits(outcome(&outlook, &page())), @r"
        devices out   bbbbbb
        gone          bob
        incidents     this stops what comes after; what they were shown before they have
        admins left   alice
        entries       14 entries that are here count for something else:
          7e7e7e7e  12:17 bob, note: active becomes revoked
          and 13 more: --dry-run --json lists the first of them
        ");
    }

    #[test]
    fn a_recovery_key_is_named_only_where_the_team_has_one() {
        let drawn = |keys: usize| {
            let outlook: Outcome = from(json!({"signed": true, "takes": true, "counts": true, "recovery_keys": keys}));
            fits(outcome(&outlook, &page()))
        };
        assert!(drawn(1).contains("only a recovery key can decide"), "{}", drawn(1));
        assert!(drawn(0).contains("nobody can decide after this") && !drawn(0).contains("only a"), "{}", drawn(0));
    }

    #[test]
    fn a_removal_that_needs_a_second_or_leaves_no_admin_says_so_first() {
        let outlook: Outcome = from(json!({
            "signed": true, "takes": true, "counts": false, "devices": [], "gone": [], "lowered": [],
            "admins_left": [], "recovery_keys": 2, "changed_count": 0, "changed": [], "entries": ["7e".repeat(32)],
        }));
        insta::assert_snapshot!(fits(outcome(&outlook, &page())), @r"
        not yet       it takes something from an admin while there are three: another
                      admin must second it
        admins left   NOBODY: only a recovery key can decide after this
        entries       all that are here count as before
        signed        7e7e7e7e
        ");
    }
}
