//! The shell around each replica, which does what a node does: gives it inputs, commits, and carries out what it wants.
//!
//! Where frames go is in `network`, how nodes start and stop in `power`.

use crate::Shell;
use crate::failure::Wrong;
use crate::world::World;
use muster_replica::{Effect, Input, ReplicaError};

/// Timeouts of one node at one moment, past which it will never be content.
const TIMEOUTS_AT_ONCE_MAX: u32 = 1_000;

impl World {
    pub(crate) fn timeout(&mut self, n: usize) -> Result<(), Wrong> {
        self.timeouts.1 += 1;
        if self.timeouts.1 > TIMEOUTS_AT_ONCE_MAX {
            return Err(Wrong::Spins { node: n });
        }
        self.input(n, Input::Timeout)
    }

    pub(crate) fn input(&mut self, n: usize, input: Input) -> Result<(), Wrong> {
        let now = self.nodes[n].now(self.now);
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        let done = replica.handle(input, now);
        self.settle(n, done).map(drop)
    }

    pub(crate) fn commit(&mut self, n: usize) -> Result<(), Wrong> {
        self.try_commit(n).map(drop)
    }

    /// Commits; whether that went well, so that somebody may be told.
    pub(crate) fn try_commit(&mut self, n: usize) -> Result<bool, Wrong> {
        let now = self.nodes[n].now(self.now);
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(false) };
        let done = replica.commit(now);
        self.settle(n, done)
    }

    fn settle(&mut self, n: usize, done: Result<(), ReplicaError>) -> Result<bool, Wrong> {
        match done {
            Ok(()) => {
                self.acknowledge(n);
                self.nodes[n].is_dirty = false;
                self.carry_out(n)?;
                Ok(true)
            }
            Err(ReplicaError::Store(error)) => {
                tracing::info!(node = n, at = self.now, %error, "store failed");
                self.survive(n);
                Ok(false)
            }
            Err(error) => Err(Wrong::Failed { node: n, doing: "commit", error: error.to_string() }),
        }
    }

    pub(crate) fn acknowledge(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        node.promised.append(&mut node.staged);
    }

    /// The store failed under the batch: nobody is told anything good, and the store is opened again.
    pub(crate) fn survive(&mut self, n: usize) {
        if self.shell == Shell::IgnoresFailedCommits {
            self.acknowledge(n);
            return;
        }
        self.nodes[n].is_dirty = true;
        self.go_down(n, false);
    }

    pub(crate) fn carry_out(&mut self, n: usize) -> Result<(), Wrong> {
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        for effect in replica.take_effects() {
            match effect {
                Effect::Send { peer, frame } => self.send(n, &peer, frame)?,
                Effect::Publish { team, bytes } => self.publish(n, team, bytes)?,
                Effect::Judge { gossip, verdict } => self.judged(n, gossip, verdict)?,
                Effect::Close { peer, reason } => self.close(n, &peer, reason)?,
                Effect::Members(members) => {
                    self.nodes[n].members = members;
                    self.expel(n);
                }
                Effect::Audience { team, members } if Some(team) == self.team => self.nodes[n].audience = members,
                Effect::Audience { .. } | Effect::Circles(_) | Effect::Whereabouts { .. } | Effect::Changed { .. } => {}
            }
        }
        Ok(())
    }
}
