//! What simulated people do: few targets, few roles and few words, so that they get into each other's way.

use crate::rng::Rng;
use muster_incident::{Act, Aside};
use muster_log::{EntryId, Timestamp, When};

const TARGETS: [&str; 3] = ["db-1", "Checkout", "eu west"];
const ROLES: [&str; 5] = ["ic", "rl", "deputy", "scribe", "translator"];
const MILESTONES: [&str; 5] = ["start", "impact", "detected", "mitigated", "end"];
const PHASES: [&str; 4] = ["confirm", "dismiss", "resolve", "reopen"];
const RESULTS: [&str; 4] = ["worked", "failed", "reverted", "abandoned"];

/// A new incident, sometimes for few eyes only.
pub(crate) fn declare(rng: &mut Rng, names: &[String]) -> Act {
    let private = if rng.chance(150) { some(rng, names).into_iter().collect() } else { Vec::new() };
    Act::Declare {
        title: text(rng),
        severity: severity(rng),
        drill: rng.chance(100),
        suspected: rng.chance(300),
        private,
    }
}

/// A new incident for the whole team.
pub(crate) fn declare_for_all(title: String) -> Act {
    Act::Declare { title, severity: Some(3), drill: false, suspected: false, private: Vec::new() }
}

/// Something in an incident that has these entries.
pub(crate) fn act(rng: &mut Rng, names: &[String], entries: &[EntryId]) -> Act {
    let entry = |rng: &mut Rng| rng.pick(entries).map(EntryId::to_string).unwrap_or_default();
    match rng.below(25) {
        0..4 => Act::Say { text: text(rng) },
        4 => Act::Saw { text: text(rng) },
        5 => Act::Decided { text: text(rng) },
        6 => Act::Need { text: text(rng) },
        7 | 8 => Act::Will {
            text: text(rng),
            target: word(rng, &TARGETS),
            undo: rng.chance(300).then(|| text(rng)),
            tested: rng.chance(300).then(|| "staging".to_owned()),
            expected_minutes: rng.chance(500).then_some(10),
        },
        9 => Act::Doing { what: Some(text(rng)), target: Some(word(rng, &TARGETS)) },
        10 => Act::Doing { what: rng.chance(500).then(|| entry(rng)), target: None },
        11 | 12 => Act::Did {
            id: rng.chance(600).then(|| entry(rng)),
            result: word(rng, &RESULTS),
            text: rng.chance(500).then(|| text(rng)),
        },
        13 => Act::Amend { id: entry(rng), text: text(rng) },
        14 => Act::Severity { severity: severity(rng) },
        15 => Act::Mark { milestone: word(rng, &MILESTONES), text: rng.chance(300).then(|| text(rng)) },
        16 | 17 => Act::RoleClaim { role: word(rng, &ROLES), take: rng.chance(500).then(|| text(rng)) },
        18 => Act::RoleAssign { role: word(rng, &ROLES), to: some(rng, names).unwrap_or_default() },
        19 => Act::RoleAccept { role: word(rng, &ROLES) },
        20 => Act::RoleRelease { role: word(rng, &ROLES) },
        21 => Act::RoleSettle { role: word(rng, &ROLES), on: some(rng, names).unwrap_or_default() },
        22 => Act::Phase { phase: word(rng, &PHASES), text: rng.chance(300).then(|| text(rng)) },
        23 => Act::Redact { id: entry(rng), reason: text(rng) },
        _ => Act::Title { title: text(rng) },
    }
}

/// What goes with an act: now and then a time, a reporter, a link.
pub(crate) fn aside(rng: &mut Rng, wall: Timestamp) -> Aside {
    let mut aside = Aside::default();
    if rng.chance(150) {
        let ago = i64::try_from(rng.below(7_200_000)).unwrap_or(0);
        aside.when = Some(match rng.below(3) {
            0 => When::about(wall.plus_ms(-ago), None, 60),
            1 => When::between(wall.plus_ms(-ago), wall, 0),
            _ => When::unknown(),
        });
        aside.when_text = Some("some time ago".to_owned());
    }
    aside.who = rng.chance(50).then(|| "the customer".to_owned());
    aside.link = rng.chance(50).then(|| "https://status.example/1".to_owned());
    aside
}

fn severity(rng: &mut Rng) -> Option<u8> {
    [None, Some(1), Some(2), Some(5), Some(9)].get(rng.index(5)).copied().flatten()
}

fn some(rng: &mut Rng, names: &[String]) -> Option<String> {
    rng.pick(names).cloned()
}

fn word(rng: &mut Rng, words: &[&str]) -> String {
    rng.pick(words).map(|word| (*word).to_owned()).unwrap_or_default()
}

/// A few words; rarely a long text, so that chunks have something to carry.
fn text(rng: &mut Rng) -> String {
    let words = ["the", "primary", "is", "slow", "again", "rollback", "ünïcode", "\u{202e}odd", "5xx", "at 13:37"];
    let count = if rng.chance(20) { rng.between(200, 800) } else { rng.between(0, 6) };
    (0..count).map(|_| word(rng, &words)).collect::<Vec<_>>().join(" ")
}
