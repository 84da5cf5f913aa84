//! Two teams and one incident that they share: real nodes, real homes, and a third incident that never leaves its team.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, until};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Whether a file anywhere under a directory holds one of these, as bytes.
fn found(under: &Path, needles: &[Vec<u8>]) -> Option<String> {
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            if let Some(found) = found(&path, needles) {
                return Some(found);
            }
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap();
            let holds = |needle: &Vec<u8>| bytes.windows(needle.len()).any(|window| window == needle);
            if needles.iter().any(holds) {
                return Some(path.display().to_string());
            }
        }
    }
    None
}

/// What of an incident must not be found: its title, and its id as bytes and as text.
fn traces(title: &str, id: &str) -> Vec<Vec<u8>> {
    let half = |digits: &str| u8::from_str_radix(digits, 16).unwrap();
    let bytes: Vec<u8> = (0..8).map(|at| half(&id[2 * at..2 * at + 2])).collect();
    vec![title.as_bytes().to_vec(), id.as_bytes()[..16].to_vec(), bytes]
}

fn texts(home: &Home, incident: &str) -> Vec<(String, String)> {
    let timeline = home.muster(&["timeline", "--json", "-i", incident]);
    let rows: Value = serde_json::from_str(&timeline.stdout).unwrap_or_default();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    rows.as_array().into_iter().flatten().map(|row| (text(&row["author"], "person"), text(row, "text"))).collect()
}

#[track_caller]
fn comes(home: &Home, incident: &str, person: &str, said: &str) {
    let line = (person.to_owned(), said.to_owned());
    until("the entry comes", || texts(home, incident).contains(&line).then_some(()));
}

#[test]
fn two_teams_share_one_incident_and_a_third_incident_never_leaves_its_team() {
    let (alice, bob, carol) = (Home::new("alice"), Home::new("bob"), Home::new("carol"));
    alice.json(&["team", "create", "database"]);
    carol.json(&["team", "create", "network"]);
    let shared = alice.write(&["declare", "Checkout is down"]);
    let kept = alice.write(&["declare", "Payroll runs on the wrong host"]);
    let named = alice.write(&["declare", "Somebody is inside", "--private", "alice"]);
    let at_home = carol.write(&["declare", "A switch in hall 3 is dead"]);
    let nodes = [alice.up(), bob.up(), carol.up()];
    alice.lets_in(&bob);
    let answer = alice.json(&["invite", "--incident", &shared]);
    assert_eq!(answer["incident"], shared.as_str());
    let joined = carol.json(&["join", answer["ticket"].as_str().unwrap()]);
    assert_eq!((&joined["synced"], &joined["guest_of"]), (&Value::Bool(true), &Value::from(shared.clone())));
    comes(&carol, &shared, "alice", "Checkout is down");
    carol.write(&["say", "the uplink is fine", "-i", &shared]);
    carol.write(&["role", "claim", "scribe", "-i", &shared]);
    carol.write(&["will", "move to the other line", "--on", "uplink", "-i", &shared]);
    alice.write(&["say", "only for us", "-i", &kept]);
    for home in [&alice, &bob] {
        comes(home, &shared, "carol (network)", "the uplink is fine");
        comes(home, &shared, "carol (network)", "move to the other line");
    }
    comes(&bob, &kept, "alice", "only for us");
    // Live, over the stream: she is not on the team's gossip.
    bob.write(&["say", "thanks, network", "-i", &shared]);
    comes(&carol, &shared, "bob", "thanks, network");

    // Both teams' incidents are shown, each with its team.
    let status = carol.json(&["status"]);
    let mut shown: Vec<(String, String)> = (status["incidents"].as_array().unwrap().iter())
        .map(|it| (it["title"].as_str().unwrap().to_owned(), it["team"].as_str().unwrap().to_owned()))
        .collect();
    shown.sort();
    let expected = [("A switch in hall 3 is dead", "network"), ("Checkout is down", "database")];
    assert_eq!(shown, expected.map(|(title, team)| (title.to_owned(), team.to_owned())));
    let board = carol.muster(&["board", "-i", &shared]).with_code(0).stdout;
    assert!(board.contains("team database") && board.contains("carol (network)"), "{board}");
    let teams = carol.json(&["team", "list"]);
    let guest = |team: &&Value| team["guest"] == true;
    let teams: Vec<&Value> = teams.as_array().unwrap().iter().filter(guest).collect();
    assert_eq!((teams.len(), &teams[0]["name"]), (1, &Value::from("database")));
    // Her own team is the current one, and it has nobody else; the hosts are peers and are looked after all the same.
    let peers = carol.json(&["peers"]);
    let of = |team: &str| peers.as_array().unwrap().iter().filter(|peer| peer["team"] == team).count();
    assert_eq!((of("network"), of("database")), (0, 2), "{peers}");
    until("both hosts are reached", || {
        carol.muster(&["doctor"]).stdout.contains("guest of database: 2 of 2 devices reached").then_some(())
    });
    // What she declares is her own team's; she brings nobody in.
    carol.write(&["declare", "Another switch"]);
    assert!(
        alice.json(&["status", "--all"])["incidents"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["title"] != "Another switch")
    );
    carol.muster(&["team", "use", "database"]).with_code(0);
    carol.muster(&["invite"]).refused(&["you are a guest in this team", "brings nobody in", "muster team list"]);

    let secret = [traces("Payroll runs", &kept), traces("Somebody is inside", &named)].concat();
    assert!(found(alice.path(), &secret[..1]).is_some(), "the search finds what is there");
    assert_eq!(found(carol.path(), &secret), None);
    assert_eq!(found(bob.path(), &traces("Somebody is inside", &named)), None);
    for home in [&alice, &bob] {
        assert_eq!(found(home.path(), &traces("A switch in hall", &at_home)), None);
    }

    // A second ticket is no way into another incident: whoever is in there admits her.
    let second = alice.json(&["invite", "-i", &kept])["ticket"].as_str().unwrap().to_owned();
    let admit = format!("`muster admit carol -i {}`", &kept[..8]);
    carol.muster(&["join", &second]).refused(&["in that team already", &admit]);

    // Whoever is admitted later gets the history; whoever is removed nothing more, and the command says so.
    bob.muster(&["admit", "carol (network)", "-i", &kept]).with_code(0);
    comes(&carol, &kept, "alice", "only for us");
    let removed = alice.muster(&["team", "revoke", "carol", "--retired", "--yes"]).with_code(0).stdout;
    let words = removed.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("this stops what comes after; what they were shown before they have"), "{removed}");
    alice.write(&["say", "after the removal", "-i", &shared]);
    comes(&bob, &shared, "alice", "after the removal");
    for node in nodes {
        node.terminate();
    }
    assert_eq!(found(carol.path(), &[b"after the removal".to_vec()]), None);
    for home in [&alice, &bob, &carol] {
        home.verified();
    }
}
