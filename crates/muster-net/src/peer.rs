//! What is known of one peer, and which of its connections carries the link.
//!
//! Here is how links begin and end; when to dial is in [`dialling`], one connection in [`connection`]. Pure: the time is an
//! argument, and what is to be done comes back as [`Step`]s for the task.
//!
//! Both sides may dial at once, and each sees both connections, in its own order. They settle without a word:
//!
//! - Of two connections that came within [`SIMULTANEOUS`] of each other, one dialled by each side, both sides keep the
//!   one that the lower key dialled, if both are direct or both relayed. While the lower key's own dial is under way it
//!   opens no streams, for [`crate::limits::OWN_DIAL_GRACE`], on a connection that the other dialled, so usually no link has to be torn down for this.
//! - Of two such connections, one direct and one through a relay, both keep the direct one.
//! - Otherwise the newer connection wins, as soon as both its streams are open: whoever dialled it had lost the older.

mod connection;
mod dialling;

use crate::event::LinkEnd;
use crate::gossip::Topic;
use crate::limits::{DIRECT_FIRST, FINISH_TIMEOUT, LINK_PROVEN, SIMULTANEOUS};
use crate::link::{Ending, Line, Path};
use connection::{Connection, Phase, path_by};
use libp2p::Multiaddr;
use libp2p::swarm::ConnectionId;
use muster_log::DeviceKey;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;

/// What the task is to do.
#[derive(Debug)]
pub(crate) enum Step {
    /// Open the sync streams of this connection.
    Open(ConnectionId, Arc<Line>),
    /// Close this connection.
    Close(ConnectionId),
    /// A link begins.
    LinkUp(Multiaddr, Path, Arc<Line>),
    /// The link ends.
    LinkDown(LinkEnd),
    /// The peer at this address, which we dialled, would not sync with us.
    Unwelcome(Multiaddr),
}

/// One peer: a member, or a device whose addresses we keep.
#[derive(Debug)]
pub(crate) struct Peer {
    me: DeviceKey,
    key: DeviceKey,
    /// A member that is not cut off.
    allowed: bool,
    addrs: Vec<Multiaddr>,
    /// Where it was seen on the local network.
    found: Vec<Multiaddr>,
    /// Not before then is it dialled there.
    find_at: Option<Instant>,
    /// Enough links stand without this one.
    pub(crate) is_spare: bool,
    /// Somebody named an address of it by hand: it is dialled whatever links stand, until there was a link.
    pub(crate) is_wanted: bool,
    /// There are other members through whom it may be reached.
    pub(crate) has_way_round: bool,
    /// Since when it is without a link.
    pub(crate) unlinked_since: Option<Instant>,
    /// What the peer last said of its own addresses.
    pub(crate) claimed_addrs: Vec<Multiaddr>,
    /// Of ours, those that the peer takes part in.
    pub(crate) topics: BTreeSet<Topic>,
    /// Oldest first.
    connections: Vec<Connection>,
    /// Our dial under way.
    dial: Option<ConnectionId>,
    /// Dials and links in a row that came to nothing.
    failures: u32,
    next_dial: Option<Instant>,
}

impl Peer {
    pub(crate) fn new(me: DeviceKey, key: DeviceKey) -> Self {
        Self {
            me,
            key,
            allowed: false,
            addrs: Vec::new(),
            found: Vec::new(),
            find_at: None,
            is_spare: false,
            is_wanted: false,
            has_way_round: false,
            unlinked_since: None,
            claimed_addrs: Vec::new(),
            topics: BTreeSet::new(),
            connections: Vec::new(),
            dial: None,
            failures: 0,
            next_dial: None,
        }
    }

    /// Whether nothing would be lost by forgetting this peer.
    pub(crate) fn is_blank(&self) -> bool {
        !self.allowed && self.addrs.is_empty() && self.connections.is_empty() && self.dial.is_none()
    }

    /// What the node said.
    pub(crate) fn addrs(&self) -> &[Multiaddr] {
        &self.addrs
    }

    pub(crate) fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// How the link goes, if there is one.
    pub(crate) fn path(&self) -> Option<Path> {
        self.connections.iter().find(|it| it.line().is_some()).map(Connection::path)
    }

    /// Where the link's connection leads, if it is direct.
    pub(crate) fn direct_link(&self) -> Option<&Multiaddr> {
        let direct = |it: &&Connection| it.line().is_some() && it.path() == Path::Direct;
        self.connections.iter().find(direct).map(|it| &it.addr)
    }

    /// The line of the link if this connection carries it.
    pub(crate) fn line_of(&self, id: ConnectionId) -> Option<&Arc<Line>> {
        self.connections.iter().find(|it| it.id == id).and_then(Connection::line)
    }

    /// The line of the link.
    pub(crate) fn line(&self) -> Option<&Arc<Line>> {
        self.connections.iter().find_map(Connection::line)
    }

    /// From now on a member that is not cut off.
    pub(crate) fn allow(&mut self, now: Instant) {
        if !self.allowed {
            self.allowed = true;
            self.unlinked_since = Some(now);
            self.retry(now);
        }
    }

    /// From now on not welcome, for this reason.
    pub(crate) fn forbid(&mut self, reason: LinkEnd) -> Vec<Step> {
        (self.allowed, self.next_dial, self.unlinked_since) = (false, None, None);
        self.claimed_addrs.clear();
        (0..self.connections.len()).rev().flat_map(|index| self.remove(index, reason)).collect()
    }

    /// A connection has been authenticated.
    pub(crate) fn established(
        &mut self,
        id: ConnectionId,
        dialled_here: bool,
        addr: Multiaddr,
        now: Instant,
    ) -> Vec<Step> {
        if dialled_here {
            self.dial = None;
        }
        if !self.allowed {
            return vec![Step::Close(id)];
        }
        let mut steps = Vec::new();
        if let Some(rival) = self.rival(dialled_here, now) {
            let old = &self.connections[rival];
            let keeps_old = match (old.path(), path_by(&addr)) {
                (Path::Direct, Path::Relayed) => true,
                (Path::Relayed, Path::Direct) => false,
                _ => self.was_dialled_by_lower(old.dialled_here),
            };
            if keeps_old {
                steps.extend(self.connections[rival].stop_waiting());
                steps.push(Step::Close(id));
                return steps;
            }
            steps = self.remove(rival, LinkEnd::Replaced);
        }
        let mut connection = Connection { id, dialled_here, addr, since: now, phase: Phase::Waiting };
        // Ours would win, if it comes to stand.
        let waits = !dialled_here && self.dial.is_some() && self.was_dialled_by_lower(true);
        if !waits {
            steps.extend(connection.stop_waiting());
        }
        self.connections.push(connection);
        steps
    }

    /// A connection that the other side dialled at the same moment.
    fn rival(&self, dialled_here: bool, now: Instant) -> Option<usize> {
        self.connections.iter().position(|it| {
            it.dialled_here != dialled_here && !it.is_refused() && now.duration_since(it.since) < SIMULTANEOUS
        })
    }

    fn was_dialled_by_lower(&self, dialled_here: bool) -> bool {
        dialled_here == (self.me < self.key)
    }

    /// Both streams of a connection are open.
    pub(crate) fn sync_up(&mut self, id: ConnectionId, now: Instant) -> Vec<Step> {
        let Some(index) = self.position(id) else { return Vec::new() };
        if self.connections[index..].iter().skip(1).any(|it| it.line().is_some()) {
            return self.remove(index, LinkEnd::Replaced);
        }
        let Phase::Opening(line) = &self.connections[index].phase else { return Vec::new() };
        let (line, addr) = (line.clone(), self.connections[index].addr.clone());
        self.connections[index].phase = Phase::Up { line: line.clone(), up_since: now, until: None };
        let older: Vec<_> = self.connections[..index].iter().filter(|it| !it.is_refused()).map(|it| it.id).collect();
        let mut steps: Vec<_> = older.into_iter().flat_map(|id| self.remove_id(id, LinkEnd::Replaced)).collect();
        (self.unlinked_since, self.is_wanted) = (None, false);
        let path = path_by(&addr);
        self.next_dial = (path == Path::Relayed).then_some(now + DIRECT_FIRST);
        if path == Path::Relayed {
            self.failures = 0;
        }
        steps.push(Step::LinkUp(addr, path, line));
        steps
    }

    /// The peer does not offer sync on this connection.
    pub(crate) fn sync_refused(&mut self, id: ConnectionId, now: Instant) -> Vec<Step> {
        let Some(index) = self.position(id) else { return Vec::new() };
        let connection = &mut self.connections[index];
        if !connection.dialled_here {
            connection.phase = Phase::Refused;
            return Vec::new();
        }
        let unwelcome = Step::Unwelcome(connection.addr.clone());
        let mut steps = self.remove(index, LinkEnd::Closed);
        steps.push(unwelcome);
        self.plan_after_failure(now);
        steps
    }

    /// All that will be was written and our stream closed; the peer has read it when it hangs up.
    pub(crate) fn sync_flushed(&mut self, id: ConnectionId, now: Instant) -> Vec<Step> {
        let phase = self.position(id).map(|index| &mut self.connections[index].phase);
        if let Some(Phase::Up { until, .. }) = phase {
            *until = Some(now + FINISH_TIMEOUT);
        }
        Vec::new()
    }

    /// The streams or the connection ended.
    pub(crate) fn ended(&mut self, id: ConnectionId, mut reason: LinkEnd, now: Instant) -> Vec<Step> {
        let Some(index) = self.position(id) else { return Vec::new() };
        let connection = &self.connections[index];
        if connection.is_refused() {
            return self.remove(index, reason);
        }
        let unwelcome = match &connection.phase {
            Phase::Up { up_since, until, .. } => {
                if now.duration_since(*up_since) >= LINK_PROVEN {
                    self.failures = 0;
                }
                if until.is_some() {
                    reason = LinkEnd::Dropped;
                }
                None
            }
            _ => connection.dialled_here.then(|| Step::Unwelcome(connection.addr.clone())),
        };
        let mut steps = self.remove(index, reason);
        steps.extend(unwelcome);
        self.plan_after_failure(now);
        steps
    }

    /// When [`Peer::expire`] or a dial is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.connections.iter().filter_map(Connection::deadline).chain(self.dial_time()).min()
    }

    /// Ends the connections whose streams did not open in time, and lets none wait for ever.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Step> {
        let late = self.connections.iter_mut().filter(|it| it.deadline().is_some_and(|at| at <= now));
        let (mut steps, mut ended) = (Vec::new(), Vec::new());
        for connection in late {
            match connection.stop_waiting() {
                Some(open) => steps.push(open),
                None => ended.push(connection.id),
            }
        }
        steps.extend(ended.into_iter().flat_map(|id| self.ended(id, LinkEnd::Lost, now)));
        steps
    }

    fn position(&self, id: ConnectionId) -> Option<usize> {
        self.connections.iter().position(|it| it.id == id)
    }

    fn remove_id(&mut self, id: ConnectionId, reason: LinkEnd) -> Vec<Step> {
        self.position(id).map(|index| self.remove(index, reason)).unwrap_or_default()
    }

    /// Forgets a connection and closes it; what it still says is ignored.
    fn remove(&mut self, index: usize, reason: LinkEnd) -> Vec<Step> {
        let connection = self.connections.remove(index);
        let mut steps = vec![Step::Close(connection.id)];
        if let Phase::Opening(line) | Phase::Up { line, .. } = &connection.phase {
            line.end(Ending::Ended);
        }
        if let Phase::Up { .. } = connection.phase {
            steps.push(Step::LinkDown(reason));
        }
        steps
    }
}

#[cfg(test)]
mod tests;
