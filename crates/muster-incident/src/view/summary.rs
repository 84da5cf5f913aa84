//! An incident in a few words: a row of `status`, the head of the board.

use super::words::{TITLE_BYTES_MAX, cut, redaction};
use crate::document::Document;
use crate::state::{self, Moment};
use crate::{People, printable};
use muster_log::PersonId;
use muster_log::fact::{Visibility, What};
use serde::{Deserialize, Serialize};

/// Characters of a slug: enough to know the incident by, short enough to type.
const SLUG_CHARS_MAX: usize = 40;

/// What stands for a title that is not at hand.
const NO_TITLE: &str = "(title not here)";

/// Raised whenever [`summary`] says something else of the same document: summaries are kept on disk.
pub const SUMMARY_VERSION: u32 = 2;

/// An incident in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The incident's id.
    pub incident: String,
    /// The title in letters that can be typed; not unique.
    pub slug: String,
    /// The title; of several the first in order of entry id.
    pub title: String,
    /// All titles given apart; more than one is contested.
    pub titles: Vec<String>,
    /// 1 (worst) to 5; null if unknown; of several the worst.
    pub severity: Option<u8>,
    /// All severities given apart.
    pub severities: Vec<Option<u8>>,
    /// Where it stands; of several the one that is furthest from over.
    pub phase: String,
    /// All phases given apart.
    pub phases: Vec<String>,
    /// Whether people still work on it.
    pub open: bool,
    /// A practice.
    pub drill: bool,
    /// Whether only named persons may hold it.
    pub private: bool,
    /// When it was declared, RFC 3339.
    pub declared_time: Option<String>,
    /// Who holds the role of incident commander.
    pub commanders: Vec<String>,
    /// Actions that may still touch something.
    pub actions_open: usize,
    /// Those of them that share a target with another.
    pub actions_clashing: usize,
    /// What somebody must settle: names of roles, `title`, `severity`, `phase`, `milestone WORD`, `action ID`.
    pub contested: Vec<String>,
    /// How many entries there are.
    pub entries: usize,
}

/// Draws the summary.
pub fn summary(doc: &Document, people: &People) -> Summary {
    let (title, severity, phase) = (state::title(doc), state::severity(doc), state::phase(doc));
    let (roles, actions, milestones) = (state::roles(doc), state::actions(doc), state::milestones(doc));
    let redacted = title.redacted.and_then(|id| redaction(doc, people, &id));
    let missing = redacted.as_deref().unwrap_or(NO_TITLE);
    let shown = |title: &Option<String>| cut(title.as_deref().unwrap_or(missing), TITLE_BYTES_MAX).to_owned();
    let titles: Vec<String> = title.titles.iter().map(shown).collect();
    let first = titles.first().cloned().unwrap_or_else(|| NO_TITLE.to_owned());
    let open = phase.is_open();
    let furthest = phase.phases.iter().min_by_key(|phase| (!phase.is_open(), **phase));
    let mut contested: Vec<String> =
        roles.iter().filter(|(name, role)| role.is_contested(name)).map(|(name, _)| name.clone()).collect();
    let several = [("title", titles.len()), ("severity", severity.severities.len()), ("phase", phase.phases.len())];
    contested.extend(several.iter().filter(|(_, values)| *values > 1).map(|(name, _)| (*name).to_owned()));
    let disputed = milestones.iter().filter(|milestone| milestone.selected.len() > 1);
    contested.extend(disputed.map(|milestone| format!("milestone {}", milestone.letter.word())));
    let disputed = actions.iter().filter(|action| action.states.len() > 1);
    contested.extend(disputed.map(|action| format!("action {}", super::short(&action.id))));
    let declared = doc.node(0);
    let declare = declared.meaning.fact().and_then(|fact| match &fact.what {
        What::Declare(declare) => Some(declare),
        _ => None,
    });
    let mut commanders: Vec<String> = commanders(doc).iter().map(|person| people.name(person)).collect();
    commanders.sort();
    Summary {
        incident: doc.incident().to_string(),
        slug: slug(&first),
        title: first,
        titles,
        severity: severity.severities.iter().flatten().min().copied(),
        severities: severity.severities,
        phase: furthest.map_or("declared", |phase| phase.word()).to_owned(),
        phases: phase.phases.iter().map(|phase| phase.word().to_owned()).collect(),
        open,
        drill: declare.is_some_and(|declare| declare.drill),
        private: declare.is_some_and(|declare| matches!(declare.visibility, Visibility::Private(_))),
        declared_time: Moment::of(declared).start_text(),
        commanders,
        actions_open: actions.iter().filter(|action| action.is_open()).count(),
        actions_clashing: actions.iter().filter(|action| !action.clashes.is_empty()).count(),
        contested,
        entries: doc.len(),
    }
}

/// Who holds the role of incident commander, whatever their names.
pub fn commanders(doc: &Document) -> Vec<PersonId> {
    let roles = state::roles(doc);
    let role = roles.get(crate::role::ROLES_SINGLE[0]);
    role.map(|role| role.holds.iter().map(|hold| hold.person).collect()).unwrap_or_default()
}

impl Summary {
    /// The id's first eight digits, for people.
    pub fn short_id(&self) -> &str {
        self.incident.get(..8).unwrap_or(&self.incident)
    }
}

/// One line about now, as safe to print as [`printable`] makes it.
pub fn status_line(summary: &Summary) -> String {
    let mut facts = vec![summary.phase.clone()];
    facts.push(summary.severity.map_or("severity unknown".to_owned(), |severity| format!("severity {severity}")));
    facts.push(match summary.commanders.as_slice() {
        [] => "no commander".to_owned(),
        [one] => format!("commander {one}"),
        several => format!("commanders {} (contested)", several.join(" and ")),
    });
    match (summary.actions_open, summary.actions_clashing) {
        (0, _) => {}
        (open, 0) => facts.push(format!("{open} open {}", plural(open, "action"))),
        (open, clashing) => facts.push(format!("{open} open {}, {clashing} on one target", plural(open, "action"))),
    }
    if summary.drill {
        facts.push("drill".to_owned());
    }
    if !summary.contested.is_empty() {
        facts.push(format!("to settle: {}", summary.contested.join(", ")));
    }
    printable(&format!("{} {} · {}", summary.short_id(), summary.title, facts.join(" · ")))
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// Lower-case letters and digits with single hyphens between.
fn slug(title: &str) -> String {
    let words: Vec<String> =
        title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    let slug: String = words.join("-").chars().take(SLUG_CHARS_MAX).collect();
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "incident".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_slug_can_be_typed() {
        for (title, expected) in [
            ("Checkout is down!", "checkout-is-down"),
            ("  DB-1: I/O errors ", "db-1-i-o-errors"),
            ("\u{1b}[31m", "31m"),
            ("!?", "incident"),
            ("Störung", "störung"),
        ] {
            assert_eq!(slug(title), expected);
        }
        assert!(slug(&"word ".repeat(100)).chars().count() <= 40);
    }
}
