//! Redacting: who may is for the roster to say, which is not known here.

use super::{CommandError, Context, Prepared, resolve_entry, typed};
use crate::document::Node;
use crate::view::short;
use muster_log::fact::{IncidentFact, What};
use muster_log::{BodyText, EntryId};

/// Amendments that a note names; the rest is counted.
const AMENDMENTS_NAMED_MAX: usize = 8;

impl Context<'_> {
    pub(super) fn redact(&self, id: &str, reason: &str) -> Result<Prepared, CommandError> {
        let target = resolve_entry(self.doc, id)?;
        let reason = typed("reason", reason)?;
        let Some((_, node)) = self.doc.find(&target) else { return Err(CommandError::NoIncident) };
        if !node.has_body {
            return Err(CommandError::NothingTyped { entry: short(&target) });
        }
        let mut prepared = Prepared::new(What::Redaction { target }, BodyText::plain(reason));
        if let Some(note) = self.amended(&target) {
            prepared = prepared.note(note);
        }
        // Names in the fields are part of what was signed.
        Ok(match node.meaning.said().map(|fact| &fact.what) {
            Some(What::Action { target: on, .. }) => {
                prepared.note(format!("what the action is on stays, for it is signed: `{}`", crate::printable(on)))
            }
            Some(What::Role { role, .. }) => {
                prepared.note(format!("the name of the role stays, for it is signed: `{}`", crate::printable(role)))
            }
            _ => prepared,
        })
    }

    /// Which amendments of an entry have a text that nobody redacted: who corrects a line quotes it.
    fn amended(&self, target: &EntryId) -> Option<String> {
        let is_one = |node: &&Node| {
            let says = |fact: &IncidentFact| matches!(&fact.what, What::Amendment { target: of } if of == target);
            node.has_body && node.redacted_by.is_empty() && node.meaning.said().is_some_and(says)
        };
        let amendments: Vec<String> =
            self.doc.nodes().map(|(_, node)| node).filter(is_one).map(|n| short(&n.id)).collect();
        let (named, rest) = amendments.split_at(amendments.len().min(AMENDMENTS_NAMED_MAX));
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        match named {
            [] => None,
            [one] => Some(format!("{one} amends it and may say the same; redact it too")),
            named => Some(format!("{}{more} amend it and may say the same; redact them too", named.join(", "))),
        }
    }
}
