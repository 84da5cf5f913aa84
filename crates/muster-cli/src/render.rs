//! One file per rendering: the node's JSON in, lines of at most 80 columns out.
//!
//! Texts of others are made printable before they come here ([`crate::run`]). Nothing is said by colour alone.

pub(crate) mod actions;
pub(crate) mod audit;
pub(crate) mod board;
pub(crate) mod bundle;
pub(crate) mod doctor;
mod moment;
mod paint;
pub(crate) mod peers;
pub(crate) mod qr;
pub(crate) mod record;
pub(crate) mod removal;
pub(crate) mod roles;
pub(crate) mod status;
pub(crate) mod summary;
pub(crate) mod team;
pub(crate) mod team_history;
pub(crate) mod timeline;
pub(crate) mod verify;
pub(crate) mod whohas;
pub(crate) mod wrap;

pub(crate) use paint::Paint;

use jiff::tz::TimeZone;
use muster_log::Timestamp;

/// Columns of a line.
const WIDTH: usize = 80;

/// Digits of an id that people see and type.
const SHORT_DIGITS: usize = 8;

/// How a person wants to see answers.
pub(crate) struct Page {
    /// Colours, or none.
    pub(crate) paint: Paint,
    /// The clock as the command began.
    pub(crate) now: Timestamp,
    /// The zone in which times are shown.
    pub(crate) zone: TimeZone,
}

/// An id as people read it.
pub(crate) fn short(id: &str) -> &str {
    id.get(..SHORT_DIGITS).unwrap_or(id)
}

/// A name among the program's own words, which ends where it ends, whatever is in it.
pub(crate) fn in_quotes(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "'"))
}

/// A name in a place of its own, in quotes where it could be taken for more than a name.
pub(crate) fn name_alone(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || " -_.'~()\u{fffd}".contains(c);
    if name.chars().all(is_plain) && !name.contains("  ") { name.to_owned() } else { in_quotes(name) }
}

/// Names behind a head of plain text, on as many lines as they need.
pub(crate) fn list_behind(head: &str, names: &[String]) -> String {
    wrap::wrapped(head, head.len(), &names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without colour, at 2023-07-20 12:45 UTC.
    pub(crate) fn page() -> Page {
        Page { paint: Paint::off(), now: Timestamp(1_689_857_100_000), zone: TimeZone::UTC }
    }

    /// Reads a rendering's JSON as the node's answer comes: printable.
    #[track_caller]
    pub(crate) fn from<T: serde::de::DeserializeOwned>(answer: serde_json::Value) -> T {
        serde_json::from_value(crate::run::made_printable(answer)).unwrap()
    }

    #[test]
    fn many_names_take_several_lines() {
        let names: Vec<String> = (0..20).map(|n| format!("person-{n}")).collect();
        assert!(fits(list_behind("chosen team 7f7f7f7f  ", &names)).lines().count() > 2);
    }

    /// What was drawn, if it fits on a screen's width.
    #[track_caller]
    pub(crate) fn fits(drawn: String) -> String {
        for line in drawn.lines() {
            assert!(unicode_width::UnicodeWidthStr::width(line) <= WIDTH, "{line}");
        }
        drawn
    }
}
