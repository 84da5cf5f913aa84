//! A pasted secret leaves every file of every home: of those who are there, of one who was away, of one whose store was
//! packed before, and of one that hears of it from a bundle.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::privilege::{Mounted, or_skip};
use muster_tests::{Home, until};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const SECRETS: [&str; 4] = ["hunter2-title", "hunter2-said", "hunter2-done", "hunter2-alone"];

fn files(dir: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(dir).unwrap().map(|item| item.unwrap().path());
    items.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Files of a home in which one of the secrets stands, archives unpacked by reading what the home knows.
fn holding(home: &Home) -> Vec<String> {
    let holds =
        |bytes: &[u8]| SECRETS.iter().any(|secret| bytes.windows(secret.len()).any(|found| found == secret.as_bytes()));
    // A running node's socket cannot be read, and files of its index come and go.
    let found = files(home.path()).into_iter().filter(|path| fs::read(path).is_ok_and(|bytes| holds(&bytes)));
    let mut found: Vec<String> = found.map(|path| path.display().to_string()).collect();
    let all = home.muster(&["status", "--all", "--json"]).json();
    for incident in all["incidents"].as_array().into_iter().flatten().chain(all.as_array().into_iter().flatten()) {
        let id = incident["incident"].as_str().unwrap_or_default();
        let told = home.muster(&["export", "json", "-i", id]).with_code(0).stdout;
        found.extend(holds(told.as_bytes()).then(|| format!("the export of {id}")));
    }
    found
}

fn redact(home: &Home, incident: &str, id: &str) {
    home.write(&["redact", id, "-i", incident, "--reason", "pasted a secret"]);
}

#[test]
fn a_redacted_text_is_in_no_file_of_any_home() {
    let (alice, bob, carol, dave) = (Home::new("alice"), Home::new("bob"), Home::new("carol"), Home::new("dave"));
    // Bob declares alone: what comes along stands in two teams of his home.
    let alone = bob.write(&["declare", "search is slow: hunter2-alone"]);
    let incident = alice.write(&["declare", "checkout is down: hunter2-title"]);
    let nodes: Vec<_> = [&alice, &bob, &carol, &dave].iter().map(|home| home.up()).collect();
    for newcomer in [&bob, &carol, &dave] {
        alice.lets_in(newcomer);
    }
    alice.json(&["use", &incident]);
    let said = alice.write(&["say", "the password is hunter2-said"]);
    let action = alice.write(&["will", "switch over", "--on", "db-1"]);
    let done = alice.write(&["did", &action, "worked", "with hunter2-done"]);
    let after = alice.write(&["say", "all is well"]);
    for home in [&bob, &carol, &dave] {
        until("everybody has it", || {
            home.muster(&["timeline", "--json", "-i", &incident]).stdout.contains("all is well").then_some(())
        });
    }
    until("bob's incident came along", || {
        alice.muster(&["status", "--all", "--json"]).stdout.contains("hunter2-alone").then_some(())
    });
    // Carol packs what she has, and leaves; dave leaves for good and gets a file.
    carol.json(&["compact", &incident]);
    let mut nodes = nodes.into_iter();
    let (alices, bobs, carols, daves) =
        (nodes.next().unwrap(), nodes.next().unwrap(), nodes.next().unwrap(), nodes.next().unwrap());
    carols.kill();
    daves.kill();
    assert!(!holding(&alice).is_empty() && !holding(&carol).is_empty() && !holding(&dave).is_empty());

    for id in [&incident, &said, &done] {
        redact(&alice, &incident, id);
    }
    let rows: Value = bob.muster(&["timeline", "--json", "-i", &alone]).json();
    let declared = rows[0]["id"].as_str().unwrap().to_owned();
    redact(&bob, &declared, &declared);
    let gone = |home: &Home| holding(home).is_empty().then_some(());
    until("it is gone from alice's home", || gone(&alice));
    until("it is gone from bob's home", || gone(&bob));
    let rows: Value = alice.muster(&["timeline", "--json", "-i", &incident]).json();
    let row = rows.as_array().unwrap().iter().find(|row| row["id"] == said.as_str()).unwrap();
    assert_eq!(row["text"], "[redacted by alice: pasted a secret]");
    assert_eq!(row["redacted_by"].as_array().unwrap().len(), 1);

    let bundle = alice.path().with_extension("bundle");
    alice.muster(&["bundle", "write", bundle.to_str().unwrap()]).with_code(0);
    assert!(!fs::read(&bundle).unwrap().windows(7).any(|bytes| bytes == b"hunter2"));
    dave.muster(&["bundle", "read", bundle.to_str().unwrap()]).with_code(0);
    assert_eq!(holding(&dave), Vec::<String>::new());

    // Carol has it all packed, and hears of it when she is back.
    let _carols = carol.up();
    until("it is gone from carol's home", || gone(&carol));
    for home in [&alice, &bob, &carol, &dave] {
        home.verified();
        let told = home.muster(&["timeline", "--json", "-i", &incident]).stdout;
        assert!(told.contains("all is well") && told.contains(&after));
    }
    alices.kill();
    bobs.kill();
    assert_eq!((holding(&alice), holding(&bob)), (Vec::new(), Vec::new()));
}

/// Takes up all of a disk but a little: enough for an entry, too little to write a store anew.
fn leave_little(filler: &Path) {
    let mut file = fs::File::create(filler).unwrap();
    for size in [65_536, 4_096] {
        while file.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
    }
    let taken = file.metadata().unwrap().len();
    file.set_len(taken - 2 * 1024 * 1024).unwrap();
}

#[test]
fn without_room_to_erase_nobody_is_told_that_the_text_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let disk = place.path().join("small");
    let test = "without_room_to_erase_nobody_is_told_that_the_text_is_gone";
    let Some(mounted) = or_skip(test, Mounted::memory(&disk, 48)) else { return };
    let home = Home::at(&disk.join("alice"), "alice");
    let incident = home.write(&["declare", "checkout is down"]);
    let (first, second) = (home.write(&["say", "hunter2-title"]), home.write(&["say", "hunter2-said"]));
    let filler = disk.join("filler");
    let hidden = ["hidden", "NOT YET ERASED", "no room"];

    leave_little(&filler);
    let told = home.muster(&["redact", &first, "--reason", "a password", "--json"]).with_code(1).says(&hidden);
    assert_eq!(told.json()["erasure"], "no-room");
    assert!(!told.stderr.contains("is erased here"), "{}", told.stderr);
    let node = home.up();
    home.muster(&["redact", &second, "--reason", "a password"]).with_code(1).says(&hidden);
    assert!(!holding(&home).is_empty());
    assert!(!home.timeline().contains("hunter2"));

    fs::remove_file(&filler).unwrap();
    drop(node);
    let third = home.write(&["say", "hunter2-done", "-i", &incident]);
    let told = home.muster(&["redact", &third, "--reason", "a password", "--json"]).with_code(0);
    assert_eq!(told.json()["erasure"], "done");
    assert_eq!(holding(&home), Vec::<String>::new());
    home.verified();
    drop(mounted);
}
