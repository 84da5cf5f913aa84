//! Nodes on the loopback: joining, a cut link, both sides going on, one timeline; and strangers at the door.
//!
//! The same over real network devices is in `netns.rs`.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, Node, ids_of, until};
use serde_json::{Value, json};

/// Two or three people whose nodes run and are connected, with one incident that all of them hold.
struct Team {
    people: Vec<Home>,
    nodes: Vec<Node>,
    incident: String,
}

impl Team {
    /// The second joins while the own node runs, the third before.
    #[track_caller]
    fn gather(names: &[&str]) -> Self {
        let people: Vec<Home> = names.iter().map(|name| Home::new(name)).collect();
        let incident = people[0].write(&["declare", "Checkout is down", "--sev", "1"]);
        let mut nodes = vec![people[0].up(), people[1].up()];
        people[0].lets_in(&people[1]);
        for newcomer in &people[2..] {
            people[0].lets_in(newcomer);
            nodes.push(newcomer.up());
        }
        let this = Self { people, nodes, incident };
        this.await_connected();
        this.await_agreement(1);
        this
    }

    #[track_caller]
    fn await_connected(&self) {
        for home in &self.people {
            until("everybody is connected", || (connected(home).len() == self.people.len() - 1).then_some(()));
        }
    }

    /// Waits until all print the same bytes with at least so many entries; gives them.
    #[track_caller]
    fn await_agreement(&self, entries: usize) -> String {
        until("all print the same timeline", || {
            let all: Vec<String> = self
                .people
                .iter()
                .map(|home| home.muster(&["timeline", "--json", "-i", &self.incident]).stdout)
                .collect();
            let same = all.windows(2).all(|pair| pair[0] == pair[1]);
            let whole = || ids_of(&serde_json::from_str(&all[0]).unwrap()).len() >= entries;
            (same && all[0].starts_with('[') && whole()).then(|| all[0].clone())
        })
    }
}

/// The names of those a home's node is connected to.
fn connected(home: &Home) -> Vec<String> {
    let peers = home.json(&["peers"]);
    let peers = peers.as_array().unwrap().iter().filter(|peer| peer["connected"] == true);
    peers.map(|peer| peer["person"].as_str().unwrap().to_owned()).collect()
}

fn texts(timeline: &str) -> Vec<String> {
    let rows: Value = serde_json::from_str(timeline).unwrap();
    rows.as_array().unwrap().iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
}

fn commanders(home: &Home) -> (Vec<String>, bool) {
    let role = home.json(&["roles"])["incident-commander"].clone();
    let names = role["holders"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    (names, role["contested"] == true)
}

#[test]
fn a_ready_node_says_who_and_where_it_is_in_one_line_and_sigterm_stops_it() {
    let home = Home::new("alice");
    let node = home.up();
    let ready = node.ready.as_object().unwrap();
    assert_eq!(ready.keys().collect::<Vec<_>>(), ["addrs", "peer", "team"]);
    let (address, device) = (node.address(), node.device());
    assert!(address.starts_with("/ip4/127.0.0.1/tcp/") && address.ends_with(&format!("/p2p/{device}")), "{address}");
    assert_eq!(home.json(&["team", "show"])["team"], node.ready["team"], "a node without a team creates one");
    assert_eq!(home.json(&["status"])["node"], json!(true));
    assert_eq!(node.terminate().code(), Some(0));
    assert!(!home.path().join("node.sock").exists(), "the socket goes with the node");
    assert_eq!(home.json(&["status"])["node"], json!(false));
}

#[test]
fn down_stops_the_node_and_is_content_where_none_runs() {
    let home = Home::new("alice");
    let node = home.up();
    home.muster(&["down"]).with_code(0);
    assert_eq!(node.ended().code(), Some(0));
    assert_eq!(home.muster(&["down"]).with_code(0).stdout, "");
}

#[test]
fn two_sides_of_a_cut_name_a_commander_each_and_after_healing_all_three_see_and_settle_it() {
    let team = Team::gather(&["alice", "bob", "carol"]);
    let [alice, bob, carol] = &team.people[..] else { unreachable!("three were gathered") };
    for home in [alice, bob, carol] {
        home.json(&["net", "cut"]);
    }
    for home in &team.people {
        until("the links are down", || connected(home).is_empty().then_some(()));
    }
    alice.write(&["role", "claim", "ic"]);
    bob.write(&["role", "claim", "ic"]);
    for (home, text) in [(alice, "seen by alice"), (bob, "seen by bob"), (carol, "seen by carol")] {
        home.write(&["saw", text]);
        assert!(texts(&home.timeline()).contains(&text.to_owned()));
    }
    assert!(!texts(&alice.timeline()).contains(&"seen by bob".to_owned()), "nothing passes a cut");
    assert_eq!(commanders(alice), (vec!["alice".into()], false));
    assert_eq!(commanders(bob), (vec!["bob".into()], false));

    for home in &team.people {
        home.json(&["net", "heal"]);
    }
    let healed = team.await_agreement(6);
    for text in ["seen by alice", "seen by bob", "seen by carol"] {
        assert!(texts(&healed).contains(&text.to_owned()), "{text} is on all");
    }
    for home in &team.people {
        assert_eq!(commanders(home), (vec!["alice".into(), "bob".into()], true), "{} sees both", home.name());
    }
    carol.write(&["role", "settle", "ic", "bob"]);
    team.await_agreement(7);
    for home in &team.people {
        assert_eq!(commanders(home), (vec!["bob".into()], false), "{} sees it settled", home.name());
        home.verified();
    }
    let holders = carol.json(&["whohas", &team.incident])["holders"].clone();
    assert_eq!(holders.as_array().unwrap().len(), 3, "{holders}");
}

#[test]
fn cutting_one_peer_leaves_the_others_connected() {
    let team = Team::gather(&["alice", "bob", "carol"]);
    let alice = &team.people[0];
    assert_eq!(alice.json(&["net", "cut", "bob"])["cut"], json!(["bob"]));
    until("only carol is left", || (connected(alice) == ["carol"]).then_some(()));
    assert_eq!(alice.json(&["net", "heal", "bob"])["cut"], json!([]));
    until("bob is back", || (connected(alice).len() == 2).then_some(()));
}

#[test]
fn a_restarted_node_has_everything_and_finds_the_others_by_the_addresses_it_saved() {
    let mut team = Team::gather(&["alice", "bob", "carol"]);
    team.people[1].write(&["say", "before the restart"]);
    let before = team.await_agreement(2);
    let bob_node = team.nodes.remove(1);
    assert_eq!(bob_node.terminate().code(), Some(0));
    assert_eq!(team.people[1].timeline(), before, "a home without its node holds everything");
    team.people[1].write(&["say", "written while the node was down"]);
    team.people[0].write(&["say", "written meanwhile"]);
    team.nodes.push(team.people[1].up());
    team.await_connected();
    team.await_agreement(4);
    assert_eq!(team.people[1].json(&["status"])["cut"], json!([]));
}

#[test]
fn all_nodes_restarted_after_a_kill_find_each_other_again() {
    let mut team = Team::gather(&["alice", "bob", "carol"]);
    team.people[2].write(&["say", "just before the lights went out"]);
    let before = team.await_agreement(2);
    for node in team.nodes.drain(..) {
        node.kill();
    }
    team.nodes = team.people.iter().map(Home::up).collect();
    team.await_connected();
    assert_eq!(team.await_agreement(2), before);
}

#[test]
fn an_incident_declared_alone_comes_along_and_its_old_id_goes_on_to_work() {
    let (alice, bob) = (Home::new("alice"), Home::new("bob"));
    let old = bob.write(&["declare", "Declared alone", "--sev", "2"]);
    let note = bob.write(&["say", "nobody else knows yet"]);
    let told: Value = serde_json::from_str(&bob.timeline()).unwrap();
    let nodes = (alice.up(), bob.up());
    let joined = alice.lets_in(&bob);
    let carried = joined["carried"].as_array().unwrap();
    let new = carried.iter().find(|pair| pair["from"] == json!(old)).expect("the incident was carried")["to"].clone();
    let new = new.as_str().unwrap();
    assert_ne!(new, old);
    until("the other has it too", || (texts(&alice.timeline()).len() == told.as_array().unwrap().len()).then_some(()));
    let rows: Value = serde_json::from_str(&alice.timeline()).unwrap();
    for (row, before) in rows.as_array().unwrap().iter().zip(told.as_array().unwrap()) {
        assert_eq!(row["text"], before["text"]);
        assert_eq!(row["event_time"], before["event_time"]);
        assert_eq!(row["origin"], json!({"id": before["id"], "recorded_time": before["recorded_time"]}));
    }
    assert_eq!(rows[1]["origin"]["id"], json!(note));
    for name in [&old, &old[..8], new] {
        assert_eq!(bob.json(&["timeline", "-i", name]), rows, "{name} names it");
    }
    bob.write(&["say", "by its old name", "-i", &old[..6]]);
    until("it went to the new one", || texts(&alice.timeline()).contains(&"by its old name".to_owned()).then_some(()));
    bob.verified();
    drop(nodes);
}

#[test]
fn a_ticket_lets_one_in_and_no_second() {
    let alice = Home::new("alice");
    let _node = alice.up();
    let ticket = alice.ticket();
    let bob = Home::new("bob");
    assert_eq!(bob.muster_with_input(&["join", "-", "--json"], &ticket).with_code(0).json()["synced"], json!(true));
    let carol = Home::new("carol");
    carol.muster(&["join", &ticket]).refused(&["the ticket cannot be used", "used already", "muster invite"]);
    assert_eq!(carol.json(&["peers"]), json!([]));
    assert_eq!(alice.json(&["team", "show"])["members"].as_array().unwrap().len(), 2);
}

#[test]
fn a_ticket_with_a_wrong_character_is_told_from_no_ticket() {
    let alice = Home::new("alice");
    let _node = alice.up();
    let mut ticket = alice.ticket();
    let last = if ticket.ends_with('2') { '3' } else { '2' };
    ticket.pop();
    ticket.push(last);
    Home::new("bob").muster(&["join", &ticket]).refused(&["the ticket is damaged", "copy the whole ticket"]);
    Home::new("bob").muster(&["join", "hello"]).refused(&["this is not a ticket"]);
}

#[test]
fn a_ticket_of_somebody_who_cannot_be_reached_says_so_and_works_later() {
    let alice = Home::new("alice");
    let node = alice.up();
    let ticket = alice.ticket();
    node.kill();
    let bob = Home::new("bob");
    let hint = "join again with the same ticket";
    bob.muster(&["join", &ticket]).refused(&["no member could be asked", hint]);
    let incident = bob.write(&["declare", "Logged all the same"]);
    let _node = alice.up();
    let joined = bob.json(&["join", &ticket]);
    assert_eq!(joined["carried"][0]["from"], json!(incident), "{joined}");
}

#[test]
fn without_a_running_node_there_is_no_ticket() {
    let alice = Home::new("alice");
    alice.write(&["declare", "Checkout is down"]);
    alice.muster(&["invite"]).refused(&["no address", "muster up"]);
}

#[test]
fn a_stranger_who_knows_the_address_gets_nothing() {
    let team = Team::gather(&["alice", "bob"]);
    let alice = &team.people[0];
    let stranger = Home::new("mallory");
    let own = stranger.write(&["declare", "An incident of my own"]);
    let node = stranger.up();
    stranger.muster(&["peers", "add", &team.nodes[0].address()]);
    // What a member writes now reaches the other member; by then it would have reached a stranger who was let in.
    alice.write(&["say", "for members only"]);
    team.await_agreement(2);
    assert_eq!(connected(&stranger), Vec::<String>::new());
    assert_eq!(ids_of(&serde_json::from_str(&stranger.timeline()).unwrap()), [own]);
    assert!(!stranger.muster(&["status", "--json"]).stdout.contains("Checkout"));
    assert_eq!(alice.json(&["team", "show"])["members"].as_array().unwrap().len(), 2);
    assert_eq!(connected(alice), ["bob"]);
    drop(node);
}
