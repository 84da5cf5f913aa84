//! Incidents carried by hand: homes that share no link, files that were cut off or damaged, a reader that is killed.
//!
//! What damage does to the bytes is tested in `muster-sync`, who may have what in `muster-replica`.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::privilege::{Island, or_skip};
use muster_tests::{Home, ids_of, until};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Two who have met once, and a stick.
struct Pair {
    alice: Home,
    bob: Home,
    stick: tempfile::TempDir,
}

impl Pair {
    #[track_caller]
    fn met() -> Self {
        let (alice, bob) = (Home::new("alice"), Home::new("bob"));
        let node = alice.up();
        alice.lets_in(&bob);
        node.terminate();
        Self { alice, bob, stick: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.stick.path().join(name)
    }
}

fn write(home: &Home, file: &Path, more: &[&str]) -> Value {
    home.json(&[&["bundle", "write", file.to_str().unwrap()], more].concat())
}

fn read(home: &Home, file: &Path, more: &[&str]) -> Value {
    home.json(&[&["bundle", "read", file.to_str().unwrap()], more].concat())
}

/// What a read that complains answers.
#[track_caller]
fn read_badly(home: &Home, file: &Path) -> Value {
    home.muster(&["bundle", "read", file.to_str().unwrap(), "--json"]).with_code(1).json()
}

fn count(home: &Home) -> usize {
    ids_of(&serde_json::from_str(&home.timeline()).unwrap()).len()
}

#[test]
fn two_homes_that_never_link_are_equal_after_a_bundle_and_its_reply() {
    let pair = Pair::met();
    let Pair { alice, bob, .. } = &pair;
    let (out, back) = (pair.file("out.bundle"), pair.file("back.bundle"));
    alice.write(&["declare", "Checkout is down"]);
    let written = write(alice, &out, &[]);
    assert_eq!((&written["kind"], &written["incidents"]), (&json!("full"), &json!(1)));
    assert_eq!(read(bob, &out, &[])["whole"], true);
    alice.write(&["saw", "5xx at alice's"]);
    bob.write(&["saw", "queue is long at bob's"]);
    bob.write(&["role", "claim", "ic"]);

    write(alice, &out, &["--force"]);
    let told = read(bob, &out, &["--reply", back.to_str().unwrap()]);
    assert_eq!(
        (&told["new"], &told["person"], &told["receipts"]),
        (&json!(1), &json!("alice"), &json!(true)),
        "{told}"
    );
    assert_eq!(told["reply"]["entries"], 2, "exactly what alice lacks: {told}");
    assert_eq!(told["reply"]["reader"], "alice");
    let told = read(alice, &back, &[]);
    assert_eq!((&told["new"], &told["known"], &told["kind"]), (&json!(2), &json!(0), &json!("reply")), "{told}");
    assert_eq!(alice.timeline(), bob.timeline());
    assert_eq!(count(alice), 4);

    let nothing = read(bob, &out, &["--reply", back.to_str().unwrap(), "--force"]);
    assert_eq!((&nothing["new"], &nothing["reply"]["entries"]), (&json!(0), &json!(2)), "{nothing}");
    write(alice, &out, &["--force"]);
    let nothing = read(bob, &out, &["--reply", back.to_str().unwrap(), "--force"]);
    assert_eq!((&nothing["new"], &nothing["reply"]["entries"]), (&json!(0), &json!(0)), "{nothing}");
    for home in [alice, bob] {
        home.verified();
    }
}

#[test]
fn running_nodes_read_and_write_bundles_too_and_count_what_is_signed_as_held() {
    let pair = Pair::met();
    let Pair { alice, bob, .. } = &pair;
    let (out, back) = (pair.file("out.bundle"), pair.file("back.bundle"));
    let entry = alice.write(&["declare", "Checkout is down"]);
    let _nodes = [alice.up(), bob.up()];
    alice.json(&["net", "cut"]);
    bob.json(&["net", "cut"]);
    write(alice, &out, &[]);
    read(bob, &out, &["--reply", back.to_str().unwrap()]);
    assert_eq!(alice.timeline(), bob.timeline());
    read(alice, &back, &[]);
    let held = alice.json(&["whohas", &entry]);
    assert_eq!((held["only_here"].clone(), held["holders"].as_array().unwrap().len()), (json!(false), 2), "{held}");
}

#[test]
fn since_an_earlier_bundle_only_what_came_after_is_written() {
    let pair = Pair::met();
    let Pair { alice, bob, .. } = &pair;
    let (first, second) = (pair.file("first.bundle"), pair.file("second.bundle"));
    alice.write(&["declare", "Checkout is down"]);
    write(alice, &first, &[]);
    let new = alice.write(&["saw", "5xx"]);
    let written = write(alice, &second, &["--since", first.to_str().unwrap()]);
    assert_eq!((&written["entries"], &written["kind"]), (&json!(1), &json!("since")));
    let told = read(bob, &second, &[]);
    assert_eq!((&told["new"], &told["pending"]), (&json!(0), &json!(1)), "it builds on what is not here: {told}");
    assert_eq!(told["waiting_for"].as_array().unwrap().len(), 1);
    read(bob, &first, &[]);
    read(bob, &second, &[]);
    assert_eq!(alice.timeline(), bob.timeline());
    assert!(bob.timeline().contains(&new));
}

#[test]
fn a_private_incident_leaves_only_in_a_bundle_for_one_of_its_persons() {
    let pair = Pair::met();
    let Pair { alice, bob, .. } = &pair;
    let file = pair.file("out.bundle");
    let secret = alice.write(&["declare", "Who leaked it", "--private", "bob"]);
    let open = alice.write(&["declare", "Checkout is down"]);
    let told = write(alice, &file, &[]);
    assert_eq!((&told["left_out"], &told["incidents"]), (&json!(1), &json!(1)));
    read(bob, &file, &[]);
    assert_eq!(bob.json(&["status"])["incidents"].as_array().unwrap().len(), 1);
    let typed = ["bundle", "write", file.to_str().unwrap(), "--force", "-i", &secret];
    alice.muster(&typed).refused(&["is private", "--for NAME"]);
    let told = write(alice, &file, &["--force", "--for", "bob", "-i", &secret]);
    assert_eq!((&told["left_out"], &told["reader"]), (&json!(0), &json!("bob")));
    alice.muster(&["bundle", "read", file.to_str().unwrap()]).refused(&["for bob alone"]);
    read(bob, &file, &[]);
    let same = |incident: &str| {
        let [here, there] = [alice, bob].map(|home| home.muster(&["timeline", "--json", "-i", incident]).stdout);
        here == there && here.starts_with('[')
    };
    assert!(same(&secret) && same(&open));
}

#[test]
fn a_bundle_of_another_team_or_no_bundle_at_all_is_refused_with_a_way_out() {
    let pair = Pair::met();
    let file = pair.file("out.bundle");
    pair.alice.write(&["declare", "Checkout is down"]);
    write(&pair.alice, &file, &[]);
    let mallory = Home::new("mallory");
    mallory.write(&["declare", "Something else"]);
    let before = mallory.timeline();
    mallory.muster(&["bundle", "read", file.to_str().unwrap()]).refused(&["not on this device", "join first"]);
    let headless = pair.file("headless.bundle");
    let mut bytes = fs::read(&file).unwrap();
    bytes[40] ^= 1;
    fs::write(&headless, &bytes).unwrap();
    mallory.muster(&["bundle", "read", headless.to_str().unwrap()]).refused(&["not on this device", "join first"]);
    assert_eq!(mallory.timeline(), before);
    fs::write(&file, b"not a bundle").unwrap();
    mallory.muster(&["bundle", "read", file.to_str().unwrap()]).refused(&["no bundle"]);
    fs::write(&file, b"muster/bundle/9\n").unwrap();
    mallory.muster(&["bundle", "read", file.to_str().unwrap()]).refused(&["another version"]);
    mallory.muster(&["bundle", "read", "/nowhere/x"]).refused(&["cannot read"]);
}

#[test]
fn a_damaged_or_cut_off_file_gives_what_is_whole_and_a_good_copy_the_rest() {
    let pair = Pair::met();
    let Pair { alice, bob, .. } = &pair;
    let (good, bad) = (pair.file("good.bundle"), pair.file("bad.bundle"));
    let first = alice.write(&["declare", "Checkout is down"]);
    alice.write(&["declare", "Mail is slow"]);
    write(alice, &good, &[]);
    let bytes = fs::read(&good).unwrap();
    // The last chunk ends before the trailer's record of less than a hundred bytes.
    let mut flipped = bytes.clone();
    flipped[bytes.len() - 120] ^= 1;
    fs::write(&bad, &flipped).unwrap();
    let told = read_badly(bob, &bad);
    assert_eq!(
        (&told["damaged"], &told["cut_off"], &told["whole"]),
        (&json!(1), &json!(false), &json!(false)),
        "{told}"
    );
    assert_eq!(bob.json(&["status"])["incidents"].as_array().unwrap().len(), 1, "the other incident is there");
    fs::write(&bad, &bytes[..bytes.len() - 1]).unwrap();
    let told = read_badly(bob, &bad);
    assert_eq!((&told["cut_off"], &told["new"]), (&json!(true), &json!(1)), "all chunks, without the end: {told}");
    fs::write(&bad, [&bytes[..], b"rubbish"].concat()).unwrap();
    assert_eq!(read_badly(bob, &bad)["stray_bytes"], 7);
    let told = read(bob, &good, &[]);
    assert_eq!((&told["new"], &told["whole"]), (&json!(0), &json!(true)), "{told}");
    assert_eq!(bob.json(&["status"])["incidents"].as_array().unwrap().len(), 2);
    let human = bob.muster(&["bundle", "read", bad.to_str().unwrap()]).with_code(1);
    assert!(human.stdout.contains("NOT WHOLE") && human.stdout.contains("read a good copy"), "{}", human.stdout);
    assert!(bob.json(&["whohas", &first])["holders"].is_array());
}

#[test]
fn a_file_is_the_owners_is_not_overwritten_by_chance_and_goes_through_pipes() {
    let pair = Pair::met();
    let Pair { alice, bob, .. } = &pair;
    let file = pair.file("out.bundle");
    alice.write(&["declare", "Checkout is down"]);
    write(alice, &file, &[]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&file).unwrap();
    alice.muster(&["bundle", "write", file.to_str().unwrap()]).refused(&["is there already", "--force"]);
    bob.muster(&["bundle", "read", file.to_str().unwrap(), "--reply", file.to_str().unwrap()])
        .refused(&["is there already"]);
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(fs::read_dir(pair.stick.path()).unwrap().count(), 1, "nothing else is left there");
    let mut write = alice.command(&["bundle", "write", "-"]);
    let mut write = write.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut read = bob.command(&["bundle", "read", "-", "--json"]);
    let read = read.stdin(write.stdout.take().unwrap()).output().unwrap();
    assert_eq!((write.wait().unwrap().code(), read.status.code()), (Some(0), Some(0)));
    let told: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!(told["whole"], true, "{told}");
    assert_eq!(alice.timeline(), bob.timeline());
}

#[test]
fn a_reader_and_a_node_killed_in_the_middle_of_a_bundle_lose_nothing_and_take_nothing_twice() {
    let pair = Pair::met();
    let Pair { alice, bob, .. } = &pair;
    let (file, batch) = (pair.file("out.bundle"), pair.file("batch.jsonl"));
    alice.write(&["declare", "Checkout is down"]);
    let lines: String =
        (0..6_000).map(|line| format!("{{\"text\":\"line {line}, and what was seen there\"}}\n")).collect();
    fs::write(&batch, lines).unwrap();
    alice.muster(&["say", "--batch", batch.to_str().unwrap()]).with_code(0);
    let written = write(alice, &file, &[]);
    assert!(written["chunks"].as_u64().unwrap() >= 3, "{written}");
    let bytes = fs::read(&file).unwrap();

    let node = bob.up();
    let mut reader = bob.command(&["bundle", "read", "-"]);
    let mut reader = reader.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut pipe = reader.stdin.take().unwrap();
    // All but the last byte of the last chunk and the end: the reader waits for it.
    pipe.write_all(&bytes[..bytes.len() - 200]).unwrap();
    pipe.flush().unwrap();
    let some = until("a chunk is in", || Some(count(bob)).filter(|entries| *entries > 0));
    reader.kill().unwrap();
    reader.wait().unwrap();
    node.kill();
    assert!(count(bob) >= some, "what was in is durable");
    assert!(count(bob) < 6_001, "the kill came before the end");
    let told = read(bob, &file, &[]);
    assert_eq!(told["pending"], 0);
    assert_eq!(told["new"].as_u64().unwrap() + told["known"].as_u64().unwrap(), written["entries"].as_u64().unwrap());
    assert_eq!(alice.timeline(), bob.timeline());
    assert_eq!(bob.verified(), alice.verified());
    let again = read(bob, &file, &[]);
    assert_eq!((&again["new"], &again["known"]), (&json!(0), &written["entries"]));
}

#[test]
fn two_network_namespaces_that_share_no_link_exchange_an_incident_by_file() {
    let test = "two_network_namespaces_that_share_no_link_exchange_an_incident_by_file";
    let Some((here, there)) = or_skip(test, Island::new().and_then(|here| Ok((here, Island::new()?)))) else { return };
    let Pair { alice, bob, stick } = Pair::met();
    let (alice, bob) = (alice.in_network(here.space()), bob.in_network(there.space()));
    let _nodes = [alice.up(), bob.up()];
    alice.write(&["declare", "The site is cut off"]);
    let (out, back) = (stick.path().join("out.bundle"), stick.path().join("back.bundle"));
    write(&alice, &out, &[]);
    read(&bob, &out, &[]);
    bob.write(&["saw", "the generator runs"]);
    alice.write(&["need", "diesel"]);
    assert_eq!(alice.json(&["peers"])[0]["connected"], false, "nothing but the file goes between them");
    write(&alice, &out, &["--force"]);
    let told = read(&bob, &out, &["--reply", back.to_str().unwrap()]);
    assert_eq!(told["reply"]["entries"], 1, "{told}");
    read(&alice, &back, &[]);
    assert_eq!(alice.timeline(), bob.timeline());
    assert_eq!(count(&alice), 3);
    assert!(File::open(&out).is_ok());
}

#[test]
fn what_a_killed_export_left_in_a_directory_goes_with_the_next_one_into_it() {
    let (alice, dir) = (Home::new("alice"), tempfile::tempdir().unwrap());
    alice.write(&["declare", "Checkout is down"]);
    let place = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    for (command, file) in [(["export", "audit"], "a.audit"), (["bundle", "write"], "a.bundle")] {
        let left = place(".muster-bundle-x1Y2z3");
        fs::write(&left, "half").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(place(".muster-bundle-notes"), "mine").unwrap();
        alice.muster(&[command[0], command[1], &place(file)]).with_code(0);
        let left = Path::new(&left).exists();
        assert!(!left && Path::new(&place(".muster-bundle-notes")).exists(), "{command:?}");
    }
}
