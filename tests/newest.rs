//! `timeline --last`: the end of the timeline, found without opening the store wherever that can be trusted.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, PATIENCE};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// The last lines as they are told by the quick way and by the whole one.
#[track_caller]
fn check(home: &Home) {
    let all = home.json(&["timeline"]);
    let all = all.as_array().unwrap();
    for last in [1, 3, all.len(), all.len() + 1] {
        let newest = home.json(&["timeline", "--last", &last.to_string()]);
        assert_eq!(newest, Value::from(all[all.len().saturating_sub(last)..].to_vec()), "the last {last}");
    }
}

/// Whether the newest lines are told although the store cannot be opened: its key is away.
fn is_told_without_the_store(home: &Home) -> bool {
    let (key, away) = (home.path().join("device.key"), home.path().join("away"));
    fs::rename(&key, &away).unwrap();
    assert!(home.muster(&["timeline"]).code != 0, "the whole way needs the key");
    let told = home.muster(&["timeline", "--last", "2"]).code == 0;
    fs::rename(&away, &key).unwrap();
    told
}

#[test]
fn the_newest_lines_are_the_end_of_the_timeline_whatever_was_written_last() {
    let home = Home::new("alice");
    let incident = home.write(&["declare", "Checkout is down"]);
    check(&home);
    let note = home.write(&["say", "a note"]);
    home.write(&["saw", "5xx", "--at", "2023-07-20 12:15"]);
    home.write(&["amend", &note, "a better note"]);
    home.write(&["will", "restart it", "--on", "db-1"]);
    home.write(&["doing"]);
    check(&home);
    assert!(is_told_without_the_store(&home));
    let other = home.write(&["declare", "Search is slow"]);
    home.json(&["use", &other]);
    check(&home);
    home.json(&["use", &incident]);
    check(&home);
    let newest = home.json(&["timeline", "--last", "1", "-i", &other]);
    assert_eq!(newest[0]["text"], "Search is slow");
    let node = home.up();
    home.write(&["say", "while a node runs"]);
    check(&home);
    drop(node);
    check(&home);
}

/// Lines of a program that goes on, one by one.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut child = home.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn text(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line comes");
        serde_json::from_str::<Value>(&line).unwrap()["text"].as_str().unwrap().to_owned()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn whoever_follows_the_timeline_is_shown_every_line_once_with_a_node_and_without() {
    let home = Home::new("alice");
    let incident = home.write(&["declare", "Checkout is down"]);
    home.write(&["say", "before"]);
    let follower = Follower::start(&home, &["timeline", "--follow", "--last", "1", "--json"]);
    assert_eq!(follower.text(), "before");
    home.write(&["say", "without a node"]);
    assert_eq!(follower.text(), "without a node");
    let node = home.up();
    home.write(&["saw", "5xx", "--at", "2023-07-20 12:15"]);
    assert_eq!(follower.text(), "5xx", "in the order in which they came, whenever it happened");
    let other = home.write(&["declare", "Another incident"]);
    home.json(&["use", &other]);
    home.write(&["say", "of the other"]);
    home.write(&["say", "with a node", "-i", &incident]);
    assert_eq!(follower.text(), "with a node", "it stays with its incident");
    drop(node);
}

#[test]
fn a_tail_that_may_be_out_of_date_is_not_believed() {
    let home = Home::new("alice");
    home.write(&["declare", "Checkout is down"]);
    home.write(&["say", "one"]);
    assert!(is_told_without_the_store(&home));
    let tail = home.path().join("store/tail");
    let before = fs::read(&tail).unwrap();
    home.write(&["say", "two"]);
    fs::write(&tail, &before).unwrap();
    assert!(!is_told_without_the_store(&home), "something was committed since");
    fs::write(&tail, &before).unwrap();
    assert_eq!(home.json(&["timeline", "--last", "1"])[0]["text"], "two");
    let mut spoilt = fs::read(&tail).unwrap();
    let middle = spoilt.len() / 2;
    spoilt[middle] ^= 1;
    fs::write(&tail, spoilt).unwrap();
    assert!(!is_told_without_the_store(&home), "its checksum is wrong");
    check(&home);
}

#[test]
fn to_ask_for_no_lines_is_bad_usage_and_not_an_empty_log() {
    let home = Home::new("alice");
    home.write(&["declare", "Checkout is down"]);
    for count in ["0", "-1", "many"] {
        let answer = home.muster(&["timeline", "--last", count]);
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "--last {count}: {}", answer.stderr);
        assert!(answer.stderr.contains("--last <N>"), "{}", answer.stderr);
    }
}
