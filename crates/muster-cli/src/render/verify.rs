//! What the check of every signature and rule found.

use super::audit::quoted;
use super::wrap::wrapped;
use super::{Page, in_quotes, short};
use muster_incident::printable;
use muster_log::Timestamp;
use muster_node::when;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Doubted clocks that are told one by one.
const DOUBTS_SHOWN_MAX: usize = 20;

/// What was found.
#[derive(Debug, Deserialize)]
pub(crate) struct Verify {
    ok: bool,
    /// `store`, or which form of file.
    #[serde(default)]
    what: String,
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
    /// Whether the device that is said to have written it signed it.
    #[serde(default = "yes")]
    is_signed: bool,
    /// Of a file: whether its writer is in the team, was removed, or never was let in.
    #[serde(default)]
    writer: Option<String>,
    #[serde(default)]
    removal: Option<Removal>,
    /// Entries that the writer had lost.
    #[serde(default)]
    lost: u64,
    /// Between which times others' clocks hold what stands, incident by incident.
    #[serde(default)]
    times: Vec<Times>,
    problems: Vec<Found>,
}

#[derive(Debug, Deserialize)]
struct Removal {
    id: String,
    what: String,
    by: String,
    #[serde(default)]
    by_recovery: bool,
    recorded_ms: Option<i64>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
struct Times {
    incident: String,
    entries: u64,
    both: u64,
    one: u64,
    /// How many persons' clocks may be wrong without moving these times.
    #[serde(default)]
    spare: u64,
    doubts: Vec<Doubt>,
}

#[derive(Debug, Deserialize)]
struct Doubt {
    person: String,
    device: String,
    label: String,
    entries: u64,
}

#[derive(Debug, Deserialize)]
struct Found {
    entry: Option<String>,
    what: String,
    /// What is wrong with what it builds on is all that is wrong with it.
    #[serde(default)]
    builds_on: Option<String>,
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
    for (entry, what) in by_root(problems) {
        let entry = entry.map(short).unwrap_or(if verify.what == "store" { "store" } else { "file" });
        drawn.push_str(&wrapped(&format!("{entry:8}  "), 10, &printable(&what)));
    }
    drawn + &besides(verify, page)
}

/// Each problem with its entry: what is bad of itself with its rule, and right behind it, in short, whatever builds on it, by
/// whichever way.
fn by_root(problems: &[Found]) -> Vec<(Option<&str>, String)> {
    // Whatever an entry builds on was judged before it.
    let mut roots: BTreeMap<&str, &str> = BTreeMap::new();
    let mut groups: Vec<Vec<(Option<&str>, String)>> = Vec::new();
    let mut group_of: BTreeMap<&str, usize> = BTreeMap::new();
    for Found { entry, what, builds_on } in problems {
        let (entry, builds_on) = (entry.as_deref(), builds_on.as_deref());
        let root = builds_on.map(|parent| roots.get(parent).copied().unwrap_or(parent));
        if let (Some(entry), Some(root)) = (entry, root) {
            roots.insert(entry, root);
        }
        // What is nowhere in the file has no line of its own: the first that builds on it says so.
        match root.or(entry).map(|name| (name, group_of.get(name))) {
            Some((root, Some(group))) => {
                let in_short = builds_on.map(|_| format!("builds on {}", short(root)));
                groups[*group].push((entry, in_short.unwrap_or_else(|| what.clone())));
            }
            name => {
                group_of.extend(name.map(|(name, _)| (name, groups.len())));
                groups.push(vec![(entry, what.clone())]);
            }
        }
    }
    groups.into_iter().flatten().collect()
}

/// What is no fault, and worth knowing.
fn besides(verify: &Verify, page: &Page) -> String {
    let mut drawn = String::new();
    let shorts = |ids: &[String]| ids.iter().map(|id| short(id)).collect::<Vec<_>>().join(", ");
    let mut line = |head: &str, text: &str| drawn.push_str(&wrapped(&format!("{head:8}  "), 10, &printable(text)));
    if let Some(device) = &verify.device {
        let at = |ms| when::to_the_minute(Timestamp(ms), &page.zone);
        let words =
            [verify.person.as_deref().map(in_quotes), Some(format!("device {device}")), verify.written_ms.map(at)];
        let words = words.into_iter().flatten().collect::<Vec<_>>().join(", ");
        line(
            "written",
            &if verify.is_signed { format!("by {words}") } else { format!("claims to be written by {words}") },
        );
        match (verify.writer.as_deref(), &verify.removal) {
            (Some("removed"), Some(Removal { id, what, by, by_recovery, recorded_ms })) => {
                let by = if *by_recovery { by.clone() } else { in_quotes(by) };
                let at = recorded_ms.map(|ms| format!(" at {} by that clock", at(ms))).unwrap_or_default();
                let text = format!("written by a device that was removed as {what} by {by}{at} (entry {})", short(id));
                line("writer", &text);
            }
            (Some("removed"), None) => {
                line("writer", "written by a device that is not in the team any more: what let it in counts no more");
            }
            _ => {}
        }
    }
    if verify.lost > 0 {
        let lost = plural(verify.lost, "entry", "entries");
        line("lost", &format!("whoever wrote this had lost {lost}: what of them belongs in it is not there"));
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
    clocks(&verify.times, &mut line);
    drawn
}

/// How many entries others' clocks hold between two times, and whose clocks are in doubt.
fn clocks(times: &[Times], line: &mut dyn FnMut(&str, &str)) {
    let sum = |count: fn(&Times) -> u64| times.iter().map(count).sum::<u64>();
    let (entries, both, one) = (sum(|times| times.entries), sum(|times| times.both), sum(|times| times.one));
    if entries == 0 {
        return;
    }
    let none = entries.saturating_sub(both + one);
    let text = format!(
        "others' clocks hold {both} of {entries} entries between two times, {one} on one side, {none} not at all"
    );
    line("times", &text);
    let doubts: Vec<(&Times, &Doubt)> =
        times.iter().flat_map(|times| times.doubts.iter().map(move |doubt| (times, doubt))).collect();
    for (times, Doubt { person, device, label, entries }) in doubts.iter().take(DOUBTS_SHOWN_MAX) {
        let (incident, person) = (short(&times.incident), in_quotes(person));
        let (of, claim) = (plural(*entries, "entry", "entries"), if *entries == 1 { "claims" } else { "claim" });
        let what = match label.as_str() {
            _ if times.spare == 0 => format!(
                "the clocks of {person} and of others contradict each other about {of}: so few people cannot tell whose is wrong"
            ),
            "early" => format!("{of} of {person} {claim} to be earlier than what was there before"),
            "late-claimed" => format!("{of} of {person} {claim} to be later than what came after"),
            _ => format!("others' clocks contradict each other about {of} of {person}"),
        };
        line("clock", &format!("in {incident} {what} (device {device})"));
    }
    if doubts.len() > DOUBTS_SHOWN_MAX {
        line("clock", &format!("and {} more: `--json` tells all", doubts.len() - DOUBTS_SHOWN_MAX));
    }
}

/// What to do after a file was checked.
pub(crate) fn how_to_read(file: &Path) -> String {
    wrapped("read it   ", 10, &format!("`muster verify {} --report`", quoted(&printable(&file.display().to_string()))))
}

/// A number and the word for so many.
pub(super) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fits, from, page};
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn problems_are_named_entry_by_entry() {
        let good: Verify = from(json!({"ok": true, "entries": 12, "signatures_checked": 5, "problems": []}));
        assert_eq!(show(&good, &page()), "ok: 12 entries, 5 signatures checked\n");
        let one: Verify = from(json!({"ok": true, "entries": 1, "signatures_checked": 1, "problems": []}));
        assert_eq!(show(&one, &page()), "ok: 1 entry, 1 signature checked\n");
        for (what, place) in [("store", "store     "), ("audit", "file      "), ("bundle", "file      ")] {
            let verify: Verify = from(json!({"ok": false, "what": what, "entries": 0, "signatures_checked": 0,
                "problems": [{"entry": null, "what": "the manifest is damaged"}]}));
            assert!(show(&verify, &page()).contains(&format!("{place}the manifest is damaged")), "{what}");
        }
        let bad: Verify = from(json!({"ok": false, "entries": 12, "signatures_checked": 5,
            "problems": [{"entry": "ab".repeat(32), "what": "the signature does not fit"}]}));
        insta::assert_snapshot!(fits(show(&bad, &page())), @r"
        NOT OK: 12 entries, 5 signatures checked, 1 problem
        abababab  the signature does not fit
        ");
    }

    #[test]
    fn what_builds_on_a_bad_entry_stands_behind_it_in_one_short_line_each() {
        let bad = |entry: &str, what: &str, builds_on: Option<&str>| json!({"entry": entry.repeat(32), "what": what, "builds_on": builds_on.map(|id| id.repeat(32))});
        let past = |parent: &str| format!("A6, past: {} is refused", parent.repeat(32));
        let verify: Verify = from(json!({"ok": false, "entries": 12, "signatures_checked": 5, "problems": [
            {"entry": null, "what": "the manifest is damaged"},
            bad("ab", "A4, proof: the signature is not by 12D3KooWA", None),
            bad("cd", "A2, binding: the entry builds on nothing", None),
            bad("11", &past("ab"), Some("ab")),
            bad("22", &past("cd"), Some("cd")),
            bad("33", &past("11"), Some("11")),
            bad("33", "its body is not the one that was signed", None),
            bad("44", &format!("A6, past: {} is not here", "ee".repeat(32)), Some("ee")),
            bad("55", &format!("A6, past: {} is not here", "ee".repeat(32)), Some("ee")),
            bad("66", &past("55"), Some("55")),
        ]}));
        insta::assert_snapshot!(fits(show(&verify, &page())), @r"
        NOT OK: 12 entries, 5 signatures checked, 10 problems
        file      the manifest is damaged
        abababab  A4, proof: the signature is not by 12D3KooWA
        11111111  builds on abababab
        33333333  builds on abababab
        cdcdcdcd  A2, binding: the entry builds on nothing
        22222222  builds on cdcdcdcd
        33333333  its body is not the one that was signed
        44444444  A6, past:
                  eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee is
                  not here
        55555555  builds on eeeeeeee
        66666666  builds on eeeeeeee
        ");
    }

    #[test]
    fn what_others_clocks_say_is_told_and_does_not_make_it_bad() {
        let doubt = |label: &str, entries: u64| json!({"person": "bob", "device": "12D3KooWB", "label": label, "entries": entries});
        let times = |doubts: Value| json!({"incident": "ab".repeat(32), "entries": 6, "both": 3, "one": 2, "spare": 1, "doubts": doubts});
        let all = json!([doubt("early", 2), doubt("late-claimed", 1), doubt("contradictory", 3)]);
        let verify: Verify = from(json!({"ok": true, "entries": 14, "signatures_checked": 14, "problems": [],
            "times": [times(all), times(json!([]))]}));
        insta::assert_snapshot!(fits(show(&verify, &page())), @r#"
        ok: 14 entries, 14 signatures checked
        times     others' clocks hold 6 of 12 entries between two times, 4 on one side,
                  2 not at all
        clock     in abababab 2 entries of "bob" claim to be earlier than what was there
                  before (device 12D3KooWB)
        clock     in abababab 1 entry of "bob" claims to be later than what came after
                  (device 12D3KooWB)
        clock     in abababab others' clocks contradict each other about 3 entries of
                  "bob" (device 12D3KooWB)
        "#);
        let many: Vec<Value> = (0..30).map(|_| doubt("early", 1)).collect();
        let verify: Verify = from(json!({"ok": true, "entries": 14, "signatures_checked": 14, "problems": [],
            "times": [times(json!(many))]}));
        let drawn = fits(show(&verify, &page()));
        assert!(drawn.ends_with("and 10 more: `--json` tells all\n"), "{drawn}");
    }

    #[test]
    fn what_is_no_fault_is_told_below() {
        let verify: Verify = from(json!({"ok": true, "entries": 12, "signatures_checked": 5, "by_run": 7,
            "bodies_absent": ["cd".repeat(32)], "forks": [["ab".repeat(32), "ef".repeat(32)]],
            "statuses": {"active": 9, "late": 1}, "device": "12D3KooWA", "person": "alice", "problems": []}));
        insta::assert_snapshot!(fits(show(&verify, &page())), @r#"
        ok: 12 entries, 5 signatures checked, 7 proven by a later one of the log
        written   by "alice", device 12D3KooWA
        status    9 active, 1 late
        fork      one device wrote under one number: abababab, efefefef
        texts     1 text is not there, of cdcdcdcd
        "#);
    }

    #[test]
    fn among_so_few_that_nobody_can_tell_no_clock_is_called_wrong() {
        let verify: Verify = from(json!({"ok": true, "entries": 4, "signatures_checked": 4, "problems": [],
            "times": [{"incident": "ab".repeat(32), "entries": 4, "both": 4, "one": 0, "spare": 0, "doubts": [
                {"person": "bob", "device": "12D3KooWB", "label": "late-claimed", "entries": 2}]}]}));
        insta::assert_snapshot!(fits(show(&verify, &page())), @r#"
        ok: 4 entries, 4 signatures checked
        times     others' clocks hold 4 of 4 entries between two times, 0 on one side, 0
                  not at all
        clock     in abababab the clocks of "bob" and of others contradict each other
                  about 2 entries: so few people cannot tell whose is wrong (device
                  12D3KooWB)
        "#);
    }

    #[test]
    fn of_a_file_is_told_in_full_when_and_by_whom_and_what_its_writer_had_lost() {
        let removal =
            json!({"id": "cd".repeat(32), "what": "stolen", "by": "alice", "recorded_ms": 1_689_855_420_000_i64});
        let told = |more: Value| -> Verify {
            let mut told = json!({"ok": true, "entries": 4, "signatures_checked": 4, "problems": [], "person": null,
                "device": "12D3KooWA", "written_ms": 1_689_855_480_000_i64, "writer": "member"});
            told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            from(told)
        };
        let shown = fits(show(&told(json!({"writer": "removed", "removal": removal, "lost": 3})), &page()));
        insta::assert_snapshot!(shown, @r#"
        ok: 4 entries, 4 signatures checked
        written   by device 12D3KooWA, 2023-07-20T12:18+00:00
        writer    written by a device that was removed as stolen by "alice" at
                  2023-07-20T12:17+00:00 by that clock (entry cdcdcdcd)
        lost      whoever wrote this had lost 3 entries: what of them belongs in it is
                  not there
        "#);
        let shown = show(&told(json!({"is_signed": false})), &page());
        assert!(shown.contains("claims to be written by device 12D3KooWA, 2023-07-20T12:18+00:00"), "{shown}");
        assert!(!shown.contains("writer"), "{shown}");
    }
}
