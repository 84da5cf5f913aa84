//! Milestones: claims to each, and the one that is chosen.

use super::{distinct, writers};
use crate::document::{Container, Content, Document, Register};
use muster_log::EntryId;
use muster_log::fact::Letter;

/// A milestone now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MilestoneNow {
    pub(crate) letter: Letter,
    /// Claims in causal order, then by id.
    pub(crate) claims: Vec<EntryId>,
    /// The different claims that were selected; several are contested.
    pub(crate) selected: Vec<EntryId>,
    pub(crate) writers: Vec<EntryId>,
}

impl MilestoneNow {
    /// The claim that counts: the one selected, or the only one.
    pub(crate) fn chosen(&self) -> Option<EntryId> {
        match (self.selected.as_slice(), self.claims.as_slice()) {
            ([one], _) => Some(*one),
            ([], [only]) => Some(*only),
            _ => None,
        }
    }
}

/// The milestones anybody claimed, in the order of an incident's life.
pub(crate) fn milestones(doc: &Document) -> Vec<MilestoneNow> {
    let keys = doc.keys(Container::Milestones);
    Letter::ALL
        .iter()
        .filter_map(|(letter, text, _)| {
            let claim = |key: &String| key.split_once('/').filter(|(l, _)| l == text)?.1.parse().ok();
            let mut claims: Vec<EntryId> = keys.iter().filter_map(claim).collect();
            claims.sort_by_key(|claim| (doc.depth(claim), *claim));
            let values = doc.values(&Register::selected(*letter));
            let selected = values.iter().filter_map(|held| match held.content {
                Content::Entry(claim) => Some(claim),
                _ => None,
            });
            (!claims.is_empty()).then(|| MilestoneNow {
                letter: *letter,
                claims,
                selected: distinct(selected),
                writers: writers(doc, &values),
            })
        })
        .collect()
}
