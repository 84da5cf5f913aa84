//! Whole histories: seeds that found something once, two hundred others, and the proof that the simulator is not blind.

mod played;

use muster_sim::{Failure, Setup, Shell, Wrong, found_seeds, play};
use played::check;
use std::ops::Range;

/// Seeds in the ordinary test run. `cargo xtask sim --seeds N` plays more.
const SEEDS: u64 = 200;

/// Seeds of histories with many incidents, each of which takes as long as ten others.
const SEEDS_OF_MANY: Range<u64> = 2..4;

/// Seeds of histories with guests.
const SEEDS_WITH_GUESTS: u64 = 30;

/// Within so many seeds every broken shell must have been found out.
const SEEDS_TO_NOTICE: u64 = 20;

#[track_caller]
fn check_half(half: u64) {
    let tally = check(half * SEEDS / 2..(half + 1) * SEEDS / 2, &Setup::default());
    assert!(tally.crashes > 0 && tally.cuts > 0 && tally.carried > 0 && tally.compared > 0, "too calm: {tally}");
}

#[test]
fn seeds_that_found_something_once_find_nothing_now() {
    for found in found_seeds() {
        if let Err(failure) = play(found.seed, &found.setup()) {
            panic!("{failure}");
        }
    }
}

#[test]
fn the_first_half_of_the_seeds_ends_in_agreement() {
    check_half(0);
}

#[test]
fn the_second_half_of_the_seeds_ends_in_agreement() {
    check_half(1);
}

#[test]
fn a_seed_gives_the_same_history_every_time() {
    for seed in 0..3 {
        let once = play(seed, &Setup::default()).expect("the seed finds nothing");
        assert_eq!(play(seed, &Setup::default()).expect("nor the second time"), once);
    }
}

fn first_failure(shell: Shell) -> Option<Box<Failure>> {
    (0..SEEDS_TO_NOTICE).find_map(|seed| play(seed, &Setup { shell, ..Setup::default() }).err())
}

#[track_caller]
fn check_noticed(shell: Shell, is_right: fn(&Wrong) -> bool) {
    let failure = first_failure(shell);
    assert!(failure.as_ref().is_some_and(|failure| is_right(&failure.wrong)), "{shell:?}: {failure:?}");
}

#[test]
fn a_shell_that_promises_what_is_not_durable_is_found_out() {
    check_noticed(Shell::AcknowledgesBeforeCommit, |wrong| matches!(wrong, Wrong::Lost { .. }));
    // The disk is looked at first, or the node crashes first, or a receipt for what its disk lacks is found with a peer.
    let is_behind =
        |wrong: &Wrong| matches!(wrong, Wrong::Lost { .. } | Wrong::NotAsStored { .. } | Wrong::FalseHolder { .. });
    check_noticed(Shell::IgnoresFailedCommits, is_behind);
}

#[test]
fn a_node_that_keeps_back_what_it_was_asked_for_is_found_out() {
    let never_agree = |wrong: &Wrong| matches!(wrong, Wrong::NotQuiet { .. } | Wrong::QuietApart { .. });
    check_noticed(Shell::WithholdsEntries, never_agree);
}

#[test]
fn two_nodes_that_never_meet_are_found_out_though_they_hold_the_same() {
    let is_standing = |wrong: &Wrong| matches!(wrong, Wrong::QuietApart { what } if what.contains("standing"));
    check_noticed(Shell::OverlooksAPeer, is_standing);
}

#[test]
fn hundreds_of_incidents_end_in_agreement_and_are_compared_by_ranges() {
    let tally = check(SEEDS_OF_MANY, &Setup { replicas: 4, incidents: 200, ..Setup::default() });
    assert!(tally.ranges > 0 && tally.cuts > 0, "too calm: {tally}");
}

#[test]
fn a_failure_names_the_command_that_replays_it() {
    let failure = first_failure(Shell::AcknowledgesBeforeCommit).expect("a broken promise is found out");
    let command = format!("cargo xtask sim --seed {}", failure.seed);
    assert!(failure.to_string().ends_with(&command), "{failure}");
}

#[test]
fn guests_and_members_who_admit_each_other_agree_on_what_each_may_hold() {
    let setup = Setup { replicas: 6, incidents: 3, guests: 600, ..Setup::default() };
    let tally = check(0..SEEDS_WITH_GUESTS, &setup);
    assert!(tally.compared > 0 && tally.crashes > 0, "too calm: {tally}");
}
