//! How long to wait before a peer is dialled again.
//!
//! Pure and without randomness: the jitter comes from the two keys, so that a run can be repeated and two nodes that
//! lost each other at one moment do not dial each other at one moment for ever.

use crate::limits::{BACKOFF_FIRST, BACKOFF_LAST};
use muster_log::DeviceKey;
use std::time::Duration;

/// The wait after `failures` failures in a row, one or more: doubling, and up to half as much again of jitter.
pub(crate) fn backoff(me: &DeviceKey, peer: &DeviceKey, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let wait = BACKOFF_FIRST.saturating_mul(1 << doublings).min(BACKOFF_LAST);
    let percent = spread(me, peer, failures) % 51;
    wait + wait * percent / 100
}

/// A number that differs from pair to pair: FNV-1a (Fowler, Noll, Vo), folded to 32 bits. No secrecy.
pub(crate) fn spread(me: &DeviceKey, peer: &DeviceKey, failures: u32) -> u32 {
    let bytes = me.as_bytes().iter().chain(peer.as_bytes()).copied().chain(failures.to_be_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    (hash ^ (hash >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_its_bound_and_never_past_it() {
        let (me, peer) = (DeviceKey::from_bytes([1; 32]), DeviceKey::from_bytes([2; 32]));
        for failures in [0, 1, 2, 5, 100, u32::MAX] {
            let wait = backoff(&me, &peer, failures);
            assert!(wait >= BACKOFF_FIRST && wait <= BACKOFF_LAST * 3 / 2, "{failures}: {wait:?}");
        }
        assert!(backoff(&me, &peer, 1) < backoff(&me, &peer, 3));
        assert!(backoff(&me, &peer, 40) >= BACKOFF_LAST);
    }

    #[test]
    fn two_nodes_do_not_wait_equally_long() {
        let (me, peer) = (DeviceKey::from_bytes([1; 32]), DeviceKey::from_bytes([2; 32]));
        let differ = (1..20).filter(|n| backoff(&me, &peer, *n) != backoff(&peer, &me, *n)).count();
        assert!(differ > 15, "{differ}");
        assert_eq!(backoff(&me, &peer, 3), backoff(&me, &peer, 3));
    }
}
