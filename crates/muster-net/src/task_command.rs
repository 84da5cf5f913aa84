//! What the node commands, carried out.

use crate::address::dialable;
use crate::event::LinkEnd;
use crate::handle::Command;
use crate::limits::MAX_ADDRESSES;
use crate::peer::Peer;
use crate::task::NetTask;
use libp2p::Multiaddr;
use muster_log::DeviceKey;
use std::collections::BTreeSet;
use tokio::time::Instant;

impl NetTask {
    pub(crate) fn on_command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::SetMembers(members) => self.set_members(members, now),
            Command::SetAddresses(peer, addrs) => self.set_addresses(peer, &addrs, now),
            Command::SetCircles(circles) => {
                self.circles = circles;
                self.reach.is_stale = true;
            }
            Command::Want(peer) => self.want(peer, now),
            Command::Listen(addr) => self.listen_on(addr),
            Command::Cut(peer) => self.cut(peer, now),
            Command::Heal(peer) => self.heal(peer, now),
            Command::Join { addrs, request, answer } => self.join(addrs, request, answer),
            Command::Subscribe(topic, audience) => self.subscribe(topic, audience),
            Command::Unsubscribe(topic) => self.unsubscribe(&topic),
            #[cfg(test)]
            Command::Fail => panic!("asked to fail"),
            Command::Shutdown(done) => self.stop(Some(done)),
        }
    }

    fn set_members(&mut self, mut members: BTreeSet<DeviceKey>, now: Instant) {
        members.remove(&self.me);
        self.rate.forgive(|peer| members.contains(peer));
        self.gate.lock().members = members;
        self.admit_and_expel(LinkEnd::NotAMember, now);
        // Those who have become members call again as such; a join under way may end first.
        let gate = self.gate.clone();
        self.close_strangers(|key, joining| !joining && gate.lock().members.contains(key));
    }

    fn set_addresses(&mut self, key: DeviceKey, addrs: &[Multiaddr], now: Instant) {
        let mut kept: Vec<Multiaddr> = Vec::new();
        for addr in addrs.iter().filter_map(dialable) {
            if kept.len() < MAX_ADDRESSES && !kept.contains(&addr) {
                kept.push(addr);
            }
        }
        if key != self.me {
            let me = self.me;
            self.peers.entry(key).or_insert_with(|| Peer::new(me, key)).set_addrs(kept, now);
        }
        self.reach.is_stale = true;
        self.forget_blanks();
    }

    fn want(&mut self, key: DeviceKey, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&key)
            && peer.line().is_none()
        {
            peer.is_wanted = true;
            peer.retry(now);
            self.reach.is_stale = true;
        }
    }

    fn cut(&mut self, peer: Option<DeviceKey>, now: Instant) {
        tracing::info!(peer = peer.map(|key| key.to_string()), "cut");
        self.gate.lock().cuts.cut(peer);
        self.admit_and_expel(LinkEnd::Cut, now);
        let gate = self.gate.clone();
        self.close_strangers(|key, _| gate.lock().cuts.contains(key));
    }

    fn heal(&mut self, peer: Option<DeviceKey>, now: Instant) {
        tracing::info!(peer = peer.map(|key| key.to_string()), "healed");
        self.gate.lock().cuts.heal(peer);
        self.admit_and_expel(LinkEnd::Cut, now);
        // Also where nothing was cut here: the cable may have been.
        for (key, state) in &mut self.peers {
            if peer.is_none_or(|peer| peer == *key) {
                state.retry(now);
            }
        }
    }

    /// Makes every peer what the gate says; who has to go goes for this reason.
    pub(crate) fn admit_and_expel(&mut self, reason: LinkEnd, now: Instant) {
        let (mut welcome, mut unwelcome) = (Vec::new(), Vec::new());
        {
            let gate = self.gate.lock();
            for key in gate.members.iter().chain(self.peers.keys()) {
                let is_welcome = gate.members.contains(key) && !gate.cuts.contains(key);
                if is_welcome { welcome.push(*key) } else { unwelcome.push(*key) }
            }
        }
        let me = self.me;
        for key in welcome {
            self.peers.entry(key).or_insert_with(|| Peer::new(me, key)).allow(now);
        }
        for key in unwelcome {
            self.with_peer(key, |peer| peer.forbid(reason));
        }
        self.reach.is_stale = true;
        self.forget_blanks();
    }

    fn forget_blanks(&mut self) {
        self.peers.retain(|_, peer| !peer.is_blank());
    }

    fn close_strangers(&mut self, goes: impl Fn(&DeviceKey, bool) -> bool) {
        let going = |(id, it): (_, &crate::task::Stranger)| {
            let owner = self.owners.get(id)?;
            goes(&owner.key, it.joining).then_some(*id)
        };
        let going: Vec<_> = self.strangers.iter().filter_map(going).collect();
        for id in going {
            self.close_stranger(id);
        }
    }
}
