//! Where the incident stands.
//!
//! The rule: the phase is what the phase register holds, and marking the milestone *resolved* ends the incident too.
//! An active claim to that milestone *stands* unless an active reopening builds on it. Where one stands, `resolved` is
//! among the values, and open values whose writes it builds on are over. An open value written apart from it stays, so
//! that two halves of a network that disagree see a contested phase; the incident counts as open as long as any value
//! is open, for silence must never look like calm.

use super::{distinct, writers};
use crate::document::{Content, Document, Register};
use muster_log::EntryId;
use muster_log::fact::{Letter, Phase, What};

/// The phase now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PhaseNow {
    /// The different values; several are contested, none only where the `declare` itself has no effect.
    pub(crate) phases: Vec<Phase>,
    pub(crate) writers: Vec<EntryId>,
}

impl PhaseNow {
    /// Whether anybody still works on it.
    pub(crate) fn is_open(&self) -> bool {
        self.phases.is_empty() || self.phases.iter().any(|phase| phase.is_open())
    }
}

pub(crate) fn phase(doc: &Document) -> PhaseNow {
    let values = doc.values(&Register::phase());
    let is = |right: fn(&What) -> bool| doc.acting(right).map(|(place, _)| place).collect::<Vec<u32>>();
    let mut standing = is(|what| matches!(what, What::Milestone { letter: Letter::Resolved }));
    if !standing.is_empty() {
        let reopened = doc.past_of(&is(|what| matches!(what, What::Phase { phase: Phase::Reopened, .. })));
        standing.retain(|claim| !reopened.contains(claim));
    }
    let over = if standing.is_empty() { Default::default() } else { doc.past_of(&standing) };
    let held = values.iter().filter_map(|held| match &held.content {
        Content::Text(word) => Phase::from_word(word).map(|phase| (held.writer, phase)),
        _ => None,
    });
    let kept = held.filter(|(writer, phase)| !(phase.is_open() && over.contains(writer))).map(|(_, phase)| phase);
    let marked = (!standing.is_empty()).then_some(Phase::Resolved);
    PhaseNow { phases: distinct(kept.chain(marked)), writers: writers(doc, &values) }
}
