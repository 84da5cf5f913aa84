//! Histories in which two of seven members lie on the wire, and the proof that the checks can fail.

mod played;

use muster_sim::{Lie, Setup, Shell, Wrong, play};
use played::check;

/// Seeds in the ordinary test run. `cargo xtask sim --seeds N --liars 2` plays more.
const SEEDS: u64 = 300;

/// Seeds for each way of lying alone.
const SEEDS_EACH: u64 = 3;

/// Seeds in which two of the nodes are of a newer version.
const SEEDS_OF_VERSIONS: u64 = 20;

/// Within so many seeds a broken shell must have been found out.
const SEEDS_TO_NOTICE: u64 = 20;

fn setup() -> Setup {
    Setup { liars: 2, ..Setup::default() }
}

#[track_caller]
fn check_third(third: u64) {
    let tally = check(third * SEEDS / 3..(third + 1) * SEEDS / 3, &setup());
    let untold = Lie::ALL[..Lie::DRAWN].iter().find(|(lie, _)| tally.lies.of(*lie) == 0);
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
fn what_a_newer_version_writes_is_kept_passed_on_and_shown_as_that_by_those_that_are_older() {
    let setup = Setup { lie: Some(Lie::Newer), ..setup() };
    let tally = check(0..SEEDS_OF_VERSIONS, &setup);
    // Everywhere: those who heard it from the newer node itself and those who had it from others.
    assert!(tally.newer > tally.lies.of(Lie::Newer), "{tally}, {} rows", tally.newer);
    assert!(tally.compared > 0, "{tally}");
    assert_eq!(tally.closed, 0, "nobody is blamed for being newer: {tally}");
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

/// Within the first seeds the broken shell is found out, and as what it is.
#[track_caller]
fn check_found_out(shell: Shell, lie: Lie, is_right: fn(&Wrong) -> bool) {
    let setup = Setup { shell, lie: Some(lie), ..setup() };
    let mut others = Vec::new();
    for seed in 0..SEEDS_TO_NOTICE {
        match play(seed, &setup) {
            Err(failure) if is_right(&failure.wrong) => return,
            Err(failure) => others.push(failure.to_string()),
            Ok(_) => {}
        }
    }
    panic!("{shell:?}: {others:?}");
}

#[test]
fn a_shell_that_keeps_what_peers_send_is_found_out() {
    check_found_out(Shell::LeaksFrames, Lie::Oversize, |wrong| matches!(wrong, Wrong::Hoards { .. }));
}

#[test]
fn a_shell_that_counts_what_it_sent_as_held_is_found_out() {
    check_found_out(Shell::CountsWhatItSent, Lie::Presence, |wrong| matches!(wrong, Wrong::FalseHolder { .. }));
}

#[test]
fn a_shell_that_says_too_much_in_answer_to_a_liar_is_found_out() {
    check_found_out(Shell::Repeats, Lie::Flooding, |wrong| matches!(wrong, Wrong::Chatters { .. }));
}

#[test]
fn a_shell_that_goes_on_sending_to_one_who_reads_nothing_is_found_out() {
    check_found_out(Shell::Bloats, Lie::SlowReading, |wrong| matches!(wrong, Wrong::Piles { .. }));
}

#[test]
fn a_shell_that_shows_honest_entries_as_late_is_found_out() {
    check_found_out(Shell::MistakesAStatus, Lie::HalfOpen, |wrong| matches!(wrong, Wrong::Discredited { .. }));
}

#[test]
fn a_shell_that_drops_a_status_is_found_out() {
    check_found_out(Shell::DropsAStatus, Lie::HalfOpen, |wrong| matches!(wrong, Wrong::ViewsDiffer { .. }));
}
