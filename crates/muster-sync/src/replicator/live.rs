//! What is new here goes at once to every peer that has what it builds on and lacks it.
//!
//! What cannot be sent so (the peer is behind, or not known to have the parents) is left to the comparison of heads.

use super::peer::Peer;
use super::{Context, Replicator};
use crate::contract::CloseReason;
use crate::frame::Part;
use crate::limits::{LIVE_SIGNED_MAX, QUEUE_ENTRIES_MAX};
use crate::pack::{Signing, fill_to};
use crate::replica::{Replica, View};
use crate::tick::Tick;
use muster_log::{DagId, EntryId};
use std::collections::BTreeSet;

impl Replicator {
    /// Publishes what was written here and queues the rest for the peers that gossip does not bring it to.
    pub(super) fn advanced(&mut self, entries: &[EntryId], now: Tick, replica: &dyn Replica) {
        let dags: BTreeSet<DagId> =
            entries.iter().filter_map(|id| replica.entry(id)).map(|entry| entry.dag()).collect();
        self.core.touched_dags.extend(&dags);
        if dags.contains(&self.core.roster()) {
            // Whether incidents may be spoken of, and who may see them, can follow from the roster.
            self.core.touched_dags.extend(replica.incidents());
        }
        self.note_changed(&dags, replica);
        let carried = self.carried_by_gossip(entries, replica);
        for peer in self.peers.values_mut().filter(|peer| peer.has_greeted) {
            let direct = entries.iter().filter(|id| !peer.gossips || !carried.contains_key(id));
            if peer.queue.len() + direct.clone().count() > QUEUE_ENTRIES_MAX {
                peer.queue.clear();
            } else {
                peer.queue.extend(direct);
            }
        }
        self.expect_gossip(&carried, now, replica);
    }
}

impl Peer {
    /// Sends whatever waits and may be sent: what is new first, for somebody is looking at it, then the answer.
    pub(super) fn send_due(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let had_to_wait = std::mem::take(&mut self.has_to_wait);
        while !self.queue.is_empty() && self.credit_left() > 0 {
            self.send_new(cx);
        }
        if self.credit_left() > 0
            && let Some(want) = self.asked.take()
        {
            self.serve(&want, cx);
        }
        self.go_on_serving(cx);
        self.has_to_wait = !self.queue.is_empty() || self.asked.is_some() || self.serving.is_some();
        if had_to_wait && !self.has_to_wait {
            cx.core.touched.extend(self.pairs.keys().map(|dag| (self.key, *dag)));
        }
        Ok(())
    }

    /// Sends one chunk of the DAG of the first entry in the queue, as far as the peer can take it.
    fn send_new(&mut self, cx: &mut Context<'_>) {
        let Some(dag) = self.queue.front().and_then(|id| cx.view.entry(id)).map(|entry| entry.dag()) else {
            self.queue.pop_front();
            return;
        };
        let sendable = self.take_sendable(dag, cx);
        if sendable.is_empty() {
            return;
        }
        let signing = if sendable.len() <= LIVE_SIGNED_MAX { Signing::Every } else { Signing::ByRun };
        let filled = fill_to(self.chunk, cx.view, &sendable, &[], signing);
        let rest = sendable.get(filled.taken..).unwrap_or_default();
        rest.iter().rev().for_each(|id| self.queue.push_front(*id));
        self.send_chunk(dag, filled, Part::Live, cx);
    }

    /// Takes the entries of a DAG out of the queue, up to the next of the roster, which what follows may cite. Those
    /// that the peer has are dropped, and those whose parents it is not known to have.
    fn take_sendable(&mut self, dag: DagId, cx: &mut Context<'_>) -> Vec<EntryId> {
        let roster = cx.core.roster();
        let is_ready = self.is_ready_for(&dag, cx.view);
        let known = self.known_in_queue(&dag, cx.view);
        let (mut sendable, mut taken, mut kept) = (Vec::new(), BTreeSet::new(), Vec::new());
        while let Some(id) = self.queue.pop_front() {
            let Some(entry) = cx.view.entry(&id) else { continue };
            if entry.dag() == roster && dag != roster {
                kept.push(id);
                break;
            }
            if entry.dag() != dag {
                kept.push(id);
                continue;
            }
            if known.contains(&id) {
                continue;
            }
            let has_parents = |parent: EntryId| taken.contains(&parent) || known.contains(&parent);
            if is_ready && entry.parents().all(has_parents) {
                taken.insert(id);
                sendable.push(id);
            } else {
                cx.core.touched.insert((self.key, dag));
            }
        }
        kept.into_iter().rev().for_each(|id| self.queue.push_front(id));
        sendable
    }

    /// What the peer has of the queue's entries of a DAG and of their parents, found in one walk: a chunk of the peer's own
    /// entries passes through here.
    fn known_in_queue(&self, dag: &DagId, view: View<'_>) -> BTreeSet<EntryId> {
        let entries = self.queue.iter().filter_map(|id| view.entry(id)).filter(|entry| entry.dag() == *dag);
        let ids: BTreeSet<EntryId> = entries.flat_map(|entry| entry.parents().chain([entry.id()])).collect();
        view.covered(dag, &ids, &self.latest_known(dag))
    }
}
