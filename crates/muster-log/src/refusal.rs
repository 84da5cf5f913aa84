//! Why an entry is refused: one variant for each way to break one of the rules A1–A6.
//!
//! The rules themselves are in `admission` (A2, A3, A5, A6), [`crate::entry`] (A1) and `proof` (A4).

use crate::entry::FormError;
use crate::fact::Kind;
use crate::ids::EntryId;
use crate::key::DeviceKey;
use crate::limits::ROSTER_ENTRIES_MAX;

/// Why an entry can never be admitted. Nothing here depends on clocks, senders or the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A1: not the canonical bytes of an entry within the limits.
    #[error("A1, form: {0}")]
    Form(#[from] FormError),
    /// A2: written for another team.
    #[error("A2, binding: the entry belongs to another team")]
    OtherTeam,
    /// A2: `team-create` or `declare` with a parent, or not the first of its log.
    #[error("A2, binding: a genesis has sequence number 1 and builds on nothing")]
    Genesis,
    /// A2: neither backlink nor dep.
    #[error("A2, binding: the entry builds on nothing")]
    NoParent,
    /// A2: a parent lies in another DAG.
    #[error("A2, binding: parent {parent} belongs to another incident or to the roster")]
    ForeignParent {
        /// The parent.
        parent: EntryId,
    },
    /// A2: the items `team`, `incident` and `roster_heads` do not fit the kind.
    #[error("A2, binding: team, incident or roster heads do not fit a `{kind}` entry")]
    Address {
        /// The kind.
        kind: Kind,
    },
    /// A3: a log begins with 1, and every later entry has a backlink.
    #[error("A3, log: number {seq} without a backlink")]
    NoBacklink {
        /// The sequence number.
        seq: u32,
    },
    /// A3: the backlink is not the entry before of the same DAG, key and session.
    #[error("A3, log: {backlink} is not the entry before number {seq} of this log")]
    Chain {
        /// The backlink.
        backlink: EntryId,
        /// The sequence number of the entry refused.
        seq: u32,
    },
    /// A4: the signature that came with the entry is not its author's.
    #[error("A4, proof: the signature is not by {key}")]
    Signature {
        /// The author named.
        key: DeviceKey,
    },
    /// A4: no signature on it or on a later entry of its log (said by verification only; a living ledger waits).
    #[error("A4, proof: no signature on this or a later entry of its log")]
    Unproven,
    /// A5: no roster heads, or heads that are no roster entries.
    #[error("A5, roster: the entry names no roster, or one with entries that are not the roster's")]
    RosterHeads,
    /// A5: an entry it builds on knew more of the roster.
    #[error("A5, roster: parent {parent} knew roster entries that this one does not name")]
    RosterBehind {
        /// The parent that knew more.
        parent: EntryId,
    },
    /// A5: by the roster that the entry names, its author may not write the kind.
    #[error("A5, roster: {key} may not write `{kind}` entries by the roster it names")]
    Capability {
        /// The author.
        key: DeviceKey,
        /// The kind.
        kind: Kind,
    },
    /// A5: by its own past, the author's person may not hold the incident.
    #[error("A5, roster: the person of {key} may not hold the incident")]
    NotNamed {
        /// The author.
        key: DeviceKey,
    },
    /// A5: too many roster entries by one person who is no admin.
    #[error("A5, roster: the person of {key} has written {ROSTER_ENTRIES_MAX} roster entries already, and is no admin")]
    TooMany {
        /// The author.
        key: DeviceKey,
    },
    /// A5: a `join` whose invite does not stand in its own past.
    #[error("A5, roster: the join builds on no valid invite alone")]
    NoInvite,
    /// A5: a `join` whose ticket signature is not the invite's.
    #[error("A5, roster: the join is not signed by the ticket's key")]
    Ticket,
    /// A6: an entry in its past is refused.
    #[error("A6, past: {parent} is refused")]
    BuildsOnRefused {
        /// The refused parent or roster head.
        parent: EntryId,
    },
    /// A6: an entry in its past is not here (said of stored entries only; what arrives waits).
    #[error("A6, past: {parent} is not here")]
    Incomplete {
        /// The absent parent or roster head.
        parent: EntryId,
    },
}

impl Refusal {
    /// A stable number for the wire and for counters: ten times the rule's number, plus which way it was broken.
    pub fn code(&self) -> u16 {
        match self {
            Self::Form(_) => 10,
            Self::OtherTeam => 20,
            Self::Genesis => 21,
            Self::NoParent => 22,
            Self::ForeignParent { .. } => 23,
            Self::Address { .. } => 24,
            Self::NoBacklink { .. } => 30,
            Self::Chain { .. } => 31,
            Self::Signature { .. } => 40,
            Self::Unproven => 41,
            Self::RosterHeads => 50,
            Self::RosterBehind { .. } => 51,
            Self::Capability { .. } => 52,
            Self::NotNamed { .. } => 53,
            Self::NoInvite => 54,
            Self::Ticket => 55,
            Self::TooMany { .. } => 56,
            Self::BuildsOnRefused { .. } => 60,
            Self::Incomplete { .. } => 61,
        }
    }

    /// The rule's number in the protocol: 1 for A1, up to 6.
    pub fn rule(&self) -> u8 {
        (self.code() / 10) as u8
    }
}
