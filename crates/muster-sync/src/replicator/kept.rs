//! How much is kept because of one peer: for whoever checks that it stays bounded. Decides nothing.

use super::Replicator;
use super::peer::Peer;
use muster_log::DeviceKey;
use std::collections::BTreeSet;

/// What is kept of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// DAGs of which something is known or wanted.
    pub dags: usize,
    /// Ids, tips and ranges, over all DAGs.
    pub ids: usize,
}

impl Replicator {
    /// What is kept because of a peer; nothing where it is not connected.
    pub fn kept_for(&self, peer: &DeviceKey) -> Kept {
        self.peers.get(peer).map(Peer::kept).unwrap_or_default()
    }
}

impl Peer {
    fn kept(&self) -> Kept {
        let dags: BTreeSet<_> = self.pairs.keys().chain(self.wanted.keys()).collect();
        let stated: usize = self.pairs.values().map(|pair| pair.stated.len()).sum();
        let wanted: usize =
            self.wanted.values().map(|wanted| wanted.tips.len() + wanted.ids.len() + wanted.bodies.len()).sum();
        let asked = self.asked.as_ref().map_or(0, |want| want.ranges.len() + want.ids.len() + want.bodies.len());
        let served = self.serving.as_ref().map_or(0, super::serve::Serving::kept);
        let sent: usize = self.sent.iter().map(|sent| sent.heads.len() + sent.tips.len()).sum();
        Kept {
            dags: dags.len(),
            ids: stated + wanted + asked + served + sent + self.queue.len() + self.asked_bodies.len() + self.owed.len(),
        }
    }
}
