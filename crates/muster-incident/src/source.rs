//! One admitted entry with what the caller knows of it: the only way in for facts.
//!
//! Admission, status and the person of an entry are decided in `muster-log`; where entries and bodies are kept is the
//! store's affair.

use muster_log::{BodyText, Entry, EntryId, PersonId, Status};

/// An admitted entry and what it comes with.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// What it counts for.
    pub status: Status,
    /// The person of the entry: what its own roster past says.
    pub person: Option<PersonId>,
    /// Its body, where that is at hand and not erased.
    pub body: Option<BodyText>,
    /// The redactions of its body, by id: then there is none.
    pub redacted_by: Vec<EntryId>,
    /// Whether it is an `admit` whose author could let somebody in.
    pub admits: bool,
}
