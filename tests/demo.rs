//! The demo, as a newcomer sees it: it plays to its end and says what it is there to say.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, PATIENCE};
use std::time::Instant;

#[test]
fn the_demo_ends_well_within_a_minute_and_names_the_contested_role_and_the_verification() {
    // The demo has homes of its own; this one shows that it leaves the caller's alone.
    let home = Home::new("newcomer");
    let began = Instant::now();
    let shown = home.muster(&["demo"]).with_code(0).stdout;
    assert!(began.elapsed() < PATIENCE, "it took {:?}", began.elapsed());
    let lower = shown.to_lowercase();
    for word in ["contested", "commander", "settle", "signature", "crates"] {
        assert!(lower.contains(word), "the demo speaks of `{word}`:\n{shown}");
    }
    assert!(!home.path().exists(), "the demo does not touch the caller's home");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "it fits 80 columns:\n{shown}");
}
