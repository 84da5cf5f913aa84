//! What a person can ask for in an incident, as typed. Parsing a command line is in `muster-cli`, parsing times in the
//! node.

use muster_log::When;
use serde::{Deserialize, Serialize};

/// What a person does in an incident, as typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// An incident begins.
    Declare {
        /// The title.
        title: String,
        /// 1 (worst) to 5.
        severity: Option<u8>,
        /// A practice.
        drill: bool,
        /// Not certain yet.
        suspected: bool,
        /// Handles of those who alone may hold it, besides the author; empty = the team.
        private: Vec<String>,
    },
    /// Something said.
    Say {
        /// The text.
        text: String,
    },
    /// Something seen.
    Saw {
        /// The text.
        text: String,
    },
    /// Something decided.
    Decided {
        /// The text.
        text: String,
    },
    /// Something needed.
    Need {
        /// The text.
        text: String,
    },
    /// Somebody is about to act.
    Will {
        /// What they will do.
        text: String,
        /// What it touches.
        target: String,
        /// What would undo it.
        undo: Option<String>,
        /// Where it was tried.
        tested: Option<String>,
        /// How long it should take, in minutes.
        expected_minutes: Option<u32>,
    },
    /// An action has begun: an announced one by id, the author's only planned one, or a new one by text and target.
    Doing {
        /// The action's id or prefix; or, with `target`, what is being done.
        what: Option<String>,
        /// The target of an action that was not announced.
        target: Option<String>,
    },
    /// An action has ended.
    Did {
        /// The action's id or prefix; `None` = the author's only open one.
        id: Option<String>,
        /// `worked`, `failed`, `reverted` or `abandoned`.
        result: String,
        /// What came of it.
        text: Option<String>,
    },
    /// A correction.
    Amend {
        /// The entry's id or prefix.
        id: String,
        /// The correction.
        text: String,
    },
    /// The text of an entry is erased.
    Redact {
        /// The entry's id or prefix.
        id: String,
        /// Why.
        reason: String,
    },
    /// How bad it is.
    Severity {
        /// 1 (worst) to 5; `None` = unknown.
        severity: Option<u8>,
    },
    /// A milestone was reached.
    Mark {
        /// Its word or letter.
        milestone: String,
        /// A note on it.
        text: Option<String>,
    },
    /// Takes a role.
    RoleClaim {
        /// The role.
        role: String,
        /// The reason for taking it from somebody who holds it.
        take: Option<String>,
    },
    /// Offers a role.
    RoleAssign {
        /// The role.
        role: String,
        /// To whom: a handle.
        to: String,
    },
    /// Takes an offered role.
    RoleAccept {
        /// The role.
        role: String,
    },
    /// Gives a role up, or declines an offer.
    RoleRelease {
        /// The role.
        role: String,
    },
    /// Says who of several holders it is.
    RoleSettle {
        /// The role.
        role: String,
        /// Who: a handle.
        on: String,
    },
    /// Says where the incident stands: `declared` (confirm), `dismissed`, `resolved`, `reopened`.
    Phase {
        /// The word.
        phase: String,
        /// Why.
        text: Option<String>,
    },
    /// Lets a person hold the incident from now on.
    Admit {
        /// The person's name.
        who: String,
    },
    /// A new title.
    Title {
        /// The title.
        title: String,
    },
}

/// What can go with any act.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aside {
    /// When it happened; `None` = now.
    pub when: Option<When>,
    /// That time as typed.
    pub when_text: Option<String>,
    /// Who reported it, where that is not the author.
    pub who: Option<String>,
    /// A link that belongs to it.
    pub link: Option<String>,
}
