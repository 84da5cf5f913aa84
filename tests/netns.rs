//! Three nodes in three network namespaces on one bridge: a pulled cable drops packets and tells nobody.
//!
//! Needs root; where that is not permitted the tests are skipped loudly, and fail in CI. The same by `net cut` is in `trio.rs`.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::privilege::{Switch, or_skip};
use muster_tests::{Home, Node, ids_of, until};

/// The place whose cable is pulled.
const FAR: u8 = 3;

struct Office {
    people: Vec<Home>,
    // Before the switch, so that the nodes end before their network does.
    _nodes: Vec<Node>,
    switch: Switch,
}

impl Office {
    #[track_caller]
    fn open(test: &str) -> Option<Self> {
        let switch = or_skip(test, Switch::new(3))?;
        let mut people = Vec::new();
        let mut nodes = Vec::new();
        for (place, name) in (1..).zip(["alice", "bob", "carol"]) {
            let home = Home::new(name).in_network(&switch.space(place));
            nodes.push(home.up_with(&["--listen", &format!("/ip4/{}/tcp/0", switch.address(place))]));
            people.push(home);
        }
        people[0].lets_in(&people[1]);
        people[0].lets_in(&people[2]);
        people[0].write(&["declare", "Checkout is down"]);
        let this = Self { people, _nodes: nodes, switch };
        this.await_connected();
        this.await_agreement(1);
        Some(this)
    }

    #[track_caller]
    fn await_connected(&self) {
        for home in &self.people {
            until("everybody is connected", || (connected(home) == 2).then_some(()));
        }
    }

    /// Waits until all print the same bytes with so many entries.
    #[track_caller]
    fn await_agreement(&self, entries: usize) {
        until("all print the same timeline", || {
            let all: Vec<String> = self.people.iter().map(Home::timeline).collect();
            (all.windows(2).all(|pair| pair[0] == pair[1]) && count(&all[0]) == entries).then_some(())
        });
    }

    /// Everybody writes, and the two on the near side see each other's.
    #[track_caller]
    fn write_on_both_sides(&self, entries_near: usize, word: &str) {
        for home in &self.people {
            home.write(&["saw", word, "by", home.name()]);
        }
        let [alice, bob, carol] = &self.people[..] else { unreachable!("there are three places") };
        until("the near side agrees", || {
            let (here, there) = (alice.timeline(), bob.timeline());
            (here == there && count(&here) == entries_near).then_some(())
        });
        assert_eq!(count(&carol.timeline()), entries_near - 1, "the far side has its own entry alone");
    }
}

fn connected(home: &Home) -> usize {
    let peers = home.json(&["peers"]);
    peers.as_array().unwrap().iter().filter(|peer| peer["connected"] == true).count()
}

fn count(timeline: &str) -> usize {
    ids_of(&serde_json::from_str(timeline).unwrap()).len()
}

#[test]
fn a_cable_pulled_for_a_moment_costs_nothing() {
    let test = "a_cable_pulled_for_a_moment_costs_nothing";
    let Some(office) = Office::open(test) else { return };
    office.switch.pull(FAR);
    office.write_on_both_sides(3, "in the dark");
    office.switch.plug(FAR);
    office.await_agreement(4);
    office.await_connected();
}

#[test]
fn a_dead_line_is_noticed_on_both_sides_and_once_mended_all_hold_the_same_bytes() {
    let test = "a_dead_line_is_noticed_on_both_sides_and_once_mended_all_hold_the_same_bytes";
    let Some(office) = Office::open(test) else { return };
    office.switch.pull(FAR);
    office.write_on_both_sides(3, "in the dark");
    until("the far side sees that it is alone", || (connected(&office.people[2]) == 0).then_some(()));
    for home in &office.people[..2] {
        until("the near side sees that one is gone", || (connected(home) == 1).then_some(()));
    }
    office.people[0].write(&["role", "claim", "ic"]);
    office.people[2].write(&["role", "claim", "ic"]);
    office.switch.plug(FAR);
    office.await_agreement(6);
    office.await_connected();
    for home in &office.people {
        let role = home.json(&["roles"])["incident-commander"].clone();
        assert_eq!(role["contested"], true, "{}: {role}", home.name());
        home.verified();
    }
}
