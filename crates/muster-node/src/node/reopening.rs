//! A store that failed: nobody is told anything good, and it is opened again.

use super::Node;
use super::effects::Answer;
use crate::opening;
use crate::request::{Failure, Reply};
use muster_replica::ReplicaError;
use muster_sync::Tick;

/// Between two tries to open a store that failed, in milliseconds.
pub(super) const REOPEN_EVERY_MS: u64 = 1_000;

impl Node {
    /// The store failed under the batch: nobody is told anything good, and the store is opened again.
    pub(super) fn survive(&mut self, error: ReplicaError) {
        tracing::error!(error = crate::engine::chain(&error), "the store failed; opening it again");
        let failure = Failure::from(error);
        for answer in std::mem::take(&mut self.answers) {
            // A join request without an answer is tried again by the newcomer.
            if let Answer::Request(reply, done) | Answer::Redaction(reply, done) = answer {
                let _ = reply.send(Reply::from(done.and(Err(failure.clone()))));
            }
        }
        for (reply, done) in std::mem::take(&mut self.until_erased) {
            let _ = reply.send(Reply::from(done.and(Err(failure.clone()))));
        }
        drop(self.engine.take());
        self.forget_gossip();
        for (_, link) in std::mem::take(&mut self.links) {
            link.close();
        }
        self.reopen();
    }

    pub(super) fn reopen(&mut self) {
        let now = Tick(self.opened.clock.tick_ms());
        if self.reopen_at.is_some_and(|at| now < at) {
            return;
        }
        self.reopen_at = Some(now.plus_ms(REOPEN_EVERY_MS));
        match opening::reopen(&mut self.opened) {
            Ok(engine) => {
                self.engine = Some(engine);
                self.reopen_at = None;
                self.carry_out_effects();
            }
            Err(failure) => tracing::error!(%failure, "the store cannot be opened"),
        }
    }
}
