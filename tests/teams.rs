//! Homes with several teams, and people whose names can be taken for one another.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::Home;
use serde_json::{Value, json};

/// The team that commands mean.
fn current(home: &Home) -> Value {
    let teams = home.json(&["team", "list"]);
    let current: Vec<&Value> = teams.as_array().unwrap().iter().filter(|team| team["current"] == true).collect();
    assert_eq!(current.len(), 1, "{teams}");
    current[0]["team"].clone()
}

#[test]
fn a_home_with_several_teams_declares_in_the_one_that_was_chosen() {
    let home = Home::new("alice");
    assert_eq!(home.json(&["team", "list"]), json!([]));
    home.write(&["declare", "Checkout is down"]);
    let first = current(&home);
    let second = home.json(&["team", "create"])["team"].clone();
    assert_eq!(current(&home), second, "a new team is the current one");
    for (typed, team) in [(&first.as_str().unwrap()[..6], &first), (second.as_str().unwrap(), &second)] {
        let answer = home.json(&["team", "use", typed]);
        assert_eq!((&answer["team"], &answer["members"]), (team, &json!(["alice"])));
        assert_eq!(current(&home), *team);
        assert_eq!(home.json(&["team", "show"])["team"], *team);
    }
    home.write(&["declare", "Search is slow"]);
    let teams = home.json(&["team", "list"]);
    for team in teams.as_array().unwrap() {
        assert_eq!(team["incidents"], 1, "each team has the incident that was declared in it: {teams}");
    }
    let shown = home.muster(&["team", "list"]).with_code(0).stdout;
    assert_eq!(shown.lines().filter(|line| line.contains("current")).count(), 1, "{shown}");
}

#[test]
fn a_team_is_chosen_by_somebody_who_is_in_no_other_and_what_fits_several_is_refused() {
    let (alice, bob) = (Home::new("alice"), Home::new("bob"));
    bob.write(&["declare", "Search is slow"]);
    let _node = alice.up();
    alice.lets_in(&bob);
    let (own, joined) = (bob.json(&["team", "create"])["team"].clone(), current(&alice));
    assert_eq!(current(&bob), own);
    assert_eq!(bob.json(&["team", "use", "alice"])["team"], joined);
    assert_eq!(current(&bob), joined);
    bob.muster(&["team", "use", "bob"]).refused(&["fits several teams", &joined.as_str().unwrap()[..8]]);
    bob.muster(&["team", "use", "carol"]).refused(&["`carol`", "muster team list"]);
    bob.muster(&["team", "use", "ffffffffffff"]).refused(&["muster team list"]);
    assert_eq!(current(&bob), joined, "what was refused changed nothing");
}

#[test]
fn people_whose_names_can_be_taken_for_one_another_are_marked_where_they_are_listed() {
    let (alice, other, bob) = (Home::new("alice"), Home::new("al\u{131}ce"), Home::new("bob"));
    let _node = alice.up();
    alice.lets_in(&other);
    alice.lets_in(&bob);
    let members = alice.json(&["team", "show"])["members"].clone();
    for member in members.as_array().unwrap() {
        let expected = match member["person"].as_str().unwrap() {
            "alice" => json!(["al\u{131}ce"]),
            "bob" => json!([]),
            _ => json!(["alice"]),
        };
        assert_eq!(member["looks_like"], expected, "{member}");
    }
    let peers = alice.json(&["peers"]);
    let marked: Vec<&Value> = peers.as_array().unwrap().iter().filter(|peer| peer["looks_like"] != json!([])).collect();
    assert_eq!(marked.len(), 1, "{peers}");
    assert_eq!(marked[0]["looks_like"], json!(["alice"]));
    for command in [&["team", "show"][..], &["peers"]] {
        let shown = alice.muster(command).with_code(0).stdout;
        assert!(shown.split_whitespace().collect::<Vec<_>>().join(" ").contains("LOOKS LIKE that of alice"), "{shown}");
    }
}

#[test]
fn a_name_that_reads_as_two_is_refused_wherever_it_is_given() {
    let home = Home::new("bob");
    for command in [&["team", "create"][..], &["declare", "Checkout is down"], &["join", "muster1aaaa"]] {
        let answer = Home::at(home.path(), "alice, bob").muster(command);
        assert!(answer.code != 0 && answer.stderr.contains("would read as two names"), "{}", answer.stderr);
    }
    home.muster(&["team", "create", "network, bob"]).refused(&["the team's name has a `,` in it"]);
}

#[test]
fn a_ticket_that_was_folded_or_taken_apart_is_read_and_a_wrong_one_is_kept_nowhere() {
    let (alice, bob, carol) = (Home::new("alice"), Home::new("bob"), Home::new("carol"));
    let _nodes = (alice.up(), bob.up(), carol.up());
    let ticket = || alice.json(&["invite"])["ticket"].as_str().unwrap().to_owned();
    let rows = |ticket: &str| {
        ticket.as_bytes().chunks(80).map(|row| String::from_utf8_lossy(row).into_owned()).collect::<Vec<_>>()
    };
    let damaged = ticket().replacen("muster1", "muster12", 1);
    bob.muster_with_input(&["join", "-"], &damaged).refused(&["damaged"]);
    let kept: Vec<_> = std::fs::read_dir(bob.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!kept.iter().any(|name| name.to_string_lossy().starts_with("unsent")), "{kept:?}");
    bob.muster_with_input(&["join", "-"], &rows(&ticket()).join("\r\n")).with_code(0);
    let rows = rows(&ticket());
    let pieces: Vec<&str> = ["join"].into_iter().chain(rows.iter().map(String::as_str)).collect();
    carol.muster(&pieces).with_code(0);
    let told = alice.json(&["team", "show"]);
    let used: Vec<&Value> = told["tickets"].as_array().unwrap().iter().map(|ticket| &ticket["used_by"]).collect();
    assert_eq!((told["open_tickets"].clone(), used), (json!(1), vec![&Value::Null, &json!("bob"), &json!("carol")]));
    bob.muster(&["invite"]).refused(&["an admin of the team: alice"]);
}

#[test]
fn a_name_in_which_something_cannot_be_seen_is_refused_wherever_it_is_given() {
    for unseen in ["bo\u{200b}b", "bob\u{2060}", "b\u{ad}ob", "bob\u{e0062}", "b\u{200d}ob", "bob\u{3164}"] {
        let home = Home::new("bob");
        let ticket = format!("muster1{}", "a".repeat(80));
        for command in [&["team", "create"][..], &["declare", "Checkout is down"], &["join", &ticket]] {
            let answer = Home::at(home.path(), unseen).muster(command);
            assert!(
                answer.code != 0 && answer.stderr.contains("a character that nobody sees (U+"),
                "{}",
                answer.stderr
            );
        }
        home.muster(&["team", "create", unseen]).refused(&["the team's name has a character that nobody sees (U+"]);
        let settings = home.path().join("config.toml");
        std::fs::create_dir_all(home.path()).unwrap();
        std::fs::write(&settings, format!("name = \"{unseen}\"\n")).unwrap();
        let mut by_file = std::process::Command::new(muster_tests::program::path());
        let told = by_file.arg("--home").arg(home.path()).args(["team", "create"]).output().unwrap();
        let text = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(!told.status.success() && text.contains("a character that nobody sees"), "{text}");
    }
}
