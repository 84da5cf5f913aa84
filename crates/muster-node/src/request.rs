//! What a command asks of a home, and the answer: the same whether a node runs it or the command opens the store itself.
//!
//! One request is one JSON line on the control socket, one reply is one JSON line back, in order. Executing them is in
//! `engine`; carrying them in `control` and [`crate::client`].

pub use crate::decision::{Deciding, Decision, DeviceStep};
pub use crate::recovery_words::RecoveryWords;
pub use muster_incident::Act;
use muster_log::time::PointPrecision;
use muster_log::{Precision, Timestamp, When};
use serde::{Deserialize, Serialize};

/// One request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "one is made per command; boxing would only burden those who make it")]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Writes one entry (or a few, where an act needs it).
    Write(Write),
    /// Reads something.
    Read(Read),
    /// Chooses the incident that commands mean from now on; `None` forgets the choice.
    Use {
        /// Id, prefix or slug.
        incident: Option<String>,
    },
    /// Issues a ticket for one newcomer.
    Invite(Invite),
    /// Joins a team by a ticket.
    Join {
        /// The ticket's text.
        ticket: String,
        /// The newcomer's handle; `None` = the one in use or configured.
        name: Option<String>,
    },
    /// Creates a team besides those at hand.
    TeamCreate {
        /// The author's handle in it.
        name: Option<String>,
        /// What it is called.
        #[serde(default)]
        team: Option<String>,
        /// How many recovery keys it gets, the highest first; at most 3.
        #[serde(default)]
        recovery: u8,
    },
    /// Decides who is in the team and may do what, or asks what a decision would do.
    Decide(Box<Decision>),
    /// One step in giving this person another device.
    Device(DeviceStep),
    /// Makes a team the one that commands mean.
    TeamUse {
        /// Its name, its id, a prefix, or the name of a member.
        team: String,
    },
    /// Drops the links to one member (a handle or device) or to all.
    Cut {
        /// Whom; `None` = everybody.
        peer: Option<String>,
    },
    /// Undoes [`Request::Cut`].
    Heal {
        /// Whom; `None` = everybody.
        peer: Option<String>,
    },
    /// Saves an address under which a member listens.
    AddAddress {
        /// A multiaddr with `/p2p/`, or an address to be tried for every member.
        address: String,
    },
    /// One step of writing or reading a bundle.
    Bundle(Box<crate::bundle::Ask>),
    /// One step of writing an audit file.
    Audit(crate::audit::Ask),
    /// One step of a compaction.
    Compact(crate::compact::Ask),
    /// One step of a verification.
    Verify(crate::verify::Ask),
    /// Marks late arrivals as seen.
    Seen {
        /// Which incident's; `None` = all.
        incident: Option<String>,
    },
    /// Waits until something changed that may be shown: answered at once where the node's count of changes is not `seen`,
    /// else with the next change or when the time is over. Only a running node can tell.
    Watch {
        /// The count that was answered last; anything the first time.
        seen: u64,
        /// How long to wait at most, in milliseconds.
        wait_ms: u64,
    },
    /// Asks the node to stop.
    Down,
}

impl Request {
    /// Whether something is to be kept, so that there must be room on the disk.
    pub(crate) fn writes(&self) -> bool {
        match self {
            Self::Read(_) | Self::Audit(_) | Self::Verify(_) => false,
            Self::Cut { .. } | Self::Heal { .. } | Self::Watch { .. } | Self::Down => false,
            // It says itself when there is too little room.
            Self::Compact(_) => false,
            Self::Bundle(ask) => matches!(**ask, crate::bundle::Ask::Take { .. }),
            Self::Decide(decision) => !decision.outlook,
            Self::Device(step) => !matches!(step, DeviceStep::Offer),
            _ => true,
        }
    }

    /// Whether a text is to go: the answer waits for the erasure.
    pub(crate) fn redacts(&self) -> bool {
        matches!(self, Self::Write(Write { act: Act::Redact { .. }, .. }))
    }

    /// The request in a word, for the program's log: nothing that somebody typed.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Write(_) => "write",
            Self::Read(_) => "read",
            Self::Use { .. } => "use",
            Self::Invite(_) => "invite",
            Self::Join { .. } => "join",
            Self::TeamCreate { .. } => "team-create",
            Self::Decide(_) => "decide",
            Self::Device(_) => "device",
            Self::TeamUse { .. } => "team-use",
            Self::Cut { .. } => "cut",
            Self::Heal { .. } => "heal",
            Self::AddAddress { .. } => "add-address",
            Self::Bundle(_) => "bundle",
            Self::Audit(_) => "audit",
            Self::Compact(_) => "compact",
            Self::Verify(_) => "verify",
            Self::Seen { .. } => "seen",
            Self::Watch { .. } => "watch",
            Self::Down => "down",
        }
    }
}

/// A write: what, where and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Write {
    /// Which incident; `None` = the chosen one, or the only open one. Ignored by `Declare`.
    pub incident: Option<String>,
    /// What is said.
    pub act: Act,
    /// When it happened; `None` = now.
    pub at: Option<At>,
    /// Who reported it, where that is not the author.
    pub who: Option<String>,
    /// A link that belongs to it.
    pub link: Option<String>,
    /// The author's handle, should this be their first use.
    pub name: Option<String>,
}

/// When something happened, as parsed from what was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// `exact`, `minute`, `about`, `range`, `unknown`.
    pub precision: String,
    /// Milliseconds since the Unix epoch.
    pub start_ms: Option<i64>,
    /// The end of a range.
    pub end_ms: Option<i64>,
    /// Give or take, for `about`.
    pub tolerance_ms: Option<i64>,
    /// Minutes east of UTC.
    pub offset_minutes: i16,
    /// As typed.
    pub text: String,
}

impl At {
    /// Makes the socket's form of a time and the words it was read from.
    pub fn new(when: &When, text: impl Into<String>) -> Self {
        Self {
            precision: when.precision().word().to_owned(),
            start_ms: when.start().map(|t| t.0),
            end_ms: when.end().map(|t| t.0),
            tolerance_ms: when.tolerance_ms(),
            offset_minutes: when.offset_minutes(),
            text: text.into(),
        }
    }

    /// The time; `None` if the parts do not fit together.
    pub fn when(&self) -> Option<When> {
        let time = |ms: Option<i64>| ms.map(Timestamp);
        Some(match self.precision.as_str() {
            "exact" => When::at(time(self.start_ms)?, PointPrecision::Exact, self.offset_minutes),
            "minute" => When::at(time(self.start_ms)?, PointPrecision::Minute, self.offset_minutes),
            "about" => When::about(time(self.start_ms)?, self.tolerance_ms, self.offset_minutes),
            "range" => When::between(time(self.start_ms)?, time(self.end_ms)?, self.offset_minutes),
            word if word == Precision::Unknown.word() => When::unknown(),
            _ => return None,
        })
    }
}

/// Which ticket to make.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Invite {
    /// `responder` or `observer`.
    pub capability: String,
    /// How long members let the newcomer in, in minutes.
    pub minutes: u32,
    /// The one incident (id, prefix or slug) that a guest may hold; `None`: a member of the team.
    #[serde(default)]
    pub incident: Option<String>,
    /// Addresses of this node that go into the ticket instead of those at which it listens; the best two do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

/// A read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Read {
    /// Which incident, where one is meant; `None` = the chosen one, or the only open one.
    pub incident: Option<String>,
    /// What.
    pub what: What,
}

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The open incidents, one summary each, and how many are over.
    Status,
    /// All incidents, one summary each.
    StatusAll,
    /// Everything the board shows of one incident.
    Board,
    /// The timeline; with received times and holders where `local`.
    Timeline {
        /// Adds what only this node knows.
        local: bool,
    },
    /// The timeline with what others' clocks say of when each entry was written.
    Audit,
    /// The last lines of the timeline, without reading all of it.
    Newest {
        /// How many.
        last: u32,
        /// How many newer ones to leave out: what was read already of a timeline that is read in pages.
        #[serde(default)]
        skip: u32,
    },
    /// The lines among the entries that came after those that were read already, in the order in which they came, and
    /// how many entries of the incident are behind the reader then: `{"rows": [..], "next": n, "lacking": [..]}`. Lacking
    /// are those whose text has not come, each by the `after` with which it can be read again.
    Arrived {
        /// How many entries the reader has behind them: `next` of the answer before; past the end, only `next` is told.
        after: u64,
        /// How many entries to look at, at most.
        count: u32,
    },
    /// Who holds which role.
    Roles,
    /// Actions and their clashes.
    Actions,
    /// The members' nodes and what they lack.
    Peers,
    /// Who holds one entry; the incident field names the entry.
    WhoHas,
    /// Entries that stand under one number of a log.
    Forks,
    /// The proof that the author of an entry wrote another under its number; the incident field names the entry.
    ForkProof,
    /// The team and its members.
    Team,
    /// All teams on this device.
    Teams,
    /// The complete export, as JSON.
    ExportJson,
    /// The report, as Markdown.
    ExportMarkdown,
    /// What this home is: device, teams, node.
    Identity,
    /// What can be said about readiness from within the store: see [`crate::doctor`].
    Doctor,
}

/// The answer to one request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It is done, durably where it wrote something.
    Done(serde_json::Value),
    /// It is not done.
    Failed(Failure),
}

/// Why a request was not done, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Result<serde_json::Value, Failure>> for Reply {
    fn from(done: Result<serde_json::Value, Failure>) -> Self {
        match done {
            Ok(value) => Self::Done(value),
            Err(failure) => Self::Failed(failure),
        }
    }
}

impl From<Reply> for Result<serde_json::Value, Failure> {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Done(value) => Ok(value),
            Reply::Failed(failure) => Err(failure),
        }
    }
}
