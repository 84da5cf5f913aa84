//! What is known of one peer, and which of its connections carries the link.
//!
//! Pure: the time is an argument, and what is to be done comes back as [`Step`]s for the task.
//!
//! Both sides may dial at once, and each sees both connections, in its own order. They settle without a word:
//!
//! - Of two connections that came within [`SIMULTANEOUS`] of each other, one dialled by each side, both sides keep the
//!   one that the lower key dialled, if both are direct or both relayed. While the lower key's own dial is under way it opens no streams, for
//!   [`OWN_DIAL_GRACE`], on a connection that the other dialled, so usually no link has to be torn down for this.
//! - Of two such connections, one direct and one through a relay, both keep the direct one.
//! - Otherwise the newer connection wins, as soon as both its streams are open: whoever dialled it had lost the older.

use crate::address::is_relayed;
use crate::backoff::backoff;
use crate::event::LinkEnd;
use crate::gossip::Topic;
use crate::limits::{
    DIRECT_FIRST, DIRECT_LAST, FIND_AGAIN, FINISH_TIMEOUT, JOIN_TIMEOUT, LINK_PROVEN, OWN_DIAL_GRACE, SIMULTANEOUS,
    SYNC_OPEN_TIMEOUT,
};
use crate::link::{Ending, Line, Path};
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

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    dialled_here: bool,
    addr: Multiaddr,
    since: Instant,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// For our own dial to end.
    Waiting,
    /// For both streams to be open.
    Opening(Arc<Line>),
    /// Carries the link, since then; and if all was written that ever will be, until then.
    Up { line: Arc<Line>, up_since: Instant, until: Option<Instant> },
    /// The peer, who dialled, does not sync on it: it may be asking to join again.
    Refused,
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

    pub(crate) fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// Dials and links in a row that came to nothing.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
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

    /// Whether to dial now.
    pub(crate) fn wants_dial(&self, now: Instant) -> bool {
        self.dial_time().is_some_and(|at| at <= now)
    }

    fn dial_time(&self) -> Option<Instant> {
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
        self.unlinked_since = None;
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

    fn plan_after_failure(&mut self, now: Instant) {
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

/// How a connection to this address goes.
fn path_by(addr: &Multiaddr) -> Path {
    if is_relayed(addr) { Path::Relayed } else { Path::Direct }
}

impl Connection {
    fn path(&self) -> Path {
        path_by(&self.addr)
    }

    fn is_relayed_link(&self) -> bool {
        self.line().is_some() && self.path() == Path::Relayed
    }

    fn is_refused(&self) -> bool {
        matches!(self.phase, Phase::Refused)
    }

    fn line(&self) -> Option<&Arc<Line>> {
        match &self.phase {
            Phase::Up { line, .. } => Some(line),
            Phase::Waiting | Phase::Opening(_) | Phase::Refused => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting => Some(self.since + OWN_DIAL_GRACE),
            Phase::Opening(_) => Some(self.since + SYNC_OPEN_TIMEOUT),
            Phase::Refused => Some(self.since + JOIN_TIMEOUT),
            Phase::Up { until, .. } => until,
        }
    }

    fn stop_waiting(&mut self) -> Option<Step> {
        let Phase::Waiting = self.phase else { return None };
        let line = Line::new();
        self.phase = Phase::Opening(line.clone());
        Some(Step::Open(self.id, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    fn addr() -> Multiaddr {
        "/ip4/127.0.0.1/tcp/1".parse().unwrap()
    }

    /// A peer that is allowed; we have the lower key, or the higher.
    fn peer(we_are_lower: bool, now: Instant) -> Peer {
        let (low, high) = (DeviceKey::from_bytes([1; 32]), DeviceKey::from_bytes([2; 32]));
        let mut peer = if we_are_lower { Peer::new(low, high) } else { Peer::new(high, low) };
        peer.allow(now);
        peer.set_addrs(vec![addr()], now);
        peer
    }

    #[track_caller]
    fn check(steps: Vec<Step>, expected: &[&str]) {
        let shown: Vec<String> = steps
            .iter()
            .map(|step| match step {
                Step::Open(id, _) => format!("open {id}"),
                Step::Close(id) => format!("close {id}"),
                Step::LinkUp(_, Path::Direct, _) => "up".to_owned(),
                Step::LinkUp(_, Path::Relayed, _) => "up relayed".to_owned(),
                Step::LinkDown(reason) => format!("down {reason:?}"),
                Step::Unwelcome(_) => "unwelcome".to_owned(),
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn both_sides_of_a_simultaneous_dial_keep_the_lower_keys_connection() {
        // Connection 1 is dialled by the lower key, connection 2 by the higher; each side in both orders.
        let now = Instant::now();
        let mut lower = peer(true, now);
        lower.dialling(id(1));
        check(lower.established(id(2), false, addr(), now), &[]);
        check(lower.established(id(1), true, addr(), now), &["close 2", "open 1"]);
        let mut lower = peer(true, now);
        lower.dialling(id(1));
        check(lower.established(id(1), true, addr(), now), &["open 1"]);
        check(lower.established(id(2), false, addr(), now), &["close 2"]);
        let mut higher = peer(false, now);
        higher.dialling(id(2));
        check(higher.established(id(2), true, addr(), now), &["open 2"]);
        check(higher.established(id(1), false, addr(), now), &["close 2", "open 1"]);
        let mut higher = peer(false, now);
        higher.dialling(id(2));
        check(higher.established(id(1), false, addr(), now), &["open 1"]);
        check(higher.sync_up(id(1), now), &["up"]);
        check(higher.established(id(2), true, addr(), now), &["close 2"]);
        assert!(higher.line_of(id(1)).is_some());
    }

    #[test]
    fn a_call_that_waits_for_our_dial_is_taken_when_that_fails() {
        let now = Instant::now();
        let mut lower = peer(true, now);
        lower.dialling(id(1));
        check(lower.established(id(2), false, addr(), now), &[]);
        check(lower.dial_failed(Some(id(1)), now), &["open 2"]);
        assert!(!lower.wants_dial(now + Duration::from_secs(60)));
    }

    #[test]
    fn a_call_does_not_wait_long_for_a_dial_that_nobody_answers() {
        let now = Instant::now();
        let mut lower = peer(true, now);
        lower.dialling(id(1));
        check(lower.established(id(2), false, addr(), now), &[]);
        assert_eq!(lower.deadline(), Some(now + OWN_DIAL_GRACE));
        check(lower.expire(now + OWN_DIAL_GRACE), &["open 2"]);
        check(lower.sync_up(id(2), now + OWN_DIAL_GRACE), &["up"]);
        check(lower.dial_failed(Some(id(1)), now + SIMULTANEOUS), &[]);
    }

    #[test]
    fn a_newer_connection_takes_over_once_it_is_open_and_not_before() {
        let now = Instant::now();
        for we_are_lower in [true, false] {
            let mut peer = peer(we_are_lower, now);
            check(peer.established(id(1), true, addr(), now), &["open 1"]);
            check(peer.sync_up(id(1), now), &["up"]);
            let later = now + SIMULTANEOUS;
            check(peer.established(id(2), false, addr(), later), &["open 2"]);
            assert!(peer.line_of(id(1)).is_some() && peer.line_of(id(2)).is_none());
            check(peer.sync_up(id(2), later), &["close 1", "down Replaced", "up"]);
            check(peer.ended(id(1), LinkEnd::Closed, later), &[]);
            check(peer.ended(id(2), LinkEnd::Closed, later), &["close 2", "down Closed"]);
        }
    }

    fn circuit() -> Multiaddr {
        let relay = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X";
        format!("/ip4/127.0.0.1/tcp/1/p2p/{relay}/p2p-circuit").parse().unwrap()
    }

    #[test]
    fn of_two_ways_found_at_once_both_sides_keep_the_direct_one() {
        let now = Instant::now();
        for (we_are_lower, direct_dialled_here) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut peer = self::peer(we_are_lower, now);
            check(peer.established(id(1), direct_dialled_here, addr(), now), &["open 1"]);
            check(peer.established(id(2), !direct_dialled_here, circuit(), now), &["close 2"]);
            let mut peer = self::peer(we_are_lower, now);
            check(peer.established(id(2), !direct_dialled_here, circuit(), now), &["open 2"]);
            check(peer.established(id(1), direct_dialled_here, addr(), now), &["close 2", "open 1"]);
        }
    }

    #[test]
    fn a_relayed_link_stays_while_a_direct_way_is_sought_ever_more_slowly_and_is_then_replaced() {
        let mut now = Instant::now();
        let mut peer = peer(true, now);
        check(peer.established(id(1), false, circuit(), now), &["open 1"]);
        check(peer.sync_up(id(1), now), &["up relayed"]);
        let mut wait = Duration::ZERO;
        for n in 2..6 {
            let due = peer.deadline().unwrap();
            assert!(due - now > wait && peer.wants_dial(due));
            (wait, now) = (due - now, due);
            peer.dialling(id(n));
            check(peer.dial_failed(Some(id(n)), now), &[]);
            assert_eq!(peer.path(), Some(Path::Relayed));
        }
        peer.dialling(id(9));
        check(peer.established(id(9), true, addr(), now), &["open 9"]);
        check(peer.sync_up(id(9), now), &["close 1", "down Replaced", "up"]);
        assert_eq!((peer.path(), peer.deadline()), (Some(Path::Direct), None));
    }

    #[test]
    fn a_peer_without_addresses_is_dialled_only_where_there_is_a_way_round_or_a_sighting() {
        let now = Instant::now();
        let mut peer = peer(true, now);
        peer.set_addrs(Vec::new(), now);
        assert!(!peer.wants_dial(now));
        peer.has_way_round = true;
        assert!(peer.wants_dial(now));
        peer.has_way_round = false;
        peer.set_found(vec![addr()], now);
        assert!(!peer.wants_dial(now) && peer.find_time() == Some(now));
        assert_eq!(peer.take_find(now), [addr()]);
        assert_eq!(peer.find_time(), Some(now + FIND_AGAIN));
        peer.is_spare = true;
        assert_eq!(peer.find_time(), None);
    }

    #[test]
    fn links_that_fail_young_are_retried_ever_more_slowly() {
        let (mut now, mut wait) = (Instant::now(), Duration::ZERO);
        let mut peer = peer(true, now);
        for n in 1..5 {
            assert!(peer.wants_dial(now));
            peer.dialling(id(n));
            assert!(!peer.wants_dial(now));
            peer.established(id(n), true, addr(), now);
            peer.sync_up(id(n), now);
            peer.ended(id(n), LinkEnd::Dropped, now);
            let due = peer.deadline().unwrap();
            assert!(due - now > wait);
            (wait, now) = (due - now, due);
        }
        peer.retry(now);
        peer.established(id(9), true, addr(), now);
        peer.sync_up(id(9), now);
        peer.ended(id(9), LinkEnd::Lost, now + LINK_PROVEN);
        assert!(peer.deadline().unwrap() < now + LINK_PROVEN + Duration::from_secs(1));
    }

    #[test]
    fn a_peer_that_does_not_know_us_is_left_and_tried_again() {
        let now = Instant::now();
        let mut peer = peer(true, now);
        peer.dialling(id(1));
        check(peer.established(id(1), true, addr(), now), &["open 1"]);
        check(peer.sync_refused(id(1), now), &["close 1", "unwelcome"]);
        assert!(peer.deadline().is_some_and(|at| at > now));
    }

    #[test]
    fn a_member_that_asks_to_join_again_keeps_its_call_until_the_join_is_over() {
        let now = Instant::now();
        let mut peer = peer(true, now);
        check(peer.established(id(1), false, addr(), now), &["open 1"]);
        check(peer.sync_refused(id(1), now), &[]);
        assert!(peer.wants_dial(now), "it does not stand in the way of a link");
        check(peer.expire(now + JOIN_TIMEOUT), &["close 1"]);
    }

    #[test]
    fn a_forbidden_peer_has_no_connection_and_gets_none() {
        let now = Instant::now();
        let mut peer = peer(true, now);
        peer.established(id(1), true, addr(), now);
        peer.sync_up(id(1), now);
        check(peer.forbid(LinkEnd::Cut), &["close 1", "down Cut"]);
        check(peer.established(id(2), false, addr(), now), &["close 2"]);
        assert_eq!(peer.deadline(), None);
        peer.allow(now);
        assert!(peer.wants_dial(now));
    }

    #[test]
    fn streams_that_do_not_open_in_time_are_given_up() {
        let now = Instant::now();
        let mut peer = peer(true, now);
        peer.established(id(1), false, addr(), now);
        check(peer.expire(now), &[]);
        check(peer.expire(now + SYNC_OPEN_TIMEOUT), &["close 1"]);
        assert!(peer.deadline().is_some());
    }
}
