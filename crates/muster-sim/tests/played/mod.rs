//! Several seeds played, for the suites that ask what their histories came to.

use muster_sim::{Setup, Tally, play};
use std::ops::Range;

/// What all of them came to; panics with the first failure, which says how it is replayed.
#[track_caller]
pub(crate) fn check(seeds: Range<u64>, setup: &Setup) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        match play(seed, setup) {
            Ok(played) => tally.add(&played),
            Err(failure) => panic!("{failure}"),
        }
    }
    tally
}
