//! Five nodes on bad lines: 50 ms each way, jitter that lets packets overtake, one packet in twenty lost, and partitions
//! that wander. Needs root; skipped loudly where that is not permitted.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::bad_line::BadLine;
use muster_tests::privilege::or_skip;
use muster_tests::{Home, Node, ids_of, until};
use std::path::Path;

const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// Each host is cut off so many times in turn: about two minutes. `MUSTER_ROUNDS` says otherwise.
const ROUNDS: usize = 12;

struct Office {
    people: Vec<Home>,
    // Before the line, so that the nodes end before their network does.
    _nodes: Vec<Node>,
    line: BadLine,
}

impl Office {
    #[track_caller]
    fn open(test: &str) -> Option<Self> {
        let shaper = Path::new(env!("CARGO_BIN_EXE_muster-shaper"));
        let line = or_skip(test, BadLine::new(shaper, 5, 50, 10, 5))?;
        let (mut people, mut nodes) = (Vec::new(), Vec::new());
        for (host, name) in (1..).zip(NAMES) {
            let home = Home::new(name).in_network(&line.space(host));
            nodes.push(home.up_with(&["--listen", &format!("/ip4/{}/tcp/0", line.address(host))]));
            people.push(home);
        }
        let (first, others) = people.split_first().unwrap();
        others.iter().for_each(|other| drop(first.lets_in(other)));
        first.write(&["declare", "Checkout is down"]);
        let this = Self { people, _nodes: nodes, line };
        this.await_agreement(1);
        Some(this)
    }

    /// Waits until all print the same bytes with so many entries.
    #[track_caller]
    fn await_agreement(&self, entries: usize) {
        until("all print the same timeline", || {
            let all: Vec<String> = self.people.iter().map(Home::timeline).collect();
            (all.windows(2).all(|pair| pair[0] == pair[1]) && count(&all[0]) == entries).then_some(())
        });
    }
}

fn count(timeline: &str) -> usize {
    ids_of(&serde_json::from_str(timeline).unwrap()).len()
}

#[test]
fn over_lines_that_lose_one_packet_in_twenty_every_entry_reaches_everybody() {
    let test = "over_lines_that_lose_one_packet_in_twenty_every_entry_reaches_everybody";
    let Some(office) = Office::open(test) else { return };
    for round in 0..4 {
        for home in &office.people {
            home.write(&["saw", "round", &round.to_string(), "by", home.name()]);
        }
    }
    office.await_agreement(1 + 4 * NAMES.len());
    for home in &office.people {
        home.verified();
    }
}

#[test]
fn while_partitions_wander_nobody_is_kept_from_writing_and_afterwards_all_hold_the_same_bytes() {
    let test = "while_partitions_wander_nobody_is_kept_from_writing_and_afterwards_all_hold_the_same_bytes";
    let Some(mut office) = Office::open(test) else { return };
    let rounds = std::env::var("MUSTER_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let mut entries = 1;
    for round in 0..rounds {
        for host in 1..=5 {
            office.line.cut(host);
            for home in &office.people {
                home.write(&["saw", "round", &round.to_string(), "by", home.name()]);
                entries += 1;
            }
            office.line.mend(host);
        }
    }
    office.await_agreement(entries);
    for home in &office.people {
        home.verified();
    }
}
