//! One line of the timeline. Scripts rely on the fields of [`Row`]: they are added to, never changed.

use super::person_name;
use super::scene::{Line, Scene};
use super::why::{Why, whys};
use super::words::{event_text, headline, shown};
use crate::People;
use crate::document::{Meaning, Texts, target};
use crate::state::{Moment, rfc3339};
use muster_log::fact::{RoleAct, Visibility, What};
use muster_log::{Part, Status};
use serde::Serialize;

/// One entry as a line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The entry's id, 64 hexadecimal digits.
    pub id: String,
    /// The incident's id.
    pub incident: String,
    /// The kind's word; `kind N` for one of a later version.
    pub kind: String,
    /// Who wrote it.
    pub author: Author,
    /// When it happened, RFC 3339 with the offset in which it was told; the first moment of a range; null if unknown.
    pub event_time: Option<String>,
    /// The last moment of a range.
    pub event_end: Option<String>,
    /// `exact`, `minute`, `about`, `range` or `unknown`.
    pub event_precision: &'static str,
    /// The time as typed, where one was.
    pub event_text: Option<String>,
    /// What the author's clock said at the writing.
    pub recorded_time: String,
    /// What was typed, or what the fact says in words.
    pub text: String,
    /// `active`, `late`, `revoked` or `forked`. Only active entries have an effect.
    pub status: &'static str,
    /// Why it has no effect, where it is not active: removals, then forks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Why>,
    /// The fact's particulars.
    pub detail: Detail,
    /// Ids of the active amendments to it, oldest first. The text above stays as it was.
    pub amended_by: Vec<String>,
    /// The author's own earlier entry that this one repeats, in an incident declared before joining the team.
    pub origin: Option<OriginView>,
    /// Why it has no effect although its author meant one: a void entry, or one of a later version.
    pub void: Option<String>,
    /// The entry has a body that is not at hand, and nobody redacted it.
    pub body_missing: bool,
    /// Ids of the redactions of its body, in whose place the text says who redacted it and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redacted_by: Vec<String>,
}

/// Who wrote an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Author {
    /// The handle, with a suffix of the device where several people share it.
    pub person: String,
    /// The device, as its PeerId.
    pub device: String,
}

/// The entry that another repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OriginView {
    /// The original entry's id.
    pub id: String,
    /// What the author's clock said then.
    pub recorded_time: String,
}

/// Particulars of a fact; what does not apply is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(default)]
pub struct Detail {
    /// The entry it is about: an action, an amended entry, a claim, an offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What an action touches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// An action's state as of this entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    /// How long an action should take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_minutes: Option<u32>,
    /// What would undo an action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
    /// Where an action was tried before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tested: Option<String>,
    /// A role's long name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What happened to the role: `claim`, `assign`, `accept`, `release`, `settle`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<&'static str>,
    /// Whom the role was assigned to or settled on, or who was admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Why a role was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A milestone's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milestone: Option<&'static str>,
    /// A severity, 1 (worst) to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<u8>,
    /// A phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<&'static str>,
    /// A practice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drill: Option<bool>,
    /// Whether only named persons may hold the incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private: Option<bool>,
    /// Milliseconds of give or take of an event told as `about`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance_ms: Option<i64>,
    /// A link that was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Who reported it, where that is not the author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The register writes it replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<String>,
}

/// Draws one entry; `amended_by` comes from the fold over all.
pub(super) fn row(scene: &dyn Scene, people: &People, line: &Line<'_>, amended_by: Vec<String>) -> Row {
    let fact = line.meaning.said();
    let moment = Moment::told(fact, line.claimed);
    let texts = shown(scene, people, &line.id);
    let redacted_by = scene.redacted_by(&line.id);
    Row {
        id: line.id.to_string(),
        incident: scene.incident().to_string(),
        kind: line.kind.to_string(),
        author: Author { person: person_name(people, line.person), device: scene.device(&line.key) },
        event_time: moment.start_text(),
        event_end: moment.end_text(),
        event_precision: moment.precision.word(),
        event_text: texts.as_ref().and_then(event_text),
        recorded_time: rfc3339(line.claimed.time, line.claimed.offset_minutes),
        text: headline(scene, people, &line.meaning, texts.as_ref()),
        status: line.status.word(),
        why: whys(people, scene.reasons(&line.id)),
        detail: detail(scene, people, &line.meaning, &moment, texts.as_ref()),
        amended_by,
        origin: fact.and_then(|fact| fact.origin).map(|origin| OriginView {
            id: origin.entry.to_string(),
            recorded_time: rfc3339(origin.claimed.time, origin.claimed.offset_minutes),
        }),
        void: match line.meaning.as_ref() {
            Meaning::Void(why, _) => Some(format!("void: {}", why.word())),
            Meaning::Opaque => Some("needs a newer muster".to_owned()),
            Meaning::Fact(fact) => powerless(scene, line, &fact.what).map(str::to_owned),
        },
        body_missing: line.has_body && texts.is_none(),
        redacted_by: redacted_by.iter().map(ToString::to_string).collect(),
    }
}

/// Why a redaction redacts nothing: its author may not, or there is no text.
const REDACTS_NOTHING: &str = "void: only the author of an entry or an admin redacts it, and only a text";

/// Why an `admit` lets nobody in: in a team's incident a guest may not, and whom the author's roster did not know nobody can.
pub(super) const ADMITS_NOBODY: &str =
    "void: a guest admits nobody, nor is anybody admitted whom the roster did not know then";

/// Why an active entry has no effect that only the roster can say of it.
fn powerless(scene: &dyn Scene, line: &Line<'_>, what: &What) -> Option<&'static str> {
    if line.status != Status::Active {
        return None;
    }
    match what {
        What::Redaction { target } => (!scene.redacted_by(target).contains(&line.id)).then_some(REDACTS_NOTHING),
        What::Admit { .. } => (!scene.admits(&line.id)).then_some(ADMITS_NOBODY),
        _ => None,
    }
}

fn detail(scene: &dyn Scene, people: &People, meaning: &Meaning, moment: &Moment, texts: Option<&Texts>) -> Detail {
    let part = |part: Part| texts.and_then(|texts| texts.get(part)).map(str::to_owned);
    let mut detail = Detail {
        undo: part(Part::Undo),
        tested: part(Part::Tested),
        reason: part(Part::Reason),
        link: part(Part::Link),
        who: part(Part::Who),
        tolerance_ms: moment.tolerance_ms,
        ..Detail::default()
    };
    let Some(fact) = meaning.said() else { return detail };
    detail.target = target(&fact.what).map(|id| id.to_string());
    detail.supersedes = fact.supersedes().iter().map(|id| id.to_string()).collect();
    match &fact.what {
        What::Declare(declare) => {
            detail.severity = declare.severity;
            detail.drill = Some(declare.drill);
            detail.private = Some(matches!(declare.visibility, Visibility::Private(_)));
            detail.phase = Some(if declare.suspected { "suspected" } else { "declared" });
        }
        What::Action { target: on, state, expected_minutes } => {
            detail.on = Some(part(Part::Target).unwrap_or_else(|| on.clone()));
            detail.state = Some(state.word());
            detail.expected_minutes = *expected_minutes;
        }
        What::ActionState { action, state, .. } => {
            let acted = scene.line(action);
            detail.on = acted.as_ref().and_then(|line| line.meaning.fact()).and_then(|fact| match &fact.what {
                What::Action { target: on, .. } => Some(on.clone()),
                _ => None,
            });
            detail.state = Some(state.word());
        }
        What::Severity { severity, .. } => detail.severity = *severity,
        What::Milestone { letter } | What::Selection { letter, .. } => detail.milestone = Some(letter.word()),
        What::Role { role, act, .. } => {
            detail.role = Some(role.clone());
            detail.act = Some(act_word(act));
            if let RoleAct::Assign(person) | RoleAct::Settle(person) = act {
                detail.person = Some(people.name(person));
            }
        }
        What::Phase { phase, .. } => detail.phase = Some(phase.word()),
        What::Admit { person } => detail.person = Some(people.name(person)),
        What::Say(_) | What::Amendment { .. } | What::Title { .. } | What::Redaction { .. } | What::JoinHeads => {}
    }
    detail
}

fn act_word(act: &RoleAct) -> &'static str {
    match act {
        RoleAct::Claim => "claim",
        RoleAct::Assign(_) => "assign",
        RoleAct::Accept(_) => "accept",
        RoleAct::Release => "release",
        RoleAct::Settle(_) => "settle",
    }
}

impl Row {
    /// The id's first eight digits, for people.
    pub fn short_id(&self) -> &str {
        self.id.get(..8).unwrap_or(&self.id)
    }
}
