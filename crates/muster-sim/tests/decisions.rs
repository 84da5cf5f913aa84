//! Histories in which people decide who is in the team, apart too, and liars who lie about that.

mod played;

use muster_sim::{Lie, Setup, Tally, play};
use played::check;
use std::ops::Range;

/// Seeds in the ordinary test run. `cargo xtask sim --seeds N --decisions 200` plays more.
const SEEDS: u64 = 100;

/// Seeds in which guests come besides.
const SEEDS_WITH_GUESTS: u64 = 8;

/// Seeds for each way of lying about trust.
const SEEDS_OF_LIARS: Range<u64> = 3..15;

/// So often each is told in all of them, at least.
const TOLD_MIN: u64 = 6;

/// Of 1,000 acts so many are decisions.
const DECISIONS: u64 = 200;

#[track_caller]
fn check_half(half: u64) {
    let setup = Setup { decisions: DECISIONS, ..Setup::default() };
    let tally = check(half * SEEDS / 2..(half + 1) * SEEDS / 2, &setup);
    let told = &tally.decisions;
    assert!(told.removals > 0 && told.grants > 0 && told.seconds > 0 && told.devices > 0, "too calm: {tally}");
    assert!(told.returns > 0 && told.recoveries > 0 && told.feuds > 0, "too calm: {tally}");
    assert!(told.counted > 0 && told.overruled > 0 && told.discounted > 0 && told.outsiders > 0, "too calm: {tally}");
    assert!(told.orders > 0 && tally.compared > 0, "too calm: {tally}");
    assert!(told.heard > 0 && told.unheard > 0, "nobody showed the roster: {tally}");
}

#[test]
fn the_first_half_of_the_decided_seeds_comes_to_the_same_on_every_node_and_in_every_order() {
    check_half(0);
}

#[test]
fn the_second_half_of_the_decided_seeds_comes_to_the_same_on_every_node_and_in_every_order() {
    check_half(1);
}

#[test]
fn guests_who_are_removed_and_lowered_agree_on_what_each_may_hold() {
    let setup = Setup { replicas: 6, incidents: 3, guests: 400, decisions: DECISIONS, ..Setup::default() };
    let tally = check(0..SEEDS_WITH_GUESTS, &setup);
    assert!(tally.decisions.removals > 0 && tally.compared > 0, "too calm: {tally}");
}

#[test]
fn a_decided_history_is_the_same_every_time() {
    let setup = Setup { decisions: DECISIONS, ..Setup::default() };
    let once = play(4, &setup).expect("the seed finds nothing");
    assert_eq!(play(4, &setup).expect("nor the second time"), once);
}

/// The lie is told, everybody honest agrees in spite of it.
#[track_caller]
fn check_lie(lie: Lie) -> Tally {
    let tally = check(SEEDS_OF_LIARS, &Setup { liars: 2, lie: Some(lie), ..Setup::default() });
    assert!(tally.lies.of(lie) >= TOLD_MIN, "{tally}");
    assert!(tally.compared > 0 && tally.decisions.orders > 0, "too calm: {tally}");
    tally
}

#[test]
fn decisions_that_are_not_the_authors_to_take_are_refused_by_everybody() {
    let tally = check_lie(Lie::Unauthorised);
    assert!(tally.closed > 0, "{tally}");
    assert_eq!((tally.decisions.counted, tally.decisions.discounted), (0, 0), "nothing is taken from anybody: {tally}");
}

#[test]
fn an_admin_who_turns_against_the_others_leaves_no_two_of_them_apart() {
    let tally = check_lie(Lie::Deposing);
    assert!(tally.decisions.counted > 0 && tally.decisions.outsiders > 0, "{tally}");
}

#[test]
fn what_somebody_writes_after_their_removal_on_old_heads_counts_for_the_same_everywhere() {
    let tally = check_lie(Lie::Removed);
    assert!(tally.decisions.counted > 0 && tally.decisions.discounted > 0, "{tally}");
}

#[test]
fn who_comes_twice_by_one_ticket_is_the_same_to_everybody() {
    let tally = check_lie(Lie::TicketTwice);
    assert_eq!(tally.closed, 0, "neither is to blame: {tally}");
}
