//! `status`: one line about now, as in git, and a word where links are not as they should be.

use super::peers::cut_names;
use super::summary::Summary;
use super::wrap::wrapped;
use super::{Page, short};
use serde::Deserialize;

/// What this device is in the midst of.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    node: bool,
    #[serde(default)]
    cut: Vec<String>,
    /// Whether nobody else is known to be in the team, or there is none.
    #[serde(default = "yes")]
    alone: bool,
    chosen: Option<String>,
    incidents: Vec<Summary>,
    #[serde(default)]
    only_here: usize,
    #[serde(default)]
    late: usize,
    /// How many incidents are over.
    #[serde(default)]
    over: usize,
}

fn yes() -> bool {
    true
}

/// Incidents that are drawn where not all were asked for: a screen with a line or two each.
const LINES_MAX: usize = 20;

/// Draws the incidents, one line each, the chosen one marked: the open ones, or `all`. Of too many open ones the newest
/// are drawn, and the chosen one.
pub(crate) fn show(status: &Status, all: bool, page: &Page) -> String {
    let is_chosen = |incident: &Summary| status.chosen.as_ref() == Some(&incident.incident);
    let mut open: Vec<&Summary> = status.incidents.iter().filter(|incident| all || incident.open).collect();
    let left_out = if all { 0 } else { open.len().saturating_sub(LINES_MAX) };
    if left_out > 0 {
        open.sort_by(|a, b| (is_chosen(b), &b.declared_time).cmp(&(is_chosen(a), &a.declared_time)));
        open.truncate(LINES_MAX);
    }
    let mut drawn = match (open.is_empty(), status.over) {
        (true, 0) if !status.node && !status.alone => {
            "no incident is here yet; `muster up` brings what the team has\n".to_owned()
        }
        (true, 0) => "no incident; `muster declare TITLE` begins one\n".to_owned(),
        (true, over) => format!("no open incident, {over} over; `muster declare TITLE` begins one\n"),
        _ => String::new(),
    };
    for incident in &open {
        let head = match (open.len(), is_chosen(incident)) {
            (1, _) => "",
            (_, true) => "* ",
            (_, false) => "  ",
        };
        let head = format!("{head}{} ", short(&incident.incident));
        drawn.push_str(&wrapped(&head, head.len(), &incident.about()));
    }
    if left_out > 0 {
        drawn.push_str(&format!("  and {left_out} more open; `muster status --all` lists every incident\n"));
    }
    drawn.push_str(&local_lines(status.only_here, status.late, status.node));
    if !status.cut.is_empty() {
        drawn.push_str(&cut_line(&cut_names(&status.cut, &[]), page));
    } else if !status.node {
        drawn.push_str("no node is running: nothing is sent or received until `muster up`\n");
    }
    drawn
}

/// What only this device knows: what nobody else is known to hold, and what arrived late.
///
/// What others hold is heard by a running node and gone with it; without one nobody can say.
pub(super) fn local_lines(only_here: usize, late: usize, node: bool) -> String {
    let mut drawn = String::new();
    if only_here > 0 && !node {
        drawn.push_str(&format!("not known to be elsewhere: {only_here}; `muster up` hears what others hold\n"));
    } else if only_here > 0 {
        drawn.push_str(&format!("only on this device, as far as is known: {only_here}\n"));
    }
    if late > 0 {
        drawn.push_str(&format!("arrived late: {late}; `muster board` lists them, `muster seen` marks them\n"));
    }
    drawn
}

/// Links that were cut on purpose, in red words.
pub(super) fn cut_line(names: &str, page: &Page) -> String {
    let text = format!("LINKS ARE CUT to {names} by `muster net cut`; `muster net heal` undoes it");
    wrapped("", 0, &text).lines().map(|line| page.paint.red(line) + "\n").collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{fits, from, page};
    use super::*;
    use serde_json::{Value, json};

    /// An open incident.
    pub(in crate::render) fn summary(id: &str, title: &str) -> Value {
        json!({"incident": id.repeat(32), "slug": "checkout-is-down", "title": title, "titles": [title],
            "severity": 1, "severities": [1], "phase": "declared", "phases": ["declared"], "open": true,
            "drill": false, "private": false, "declared_time": "2023-07-20T12:31:00+00:00",
            "commanders": ["alice", "bob"], "actions_open": 2, "actions_clashing": 2,
            "contested": ["incident-commander"], "entries": 17})
    }

    #[track_caller]
    fn check(node: bool, cut: &[&str], chosen: Option<&str>, incidents: Value) -> String {
        let chosen = chosen.map(|id| id.repeat(32));
        let over = incidents.as_array().into_iter().flatten().filter(|incident| incident["open"] == false).count();
        fits(show(
            &from(json!({"device": "d", "person": null, "team": null, "node": node, "cut": cut,
            "chosen": chosen, "incidents": incidents, "over": over})),
            false,
            &page(),
        ))
    }

    #[test]
    fn status_is_one_line_about_the_only_open_incident() {
        let text = check(true, &[], None, json!([summary("7f", "Checkout is down")]));
        insta::assert_snapshot!(text, @r"
        7f7f7f7f Checkout is down · severity 1 · declared · commander alice and bob ·
                 open actions: 2, 2 CLASH · CONTESTED: incident-commander
        ");
    }

    #[test]
    fn a_title_with_line_feeds_makes_no_line_of_its_own() {
        let forged = summary("7f", "Checkout\n  8a8a8a8a Mail is slow\nLINKS ARE CUT");
        let text = check(true, &[], None, json!([forged, summary("9b", "Search is slow")]));
        assert_eq!(text.lines().filter(|line| line.trim_start().starts_with("8a8a8a8a")).count(), 0, "{text}");
        assert!(text.starts_with("  7f7f7f7f Checkout 8a8a8a8a Mail is slow LINKS ARE CUT"), "{text}");
    }

    #[test]
    fn of_several_open_incidents_the_chosen_one_is_marked() {
        let incidents = json!([summary("7f", "Checkout is down"), summary("8a", "Mail is slow")]);
        let text = check(false, &[], Some("8a"), incidents);
        insta::assert_snapshot!(text, @r"
          7f7f7f7f Checkout is down · severity 1 · declared · commander alice and bob ·
                   open actions: 2, 2 CLASH · CONTESTED: incident-commander
        * 8a8a8a8a Mail is slow · severity 1 · declared · commander alice and bob · open
                   actions: 2, 2 CLASH · CONTESTED: incident-commander
        no node is running: nothing is sent or received until `muster up`
        ");
    }

    #[test]
    fn what_only_this_device_holds_and_what_arrived_late_is_counted() {
        assert_eq!(local_lines(0, 0, true), "");
        assert!(local_lines(3, 0, false).starts_with("not known to be elsewhere: 3"));
        insta::assert_snapshot!(local_lines(3, 2, true), @r"
        only on this device, as far as is known: 3
        arrived late: 2; `muster board` lists them, `muster seen` marks them
        ");
    }

    #[test]
    fn of_very_many_open_incidents_the_newest_and_the_chosen_one_are_drawn() {
        let incident = |n: u32| {
            let mut summary = summary(&format!("{n:02x}"), "Mail is slow");
            summary["declared_time"] = json!(format!("2023-07-20T12:{n:02}:00+00:00"));
            summary
        };
        let text = check(true, &[], Some("03"), (0..50).map(incident).collect());
        assert!(text.starts_with("* 03030303"), "{text}");
        assert!(text.contains("  31313131") && text.contains("  1f1f1f1f") && !text.contains("1e1e1e1e"), "{text}");
        assert!(text.ends_with("and 30 more open; `muster status --all` lists every incident\n"), "{text}");
    }

    #[test]
    fn without_an_incident_status_says_how_to_begin_and_that_links_are_cut() {
        let mut over = summary("7f", "Checkout is down");
        over["open"] = json!(false);
        insta::assert_snapshot!(check(true, &["everybody"], None, json!([over])), @r"
        no open incident, 1 over; `muster declare TITLE` begins one
        LINKS ARE CUT to everybody by `muster net cut`; `muster net heal` undoes it
        ");
        assert!(check(true, &[], None, json!([])).starts_with("no incident; "));
        let joined = json!({"node": false, "alone": false, "chosen": null, "incidents": []});
        let text = show(&from(joined), false, &page());
        assert!(text.starts_with("no incident is here yet; `muster up` brings what the team has\n"), "{text}");
    }
}
