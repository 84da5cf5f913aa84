//! Members seen on the local network: a bounded table that strangers cannot enter.
//!
//! Pure: the time is an argument. Anybody on the network can say anything by mDNS, so whoever is not a member is dropped
//! at the door, before anything is remembered or dialled. Who asks the network is [`crate::finder`].

use crate::address::{dialable, is_relayed};
use crate::limits::{MAX_ADDRESSES, MAX_SIGHTINGS, SIGHTING_LIFE};
use crate::peer_key::device_key;
use libp2p::{Multiaddr, PeerId};
use muster_log::DeviceKey;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Who was seen where, and until when that counts.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    seen: BTreeMap<DeviceKey, Vec<(Multiaddr, Instant)>>,
    count: usize,
}

impl Sightings {
    /// Notes one record. Gives the member if there is something new to know of it.
    pub(crate) fn see(
        &mut self,
        peer: &PeerId,
        addr: &Multiaddr,
        is_member: impl FnOnce(&DeviceKey) -> bool,
        now: Instant,
    ) -> Option<DeviceKey> {
        let key = device_key(peer).filter(is_member)?;
        let addr = dialable(addr).filter(|addr| !is_relayed(addr))?;
        let until = now + SIGHTING_LIFE;
        let of_key = self.seen.entry(key).or_default();
        if let Some(known) = of_key.iter_mut().find(|(known, _)| *known == addr) {
            known.1 = until;
            return None;
        }
        // The oldest goes: whoever is here is heard again.
        if of_key.len() >= MAX_ADDRESSES {
            of_key.remove(0);
            self.count -= 1;
        }
        if self.count >= MAX_SIGHTINGS {
            return None;
        }
        of_key.push((addr, until));
        self.count += 1;
        Some(key)
    }

    /// Where a member was seen.
    pub(crate) fn of(&self, key: &DeviceKey) -> Vec<Multiaddr> {
        self.seen.get(key).into_iter().flatten().map(|(addr, _)| addr.clone()).collect()
    }

    /// Forgets what is old. Gives those of whom less is known now.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<DeviceKey> {
        let mut changed = Vec::new();
        for (key, addrs) in &mut self.seen {
            let before = addrs.len();
            addrs.retain(|(_, until)| *until > now);
            if addrs.len() < before {
                changed.push(*key);
            }
        }
        self.seen.retain(|_, addrs| !addrs.is_empty());
        self.count = self.seen.values().map(Vec::len).sum();
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer_key::peer_id;
    use muster_log::DeviceSecret;
    use std::time::Duration;

    fn key(byte: u8) -> DeviceKey {
        DeviceSecret::from_seed(&[byte; 32]).public()
    }

    fn addr(n: usize) -> Multiaddr {
        format!("/ip4/192.0.2.{}/tcp/{}", n % 250 + 1, n / 250 + 1).parse().unwrap()
    }

    #[test]
    fn twenty_four_thousand_forged_records_of_strangers_leave_no_trace() {
        let (mut sightings, now) = (Sightings::default(), Instant::now());
        for n in 0..24_000 {
            assert_eq!(sightings.see(&PeerId::random(), &addr(n), |key| *key == self::key(1), now), None);
        }
        assert_eq!((sightings.count, sightings.seen.len()), (0, 0));
        assert_eq!(sightings.see(&peer_id(&key(1)), &addr(7), |_| true, now), Some(key(1)));
    }

    #[test]
    fn forged_records_of_one_member_stay_within_its_share_and_the_newest_count() {
        let (mut sightings, now) = (Sightings::default(), Instant::now());
        for n in 0..24_000 {
            sightings.see(&peer_id(&key(1)), &addr(n), |_| true, now);
        }
        let kept = sightings.of(&key(1));
        assert_eq!((kept.len(), sightings.count), (MAX_ADDRESSES, MAX_ADDRESSES));
        assert!(kept.contains(&addr(23_999)));
        assert_eq!(sightings.see(&peer_id(&key(2)), &addr(1), |_| true, now), Some(key(2)));
    }

    #[test]
    fn the_table_is_bounded_and_empties_by_itself() {
        let (mut sightings, now) = (Sightings::default(), Instant::now());
        let peers: Vec<_> = (0..=255).map(|byte| peer_id(&key(byte))).collect();
        for n in 0..MAX_ADDRESSES * 2 {
            for peer in &peers {
                sightings.see(peer, &addr(n), |_| true, now);
            }
        }
        assert!(sightings.count <= MAX_SIGHTINGS, "{}", sightings.count);
        assert_eq!(sightings.expire(now + SIGHTING_LIFE - Duration::from_secs(1)), []);
        assert_eq!(sightings.expire(now + SIGHTING_LIFE).len(), 256);
        assert_eq!((sightings.count, sightings.of(&key(3))), (0, Vec::new()));
    }

    #[test]
    fn what_cannot_be_dialled_and_ways_through_relays_are_not_noted() {
        let (mut sightings, now) = (Sightings::default(), Instant::now());
        let relay = peer_id(&key(9));
        for text in ["/dns4/x/tcp/1".to_owned(), format!("/ip4/192.0.2.1/tcp/1/p2p/{relay}/p2p-circuit")] {
            assert_eq!(sightings.see(&peer_id(&key(1)), &text.parse().unwrap(), |_| true, now), None);
        }
    }
}
