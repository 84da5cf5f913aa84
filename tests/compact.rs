//! Packing what is over: everything reads as before, with a node and without, and whoever is killed meanwhile loses nothing.
//!
//! What a disk can do to a compaction is tested in the store's crate.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, until};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// Lines of the incident that is packed while somebody kills.
const LINES: u32 = 1_200;

fn say_many(home: &Home, incident: &str, lines: u32) {
    let batch = home.path().join("batch.jsonl");
    let text: String = (0..lines).map(|n| format!("{{\"text\":\"line {n}: checkout answers again\"}}\n")).collect();
    fs::write(&batch, text).unwrap();
    home.json(&["use", incident]);
    let answer = home.muster(&["say", "--json", "--batch", batch.to_str().unwrap()]);
    assert_eq!(answer.stdout.lines().count(), lines as usize, "{}", answer.stderr);
}

fn timeline(home: &Home, incident: &str) -> Value {
    home.json(&["timeline", "-i", incident])
}

/// Bytes of journal and archives.
fn log_bytes(home: &Home) -> u64 {
    let store = home.path().join("store");
    let dirs = fs::read_dir(store).unwrap().map(|item| item.unwrap());
    let logs = dirs.filter(|item| {
        let name = item.file_name().into_string().unwrap();
        name.starts_with("journal") || name == "archives"
    });
    let files = logs.flat_map(|dir| fs::read_dir(dir.path()).unwrap());
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn what_is_over_is_packed_and_reads_as_before() {
    let (alice, bob) = (Home::new("alice"), Home::new("bob"));
    let over = alice.write(&["declare", "Checkout is down"]);
    let open = alice.write(&["declare", "Search is slow"]);
    assert_eq!(alice.muster(&["compact"]).stdout, "nothing to compact: no incident is closed\n");
    say_many(&alice, &open, 20);
    say_many(&alice, &over, 300);
    alice.write(&["resolve", "-i", &over, "it was the cache"]);
    let shown = |home: &Home| -> Vec<Value> {
        let export = home.muster(&["export", "json", "-i", &over]).stdout;
        let export: Value = serde_json::from_str(&export).unwrap();
        vec![
            timeline(home, &over),
            timeline(home, &open),
            home.json(&["roles", "-i", &over]),
            export["timeline"].clone(),
        ]
    };
    let (before, counted, bytes) = (shown(&alice), alice.verified(), log_bytes(&alice));

    let told = alice.json(&["compact"]);
    assert_eq!((&told["incidents"], &told["entries"]), (&Value::from(1), &Value::from(302)));
    assert_eq!(told["bytes_before"], Value::from(bytes));
    assert_eq!(told["bytes_after"], Value::from(log_bytes(&alice)));
    assert!(log_bytes(&alice) < bytes / 2, "{bytes} bytes, now {}", log_bytes(&alice));
    assert_eq!((shown(&alice), alice.verified()), (before.clone(), counted));
    assert_eq!(alice.muster(&["compact"]).stdout, "nothing to compact: all of 1 incident is packed already\n");
    let newest = alice.json(&["timeline", "--last", "3", "-i", &over]);
    assert_eq!(newest.as_array().unwrap(), &before[0].as_array().unwrap()[299..]);

    // An open one, by name, through a node; and a newcomer gets everything.
    let node = alice.up();
    let told = alice.json(&["compact", &open[..8]]);
    assert_eq!((&told["incidents"], &told["entries"]), (&Value::from(1), &Value::from(21)));
    assert_eq!(shown(&alice), before);
    let _bobs = bob.up();
    alice.lets_in(&bob);
    // Bob's node stamps what it received itself; what was written is the same.
    let texts = |home: &Home, incident: &str| -> Vec<(Value, Value)> {
        let rows = home.muster(&["timeline", "--json", "-i", incident]).stdout;
        let rows: Value = serde_json::from_str(&rows).unwrap_or_default();
        let rows = rows.as_array().cloned().unwrap_or_default();
        rows.into_iter().map(|row| (row["id"].clone(), row["text"].clone())).collect()
    };
    alice.write(&["say", "-i", &over, "one more, after it was packed"]);
    for incident in [&over, &open] {
        until("bob has it all", || (texts(&bob, incident) == texts(&alice, incident)).then_some(()));
    }
    assert_eq!(texts(&bob, &over).len(), 303);
    alice.verified();
    bob.verified();

    // What came later is packed another time, and all of it outlives the node.
    assert_eq!(alice.json(&["compact", &over])["entries"], Value::from(1));
    node.kill();
    assert_eq!(texts(&alice, &over), texts(&bob, &over));
    alice.verified();
    bob.verified();
}

/// Kills whoever compacts once `seen` says so, and looks whether everything is there.
fn kill_when(seen: &dyn Fn(&Path) -> bool, through_node: bool) {
    let home = Home::new("alice");
    let (over, open) = (home.write(&["declare", "Checkout is down"]), home.write(&["declare", "Search is slow"]));
    say_many(&home, &over, LINES);
    let before = [timeline(&home, &over), timeline(&home, &open)];
    let store = home.path().join("store");
    let node = through_node.then(|| home.up());
    let mut command = home.command(&["compact", &over]);
    let mut compacting = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the compaction has come so far", || seen(&store).then_some(()));
    match node {
        Some(node) => node.kill(),
        None => compacting.kill().unwrap(),
    }
    compacting.wait().unwrap();
    assert_eq!([timeline(&home, &over), timeline(&home, &open)], before);
    home.verified();
    home.write(&["say", "-i", &over, "after the kill"]);
    home.json(&["compact", &over]);
    assert_eq!(timeline(&home, &over).as_array().unwrap().len(), LINES as usize + 2);
    assert_eq!(timeline(&home, &open), before[1]);
    let left = fs::read_dir(&store).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap());
    let mut left: Vec<String> = left.filter(|name| name.starts_with("journal") || name.starts_with("index")).collect();
    left.sort();
    assert_eq!(left.len(), 2, "one journal and one index are left: {left:?}");
}

#[test]
fn a_compaction_killed_while_it_packs_loses_nothing() {
    for through_node in [false, true] {
        kill_when(&|store| store.join("archives/00000001.arc").exists(), through_node);
    }
}

#[test]
fn a_compaction_killed_while_it_writes_the_new_journal_loses_nothing() {
    for through_node in [false, true] {
        kill_when(&|store| store.join("journal-2").exists(), through_node);
    }
}

#[test]
fn a_compaction_killed_when_it_has_just_happened_loses_nothing() {
    let has_happened = |store: &Path| fs::read_to_string(store.join("format")).unwrap().starts_with("muster-store 3");
    for through_node in [false, true] {
        kill_when(&has_happened, through_node);
    }
}
