//! An incident in a few words: the line of `status`, the head of the board.

use super::in_quotes;
use muster_incident::printable;
use serde::Deserialize;

/// An incident in a few words.
#[derive(Debug, Deserialize)]
pub(crate) struct Summary {
    pub(super) incident: String,
    pub(super) slug: String,
    /// Whose it is, where this home is in several teams.
    #[serde(default)]
    team: Option<String>,
    pub(super) title: String,
    #[serde(default)]
    titles: Vec<String>,
    severity: Option<u8>,
    #[serde(default)]
    severities: Vec<Option<u8>>,
    phase: String,
    #[serde(default)]
    phases: Vec<String>,
    pub(super) open: bool,
    drill: bool,
    private: bool,
    pub(super) declared_time: Option<String>,
    commanders: Vec<String>,
    actions_open: u64,
    actions_clashing: u64,
    contested: Vec<String>,
    #[serde(default)]
    pub(super) entries: usize,
}

/// Bytes of a title that lists and the board show; the timeline has all of it.
const TITLE_BYTES_MAX: usize = 256;

/// A title on one line, whatever a peer put into it, that leaves room for what else there is to see.
pub(crate) fn shortened(title: &str) -> String {
    let title = printable(title);
    if title.len() <= TITLE_BYTES_MAX {
        return title;
    }
    let mut end = TITLE_BYTES_MAX;
    while !title.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}..", title[..end].trim_end())
}

impl Summary {
    /// Where it stands: phase, severity, what it is by birth.
    pub(super) fn standing(&self) -> Vec<String> {
        let mut facts = vec![match self.severity {
            Some(severity) => format!("severity {severity}"),
            None => "severity unknown".to_owned(),
        }];
        facts.push(self.phase.clone());
        facts.extend(self.team.as_deref().map(|team| format!("team {}", printable(team))));
        facts.extend(self.drill.then(|| "DRILL".to_owned()));
        facts.extend(self.private.then(|| "private".to_owned()));
        facts
    }

    /// Where an incident stands in a record, without its title: names and words of peers in quotes.
    pub(super) fn standing_in_record(&self) -> String {
        let quoted = |names: &[String]| names.iter().map(|name| in_quotes(&printable(name))).collect::<Vec<_>>();
        let mut facts = self.standing();
        facts.push(match self.commanders.as_slice() {
            [] => "no commander".to_owned(),
            holders => format!("commander {}", quoted(holders).join(" and ")),
        });
        if self.actions_open > 0 {
            facts.push(format!("open actions: {}", self.actions_open));
        }
        if !self.contested.is_empty() {
            facts.push(format!("CONTESTED: {}", quoted(&self.contested).join(", ")));
        }
        facts.join(" · ")
    }

    /// One line about now, for behind the id.
    pub(super) fn about(&self) -> String {
        let mut facts = vec![shortened(&self.title)];
        facts.extend(self.standing());
        facts.push(match self.commanders.as_slice() {
            [] => "no commander".to_owned(),
            holders => format!("commander {}", holders.join(" and ")),
        });
        match (self.actions_open, self.actions_clashing) {
            (0, _) => {}
            (open, 0) => facts.push(format!("open actions: {open}")),
            (open, clashing) => facts.push(format!("open actions: {open}, {clashing} CLASH")),
        }
        if !self.contested.is_empty() {
            facts.push(format!("CONTESTED: {}", self.contested.join(", ")));
        }
        // Roles and the like are words of peers too.
        printable(&facts.join(" · "))
    }

    /// What is contested besides roles, each with the command that settles it. Roles say it themselves.
    pub(super) fn to_settle(&self) -> Vec<String> {
        let severity = |severity: &Option<u8>| severity.map_or("unknown".to_owned(), |severity| severity.to_string());
        let several = |values: Vec<String>| format!("{}; settle it with", values.join(" and "));
        self.contested
            .iter()
            .map(|what| printable(what))
            .filter_map(|what| match what.split_once(' ') {
                None if what == "title" => Some(format!(
                    "title: {} `muster title TITLE`",
                    several(self.titles.iter().map(|title| shortened(title)).collect())
                )),
                None if what == "severity" => {
                    let severities = several(self.severities.iter().map(severity).collect());
                    Some(format!("severity: {severities} `muster sev N`"))
                }
                None if what == "phase" => {
                    let commands = "`muster confirm`, `dismiss`, `resolve` or `reopen`";
                    Some(format!("phase: {} {commands}", several(self.phases.clone())))
                }
                Some(("milestone", word)) => Some(format!("milestone {word}")),
                // Roles and actions stand elsewhere on the board with theirs.
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_as_long_as_a_book_is_shortened_between_two_characters() {
        assert_eq!(shortened("Checkout is down"), "Checkout is down");
        assert_eq!(shortened("Checkout\nCONTESTED\r\nno"), "Checkout CONTESTED  no");
        let long = shortened(&"ä".repeat(8_000));
        assert_eq!((long.len(), long.ends_with("ä..")), (TITLE_BYTES_MAX + 2, true));
        assert_eq!(shortened(&("x".to_owned() + &"ä".repeat(200))).chars().count(), 1 + 127 + 2);
    }
}
