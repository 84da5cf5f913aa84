//! Members that nobody gave an address of each other: behind routers, and on one local network, also a hostile one.
//!
//! Needs root; where that is not permitted the tests are skipped loudly, and fail in CI.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::privilege::{Switch, or_skip, run};
use muster_tests::{Home, ids_of, until};
use std::process::{Command, Stdio};

/// How this home is linked with somebody: `direct`, `relayed`, or not at all.
fn path(home: &Home, to: &str) -> Option<String> {
    let peers = home.json(&["peers"]);
    let peer = peers.as_array().unwrap().iter().find(|peer| peer["person"] == to)?;
    peer["path"].as_str().filter(|_| peer["connected"] == true).map(str::to_owned)
}

#[track_caller]
fn await_path(home: &Home, to: &str, expected: Option<&str>) {
    until(&format!("{} is linked with {to}: {expected:?}", home.name()), || {
        (path(home, to).as_deref() == expected).then_some(())
    });
}

#[test]
fn two_members_behind_routers_meet_through_a_third_and_only_while_it_is_there() {
    let test = "two_members_behind_routers_meet_through_a_third_and_only_while_it_is_there";
    let made = Switch::new(3).and_then(|mut switch| {
        let spaces = [switch.behind_router(2)?, switch.behind_router(3)?];
        Ok((switch, spaces))
    });
    let Some((switch, spaces)) = or_skip(test, made) else { return };
    let alice = Home::new("alice").in_network(&switch.space(1));
    let bob = Home::new("bob").in_network(&spaces[0]);
    let carol = Home::new("carol").in_network(&spaces[1]);
    let meeting_point = alice.up_with(&["--listen", &format!("{}:0", switch.address(1))]);
    let _nodes = [&bob, &carol].map(|home| home.up_with(&["--listen", "0.0.0.0:0"]));
    alice.lets_in(&bob);
    alice.lets_in(&carol);
    await_path(&bob, "alice", Some("direct"));
    await_path(&bob, "carol", Some("relayed"));
    await_path(&carol, "bob", Some("relayed"));
    bob.write(&["declare", "Checkout is down"]);
    until("carol has the incident", || (carol.muster(&["saw", "it", "too"]).code == 0).then_some(()));
    for home in [&alice, &bob, &carol] {
        until("all have both entries", || {
            (ids_of(&serde_json::from_str(&home.timeline()).unwrap()).len() == 2).then_some(())
        });
    }
    drop(meeting_point);
    await_path(&bob, "carol", None);
    await_path(&carol, "bob", None);
}

#[test]
fn members_on_one_local_network_find_each_other_though_every_address_they_knew_is_wrong() {
    let test = "members_on_one_local_network_find_each_other_though_every_address_they_knew_is_wrong";
    let Some(switch) = or_skip(test, Switch::new(2)) else { return };
    let [alice, bob] = [("alice", 1), ("bob", 2)].map(|(name, place)| {
        let home = Home::new(name).in_network(&switch.space(place));
        home.with_variable("MUSTER_MDNS", "true").with_variable("MUSTER_MDNS_WAIT_S", "0")
    });
    let nodes = [&alice, &bob].map(|home| home.up_with(&["--listen", "0.0.0.0:0"]));
    alice.lets_in(&bob);
    await_path(&alice, "bob", Some("direct"));
    drop(nodes);
    switch.readdress(1, 101);
    switch.readdress(2, 102);
    let _nodes = [&alice, &bob].map(|home| home.up_with(&["--listen", "0.0.0.0:0"]));
    await_path(&alice, "bob", Some("direct"));
    await_path(&bob, "alice", Some("direct"));
}

#[test]
fn a_storm_of_forged_records_makes_nobody_dial_strangers_and_is_survived_in_little_memory() {
    let test = "a_storm_of_forged_records_makes_nobody_dial_strangers_and_is_survived_in_little_memory";
    let Some(switch) = or_skip(test, Switch::new(3)) else { return };
    let [alice, bob] = [("alice", 1), ("bob", 2)].map(|(name, place)| {
        let home = Home::new(name).in_network(&switch.space(place));
        home.with_variable("MUSTER_MDNS", "true").with_variable("MUSTER_MDNS_WAIT_S", "0")
    });
    let [node, away] = [&alice, &bob].map(|home| home.up_with(&["--listen", "0.0.0.0:0"]));
    alice.lets_in(&bob);
    await_path(&alice, "bob", Some("direct"));
    let (bobs_address, before) = (away.address(), node.memory_kib());
    let bobs_id = bobs_address.rsplit('/').next().unwrap();
    // Bob is away, so that somebody who says to be him is called.
    drop(away);
    let space = switch.space(3);
    run("ip", &["-n", &space, "route", "add", "224.0.0.0/4", "dev", "eth0"]).unwrap();
    let forger = env!("CARGO_BIN_EXE_muster-forger");
    let forged = Command::new("ip")
        .args(["netns", "exec", &space, forger, &switch.address(3), bobs_id])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let told: serde_json::Value = serde_json::from_slice(&forged.stdout).unwrap();
    assert_eq!(told["sent"], 24_000, "{told}");
    assert!(told["calls_to_member"].as_u64().unwrap() > 0, "the records are heard: {told}");
    assert_eq!(told["calls_to_strangers"], 0, "{told}");
    let grown = node.memory_kib().saturating_sub(before);
    println!("{told}; the node has grown by {grown} KiB");
    assert!(grown <= 16 * 1024, "the node has grown by {grown} KiB");
    // It goes on: it answers, and finds members when the storm is over, whatever their addresses were.
    alice.write(&["declare", "Checkout is down"]);
    switch.readdress(1, 101);
    switch.readdress(2, 102);
    let _back = bob.up_with(&["--listen", "0.0.0.0:0"]);
    await_path(&alice, "bob", Some("direct"));
}
