//! Why a command is not done, and what to do about it.

use crate::role::BadRoleName;
use crate::{RoleName, UnknownPerson};

/// Why a command is not done. All of it is for the person who typed it; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Nothing was typed where something is needed.
    #[error("the {what} is empty")]
    Empty {
        /// What is.
        what: &'static str,
    },
    /// A severity that is none.
    #[error("{number} is not a severity")]
    BadSeverity {
        /// The number.
        number: u8,
    },
    /// An entry to be redacted has no text.
    #[error("{entry} has no text to redact")]
    NothingTyped {
        /// The entry, shortened.
        entry: String,
    },
    /// Not the word or letter of a milestone.
    #[error("`{typed}` is not a milestone")]
    UnknownMilestone {
        /// What was typed.
        typed: String,
    },
    /// Not the word of a phase.
    #[error("`{typed}` is not a phase of an incident")]
    UnknownPhase {
        /// What was typed.
        typed: String,
    },
    /// An incident cannot become this now.
    #[error("the incident is {} and cannot become {to}", .phases.join(" and "))]
    WrongPhase {
        /// The word for what it was to become.
        to: &'static str,
        /// The words for what it is.
        phases: Vec<&'static str>,
    },
    /// Not the word of a result.
    #[error("`{typed}` is not the result of an action")]
    UnknownResult {
        /// What was typed.
        typed: String,
    },
    /// What an action touches cannot be written so.
    #[error("`{typed}` cannot name a target")]
    BadTarget {
        /// What was typed.
        typed: String,
    },
    /// An entry was to be written before its incident.
    #[error("there is no incident to write to")]
    NoIncident,
    /// An incident was to be declared within an incident.
    #[error("the incident is declared already")]
    AlreadyDeclared,
    /// A name that is nobody's.
    #[error(transparent)]
    Person(#[from] UnknownPerson),
    /// A role that cannot be.
    #[error(transparent)]
    Role(#[from] BadRoleName),
    /// Somebody else holds the role.
    #[error("{} {} the role of {role}", .holders.join(" and "), if .holders.len() == 1 { "holds" } else { "hold" })]
    HeldByOthers {
        /// The role.
        role: RoleName,
        /// Who.
        holders: Vec<String>,
    },
    /// That person holds the role already.
    #[error("{holder} already holds the role of {role}")]
    AlreadyHolds {
        /// The role.
        role: RoleName,
        /// Who.
        holder: String,
    },
    /// The author neither holds the role nor was offered it.
    #[error("you neither hold the role of {role} nor were you offered it")]
    NotHeld {
        /// The role.
        role: RoleName,
    },
    /// Nobody offered the author the role.
    #[error("nobody has offered you the role of {role}")]
    NoOffer {
        /// The role.
        role: RoleName,
    },
    /// Only one person holds the role, or nobody does.
    #[error("the role of {role} is not contested")]
    NotContested {
        /// The role.
        role: RoleName,
    },
    /// A role that many can hold.
    #[error("many can hold the role of {role}: there is nothing to settle")]
    HeldByMany {
        /// The role.
        role: RoleName,
    },
    /// The role cannot be settled on somebody who does not hold it.
    #[error("{person} is not among the holders of {role}")]
    NotAHolder {
        /// The role.
        role: RoleName,
        /// Who was named.
        person: String,
        /// Who holds it.
        holders: Vec<String>,
    },
    /// The author has no action that this could mean.
    #[error("you have no {sort} action")]
    NoAction {
        /// `open` or `planned`.
        sort: &'static str,
    },
    /// The author has several actions that this could mean.
    #[error("you have {} {sort} actions", .candidates.len())]
    SeveralActions {
        /// `open` or `planned`.
        sort: &'static str,
        /// Id and text of each.
        candidates: Vec<String>,
    },
    /// The entry is not an action.
    #[error("{id} is not an action")]
    NotAnAction {
        /// The entry, shortened.
        id: String,
    },
    /// The entry only joins heads.
    #[error("{id} says nothing that could be corrected")]
    NothingToAmend {
        /// The entry, shortened.
        id: String,
    },
    /// Too short to be safe, or not hexadecimal.
    #[error("`{typed}` is not the id of an entry")]
    NotAnId {
        /// What was typed.
        typed: String,
    },
    /// No entry has this id.
    #[error("no entry of this incident begins with `{typed}`")]
    UnknownId {
        /// What was typed.
        typed: String,
    },
    /// Several entries begin so.
    #[error("several entries begin with `{typed}`")]
    AmbiguousId {
        /// What was typed.
        typed: String,
        /// Their ids and texts.
        candidates: Vec<String>,
    },
}

impl CommandError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Empty { .. } | Self::NoOffer { .. } => return self.hint_with_command(),
            Self::BadSeverity { .. } => "severities go from 1 (worst) to 5".to_owned(),
            Self::NothingTyped { .. } => "only what was typed is redacted; correct it: muster amend ID TEXT".to_owned(),
            Self::UnknownMilestone { .. } => {
                let words: Vec<String> = muster_log::fact::Letter::ALL
                    .iter()
                    .map(|(_, letter, word)| format!("{word} ({letter})"))
                    .collect();
                format!("milestones: {}", words.join(", "))
            }
            Self::UnknownPhase { .. } => "say confirm, dismiss, resolve or reopen".to_owned(),
            Self::WrongPhase { to: "reopened", .. } => "only what is resolved or dismissed is reopened".to_owned(),
            Self::WrongPhase { to: "declared", .. } => "only what is suspected is confirmed".to_owned(),
            Self::WrongPhase { .. } => {
                "see where it stands: muster status --all; open it again: muster reopen".to_owned()
            }
            Self::UnknownResult { .. } => "say worked, failed, reverted or abandoned".to_owned(),
            Self::BadTarget { .. } => "use up to 128 bytes without control characters, such as db-1".to_owned(),
            Self::NoIncident => "begin one: muster declare TITLE".to_owned(),
            Self::AlreadyDeclared => "declare another without naming this one".to_owned(),
            Self::Person(UnknownPerson::Nobody { known, .. }) => format!("there are: {}", known.join(", ")),
            Self::Person(UnknownPerson::Several { candidates, .. }) => {
                format!("name one of: {}", candidates.join(", "))
            }
            Self::Role(_) => "such as ic, rl, deputy, scribe, liaison, or a name of up to 128 bytes".to_owned(),
            Self::HeldByOthers { role, .. } => {
                format!("take it openly: muster role claim {role} --take \"REASON\"")
            }
            Self::AlreadyHolds { role, .. } => {
                format!("see who holds what: muster roles; give up: muster role release {role}")
            }
            Self::NotHeld { .. } | Self::NotContested { .. } => "see who holds what: muster roles".to_owned(),
            Self::HeldByMany { .. } => "each holder releases it for themselves".to_owned(),
            Self::NotAHolder { holders, .. } => format!("settle it on one of: {}", holders.join(", ")),
            Self::NoAction { .. } => "see all: muster actions; announce one: muster will TEXT --on TARGET".to_owned(),
            Self::SeveralActions { candidates, .. } | Self::AmbiguousId { candidates, .. } => {
                format!("name one of:\n{}", candidates.join("\n"))
            }
            Self::NotAnAction { .. } => "see the actions and their ids: muster actions".to_owned(),
            Self::NotAnId { .. } => "ids are hexadecimal and can be shortened to four digits".to_owned(),
            Self::UnknownId { .. } | Self::NothingToAmend { .. } => "see the ids: muster timeline".to_owned(),
        })
    }

    fn hint_with_command(&self) -> Option<String> {
        match self {
            Self::NoOffer { role } => Some(format!("take it yourself: muster role claim {role}")),
            _ => None,
        }
    }
}
