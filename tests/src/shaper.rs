//! What a bad line does to packets: delays them, lets later ones overtake, loses some, or all while it is cut.
//!
//! Decisions alone, from a seed and the time as told; devices and threads are in the program `muster-shaper`. The
//! kernel's own `netem` is not to be had everywhere.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

/// Packets that may wait; beyond, they are lost as in any router.
const WAITING_MAX: usize = 65_536;

/// How bad a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// Each packet's least time on the way.
    pub delay: Duration,
    /// At most so much more, drawn anew for each packet, so that some overtake others.
    pub jitter: Duration,
    /// Of a hundred packets so many are lost.
    pub loss_percent: u8,
}

/// A packet and when it is due where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due: Reverse<Duration>,
    number: Reverse<u64>,
    to: u8,
    packet: Vec<u8>,
}

/// The packets that are on their way between hosts 1 to n.
#[derive(Debug)]
pub struct Shaper {
    weather: Weather,
    random: u64,
    cut: BTreeSet<u8>,
    waiting: BinaryHeap<Waiting>,
    count: u64,
}

impl Shaper {
    /// An idle line. The same seed and packets give the same losses.
    pub fn new(weather: Weather, seed: u64) -> Self {
        // An xorshift generator stands still at zero.
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { weather, random, cut: BTreeSet::new(), waiting: BinaryHeap::new(), count: 0 }
    }

    /// Cuts a host off, or mends its line. What is on its way to it is lost too.
    pub fn set_cut(&mut self, host: u8, is_cut: bool) {
        if is_cut {
            self.cut.insert(host);
        } else {
            self.cut.remove(&host);
        }
    }

    /// Takes a packet that a host sends; time counts from any beginning.
    pub fn take(&mut self, from: u8, to: u8, packet: Vec<u8>, now: Duration) {
        let is_lost = self.below(100) < u64::from(self.weather.loss_percent);
        let jitter_us = u64::try_from(self.weather.jitter.as_micros()).unwrap_or(u64::MAX);
        let late = Duration::from_micros(self.below(jitter_us.saturating_add(1)));
        if is_lost || self.cut.contains(&from) || self.waiting.len() >= WAITING_MAX {
            return;
        }
        self.count += 1;
        let due = Reverse(now + self.weather.delay + late);
        self.waiting.push(Waiting { due, number: Reverse(self.count), to, packet });
    }

    /// The next packet that has arrived by now, and at which host.
    pub fn arrived(&mut self, now: Duration) -> Option<(u8, Vec<u8>)> {
        while self.waiting.peek().is_some_and(|waiting| waiting.due.0 <= now) {
            let Waiting { to, packet, .. } = self.waiting.pop()?;
            if !self.cut.contains(&to) {
                return Some((to, packet));
            }
        }
        None
    }

    /// When the next packet arrives.
    pub fn next_due(&self) -> Option<Duration> {
        self.waiting.peek().map(|waiting| waiting.due.0)
    }

    /// A number below `bound`, which is not 0 (xorshift64, Marsaglia 2003).
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }
}

/// The host that an IPv4 packet is for, by the last byte of its address; `None` for anything else.
pub fn destination(packet: &[u8]) -> Option<u8> {
    let is_ipv4 = packet.first().is_some_and(|first| first >> 4 == 4);
    packet.get(19).copied().filter(|_| is_ipv4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn line(delay_ms: u32, jitter_ms: u32, loss_percent: u8) -> Shaper {
        Shaper::new(Weather { delay: MS * delay_ms, jitter: MS * jitter_ms, loss_percent }, 7)
    }

    #[test]
    fn a_packet_arrives_once_and_not_before_its_time() {
        let mut line = line(50, 0, 0);
        line.take(1, 2, vec![9], MS);
        assert_eq!(line.arrived(MS * 50), None);
        assert_eq!(line.next_due(), Some(MS * 51));
        assert_eq!(line.arrived(MS * 51), Some((2, vec![9])));
        assert_eq!(line.arrived(MS * 99), None);
    }

    #[test]
    fn without_jitter_nothing_overtakes_and_with_it_something_does() {
        let order = |jitter| {
            let mut line = line(10, jitter, 0);
            (0..50).for_each(|n| line.take(1, 2, vec![n], MS * u32::from(n)));
            std::iter::from_fn(|| line.arrived(MS * 1000)).map(|(_, packet)| packet[0]).collect::<Vec<u8>>()
        };
        assert!(order(0).is_sorted());
        assert!(!order(20).is_sorted());
    }

    #[test]
    fn about_as_many_are_lost_as_told() {
        let mut line = line(0, 0, 5);
        (0..10_000).for_each(|_| line.take(1, 2, vec![0], Duration::ZERO));
        let arrived = std::iter::from_fn(|| line.arrived(MS)).count();
        assert!((9_300..9_700).contains(&arrived), "{arrived}");
    }

    #[test]
    fn a_cut_host_neither_sends_nor_receives_what_was_on_its_way() {
        let mut line = line(10, 0, 0);
        line.take(1, 2, vec![1], Duration::ZERO);
        line.set_cut(2, true);
        line.take(2, 1, vec![2], Duration::ZERO);
        assert_eq!(line.arrived(MS * 20), None);
        line.set_cut(2, false);
        line.take(2, 1, vec![3], MS * 20);
        assert_eq!(line.arrived(MS * 30), Some((1, vec![3])));
    }
}
