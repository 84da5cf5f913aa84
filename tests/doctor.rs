//! `muster doctor`: each check made to fail on purpose, with and without a node; and that it only looks.
//!
//! Clocks that differ are tested beside the check itself, in `muster-node`: two processes of one machine share theirs.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::privilege::{Mounted, or_skip};
use muster_tests::{Home, until};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

fn with_incident() -> Home {
    let home = Home::new("alice");
    home.write(&["declare", "Checkout is down"]);
    home
}

/// The report; the exit code must fit its verdict.
#[track_caller]
fn report(home: &Home) -> Value {
    let answer = home.muster(&["doctor", "--json"]);
    let report = answer.json();
    let checks = report["checks"].as_array().unwrap();
    let states: BTreeSet<&str> = checks.iter().map(|check| check["state"].as_str().unwrap()).collect();
    let worst = ["bad", "warn", "ok"].into_iter().find(|state| states.contains(state)).unwrap();
    assert_eq!(report["verdict"], worst, "{report}");
    assert_eq!(answer.code, i32::from(worst == "bad"), "{report}");
    for check in checks {
        assert!(check["state"] == "ok" || check["next"].is_string(), "what to do next: {check}");
    }
    report
}

/// One check of the report, if it is in this state and says these words.
#[track_caller]
fn check(home: &Home, name: &str, state: &str, words: &[&str]) -> Value {
    let report = report(home);
    let found = report["checks"].as_array().unwrap().iter().find(|check| check["check"] == name);
    let found = found.unwrap_or_else(|| panic!("no check `{name}`: {report}"));
    assert_eq!(found["state"], state, "{found}");
    let said = format!("{} {}", found["text"], found["next"]);
    for word in words {
        assert!(said.contains(word), "`{word}` is in {said}");
    }
    found.clone()
}

fn names(report: &Value) -> Vec<&str> {
    report["checks"].as_array().unwrap().iter().map(|check| check["check"].as_str().unwrap()).collect()
}

/// Every file below with its mode, time of change and bytes.
fn contents(dir: &Path) -> BTreeMap<String, (u32, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for item in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let about = item.metadata().unwrap();
        if about.is_dir() {
            found.extend(contents(&item.path()));
        } else if about.is_file() {
            let bytes = fs::read(item.path()).unwrap();
            found.insert(item.path().display().to_string(), (about.mode(), about.mtime_nsec(), bytes));
        }
    }
    found
}

#[test]
fn a_fresh_home_is_told_how_to_begin_and_is_not_made() {
    let home = Home::new("alice");
    let found = check(&home, "home", "warn", &["muster declare", "muster join"]);
    assert_eq!(found["detail"]["path"], json!(home.path()));
    assert_eq!(names(&report(&home)), ["home"]);
    assert!(!home.path().exists());
    home.muster(&["doctor"]).with_code(0);
    fs::create_dir(home.path()).unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(names(&report(&home)), ["home", "key", "disk", "store"]);
    check(&home, "store", "warn", &["nothing has been logged", "muster join"]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn the_report_has_the_fields_that_are_promised_and_changes_nothing_in_the_home() {
    let home = with_incident();
    let before = contents(home.path());
    let told = report(&home);
    assert_eq!((&told["verdict"], &told["node"]), (&json!("warn"), &json!(false)));
    let promised = ["home", "key", "disk", "reserve", "store", "node", "team", "tickets", "peers", "clock", "copies"];
    assert_eq!(names(&told), promised);
    for check in told["checks"].as_array().unwrap() {
        let keys: Vec<&String> = check.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["check", "detail", "next", "state", "text"]);
    }
    let shown = home.muster(&["doctor"]).with_code(0);
    assert!(shown.stdout.contains("ok    store     whole, 2 entries"), "{}", shown.stdout);
    assert!(shown.stdout.lines().all(|line| line.chars().count() <= 80), "{}", shown.stdout);
    home.muster(&["doctor", "--log", "trace"]).with_code(0);
    assert!(contents(home.path()) == before, "nothing was touched");
    assert_eq!(told["device"], home.json(&["status"])["device"]);
}

#[test]
fn a_home_that_others_can_write_to_is_bad() {
    let home = with_incident();
    fs::set_permissions(home.path(), Permissions::from_mode(0o770)).unwrap();
    check(&home, "home", "bad", &["other users can write to", "chmod go-w"]);
}

#[test]
fn a_key_that_is_open_to_others_a_link_a_pipe_broken_missing_or_another_devices_is_bad() {
    let home = with_incident();
    let key = home.path().join("device.key");
    let spare = home.path().join("spare");
    check(&home, "key", "ok", &["ed25519", "the one this store belongs to"]);
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    let found = check(&home, "key", "bad", &["other users have access", "mode 0640", "chmod 600"]);
    assert_eq!(found["detail"]["mode"], "0640");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();

    fs::rename(&key, &spare).unwrap();
    check(&home, "key", "bad", &["is missing", "put it back from a backup"]);
    symlink(&spare, &key).unwrap();
    check(&home, "key", "bad", &["symbolic link"]);
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    check(&home, "key", "bad", &["not a regular file"]);
    fs::remove_dir(&key).unwrap();
    fs::write(&key, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n").unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    check(&home, "key", "bad", &["damaged", "restore it from a backup"]);
    // Without the key the store is still judged.
    check(&home, "store", "ok", &["whole, 2 entries"]);

    fs::copy(with_incident().path().join("device.key"), &key).unwrap();
    check(&home, "key", "bad", &["another device's key"]);
    check(&home, "team", "bad", &["no member"]);
    fs::rename(&spare, &key).unwrap();
    check(&home, "key", "ok", &[]);
}

#[test]
fn a_key_exchanged_under_a_running_node_is_bad() {
    let home = with_incident();
    let _node = home.up();
    fs::copy(with_incident().path().join("device.key"), home.path().join("device.key")).unwrap();
    check(&home, "key", "bad", &["exchanged under the running node"]);
}

#[test]
fn a_torn_tail_is_told_damage_and_a_newer_store_are_bad() {
    let home = with_incident();
    // The last commit may be torn; damage is what lies before it.
    home.write(&["say", "a commit behind it"]);
    let journal = home.path().join("store/journal/00000001.log");
    let whole = fs::read(&journal).unwrap();
    fs::OpenOptions::new().append(true).open(&journal).unwrap().write_all(&[7; 30]).unwrap();
    let found = check(&home, "store", "warn", &["30 bytes", "should they be of something that was acknowledged"]);
    assert_eq!(found["detail"]["torn_bytes"], 30);
    let mut damaged = whole.clone();
    damaged[200] ^= 1;
    fs::write(&journal, &damaged).unwrap();
    check(&home, "store", "bad", &["is damaged at offset 64", "muster repair"]);
    fs::write(&journal, &whole).unwrap();
    check(&home, "store", "ok", &[]);

    fs::create_dir(home.path().join("store/quarantine-1")).unwrap();
    check(&home, "store", "warn", &["quarantine"]);
    let format = home.path().join("store/format");
    fs::write(&format, "muster-store 9\n").unwrap();
    check(&home, "store", "bad", &["store format 9", "newer muster"]);
}

#[test]
fn an_index_that_was_damaged_is_told_by_the_node_that_built_it_again() {
    let home = with_incident();
    let index = home.path().join("store/index");
    fs::remove_dir_all(&index).unwrap();
    fs::write(&index, "no index").unwrap();
    let _node = home.up();
    check(&home, "store", "warn", &["index was damaged", "built again", "quarantine"]);
}

#[test]
fn a_reserve_that_is_missing_or_holds_no_room_is_told() {
    let home = with_incident();
    let reserve = home.path().join("store/reserve");
    check(&home, "reserve", "ok", &["16 MiB"]);
    let bytes = fs::metadata(&reserve).unwrap().len();
    fs::remove_file(&reserve).unwrap();
    check(&home, "reserve", "warn", &["missing"]);
    fs::File::create(&reserve).unwrap().set_len(bytes).unwrap();
    let found = check(&home, "reserve", "warn", &["holds no room", "rm "]);
    assert_eq!(found["detail"]["bytes_kept"], 0);
}

#[test]
fn a_full_disk_and_a_read_only_home_are_bad() {
    let test = "a_full_disk_and_a_read_only_home_are_bad";
    let place = tempfile::tempdir().unwrap();
    let disk = place.path().join("small");
    let Some(_mounted) = or_skip(test, Mounted::memory(&disk, 40)) else { return };
    let home = Home::at(&disk.join("alice"), "alice");
    home.write(&["declare", "Checkout is down"]);
    let found = check(&home, "disk", "warn", &["MiB free, which is little"]);
    assert_eq!(found["detail"]["writes_refused"], false);
    let mut filler = fs::File::create(disk.join("filler")).unwrap();
    for size in [65_536, 4_096, 1] {
        while filler.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
    }
    let found = check(&home, "disk", "bad", &["writing is refused", "free some space"]);
    assert_eq!(found["detail"]["writes_refused"], true);

    let Some(_frozen) = or_skip(test, Mounted::read_only(home.path(), &place.path().join("ro"))) else { return };
    check(&Home::at(&place.path().join("ro"), "alice"), "disk", "bad", &["read-only", "--home DIR"]);
}

#[test]
fn a_node_that_does_not_answer_is_bad() {
    let home = with_incident();
    let socket = UnixListener::bind(home.path().join("node.sock")).unwrap();
    let deaf = std::thread::spawn(move || drop(socket.accept()));
    check(&home, "node", "bad", &["does not answer", "muster down"]);
    deaf.join().unwrap();
}

#[test]
fn two_connected_nodes_are_ready_and_what_is_written_while_apart_is_only_here() {
    let (alice, bob) = (with_incident(), Home::new("bob"));
    check(&alice, "copies", "warn", &["2 entries would be lost", "muster invite"]);
    check(&alice, "team", "warn", &["only member", "muster invite"]);
    let nodes = [alice.up(), bob.up()];
    check(&alice, "node", "warn", &["this machine alone"]);
    alice.ticket();
    assert_eq!(check(&alice, "tickets", "ok", &["1 is open"])["detail"]["open"], 1);
    alice.lets_in(&bob);
    until("everything is on both", || (state(&alice, "copies") == "ok" && state(&bob, "peers") == "ok").then_some(()));
    let found = check(&alice, "peers", "ok", &["1 of 1 device reached", "bob direct"]);
    assert_eq!(found["detail"]["peers"][0]["path"], "direct");
    check(&alice, "clock", "ok", &["of the other"]);
    check(&alice, "team", "ok", &["2 members with 2 devices", "admin"]);

    alice.json(&["net", "cut"]);
    alice.write(&["say", "while apart"]);
    let found = check(&alice, "copies", "warn", &["1 entry would be lost"]);
    assert_eq!(found["detail"]["only_here"], 1);
    until("the link is gone", || (state(&alice, "peers") == "warn").then_some(()));
    check(&alice, "peers", "warn", &["the links to everybody are cut", "net heal", "bob not reached"]);
    alice.json(&["net", "heal"]);
    until("the other has it", || (state(&alice, "copies") == "ok").then_some(()));

    let [first, second] = nodes;
    first.terminate();
    second.terminate();
    alice.write(&["say", "without a node"]);
    check(&alice, "node", "warn", &["no node is running", "muster up"]);
    let found = check(&alice, "copies", "warn", &["unknown", "no node is running here"]);
    assert_eq!(found["detail"]["devices_silent"], 1);
    check(&alice, "clock", "warn", &["nobody to compare with"]);
}

/// The state of one check.
fn state(home: &Home, name: &str) -> String {
    let report = report(home);
    let found = report["checks"].as_array().unwrap().iter().find(|check| check["check"] == name).cloned();
    found.map_or_else(String::new, |check| check["state"].as_str().unwrap().to_owned())
}

#[test]
fn names_that_look_alike_are_told() {
    let (alice, other) = (with_incident(), Home::new("\u{410}lice"));
    let _node = alice.up();
    alice.lets_in(&other);
    let found = check(&alice, "names", "warn", &["alice", "\u{410}lice", "muster team show"]);
    assert_eq!(found["detail"]["alike"].as_array().unwrap().len(), 2);
}

#[test]
fn the_key_of_a_device_that_was_removed_is_not_called_anothers() {
    let (home, bob) = (with_incident(), Home::new("bob"));
    let _node = home.up();
    home.lets_in(&bob);
    home.json(&["team", "set", "bob", "admin", "--yes"]);
    home.json(&["team", "revoke", "alice", "--retired", "--yes"]);
    check(&home, "team", "bad", &["this device was removed", "muster join TICKET"]);
    check(&home, "key", "ok", &["the one this store belongs to"]);
}

#[test]
fn entries_of_a_team_of_one_count_as_only_here_unless_they_went_along() {
    let (alice, bob) = (with_incident(), Home::new("bob"));
    bob.write(&["declare", "Search is slow"]);
    let nodes = [alice.up(), bob.up()];
    alice.lets_in(&bob);
    until("what bob declared alone is at alice's too", || (state(&bob, "copies") == "ok").then_some(()));
    bob.json(&["team", "create", "own"]);
    bob.write(&["declare", "Mail is slow"]);
    let found = check(&bob, "copies", "warn", &["2 entries of a team in which nobody else is would be lost"]);
    assert_eq!(found["detail"]["alone"], 2, "{found}");
    // It is counted whichever team is current.
    let shared = bob.json(&["team", "list"]);
    let shared = shared.as_array().unwrap().iter().find(|team| team["members"].as_array().unwrap().len() == 2).unwrap();
    bob.json(&["team", "use", shared["team"].as_str().unwrap()]);
    let found = check(&bob, "copies", "warn", &["2 entries of a team in which nobody else is would be lost"]);
    assert_eq!((&found["detail"]["alone"], &found["detail"]["devices"]), (&json!(2), &json!(1)), "{found}");
    drop(nodes);
}
