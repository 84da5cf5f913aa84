//! Anti-entropy: while heads are not known to be equal, now and then a comparison with a peer picked by chance.
//!
//! Nothing else is needed to agree in the end, whatever gossip loses. Chance comes from the device's key: it must differ
//! between devices and need not be secret.

use super::Replicator;
use super::peer::Peer;
use crate::limits::{ROUND_DAGS_MAX, ROUND_MS};
use crate::replica::Replica;
use crate::tick::Tick;
use muster_log::{DagId, DeviceKey};

/// When the next round is due, and what chance is drawn from.
#[derive(Debug)]
pub(super) struct State {
    pub(super) due: Option<Tick>,
    dice: u64,
}

impl State {
    pub(super) fn new(me: DeviceKey) -> Self {
        let mut seed = [0; 8];
        seed.copy_from_slice(&me.as_bytes()[..8]);
        Self { due: None, dice: u64::from_be_bytes(seed) }
    }

    /// A number from 0 to below `n` (splitmix64).
    pub(super) fn chance(&mut self, n: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n.max(1)
    }
}

impl Replicator {
    /// Arms the next round where one is needed.
    pub(super) fn plan_round(&mut self, now: Tick) {
        let is_needed = self.peers.values().any(Peer::is_unequal);
        self.core.rounds.due = match self.core.rounds.due {
            _ if !is_needed => None,
            None => Some(now.plus_ms(ROUND_MS / 2 + self.core.rounds.chance(ROUND_MS / 2))),
            armed => armed,
        };
    }

    /// Holds the round that is due.
    pub(super) fn compare_with_somebody(&mut self, now: Tick, replica: &dyn Replica) {
        if self.core.rounds.due.is_none_or(|due| due > now) {
            return;
        }
        self.core.rounds.due = None;
        let unequal: Vec<DeviceKey> =
            self.peers.iter().filter(|(_, peer)| peer.is_unequal()).map(|(key, _)| *key).collect();
        let chosen = self.core.rounds.chance(unequal.len() as u64) as usize;
        let Some(peer) = unequal.get(chosen) else { return };
        self.with(*peer, now, replica, |peer, cx| {
            let dags: Vec<DagId> = peer.unequal.iter().copied().collect();
            let due = dags.into_iter().filter(|dag| peer.is_ready_for(dag, cx.view) && cx.view.len(dag) > 0);
            for dag in due.take(ROUND_DAGS_MAX).collect::<Vec<_>>() {
                peer.send_heads_again(dag, cx);
            }
            Ok(())
        });
    }
}

impl Peer {
    /// Whether something here is not known to be equal there.
    fn is_unequal(&self) -> bool {
        self.has_greeted && !self.unequal.is_empty()
    }
}
