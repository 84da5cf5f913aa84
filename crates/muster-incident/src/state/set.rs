//! The registers of which an incident has one each: title and severity. The phase has a rule of its own.

use super::{distinct, writers};
use crate::document::{Content, Document, Register};
use muster_log::EntryId;

/// The title now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TitleNow {
    /// The different titles; `None` where the text is not at hand.
    pub(crate) titles: Vec<Option<String>>,
    /// Of those not at hand, an entry whose title was redacted.
    pub(crate) redacted: Option<EntryId>,
    pub(crate) writers: Vec<EntryId>,
}

/// The severity now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeverityNow {
    /// The different severities; `None` = unknown.
    pub(crate) severities: Vec<Option<u8>>,
    pub(crate) writers: Vec<EntryId>,
}

pub(crate) fn title(doc: &Document) -> TitleNow {
    let values = doc.values(&Register::title());
    let titles = values.iter().map(|held| match &held.content {
        Content::Text(title) => Some(title.clone()),
        _ => None,
    });
    let writing = |held: &crate::document::Held| doc.node(held.writer);
    let redacted = values.iter().map(writing).find(|node| !node.redacted_by.is_empty()).map(|node| node.id);
    TitleNow { titles: distinct(titles), redacted, writers: writers(doc, &values) }
}

pub(crate) fn severity(doc: &Document) -> SeverityNow {
    let values = doc.values(&Register::severity());
    let severities = values.iter().map(|held| match held.content {
        Content::Number(severity) => u8::try_from(severity).ok(),
        _ => None,
    });
    SeverityNow { severities: distinct(severities), writers: writers(doc, &values) }
}
