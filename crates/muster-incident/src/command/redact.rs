//! Redacting: who may is for the roster to say, which is not known here.

use super::{CommandError, Context, Prepared, resolve_entry, typed};
use crate::view::short;
use muster_log::BodyText;
use muster_log::fact::What;

impl Context<'_> {
    pub(super) fn redact(&self, id: &str, reason: &str) -> Result<Prepared, CommandError> {
        let target = resolve_entry(self.doc, id)?;
        let reason = typed("reason", reason)?;
        let Some((_, node)) = self.doc.find(&target) else { return Err(CommandError::NoIncident) };
        if !node.has_body {
            return Err(CommandError::NothingTyped { entry: short(&target) });
        }
        let prepared = Prepared::new(What::Redaction { target }, BodyText::plain(reason));
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
}
