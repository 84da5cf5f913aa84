//! Homes whose journal is damaged or too short: everything else is read, the way out works, and what is missing stays told.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, Node, until};
use serde_json::Value;
use std::fs;

/// Two people who hold the same thirty entries; the first one's node has ended.
fn pair() -> (Home, Home, Node) {
    let (alice, bob) = (Home::new("alice"), Home::new("bob"));
    let incident = alice.write(&["declare", "Checkout is down"]);
    alice.json(&["use", &incident]);
    let nodes = [alice.up(), bob.up()];
    alice.lets_in(&bob);
    for number in 0..30 {
        alice.write(&["say", &format!("line {number}")]);
    }
    until("the other has all", || bob.timeline().contains("line 29").then_some(()));
    let [alices, bobs] = nodes;
    alices.terminate();
    (alice, bob, bobs)
}

fn lost(home: &Home) -> Option<Value> {
    let report = home.muster(&["doctor", "--json"]).json();
    let check = report["checks"].as_array().unwrap().iter().find(|check| check["check"] == "lost").cloned();
    assert!(check.is_none() || report["verdict"] == "bad", "{report}");
    check
}

#[test]
fn a_flipped_bit_costs_what_builds_on_it_until_a_repair_and_the_peers_give_it_back() {
    let (alice, bob, bobs) = pair();
    let whole = alice.timeline();
    let segment = alice.path().join("store/journal/00000001.log");
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() * 2 / 3;
    bytes[middle] ^= 4;
    fs::write(&segment, &bytes).unwrap();

    let shown = alice.timeline();
    assert!(shown.contains("Checkout is down") && shown.len() < whole.len());
    assert!(alice.muster(&["export", "md"]).with_code(0).stdout.contains("Checkout is down"));
    let verified = alice.muster(&["verify", "--json"]).with_code(1).json();
    let problems = verified["problems"].as_array().unwrap();
    assert!(problems.len() > 1 && problems[0]["what"].as_str().unwrap().contains("00000001.log is damaged at offset"));
    for command in [&["say", "no"][..], &["up", "--json"]] {
        alice.muster(command).refused(&["is damaged at offset", "muster repair"]);
    }
    assert!(fs::read(&segment).unwrap() == bytes, "nothing was touched");

    let done = alice.muster(&["repair", "--json"]).with_code(0).json();
    assert_eq!(done["forgot_choice"], true, "{done}");
    assert_eq!(done["left_out"].as_u64().unwrap() as usize, problems.len() - 1, "{done}");
    assert!(lost(&alice).unwrap()["detail"]["missing"].as_u64().unwrap() >= problems.len() as u64);
    let node = alice.up();
    until("all is back", || (alice.timeline() == whole).then_some(()));
    until("nothing is missing", || lost(&alice).is_none().then_some(()));
    alice.verified();
    alice.write(&["say", "and on"]);
    until("the other has it", || bob.timeline().contains("and on").then_some(()));
    drop((node, bobs));
}

/// Within a commit that was acknowledged.
fn cut_short(segment: &std::path::Path) {
    fs::OpenOptions::new().write(true).open(segment).unwrap().set_len(3_000).unwrap();
}

#[test]
fn a_journal_that_was_cut_short_is_told_until_the_entries_are_back_or_somebody_gives_them_up() {
    let (alice, bob, bobs) = pair();
    let whole = alice.timeline();
    let segment = alice.path().join("store/journal/00000001.log");
    cut_short(&segment);
    alice.muster(&["timeline"]).with_code(0);
    alice.muster(&["say", "no"]).refused(&["is damaged at offset", "muster repair"]);
    alice.muster(&["repair"]).with_code(0);
    for _ in 0..2 {
        let missing = lost(&alice).unwrap()["detail"]["missing"].as_u64().unwrap();
        assert!(missing >= 20, "{missing}");
        let verified = alice.muster(&["verify", "--json"]).with_code(1).json();
        assert!(verified["problems"][0]["what"].as_str().unwrap().contains("are gone since"), "{verified}");
    }
    // The peer is no member any more, as far as this home knows: what it has comes by hand.
    let file = alice.path().join("from-bob.mb");
    bob.muster(&["bundle", "write", file.to_str().unwrap()]).with_code(0);
    alice.muster(&["bundle", "read", file.to_str().unwrap()]).with_code(0);
    assert_eq!(alice.timeline(), whole);
    assert!(lost(&alice).is_none());
    alice.verified();

    cut_short(&alice.path().join("store/journal-2/00000001.log"));
    alice.muster(&["repair"]).with_code(0);
    assert!(lost(&alice).is_some());
    alice.muster(&["repair", "--accept-loss"]).with_code(0);
    assert!(lost(&alice).is_none());
    // What is here without its proof stays and is named, until somebody brings the signature.
    let verified = alice.muster(&["verify", "--json"]).json();
    let problems = verified["problems"].as_array().unwrap();
    assert!(problems.iter().all(|it| it["what"].as_str().unwrap().contains("proof is lost here")), "{verified}");
    alice.muster(&["bundle", "read", file.to_str().unwrap()]).with_code(0);
    alice.verified();
    drop(bobs);
}
