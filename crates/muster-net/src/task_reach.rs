//! Whom to dial, by which ways, and how to be reached: the part of the task that looks at all peers together.
//!
//! - Up to [`FULL_MESH`] other members everybody is linked with everybody; beyond, a node dials until it has
//!   [`LINKS_WANTED`] links, those first that it knows a way to and that failed least, and takes whoever calls. A member
//!   whose address a person typed is dialled in any case, and so are some of each circle that the node named: gossip does not
//!   carry what goes among those.
//! - A member that cannot be dialled is tried through those that this node is linked with, who relay if that member asked
//!   them to; and while a member is without a link, this node asks two of those it is linked with to relay for it. On a
//!   relayed link members tell each other where they listen, and go on by a direct way if there is one: so members who
//!   know nothing of each other's addresses meet.
//! - A member seen on the local network is dialled there, one every half second, whatever the network says.

use crate::address::{ip_of, with_port_of};
use crate::backoff::spread;
use crate::finder::Found;
use crate::limits::{
    CIRCLE_LINKS, FIND_PACE, FULL_MESH, LINKS_WANTED, MAX_OBSERVED, MAX_RELAYS, RELAY_AFTER, RELAY_RETRY,
};
use crate::peer::Peer;
use crate::peer_key::{peer_id, short};
use crate::relay::through;
use crate::task::NetTask;
use libp2p::Multiaddr;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use muster_log::DeviceKey;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use tokio::time::Instant;

/// What the task knows of reach.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// Members that relay for us, or were asked to.
    pub(crate) relays: BTreeMap<DeviceKey, ListenerId>,
    /// Not before then is another asked.
    relays_again: Option<Instant>,
    /// When to ask.
    relays_at: Option<Instant>,
    /// Not before then is a member dialled that was seen on the local network.
    finds_again: Option<Instant>,
    /// Own IP addresses that others told us of.
    observed: BTreeSet<IpAddr>,
    /// Links or members have changed since the last look.
    pub(crate) is_stale: bool,
}

impl NetTask {
    /// Looks at everything again, if something changed.
    pub(crate) fn review(&mut self, now: Instant) {
        if !self.reach.is_stale && self.reach.relays_at.is_none_or(|at| at > now) {
            return;
        }
        self.reach.is_stale = false;
        self.stale = true;
        let carriers: Vec<DeviceKey> = self.carriers().map(|(key, _)| *key).collect();
        for (key, peer) in &mut self.peers {
            peer.has_way_round = carriers.iter().any(|carrier| carrier != key);
        }
        choose_whom_to_dial(&self.me, &mut self.peers, &self.circles);
        self.ask_for_relays(now);
    }

    /// Members linked directly, with the address of the link.
    fn carriers(&self) -> impl Iterator<Item = (&DeviceKey, &Multiaddr)> {
        self.peers.iter().filter_map(|(key, peer)| Some((key, peer.direct_link()?)))
    }

    /// Asks members to relay for us, while somebody is without a link: also one whom this node need not dial, for it may be
    /// in a circle of which nothing is known here, and want us.
    fn ask_for_relays(&mut self, now: Instant) {
        let unlinked = self.peers.values().filter_map(|peer| peer.unlinked_since).min();
        let due = unlinked.map(|since| since + RELAY_AFTER).max(self.reach.relays_again.filter(|_| unlinked.is_some()));
        self.reach.relays_at = due.filter(|at| *at > now);
        if due.is_none_or(|at| at > now) || self.stopping.is_some() {
            return;
        }
        let mut carriers: Vec<(DeviceKey, Multiaddr)> = self
            .carriers()
            .filter(|(key, _)| !self.reach.relays.contains_key(key))
            .map(|(key, addr)| (*key, addr.clone()))
            .collect();
        carriers.sort_by_key(|(key, _)| spread(&self.me, key, 0));
        for (key, addr) in carriers.into_iter().take(MAX_RELAYS.saturating_sub(self.reach.relays.len())) {
            self.reach.relays_again = Some(now + RELAY_RETRY);
            match self.swarm.listen_on(through(peer_id(&key), &addr)) {
                Ok(id) => {
                    tracing::debug!(peer = short(&key), "asking to be relayed for");
                    self.reach.relays.insert(key, id);
                }
                Err(error) => tracing::debug!(peer = short(&key), %error, "cannot ask to be relayed for"),
            }
        }
    }

    /// A listener ended; true if it was one at a relay.
    pub(crate) fn relay_ended(&mut self, id: ListenerId) -> bool {
        let before = self.reach.relays.len();
        self.reach.relays.retain(|_, listener| *listener != id);
        self.reach.is_stale = true;
        self.reach.relays.len() < before
    }

    /// Ways to a member through others.
    pub(crate) fn ways_round(&self, key: &DeviceKey, failures: u32) -> Vec<Multiaddr> {
        // Whoever is away for long is asked for now and then.
        if failures > 6 && !failures.is_multiple_of(4) {
            return Vec::new();
        }
        let mut carriers: Vec<_> = self.carriers().filter(|(carrier, _)| *carrier != key).collect();
        carriers.sort_by_key(|(carrier, _)| spread(carrier, key, failures));
        carriers.into_iter().take(MAX_RELAYS).map(|(carrier, addr)| through(peer_id(carrier), addr)).collect()
    }

    pub(crate) fn on_found(&mut self, Found { peer, addrs }: Found) {
        tracing::debug!(peer = short(&peer), ?addrs, "seen on the local network");
        if let Some(peer) = self.peers.get_mut(&peer) {
            self.reach.is_stale |= !peer.has_way();
            peer.set_found(addrs, Instant::now());
            self.stale = true;
        }
    }

    /// When a member that was seen on the local network is to be dialled next.
    pub(crate) fn next_find(&self) -> Option<Instant> {
        let first = self.peers.values().filter_map(Peer::find_time).min()?;
        Some(self.reach.finds_again.map_or(first, |again| again.max(first)))
    }

    /// Dials one of those, if it is time.
    pub(crate) fn dial_found(&mut self, now: Instant) {
        if self.next_find().is_none_or(|at| at > now) {
            return;
        }
        let first = self.peers.iter().filter_map(|(key, peer)| Some((peer.find_time()?, *key))).min();
        if let Some((_, key)) = first {
            self.reach.finds_again = Some(now + FIND_PACE);
            if let Some(peer) = self.peers.get_mut(&key) {
                let addrs = peer.take_find(now);
                self.dial(key, addrs, now);
            }
        }
    }

    /// A member says from where we called. That IP address with our ports may be how others reach us.
    pub(crate) fn on_observed(&mut self, observed: &Multiaddr) {
        let Some(ip) = ip_of(observed) else { return };
        let is_own = self.swarm.listeners().any(|addr| ip_of(addr) == Some(ip));
        let is_odd = ip.is_loopback() || ip.is_unspecified() || ip.is_multicast();
        if is_own || is_odd || self.reach.observed.len() >= MAX_OBSERVED || !self.reach.observed.insert(ip) {
            return;
        }
        let ports: Vec<Multiaddr> = self.listeners.iter().map(|(_, asked)| asked.clone()).collect();
        for asked in ports {
            let is_kin = ip_of(&asked).is_some_and(|asked| asked.is_ipv4() == ip.is_ipv4());
            let rest = asked.iter().skip(1);
            let seen: Multiaddr = std::iter::once(Protocol::from(ip)).chain(rest).collect();
            if is_kin {
                tracing::debug!(addr = %seen, "others see us there");
                self.swarm.add_external_address(with_port_of(&seen, &asked));
            }
        }
    }

    pub(crate) fn reach_deadline(&self) -> Option<Instant> {
        self.reach.relays_at.into_iter().chain(self.next_find()).min()
    }
}

/// Marks those that need not be dialled, because enough links stand or are tried without them.
fn choose_whom_to_dial(me: &DeviceKey, peers: &mut BTreeMap<DeviceKey, Peer>, circles: &[BTreeSet<DeviceKey>]) {
    let members = peers.values().filter(|peer| peer.is_allowed()).count();
    let linked = peers.values().filter(|peer| peer.line().is_some()).count();
    let wanted = LINKS_WANTED.saturating_sub(linked);
    // One without any way would never be dialled, never fail, and so hold its place for good: they come last.
    let mut unlinked: Vec<(bool, u32, u32, DeviceKey)> = peers
        .iter()
        .filter(|(_, peer)| peer.is_allowed() && peer.line().is_none())
        .map(|(key, peer)| (!peer.has_way(), peer.failures(), spread(me, key, 0), *key))
        .collect();
    unlinked.sort_unstable();
    let mut chosen: BTreeSet<DeviceKey> = BTreeSet::new();
    for circle in circles {
        let linked = circle.iter().filter(|key| peers.get(key).is_some_and(|peer| peer.line().is_some())).count();
        let wanted = CIRCLE_LINKS.saturating_sub(linked);
        chosen.extend(unlinked.iter().map(|(.., key)| *key).filter(|key| circle.contains(key)).take(wanted));
    }
    let rest = unlinked.into_iter().map(|(.., key)| key).filter(|key| !chosen.contains(key));
    let rest: Vec<DeviceKey> = rest.take(wanted.saturating_sub(chosen.len())).collect();
    chosen.extend(rest);
    for (key, peer) in peers {
        peer.is_spare = members > FULL_MESH && peer.line().is_none() && !peer.is_wanted && !chosen.contains(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: DeviceKey = DeviceKey::from_bytes([0; 32]);

    /// Members without an address, as many as hold every place that may be dialled, and one more.
    fn members() -> BTreeMap<DeviceKey, Peer> {
        let now = Instant::now();
        let keys = (1..=40).map(|n| DeviceKey::from_bytes([n; 32]));
        keys.map(|key| {
            let mut peer = Peer::new(ME, key);
            peer.allow(now);
            (key, peer)
        })
        .collect()
    }

    /// The one that the hash puts last.
    fn last(peers: &BTreeMap<DeviceKey, Peer>) -> DeviceKey {
        *peers.keys().max_by_key(|key| spread(&ME, key, 0)).unwrap()
    }

    #[test]
    fn members_without_an_address_leave_their_place_to_one_that_can_be_dialled() {
        let now = Instant::now();
        for is_seen in [false, true] {
            let mut peers = members();
            let key = last(&peers);
            choose_whom_to_dial(&ME, &mut peers, &[]);
            assert!(peers[&key].is_spare);
            let addrs = vec!["/ip4/192.0.2.7/tcp/7001".parse().unwrap()];
            let peer = peers.get_mut(&key).unwrap();
            if is_seen {
                peer.set_found(addrs, now)
            } else {
                peer.set_addrs(addrs, now)
            }
            choose_whom_to_dial(&ME, &mut peers, &[]);
            assert!(!peers[&key].is_spare);
        }
    }

    #[test]
    fn a_member_that_somebody_named_is_dialled_whatever_failed_before() {
        let now = Instant::now();
        let mut peers = members();
        let key = last(&peers);
        for (other, peer) in &mut peers {
            peer.set_addrs(vec!["/ip4/192.0.2.7/tcp/7001".parse().unwrap()], now);
            if *other == key {
                peer.dial_failed(None, now);
            }
        }
        choose_whom_to_dial(&ME, &mut peers, &[]);
        assert!(peers[&key].is_spare);
        peers.get_mut(&key).unwrap().is_wanted = true;
        choose_whom_to_dial(&ME, &mut peers, &[]);
        assert!(!peers[&key].is_spare);
    }

    #[test]
    fn some_of_each_circle_are_dialled_though_the_hash_would_choose_others() {
        let now = Instant::now();
        let mut peers = members();
        for peer in peers.values_mut() {
            peer.set_addrs(vec!["/ip4/192.0.2.7/tcp/7001".parse().unwrap()], now);
        }
        choose_whom_to_dial(&ME, &mut peers, &[]);
        let spare: BTreeSet<DeviceKey> = peers.iter().filter(|(_, peer)| peer.is_spare).map(|(key, _)| *key).collect();
        let chosen = peers.len() - spare.len();
        assert!(chosen >= LINKS_WANTED && spare.len() > CIRCLE_LINKS + 1);
        let pair: BTreeSet<DeviceKey> = spare.iter().take(1).copied().collect();
        let (strangers, absent) = (DeviceKey::from_bytes([99; 32]), BTreeSet::new());
        let circles = [spare.clone(), pair.clone(), [strangers].into(), absent];
        choose_whom_to_dial(&ME, &mut peers, &circles);
        let dialled = |circle: &BTreeSet<DeviceKey>| circle.iter().filter(|key| !peers[key].is_spare).count();
        assert_eq!(dialled(&pair), 1);
        assert!((CIRCLE_LINKS..=CIRCLE_LINKS + 1).contains(&dialled(&spare)));
        assert_eq!(peers.values().filter(|peer| !peer.is_spare).count(), chosen, "the others make room");
    }
}
