//! Bodies that a peer asked for before they were here: they go to it when they come, for it will not ask again.

use super::Context;
use super::peer::Peer;
use crate::frame::Part;
use crate::limits::OWED_BODIES_MAX;
use crate::pack::{Signing, fill_to};
use crate::replica::View;
use muster_log::{DagId, EntryId};

impl Peer {
    /// Remembers what the peer asked for in vain.
    pub(super) fn owe(&mut self, bodies: &[EntryId], view: View<'_>) {
        for id in bodies.iter().filter(|id| view.contains(id)) {
            if self.owed.len() < OWED_BODIES_MAX {
                self.owed.insert(*id);
            }
        }
    }

    /// Sends of a DAG what is owed and here by now, if the peer can take it.
    pub(super) fn pay(&mut self, dag: DagId, cx: &mut Context<'_>) {
        let view = cx.view;
        if self.owed.is_empty() || self.credit_left() == 0 || !self.is_ready_for(&dag, view) {
            return;
        }
        let is_here =
            |id: &&EntryId| view.entry(id).is_some_and(|entry| entry.dag() == dag && view.body_of(entry).is_some());
        let here: Vec<EntryId> = self.owed.iter().filter(is_here).copied().collect();
        if here.is_empty() {
            return;
        }
        let filled = fill_to(self.chunk, view, &[], &here, Signing::ByRun);
        for id in here.iter().take(filled.loose_taken) {
            self.owed.remove(id);
        }
        self.send_chunk(dag, filled, Part::Live, cx);
    }
}
