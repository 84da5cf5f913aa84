//! Which entry a typed id means.

use super::CommandError;
use crate::document::Document;
use crate::printable;
use crate::view::short;
use muster_log::EntryId;
use std::collections::BTreeMap;

/// Digits that an id must have at the least.
const PREFIX_DIGITS_MIN: usize = 4;

/// Candidates that are listed where an id means several.
const CANDIDATES_MAX: usize = 10;

/// Characters of a text that are shown beside a candidate.
const CANDIDATE_CHARS: usize = 60;

/// The entry that a full id or a prefix of four or more digits means. The id of an entry that one of these repeats,
/// from an incident declared before joining the team, means the one that repeats it.
///
/// # Errors
/// [`CommandError::NotAnId`], [`CommandError::UnknownId`], or [`CommandError::AmbiguousId`] with the candidates.
pub fn resolve_entry(doc: &Document, typed: &str) -> Result<EntryId, CommandError> {
    let prefix = typed.trim().to_lowercase();
    let shown = || printable(typed.trim()).chars().take(64).collect::<String>();
    if prefix.len() < PREFIX_DIGITS_MIN || prefix.len() > 64 || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(CommandError::NotAnId { typed: shown() });
    }
    let mut found: BTreeMap<EntryId, u32> = BTreeMap::new();
    for (place, node) in doc.nodes() {
        let origin = node.meaning.said().and_then(|fact| fact.origin).map(|origin| origin.entry);
        if std::iter::once(node.id).chain(origin).any(|id| begins_with(&id, &prefix)) {
            found.insert(node.id, place);
        }
    }
    match found.len() {
        0 => Err(CommandError::UnknownId { typed: shown() }),
        1 => found.pop_first().map(|(id, _)| id).ok_or(CommandError::UnknownId { typed: shown() }),
        _ => {
            let candidates = found.values().take(CANDIDATES_MAX).map(|place| candidate(doc, *place)).collect();
            Err(CommandError::AmbiguousId { typed: shown(), candidates })
        }
    }
}

/// An entry as a line to choose from.
pub(super) fn candidate(doc: &Document, place: u32) -> String {
    let node = doc.node(place);
    let texts = doc.texts(place).unwrap_or_default();
    let text: String = printable(texts.text()).chars().take(CANDIDATE_CHARS).collect();
    format!("{} {} {text}", short(&node.id), node.kind).trim_end().to_owned()
}

/// Whether the id's digits begin with `prefix`, which is hexadecimal in lower case.
fn begins_with(id: &EntryId, prefix: &str) -> bool {
    let digits = id.as_bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    prefix.len() <= 64 && digits.zip(prefix.chars()).all(|(digit, typed)| digit == typed)
}
