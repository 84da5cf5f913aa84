//! What the check of every signature and rule found.

use super::wrap::wrapped;
use super::{Page, short};
use serde::Deserialize;

/// What was found.
#[derive(Debug, Deserialize)]
pub(crate) struct Verify {
    ok: bool,
    entries: u64,
    signatures_checked: u64,
    problems: Vec<Found>,
}

#[derive(Debug, Deserialize)]
struct Found {
    entry: Option<String>,
    what: String,
}

/// Draws what was found.
pub(crate) fn show(verify: &Verify, page: &Page) -> String {
    let Verify { ok, entries, signatures_checked, problems } = verify;
    let plural = |number: u64, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
    let counted = format!(
        "{}, {} checked",
        plural(*entries, "entry", "entries"),
        plural(*signatures_checked, "signature", "signatures")
    );
    if *ok {
        return format!("ok: {counted}\n");
    }
    let found = plural(problems.len() as u64, "problem", "problems");
    let mut drawn = format!("{}: {counted}, {found}\n", page.paint.red("NOT OK"));
    for Found { entry, what } in problems {
        let entry = entry.as_deref().map(short).unwrap_or("store");
        drawn.push_str(&wrapped(&format!("{entry:8}  "), 10, what));
    }
    drawn
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
}
