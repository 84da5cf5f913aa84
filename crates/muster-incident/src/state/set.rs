//! The registers of which an incident has one each: title and severity. The phase has a rule of its own.

use super::{distinct, writers};
use crate::document::{Content, Document, Register};
use muster_log::EntryId;

/// The title now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TitleNow {
    /// The different titles; `None` where the text is not at hand. Where it was redacted, the one before.
    pub(crate) titles: Vec<Option<String>>,
    /// Of those without a title, an entry whose title was redacted.
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
    let is_redacted = |writer: u32| !doc.node(writer).redacted_by.is_empty();
    let titles: Vec<Option<String>> = values
        .iter()
        .map(|held| match &held.content {
            Content::Text(title) => Some(title.clone()),
            _ if is_redacted(held.writer) => title_before(doc, held.writer),
            _ => None,
        })
        .collect();
    let nameless = values.iter().zip(&titles).filter(|(held, title)| title.is_none() && is_redacted(held.writer));
    let redacted = nameless.map(|(held, _)| doc.node(held.writer).id).next();
    TitleNow { titles: distinct(titles), redacted, writers: writers(doc, &values) }
}

/// The newest title at hand on which an entry builds: by that an incident is known whose title was redacted.
fn title_before(doc: &Document, place: u32) -> Option<String> {
    let named = |place: &u32| {
        let node = doc.node(*place);
        node.body_here && node.writes.iter().any(|write| write.register == Register::title())
    };
    let newest = doc.past_of(&[place]).into_iter().filter(named).max_by_key(|place| {
        let node = doc.node(*place);
        (node.depth, node.id)
    })?;
    doc.texts(newest).map(|texts| texts.text().to_owned()).filter(|title| !title.is_empty())
}

pub(crate) fn severity(doc: &Document) -> SeverityNow {
    let values = doc.values(&Register::severity());
    let severities = values.iter().map(|held| match held.content {
        Content::Number(severity) => u8::try_from(severity).ok(),
        _ => None,
    });
    SeverityNow { severities: distinct(severities), writers: writers(doc, &values) }
}
