//! How often strangers may ask to join.
//!
//! Pure: the time is an argument. Who asks with what is in [`crate::join`].

use crate::limits::{JOIN_WINDOW, MAX_JOIN_TRIES, MAX_JOIN_TRIES_IN_ALL};
use muster_log::DeviceKey;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use tokio::time::Instant;

/// The join requests of the last [`JOIN_WINDOW`], oldest first; never more than [`MAX_JOIN_TRIES_IN_ALL`].
#[derive(Debug, Default)]
pub(crate) struct JoinRate {
    tries: VecDeque<Try>,
}

#[derive(Debug)]
struct Try {
    at: Instant,
    peer: DeviceKey,
    ip: Option<IpAddr>,
}

impl JoinRate {
    /// Counts one request, or says after how long the next one may come.
    pub(crate) fn admit(&mut self, now: Instant, peer: DeviceKey, ip: Option<IpAddr>) -> Result<(), Duration> {
        while self.tries.front().is_some_and(|first| now.duration_since(first.at) >= JOIN_WINDOW) {
            self.tries.pop_front();
        }
        let ip = ip.map(network_of);
        let blocked = [
            self.earliest_of_full(MAX_JOIN_TRIES, |it| it.peer == peer),
            self.earliest_of_full(MAX_JOIN_TRIES, |it| it.ip == ip),
            self.earliest_of_full(MAX_JOIN_TRIES_IN_ALL, |_| true),
        ];
        if let Some(at) = blocked.into_iter().flatten().max() {
            return Err(JOIN_WINDOW.saturating_sub(now.duration_since(at)));
        }
        self.tries.push_back(Try { at: now, peer, ip });
        Ok(())
    }

    /// Takes back the tries of a device that has become a member, so that a team behind one address can gather.
    pub(crate) fn forgive(&mut self, is_member: impl Fn(&DeviceKey) -> bool) {
        self.tries.retain(|it| !is_member(&it.peer));
    }

    /// If `limit` tries match: when the one was whose passing makes room.
    fn earliest_of_full(&self, limit: usize, matches: impl Fn(&Try) -> bool) -> Option<Instant> {
        self.tries.iter().rev().filter(|it| matches(it)).nth(limit - 1).map(|it| it.at)
    }
}

/// An IPv6 host may have every address of its /64; an IPv4 address stands for itself.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> DeviceKey {
        DeviceKey::from_bytes([byte; 32])
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_device_and_one_address_have_five_tries_a_minute() {
        let (start, mut rate) = (Instant::now(), JoinRate::default());
        for n in 0..5 {
            assert_eq!(rate.admit(start + Duration::from_secs(n), key(1), ip("192.0.2.1")), Ok(()));
        }
        let later = start + Duration::from_secs(20);
        assert_eq!(rate.admit(later, key(1), ip("192.0.2.2")), Err(Duration::from_secs(40)));
        assert_eq!(rate.admit(later, key(2), ip("192.0.2.1")), Err(Duration::from_secs(40)));
        assert_eq!(rate.admit(later, key(2), ip("192.0.2.2")), Ok(()));
        assert_eq!(rate.admit(start + JOIN_WINDOW, key(1), ip("192.0.2.1")), Ok(()));
        assert_eq!(rate.admit(start + JOIN_WINDOW, key(1), ip("192.0.2.1")), Err(Duration::from_secs(1)));
    }

    #[test]
    fn a_new_address_of_the_same_ipv6_network_is_no_new_address() {
        let (now, mut rate) = (Instant::now(), JoinRate::default());
        for n in 0..5 {
            assert_eq!(rate.admit(now, key(n), ip(&format!("2001:db8::{n}"))), Ok(()));
        }
        assert!(rate.admit(now, key(9), ip("2001:db8::9")).is_err());
        assert_eq!(rate.admit(now, key(9), ip("2001:db8:0:1::9")), Ok(()));
    }

    #[test]
    fn a_device_that_became_a_member_is_not_counted() {
        let (now, mut rate) = (Instant::now(), JoinRate::default());
        for n in 0..100 {
            assert_eq!(rate.admit(now, key(n), ip("127.0.0.1")), Ok(()));
            rate.forgive(|peer| *peer == key(n));
        }
    }

    #[test]
    fn a_flood_from_everywhere_is_bounded() {
        let (now, mut rate) = (Instant::now(), JoinRate::default());
        let admitted = (0..=255).filter(|n| rate.admit(now, key(*n), ip(&format!("192.0.2.{n}"))).is_ok()).count();
        assert_eq!(admitted, MAX_JOIN_TRIES_IN_ALL);
        assert_eq!(rate.tries.len(), MAX_JOIN_TRIES_IN_ALL);
    }
}
