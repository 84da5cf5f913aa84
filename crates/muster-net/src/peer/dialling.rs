//! When a peer is dialled, and where.

use super::connection::Connection;
use super::{Peer, Step};
use crate::backoff::backoff;
use crate::limits::{DIRECT_FIRST, DIRECT_LAST, FIND_AGAIN};
use crate::link::Path;
use libp2p::Multiaddr;
use libp2p::swarm::ConnectionId;
use tokio::time::Instant;

impl Peer {
    /// When it may be dialled where it was seen on the local network.
    pub(crate) fn find_time(&self) -> Option<Instant> {
        self.find_at.filter(|_| self.may_dial() && !self.found.is_empty())
    }

    /// Where to dial it for that; the next time is later.
    pub(crate) fn take_find(&mut self, now: Instant) -> Vec<Multiaddr> {
        self.find_at = Some(now + FIND_AGAIN);
        self.found.clone()
    }

    /// Whether a dial could be of use and is not under way.
    fn may_dial(&self) -> bool {
        // A relayed link is as good as none when it comes to looking for a direct way.
        let is_no_bar = |it: &Connection| it.is_refused() || it.is_relayed_link();
        self.allowed && !self.is_spare && self.dial.is_none() && self.connections.iter().all(is_no_bar)
    }

    /// Whether there is any way by which a dial could be tried.
    pub(crate) fn has_way(&self) -> bool {
        !self.addrs.is_empty() || !self.found.is_empty() || (self.has_way_round && self.line().is_none())
    }

    /// Dials and links in a row that came to nothing.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Dials again at once and forgets old failures.
    pub(crate) fn retry(&mut self, now: Instant) {
        (self.failures, self.next_dial) = (0, Some(now));
    }

    pub(crate) fn set_addrs(&mut self, addrs: Vec<Multiaddr>, now: Instant) {
        if self.addrs != addrs {
            self.addrs = addrs;
            self.retry(now);
        }
    }

    /// Replaces where it was seen on the local network.
    pub(crate) fn set_found(&mut self, found: Vec<Multiaddr>, now: Instant) {
        self.found = found;
        self.find_at.get_or_insert(now);
    }

    /// Whether to dial now.
    pub(crate) fn wants_dial(&self, now: Instant) -> bool {
        self.dial_time().is_some_and(|at| at <= now)
    }

    pub(super) fn dial_time(&self) -> Option<Instant> {
        let has_target = !self.addrs.is_empty() || (self.has_way_round && self.line().is_none());
        self.next_dial.filter(|_| self.may_dial() && has_target)
    }

    pub(crate) fn dialling(&mut self, id: ConnectionId) {
        (self.dial, self.next_dial) = (Some(id), None);
    }

    /// A dial came to nothing. `id` is `None` if it did not even begin.
    pub(crate) fn dial_failed(&mut self, id: Option<ConnectionId>, now: Instant) -> Vec<Step> {
        if id.is_some() && self.dial != id {
            return Vec::new();
        }
        self.dial = None;
        self.plan_after_failure(now);
        self.connections.iter_mut().filter_map(Connection::stop_waiting).collect()
    }

    pub(super) fn plan_after_failure(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let wait = match self.path() {
            None => backoff(&self.me, &self.key, self.failures),
            Some(Path::Relayed) => DIRECT_FIRST.saturating_mul(1 << self.failures.min(16)).min(DIRECT_LAST),
            Some(Path::Direct) => return,
        };
        self.next_dial = Some(now + wait);
        if self.allowed && self.path().is_none() {
            self.unlinked_since.get_or_insert(now);
        }
    }
}
