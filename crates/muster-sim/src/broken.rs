//! Shells that are broken on purpose, one fault each. They show that the checks can fail: what was never seen to fail
//! is not known to see anything.
//!
//! Those that promise too much are broken where they promise, in `people` and `shell`.

use crate::Shell;
use crate::failure::Wrong;
use crate::world::World;
use muster_log::{EntryId, Status};
use muster_replica::Input;
use std::collections::BTreeMap;

/// How often a shell says to a liar what it has to say once.
const REPETITIONS: usize = 400;

/// How many times as long as they should be frames are.
const BLOAT: usize = 100;

/// Whose statuses are wrong, and who keeps back what was asked for.
const CULPRIT: usize = 1;

/// Who is never linked with the culprit.
const STRANGER: usize = 2;

impl World {
    /// What is wrong about how a frame of `from` is handled at `to`.
    pub(crate) fn mishandle(&mut self, from: usize, to: usize, frame: &[u8]) -> Result<(), Wrong> {
        let is_lie = self.is_liar(from) && !self.is_liar(to);
        match self.shell {
            Shell::PassesOnUnread if self.is_liar(from) => self.relay(to, frame),
            Shell::LeaksFrames => {
                *self.leaked.entry((to, from)).or_default() += frame.len();
                Ok(())
            }
            // HEADS and ACK say what the sender holds.
            Shell::MistakesTheSender if is_lie && matches!(frame.get(1), Some(4 | 8)) => {
                let (Some(team), Some(replica)) = (self.team, &self.nodes[to].replica) else { return Ok(()) };
                // Of whoever has greeted more is known than the roster.
                let has_greeted = |peer: &usize| replica.kept_for(&team, &self.nodes[*peer].key).dags > 1;
                let honest = self.links.peers(to).into_iter().find(|peer| !self.is_liar(*peer) && has_greeted(peer));
                let Some(peer) = honest.map(|peer| self.nodes[peer].key) else { return Ok(()) };
                self.input(to, Input::Frame { peer, bytes: frame.to_vec() })
            }
            _ => Ok(()),
        }
    }

    /// What a shell keeps of a peer for no reason.
    pub(crate) fn leaked(&self, n: usize, peer: usize) -> usize {
        self.leaked.get(&(n, peer)).copied().unwrap_or_default()
    }

    /// How often a frame is sent.
    pub(crate) fn repetitions(&self, from: usize, to: usize) -> usize {
        if self.shell == Shell::Repeats && self.is_liar(to) && !self.is_liar(from) { REPETITIONS } else { 1 }
    }

    /// How long a frame is on the wire.
    pub(crate) fn weight(&self, from: usize, to: usize, bytes: usize) -> usize {
        let is_bloated = self.shell == Shell::Bloats && self.is_liar(to) && !self.is_liar(from);
        if is_bloated { bytes * BLOAT } else { bytes }
    }

    /// Whether a frame is thrown away that should be sent.
    pub(crate) fn withholds(&self, from: usize, frame: &[u8]) -> bool {
        self.shell == Shell::WithholdsEntries && from == CULPRIT && matches!(frame.get(1), Some(2 | 7))
    }

    /// Whether two nodes never find each other.
    pub(crate) fn overlooks(&self, a: usize, b: usize) -> bool {
        self.shell == Shell::OverlooksAPeer && a.min(b) == CULPRIT && a.max(b) == STRANGER
    }

    /// What a node shows of the statuses that it holds.
    pub(crate) fn mistake_statuses(&self, n: usize, statuses: &mut BTreeMap<EntryId, Status>) {
        if n != CULPRIT {
            return;
        }
        match self.shell {
            Shell::DropsAStatus => drop(statuses.pop_first()),
            Shell::MistakesAStatus => statuses.values_mut().for_each(|status| *status = Status::Late),
            _ => {}
        }
    }
}
