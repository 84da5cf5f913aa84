//! The timeline: every entry that says something, oldest event first.

use super::row::{Row, row};
use super::scene::Line;
use crate::People;
use crate::document::{Document, Node};
use crate::state::Moment;
use muster_log::fact::What;
use muster_log::{Brackets, EntryId, PersonId, Status};
use std::collections::BTreeMap;

/// Stands for the person of an entry whose person is not known; its claim counts for nothing.
pub(super) const NOBODY: PersonId = PersonId::from_bytes([0; 32]);

/// Draws the timeline: by event time, then depth, then id. Where nobody knows when, the recording stands in.
///
/// A `merge` says nothing and is left out.
pub fn timeline(doc: &Document, people: &People) -> Vec<Row> {
    draw(doc, people, &told(doc))
}

/// Draws the last `count` lines of the timeline before the newest `skip`.
pub fn timeline_end(doc: &Document, people: &People, skip: usize, count: usize) -> Vec<Row> {
    let told = told(doc);
    let end = told.len().saturating_sub(skip);
    draw(doc, people, &told[end.saturating_sub(count)..end])
}

/// Draws these entries, in this order, as far as they are lines of the timeline.
pub fn timeline_of(doc: &Document, people: &People, ids: &[EntryId]) -> Vec<Row> {
    let told = |id: &EntryId| doc.find(id).filter(|(_, node)| says_something(node)).map(|(place, _)| place);
    draw(doc, people, &ids.iter().filter_map(told).collect::<Vec<u32>>())
}

/// The entries that say something, in the timeline's order.
///
/// A time to come, or one from a clock that is ahead, counts as when others built on it, or it would stand last for ever.
pub(super) fn told(doc: &Document) -> Vec<u32> {
    let brackets = Brackets::of_all(doc.nodes().map(|(_, node)| {
        let counts = node.status == Status::Active && node.person.is_some();
        (node.parents.iter().copied(), node.person.unwrap_or(NOBODY), node.claimed.time, counts)
    }));
    let mut told: Vec<_> = doc
        .nodes()
        .filter(|(_, node)| says_something(node))
        .map(|(place, node)| (brackets.of(place).cap(Moment::of(node).sort), node.depth, node.id, place))
        .collect();
    told.sort_unstable();
    told.into_iter().map(|(.., place)| place).collect()
}

/// Draws these entries.
pub(super) fn draw(doc: &Document, people: &People, places: &[u32]) -> Vec<Row> {
    let mut amendments: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (place, node) in doc.acting(|what| matches!(what, What::Amendment { .. })) {
        let Some(What::Amendment { target }) = node.meaning.fact().map(|fact| &fact.what) else { continue };
        if let Some((target, _)) = doc.find(target) {
            amendments.entry(target).or_default().push(place);
        }
    }
    let line = |place: &u32| row(doc, people, &Line::of(doc.node(*place)), amended_by(doc, &amendments, *place));
    places.iter().map(line).collect()
}

fn says_something(node: &Node) -> bool {
    says(node.has_body, node.meaning.fact().map(|fact| &fact.what))
}

/// Whether an entry of this meaning is a line of the timeline.
pub(super) fn says(has_body: bool, what: Option<&What>) -> bool {
    has_body || what.is_none_or(|what| *what != What::JoinHeads)
}

fn amended_by(doc: &Document, amendments: &BTreeMap<u32, Vec<u32>>, place: u32) -> Vec<String> {
    let mut places = amendments.get(&place).cloned().unwrap_or_default();
    places.sort_by_key(|place| (doc.node(*place).depth, doc.node(*place).id));
    places.iter().map(|place| doc.node(*place).id.to_string()).collect()
}
