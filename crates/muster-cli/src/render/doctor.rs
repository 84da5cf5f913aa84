//! The report of `doctor`: a line for each check, its state in a word, and the next command where there is one.

use super::Page;
use super::wrap::{column, wrapped};
use muster_node::doctor::{Check, Report, State};

/// Columns of the states.
const STATE_COLUMNS: usize = 4;

/// Columns of the checks' names.
const NAME_COLUMNS: usize = 8;

/// Draws the report.
pub(crate) fn show(report: &Report, page: &Page) -> String {
    let mut drawn: String = report.checks.iter().map(|check| draw(check, page)).collect();
    drawn.push_str(&verdict(report));
    drawn
}

fn draw(check: &Check, page: &Page) -> String {
    let word = column(word(check.state), STATE_COLUMNS);
    let word = if check.state == State::Bad { page.paint.red(&word) } else { word };
    let head = format!("{word}  {}  ", column(&check.check, NAME_COLUMNS));
    let columns = STATE_COLUMNS + 2 + NAME_COLUMNS + 2;
    let mut drawn = wrapped(&head, columns, &check.text);
    if let Some(next) = check.next.as_ref().filter(|_| check.state != State::Ok) {
        drawn.push_str(&wrapped(&format!("{:columns$}next: ", ""), columns + 6, next));
    }
    drawn
}

fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Warn => "warn",
        State::Bad => "BAD",
    }
}

fn verdict(report: &Report) -> String {
    let count = |state| report.checks.iter().filter(|check| check.state == state).count();
    match (count(State::Bad), count(State::Warn)) {
        (0, 0) => "ready: nothing to do\n".into(),
        (0, warned) => format!("nothing is bad; {warned} to look at\n"),
        (bad, warned) => format!("NOT READY: {bad} bad, {warned} to look at\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fits, from, page};
    use super::*;
    use serde_json::json;

    #[test]
    fn each_check_says_its_state_in_a_word_and_what_to_do_next() {
        let check = |check: &str, state: &str, text: &str, next: Option<&str>| json!({"check": check, "state": state, "text": text, "next": next, "detail": {}});
        let report: Report = from(json!({"verdict": "bad", "home": "/h", "node": false, "device": null, "checks": [
            check("store", "ok", "whole, 12 entries", None),
            check("clock", "warn", "nobody to compare with", Some("`muster up`, and look again when somebody is connected")),
            check("key", "bad", "other users have access to the key file `/home/alice/.local/share/muster/device.key` (mode 0644)",
                Some("run `chmod 600 '/home/alice/.local/share/muster/device.key'`")),
        ]}));
        insta::assert_snapshot!(fits(show(&report, &page())), @r"
        ok    store     whole, 12 entries
        warn  clock     nobody to compare with
                        next: `muster up`, and look again when somebody is connected
        BAD   key       other users have access to the key file
                        `/home/alice/.local/share/muster/device.key` (mode 0644)
                        next: run
                              `chmod 600 '/home/alice/.local/share/muster/device.key'`
        NOT READY: 1 bad, 1 to look at
        ");
        let good: Report = from(json!({"verdict": "ok", "home": "/h", "node": true, "device": "12D", "checks": [
            check("store", "ok", "whole, 12 entries", None)]}));
        assert!(show(&good, &page()).ends_with("ready: nothing to do\n"));
    }
}
