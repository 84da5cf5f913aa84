//! A team too large for everybody to be linked with everybody: what gossip does not carry finds its way all the same.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, Node, until};
use std::collections::BTreeSet;

/// Members: past the number up to which everybody is linked with everybody (docs/operating.md).
const MEMBERS: usize = 16;

/// Who is linked with `home`, by name; `None` until it knows of all the others.
fn linked(home: &Home) -> Option<BTreeSet<String>> {
    let peers = home.json(&["peers"]);
    let peers = peers.as_array().unwrap();
    let is_linked = |peer: &&serde_json::Value| peer["connected"] == true;
    let names = peers.iter().filter(is_linked).map(|peer| peer["person"].as_str().unwrap().to_owned());
    (peers.len() == MEMBERS - 1).then(|| names.collect())
}

/// Two members without a link between them, once the links have come to rest.
fn two_apart(homes: &[Home]) -> (usize, usize) {
    let mut before = Vec::new();
    until("the links come to rest", || {
        let now: Vec<_> = homes.iter().map(linked).collect();
        let rest = now == before && now.iter().all(Option::is_some);
        before = now;
        rest.then_some(())
    });
    let pairs = (1..MEMBERS).flat_map(|one| (one + 1..MEMBERS).map(move |other| (one, other)));
    let apart = |(one, other): &(usize, usize)| {
        let lacks = |home: usize, peer: usize| !before[home].as_ref().unwrap().contains(homes[peer].name());
        lacks(*one, *other) && lacks(*other, *one)
    };
    pairs.into_iter().find(apart).expect("some two of so many are not linked")
}

#[test]
fn a_private_incident_in_a_large_team_reaches_whom_it_names_though_no_link_stood_and_nobody_else() {
    let homes: Vec<Home> = (0..MEMBERS).map(|number| Home::new(&format!("m{number:02}"))).collect();
    let _nodes: Vec<Node> = homes.iter().map(Home::up).collect();
    homes[1..].iter().for_each(|newcomer| drop(homes[0].lets_in(newcomer)));
    let shared = homes[0].write(&["declare", "Checkout is down"]);
    let (one, other) = two_apart(&homes);
    let names = [homes[one].name(), homes[other].name()];

    let private = homes[one].write(&["declare", "Somebody is inside", "--private", names[1]]);
    homes[one].write(&["say", "look at the bastion's logins", "-i", &private]);
    let sees = |home: &Home, incident: &str, text: &str| {
        let answer = home.muster(&["timeline", "-i", incident, "--json"]);
        answer.code == 0 && answer.stdout.contains(text)
    };
    until("the one whom it names has it", || sees(&homes[other], &private, "bastion").then_some(()));
    homes[other].write(&["say", "three from abroad", "-i", &private]);
    until("the answer comes back", || sees(&homes[one], &private, "three from abroad").then_some(()));

    // What is everybody's has come to everybody by then or comes; what is private is known of nowhere else.
    for (number, home) in homes.iter().enumerate() {
        until("the team's incident is everywhere", || sees(home, &shared, "Checkout").then_some(()));
        if ![one, other].contains(&number) {
            let answer = home.muster(&["timeline", "-i", &private, "--json"]);
            assert_ne!(answer.code, 0, "{}: {}", home.name(), answer.stdout);
        }
    }
}
