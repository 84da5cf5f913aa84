//! What the pure crates may not reach: a runtime, a network, a store, a clock, global randomness.
//!
//! Two checks. The first walks the dependencies as `cargo tree` lists them for one crate alone. The second reads the
//! crates' own source for names that would let the world in; the same names are banned by the `clippy.toml` beside each
//! crate, which sees through renames, while this one also sees code that is not compiled here.
//!
//! One exception: automerge depends on `rand` and `getrandom` (it draws an actor id for a new document), so
//! `muster-incident` reaches them. Its own source may not: it gives every document its actor.

use crate::cargo::{Node, Workspace};
use crate::files;
use crate::source;
use crate::stage::Findings;

/// The pure crates and whether crates that draw random numbers may stand among their dependencies.
const PURE: [(&str, bool); 3] = [("muster-log", false), ("muster-sync", false), ("muster-incident", true)];

/// Crates that no pure crate reaches, by the first part of their names, with the reason.
const BANNED: [(&str, &str); 9] = [
    ("tokio", "a pure crate does not wait"),
    ("async-std", "a pure crate does not wait"),
    ("futures", "a pure crate does not wait"),
    ("mio", "a pure crate does no IO"),
    ("socket2", "a pure crate does no IO"),
    ("libp2p", "a pure crate has never heard of the network"),
    ("sled", "a pure crate has never heard of the store"),
    ("chrono", "a pure crate reads no clock"),
    ("time", "a pure crate reads no clock"),
];

/// The calendar, which without this feature cannot reach a clock or the system's time zones.
const CALENDAR: (&str, &str) = ("jiff", "std");

/// Crates, and features of any crate, that draw on global randomness.
const RANDOMNESS: [&str; 9] =
    ["rand", "rand_core", "getrandom", "os_rng", "sys_rng", "thread_rng", "std_rng", "fastrand", "uuid"];

/// Names that let the world into a source file, with the reason.
const BANNED_NAMES: [(&str, &str); 22] = [
    ("SystemTime", "time arrives as an argument"),
    ("Instant", "time arrives as an argument"),
    ("Timestamp::now", "time arrives as an argument"),
    ("Zoned::now", "time arrives as an argument"),
    ("TimeZone::system", "the zone arrives as an offset"),
    ("std::fs", "a pure crate does no IO"),
    ("std::net", "a pure crate does no IO"),
    ("std::env", "a pure crate does no IO"),
    ("std::process", "a pure crate does no IO"),
    ("std::thread", "a pure crate spawns nothing"),
    ("println", "a pure crate does no IO"),
    ("eprintln", "a pure crate does no IO"),
    ("async", "a pure crate does not wait"),
    ("await", "a pure crate does not wait"),
    ("HashMap", "its order differs from run to run: BTreeMap"),
    ("HashSet", "its order differs from run to run: BTreeSet"),
    ("RandomState", "it is seeded at random"),
    ("DefaultHasher", "its result may change between versions of Rust"),
    ("rand", "seeds and salts arrive as arguments"),
    ("getrandom", "seeds and salts arrive as arguments"),
    ("OsRng", "seeds and salts arrive as arguments"),
    ("ActorId::random", "an actor is derived from the log"),
];

/// Modules of `std` that are also found in a grouped `use std::{…}`.
const BANNED_MODULES: [&str; 5] = ["fs", "net", "env", "process", "thread"];

/// Checks dependencies and sources of the pure crates.
pub(crate) fn run(workspace: &Workspace) -> Result<Findings, String> {
    let mut findings = Findings::new();
    for (name, may_reach_randomness) in PURE {
        let reached = workspace.tree(&["--package", name], "normal", "{f}")?;
        findings.extend(reached.iter().filter_map(|node| judge_node(name, node, may_reach_randomness)));
    }
    for file in files::read_all(workspace)? {
        let is_pure = PURE.iter().any(|(name, _)| file.path.starts_with(&format!("crates/{name}/src/")));
        if is_pure && file.path.ends_with(".rs") && !is_test_file(&file.path) {
            findings.extend(judge_source(&file.text).into_iter().map(|found| format!("{}: {found}", file.path)));
        }
    }
    Ok(findings)
}

fn judge_node(pure: &str, node: &Node, may_reach_randomness: bool) -> Option<String> {
    let begins = |start: &str| node.name == start || node.name.starts_with(&format!("{start}-"));
    if let Some((_, reason)) = BANNED.iter().find(|(start, _)| begins(start)) {
        return Some(format!("{pure} reaches {}: {reason}; see `cargo tree -p {pure} -i {}`", node.name, node.name));
    }
    let features = || node.value.split([',', ' ']);
    if begins(CALENDAR.0) && features().any(|feature| feature == CALENDAR.1) {
        return Some(format!(
            "{pure} reaches {} with its feature {}: a pure crate reads no clock",
            node.name, CALENDAR.1
        ));
    }
    if may_reach_randomness {
        return None;
    }
    if RANDOMNESS.contains(&node.name.as_str()) {
        return Some(format!("{pure} reaches {}, which draws random numbers", node.name));
    }
    let feature = features().find(|feature| RANDOMNESS.contains(feature))?;
    Some(format!("{pure} reaches {} with its feature {feature}, which draws random numbers", node.name))
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.contains("/tests/")
}

fn judge_source(text: &str) -> Findings {
    let code = source::code_of(text);
    let mut findings = Findings::new();
    for (line, number) in code.lines().zip(1..) {
        for (name, reason) in BANNED_NAMES.iter().filter(|(name, _)| source::has_word(line, name)) {
            findings.push(format!("line {number} names {name}: {reason}"));
        }
    }
    for (at, opening) in code.match_indices("std::{") {
        let group = &code[at + opening.len()..];
        let group = &group[..group.find(';').unwrap_or(group.len())];
        let parts = group.split([',', '{', '}']).map(|part| part.trim().split("::").next().unwrap_or_default());
        for module in parts.filter(|part| BANNED_MODULES.contains(part)) {
            findings.push(format!("names std::{module}: a pure crate does no IO and spawns nothing"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sync_and_incident_never_reach_a_runtime_a_network_a_store_a_clock_or_global_randomness() {
        assert_eq!(run(&Workspace::here()).unwrap(), Findings::new());
    }

    #[track_caller]
    fn check_source(text: &str, expected: usize) {
        let findings = judge_source(text);
        assert_eq!(findings.len(), expected, "{text}: {findings:?}");
    }

    #[test]
    fn a_name_that_lets_the_world_in_is_found_in_code_and_only_there() {
        check_source("use std::time::Instant;", 1);
        check_source("let now = SystemTime::now();", 1);
        check_source("use std::{fmt, fs};", 1);
        check_source("use std::{collections::{BTreeMap, HashMap}, net::IpAddr};", 2);
        check_source("pub async fn go() {}", 1);
        check_source("// an Instant has no number\nlet why = \"std::fs\";", 0);
        check_source("use std::collections::BTreeMap; use crate::time::Instantly;", 0);
        check_source("pure();\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}", 0);
    }

    #[track_caller]
    fn check_node(name: &str, features: &str, may_reach_randomness: bool, expected: bool) {
        let node = Node { name: name.to_owned(), local: false, value: features.to_owned() };
        assert_eq!(judge_node("muster-log", &node, may_reach_randomness).is_some(), expected, "{name} {features}");
    }

    #[test]
    fn a_banned_crate_or_feature_among_the_dependencies_is_found() {
        check_node("tokio", "", true, true);
        check_node("libp2p-core", "", true, true);
        check_node("sled", "", true, true);
        check_node("sledgehammer", "", true, false);
        check_node("jiff", "alloc", true, false);
        check_node("jiff", "alloc,std", true, true);
        check_node("rand", "", true, false);
        check_node("rand", "", false, true);
        check_node("crypto-common", "getrandom,std", false, true);
        check_node("crypto-common", "alloc", false, false);
    }
}
