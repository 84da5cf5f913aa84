//! What people ask for, turned into an entry's facts and body.
//!
//! A command is judged against the document its author sees: a register write names all the values they could see, so
//! that nothing is replaced that nobody looked at. What is refused here is only advice to a person; the rules that bind
//! everybody are in [`crate::document`]. Sealing and signing the entry is the ledger's and the node's affair.

mod act;
mod action;
mod error;
mod redact;
mod resolve;
mod role;

pub use act::{Act, Aside};
pub use error::CommandError;
pub use resolve::resolve_entry;

use crate::document::Document;
use crate::{People, state};
use muster_log::fact::{Declare, IncidentFact, Letter, Phase, Saying, Visibility, What};
use muster_log::limits::SUPERSEDES_MAX;
use muster_log::{BodyText, EntryId, Part, PersonId};
use std::collections::BTreeSet;

/// What to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The fact.
    pub fact: IncidentFact,
    /// What was typed; empty = an entry without a body.
    pub body: BodyText,
    /// What the author should know at once, without being held up: one sentence each.
    pub notes: Vec<String>,
}

impl Prepared {
    fn new(what: What, body: BodyText) -> Self {
        Self { fact: IncidentFact::now(what), body, notes: Vec::new() }
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds what goes with any command.
    fn aside(mut self, aside: &Aside) -> Self {
        self.fact.when = aside.when;
        let parts = [(Part::When, &aside.when_text), (Part::Who, &aside.who), (Part::Link, &aside.link)];
        for (part, text) in parts {
            self.body = self.body.with(part, text.as_deref().unwrap_or_default());
        }
        self
    }
}

/// What a command is judged by.
struct Context<'a> {
    doc: &'a Document,
    people: &'a People,
    me: PersonId,
}

/// Prepares the entry that begins an incident; `act` is [`Act::Declare`].
///
/// # Errors
/// [`CommandError`], mostly for an empty title, a severity that is none, or an unknown name.
pub fn declare(act: &Act, aside: &Aside, people: &People) -> Result<Prepared, CommandError> {
    let Act::Declare { title, severity, drill, suspected, private } = act else {
        return Err(CommandError::NoIncident);
    };
    let named: BTreeSet<PersonId> = private.iter().map(|name| people.find(name)).collect::<Result<_, _>>()?;
    let visibility =
        if private.is_empty() { Visibility::Team } else { Visibility::Private(named.into_iter().collect()) };
    let what = What::Declare(Declare {
        drill: *drill,
        suspected: *suspected,
        visibility,
        severity: check_severity(*severity)?,
    });
    Ok(Prepared::new(what, BodyText::plain(typed("title", title)?)).aside(aside))
}

/// Prepares an entry of an incident as its author `me` sees it.
///
/// # Errors
/// [`CommandError`], where the person should think again; [`CommandError::hint`] says how.
pub fn prepare(
    doc: &Document,
    people: &People,
    me: PersonId,
    act: &Act,
    aside: &Aside,
) -> Result<Prepared, CommandError> {
    let context = Context { doc, people, me };
    context.prepare(act).map(|prepared| prepared.aside(aside))
}

/// Prepares an entry that refers to no other, so that no document is needed; `None` where one is: [`prepare`] takes it.
pub fn plain(act: &Act, aside: &Aside) -> Option<Result<Prepared, CommandError>> {
    said(act).map(|(saying, text)| say(saying, text).map(|prepared| prepared.aside(aside)))
}

impl Context<'_> {
    fn prepare(&self, act: &Act) -> Result<Prepared, CommandError> {
        match act {
            Act::Declare { .. } | Act::Say { .. } | Act::Saw { .. } | Act::Decided { .. } | Act::Need { .. } => {
                said(act).map_or(Err(CommandError::AlreadyDeclared), |(saying, text)| say(saying, text))
            }
            Act::Will { text, target, undo, tested, expected_minutes } => {
                self.will(text, target, undo.as_deref(), tested.as_deref(), *expected_minutes)
            }
            Act::Doing { what, target } => self.doing(what.as_deref(), target.as_deref()),
            Act::Did { id, result, text } => self.did(id.as_deref(), result, text.as_deref()),
            Act::Amend { id, text } => self.amend(id, text),
            Act::Redact { id, reason } => self.redact(id, reason),
            Act::Severity { severity } => self.severity(*severity),
            Act::Mark { milestone, text } => self.mark(milestone, text.as_deref()),
            Act::RoleClaim { role, take } => self.role_claim(role, take.as_deref()),
            Act::RoleAssign { role, to } => self.role_assign(role, to),
            Act::RoleAccept { role } => self.role_accept(role),
            Act::RoleRelease { role } => self.role_release(role),
            Act::RoleSettle { role, on } => self.role_settle(role, on),
            Act::Phase { phase, text } => self.phase(phase, text.as_deref()),
            Act::Admit { who } => {
                Ok(Prepared::new(What::Admit { person: self.people.find(who)? }, BodyText::default()))
            }
            Act::Title { title } => {
                let supersedes = superseding(state::title(self.doc).writers);
                Ok(Prepared::new(What::Title { supersedes }, BodyText::plain(typed("title", title)?)))
            }
        }
    }

    fn amend(&self, id: &str, text: &str) -> Result<Prepared, CommandError> {
        let target = resolve_entry(self.doc, id)?;
        let said = self.doc.find(&target).and_then(|(_, node)| node.meaning.fact());
        if said.is_some_and(|fact| fact.what == What::JoinHeads) {
            return Err(CommandError::NothingToAmend { id: crate::view::short(&target) });
        }
        Ok(Prepared::new(What::Amendment { target }, BodyText::plain(typed("text", text)?)))
    }

    fn severity(&self, severity: Option<u8>) -> Result<Prepared, CommandError> {
        let severity = check_severity(severity)?;
        let now = state::severity(self.doc);
        let prepared =
            Prepared::new(What::Severity { severity, supersedes: superseding(now.writers) }, BodyText::default());
        Ok(if now.severities == [severity] { prepared.note("the severity was that already") } else { prepared })
    }

    fn mark(&self, milestone: &str, text: Option<&str>) -> Result<Prepared, CommandError> {
        let word = milestone.trim();
        let letter = Letter::from_word(&word.to_lowercase())
            .or_else(|| Letter::from_word(&word.to_uppercase()))
            .ok_or_else(|| CommandError::UnknownMilestone { typed: crate::printable(word) })?;
        // It would end an incident that is over already, apart from the word that ended it, and so contest it.
        let now = state::phase(self.doc);
        if letter == Letter::Resolved && now.phases == [Phase::Dismissed] {
            let phases = vec![Phase::Dismissed.word()];
            return Err(CommandError::WrongPhase { to: Phase::Resolved.word(), phases });
        }
        let claimed = state::milestones(self.doc).iter().any(|known| known.letter == letter);
        let prepared = Prepared::new(What::Milestone { letter }, optional(text));
        Ok(if claimed { prepared.note("this milestone has another claim; both are kept") } else { prepared })
    }

    fn phase(&self, word: &str, text: Option<&str>) -> Result<Prepared, CommandError> {
        let phase = match word.trim().to_lowercase().as_str() {
            "confirm" | "confirmed" => Some(Phase::Declared),
            "dismiss" => Some(Phase::Dismissed),
            "resolve" => Some(Phase::Resolved),
            "reopen" => Some(Phase::Reopened),
            word => Phase::from_word(word),
        };
        let phase = phase.ok_or_else(|| CommandError::UnknownPhase { typed: crate::printable(word) })?;
        let now = state::phase(self.doc);
        let known = |wrong: bool| {
            let phases = now.phases.iter().map(|phase| phase.word()).collect();
            if wrong { Err(CommandError::WrongPhase { to: phase.word(), phases }) } else { Ok(()) }
        };
        match phase {
            // A contested phase can be settled on any of its values.
            _ if now.phases.len() > 1 => {}
            Phase::Declared => known(now.phases != [Phase::Suspected])?,
            Phase::Suspected | Phase::Dismissed | Phase::Resolved => known(!now.is_open() || now.phases == [phase])?,
            Phase::Reopened => known(now.is_open())?,
        }
        let what = What::Phase { phase, supersedes: superseding(now.writers) };
        Ok(Prepared::new(what, optional(text)))
    }
}

/// What is said in an act that only says something.
fn said(act: &Act) -> Option<(Saying, &str)> {
    Some(match act {
        Act::Say { text } => (Saying::Note, text),
        Act::Saw { text } => (Saying::Observation, text),
        Act::Decided { text } => (Saying::Decision, text),
        Act::Need { text } => (Saying::Request, text),
        _ => return None,
    })
}

fn say(saying: Saying, text: &str) -> Result<Prepared, CommandError> {
    Ok(Prepared::new(What::Say(saying), BodyText::plain(typed("text", text)?)))
}

/// What was typed, unless that is nothing.
fn typed<'a>(what: &'static str, text: &'a str) -> Result<&'a str, CommandError> {
    // Control characters are shown to nobody.
    let says = |text: &&str| !text.chars().all(|c| c.is_control() || c.is_whitespace());
    Some(text.trim()).filter(says).ok_or(CommandError::Empty { what })
}

fn optional(text: Option<&str>) -> BodyText {
    BodyText::plain(text.map(str::trim).unwrap_or_default())
}

fn check_severity(severity: Option<u8>) -> Result<Option<u8>, CommandError> {
    match severity {
        Some(number) if !(1..=5).contains(&number) => Err(CommandError::BadSeverity { number }),
        severity => Ok(severity),
    }
}

/// What an entry can supersede: sorted, each once, as many as fit. Those given first stay if not all do; what is left
/// over keeps the register contested, and the next write takes it.
fn superseding(writers: impl IntoIterator<Item = EntryId>) -> Vec<EntryId> {
    let mut kept = BTreeSet::new();
    for writer in writers {
        if kept.len() < SUPERSEDES_MAX {
            kept.insert(writer);
        }
    }
    kept.into_iter().collect()
}

#[cfg(test)]
mod tests;
