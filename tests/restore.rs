//! Homes that are copied: a backup restored, a copy made while the node writes, one that moved, and one that runs twice.
//!
//! These are the procedures of `docs/operating.md`.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, Node, until};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Copies as people do.
#[track_caller]
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "cp -a");
}

/// Two people with their nodes, and an incident that both hold.
fn pair() -> (Home, Home, [Node; 2]) {
    let (alice, bob) = (Home::new("alice"), Home::new("bob"));
    alice.write(&["declare", "Checkout is down"]);
    let nodes = [alice.up(), bob.up()];
    alice.lets_in(&bob);
    await_text(&bob, "Checkout is down");
    (alice, bob, nodes)
}

#[track_caller]
fn await_text(home: &Home, text: &str) {
    until(text, || home.muster(&["timeline", "--json"]).stdout.contains(text).then_some(()));
}

/// The check of that name in the report of `doctor`, where there is one.
fn check(home: &Home, name: &str) -> Option<Value> {
    let report = home.muster(&["doctor", "--json"]).json();
    report["checks"].as_array().unwrap().iter().find(|check| check["check"] == name).cloned()
}

#[track_caller]
fn all_count(home: &Home) {
    let timeline: Value = serde_json::from_str(&home.timeline()).unwrap();
    for row in timeline.as_array().unwrap() {
        assert_eq!(row["status"], "active", "{row}");
    }
    home.verified();
}

#[test]
fn a_restored_backup_gets_back_what_it_lacks_says_so_and_contradicts_nothing() {
    let (alice, bob, [alices, _bobs]) = pair();
    let backup = alice.path().with_extension("backup");
    alices.terminate();
    copy(alice.path(), &backup);
    let node = alice.up();
    alice.write(&["say", "after the backup"]);
    await_text(&bob, "after the backup");
    assert!(check(&alice, "restored").is_none(), "nothing was restored yet");

    // The disk dies, and the backup takes its place.
    node.kill();
    fs::remove_dir_all(alice.path()).unwrap();
    copy(&backup, alice.path());
    assert!(!alice.timeline().contains("after the backup"));
    let node = alice.up();
    await_text(&alice, "after the backup");
    let told = check(&alice, "restored").expect("the node says that it was restored");
    assert_eq!((&told["state"], &told["detail"]["entries"]), (&Value::from("ok"), &Value::from(1)));
    assert!(check(&alice, "twice").is_none(), "what was written before does not count as written elsewhere");
    alice.write(&["say", "after the restoring"]);
    await_text(&bob, "after the restoring");
    assert_eq!(alice.timeline(), bob.timeline());
    all_count(&alice);
    all_count(&bob);
    let log = fs::read_to_string(alice.path().join("muster.log")).unwrap();
    assert!(log.contains("this home was restored from an older copy"), "{log}");
    // It is remembered.
    node.terminate();
    assert!(check(&alice, "restored").is_some());
}

#[test]
fn a_home_that_runs_twice_says_so_on_both_sides_and_nothing_is_lost() {
    let (alice, bob, [alices, _bobs]) = pair();
    alices.terminate();
    let elsewhere = Home::at(&alice.path().with_extension("elsewhere"), "alice");
    copy(alice.path(), elsewhere.path());
    let _nodes = [alice.up(), elsewhere.up()];
    alice.write(&["say", "from the first"]);
    elsewhere.write(&["say", "from the second"]);
    for home in [&alice, &elsewhere] {
        let twice = until("both know of each other", || check(home, "twice"));
        assert_eq!(twice["state"], "bad");
        assert!(twice["next"].as_str().unwrap().contains("muster join"), "{twice}");
        let answer = home.muster(&["say", "one more"]).with_code(0);
        assert!(answer.stderr.contains("note: this home runs twice"), "{}", answer.stderr);
    }
    for text in ["from the first", "from the second"] {
        for home in [&alice, &elsewhere, &bob] {
            await_text(home, text);
        }
    }
    all_count(&bob);
}

#[test]
fn a_copy_made_while_the_node_writes_opens_and_holds_what_was_acknowledged_before_it() {
    let home = Home::new("alice");
    home.write(&["declare", "Checkout is down"]);
    let _node = home.up();
    home.write(&["say", "acknowledged before the copy"]);
    let batch = home.path().with_extension("jsonl");
    let lines: String = (0..400).map(|line| format!("{{\"text\":\"line {line}\"}}\n")).collect();
    fs::write(&batch, lines).unwrap();
    let mut writer = home.command(&["say", "--batch", batch.to_str().unwrap()]);
    let mut writer = writer.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let copied = Home::at(&home.path().with_extension("copy"), "alice");
    copy(home.path(), copied.path());
    writer.wait().unwrap();
    assert!(copied.timeline().contains("acknowledged before the copy"));
    copied.write(&["say", "the copy goes on"]);
    all_count(&copied);
}

#[test]
fn a_home_without_its_index_and_reserve_is_a_whole_backup() {
    let home = Home::new("alice");
    let id = home.write(&["declare", "Checkout is down"]);
    fs::remove_dir_all(home.path().join("store/index")).unwrap();
    fs::remove_file(home.path().join("store/reserve")).unwrap();
    assert!(home.timeline().contains(&id));
    home.write(&["say", "it goes on"]);
    home.verified();
    assert!(home.path().join("store/reserve").exists());
}

#[test]
fn a_home_that_moved_to_another_place_is_the_same_device_there() {
    let (alice, bob, [alices, _bobs]) = pair();
    let device = alices.device();
    alices.terminate();
    let laptop = Home::at(&alice.path().with_extension("laptop"), "alice");
    fs::rename(alice.path(), laptop.path()).unwrap();
    let node = laptop.up();
    assert_eq!(node.device(), device);
    laptop.write(&["say", "from the new laptop"]);
    await_text(&bob, "from the new laptop");
    assert_eq!(check(&laptop, "twice"), None);
    assert_eq!(check(&laptop, "restored"), None);
}
