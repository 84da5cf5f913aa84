//! One connection with a peer, from its birth to carrying the link.

use super::Step;
use crate::address::is_relayed;
use crate::limits::{JOIN_TIMEOUT, OWN_DIAL_GRACE, SYNC_OPEN_TIMEOUT};
use crate::link::{Line, Path};
use libp2p::Multiaddr;
use libp2p::swarm::ConnectionId;
use std::sync::Arc;
use tokio::time::Instant;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) dialled_here: bool,
    pub(super) addr: Multiaddr,
    pub(super) since: Instant,
    pub(super) phase: Phase,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// For our own dial to end.
    Waiting,
    /// For both streams to be open.
    Opening(Arc<Line>),
    /// Carries the link, since then; and if all was written that ever will be, until then.
    Up { line: Arc<Line>, up_since: Instant, until: Option<Instant> },
    /// The peer, who dialled, does not sync on it: it may be asking to join again.
    Refused,
}

/// How a connection to this address goes.
pub(super) fn path_by(addr: &Multiaddr) -> Path {
    if is_relayed(addr) { Path::Relayed } else { Path::Direct }
}

impl Connection {
    pub(super) fn path(&self) -> Path {
        path_by(&self.addr)
    }

    pub(super) fn is_relayed_link(&self) -> bool {
        self.line().is_some() && self.path() == Path::Relayed
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self.phase, Phase::Refused)
    }

    pub(super) fn line(&self) -> Option<&Arc<Line>> {
        match &self.phase {
            Phase::Up { line, .. } => Some(line),
            Phase::Waiting | Phase::Opening(_) | Phase::Refused => None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting => Some(self.since + OWN_DIAL_GRACE),
            Phase::Opening(_) => Some(self.since + SYNC_OPEN_TIMEOUT),
            Phase::Refused => Some(self.since + JOIN_TIMEOUT),
            Phase::Up { until, .. } => until,
        }
    }

    pub(super) fn stop_waiting(&mut self) -> Option<Step> {
        let Phase::Waiting = self.phase else { return None };
        let line = Line::new();
        self.phase = Phase::Opening(line.clone());
        Some(Step::Open(self.id, line))
    }
}
