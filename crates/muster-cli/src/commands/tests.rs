//! What words mean: a table from command lines to requests, and from answers to lines.

use super::*;
use crate::args::Args;
use crate::setting::tests::setting;
use clap::Parser;
use serde_json::json;

/// Splits at blanks; `'..'` keeps some together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec!["muster".to_owned()];
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

fn asked(line: &str, stdin: &str) -> Result<Value, String> {
    let args = Args::try_parse_from(words(line)).map_err(|error| format!("{} {error}", error.exit_code()))?;
    let mut setting = setting(stdin);
    setting.incident = args.globals.incident;
    setting.name = args.globals.name;
    let ask = args.command.ask().ok_or("more than one request")?;
    let request = ask.request(&mut setting).map_err(|problem| format!("{problem:?}"))?;
    Ok(serde_json::to_value(request).unwrap())
}

#[track_caller]
fn check(line: &str, expected: Value) {
    assert_eq!(asked(line, "from stdin\n"), Ok(expected), "{line}");
}

/// The act that a line writes, with nothing aside.
#[track_caller]
fn check_act(line: &str, expected: Value) {
    let write = json!({"act": expected, "incident": null, "at": null, "who": null, "link": null, "name": null});
    check(line, json!({ "write": write }));
}

#[track_caller]
fn check_read(line: &str, incident: Option<&str>, what: Value) {
    check(line, json!({"read": {"incident": incident, "what": what}}));
}

/// What is wrong with a line that means nothing.
#[track_caller]
fn usage_error(line: &str) -> String {
    let error = asked(line, "").unwrap_err();
    assert!(error.starts_with("2 ") || error.starts_with("Usage"), "{line}: {error}");
    error
}

#[test]
fn declaring_takes_a_title_and_what_is_fixed_at_birth() {
    let declare = |title: &str, severity: Option<u8>, drill: bool, suspected: bool, private: &[&str]| json!({"declare": {"title": title, "severity": severity, "drill": drill, "suspected": suspected, "private": private}});
    check_act("declare 'Checkout is down'", declare("Checkout is down", None, false, false, &[]));
    check_act("declare Checkout is down --sev 1", declare("Checkout is down", Some(1), false, false, &[]));
    check_act("declare --drill --suspected x --private bob,carol", declare("x", None, true, true, &["bob", "carol"]));
    check_act("declare --private bob --private carol x", declare("x", None, false, false, &["bob", "carol"]));
    for bad in ["declare", "declare x --sev 0", "declare x --sev 6", "declare ''"] {
        usage_error(bad);
    }
}

#[test]
fn a_title_is_one_line_and_other_texts_may_be_several() {
    for bad in ["declare 'a\nb'", "title 'a\r\nb'", "declare 'a\u{2028}b'"] {
        assert!(usage_error(bad).contains("a title is one line"), "{bad}");
    }
    check_act("title 'ends with a line feed\n'", json!({"title": {"title": "ends with a line feed"}}));
    check_act("say 'a\nb'", json!({"say": {"text": "a\nb"}}));
}

#[test]
fn texts_are_words_or_stdin() {
    check_act("say nobody is here", json!({"say": {"text": "nobody is here"}}));
    check_act("say -", json!({"say": {"text": "from stdin"}}));
    check_act("say - -", json!({"say": {"text": "- -"}}));
    check_act("saw '5xx on  the CDN'", json!({"saw": {"text": "5xx on  the CDN"}}));
    check_act("decided -", json!({"decided": {"text": "from stdin"}}));
    check_act("need help", json!({"need": {"text": "help"}}));
    check_act("say -- --force is wrong", json!({"say": {"text": "--force is wrong"}}));
    check_act("redact abcd --reason 'a password'", json!({"redact": {"id": "abcd", "reason": "a password"}}));
    check_act("amend abcd not so", json!({"amend": {"id": "abcd", "text": "not so"}}));
    check_act("admit carol", json!({"admit": {"who": "carol"}}));
    check_act("title A better one", json!({"title": {"title": "A better one"}}));
    for bad in ["say", "say ''", "amend abcd", "redact abcd", "title", "say x --batch f", "say --batch f --at 10:42"] {
        usage_error(bad);
    }
}

#[test]
fn asides_and_global_options_go_with_any_write() {
    check(
        "say x --at 12:17 --who 'a customer' --link http://x -i 7f3a --as alice",
        json!({"write": {"act": {"say": {"text": "x"}}, "incident": "7f3a", "who": "a customer", "link": "http://x",
            "name": "alice", "at": {"precision": "minute", "start_ms": 1_689_855_420_000_i64, "end_ms": null,
            "tolerance_ms": null, "offset_minutes": 0, "text": "12:17"}}}),
    );
    for line in ["--json -i 7f3a sev 2", "sev 2 --incident 7f3a --json", "sev --json 2 -i 7f3a"] {
        let asked = asked(line, "").unwrap();
        assert_eq!(asked["write"]["incident"], "7f3a", "{line}");
    }
    assert!(usage_error("mark repaired --at teatime").contains("about 13:30"));
}

#[test]
fn severities_and_milestones_are_read_from_words_and_letters() {
    check_act("sev 2", json!({"severity": {"severity": 2}}));
    check_act("sev unknown", json!({"severity": {"severity": null}}));
    for typed in ["repaired", "Repaired", "X", "x"] {
        check_act(&format!("mark {typed}"), json!({"mark": {"milestone": "repaired", "text": null}}));
    }
    check_act("mark last-good nightly copy", json!({"mark": {"milestone": "last-good", "text": "nightly copy"}}));
    for bad in ["sev", "sev 0", "sev 6", "sev high", "mark", "mark done"] {
        usage_error(bad);
    }
    assert!(usage_error("mark done").contains("repaired X"), "the words are listed");
}

#[test]
fn actions_are_announced_begun_and_ended() {
    let will = |undo: Option<&str>, tested: Option<&str>, minutes: Option<u32>| json!({"will": {"text": "roll back", "target": "api", "undo": undo, "tested": tested, "expected_minutes": minutes}});
    check_act("will roll back --on api", will(None, None, None));
    check_act("will 'roll back' --target api", will(None, None, None));
    check_act(
        "will --on api roll back --undo deploy --tested staging --takes 2h",
        will(Some("deploy"), Some("staging"), Some(120)),
    );
    check_act("doing", json!({"doing": {"what": null, "target": null}}));
    check_act("doing a1b2", json!({"doing": {"what": "a1b2", "target": null}}));
    check_act("doing rolling back --on api", json!({"doing": {"what": "rolling back", "target": "api"}}));
    for bad in ["will", "doing --on api", "will x", "doing rolling back", "doing abc", "doing worked"] {
        usage_error(bad);
    }
}

#[test]
fn a_result_may_come_with_an_id_a_text_both_or_neither() {
    let did =
        |id: Option<&str>, result: &str, text: Option<&str>| json!({"did": {"id": id, "result": result, "text": text}});
    check_act("did worked", did(None, "worked", None));
    check_act("did worked 'all green again'", did(None, "worked", Some("all green again")));
    check_act("did a1b2 worked all green", did(Some("a1b2"), "worked", Some("all green")));
    check_act("did DEADBEEF Failed", did(Some("DEADBEEF"), "failed", None));
    check_act("did abandoned -", did(None, "abandoned", Some("from stdin")));
    check_act("did reverted failed", did(None, "reverted", Some("failed")));
    for bad in ["did", "did a1b2", "did a1b worked", "did fine", "did planned", "did doing", "did a1b2 fine worked"] {
        usage_error(bad);
    }
}

#[test]
fn roles_take_the_step_the_role_and_where_needed_a_name() {
    check_act("role claim ic", json!({"role-claim": {"role": "ic", "take": null}}));
    check_act("role claim ic --take 'bob is cut off'", json!({"role-claim": {"role": "ic", "take": "bob is cut off"}}));
    check_act("role assign rl bob", json!({"role-assign": {"role": "rl", "to": "bob"}}));
    check_act("role accept rl", json!({"role-accept": {"role": "rl"}}));
    check_act("role release scribe", json!({"role-release": {"role": "scribe"}}));
    check_act("role settle ic alice~12D3", json!({"role-settle": {"role": "ic", "on": "alice~12D3"}}));
    for bad in ["role", "role claim", "role assign ic", "role settle ic", "role steal ic"] {
        usage_error(bad);
    }
}

#[test]
fn phases_are_words_of_their_own() {
    let phase = |phase: &str, text: Option<&str>| json!({"phase": {"phase": phase, "text": text}});
    check_act("confirm", phase("declared", None));
    check_act("dismiss false alarm", phase("dismissed", Some("false alarm")));
    check_act("resolve -", phase("resolved", Some("from stdin")));
    check_act("reopen", phase("reopened", None));
}

#[test]
fn reads_name_what_they_read_and_old_guesses_work_too() {
    check_read("status", None, json!("status"));
    check_read("board -i 7f3a", Some("7f3a"), json!("board"));
    check_read("timeline", None, json!({"timeline": {"local": false}}));
    check_read("log --local", None, json!({"timeline": {"local": true}}));
    check_read("roles -i checkout-is-down", Some("checkout-is-down"), json!("roles"));
    check_read("actions", None, json!("actions"));
    check_read("peers", None, json!("peers"));
    check_read("whohas a1b2 -i 7f3a", Some("a1b2"), json!("who-has"));
    check_read("export md", None, json!("export-markdown"));
    check_read("export json -o out.json", None, json!("export-json"));
    check_read("export md out.md", None, json!("export-markdown"));
    check_read("team show", None, json!("team"));
    usage_error("export");
    usage_error("verify --report");
    usage_error("verify --report=pdf record.audit");
    usage_error("export pdf");
    usage_error("export md a.md -o b.md");
}

#[test]
fn teams_tickets_links_and_addresses() {
    for line in ["invite", "team invite", "invite --for 24h"] {
        check(line, json!({"invite": {"capability": "responder", "minutes": 1440, "incident": null}}));
    }
    check(
        "team invite --observer --for 20m",
        json!({"invite": {"capability": "observer", "minutes": 20, "incident": null}}),
    );
    for line in ["join TICKET --as bob", "team join TICKET --as bob"] {
        check(line, json!({"join": {"ticket": "TICKET", "name": "bob"}}));
    }
    check("join TIC KET", json!({"join": {"ticket": "TICKET", "name": null}}));
    let addressed =
        json!({"capability": "responder", "minutes": 1440, "incident": null, "addresses": ["192.0.2.7:4001"]});
    check("invite --addr 192.0.2.7:4001", json!({ "invite": addressed }));
    check("join -", json!({"join": {"ticket": "from stdin", "name": null}}));
    check("team create --as alice", json!({"team-create": {"name": "alice", "team": null, "recovery": 0}}));
    check("net cut", json!({"cut": {"peer": null}}));
    check("net heal bob", json!({"heal": {"peer": "bob"}}));
    check("peers add /ip4/1.2.3.4/tcp/1", json!({"add-address": {"address": "/ip4/1.2.3.4/tcp/1"}}));
    check("use 7f3a", json!({"use": {"incident": "7f3a"}}));
    check("seen", json!({"seen": {"incident": null}}));
    check("seen -i 7f3a", json!({"seen": {"incident": "7f3a"}}));
    check("use", json!({"use": {"incident": null}}));
}

#[test]
fn a_text_that_was_piped_in_and_could_not_be_sent_is_still_at_hand() {
    let mut setting = setting("precious");
    let args = Args::try_parse_from(words("say - --at teatime")).unwrap();
    assert!(args.command.ask().unwrap().request(&mut setting).is_err());
    let home = tempfile::tempdir().unwrap();
    let kept = setting.input.keep(home.path()).unwrap();
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "precious");
}

#[track_caller]
fn check_shown(line: &str, answer: Value, expected: &str) {
    let args = Args::try_parse_from(words(line)).unwrap();
    let page = crate::render::Page { paint: crate::render::Paint::off(), ..page() };
    let shown = args.command.ask().unwrap().show(crate::run::made_printable(answer), &page);
    assert_eq!(shown.unwrap(), expected, "{line}");
}

fn page() -> Page {
    let setting = setting("");
    Page { paint: crate::render::Paint::off(), now: setting.now, zone: setting.zone }
}

#[test]
fn writes_answer_with_what_they_did_and_the_id() {
    let answer = json!({"entry": "a1".repeat(32), "incident": "7f".repeat(32)});
    check_shown("declare x", answer.clone(), "declared 7f7f7f7f\n");
    check_shown("declare x --suspected", answer.clone(), "suspected 7f7f7f7f\n");
    check_shown("say x", answer.clone(), "note a1a1a1a1\n");
    check_shown("will x --on y", answer.clone(), "planned a1a1a1a1\n");
    check_shown("did a1a1 failed", answer.clone(), "failed a1a1a1a1\n");
    check_shown("role settle ic bob", answer.clone(), "settled a1a1a1a1\n");
    check_shown("resolve", answer, "resolved a1a1a1a1\n");
}

#[test]
fn tickets_joins_choices_and_cuts_are_told_in_words() {
    let ticket = json!({"ticket": "muster1abc", "expires_ms": 1_689_859_800_000_i64, "capability": "responder"});
    let args = Args::try_parse_from(words("invite")).unwrap();
    insta::assert_snapshot!(args.command.ask().unwrap().show(ticket, &page()).unwrap(), @r"
    muster1abc

    One responder may come in with it, until 13:30: `muster join TICKET`.
    Whoever holds the ticket can use it, so hand it over as you would a key.
    ");
    let joined = json!({"team": "7e".repeat(32), "person": null, "synced": false,
        "carried": [{"from": "7f".repeat(32), "to": "8f".repeat(32)}]});
    let args = Args::try_parse_from(words("join x")).unwrap();
    insta::assert_snapshot!(args.command.ask().unwrap().show(joined, &page()).unwrap(), @r"
    joined team 7e7e7e7e
    came along: incident 7f7f7f7f, here 8f8f8f8f (the old id still works)
    the team sees what was declared alone before; `muster use ID` chooses it
    the team's entries are still to come: keep `muster up` running, see `muster peers`
    ");
    check_shown("use 7f", json!({"incident": "7f".repeat(32), "title": "A\u{1b}"}), "chosen 7f7f7f7f  A\u{fffd}\n");
    check_shown("use 7f", json!({"incident": "7f".repeat(32), "title": "A\nB"}), "chosen 7f7f7f7f  A B\n");
    let none = "none chosen; commands mean the open incident where there is only one, else `-i ID` says which\n";
    check_shown("use", json!({"incident": null, "title": null}), none);
    check_shown("net cut", json!({"cut": ["everybody"]}), "links are CUT to everybody\n");
    check_shown("net heal", json!({"cut": []}), "no links are cut\n");
    check_shown("export md", json!({"text": "# x"}), "# x\n");
}

#[test]
fn an_answer_of_another_version_is_a_failure_with_a_hint_and_no_panic() {
    let lines = [
        "say x",
        "status",
        "board",
        "timeline",
        "roles",
        "actions",
        "peers",
        "seen",
        "whohas abcd",
        "team show",
        "invite",
        "join x",
        "use",
        "net cut",
        "export md",
        "team create",
    ];
    for line in lines {
        let args = Args::try_parse_from(words(line)).unwrap();
        for answer in [json!("what"), json!({"entry": 1, "incident": 2}), json!([1])] {
            assert!(args.command.ask().unwrap().show(answer, &page()).is_err(), "{line}");
        }
    }
}

#[test]
fn completion_scripts_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let args = Args::try_parse_from(["muster", "completions", shell]).unwrap();
        let Command::Completions(completions) = args.command else { panic!("not completions") };
        assert!(completions.script().contains("timeline"), "{shell}");
    }
}
