//! Shells that are broken on purpose, one fault each. They show that the checks can fail: what was never seen to fail
//! is not known to see anything.
//!
//! Those that promise too much are broken where they promise, in `people` and `shell`.

use crate::Shell;
use crate::failure::Wrong;
use crate::world::World;
use muster_log::{DeviceKey, EntryId, Status};
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
        match self.shell {
            Shell::PassesOnUnread if self.is_liar(from) => self.relay(to, frame),
            Shell::LeaksFrames => {
                *self.leaked.entry((to, from)).or_default() += frame.len();
                Ok(())
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

    /// Whom a node shows to hold an entry.
    pub(crate) fn mistake_holders(&self, n: usize, holders: &mut Vec<DeviceKey>) {
        if self.shell == Shell::CountsWhatItSent {
            holders.extend(self.links.peers(n).into_iter().map(|peer| self.nodes[peer].key));
        }
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
