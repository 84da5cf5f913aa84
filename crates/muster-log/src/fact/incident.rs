//! Facts in an incident. Every kind's fields begin with the event's time and the origin, both mostly absent.

use super::reader::{Reader, bytes, entry_id, is_register_name, register_name, set};
use super::{Kind, Malformed};
use crate::ids::{EntryId, PersonId};
use crate::limits::{ENTRY_BYTES_MAX, SUPERSEDES_MAX};
use crate::time::{Claimed, Timestamp, When};
use crate::value::Value;

/// The version of the incident's rules, fixed at its birth.
const INCIDENT_FORMAT: i64 = 1;

/// Where an entry comes from that its author wrote before, in an incident declared alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The original entry.
    pub entry: EntryId,
    /// The author's clock at the original writing.
    pub claimed: Claimed,
}

/// Who may hold an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody in the team.
    Team,
    /// The author and these persons: sorted, different.
    Private(Vec<PersonId>),
}

/// What is fixed when an incident is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declare {
    /// A practice, kept out of every metric but its own set.
    pub drill: bool,
    /// Not certain yet.
    pub suspected: bool,
    /// Who may hold it.
    pub visibility: Visibility,
    /// 1 (worst) to 5, where known.
    pub severity: Option<u8>,
}

/// The plain kinds that only carry a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saying {
    /// Something said.
    Note,
    /// Something seen.
    Observation,
    /// Something decided.
    Decision,
    /// Something needed.
    Request,
}

/// How an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActionState {
    /// Announced, not begun.
    Planned = 0,
    /// Begun.
    Doing = 1,
    /// Ended, with the result hoped for.
    Worked = 2,
    /// Ended without it.
    Failed = 3,
    /// Undone.
    Reverted = 4,
    /// Never done.
    Abandoned = 5,
}

impl ActionState {
    const ALL: [(ActionState, &'static str); 6] = [
        (ActionState::Planned, "planned"),
        (ActionState::Doing, "doing"),
        (ActionState::Worked, "worked"),
        (ActionState::Failed, "failed"),
        (ActionState::Reverted, "reverted"),
        (ActionState::Abandoned, "abandoned"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The state a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, w)| *w == word).map(|(state, _)| *state)
    }

    /// Whether the action may still touch its target.
    pub fn is_open(self) -> bool {
        self <= Self::Doing
    }

    fn from_value(value: &Value) -> Option<Self> {
        Self::ALL.get(usize::try_from(value.as_int()?).ok()?).map(|(state, _)| *state)
    }
}

/// A milestone of an incident, by its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Letter {
    /// The failure began.
    Failed,
    /// The first alert or report.
    Alerted,
    /// It was detected.
    Detected,
    /// A human being acknowledged it.
    Acknowledged,
    /// It was triaged.
    Triaged,
    /// The cause was located.
    Identified,
    /// The repair is in place.
    Repaired,
    /// Normal operation is confirmed.
    Recovered,
    /// The contributing factors are addressed.
    Resolved,
    /// The last good copy of the data.
    LastGood,
    /// The moment the data was lost.
    Disaster,
}

impl Letter {
    /// All, with letter and word, in the order of an incident's life.
    pub const ALL: [(Letter, &'static str, &'static str); 11] = [
        (Letter::Failed, "F", "failed"),
        (Letter::Alerted, "L", "alerted"),
        (Letter::Detected, "D", "detected"),
        (Letter::Acknowledged, "A", "acknowledged"),
        (Letter::Triaged, "T", "triaged"),
        (Letter::Identified, "I", "identified"),
        (Letter::Repaired, "X", "repaired"),
        (Letter::Recovered, "N", "recovered"),
        (Letter::Resolved, "R", "resolved"),
        (Letter::LastGood, "G", "last-good"),
        (Letter::Disaster, "S", "disaster"),
    ];

    /// The letter in fields and in the document.
    pub fn letter(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The word in commands and pages.
    pub fn word(self) -> &'static str {
        Self::ALL[self as usize].2
    }

    /// The milestone a word or a letter means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, letter, w)| *letter == word || *w == word).map(|(letter, ..)| *letter)
    }

    fn from_value(value: &Value) -> Option<Self> {
        let text = value.as_text()?;
        Self::ALL.iter().find(|(_, letter, _)| *letter == text).map(|(letter, ..)| *letter)
    }
}

/// What happens to a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleAct {
    /// The author takes it, nobody else holding it, or with a reason.
    Claim,
    /// The author offers it to a person, who accepts or not.
    Assign(PersonId),
    /// The author takes an offer; it names the offer.
    Accept(EntryId),
    /// The author's hold, or an offer to the author, ends.
    Release,
    /// Of several holders this person is the one.
    Settle(PersonId),
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not certain yet.
    Suspected = 0,
    /// Certain and open.
    Declared = 1,
    /// It was none.
    Dismissed = 2,
    /// Over.
    Resolved = 3,
    /// Open again.
    Reopened = 4,
}

impl Phase {
    const ALL: [(Phase, &'static str); 5] = [
        (Phase::Suspected, "suspected"),
        (Phase::Declared, "declared"),
        (Phase::Dismissed, "dismissed"),
        (Phase::Resolved, "resolved"),
        (Phase::Reopened, "reopened"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The phase a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, w)| *w == word).map(|(phase, _)| *phase)
    }

    /// Whether people still work on it.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Dismissed | Self::Resolved)
    }
}

/// One of an incident's facts. `supersedes` names the register writes that this one replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentFact {
    /// When it happened; `None` = when it was recorded.
    pub when: Option<When>,
    /// The entry this one repeats after a move to another team.
    pub origin: Option<Origin>,
    /// What happened.
    pub what: What,
}

/// What happened, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The incident begins.
    Declare(Declare),
    /// A text.
    Say(Saying),
    /// An action on a target, planned or begun.
    Action {
        /// What it is about to touch: a register name.
        target: String,
        /// `Planned` or `Doing`.
        state: ActionState,
        /// How long it should take, in minutes.
        expected_minutes: Option<u32>,
    },
    /// How an action goes on.
    ActionState {
        /// The action.
        action: EntryId,
        /// The new state, not `Planned`.
        state: ActionState,
        /// The writes it replaces.
        supersedes: Vec<EntryId>,
    },
    /// A correction.
    Amendment {
        /// What is corrected.
        target: EntryId,
    },
    /// How bad it is.
    Severity {
        /// 1 (worst) to 5; `None` = unknown again.
        severity: Option<u8>,
        /// The writes it replaces.
        supersedes: Vec<EntryId>,
    },
    /// A milestone was reached at the event's time.
    Milestone {
        /// Which.
        letter: Letter,
    },
    /// Of several claims this one counts.
    Selection {
        /// Which milestone.
        letter: Letter,
        /// The claim.
        claim: EntryId,
        /// The writes it replaces.
        supersedes: Vec<EntryId>,
    },
    /// Something happens to a role.
    Role {
        /// The role's register name, in its long form.
        role: String,
        /// What.
        act: RoleAct,
        /// The writes it replaces.
        supersedes: Vec<EntryId>,
    },
    /// A new title, which is the body.
    Title {
        /// The writes it replaces.
        supersedes: Vec<EntryId>,
    },
    /// The body of an earlier entry is erased; the reason is the body.
    Redaction {
        /// The entry.
        target: EntryId,
    },
    /// Nothing; joins heads.
    JoinHeads,
    /// Where the incident stands.
    Phase {
        /// The new phase.
        phase: Phase,
        /// The writes it replaces.
        supersedes: Vec<EntryId>,
    },
    /// A person may hold the incident from now on.
    Admit {
        /// Who.
        person: PersonId,
    },
}

impl IncidentFact {
    /// A fact of now, said here for the first time.
    pub fn now(what: What) -> Self {
        Self { when: None, origin: None, what }
    }

    /// The kind that says this.
    pub fn kind(&self) -> Kind {
        match &self.what {
            What::Declare(_) => Kind::DECLARE,
            What::Say(Saying::Note) => Kind::NOTE,
            What::Say(Saying::Observation) => Kind::OBSERVATION,
            What::Say(Saying::Decision) => Kind::DECISION,
            What::Say(Saying::Request) => Kind::REQUEST,
            What::Action { .. } => Kind::ACTION,
            What::ActionState { .. } => Kind::ACTION_STATE,
            What::Amendment { .. } => Kind::AMENDMENT,
            What::Severity { .. } => Kind::SEVERITY,
            What::Milestone { .. } => Kind::MILESTONE,
            What::Selection { .. } => Kind::SELECTION,
            What::Role { .. } => Kind::ROLE,
            What::Title { .. } => Kind::TITLE,
            What::Redaction { .. } => Kind::REDACTION,
            What::JoinHeads => Kind::JOIN_HEADS,
            What::Phase { .. } => Kind::PHASE,
            What::Admit { .. } => Kind::ADMIT,
        }
    }

    /// The register writes this one replaces.
    pub fn supersedes(&self) -> &[EntryId] {
        match &self.what {
            What::ActionState { supersedes, .. }
            | What::Severity { supersedes, .. }
            | What::Selection { supersedes, .. }
            | What::Role { supersedes, .. }
            | What::Title { supersedes }
            | What::Phase { supersedes, .. } => supersedes,
            _ => &[],
        }
    }

    /// The fields that say it.
    pub fn fields(&self) -> Vec<Value> {
        let id = |id: &EntryId| Value::id(id.as_bytes());
        let ids = |ids: &[EntryId]| Value::List(ids.iter().map(id).collect());
        let letter = |letter: &Letter| Value::Text(letter.letter().to_owned());
        let number = |n: Option<i64>| n.map_or(Value::Null, Value::Int);
        let mut fields = vec![self.when.map_or(Value::Null, When::to_value), origin_value(self.origin)];
        fields.extend(match &self.what {
            What::Declare(d) => vec![
                Value::Int(INCIDENT_FORMAT),
                Value::Bool(d.drill),
                Value::Bool(d.suspected),
                visibility_value(&d.visibility),
                number(d.severity.map(i64::from)),
            ],
            What::Say(_) | What::JoinHeads => vec![],
            What::Action { target, state, expected_minutes } => {
                vec![Value::Text(target.clone()), Value::Int(*state as i64), number(expected_minutes.map(i64::from))]
            }
            What::ActionState { action, state, supersedes } => {
                vec![id(action), Value::Int(*state as i64), ids(supersedes)]
            }
            What::Amendment { target } | What::Redaction { target } => vec![id(target)],
            What::Severity { severity, supersedes } => vec![number(severity.map(i64::from)), ids(supersedes)],
            What::Milestone { letter: l } => vec![letter(l)],
            What::Selection { letter: l, claim, supersedes } => vec![letter(l), id(claim), ids(supersedes)],
            What::Role { role, act, supersedes } => {
                let (number, whom) = match act {
                    RoleAct::Claim => (0, Value::Null),
                    RoleAct::Assign(person) => (1, Value::id(person.as_bytes())),
                    RoleAct::Accept(offer) => (2, id(offer)),
                    RoleAct::Release => (3, Value::Null),
                    RoleAct::Settle(person) => (4, Value::id(person.as_bytes())),
                };
                vec![Value::Text(role.clone()), Value::Int(number), whom, ids(supersedes)]
            }
            What::Title { supersedes } => vec![ids(supersedes)],
            What::Phase { phase, supersedes } => vec![Value::Int(*phase as i64), ids(supersedes)],
            What::Admit { person } => vec![Value::id(person.as_bytes())],
        });
        fields
    }

    pub(super) fn parse(kind: Kind, fields: &[Value]) -> Result<Self, Malformed> {
        let mut r = Reader::new(kind, fields);
        let when = r.optional("when", When::from_value)?;
        let origin = r.optional("origin", origin)?;
        let what = match kind {
            Kind::DECLARE => {
                r.item("format", |v| v.as_int().filter(|format| *format == INCIDENT_FORMAT))?;
                What::Declare(Declare {
                    drill: r.item("drill", Value::as_bool)?,
                    suspected: r.item("suspected", Value::as_bool)?,
                    visibility: r.item("visibility", visibility)?,
                    severity: r.optional("severity", severity)?,
                })
            }
            Kind::NOTE => What::Say(Saying::Note),
            Kind::OBSERVATION => What::Say(Saying::Observation),
            Kind::DECISION => What::Say(Saying::Decision),
            Kind::REQUEST => What::Say(Saying::Request),
            Kind::ACTION => What::Action {
                target: r.item("target", register_name)?.to_owned(),
                state: r.item("state", |v| ActionState::from_value(v).filter(|state| state.is_open()))?,
                expected_minutes: r.optional("expected minutes", |v| u32::try_from(v.as_int()?).ok())?,
            },
            Kind::ACTION_STATE => What::ActionState {
                action: r.item("action", entry_id)?,
                state: r
                    .item("state", |v| ActionState::from_value(v).filter(|state| *state != ActionState::Planned))?,
                supersedes: r.item("supersedes", supersedes)?,
            },
            Kind::AMENDMENT => What::Amendment { target: r.item("target", entry_id)? },
            Kind::SEVERITY => What::Severity {
                severity: r.optional("severity", severity)?,
                supersedes: r.item("supersedes", supersedes)?,
            },
            Kind::MILESTONE => What::Milestone { letter: r.item("letter", Letter::from_value)? },
            Kind::SELECTION => What::Selection {
                letter: r.item("letter", Letter::from_value)?,
                claim: r.item("claim", entry_id)?,
                supersedes: r.item("supersedes", supersedes)?,
            },
            Kind::ROLE => {
                let role = r.item("role", register_name)?.to_owned();
                let act = r.item("act", Value::as_int)?;
                What::Role {
                    role,
                    act: r.item("whom", |whom| role_act(act, whom))?,
                    supersedes: r.item("supersedes", supersedes)?,
                }
            }
            Kind::TITLE => What::Title { supersedes: r.item("supersedes", supersedes)? },
            Kind::REDACTION => What::Redaction { target: r.item("target", entry_id)? },
            Kind::JOIN_HEADS => What::JoinHeads,
            Kind::PHASE => What::Phase {
                phase: r
                    .item("phase", |v| Phase::ALL.get(usize::try_from(v.as_int()?).ok()?).map(|(phase, _)| *phase))?,
                supersedes: r.item("supersedes", supersedes)?,
            },
            Kind::ADMIT => What::Admit { person: r.item("person", |v| bytes(v).map(PersonId::from_bytes))? },
            _ => return Err(r.malformed("kind")),
        };
        r.end()?;
        Ok(Self { when, origin, what })
    }

    /// Whether `name` can be a register's name (a role, a target): one to 128 bytes, no control characters, no space
    /// at either end.
    pub fn is_register_name(name: &str) -> bool {
        is_register_name(name)
    }
}

fn severity(value: &Value) -> Option<u8> {
    u8::try_from(value.as_int()?).ok().filter(|severity| (1..=5).contains(severity))
}

fn supersedes(value: &Value) -> Option<Vec<EntryId>> {
    set(value, SUPERSEDES_MAX, entry_id)
}

fn role_act(number: i64, whom: &Value) -> Option<RoleAct> {
    match number {
        0 if *whom == Value::Null => Some(RoleAct::Claim),
        1 => Some(RoleAct::Assign(PersonId::from_bytes(bytes(whom)?))),
        2 => Some(RoleAct::Accept(entry_id(whom)?)),
        3 if *whom == Value::Null => Some(RoleAct::Release),
        4 => Some(RoleAct::Settle(PersonId::from_bytes(bytes(whom)?))),
        _ => None,
    }
}

fn visibility(value: &Value) -> Option<Visibility> {
    if *value == Value::Null {
        return Some(Visibility::Team);
    }
    // As many as fit in an entry; the entry's own limit bounds the list.
    set(value, ENTRY_BYTES_MAX, |person| bytes(person).map(PersonId::from_bytes)).map(Visibility::Private)
}

fn visibility_value(visibility: &Visibility) -> Value {
    match visibility {
        Visibility::Team => Value::Null,
        Visibility::Private(persons) => {
            Value::List(persons.iter().map(|person| Value::id(person.as_bytes())).collect())
        }
    }
}

fn origin(value: &Value) -> Option<Origin> {
    let [entry, time, offset] = value.as_list()? else { return None };
    let claimed = Claimed { time: Timestamp(time.as_int()?), offset_minutes: i16::try_from(offset.as_int()?).ok()? };
    Some(Origin { entry: entry_id(entry)?, claimed })
}

fn origin_value(origin: Option<Origin>) -> Value {
    origin.map_or(Value::Null, |o| {
        Value::List(vec![
            Value::id(o.entry.as_bytes()),
            Value::Int(o.claimed.time.0),
            Value::Int(o.claimed.offset_minutes.into()),
        ])
    })
}
