//! Power: how nodes start, stop in order and go down.

use crate::failure::Wrong;
use crate::world::{Event, World};

impl World {
    pub(crate) fn start(&mut self, n: usize) -> Result<(), Wrong> {
        if self.nodes[n].replica.is_some() {
            return Ok(());
        }
        let opened = self.nodes[n].open(self.now, &self.faults, &mut self.rng);
        opened.map_err(|error| Wrong::Failed { node: n, doing: "open its store", error: error.to_string() })?;
        self.check_promises(n)?;
        self.check_as_stored(n)?;
        self.check_restart(n)?;
        self.carry_out(n)
    }

    /// Stops a node, in order or by power loss. What it shows once it is up again must be the same.
    pub(crate) fn stop(&mut self, n: usize, in_order: bool) -> Result<(), Wrong> {
        if self.nodes[n].replica.is_none() {
            return Ok(());
        }
        if in_order {
            self.commit(n)?;
        }
        if self.nodes[n].replica.is_some() {
            self.remember(n)?;
            self.go_down(n, in_order);
        }
        Ok(())
    }

    pub(crate) fn go_down(&mut self, n: usize, in_order: bool) {
        tracing::info!(node = n, at = self.now, in_order, "down");
        self.tally.crashes += u64::from(!in_order);
        self.nodes[n].stop(in_order);
        self.air.forget(n);
        for peer in self.links.peers(n) {
            let in_flight_lost = self.rng.chance(500);
            if let Some(orphan) = self.links.leave(n, peer, in_flight_lost) {
                self.plan_notice(orphan);
            }
        }
        let after = self.rng.between(10, 3_000);
        self.plan(after, Event::Start(n));
    }
}
