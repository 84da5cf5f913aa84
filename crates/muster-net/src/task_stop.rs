//! Stopping: write what is queued, close, end; within [`SHUTDOWN_TIMEOUT`].

use crate::event::LinkEnd;
use crate::limits::SHUTDOWN_TIMEOUT;
use crate::link::Ending;
use crate::peer::Peer;
use crate::task::{NetTask, Owner};
use libp2p::swarm::ConnectionId;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The task is stopping.
#[derive(Debug)]
pub(crate) struct Stopping {
    pub(crate) until: Instant,
    /// Dropped, and so answered, when the task has ended.
    waiting: Vec<oneshot::Sender<()>>,
}

impl NetTask {
    /// Begins to stop; who asks again waits for the same end.
    pub(crate) fn stop(&mut self, done: Option<oneshot::Sender<()>>) {
        self.stale = true;
        if let Some(stopping) = &mut self.stopping {
            stopping.waiting.extend(done);
            return;
        }
        tracing::debug!("stopping");
        self.stopping =
            Some(Stopping { until: Instant::now() + SHUTDOWN_TIMEOUT, waiting: done.into_iter().collect() });
        self.gate.lock().stopping = true;
        let relays = std::mem::take(&mut self.reach.relays).into_values();
        for id in std::mem::take(&mut self.listeners).into_iter().map(|(id, _)| id).chain(relays) {
            self.swarm.remove_listener(id);
        }
        for run in std::mem::take(&mut self.joins) {
            run.close();
        }
        self.peers.values().filter_map(Peer::line).for_each(|line| line.end(Ending::Finishing));
        let carries_link = |(id, owner): &(&ConnectionId, &Owner)| {
            self.peers.get(&owner.key).is_some_and(|peer| peer.line_of(**id).is_some())
        };
        let others: Vec<_> = self.owners.iter().filter(|it| !carries_link(it)).map(|(id, _)| *id).collect();
        for id in others {
            self.swarm.close_connection(id);
        }
    }

    /// Whether every connection is closed, or the time to close them is over.
    pub(crate) fn is_finished(&self) -> bool {
        self.stopping.as_ref().is_some_and(|it| self.owners.is_empty() || it.until <= Instant::now())
    }

    /// Ends what did not end by itself. The sockets go first, then the events, then those who wait are told.
    pub(crate) fn finish(mut self) {
        let keys: Vec<_> = self.peers.keys().copied().collect();
        for key in keys {
            self.with_peer(key, |peer| peer.forbid(LinkEnd::Shutdown));
        }
        let NetTask { swarm, outlet, stopping, .. } = self;
        drop(swarm);
        drop(outlet);
        drop(stopping);
    }
}
