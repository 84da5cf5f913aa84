//! A peer without a network: what it wants done at which moment.

use super::*;
use crate::limits::{FIND_AGAIN, JOIN_TIMEOUT, OWN_DIAL_GRACE, SYNC_OPEN_TIMEOUT};
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
