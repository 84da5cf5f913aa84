//! Who is in the team, decided through the program: a stolen laptop, a lost admin, another device, two by one ticket.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, Node, until};
use serde_json::{Value, json};

fn member(home: &Home, name: &str) -> Option<Value> {
    let team = home.json(&["team", "show"]);
    team["members"].as_array().unwrap().iter().find(|member| member["person"] == name).cloned()
}

/// The row of the timeline with this text.
fn line(home: &Home, text: &str) -> Option<Value> {
    let timeline = home.json(&["timeline"]);
    timeline.as_array().unwrap().iter().find(|line| line["text"] == text).cloned()
}

/// Alice's and bob's homes with their nodes, an incident, and a line of bob's from before and after his laptop was stolen.
struct Theft {
    alice: Home,
    bob: Home,
    _nodes: [Node; 2],
    /// When, as `--until` takes it.
    at: String,
}

impl Theft {
    fn new() -> Self {
        let (alice, bob) = (Home::new("alice"), Home::new("bob"));
        alice.write(&["declare", "Checkout is down"]);
        let node = alice.up();
        alice.lets_in(&bob);
        let stolen = bob.up();
        until("the incident to come to bob", || line(&bob, "Checkout is down"));
        bob.write(&["say", "restarting db-1"]);
        until("what bob said", || line(&alice, "restarting db-1"));
        let at = format!("{:.3}", jiff::Timestamp::now());
        bob.write(&["say", "nothing to see here"]);
        until("what the thief said", || line(&alice, "nothing to see here"));
        Self { alice, bob, _nodes: [node, stolen], at }
    }
}

#[test]
fn a_stolen_laptop_is_out_and_what_came_after_the_theft_counts_no_more() {
    let Theft { alice, bob, at: theft, _nodes } = Theft::new();
    alice.muster(&["team", "revoke", "bob"]).with_code(2);
    alice.muster(&["team", "revoke", "bob", "--stolen"]).refused(&["--dry-run", "--yes"]);
    let order = ["team", "revoke", "bob", "--stolen", "--until", &theft];
    let outlook = alice.json(&[&order[..], &["--dry-run"]].concat());
    assert_eq!((&outlook["signed"], &outlook["counts"]), (&json!(false), &json!(true)), "{outlook}");
    assert_eq!(outlook["gone"], json!(["bob"]));
    assert_eq!(outlook["changed_count"], 1, "{outlook}");
    assert!(member(&alice, "bob").is_some(), "a dry run signs nothing");
    let shown = alice.muster(&[&order[..], &["--dry-run"]].concat()).with_code(0).stdout;
    assert!(shown.contains("active becomes revoked") && shown.contains("bob, note"), "{shown}");

    let done = alice.json(&[&order[..], &["--yes"]].concat());
    assert_eq!(done["signed"], true);
    assert!(member(&alice, "bob").is_none());
    let revoked = line(&alice, "nothing to see here").unwrap();
    assert_eq!(revoked["status"], "revoked");
    let [why] = revoked["why"].as_array().unwrap().as_slice() else { panic!("{revoked}") };
    assert_eq!((&why["by"], &why["of"], &why["what"]), (&json!("alice"), &json!(["bob"]), &json!("stolen")));
    assert!(done["entries"].as_array().unwrap().contains(&why["removal"]), "{done} {why}");
    let said = |arguments: &[&str]| {
        let shown = alice.muster(arguments).with_code(0).stdout;
        shown.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let plain = said(&["timeline"]);
    assert!(plain.contains("[REVOKED by alice's removal of bob (stolen), "), "{plain}");
    let audit = said(&["timeline", "--audit"]);
    assert!(audit.contains("[REVOKED by \"alice\"'s removal of \"bob\" (stolen), "), "{audit}");
    let file = alice.path().with_extension("audit");
    alice.muster(&["export", "audit", file.to_str().unwrap()]).with_code(0);
    for (form, mark) in [
        ("text", "[REVOKED by \"alice\"'s removal of \"bob\" (stolen), "),
        ("md", "(REVOKED by alice's removal of bob (stolen), "),
    ] {
        let report = said(&["verify", file.to_str().unwrap(), &format!("--report={form}")]);
        assert!(report.contains(mark), "{report}");
    }
    let kept = line(&alice, "restarting db-1").unwrap();
    assert_eq!((&kept["status"], &kept["author"]["person"]), (&json!("active"), &json!("bob")), "the name stays");
    // Nobody speaks with the thief any more.
    until("the link to go", || alice.json(&["peers"]).as_array().unwrap().is_empty().then_some(()));
    alice.write(&["say", "between us"]);
    // Whether it still hears of its removal is a matter of chance; if it does, it may not write by its own roster.
    let _ = bob.muster(&["say", "still here"]);
    assert!(line(&bob, "between us").is_none() && line(&alice, "still here").is_none());
    assert!(alice.muster(&["team", "show"]).with_code(0).stdout.contains("stolen"));
}

#[test]
fn who_was_removed_by_mistake_comes_back_by_a_new_ticket() {
    let (alice, bob) = (Home::new("alice"), Home::new("bob"));
    alice.write(&["declare", "Checkout is down"]);
    let _node = alice.up();
    alice.lets_in(&bob);
    alice.json(&["team", "revoke", "bob", "--retired", "--yes"]);
    assert!(member(&alice, "bob").is_none());
    alice.lets_in(&bob);
    let _bob = bob.up();
    until("the incident to come to bob", || line(&bob, "Checkout is down"));
    bob.write(&["say", "back again"]);
    let said = until("what bob says", || line(&alice, "back again"));
    assert_eq!((&said["status"], &said["author"]["person"]), (&json!("active"), &json!("bob")));
    assert_eq!(member(&alice, "bob").unwrap()["capability"], "responder");
}

#[test]
fn a_team_without_admins_is_recovered_with_the_words_from_paper() {
    let (alice, bob) = (Home::new("alice"), Home::new("bob"));
    let made = alice.json(&["team", "create", "--recovery", "2"]);
    let words: Vec<String> =
        made["recovery"].as_array().unwrap().iter().map(|key| key["words"].as_str().unwrap().to_owned()).collect();
    assert_eq!(words.len(), 2);
    assert_eq!(words[0].split(' ').count(), 24);
    let node = alice.up();
    alice.lets_in(&bob);
    node.kill();
    // Alice is gone for good. Bob has the paper.
    bob.muster(&["team", "set", "bob", "admin"]).refused(&["may not"]);
    let recover = |arguments: &[&str], words: &str| {
        bob.muster_with_input(&[&["team", "recover", "--words", "-"], arguments].concat(), words)
    };
    recover(&["set", "bob", "admin"], "abandon ability able").refused(&["24 words", "3"]);
    let wrong = words[0].replacen(words[0].split(' ').next().unwrap(), "zzz", 1);
    let refused = recover(&["set", "bob", "admin"], &wrong).refused(&["word 1"]);
    assert!(!refused.stderr.contains("zzz"), "words are not repeated");
    recover(&["set", "bob", "admin"], &words[1]).with_code(0);
    assert_eq!(member(&bob, "bob").unwrap()["capability"], "admin");
    recover(&["revoke", "alice", "--stolen"], &words[0]).refused(&["--yes"]);
    recover(&["revoke", "alice", "--stolen", "--yes"], &format!("  {}\n", words[0].to_uppercase())).with_code(0);
    assert!(member(&bob, "alice").is_none());
    bob.verified();
    // The words are nowhere on disk.
    for home in [&alice, &bob] {
        for file in files(home.path()) {
            let bytes = std::fs::read(&file).unwrap();
            for text in &words {
                let some: Vec<&str> = text.split(' ').take(4).collect();
                assert!(!contains(&bytes, some.join(" ").as_bytes()), "{} holds recovery words", file.display());
            }
        }
    }
}

#[test]
fn another_device_is_added_by_two_texts_and_writes_as_the_same_person() {
    let (laptop, phone) = (Home::new("alice"), Home::new("alice"));
    laptop.write(&["declare", "Checkout is down"]);
    let _laptop = laptop.up();
    let offer = laptop.json(&["team", "devices", "offer"])["offer"].as_str().unwrap().to_owned();
    let answer = phone.json(&["team", "devices", "accept", &offer])["answer"].as_str().unwrap().to_owned();
    laptop.muster(&["team", "devices", "add", &offer]).refused(&["no device's answer", "accept"]);
    laptop.muster(&["team", "devices", "add", &answer]).with_code(0);
    laptop.muster(&["team", "devices", "add", &answer]).refused(&["already"]);
    let _phone = phone.up();
    until("the incident on the phone", || line(&phone, "Checkout is down"));
    phone.write(&["say", "from the phone"]);
    let said = until("what was said on the phone", || line(&laptop, "from the phone"));
    assert_eq!(said["author"]["person"], "alice");
    assert_eq!(member(&laptop, "alice").unwrap()["devices"].as_array().unwrap().len(), 2);
    let listed = laptop.muster(&["team", "devices"]).with_code(0).stdout;
    assert_eq!(listed.lines().count(), 2, "{listed}");
}

#[test]
fn among_three_admins_one_removes_nobody_alone() {
    let (alice, bob, carol) = (Home::new("alice"), Home::new("bob"), Home::new("carol"));
    alice.write(&["declare", "Checkout is down"]);
    let _alice = alice.up();
    for newcomer in [&bob, &carol] {
        alice.lets_in(newcomer);
        alice.muster(&["team", "set", newcomer.name(), "admin"]).with_code(0);
    }
    alice.muster(&["team", "set", "carol", "admin"]).refused(&["already"]);
    let outlook = alice.json(&["team", "revoke", "carol", "--stolen", "--yes"]);
    assert_eq!(outlook["counts"], false, "{outlook}");
    assert!(member(&alice, "carol").is_some());
    assert!(alice.muster(&["team", "show"]).with_code(0).stdout.contains("muster team second"));
    let _bob = bob.up();
    until("the removal to come to bob", || {
        let removals = bob.json(&["team", "show"])["removals"].clone();
        removals.as_array().unwrap().iter().any(|removal| removal["state"] == "needs-second").then_some(())
    });
    bob.muster(&["team", "second", "dave"]).refused(&["no removal"]);
    let outlook = bob.json(&["team", "second", "carol", "--dry-run"]);
    assert_eq!((&outlook["signed"], &outlook["counts"]), (&json!(false), &json!(true)), "{outlook}");
    assert_eq!(outlook["gone"], json!(["carol"]));
    bob.muster(&["team", "second", "carol"]).refused(&["nobody is there to be asked"]);
    assert!(member(&bob, "carol").is_some(), "nothing was signed");
    let seconded = bob.json(&["team", "second", "carol", "--yes"]);
    assert_eq!((&seconded["signed"], &seconded["counts"]), (&json!(true), &json!(true)), "{seconded}");
    assert!(member(&bob, "carol").is_none());
    until("the second to come to alice", || member(&alice, "carol").is_none().then_some(()));
}

#[test]
fn of_a_device_that_turns_out_to_be_stolen_earlier_less_counts() {
    let Theft { alice, at: theft, .. } = &Theft::new();
    let shown = alice.muster(&["team", "revoke", "bob", "--stolen", "--dry-run"]).with_code(0).stdout;
    assert!(shown.contains("2 of theirs go on counting") && shown.contains("--until"), "{shown}");
    alice.json(&["team", "revoke", "bob", "--stolen", "--yes"]);
    assert_eq!(line(alice, "nothing to see here").unwrap()["status"], "active");
    let again = ["team", "revoke", "bob", "--stolen", "--until", theft];
    let shown = alice.muster(&[&again[..], &["--dry-run"]].concat()).with_code(0).stdout;
    assert!(shown.contains("nothing to see here") && shown.contains("1 of theirs goes on counting"), "{shown}");
    let outlook = alice.json(&[&again[..], &["--yes"]].concat());
    assert_eq!((&outlook["counts"], &outlook["changed_count"]), (&json!(true), &json!(1)), "{outlook}");
    assert_eq!(line(alice, "nothing to see here").unwrap()["status"], "revoked");
    assert_eq!(line(alice, "restarting db-1").unwrap()["status"], "active");
}

#[test]
fn the_last_admin_neither_steps_down_nor_leaves_and_a_guest_is_no_admin() {
    let (alice, bob) = (Home::new("alice"), Home::new("bob"));
    let incident = alice.write(&["declare", "Checkout is down"]);
    let _node = alice.up();
    for leaving in
        [&["team", "revoke", "alice", "--retired", "--yes"][..], &["team", "set", "alice", "observer", "--yes"]]
    {
        alice.muster(leaving).refused(&["nobody could decide", "admin first"]);
    }
    let ticket = alice.json(&["invite", "--incident", &incident])["ticket"].as_str().unwrap().to_owned();
    bob.muster(&["join", &ticket]).with_code(0);
    let guest = member_like(&alice, "bob");
    alice.muster(&["team", "set", &guest, "admin"]).refused(&["guest", "--retired"]);
    alice.muster(&["team", "set", &guest, "admin", "--dry-run"]).refused(&["guest"]);
}

/// The whole name of the member whose name begins so.
fn member_like(home: &Home, name: &str) -> String {
    let team = home.json(&["team", "show"]);
    let mut names =
        team["members"].as_array().unwrap().iter().map(|member| member["person"].as_str().unwrap().to_owned());
    names.find(|person| person.starts_with(name)).unwrap()
}

#[test]
fn who_leaves_and_comes_back_goes_by_the_same_name() {
    let (alice, bob) = (Home::new("alice"), Home::new("bob"));
    alice.write(&["declare", "Checkout is down"]);
    let _node = alice.up();
    alice.lets_in(&bob);
    let node = bob.up();
    until("the incident to come to bob", || line(&bob, "Checkout is down"));
    bob.json(&["team", "revoke", "bob", "--retired", "--yes"]);
    until("alice to hear of it", || member(&alice, "bob").is_none().then_some(()));
    node.kill();
    let ticket = alice.ticket();
    // Without `--as`, where the login name would be the last resort.
    let join = bob.command(&["join", &ticket]);
    let words: Vec<_> = join.get_args().filter(|word| *word != "--as" && *word != "bob").collect();
    let mut unnamed = std::process::Command::new(join.get_program());
    unnamed.args(words).env("MUSTER_MDNS", "false").env_remove("MUSTER_AS");
    assert!(unnamed.status().unwrap().success());
    assert!(member(&alice, "bob").is_some(), "{}", alice.json(&["team", "show"]));
}

fn files(below: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(below).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn who_is_removed_is_not_spoken_with_for_the_sake_of_an_old_ticket() {
    let (alice, bob, carol) = (Home::new("alice"), Home::new("bob"), Home::new("carol"));
    alice.write(&["declare", "Checkout is down"]);
    let node = alice.up();
    alice.lets_in(&bob);
    let stolen = bob.up();
    until("the incident to come to bob", || line(&bob, "Checkout is down"));
    // By now bob's address is known, and the next ticket names it.
    let bobs = bob.json(&["key", "show"])["device"].clone();
    alice.lets_in(&carol);
    let newcomer = carol.up();
    until("the incident to come to carol", || line(&carol, "Checkout is down"));
    let is_linked = |home: &Home| {
        let peers = home.json(&["peers"]);
        peers.as_array().unwrap().iter().any(|peer| peer["device"] == bobs && peer["connected"] == true)
    };
    until("carol and bob to be linked", || is_linked(&carol).then_some(()));
    alice.muster(&["team", "revoke", "bob", "--stolen", "--yes"]).with_code(0);
    until("carol to hear of it", || (carol.json(&["peers"]).as_array().unwrap().len() == 1).then_some(()));
    drop(newcomer);
    let newcomer = carol.up();
    alice.write(&["declare", "After the theft"]);
    until("carol to have what is new", || {
        let all = carol.json(&["status", "--all"]).to_string();
        all.contains("After the theft").then_some(())
    });
    assert!(!is_linked(&carol) && !is_linked(&alice));
    assert!(!bob.json(&["status", "--all"]).to_string().contains("After the theft"));
    drop((newcomer, stolen, node));
}

#[test]
fn the_last_admin_steps_down_only_where_a_recovery_key_can_decide_after() {
    let (alice, bob) = (Home::new("alice"), Home::new("bob"));
    alice.write(&["declare", "Checkout is down"]);
    for how in ["--yes", "--dry-run"] {
        for left in ["observer", "responder"] {
            let refused = alice.muster(&["team", "set", "alice", left, how]);
            refused.refused(&["the team's last admin", "no recovery key", "muster team set NAME admin"]);
        }
    }
    assert_eq!(member(&alice, "alice").unwrap()["capability"], "admin");
    bob.json(&["team", "create", "--recovery", "1"]);
    let told = bob.muster(&["team", "set", "bob", "observer", "--yes"]).with_code(0).stdout;
    assert!(told.contains("only a recovery key can decide after this"), "{told}");
    assert_eq!(member(&bob, "bob").unwrap()["capability"], "observer");
}
