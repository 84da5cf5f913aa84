//! What happens in the demo: the crates.io outage of 2023-07-20, with a cable that is cut in the middle.
//!
//! Facts and times are those of the public post-mortem (`examples/data`). Who types them, the cut and the double command are
//! the demo's own.

use super::cast::{Cast, Person, wrong};
use crate::problem::Problem;
use serde_json::Value;
use std::io::Write;

/// The published facts, one JSON object a line.
const FACTS: &str = include_str!("../../../../examples/data/crates-io-2023-07-20.jsonl");

/// One published fact.
struct Fact {
    time: String,
    what: String,
    who: String,
}

pub(super) fn tell(cast: &mut Cast) -> Result<(), Problem> {
    let facts = facts()?;
    let fact = |time: &str| {
        facts.iter().find(|fact| fact.time.contains(time)).ok_or_else(|| wrong(format!("no fact at {time}")))
    };
    let (alice, bob, carol) = (cast.person("alice")?, cast.person("bob")?, cast.person("carol")?);

    chapter("20 July 2023: crates.io downloads break. Three people, three nodes.");
    for person in [alice, bob, carol] {
        line(&format!("{} runs a node of their own (process {})", person.name, person.pid()));
    }

    chapter("Alice makes a team: a ticket each, copied to them.");
    for newcomer in [bob, carol] {
        let ticket = alice.json(&["team", "invite"])?;
        let ticket = text(&ticket, "ticket")?;
        newcomer.json(&["team", "join", ticket])?;
        line(&format!("{} joined with {}...", newcomer.name, &ticket[..20.min(ticket.len())]));
    }
    for person in [alice, bob, carol] {
        person.until(&["peers"], "two members connected", |peers| count(peers, |p| p["connected"] == true) == 2)?;
    }

    chapter("Alice declares. Everybody logs what they know and when it happened.");
    show(alice, &["declare", "crates.io: broken crate downloads", "--sev", "2", "--at", "2023-07-20T12:24:30Z"])?;
    log(bob, "say", fact("12:16")?)?;
    log(bob, "did-deploy", fact("12:17")?)?;
    log(alice, "saw", fact("12:24")?)?;
    mark(alice, "failed", "2023-07-20T12:17:00Z")?;
    mark(alice, "alerted", "2023-07-20T12:24:00Z")?;
    let before = cast.until_all_agree(&["timeline", "--json"], "one timeline before the cut", |rows| len(rows) >= 6)?;
    line(&format!("{} entries, byte for byte the same on all three nodes", len(&before)));

    chapter("The cable is cut. Alice is alone; Bob and Carol still see each other.");
    show(alice, &["net", "cut"])?;
    for person in [bob, carol] {
        person.until(&["peers"], "alice gone", |peers| count(peers, |p| p["connected"] == true) == 1)?;
    }
    line("each side names an incident commander and goes on:");
    for (person, role, time) in [
        (alice, "ic", "2023-07-20T12:26:00Z"),
        (bob, "ic", "2023-07-20T12:26:30Z"),
        (carol, "rl", "2023-07-20T12:27:00Z"),
    ] {
        show(person, &["role", "claim", role, "--at", time])?;
    }
    log(alice, "saw", fact("12:25")?)?;
    mark(alice, "acknowledged", "2023-07-20T12:28:00Z")?;
    show(
        bob,
        &[
            "will",
            "roll back the deployment",
            "--on",
            "crates.io production",
            "--undo",
            "promote it again",
            "--at",
            "2023-07-20T12:29:00Z",
        ],
    )?;
    show(bob, &["did", "worked", "downloads work again", "--at", "2023-07-20T12:30:00Z"])?;
    mark(carol, "recovered", "2023-07-20T12:30:00Z")?;
    show(
        alice,
        &["will", "restart the download servers", "--on", "crates.io production", "--at", "2023-07-20T12:29:30Z"],
    )?;
    for person in [alice, bob] {
        let roles = person.json(&["roles"])?;
        line(&format!("on {}'s side the incident commander is: {}", person.name, holders(&roles)));
    }

    chapter("The cable is mended.");
    show(alice, &["net", "heal"])?;
    let joined = cast
        .until_all_agree(&["timeline", "--json"], "one timeline after the cut", |rows| len(rows) >= len(&before) + 8)?;
    line(&format!("one timeline again: {} entries, byte for byte the same on all three nodes", len(&joined)));
    for person in &cast.people {
        let roles = person.json(&["roles"])?;
        let ic = &roles["incident-commander"];
        if ic["contested"] != true || len(&ic["holders"]) != 2 {
            return Err(wrong(format!("{} does not see the double command", person.name)));
        }
        line(&format!("{} sees: incident commander CONTESTED between {}", person.name, holders(&roles)));
    }

    chapter("Two commanders are one too many. One command settles it, as an entry.");
    show(carol, &["role", "settle", "ic", "bob", "--at", "2023-07-20T12:35:00Z"])?;
    show(alice, &["did", "abandoned", "bob rolled back first", "--at", "2023-07-20T12:36:00Z"])?;
    cast.until_all_agree(&["roles", "--json"], "the settled role", |roles| {
        let ic = &roles["incident-commander"];
        ic["contested"] == false && len(&ic["holders"]) == 1 && ic["holders"][0] == "bob"
    })?;
    line("all three nodes: incident commander bob");
    mark(bob, "repaired", "2023-07-20T12:30:00Z")?;
    for time in ["13:38", "13:49", "14:08", "14:10"] {
        log(alice, "saw", fact(time)?)?;
    }
    mark(alice, "resolved", "2023-07-20T14:10:00Z")?;
    let last = alice.json(&["say", "fixed version is live; review tomorrow", "--at", "2023-07-20T14:10:00Z"])?;
    let rows =
        cast.until_all_agree(&["timeline", "--json"], "one timeline at the end", |rows| len(rows) == len(&joined) + 9)?;

    chapter("What is on every node now. The board, as Carol sees it:");
    show_all(&carol.printed(&["board"])?);
    chapter("The timeline, as Bob sees it:");
    show_all(&bob.printed(&["timeline"])?);
    chapter("Who holds Alice's last entry:");
    let last = text(&last, "entry")?;
    alice.until(&["whohas", last], "three holders", |held| len(&held["holders"]) == 3)?;
    show_all(&alice.printed(&["whohas", last])?);
    chapter("Every signature, checked again by every node:");
    for person in &cast.people {
        let verified = person.json(&["verify"])?;
        if verified["ok"] != true {
            return Err(wrong(format!("verification fails at {}", person.name)));
        }
        line(&format!(
            "{}: ok, {} entries, {} signatures checked",
            person.name, verified["entries"], verified["signatures_checked"]
        ));
    }
    show_all("\n");
    line(&format!("{} entries, three people, one cut cable, one timeline.", len(&rows)));
    line("Try it yourself: muster declare \"what is wrong\", then muster help");
    Ok(())
}

fn facts() -> Result<Vec<Fact>, Problem> {
    FACTS
        .lines()
        .map(|fact| {
            let fact: Value = serde_json::from_str(fact).map_err(|error| wrong(error.to_string()))?;
            let part = |name: &str| fact[name].as_str().unwrap_or_default().to_owned();
            Ok(Fact { time: part("t"), what: part("what"), who: part("who") })
        })
        .collect()
}

/// Logs a published fact at the time it happened, told by whom the source names.
fn log(person: &Person, verb: &str, fact: &Fact) -> Result<(), Problem> {
    let verb = if verb == "did-deploy" { "say" } else { verb };
    show(person, &[verb, &fact.what, "--at", &fact.time, "--who", &fact.who])
}

fn mark(person: &Person, milestone: &str, time: &str) -> Result<(), Problem> {
    show(person, &["mark", milestone, "--at", time])
}

/// Has a person type a command, and shows that they did.
fn show(person: &Person, command: &[&str]) -> Result<(), Problem> {
    let typed: Vec<String> = command
        .iter()
        .map(|word| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() })
        .collect();
    let typed = format!("{}$ muster {}", person.name, typed.join(" "));
    line(&typed.chars().take(76).collect::<String>());
    person.json(command).map(drop)
}

fn chapter(title: &str) {
    show_all(&format!("\n== {title}\n"));
}

fn line(text: &str) {
    show_all(&format!("   {text}\n"));
}

/// Prints. The story goes on to its end where nobody reads any more, for its end is the exit code.
fn show_all(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, Problem> {
    value[key].as_str().ok_or_else(|| wrong(format!("no {key} in the answer")))
}

fn len(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}

fn count(value: &Value, good: impl Fn(&Value) -> bool) -> usize {
    value.as_array().map_or(0, |items| items.iter().filter(|item| good(item)).count())
}

/// Who holds the command, for people.
fn holders(roles: &Value) -> String {
    let holders = roles["incident-commander"]["holders"].as_array();
    let names: Vec<&str> = holders.into_iter().flatten().filter_map(Value::as_str).collect();
    names.join(" and ")
}
