//! What the check of every signature and rule found.

use super::wrap::wrapped;
use super::{Page, short};
use muster_log::Timestamp;
use muster_node::when;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What was found.
#[derive(Debug, Deserialize)]
pub(crate) struct Verify {
    ok: bool,
    entries: u64,
    signatures_checked: u64,
    /// Entries proven by a later one of their log.
    #[serde(default)]
    by_run: u64,
    #[serde(default)]
    bodies_absent: Vec<String>,
    /// What others build on and is not there.
    #[serde(default)]
    missing: Vec<String>,
    #[serde(default)]
    forks: Vec<Vec<String>>,
    #[serde(default)]
    statuses: BTreeMap<String, u64>,
    /// Of a file: who wrote it.
    #[serde(default)]
    device: Option<String>,
    #[serde(default)]
    person: Option<String>,
    #[serde(default)]
    written_ms: Option<i64>,
    problems: Vec<Found>,
}

#[derive(Debug, Deserialize)]
struct Found {
    entry: Option<String>,
    what: String,
}

/// Draws what was found.
pub(crate) fn show(verify: &Verify, page: &Page) -> String {
    let Verify { ok, entries, signatures_checked, problems, .. } = verify;
    let mut counted = format!(
        "{}, {} checked",
        plural(*entries, "entry", "entries"),
        plural(*signatures_checked, "signature", "signatures")
    );
    if verify.by_run > 0 {
        counted.push_str(&format!(", {} proven by a later one of the log", verify.by_run));
    }
    let mut drawn = if *ok {
        wrapped("ok: ", 4, &counted)
    } else {
        let found = plural(problems.len() as u64, "problem", "problems");
        format!("{}: {counted}, {found}\n", page.paint.red("NOT OK"))
    };
    for Found { entry, what } in problems {
        let entry = entry.as_deref().map(short).unwrap_or(if verify.device.is_some() { "file" } else { "store" });
        drawn.push_str(&wrapped(&format!("{entry:8}  "), 10, what));
    }
    drawn + &besides(verify, page)
}

/// What is no fault, and worth knowing.
fn besides(verify: &Verify, page: &Page) -> String {
    let mut drawn = String::new();
    let shorts = |ids: &[String]| ids.iter().map(|id| short(id)).collect::<Vec<_>>().join(", ");
    let mut line = |head: &str, text: &str| drawn.push_str(&wrapped(&format!("{head:8}  "), 10, text));
    if let Some(device) = &verify.device {
        let at = verify.written_ms.map(|ms| when::human(Timestamp(ms), page.now, &page.zone));
        let words = [verify.person.clone(), Some(format!("device {device}")), at];
        line("written", &format!("by {}", words.into_iter().flatten().collect::<Vec<_>>().join(", ")));
    }
    if verify.statuses.keys().any(|status| status != "active") {
        let counts = verify.statuses.iter().map(|(status, count)| format!("{count} {status}"));
        line("status", &counts.collect::<Vec<_>>().join(", "));
    }
    for fork in &verify.forks {
        line("fork", &format!("one device wrote under one number: {}", shorts(fork)));
    }
    if !verify.missing.is_empty() {
        line("missing", &format!("others build on {}", shorts(&verify.missing)));
    }
    if !verify.bodies_absent.is_empty() {
        let count = plural(verify.bodies_absent.len() as u64, "text is", "texts are");
        line("texts", &format!("{count} not there, of {}", shorts(&verify.bodies_absent)));
    }
    drawn
}

/// A number and the word for so many.
pub(super) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fits, from, page};
    use super::*;
    use serde_json::json;

    #[test]
    fn problems_are_named_entry_by_entry() {
        let good: Verify = from(json!({"ok": true, "entries": 12, "signatures_checked": 5, "problems": []}));
        assert_eq!(show(&good, &page()), "ok: 12 entries, 5 signatures checked\n");
        let one: Verify = from(json!({"ok": true, "entries": 1, "signatures_checked": 1, "problems": []}));
        assert_eq!(show(&one, &page()), "ok: 1 entry, 1 signature checked\n");
        let bad: Verify = from(json!({"ok": false, "entries": 12, "signatures_checked": 5,
            "problems": [{"entry": "ab".repeat(32), "what": "the signature does not fit"}]}));
        insta::assert_snapshot!(fits(show(&bad, &page())), @r"
        NOT OK: 12 entries, 5 signatures checked, 1 problem
        abababab  the signature does not fit
        ");
    }

    #[test]
    fn what_is_no_fault_is_told_below() {
        let verify: Verify = from(json!({"ok": true, "entries": 12, "signatures_checked": 5, "by_run": 7,
            "bodies_absent": ["cd".repeat(32)], "forks": [["ab".repeat(32), "ef".repeat(32)]],
            "statuses": {"active": 9, "late": 1}, "device": "12D3KooWA", "person": "alice", "problems": []}));
        insta::assert_snapshot!(fits(show(&verify, &page())), @r"
        ok: 12 entries, 5 signatures checked, 7 proven by a later one of the log
        written   by alice, device 12D3KooWA
        status    9 active, 1 late
        fork      one device wrote under one number: abababab, efefefef
        texts     1 text is not there, of cdcdcdcd
        ");
    }
}
