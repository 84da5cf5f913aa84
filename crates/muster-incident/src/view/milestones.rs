//! Milestones: every claim stays, one of them is chosen.

use super::author_name;
use super::words::{headline, shown};
use crate::People;
use crate::document::Document;
use crate::state::{self, Moment};
use muster_log::EntryId;
use serde::Serialize;

/// A milestone that somebody claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MilestoneView {
    /// Its letter.
    pub letter: &'static str,
    /// Its word.
    pub milestone: &'static str,
    /// The claim that counts: the one selected, or the only one. Null while that is open.
    pub chosen: Option<String>,
    /// Whether several different claims were selected. Somebody must settle it.
    pub contested: bool,
    /// All claims, in causal order.
    pub claims: Vec<ClaimView>,
}

/// A claim that a milestone was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClaimView {
    /// The claiming entry.
    pub id: String,
    /// Who claims it.
    pub person: String,
    /// When it was reached, RFC 3339; null if unknown.
    pub event_time: Option<String>,
    /// The last moment of a range.
    pub event_end: Option<String>,
    /// `exact`, `minute`, `about`, `range` or `unknown`.
    pub event_precision: &'static str,
    /// The claim in words.
    pub text: String,
}

/// Draws the milestones in the order of an incident's life.
pub fn milestones(doc: &Document, people: &People) -> Vec<MilestoneView> {
    let view = |now: state::MilestoneNow| MilestoneView {
        letter: now.letter.letter(),
        milestone: now.letter.word(),
        chosen: now.chosen().map(|claim| claim.to_string()),
        contested: now.selected.len() > 1,
        claims: now.claims.iter().filter_map(|id| claim(doc, people, id)).collect(),
    };
    state::milestones(doc).into_iter().map(view).collect()
}

fn claim(doc: &Document, people: &People, id: &EntryId) -> Option<ClaimView> {
    let (_, node) = doc.find(id)?;
    let moment = Moment::of(node);
    Some(ClaimView {
        id: id.to_string(),
        person: author_name(people, node),
        event_time: moment.start_text(),
        event_end: moment.end_text(),
        event_precision: moment.precision.word(),
        text: headline(doc, people, &node.meaning, shown(doc, people, id).as_ref()),
    })
}
