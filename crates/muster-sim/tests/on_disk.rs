//! Redactions and compactions on disks that fail: nothing acknowledged is lost, nothing erased is left.

use muster_sim::{DiskTally, play_on_disk};

/// Seeds in the ordinary test run. `cargo xtask sim --on-disk --seeds N` plays more.
const SEEDS: u64 = 60;

/// Seeds that found something once: 450, a kill between a redaction of a text that never came and the look through what was put
/// aside, which held it.
const FOUND: [u64; 1] = [450];

#[test]
fn kills_and_power_cuts_between_any_two_calls_lose_nothing_acknowledged_and_leave_nothing_erased() {
    let mut tally = DiskTally::default();
    for seed in FOUND.into_iter().chain(0..SEEDS) {
        match play_on_disk(seed) {
            Ok(played) => tally.add(&played),
            Err(failure) => panic!("{failure}"),
        }
    }
    let DiskTally { kills, cuts, in_erasures, in_compactions, erased, compacted } = tally;
    let least = [kills, cuts, in_erasures, in_compactions, erased, compacted].into_iter().min();
    assert!(least > Some(SEEDS / 4), "too calm: {tally}");
}
