//! The kinds of entry and their numbers. Numbers are never reused; below 256 incidents, from 256 on the roster.

use std::fmt;

/// A kind's number, known or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(u16);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $name: Kind = Kind($number);)*

            const WORDS: &[(u16, &'static str)] = &[$(($number, $word)),*];
        }
    };
}

kinds! {
    /// An incident begins; its genesis.
    DECLARE = 1, "declare";
    /// Something said.
    NOTE = 2, "note";
    /// Something seen.
    OBSERVATION = 3, "observation";
    /// Something decided.
    DECISION = 4, "decision";
    /// Something needed.
    REQUEST = 5, "request";
    /// Somebody is about to act, or has begun.
    ACTION = 6, "action";
    /// How an action goes on or ended.
    ACTION_STATE = 7, "action-state";
    /// A correction of an earlier entry, which stays.
    AMENDMENT = 8, "amendment";
    /// How bad it is.
    SEVERITY = 9, "severity";
    /// A claim that a milestone was reached.
    MILESTONE = 10, "milestone";
    /// The choice of one among several claims to a milestone.
    SELECTION = 11, "selection";
    /// Somebody takes, gets, leaves or settles a role.
    ROLE = 12, "role";
    /// A new title.
    TITLE = 13, "title";
    /// The body of an earlier entry is erased.
    REDACTION = 14, "redaction";
    /// Joins heads; says nothing.
    JOIN_HEADS = 16, "merge";
    /// Suspected, declared, dismissed, resolved, reopened.
    PHASE = 17, "phase";
    /// Somebody may hold the incident from now on.
    ADMIT = 19, "admit";
    /// A team begins; the roster's genesis.
    TEAM_CREATE = 256, "team-create";
    /// A ticket for one newcomer.
    INVITE = 257, "invite";
    /// A newcomer uses a ticket.
    JOIN = 258, "join";
    /// A member lets a newcomer in.
    VOUCH = 259, "vouch";
    /// A person gets another device.
    ADD_DEVICE = 260, "add-device";
    /// A person's capability changes.
    SET_CAPABILITY = 261, "set-capability";
    /// Joins heads of the roster; says nothing.
    ROSTER_MERGE = 262, "roster-merge";
    /// An admin names the right one of two joins by one ticket.
    CONFIRM = 263, "confirm";
    /// Devices are retired or reported compromised.
    REVOKE = 264, "revoke";
    /// A second admin agrees to a removal.
    SECOND = 265, "second";
    /// More of what a revoked device wrote counts.
    CUT = 266, "cut";
}

impl Kind {
    /// The first number of the roster's kinds.
    pub const ROSTER_FIRST: u16 = 256;

    /// The kind with this number, known or not.
    pub const fn from_number(number: u16) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Whether entries of this kind belong to the roster's DAG.
    pub const fn is_roster(self) -> bool {
        self.0 >= Self::ROSTER_FIRST
    }

    /// Whether this version knows what the kind means.
    pub fn is_known(self) -> bool {
        Self::WORDS.iter().any(|(number, _)| *number == self.0)
    }

    /// Whether the fields must be well-formed for the entry to be admitted: `declare` and the roster's closed set.
    pub fn decides_admission(self) -> bool {
        self == Self::DECLARE || self.is_roster() && self.is_known()
    }

    /// The word for it in JSON and documents; `unknown` for a kind of a later version.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(number, _)| *number == self.0).map_or("unknown", |(_, word)| word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_known() {
            true => f.write_str(self.word()),
            false => write!(f, "kind {}", self.0),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({self})")
    }
}
