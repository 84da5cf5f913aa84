//! Networking that fails starts again: a panic anywhere in the task costs the links, and nothing else.
//!
//! Handle, events, members, addresses, cuts, topics and the ports we listen on outlive it; the swarm, with every socket
//! and everything that libraries keep, does not. The node sees links end, and begin again.

use crate::event::{LinkEnd, NetEvent};
use crate::limits::{RESTART_FIRST, RESTART_LAST, RESTART_PROVEN};
use crate::link::Ending;
use crate::peer::Peer;
use crate::task::NetTask;
use crate::task_reach::Reach;
use futures::FutureExt;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tokio::time::Instant;

impl NetTask {
    /// Runs until [`crate::NetHandle::shutdown`], or until every handle or the events have been dropped.
    ///
    /// Needs a tokio runtime with IO and time. Dropping the future drops every socket. After a panic, the network starts
    /// again within five seconds, with the same handle and events.
    pub async fn run(mut self) {
        let mut pause = RESTART_FIRST;
        loop {
            let started = Instant::now();
            // What a panic may have left half done is thrown away, but for what is checked below.
            if AssertUnwindSafe(self.work()).catch_unwind().await.is_ok() || self.stopping.is_some() {
                break;
            }
            if started.elapsed() >= RESTART_PROVEN {
                pause = RESTART_FIRST;
            }
            tracing::error!("the network task failed (a bug in muster); networking starts again");
            self.end_links();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RESTART_LAST);
            if !self.begin_anew() {
                break;
            }
        }
        self.finish();
    }

    /// Tells the node that no link is left.
    fn end_links(&mut self) {
        for (key, peer) in &self.peers {
            if let Some(line) = peer.line() {
                line.end(Ending::Ended);
                self.outlet.push(NetEvent::Disconnected { peer: *key, reason: LinkEnd::Restarted });
            }
        }
        // The addresses are all that is kept of a peer.
        let (me, now) = (self.me, Instant::now());
        let peers = std::mem::take(&mut self.peers).into_iter().map(|(key, old)| {
            let mut peer = Peer::new(me, key);
            peer.set_addrs(old.addrs().to_vec(), now);
            (key, peer)
        });
        self.peers = peers.collect();
    }

    /// A new swarm with what the node told the old one; false if there can be none.
    fn begin_anew(&mut self) -> bool {
        let Ok(new) = self.new_swarm() else {
            tracing::error!("networking cannot start again; restart the node");
            return false;
        };
        let old = std::mem::replace(&mut self.swarm, new);
        // Sockets close here. What failed once may fail again on its way out.
        if catch_unwind(AssertUnwindSafe(|| drop(old))).is_err() {
            tracing::error!("the failed network failed again at its end");
        }
        {
            let mut gate = self.gate.lock();
            gate.joins = BTreeMap::new();
            gate.strangers.clear();
        }
        self.owners.clear();
        self.strangers.clear();
        self.reach = Reach::default();
        let audiences = {
            let mut guard = self.guard.lock();
            guard.begin_anew();
            guard.audiences.clone()
        };
        for (topic, audience) in audiences {
            self.subscribe(topic, audience);
        }
        self.listen = std::mem::take(&mut self.listeners).into_iter().map(|(_, addr)| addr).collect();
        self.admit_and_expel(LinkEnd::Restarted, Instant::now());
        for run in std::mem::take(&mut self.joins) {
            self.try_again(run);
        }
        self.stale = true;
        true
    }
}

/// The longest wait between a panic and new sockets.
const _: () = assert!(RESTART_LAST.as_millis() < Duration::from_secs(5).as_millis());

#[cfg(test)]
mod tests;
