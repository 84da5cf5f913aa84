//! What scripts may rely on: forms of answers, exit codes, ids, times and settings, on homes where no node runs.
//!
//! What needs several nodes is in `trio.rs`, what goes wrong below the program in `faults.rs`.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::{Home, ids_of, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A home with one open incident, and the incident's id.
fn with_incident() -> (Home, String) {
    let home = Home::new("alice");
    let incident = home.write(&["declare", "Checkout is down", "--sev", "1"]);
    (home, incident)
}

fn timeline(home: &Home) -> Value {
    home.json(&["timeline"])
}

/// One entry as the timeline shows it.
#[track_caller]
fn entry(home: &Home, id: &str) -> Value {
    let timeline = timeline(home);
    let rows = timeline.as_array().unwrap();
    rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("{id} is in {timeline}")).clone()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[track_caller]
fn check_id(id: &Value) {
    let id = id.as_str().unwrap();
    assert!(id.len() == 64 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id} has 64 hexadecimal digits");
}

#[test]
fn a_declaration_answers_with_incident_and_entry() {
    let home = Home::new("alice");
    let answer = home.json(&["declare", "Checkout is down", "--sev", "1"]);
    check_id(&answer["incident"]);
    check_id(&answer["entry"]);
    assert_eq!(timeline(&home)[0]["incident"], answer["incident"]);
}

#[test]
fn every_write_answers_with_its_entry_and_the_timeline_holds_it() {
    let (home, _) = with_incident();
    let writes: [(&[&str], &str); 13] = [
        (&["say", "several", "words", "without", "quotes"], "note"),
        (&["saw", "errors"], "observation"),
        (&["decided", "roll back"], "decision"),
        (&["need", "a database person"], "request"),
        (&["will", "restart it", "--on", "db-1"], "action"),
        (&["doing"], "action-state"),
        (&["did", "worked"], "action-state"),
        (&["doing", "reload", "--on", "db-2"], "action"),
        (&["title", "Checkout and search are down"], "title"),
        (&["sev", "2"], "severity"),
        (&["mark", "detected"], "milestone"),
        (&["role", "claim", "scribe"], "role"),
        (&["resolve", "all is well"], "phase"),
    ];
    for (words, kind) in writes {
        let id = home.write(words);
        check_id(&json!(id));
        assert_eq!(entry(&home, &id)["kind"], *kind, "{words:?}");
    }
    home.verified();
}

#[test]
fn a_timeline_entry_has_the_fields_that_are_promised() {
    let (home, incident) = with_incident();
    let id = home.write(&["say", "hello"]);
    let row = entry(&home, &id);
    let promised = "id incident kind author event_time event_end event_precision event_text recorded_time text status \
                    detail amended_by origin void body_missing";
    assert_eq!(keys(&row), promised.split_whitespace().collect());
    assert_eq!(keys(&row["author"]), BTreeSet::from(["person", "device"]));
    assert_eq!((&row["incident"], &row["kind"], &row["text"]), (&json!(incident), &json!("note"), &json!("hello")));
    assert_eq!((&row["author"]["person"], &row["status"]), (&json!("alice"), &json!("active")));
    let local = home.json(&["timeline", "--local"]);
    assert!(local[0]["received_time"].is_string(), "{local}");
    assert_eq!(local[0]["held_by"], json!(["alice"]));
}

#[test]
fn without_an_incident_the_timeline_is_an_empty_array_and_that_is_no_failure() {
    let home = Home::new("alice");
    assert_eq!(home.muster(&["timeline", "--json"]).with_code(0).stdout, "[]\n");
    assert_eq!(home.muster(&["log", "--json"]).with_code(0).stdout, "[]\n");
    assert_eq!(home.json(&["roles"]), json!({}));
}

#[test]
fn several_open_incidents_and_none_chosen_are_listed_by_reads_and_writes() {
    let (home, first) = with_incident();
    let second = home.write(&["declare", "Search is slow"]);
    for command in [&["timeline", "--json"][..], &["say", "which one", "--json"]] {
        let answer =
            home.muster(command).refused(&["several incidents are open", "Checkout is down", "Search is slow"]);
        assert!(answer.stderr.contains(&first[..8]) && answer.stderr.contains(&second[..8]), "{}", answer.stderr);
    }
    assert_eq!(home.json(&["use", &second])["incident"], json!(second));
    let chosen = home.write(&["say", "this one"]);
    assert_eq!(entry(&home, &chosen)["incident"], json!(second));
    assert_eq!(home.json(&["use"])["incident"], Value::Null);
    home.muster(&["timeline"]).refused(&["several incidents are open"]);
}

#[test]
fn a_prefix_of_four_or_the_slug_names_an_incident() {
    let (home, first) = with_incident();
    home.write(&["declare", "Search is slow"]);
    for name in [&first[..4], &first[..12], &first, &first.to_uppercase()[..9], "checkout-is-down"] {
        let timeline = home.json(&["timeline", "-i", name]);
        assert_eq!(timeline[0]["incident"], json!(first), "{name}");
    }
    home.muster(&["timeline", "-i", &first[..3]]).refused(&["too short for an id"]);
    home.muster(&["timeline", "-i", "ffffffffffff"]).refused(&["no incident is called `ffffffffffff`"]);
    home.muster(&["say", "x", "-i", "\u{1b}[31mred"]).refused(&["no incident is called"]);
}

#[test]
fn a_prefix_that_fits_several_lists_the_candidates() {
    let (home, _) = with_incident();
    home.write(&["declare", "Checkout is down"]);
    let answer = home.muster(&["timeline", "-i", "checkout-is-down"]).refused(&["fits several incidents"]);
    assert_eq!(answer.stderr.matches("Checkout is down").count(), 2, "{}", answer.stderr);
    // Of 1,500 ids, two begin with the same four digits but for one time in ten million.
    let first = &home.json(&["status"])["incidents"][0]["incident"].as_str().unwrap().to_owned();
    home.json(&["use", first]);
    let file: String = (0..1_500).map(|number| format!("{{\"text\":\"{number}\"}}\n")).collect();
    home.muster_with_input(&["say", "--batch", "-"], &file).with_code(0);
    let ids = ids_of(&timeline(&home));
    let mut seen = BTreeSet::new();
    let twice = ids.iter().find(|id| !seen.insert(&id[..4])).expect("two ids begin alike");
    let alike = ids.iter().filter(|id| id[..4] == twice[..4]);
    let answer = home.muster(&["amend", &twice[..4], "which?"]).refused(&["several entries begin with"]);
    for id in alike {
        assert!(answer.stderr.contains(&id[..8]), "{id} is a candidate: {}", answer.stderr);
    }
}

#[test]
fn roles_have_long_names_and_the_short_ones_are_taken() {
    let (home, _) = with_incident();
    home.write(&["role", "claim", "ic"]);
    home.write(&["role", "claim", "rl"]);
    home.write(&["role", "claim", "snack-fetcher"]);
    let roles = home.json(&["roles"]);
    for role in ["incident-commander", "resolution-lead", "snack-fetcher"] {
        assert_eq!(roles[role]["holders"], json!(["alice"]), "{role}");
        assert_eq!(roles[role]["contested"], json!(false), "{role}");
    }
    for role in ["deputy", "resolution-team", "scribe", "liaison"] {
        assert_eq!(roles[role]["holders"], json!([]), "{role}");
    }
    assert!(roles.get("ic").is_none(), "{roles}");
    home.write(&["role", "release", "ic"]);
    assert_eq!(home.json(&["roles"])["incident-commander"]["holders"], json!([]));
}

#[test]
fn verification_counts_and_names() {
    let (home, _) = with_incident();
    home.write(&["say", "hello"]);
    let told = home.json(&["verify"]);
    assert_eq!(told["ok"], json!(true));
    assert_eq!(told["problems"], json!([]));
    // Each of the three, the team's first entry included, carries a signature of its own or of its run.
    assert_eq!(told["entries"], json!(3));
    assert!(told["signatures_checked"].as_u64().unwrap() >= 1, "{told}");
}

#[test]
fn a_text_is_read_from_stdin_without_the_line_feeds_at_its_end() {
    let (home, _) = with_incident();
    let answer = home.muster_with_input(&["say", "-", "--json"], "first\nsecond\n\n").with_code(0);
    let id = answer.json()["entry"].as_str().unwrap().to_owned();
    assert_eq!(entry(&home, &id)["text"], json!("first\nsecond"));
}

#[test]
fn a_piped_text_that_cannot_be_written_is_kept() {
    let home = Home::new("alice");
    home.write(&["declare", "One"]);
    home.write(&["declare", "Two"]);
    let answer = home.muster_with_input(&["say", "-"], "typed in vain\n").refused(&["kept in"]);
    let path = answer.stderr.split("kept in ").nth(1).unwrap().trim();
    assert_eq!(std::fs::read_to_string(path).unwrap().trim_end(), "typed in vain");
}

#[test]
fn a_batch_with_a_bad_line_writes_nothing_and_names_the_line() {
    let (home, _) = with_incident();
    let before = home.timeline();
    let file = "{\"text\":\"fine\"}\n{\"text\":\"b\",\"kind\":\"joke\"}\n\n{\"txt\":\"c\"}\n";
    let answer = home.muster_with_input(&["say", "--batch", "-", "--json"], file).with_code(1);
    let answer = answer.says(&["nothing was written", "line 2: ", "line 4: "]);
    assert_eq!(answer.stdout, "");
    assert_eq!(home.timeline(), before);
}

#[test]
fn a_batch_answers_with_one_entry_a_line_in_the_order_of_the_file() {
    let (home, _) = with_incident();
    let file = home.path().join("batch.jsonl");
    let lines = [
        r#"{"text":"a","kind":"observation","at":"2023-07-20 12:17","who":"bob","link":"https://example.org/1"}"#,
        r#"{"text":"b","kind":"decision"}"#,
        r#"{"text":"c"}"#,
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let answer = home.muster(&["say", "--batch", file.to_str().unwrap(), "--json"]).with_code(0);
    let ids: Vec<String> = answer
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["entry"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 3);
    let rows: Vec<Value> = ids.iter().map(|id| entry(&home, id)).collect();
    assert_eq!(rows.iter().map(|row| &row["text"]).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(rows.iter().map(|row| &row["kind"]).collect::<Vec<_>>(), ["observation", "decision", "note"]);
    // Whoever reported it, the author stays the device that wrote it.
    assert_eq!((&rows[0]["detail"]["who"], &rows[0]["author"]["person"]), (&json!("bob"), &json!("alice")));
    assert_eq!(rows[0]["detail"]["link"], json!("https://example.org/1"));
    assert_eq!(rows[0]["event_time"], json!("2023-07-20T12:17:00+00:00"));
}

#[test]
fn the_exit_code_tells_done_refused_and_meaningless_apart() {
    let (home, _) = with_incident();
    for (words, code) in [
        (&["status"][..], 0),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["did", "worked"], 1),
        (&["whohas", "ffffffff"], 1),
        (&["role", "release", "ic"], 1),
        (&["brew", "coffee"], 2),
        (&["say", "x", "--at", "teatime"], 2),
        (&["sev", "9"], 2),
        (&["mark", "nirvana"], 2),
        (&["say"], 2),
        (&["timeline", "--colour"], 2),
    ] {
        let answer = home.muster(words).with_code(code);
        assert_eq!(answer.stdout.is_empty(), code != 0, "data is on stdout, errors are not: {words:?}");
        assert!(code == 0 || answer.stderr.starts_with("error: "), "{words:?}: {}", answer.stderr);
    }
}

#[test]
fn times_keep_what_was_typed_and_how_precise_it_was() {
    let (home, _) = with_incident();
    let cases = [
        ("2023-07-20 12:17", "minute", json!("2023-07-20T12:17:00+00:00"), Value::Null),
        ("2023-07-20 12:17 +02:00", "minute", json!("2023-07-20T12:17:00+02:00"), Value::Null),
        ("2023-07-20T12:17:30Z", "exact", json!("2023-07-20T12:17:30+00:00"), Value::Null),
        ("about 2023-07-20 13:30", "about", json!("2023-07-20T13:30:00+00:00"), Value::Null),
        ("2023-07-20 13:30..13:45", "range", json!("2023-07-20T13:30:00+00:00"), json!("2023-07-20T13:45:00+00:00")),
        ("unknown", "unknown", Value::Null, Value::Null),
    ];
    for (typed, precision, time, end) in cases {
        let id = home.write(&["saw", "it", "--at", typed]);
        let row = entry(&home, &id);
        assert_eq!(row["event_precision"], json!(precision), "{typed}");
        assert_eq!((&row["event_time"], &row["event_end"]), (&time, &end), "{typed}");
        assert_eq!(row["event_text"], json!(typed));
    }
    let plain = home.write(&["say", "now"]);
    let row = entry(&home, &plain);
    assert_eq!((&row["event_precision"], &row["event_text"]), (&json!("exact"), &Value::Null));
    assert_eq!(row["event_time"], row["recorded_time"]);
}

#[test]
fn what_happened_first_stands_first_however_late_it_is_told() {
    let (home, _) = with_incident();
    let late = home.write(&["saw", "it begin", "--at", "2023-07-20 12:17"]);
    assert_eq!(ids_of(&timeline(&home))[0], late);
}

#[test]
fn a_time_of_day_still_to_come_means_yesterday_and_a_note_says_so() {
    let (home, _) = with_incident();
    // A zone in which it is morning: 23:59 is still to come, whenever the test runs.
    let minutes = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 60 % 1_440;
    let zone = if minutes < 720 { "UTC" } else { "Etc/GMT+12" };
    let home = home.with_variable("MUSTER_TIME_ZONE", zone);
    let answer =
        home.muster(&["saw", "it", "--at", "23:59", "--json"]).with_code(0).says(&["note: 23:59", "yesterday"]);
    let row = entry(&home, answer.json()["entry"].as_str().unwrap());
    assert!(row["event_time"].as_str() < row["recorded_time"].as_str(), "{row}");
}

#[test]
fn an_action_without_its_id_is_the_only_open_one_of_your_own() {
    let (home, _) = with_incident();
    home.muster(&["did", "worked"]).refused(&["you have no open action"]);
    let restart = home.write(&["will", "restart", "--on", "db-1"]);
    home.write(&["did", "worked", "it is back"]);
    let state = |id: &str| {
        let actions = home.json(&["actions"]);
        let action = actions.as_array().unwrap().iter().find(|action| action["id"] == id).unwrap().clone();
        (action["state"].clone(), action["open"].clone())
    };
    assert_eq!(state(&restart), (json!("worked"), json!(false)));
    let one = home.write(&["will", "reload", "--on", "lb-1"]);
    let two = home.write(&["will", "drain", "--on", "lb-2"]);
    home.muster(&["did", "failed"]).refused(&["you have 2 open actions", &one[..8], &two[..8]]);
    home.write(&["did", &one[..8], "failed"]);
    home.write(&["did", "abandoned"]);
    assert_eq!((state(&one).0, state(&two).0), (json!("failed"), json!("abandoned")));
}

#[test]
fn two_open_actions_on_one_target_clash_and_the_answer_notes_it() {
    let (home, _) = with_incident();
    let first = home.write(&["will", "restart", "--on", "db-1"]);
    let answer = home.muster(&["will", "reload", "--on", "db-1", "--json"]).with_code(0).says(&["note: ", &first[..8]]);
    assert!(answer.json()["note"].as_str().unwrap().contains(&first[..8]));
    let actions = home.json(&["actions"]);
    assert!(actions.as_array().unwrap().iter().all(|action| action["clash"] == true), "{actions}");
    let free = home.json(&["will", "look", "--on", "db-2"]);
    assert!(free.get("note").is_none_or(Value::is_null), "{free}");
}

#[test]
fn an_amendment_leaves_the_original_where_it_was() {
    let (home, _) = with_incident();
    let original = home.write(&["say", "12 hosts"]);
    let amendment = home.write(&["amend", &original[..6], "21 hosts"]);
    let row = entry(&home, &original);
    assert_eq!((&row["text"], &row["amended_by"]), (&json!("12 hosts"), &json!([amendment])));
    assert_eq!(entry(&home, &amendment)["kind"], json!("amendment"));
}

#[test]
fn equal_handles_are_two_people_with_a_suffix_and_a_held_role_is_not_taken_by_accident() {
    let (one, _) = with_incident();
    let other = Home::new("alice");
    let node = one.up();
    one.lets_in(&other);
    let other_node = other.up();
    until("both hold the incident", || (other.timeline() == one.timeline()).then_some(()));
    one.write(&["role", "claim", "ic"]);
    until("the claim is on both", || (other.timeline() == one.timeline()).then_some(()));

    let hint = "muster role claim incident-commander --take";
    other.muster(&["role", "claim", "ic"]).refused(&["holds the role of incident-commander", hint]);
    other.write(&["role", "claim", "ic", "--take", "the first alice went home"]);
    until("the role has changed hands", || {
        let roles = one.json(&["roles"]);
        (roles["incident-commander"]["holds"][0]["since"].is_string() && one.timeline() == other.timeline())
            .then_some(())
    });
    let holders = one.json(&["roles"])["incident-commander"]["holders"].clone();
    assert_eq!(holders.as_array().unwrap().len(), 1, "{holders}");

    let rows = timeline(&one);
    let people: BTreeSet<&str> =
        rows.as_array().unwrap().iter().map(|row| row["author"]["person"].as_str().unwrap()).collect();
    assert_eq!(people.len(), 2, "{people:?}");
    for row in rows.as_array().unwrap() {
        let (person, device) = (row["author"]["person"].as_str().unwrap(), row["author"]["device"].as_str().unwrap());
        let suffix = person.strip_prefix("alice").unwrap().trim_matches(|c: char| !c.is_alphanumeric());
        assert!(suffix.len() >= 4 && device.ends_with(suffix), "{person} carries the end of {device}");
    }
    assert_eq!(
        holders[0],
        rows.as_array().unwrap().iter().rfind(|row| row["kind"] == "role").unwrap()["author"]["person"]
    );
    drop((node, other_node));
}

#[test]
fn the_exports_hold_the_incident() {
    let (home, incident) = with_incident();
    home.write(&["say", "hello <world>"]);
    let export: Value = serde_json::from_str(&home.muster(&["export", "json"]).with_code(0).stdout).unwrap();
    assert!(export.to_string().contains(&incident), "{export}");
    for form in ["md", "json"] {
        let all = home.muster(&["export", form, "--all"]).with_code(2);
        assert!(all.stdout.is_empty() && all.stderr.contains("`muster export audit FILE --all`"), "{}", all.stderr);
    }
    let text = home.muster(&["export", "md"]).with_code(0).stdout;
    assert!(text.contains("Checkout is down") && text.contains("hello"), "{text}");
    assert_eq!(home.json(&["export", "md"])["text"], json!(text));
    let file = home.path().join("review.md");
    let answer = home.muster(&["export", "md", "-o", file.to_str().unwrap()]).with_code(0);
    assert_eq!((answer.stdout.as_str(), std::fs::read_to_string(&file).unwrap()), ("", text));
}

#[test]
fn whohas_tells_that_an_entry_is_only_here() {
    let (home, incident) = with_incident();
    let answer = home.json(&["whohas", &incident[..6]]);
    assert_eq!((&answer["entry"], &answer["only_here"]), (&json!(incident), &json!(true)));
    assert_eq!(answer["holders"][0]["person"], json!("alice"));
    assert_eq!(answer["unknown"], json!([]));
}

#[track_caller]
fn origin(home: &Home, options: &[&str], key: &str) -> (Value, String) {
    let shown = home.json(&[&["config", "show"], options].concat());
    let setting = shown["settings"].as_array().unwrap().iter().find(|setting| setting["key"] == key).unwrap();
    (setting["value"].clone(), setting["origin"].as_str().unwrap().to_owned())
}

#[test]
fn a_setting_tells_where_it_comes_from_and_the_nearest_wins() {
    let (home, _) = with_incident();
    assert_eq!(origin(&home, &[], "log"), (json!("info"), "default".into()));
    std::fs::write(home.path().join("config.toml"), "# the first line\nlog = \"warn\"\n").unwrap();
    let (value, from) = origin(&home, &[], "log");
    assert_eq!(value, json!("warn"));
    assert!(from.contains("config.toml"), "{from}");
    let home = home.with_variable("MUSTER_LOG", "error");
    assert_eq!(origin(&home, &[], "log"), (json!("error"), "MUSTER_LOG".into()));
    let (value, from) = origin(&home, &["--log", "debug"], "log");
    assert_eq!(value, json!("debug"));
    assert!(from.contains("flag") || from.contains("--log"), "{from}");
}

#[test]
fn an_unknown_setting_is_an_error_that_names_file_and_line() {
    let (home, _) = with_incident();
    for (file, words) in [
        ("name = \"alice\"\nlisten_on = 4001\n", ["config.toml:2", "unknown key `listen_on`"]),
        ("\n\nmdns = \"perhaps\"\n", ["config.toml:3", "`mdns` must be"]),
        ("name = \n", ["config.toml:1", "error"]),
    ] {
        std::fs::write(home.path().join("config.toml"), file).unwrap();
        home.muster(&["status"]).with_code(1).says(&words);
    }
}

#[test]
fn what_others_wrote_does_not_steer_the_terminal() {
    let (home, _) = with_incident();
    home.write(&["say", "\u{1b}[2Jgone\u{7}"]);
    for command in [&["timeline"][..], &["board"], &["status"]] {
        let shown = home.muster(command).with_code(0).stdout;
        assert!(!shown.contains(['\u{1b}', '\u{7}']), "{command:?}: {shown:?}");
    }
}
