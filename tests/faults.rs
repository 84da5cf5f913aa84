//! What goes wrong below the program: kill -9, a full disk, a read-only home, a second process, a path too long, a
//! newer store, and a log that is passed on.
//!
//! What somebody types wrong is in `scripts.rs`; what the store does about each fault is tested in its crate.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::privilege::{Mounted, or_skip};
use muster_tests::{Home, ids_of, until};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

/// Kills in one run; `MUSTER_KILLS` asks for more.
const KILLS: u32 = 30;

/// Lines of one batch: more than can be written before the kill.
const BATCH_LINES: u32 = 4_000;

fn texts(home: &Home) -> BTreeSet<String> {
    let rows: Value = serde_json::from_str(&home.timeline()).unwrap();
    rows.as_array().unwrap().iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
}

/// Writes through the node and kills it after `after` acknowledged entries; gives the ids of all acknowledged ones.
fn write_until_killed(home: &Home, round: u32, after: usize) -> Vec<String> {
    let batch = home.path().join("batch.jsonl");
    let lines: String = (0..BATCH_LINES).map(|line| format!("{{\"text\":\"{round}/{line}\"}}\n")).collect();
    fs::write(&batch, lines).unwrap();
    let mut node = Some(home.up());
    let mut command = home.command(&["say", "--json", "--batch", batch.to_str().unwrap()]);
    let mut writer = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
        let answer: Value = serde_json::from_str(&line.unwrap()).unwrap();
        acknowledged.push(answer["entry"].as_str().unwrap().to_owned());
        if acknowledged.len() >= after
            && let Some(node) = node.take()
        {
            node.kill();
        }
    }
    assert_eq!(writer.wait().unwrap().code(), Some(1), "a batch that lost its node says so");
    assert!(node.is_none(), "the kill came before the batch's end");
    acknowledged
}

#[test]
fn nothing_acknowledged_is_lost_however_often_the_node_is_killed_while_it_writes() {
    let kills = std::env::var("MUSTER_KILLS").map_or(KILLS, |kills| kills.parse().expect("MUSTER_KILLS is a number"));
    let home = Home::new("alice");
    let mut acknowledged: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for round in 0..kills {
        // An incident for each kill: what was acknowledged in the others must outlive this kill too.
        let incident = home.write(&["declare", &format!("Kill {round}")]);
        home.json(&["use", &incident]);
        // From the first entry on to the middle of a long run, never twice the same.
        let written = write_until_killed(&home, round, 1 + (round as usize * 37) % 113);
        check_held(&home, &incident, &written);
        acknowledged.insert(incident, written);
        if round % 10 == 9 {
            home.verified();
        }
    }
    for (incident, written) in &acknowledged {
        check_held(&home, incident, written);
    }
    home.verified();
    println!("{} entries outlived {kills} kills", acknowledged.values().map(Vec::len).sum::<usize>());
}

#[track_caller]
fn check_held(home: &Home, incident: &str, acknowledged: &[String]) {
    let held = ids_of(&home.json(&["timeline", "-i", incident]));
    let lost: Vec<&String> = acknowledged.iter().filter(|id| !held.contains(id)).collect();
    assert!(lost.is_empty(), "lost of {}: {lost:?}", acknowledged.len());
}

#[test]
fn a_second_node_on_a_home_is_refused_and_the_first_goes_on() {
    let home = Home::new("alice");
    let _node = home.up();
    home.muster(&["up", "--json"]).refused(&["in use by another process", "muster down"]);
    home.write(&["declare", "Checkout is down"]);
}

#[test]
fn a_socket_left_by_a_killed_node_is_in_nobodys_way() {
    let home = Home::new("alice");
    home.write(&["declare", "Checkout is down"]);
    home.up().kill();
    assert!(home.path().join("node.sock").exists());
    home.write(&["say", "without a node"]);
    let node = home.up();
    home.write(&["say", "with the next one"]);
    assert_eq!(node.terminate().code(), Some(0));
}

#[test]
fn a_read_only_home_is_read_and_exported_and_refuses_writes() {
    let home = Home::new("alice");
    home.write(&["declare", "Checkout is down"]);
    let place = tempfile::tempdir().unwrap();
    let mounted = Mounted::read_only(home.path(), &place.path().join("ro"));
    let Some(mounted) = or_skip("a_read_only_home_is_read_and_exported_and_refuses_writes", mounted) else { return };
    let frozen = Home::at(&place.path().join("ro"), "alice");
    for command in [&["say", "no"][..], &["declare", "no"], &["up", "--json"]] {
        frozen.muster(command).refused(&["read-only", "make the home writable"]);
    }
    assert_eq!(frozen.timeline(), home.timeline());
    frozen.verified();
    assert!(frozen.muster(&["export", "md"]).with_code(0).stdout.contains("Checkout is down"));
    drop(mounted);
}

/// Takes up all that is free.
fn fill_up(path: &Path) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    for size in [65_536, 4_096, 1] {
        while file.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
    }
}

/// Writes until the disk is full; gives what was acknowledged. Each refusal must be the plain one.
fn write_until_refused(home: &Home, prefix: &str, filler: &Path) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    for number in 0..200 {
        fill_up(filler);
        let text = format!("{prefix} {number} {}", "x".repeat(4_096));
        let answer = home.muster(&["say", &text, "--json"]);
        if answer.code != 0 {
            answer.refused(&["is full, nothing was written", "free some space"]);
            return acknowledged;
        }
        acknowledged.insert(text);
    }
    panic!("200 entries were written on a full disk");
}

#[test]
fn on_a_full_disk_writing_is_refused_reading_goes_on_and_freeing_space_is_enough() {
    let place = tempfile::tempdir().unwrap();
    let mounted = Mounted::memory(&place.path().join("small"), 40);
    let test = "on_a_full_disk_writing_is_refused_reading_goes_on_and_freeing_space_is_enough";
    let Some(mounted) = or_skip(test, mounted) else { return };
    let disk = place.path().join("small");
    let home = Home::at(&disk.join("alice"), "alice");
    let filler = disk.join("filler");
    home.write(&["declare", "Checkout is down"]);

    let mut acknowledged = write_until_refused(&home, "alone", &filler);
    assert!(acknowledged.is_subset(&texts(&home)));
    home.verified();
    fs::remove_file(&filler).unwrap();
    home.write(&["say", "there is room"]);

    let node = home.up();
    home.write(&["say", "through the node"]);
    acknowledged.extend(write_until_refused(&home, "node", &filler));
    until("reading goes on", || (home.muster(&["timeline", "--json"]).code == 0).then_some(()));
    assert!(acknowledged.is_subset(&texts(&home)));
    fs::remove_file(&filler).unwrap();
    until("there is room again", || (home.muster(&["say", "and room again"]).code == 0).then_some(()));
    assert_eq!(node.terminate().code(), Some(0));

    fill_up(&filler);
    let node = home.up();
    assert!(acknowledged.is_subset(&texts(&home)), "a node starts on a full disk, and reads");
    drop(node);
    fs::remove_file(&filler).unwrap();
    home.verified();
    drop(mounted);
}

#[test]
fn what_is_refused_for_want_of_room_leaves_the_links_alone() {
    let place = tempfile::tempdir().unwrap();
    let test = "what_is_refused_for_want_of_room_leaves_the_links_alone";
    let disk = place.path().join("small");
    let Some(mounted) = or_skip(test, Mounted::memory(&disk, 40)) else { return };
    let (home, bob) = (Home::at(&disk.join("alice"), "alice"), Home::new("bob"));
    home.write(&["declare", "Checkout is down"]);
    let nodes = [home.up(), bob.up()];
    home.lets_in(&bob);
    until("they are connected", || (home.json(&["peers"])[0]["missing_there"] == 0).then_some(()));
    let log = || fs::read_to_string(home.path().with_extension("stderr")).unwrap();
    let connections = |log: &str| log.matches("muster_node::node: connected").count();
    let before = connections(&log());
    assert!(before > 0, "the log tells of links");

    let filler = disk.join("filler");
    fill_up(&filler);
    for _ in 0..5 {
        home.muster(&["say", "no room"]).refused(&["is full, nothing was written", "free some space"]);
        home.muster(&["invite"]).refused(&["is full"]);
    }
    // The other has something to give meanwhile, more than once.
    for number in 0..3 {
        bob.write(&["say", &format!("nobody can keep {number} {}", "x".repeat(4_096))]);
    }
    until("it was put off", || log().contains("the disk is full: what peers send is not kept").then_some(()));
    let peer = &home.json(&["peers"])[0];
    assert_eq!(peer["connected"], true, "{peer}");
    fs::remove_file(&filler).unwrap();
    until("it came when there was room", || home.timeline().contains("nobody can keep 2").then_some(()));
    home.write(&["say", "there is room again"]);
    until("the other has it", || bob.timeline().contains("there is room again").then_some(()));
    let told = log();
    assert_eq!((connections(&told), told.contains("the store failed")), (before, false), "{told}");
    drop(nodes);
    drop(mounted);
}

#[test]
fn a_home_whose_path_is_too_long_for_a_socket_has_no_node_and_all_the_rest() {
    let place = tempfile::tempdir().unwrap();
    let home = Home::at(&place.path().join("long".repeat(30)), "alice");
    home.muster(&["up", "--json"]).refused(&["the path of the control socket has", "--home DIR"]);
    let incident = home.write(&["declare", "Checkout is down"]);
    assert_eq!(ids_of(&serde_json::from_str(&home.timeline()).unwrap()), [incident]);
    home.muster(&["down"]).with_code(0).says(&["no node was running"]);
}

/// Every file under a directory with its bytes.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for item in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if item.file_type().unwrap().is_dir() {
            found.extend(contents(&item.path()));
        } else {
            found.insert(item.path().display().to_string(), fs::read(item.path()).unwrap());
        }
    }
    found
}

#[test]
fn a_store_of_a_newer_format_is_refused_and_left_as_it_is() {
    let home = Home::new("alice");
    home.write(&["declare", "Checkout is down"]);
    let format = home.path().join("store/format");
    fs::write(&format, "muster-store 9\n").unwrap();
    let before = contents(&home.path().join("store"));
    for command in [&["timeline"][..], &["say", "no"], &["up", "--json"], &["verify"]] {
        home.muster(command).refused(&["has store format 9, this muster knows up to 3", "newer muster"]);
    }
    assert!(contents(&home.path().join("store")) == before, "nothing was touched");
}

#[test]
fn a_home_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new("alice");
    home.write(&["declare", "Checkout is down"]);
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    home.muster(&["timeline"]).refused(&["other users can write to", "chmod go-w"]);
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(home.path().join("device.key"), fs::Permissions::from_mode(0o644)).unwrap();
    home.muster(&["timeline"]).refused(&["device.key", "chmod"]);
}

#[test]
fn at_level_debug_the_log_holds_no_typed_text_no_ticket_and_no_key() {
    let marker = "xyzzy-plugh";
    let debug = ["--log", "debug"];
    let (alice, bob) = (Home::new("alice"), Home::new("bob"));
    let nodes = [&alice, &bob].map(|home| home.up_with(&[&["--listen", "/ip4/127.0.0.1/tcp/0"], &debug[..]].concat()));
    let mut told = String::new();
    let mut type_in = |home: &Home, words: &[&str]| {
        let answer = home.muster(&[words, &debug].concat()).with_code(0);
        told.push_str(&answer.stderr);
        answer
    };
    let ticket = alice.ticket();
    type_in(&bob, &["join", &ticket]);
    type_in(&alice, &["declare", &format!("title {marker}")]);
    type_in(&alice, &["say", &format!("note {marker}"), "--who", marker]);
    type_in(&alice, &["will", marker, "--on", marker]);
    until("the other has it", || {
        bob.muster(&["timeline", "--json"]).stdout.contains(&format!("note {marker}")).then_some(())
    });
    bob.muster(&["say", &format!("refused {marker}"), "-i", "ffffffff", "--log", "debug"]).with_code(1);
    let [first, second] = nodes;
    first.terminate();
    type_in(&alice, &["say", &format!("without a node {marker}")]);
    second.terminate();

    for home in [&alice, &bob] {
        let log = fs::read_to_string(home.path().join("muster.log")).unwrap();
        let stderr = fs::read_to_string(home.path().with_extension("stderr")).unwrap();
        assert!(log.contains("DEBUG") && stderr.contains("DEBUG"), "the level was debug");
        told.push_str(&log);
        told.push_str(&stderr);
    }
    let key = fs::read_to_string(alice.path().join("device.key")).unwrap();
    let mut secrets: Vec<&str> = key.lines().filter(|line| !line.starts_with("-----")).collect();
    secrets.extend([marker, &ticket, &ticket["muster1".len()..][..24], &ticket[ticket.len() - 24..]]);
    for secret in secrets {
        let line = told.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "the log holds `{secret}`");
    }
}

#[test]
fn connections_that_say_nothing_keep_nobody_out() {
    let home = Home::new("alice");
    let _node = home.up();
    let silent: Vec<_> =
        (0..64).map(|_| std::os::unix::net::UnixStream::connect(home.path().join("node.sock")).unwrap()).collect();
    home.muster(&["status"]).with_code(0);
    drop(silent);
}
