//! The network: who dials whom, how frames travel, what breaks, how it falls apart and is whole again.
//!
//! Links themselves are in `link`, what gossip adds in `gossip`, networks that carry one way only in `weather`.

use crate::failure::Wrong;
use crate::link::Orphan;
use crate::world::{Event, World};
use muster_log::DeviceKey;
use muster_replica::Input;

/// Other members up to which everybody is linked with everybody, as the real node does it.
const FULL_MESH: usize = 12;

/// Links that a node makes by itself in a larger team.
const LINKS_WANTED: usize = 10;

impl World {
    pub(crate) fn number_of(&self, key: &DeviceKey) -> Option<usize> {
        self.nodes.iter().position(|node| node.key == *key)
    }

    pub(crate) fn travel_ms(&mut self) -> u64 {
        self.rng.between(0, self.faults.delay_ms)
    }

    pub(crate) fn send(&mut self, from: usize, peer: &DeviceKey, frame: Vec<u8>) -> Result<(), Wrong> {
        let Some(to) = self.number_of(peer) else { return Ok(()) };
        // What liars say, and what is said to them, never ends.
        if !self.is_liar(from) && !self.is_liar(to) {
            self.last_frame_at = self.now;
        }
        self.tally.bytes += frame.len() as u64;
        self.check_told(from, to, &frame)?;
        if let Some(team) = self.team
            && tracing::enabled!(target: "frames", tracing::Level::TRACE)
        {
            let frame = muster_sync::frame::Frame::decode(&frame, team.into());
            tracing::trace!(target: "frames", from, to, at = self.now, ?frame);
        }
        tracing::trace!(from, to, at = self.now, kind = frame.get(1), bytes = frame.len(), "frame");
        if self.rng.chance(self.faults.loss) {
            self.cut(from, to);
        }
        if self.withholds(from, &frame) {
            return Ok(());
        }
        self.tally.ranges += u64::from(frame.get(1) == Some(&3));
        let arrival = self.now + self.travel_ms();
        if let Some((link, arrival)) = self.links.send(from, to, arrival) {
            for _ in 0..self.repetitions(from, to) {
                self.note_said(from, to, link, self.weight(from, to, frame.len()))?;
            }
            if self.lets_pass(from, to, link, &frame) && self.weather.carries(from, to) {
                self.plan(arrival - self.now, Event::Arrive { from, to, link, frame });
            }
        }
        Ok(())
    }

    /// What no honest shell does: says to others what it has not judged.
    pub(crate) fn relay(&mut self, n: usize, frame: &[u8]) -> Result<(), Wrong> {
        for to in self.links.peers(n) {
            let peer = self.nodes[to].key;
            self.send(n, &peer, frame.to_vec())?;
        }
        Ok(())
    }

    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        let in_flight_lost = self.rng.chance(500);
        let orphans = self.links.cut(a, b, in_flight_lost);
        self.tally.cuts += u64::from(!orphans.is_empty());
        orphans.into_iter().for_each(|orphan| self.plan_notice(orphan));
    }

    pub(crate) fn plan_notice(&mut self, orphan: Orphan) {
        let after = self.rng.between(0, self.faults.notice_ms);
        let after = after.max(orphan.not_before.saturating_sub(self.now));
        self.plan(after, Event::Notice(orphan));
    }

    /// A replica ends a link. Frames before that still arrive.
    pub(crate) fn close(&mut self, n: usize, peer: &DeviceKey, reason: String) -> Result<(), Wrong> {
        let Some(to) = self.number_of(peer) else { return Ok(()) };
        tracing::info!(node = n, peer = to, at = self.now, reason, "closes");
        // Slow links make honest peers impatient; everything else would be an accusation.
        if self.is_liar(n) || self.is_liar(to) {
            self.tally.closed += 1;
        } else if !reason.starts_with("the peer made no progress") && !reason.starts_with("the peer ended the stream") {
            return Err(Wrong::Accused { node: n, peer: to, reason });
        }
        for orphan in self.links.cut(n, to, false) {
            if orphan.at == n {
                self.plan(0, Event::Notice(orphan));
            } else {
                self.plan_notice(orphan);
            }
        }
        Ok(())
    }

    /// Links with whom a node no longer takes for a member end, as the real node's network ends them.
    pub(crate) fn expel(&mut self, n: usize) {
        if !self.decides {
            return;
        }
        for peer in self.links.peers(n) {
            if self.nodes[n].members.contains(&self.nodes[peer].key) {
                continue;
            }
            tracing::info!(node = n, peer, at = self.now, "expels");
            for orphan in self.links.cut(n, peer, false) {
                if orphan.at == n {
                    self.plan(0, Event::Notice(orphan));
                } else {
                    self.plan_notice(orphan);
                }
            }
        }
    }

    /// Whether bytes can get from one node to another.
    pub(crate) fn reaches(&self, a: usize, b: usize) -> bool {
        self.nodes[a].replica.is_some() && self.nodes[b].replica.is_some() && self.parts[a] == self.parts[b]
    }

    pub(crate) fn dial(&mut self) -> Result<(), Wrong> {
        self.appeal_all()?;
        if !self.is_full_mesh() {
            return self.dial_some();
        }
        for a in 0..self.nodes.len() {
            for b in a + 1..self.nodes.len() {
                if self.can_link(a, b) && self.rng.chance(500) {
                    self.link(a, b)?;
                }
            }
        }
        Ok(())
    }

    /// Whoever has too few links dials somebody.
    fn dial_some(&mut self) -> Result<(), Wrong> {
        for a in 0..self.nodes.len() {
            if self.links.count(a) < LINKS_WANTED && self.rng.chance(500) {
                let others: Vec<usize> = (0..self.nodes.len()).filter(|b| *b != a && self.can_link(a, *b)).collect();
                if let Some(b) = self.rng.pick(&others).copied() {
                    self.link(a, b)?;
                }
            }
        }
        Ok(())
    }

    /// Whether everybody has a link to everybody in the end.
    pub(crate) fn is_full_mesh(&self) -> bool {
        self.nodes.len() <= FULL_MESH + 1
    }

    /// Whether a node should have a link to another: to all, or in a larger team to those that it has one to.
    pub(crate) fn is_neighbour(&self, n: usize, other: usize) -> bool {
        self.is_full_mesh() || !self.links.is_free(n, other)
    }

    fn can_link(&self, a: usize, b: usize) -> bool {
        let knows = |a: usize, b: usize| self.nodes[a].members.contains(&self.nodes[b].key);
        knows(a, b)
            && knows(b, a)
            && !self.overlooks(a, b)
            && self.reaches(a, b)
            && self.links.is_free(a, b)
            && self.weather.carries_both_ways(a, b)
    }

    fn link(&mut self, a: usize, b: usize) -> Result<(), Wrong> {
        self.links.open(a, b);
        self.tally.syncs += 1;
        tracing::debug!(a, b, at = self.now, "link");
        self.connected(a, b)?;
        self.connected(b, a)?;
        self.gossiping(a, b, true)?;
        self.gossiping(b, a, true)
    }

    fn connected(&mut self, n: usize, to: usize) -> Result<(), Wrong> {
        let peer = self.nodes[to].key;
        self.input(n, Input::Connected { peer })?;
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        match replica.save_addresses(&peer, &[format!("node {to}")]) {
            Ok(()) => {
                self.nodes[n].is_dirty = true;
                self.commit(n)
            }
            Err(_) => {
                self.survive(n);
                Ok(())
            }
        }
    }

    /// The network falls into two parts.
    pub(crate) fn part(&mut self) {
        let all = self.nodes.len();
        self.parts = (0..all).map(|_| self.rng.below(2)).collect();
        tracing::info!(parts = ?self.parts, at = self.now, "partition");
        for a in 0..all {
            for b in a + 1..all {
                if self.parts[a] != self.parts[b] {
                    self.cut(a, b);
                }
            }
        }
        let after = self.rng.between(500, 15_000);
        self.plan(after, Event::Whole);
    }

    /// Somebody frees space on every disk that was full.
    pub(crate) fn make_room(&mut self) {
        for node in &self.nodes {
            node.disk().set_full(false);
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        tracing::info!(at = self.now, "healed");
        self.faults.end();
        self.make_room();
        self.parts.fill(0);
        self.clear_up();
        self.calm_liars();
    }
}
