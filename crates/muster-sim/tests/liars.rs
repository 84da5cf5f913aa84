//! Histories in which two of seven members lie on the wire, and the proof that the checks can fail.

use muster_sim::{Lie, Setup, Shell, Tally, Wrong, play};
use std::ops::Range;

/// Seeds in the ordinary test run. `cargo xtask sim --seeds N --liars 2` plays more.
const SEEDS: u64 = 300;

/// Seeds for each way of lying alone.
const SEEDS_EACH: u64 = 3;

/// Within so many seeds a broken shell must have been found out.
const SEEDS_TO_NOTICE: u64 = 20;

fn setup() -> Setup {
    Setup { liars: 2, ..Setup::default() }
}

#[track_caller]
fn check(seeds: Range<u64>, setup: &Setup) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        match play(seed, setup) {
            Ok(played) => tally.add(&played),
            Err(failure) => panic!("{failure}"),
        }
    }
    tally
}

#[track_caller]
fn check_third(third: u64) {
    let tally = check(third * SEEDS / 3..(third + 1) * SEEDS / 3, &setup());
    let untold = Lie::ALL.iter().find(|(lie, _)| tally.lies.of(*lie) == 0);
    assert!(untold.is_none(), "nobody told {untold:?}: {tally}");
    assert!(tally.closed > 0 && tally.pending_most > 0 && tally.compared > 0, "too calm: {tally}");
}

#[test]
fn the_first_third_of_the_seeds_ends_in_agreement_in_spite_of_liars() {
    check_third(0);
}

#[test]
fn the_second_third_of_the_seeds_ends_in_agreement_in_spite_of_liars() {
    check_third(1);
}

#[test]
fn the_last_third_of_the_seeds_ends_in_agreement_in_spite_of_liars() {
    check_third(2);
}

#[test]
fn each_way_of_lying_alone_is_told_and_harms_nobody() {
    for (lie, word) in Lie::ALL {
        let tally = check(0..SEEDS_EACH, &Setup { lie: Some(lie), ..setup() });
        assert!(tally.lies.of(lie) > 0, "{word}: {tally}");
    }
}

#[test]
fn a_history_with_liars_is_the_same_every_time() {
    let once = play(1, &setup()).expect("the seed finds nothing");
    assert_eq!(play(1, &setup()).expect("nor the second time"), once);
}

#[test]
fn a_shell_that_passes_on_what_it_has_not_judged_is_found_out() {
    let setup = Setup { shell: Shell::PassesOnUnread, lie: Some(Lie::Forged), ..setup() };
    let failure = (0..SEEDS_TO_NOTICE).find_map(|seed| play(seed, &setup).err()).expect("some link is closed");
    assert!(matches!(failure.wrong, Wrong::Accused { .. }), "{failure}");
    let command = format!("cargo xtask sim --seed {} --liars 2 --lie forged", failure.seed);
    assert!(failure.to_string().ends_with(&command), "{failure}");
}
