//! What lines of the timeline are drawn from: a document, or entries and bodies where no document is needed.

use crate::document::{Document, Meaning, Node, Texts};
use muster_log::{Claimed, DeviceKey, EntryId, IncidentId, Kind, PersonId, Reason, Status};
use std::borrow::Cow;

/// One incident, as far as lines need it.
pub(super) trait Scene {
    /// The incident.
    fn incident(&self) -> IncidentId;

    /// What there is to say of an entry, if it is here.
    fn line(&self, id: &EntryId) -> Option<Line<'_>>;

    /// A device as text.
    fn device(&self, key: &DeviceKey) -> String {
        key.to_string()
    }

    /// What was typed with an entry: `None` where that is not at hand, empty where nothing was.
    fn texts(&self, id: &EntryId) -> Option<Texts>;

    /// The redactions of an entry's body.
    fn redacted_by(&self, id: &EntryId) -> Vec<EntryId>;

    /// Whether an entry is an `admit` whose author could let somebody in.
    fn admits(&self, id: &EntryId) -> bool;

    /// Why an entry has no effect: nothing of one that is active.
    fn reasons(&self, _id: &EntryId) -> &[Reason] {
        &[]
    }
}

/// What a line says of its entry, but for what was typed.
pub(super) struct Line<'a> {
    pub(super) id: EntryId,
    pub(super) kind: Kind,
    pub(super) key: DeviceKey,
    pub(super) person: Option<PersonId>,
    pub(super) claimed: Claimed,
    pub(super) meaning: Cow<'a, Meaning>,
    pub(super) status: Status,
    pub(super) has_body: bool,
    /// 1 + the deepest parent's; the genesis has 0.
    pub(super) depth: u32,
}

impl<'a> Line<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        Self {
            id: node.id,
            kind: node.kind,
            key: node.key,
            person: node.person,
            claimed: node.claimed,
            meaning: Cow::Borrowed(&node.meaning),
            status: node.status,
            has_body: node.has_body,
            depth: node.depth,
        }
    }
}

impl Scene for Document {
    fn incident(&self) -> IncidentId {
        Document::incident(self)
    }

    fn line(&self, id: &EntryId) -> Option<Line<'_>> {
        self.find(id).map(|(_, node)| Line::of(node))
    }

    fn texts(&self, id: &EntryId) -> Option<Texts> {
        Document::texts(self, self.find(id)?.0)
    }

    fn redacted_by(&self, id: &EntryId) -> Vec<EntryId> {
        self.find(id).map(|(_, node)| node.redacted_by.clone()).unwrap_or_default()
    }

    fn admits(&self, id: &EntryId) -> bool {
        self.find(id).is_some_and(|(_, node)| node.admits)
    }

    fn reasons(&self, id: &EntryId) -> &[Reason] {
        Document::reasons(self, id)
    }
}
