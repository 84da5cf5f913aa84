//! What is new here goes out by gossip, once for all neighbours.
//!
//! Only what was written here: what came by gossip goes on by its verdict, and what came in chunks goes on in chunks. A
//! private incident never goes this way.

use super::gossip::Origin;
use super::{Core, Replicator};
use crate::contract::{Output, Verdict};
use crate::frame::{Announcement, Gossip, Part};
use crate::limits::{GOSSIP_BURST_MAX, GOSSIP_BYTES_MAX, GOSSIP_RAW_BYTES_MAX, GOSSIP_ROWS_MAX};
use crate::pack::{Signing, fill};
use crate::replica::{Replica, View};
use muster_log::{DagId, Entry, EntryId};
use std::collections::BTreeMap;

impl Replicator {
    /// Publishes what is due and tells which of the entries gossip carries, and how they came here.
    pub(super) fn carried_by_gossip(
        &mut self,
        entries: &[EntryId],
        replica: &dyn Replica,
    ) -> BTreeMap<EntryId, Origin> {
        let is_heard = self.peers.values().any(|peer| peer.has_greeted && peer.gossips);
        let mut carried = BTreeMap::new();
        let mut written: Vec<(DagId, Vec<EntryId>)> = Vec::new();
        for id in entries {
            let mut origin = self.core.gossip.origins.remove(id).unwrap_or(Origin::Here);
            for (gossip, verdict) in self.core.gossip.announced_came(id, replica) {
                if verdict == Verdict::Accept {
                    origin = Origin::Gossip;
                }
                self.core.outputs.push_back(Output::Judge { gossip, verdict });
            }
            let Some(dag) = replica.entry(id).map(|entry| entry.dag()).filter(|dag| replica.is_shared(dag)) else {
                continue;
            };
            match origin {
                Origin::Chunk => continue,
                Origin::Gossip => {}
                Origin::Here if !is_heard => continue,
                // Brought by hand in a run that is signed at its end alone: each row of a message needs a signature of its own.
                Origin::Here if replica.signature(id).is_none() => continue,
                // Of one commit, so there are few DAGs.
                Origin::Here => match written.iter_mut().find(|(of, _)| *of == dag) {
                    Some((_, ids)) => ids.push(*id),
                    None => written.push((dag, vec![*id])),
                },
            }
            carried.insert(*id, origin);
        }
        if written.iter().map(|(_, ids)| ids.len()).sum::<usize>() > GOSSIP_BURST_MAX {
            carried.retain(|_, origin| *origin != Origin::Here);
            return carried;
        }
        // The roster first: the rest cites it.
        let roster = self.core.roster();
        written.sort_by_key(|(dag, _)| *dag != roster);
        for (dag, ids) in written {
            self.core.publish(dag, &ids, replica);
        }
        carried
    }
}

impl Core {
    /// Publishes entries of one DAG in as few messages as they fit into.
    fn publish(&mut self, dag: DagId, ids: &[EntryId], replica: &dyn Replica) {
        let view = View::new(replica, self.roster(), self.config.me);
        let mut rest = ids;
        let mut rows = GOSSIP_ROWS_MAX;
        while let (Some(first), some) = (rest.first(), rows.min(rest.len())) {
            let filled = fill(view, &rest[..some], &[], Signing::Every);
            let (taken, is_whole) = (filled.taken, filled.left_out.is_empty() && filled.taken > 0);
            let packed = filled.finish(0, Part::Live);
            let is_small = packed.raw_size <= GOSSIP_RAW_BYTES_MAX;
            let bytes = Gossip::Entries(dag, packed).encode(self.prefix);
            if is_whole && is_small && bytes.len() <= GOSSIP_BYTES_MAX {
                self.outputs.push_back(Output::Publish { bytes });
                rest = rest.get(taken..).unwrap_or_default();
                rows = GOSSIP_ROWS_MAX;
            } else if some > 1 {
                rows = some / 2;
            } else {
                let size = view.entry(first).map_or(0, size_of);
                let announcement = Announcement { dag, id: *first, size };
                self.outputs
                    .push_back(Output::Publish { bytes: Gossip::Announcement(announcement).encode(self.prefix) });
                rest = &rest[1..];
                rows = GOSSIP_ROWS_MAX;
            }
        }
    }
}

/// Bytes of an entry and its body.
pub(super) fn size_of(entry: &Entry) -> u32 {
    let body = entry.body().map_or(0, |body| body.size);
    u32::try_from(entry.bytes().len()).unwrap_or(u32::MAX).saturating_add(body)
}
