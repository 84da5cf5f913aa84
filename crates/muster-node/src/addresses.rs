//! Addresses of members: which are kept, and when they are written down.
//!
//! The network task dials what it is told; here is decided what that is. What goes into the journal stays there for
//! ever, so an address is written only when it is news, and news of one device a few times an hour at the most.

use muster_log::DeviceKey;
use muster_net::{MAX_ADDRESSES, addresses_told, is_loopback, parse_address};
use muster_sync::Tick;
use std::collections::{BTreeMap, BTreeSet};

/// Writes of one device's addresses in [`WINDOW_MS`]: a laptop that is carried from room to room.
const WRITES_MAX: usize = 4;

/// The time over which they are counted, in milliseconds.
const WINDOW_MS: u64 = 60 * 60 * 1_000;

/// When addresses were written down by this process.
#[derive(Debug, Default)]
pub(crate) struct AddressBook {
    written: BTreeMap<DeviceKey, Vec<Tick>>,
}

impl AddressBook {
    /// Whether news of a device may be written now; if so, that is counted.
    pub(crate) fn may_write(&mut self, device: DeviceKey, now: Tick) -> bool {
        let written = self.written.entry(device).or_default();
        written.retain(|at| now.since_ms(*at) < WINDOW_MS);
        let may = written.len() < WRITES_MAX;
        if may {
            written.push(now);
        }
        may
    }

    /// What a device's own word by gossip comes to, beside what is known: its addresses, where they are news and not the
    /// fifth news within an hour. Each news is dialled at once, and whoever says others all the time would have the whole
    /// team dial for them.
    pub(crate) fn hear(
        &mut self,
        device: DeviceKey,
        said: Vec<String>,
        known: &[String],
        now: Tick,
    ) -> Option<Vec<String>> {
        let all = merged(said, known);
        (!are_same(&all, known) && self.may_write(device, now)).then_some(all)
    }
}

/// What a device says of itself now, then what was known before (typed by hand, from a ticket, from last time).
pub(crate) fn merged(claimed: Vec<String>, known: &[String]) -> Vec<String> {
    let mut all = claimed;
    let old: Vec<String> = known.iter().filter(|address| !all.contains(address)).cloned().collect();
    all.extend(old);
    all.truncate(MAX_ADDRESSES);
    all
}

/// Of the addresses at which this node listens, those that others are told: loopback only where there are no others.
pub(crate) fn worth_saying(listening: &[String]) -> Vec<String> {
    let of_others = |text: &&String| parse_address(text).is_ok_and(|addr| !is_loopback(&addr));
    let elsewhere: Vec<String> = listening.iter().filter(of_others).cloned().collect();
    if elsewhere.is_empty() { listening.to_vec() } else { elsewhere }
}

/// What of a device's own word about where it listens is worth a dial, from a node that listens there.
pub(crate) fn believed(said: &[String], listening: &[String]) -> Vec<String> {
    let on_loopback = |text: &String| parse_address(text).is_ok_and(|addr| is_loopback(&addr));
    let all_here = !listening.is_empty() && listening.iter().all(on_loopback);
    addresses_told(said.iter().map(String::as_str), all_here).iter().map(ToString::to_string).collect()
}

/// Whether both name the same addresses.
pub(crate) fn are_same(one: &[String], other: &[String]) -> bool {
    one.iter().collect::<BTreeSet<_>>() == other.iter().collect::<BTreeSet<_>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(numbers: std::ops::Range<usize>) -> Vec<String> {
        numbers.map(|n| format!("/ip4/192.0.2.{n}/tcp/1")).collect()
    }

    #[test]
    fn what_was_typed_stays_beside_what_is_claimed_and_all_is_bounded() {
        assert_eq!(merged(texts(1..3), &texts(2..5)), texts(1..5));
        let many = merged(texts(0..10), &texts(10..100));
        assert_eq!((many.len(), &many[..10]), (MAX_ADDRESSES, &texts(0..10)[..]));
        assert!(are_same(&texts(0..3), &texts(0..3).into_iter().rev().collect::<Vec<_>>()));
        assert!(!are_same(&texts(0..3), &texts(0..2)));
    }

    #[test]
    fn loopback_is_told_and_believed_only_where_there_is_nothing_else() {
        let of = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let here = of(&["/ip4/127.0.0.1/tcp/7001", "/ip4/127.0.0.1/udp/7001/quic-v1"]);
        let abroad = of(&["/ip4/127.0.0.1/tcp/7001", "/ip4/192.0.2.1/tcp/7001", "/ip4/192.0.2.1/udp/7001/quic-v1"]);
        assert_eq!((worth_saying(&here), worth_saying(&abroad)), (here.clone(), abroad[1..].to_vec()));
        let said =
            of(&["/ip4/127.0.0.1/tcp/9", "/ip4/0.0.0.0/tcp/9", "/dns4/example.org/tcp/9", "", "/ip4/192.0.2.9/tcp/9"]);
        assert_eq!((believed(&said, &abroad), believed(&said, &[])), (said[4..].to_vec(), said[4..].to_vec()));
        assert_eq!(believed(&said, &here), [said[0].clone(), said[4].clone()]);
    }

    #[test]
    fn whoever_says_another_address_every_second_has_nobody_dial_them_all() {
        let (mut book, device) = (AddressBook::default(), DeviceKey::from_bytes([1; 32]));
        let known = texts(0..2);
        assert_eq!(book.hear(device, known.clone(), &known, Tick(0)), None, "no news");
        let believed =
            (10..200).filter(|n| book.hear(device, texts(*n..n + 1), &known, Tick(*n as u64 * 1_000)).is_some());
        assert_eq!(believed.count(), WRITES_MAX);
    }

    #[test]
    fn news_of_a_device_are_written_a_few_times_an_hour() {
        let mut book = AddressBook::default();
        let (one, other) = (DeviceKey::from_bytes([1; 32]), DeviceKey::from_bytes([2; 32]));
        let written = (0..1_000).filter(|ms| book.may_write(one, Tick(*ms))).count();
        assert_eq!(written, WRITES_MAX);
        assert!(book.may_write(other, Tick(1_000)));
        assert!(book.may_write(one, Tick(WINDOW_MS)));
    }
}
