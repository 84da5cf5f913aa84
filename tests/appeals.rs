//! Who is turned away by somebody whom they take for a member shows the roster: two admins who removed each other, and a
//! newcomer whom only an absent member knows.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, until};
use serde_json::Value;

fn is_member(home: &Home, name: &str) -> bool {
    let team = home.json(&["team", "show"]);
    team["members"].as_array().unwrap().iter().any(|member| member["person"] == name)
}

fn peer(home: &Home, name: &str) -> Option<Value> {
    home.json(&["peers"]).as_array().unwrap().iter().find(|peer| peer["person"] == name).cloned()
}

fn is_connected(home: &Home, name: &str) -> Option<()> {
    peer(home, name).filter(|peer| peer["connected"] == true).map(drop)
}

fn has_line(home: &Home, text: &str) -> Option<()> {
    let timeline = home.json(&["timeline"]);
    timeline.as_array().unwrap().iter().any(|line| line["text"] == text).then_some(())
}

#[test]
fn two_admins_who_removed_each_other_apart_leave_one_team_once_the_cable_is_mended() {
    let (alice, bob, carol) = (Home::new("alice"), Home::new("bob"), Home::new("carol"));
    alice.write(&["declare", "Checkout is down"]);
    let _alice = alice.up();
    alice.lets_in(&bob);
    let _bob = bob.up();
    alice.lets_in(&carol);
    let _carol = carol.up();
    until("all to be linked", || is_connected(&bob, "carol").and(is_connected(&alice, "carol")));
    alice.muster(&["team", "set", "bob", "admin"]).with_code(0);
    until("bob to hear that he is an admin", || {
        let team = bob.json(&["team", "show"]);
        let bob = team["members"].as_array().unwrap().iter().find(|member| member["person"] == "bob").cloned();
        (bob.unwrap()["capability"] == "admin").then_some(())
    });
    alice.muster(&["net", "cut"]).with_code(0);
    alice.muster(&["team", "revoke", "bob", "--stolen", "--yes"]).with_code(0);
    bob.muster(&["team", "revoke", "alice", "--stolen", "--yes"]).with_code(0);
    until("carol to hear bob", || (!is_member(&carol, "alice")).then_some(()));
    alice.write(&["say", "written while bob and carol took me for a thief"]);

    // Else it is a matter of chance whether bob hears of his removal before he is turned away.
    bob.muster(&["net", "cut"]).with_code(0);
    alice.muster(&["net", "heal"]).with_code(0);
    until("carol to hear the senior", || (is_member(&carol, "alice") && !is_member(&carol, "bob")).then_some(()));
    until("carol to have what alice wrote", || has_line(&carol, "written while bob and carol took me for a thief"));
    carol.write(&["say", "one team again"]);
    until("alice to have what carol wrote", || has_line(&alice, "one team again"));
    // Bob is rightly out. His node is turned away, and says so.
    bob.muster(&["net", "heal"]).with_code(0);
    until("bob to be told that he is turned away", || {
        peer(&bob, "carol").filter(|peer| peer["refuses"] == true && peer["connected"] == false)
    });
    for command in ["peers", "doctor"] {
        let told = bob.muster(&[command]).stdout;
        let words: Vec<&str> = told.split_whitespace().collect();
        assert!(words.join(" ").contains("does not take this device for a member"), "{told}");
    }
    assert!(has_line(&bob, "one team again").is_none());
    for home in [&alice, &bob, &carol] {
        home.verified();
    }
}

#[test]
fn a_newcomer_whom_only_an_absent_member_knows_is_let_sync() {
    let (alice, carol, dave) = (Home::new("alice"), Home::new("carol"), Home::new("dave"));
    alice.write(&["declare", "Checkout is down"]);
    let node = alice.up();
    alice.lets_in(&carol);
    let carols = carol.up();
    until("carol to have the incident", || has_line(&carol, "Checkout is down"));
    carol.muster(&["net", "cut"]).with_code(0);
    alice.lets_in(&dave);
    let _dave = dave.up();
    until("dave to have the incident", || has_line(&dave, "Checkout is down"));
    node.kill();
    carol.muster(&["net", "heal"]).with_code(0);
    assert!(!is_member(&carol, "dave"));
    dave.muster(&["peers", "add", &carols.address()]).with_code(0);
    dave.write(&["say", "who has never met carol"]);
    until("carol to have what dave wrote", || has_line(&carol, "who has never met carol"));
    assert!(is_member(&carol, "dave"));
    carol.verified();
}
