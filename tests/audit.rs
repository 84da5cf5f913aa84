//! Audit files: written by one, checked by `muster verify` on a machine without a home, by a script in another language, and by
//! stock `ssh-keygen`; good ones and damaged ones.
//!
//! The script needs Python with `cryptography` and `cbor2`. Where that or `ssh-keygen` is not to be had the tests skip
//! themselves loudly, and fail in CI.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

use muster_tests::privilege::or_skip;
use muster_tests::{Home, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes that are flipped, each in a copy of its own.
const FLIPS: usize = 1_000;

/// What a verifier named: ids, and `file` for what is no entry.
type Named = BTreeSet<String>;

/// A record by two persons, of which one wrote a good part while apart: those entries came with one signature for all.
struct Record {
    alice: Home,
    bob: Home,
    file: PathBuf,
    bytes: Vec<u8>,
}

impl Record {
    fn new() -> Self {
        let (alice, bob) = (Home::new("alice"), Home::new("bob"));
        alice.write(&["declare", "Checkout is down", "--sev", "2"]);
        let node = alice.up();
        alice.lets_in(&bob);
        let bobs = bob.up();
        until("the newcomer has the incident", || (alice.timeline() == bob.timeline()).then_some(()));
        drop((node, bobs));
        for text in ["payments answer with 502", "the pool is full", "looking at db-1"] {
            bob.write(&["saw", text]);
        }
        bob.write(&["will", "restart it", "--on", "db-1", "--undo", "none"]);
        alice.write(&["say", "who is on it?", "--link", "https://status.example"]);
        let (alices, bobs) = (alice.up(), bob.up());
        bob.json(&["peers", "add", &alices.address()]);
        until("both have everything", || (alice.timeline() == bob.timeline()).then_some(()));
        alice.write(&["role", "claim", "ic"]);
        drop((alices, bobs));
        let file = alice.path().with_extension("audit");
        alice.muster(&["export", "audit", file.to_str().unwrap()]).with_code(0);
        let bytes = fs::read(&file).unwrap();
        Self { alice, bob, file, bytes }
    }
}

/// Where things are in an audit file, by what docs/protocol.md says of its form.
struct Form {
    manifest: Range<usize>,
    /// Of the manifest, the ids.
    ids: Vec<(Range<usize>, String)>,
    rows: Vec<Range<usize>>,
}

impl Form {
    fn of(bytes: &[u8]) -> Self {
        let mut at = 1;
        for _ in 0..4 {
            skip(bytes, &mut at);
        }
        let mut ids = Vec::new();
        for _ in 0..head(bytes, &mut at).1 {
            at += 1;
            skip(bytes, &mut at);
            for _ in 0..head(bytes, &mut at).1 {
                let digits = bytes[at + 2..at + 34].iter().map(|byte| format!("{byte:02x}")).collect();
                ids.push((at + 2..at + 34, digits));
                at += 34;
            }
        }
        // What is absent, and how many entries the writer lost.
        skip(bytes, &mut at);
        skip(bytes, &mut at);
        let manifest = 0..at;
        skip(bytes, &mut at);
        let mut rows = Vec::new();
        while at < bytes.len() {
            let from = at;
            skip(bytes, &mut at);
            rows.push(from..at);
        }
        assert_eq!(rows.len(), ids.len());
        Self { manifest, ids, rows }
    }

    /// Of a byte, what a verifier must name if it is another one: one of these.
    fn concerned(&self, at: usize) -> Named {
        if let Some(row) = self.rows.iter().position(|row| row.contains(&at)) {
            return Named::from([self.ids[row].1.clone()]);
        }
        let id = self.ids.iter().find(|(place, _)| place.contains(&at)).map(|(_, id)| id.clone());
        Named::from([id.unwrap_or_else(|| "file".into())])
    }
}

/// The major type and the argument of the CBOR item at `at`, which is passed over.
fn head(bytes: &[u8], at: &mut usize) -> (u8, usize) {
    let (major, short) = (bytes[*at] >> 5, bytes[*at] & 31);
    let size = if short < 24 { 0 } else { 1usize << (short - 24) };
    let argument = bytes[*at + 1..*at + 1 + size].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    *at += 1 + size;
    (major, if size == 0 { usize::from(short) } else { argument })
}

fn skip(bytes: &[u8], at: &mut usize) {
    match head(bytes, at) {
        (2 | 3, size) => *at += size,
        (4, items) => (0..items).for_each(|_| skip(bytes, at)),
        _ => {}
    }
}

/// A Python that has what the script needs.
fn python() -> Result<String, String> {
    let has_all = |python: &&str| {
        let run = Command::new(python).args(["-c", "import cbor2, cryptography"]).output();
        run.is_ok_and(|output| output.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_all);
    found.map(str::to_owned).ok_or("no Python with cryptography and cbor2".to_owned())
}

fn script(python: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/verify.py"));
    command
}

/// What the script says of each file.
fn by_script(python: &str, files: &[PathBuf]) -> Vec<Named> {
    let output = script(python).args(files).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let mut named: Vec<Named> = Vec::new();
    for line in told.lines() {
        match line.split_once('\t') {
            Some((name, _)) => drop(named.last_mut().unwrap().insert(name.to_owned())),
            None => named.push(Named::new()),
        }
    }
    assert_eq!(named.len(), files.len(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.success(), named.iter().all(Named::is_empty));
    named
}

/// What the program says of a file, on a machine without a home.
fn by_muster(file: &Path) -> (Named, Value) {
    let nobody = Home::at(Path::new("/nonexistent"), "nobody");
    let answer = nobody.muster(&["verify", file.to_str().unwrap(), "--json"]);
    let told = answer.json();
    let problems = told["problems"].as_array().unwrap().iter();
    let named: Named = problems.map(|problem| problem["entry"].as_str().unwrap_or("file").to_owned()).collect();
    assert_eq!((answer.code, &told["ok"]), (i32::from(!named.is_empty()), &Value::Bool(named.is_empty())), "{told}");
    (named, told)
}

/// As [`by_muster`], of many, on all cores.
fn by_muster_each(files: &[PathBuf]) -> Vec<Named> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let part = |files| scope.spawn(move || <[PathBuf]>::iter(files).map(|file| by_muster(file).0).collect());
        let parts: Vec<_> = files.chunks(files.len().div_ceil(cores).max(1)).map(part).collect();
        parts.into_iter().flat_map(|part: std::thread::ScopedJoinHandle<'_, Vec<Named>>| part.join().unwrap()).collect()
    })
}

fn next(state: &mut u64) -> usize {
    // splitmix64
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) as usize
}

#[test]
fn a_record_is_good_to_both_verifiers_and_tells_who_wrote_it() {
    let record = Record::new();
    let (named, told) = by_muster(&record.file);
    assert_eq!(named, Named::new(), "{told}");
    assert_eq!((&told["what"], &told["person"]), (&"audit".into(), &"alice".into()), "{told}");
    assert_eq!(told["bodies_absent"], serde_json::json!([]));
    assert!(told["by_run"].as_u64().unwrap() > 0 && told["own"].as_u64().unwrap() > 0, "{told}");
    assert_eq!(told["entries"].as_u64().unwrap() as usize, Form::of(&record.bytes).rows.len());
    let shown = record.bob.muster(&["verify", record.file.to_str().unwrap()]).with_code(0).stdout;
    assert!(shown.starts_with("ok: ") && shown.contains("by \"alice\", device"), "{shown}");
    record.alice.muster(&["export", "audit", record.file.to_str().unwrap()]).refused(&["is there already", "--force"]);
    let bobs = record.bob.path().with_extension("audit");
    record.bob.muster(&["export", "audit", "--all", "-o", bobs.to_str().unwrap()]).with_code(0);
    assert_eq!(by_muster(&bobs).1["person"], "bob");
    let test = "a_record_is_good_to_both_verifiers_and_tells_who_wrote_it";
    let Some(python) = or_skip(test, python()) else { return };
    assert_eq!(by_script(&python, &[record.file.clone(), bobs]), [Named::new(), Named::new()]);
}

#[test]
fn an_auditor_reads_from_the_file_alone_who_wrote_what_in_which_order_and_between_which_times() {
    let record = Record::new();
    let nobody = Home::at(Path::new("/nonexistent"), "nobody");
    let file = record.file.to_str().unwrap();
    let at_home = record.alice.json(&["timeline", "--audit"]);
    let held = |side: &str| at_home.as_array().unwrap().iter().filter(|row| row[side].is_string()).count();
    assert!(held("time_lower") > 3 && held("time_upper") > 3, "{at_home}");
    let (_, checked) = by_muster(&record.file);
    let times = &checked["times"][0];
    assert_eq!(
        (&times["labels"]["consistent"], &times["doubts"]),
        (&times["both"], &serde_json::json!([])),
        "{checked}"
    );
    assert_eq!(
        times["both"].as_u64().unwrap() * 2 + times["one"].as_u64().unwrap(),
        (held("time_lower") + held("time_upper")) as u64
    );
    let told = nobody.muster(&["verify", file, "--report", "--json"]).with_code(0).json();
    assert_eq!(told["record"][0]["timeline"], at_home, "as at home");
    assert_eq!(told["record"][0]["summary"]["incident"], times["incident"]);
    assert_eq!(nobody.muster(&["verify", "--report=json", file]).with_code(0).json(), told);
    let text = nobody.muster(&["verify", file, "--report"]).with_code(0).stdout;
    let markdown = nobody.muster(&["verify", file, "--report=md"]).with_code(0).stdout;
    let mut last = 0;
    let (_, head) = text.split_once("\n\nTeam ").unwrap();
    assert!(head.contains("\n          | Checkout is down\n"), "the title stands behind a bar: {text}");
    for row in at_home.as_array().unwrap() {
        let (id, device) = (row["id"].as_str().unwrap(), row["author"]["device"].as_str().unwrap());
        let at = text.find(&format!("\n{}  ", &id[..8])).unwrap_or_else(|| panic!("{id}: {text}"));
        assert!(at > last && text.contains(&format!("on {}", &device[device.len() - 8..])), "{text}");
        assert!(text.contains(device), "whose devices these are stands above: {text}");
        last = at;
        let mut lines = markdown.lines().filter(|line| line.contains(device));
        let line = lines.find(|line| line.ends_with(&format!("`{id}`"))).unwrap();
        for part in ["time_lower", "time_upper", "recorded_time"].map(|part| row[part].as_str().unwrap_or_default()) {
            assert!(line.contains(part), "{line}");
        }
    }
    assert!(text.starts_with("ok: ") && text.contains("[written between"), "{text}");
    assert!(markdown.contains(": *payments answer with 502* (recorded "), "{markdown}");
    let bundle = record.alice.path().with_extension("mb");
    record.alice.muster(&["bundle", "write", bundle.to_str().unwrap()]).with_code(0);
    let of_bundle = nobody.muster(&["verify", bundle.to_str().unwrap(), "--report=json"]).with_code(0).json();
    assert_eq!(of_bundle["record"], told["record"]);
    // What does not stand is named and left out; the rest can be read.
    let (form, mut bytes) = (Form::of(&record.bytes), record.bytes.clone());
    let newest = form.rows.last().unwrap();
    bytes[newest.start + 40] ^= 1;
    let damaged = record.alice.path().with_extension("damaged");
    fs::write(&damaged, bytes).unwrap();
    let rest = nobody.muster(&["verify", damaged.to_str().unwrap(), "--report=json"]).with_code(1).json();
    let (rest, all) = (rest["record"][0]["timeline"].as_array().unwrap(), at_home.as_array().unwrap());
    assert_eq!((rest.len() + 1, &rest[0]["id"]), (all.len(), &all[0]["id"]));
    fs::write(&damaged, &record.bytes[..20]).unwrap();
    let shown = nobody.muster(&["verify", damaged.to_str().unwrap(), "--report"]).with_code(1).stdout;
    assert!(shown.contains("file      the manifest is damaged"), "{shown}");
    assert!(nobody.muster(&["verify", "--report"]).with_code(2).stderr.contains("FILE"));
    assert!(nobody.muster(&["verify", file, "-i", "abcd"]).with_code(2).stderr.contains("leave out `-i`"));
}

#[test]
fn an_auditor_reads_how_the_team_came_to_be_who_was_let_in_by_whom_and_what_a_removal_took() {
    let record = Record::new();
    let nobody = Home::at(Path::new("/nonexistent"), "nobody");
    let forger = Home::new("mallory \" removed alice [OVERRULED]");
    let node = record.alice.up();
    record.alice.lets_in(&forger);
    record.alice.json(&["team", "set", "bob", "admin"]);
    drop(node);
    record.alice.json(&["team", "revoke", "bob", "--stolen", "--yes"]);
    let file = record.alice.path().with_extension("later");
    record.alice.muster(&["export", "audit", file.to_str().unwrap()]).with_code(0);
    let told = nobody.muster(&["verify", file.to_str().unwrap(), "--report=json"]).with_code(0).json();
    let team = &told["team_history"];
    let events = team["events"].as_array().unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["created", "joined", "joined", "capability", "removed"], "{team}");
    let removal = &events[4];
    assert_eq!((&removal["of"][0], &removal["what"]), (&"bob".into(), &"stolen".into()), "{removal}");
    // A thief's entries count only as far as others knew of them: those here were all seen by alice.
    assert_eq!((&removal["effect"], &removal["revoked"]), (&"counts".into(), &0.into()), "{removal}");
    assert_eq!((&events[1]["by"], &events[1]["let_in_by"][0]), (&"bob".into(), &"alice".into()), "{team}");
    let upper = events[1]["time_upper"].as_str().unwrap();
    assert!(events[1]["recorded_time"].as_str().unwrap() <= upper, "{team}");
    let text = nobody.muster(&["verify", file.to_str().unwrap(), "--report"]).with_code(0).stdout;
    assert!(text.contains("\"bob\" joined as responder") && text.contains("\"alice\" removed \"bob\""), "{text}");
    assert!(text.contains("\"mallory ' removed alice [OVERRU"), "a name ends where it ends: {text}");
    let markdown = nobody.muster(&["verify", file.to_str().unwrap(), "--report=md"]).with_code(0).stdout;
    let (team, rest) = markdown.split_once("\n## Team ").unwrap().1.split_once("\n# ").unwrap();
    assert!(rest.starts_with("Checkout is down\n"), "{markdown}");
    for event in events {
        let line = team.lines().find(|line| line.ends_with(&format!("`{}`", event["id"].as_str().unwrap()))).unwrap();
        assert!(line.contains(event["device"].as_str().unwrap()), "{line}");
    }
    assert!(team.contains(r"**mallory ") && team.contains(r"\[OVERRU"), "{team}");
}

#[test]
fn whatever_byte_is_flipped_and_whatever_row_is_gone_both_verifiers_name_the_same_entries() {
    let test = "whatever_byte_is_flipped_and_whatever_row_is_gone_both_verifiers_name_the_same_entries";
    let record = Record::new();
    let (form, dir) = (Form::of(&record.bytes), tempfile::tempdir().unwrap());
    let mut damaged: Vec<(String, Named, Vec<u8>)> = Vec::new();
    let mut state = 4;
    for _ in 0..FLIPS {
        let (at, bit) = (next(&mut state) % record.bytes.len(), next(&mut state) % 8);
        let mut bytes = record.bytes.clone();
        bytes[at] ^= 1 << bit;
        damaged.push((format!("bit {bit} of byte {at}"), form.concerned(at), bytes));
    }
    for (row, (_, id)) in form.rows.iter().zip(&form.ids) {
        let bytes = [&record.bytes[..row.start], &record.bytes[row.end..]].concat();
        damaged.push((format!("without {id}"), Named::from([id.clone()]), bytes));
    }
    let rest = [form.manifest.end, form.rows[2].start, form.rows[2].start + 40];
    damaged.extend(rest.map(|at| (format!("cut at {at}"), Named::new(), record.bytes[..at].to_vec())));
    let write = |(at, (_, _, bytes)): (usize, &(String, Named, Vec<u8>))| {
        let path = dir.path().join(format!("{at}.audit"));
        fs::write(&path, bytes).unwrap();
        path
    };
    let files: Vec<PathBuf> = damaged.iter().enumerate().map(write).collect();
    // What begins otherwise is no audit file at all: the program says that instead.
    let is_ours = |bytes: &[u8]| bytes.starts_with(&record.bytes[..16]);
    let ours: Vec<usize> = (0..files.len()).filter(|at| is_ours(&damaged[*at].2)).collect();
    let ours_files: Vec<PathBuf> = ours.iter().map(|at| files[*at].clone()).collect();
    assert!(ours.len() + 50 > files.len() && ours.len() > FLIPS / 2);
    let named = by_muster_each(&ours_files);
    for (at, named) in ours.iter().zip(&named) {
        let (what, concerned, _) = &damaged[*at];
        assert!(!named.is_empty() && (concerned.is_empty() || !named.is_disjoint(concerned)), "{what}: {named:?}");
    }
    let nobody = Home::at(Path::new("/nonexistent"), "nobody");
    for at in (0..files.len()).filter(|at| !ours.contains(at)) {
        nobody.muster(&["verify", files[at].to_str().unwrap()]).refused(&[]);
    }
    let Some(python) = or_skip(test, python()) else { return };
    for ((at, ours), theirs) in ours.iter().zip(&named).zip(by_script(&python, &ours_files)) {
        assert_eq!(*ours, theirs, "{}", damaged[*at].0);
    }
}

#[test]
fn rows_in_another_order_than_the_manifest_lists_are_named_by_both_verifiers() {
    let test = "rows_in_another_order_than_the_manifest_lists_are_named_by_both_verifiers";
    let record = Record::new();
    let (form, dir) = (Form::of(&record.bytes), tempfile::tempdir().unwrap());
    let (mut files, mut misplaced) = (Vec::new(), 0);
    for (at, two) in form.rows.windows(2).enumerate() {
        let (first, second) = (&record.bytes[two[0].clone()], &record.bytes[two[1].clone()]);
        let bytes = [&record.bytes[..two[0].start], second, first, &record.bytes[two[1].end..]].concat();
        assert_eq!(bytes.len(), record.bytes.len());
        files.push(dir.path().join(format!("{at}.audit")));
        fs::write(&files[at], bytes).unwrap();
    }
    let mut named = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let (ids, told) = by_muster(file);
        assert!(ids.contains(&form.ids[at].1), "the row that came too late: {told}");
        // Where neither builds on the other, nothing else is wrong with them.
        if told["problems"].as_array().unwrap().len() == 1 {
            misplaced += 1;
            assert!(told["problems"][0]["what"].as_str().unwrap().contains("not in its place"), "{told}");
            assert_eq!((told["own"].as_u64(), told["by_run"].as_u64()), counts(&record.file), "all entries stand");
        }
        named.push(ids);
    }
    assert!(misplaced > 0, "some of them were written apart");
    let Some(python) = or_skip(test, python()) else { return };
    assert_eq!(by_script(&python, &files), named);
}

/// How many entries of a good file stand by their own signature, and by a later one's.
fn counts(file: &Path) -> (Option<u64>, Option<u64>) {
    let (_, told) = by_muster(file);
    (told["own"].as_u64(), told["by_run"].as_u64())
}

/// A row without its body, where it has one.
fn without_body(row: &[u8]) -> Option<Vec<u8>> {
    let mut at = 1;
    skip(row, &mut at);
    skip(row, &mut at);
    (row[at] != 0xf6).then(|| [&row[..at], &[0xf6]].concat())
}

#[test]
fn a_text_that_somebody_takes_out_is_named_and_one_that_was_redacted_before_is_only_counted() {
    let test = "a_text_that_somebody_takes_out_is_named_and_one_that_was_redacted_before_is_only_counted";
    let record = Record::new();
    let (form, dir) = (Form::of(&record.bytes), tempfile::tempdir().unwrap());
    let (mut files, mut ids) = (Vec::new(), Vec::new());
    for (row, (_, id)) in form.rows.iter().zip(&form.ids) {
        let Some(bare) = without_body(&record.bytes[row.clone()]) else { continue };
        let path = dir.path().join(format!("{id}.audit"));
        fs::write(&path, [&record.bytes[..row.start], &bare, &record.bytes[row.end..]].concat()).unwrap();
        ids.push(Named::from([id.clone()]));
        files.push(path);
    }
    assert!(files.len() > 6, "names of people, the title and what was said");
    assert_eq!(by_muster_each(&files), ids);
    let (_, told) = by_muster(&files[3]);
    assert_eq!(told["problems"][0]["what"], "its text is not in the file, nor listed as absent", "{told}");

    let rows = record.alice.json(&["timeline"]);
    let said = rows.as_array().unwrap().iter().find(|row| row["text"] == "who is on it?").unwrap()["id"].clone();
    record.alice.write(&["redact", said.as_str().unwrap(), "--reason", "pasted a secret"]);
    let after = dir.path().join("after.audit");
    let account = record.alice.json(&["export", "audit", after.to_str().unwrap()]);
    assert_eq!((&account["absent"], &account["lost"]), (&1.into(), &0.into()), "{account}");
    let (named, told) = by_muster(&after);
    assert_eq!((named, &told["bodies_absent"]), (Named::new(), &serde_json::json!([said])), "{told}");
    let Some(python) = or_skip(test, python()) else { return };
    assert_eq!(by_script(&python, &files), ids);
    let shown = String::from_utf8(script(&python).arg(&after).output().unwrap().stdout).unwrap();
    assert!(shown.contains(": ok, ") && shown.contains("1 texts are absent"), "{shown}");
}

#[test]
fn what_a_home_lost_is_told_when_it_writes_a_file_and_to_whoever_checks_it() {
    let home = Home::new("alice");
    home.write(&["declare", "Checkout is down"]);
    for number in 0..20 {
        home.write(&["say", &format!("line {number}")]);
    }
    let segment = home.path().join("store/journal/00000001.log");
    let mut bytes = fs::read(&segment).unwrap();
    let place = bytes.len() * 2 / 3;
    bytes[place] ^= 4;
    fs::write(&segment, &bytes).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (name, repaired) in [("damaged", false), ("lossy", true)] {
        if repaired {
            home.muster(&["repair"]).with_code(0);
        }
        let (file, other) = (dir.path().join(name), dir.path().join(format!("{name}.again")));
        let account = home.muster(&["export", "audit", file.to_str().unwrap(), "--all", "--json"]).with_code(1).json();
        let lost = account["lost"].as_u64().unwrap();
        assert!(lost > 0, "{account}");
        let shown = home.muster(&["export", "audit", other.to_str().unwrap(), "--all"]).with_code(1).stdout;
        assert!(shown.contains("this home lost ") && shown.contains("the file lacks them"), "{shown}");
        let (named, told) = by_muster(&file);
        assert_eq!((named, told["lost"].as_u64()), (Named::new(), Some(lost)), "{told}");
        let nobody = Home::at(Path::new("/nonexistent"), "nobody");
        let shown = nobody.muster(&["verify", file.to_str().unwrap()]).with_code(0).stdout;
        assert!(shown.contains("whoever wrote this had lost "), "{shown}");
    }
}

/// The file as another device would have written it: its key in the manifest, and its signature by `ssh-keygen`.
fn as_if_by(bytes: &[u8], form: &Form, key: &Path, dir: &Path) -> Vec<u8> {
    let last = "ssh-keygen -y -f \"$1\" | cut -d' ' -f2 | base64 -d | tail -c 32";
    let public = Command::new("sh").args(["-ec", last, "sh"]).arg(key).output().unwrap().stdout;
    let mut manifest = bytes[form.manifest.clone()].to_vec();
    let mut at = 1;
    (0..2).for_each(|_| skip(&manifest, &mut at));
    manifest[at + 2..at + 34].copy_from_slice(&public);
    let signed = dir.join("to-sign");
    fs::write(&signed, &manifest).unwrap();
    let _ = fs::remove_file(dir.join("to-sign.sig"));
    let run =
        Command::new("ssh-keygen").args(["-Y", "sign", "-n", "muster-audit", "-f"]).arg(key).arg(&signed).output();
    assert!(run.as_ref().unwrap().status.success(), "{run:?}");
    let armour = fs::read(dir.join("to-sign.sig")).unwrap();
    let head = [&[0x79][..], &u16::try_from(armour.len()).unwrap().to_be_bytes()].concat();
    [&manifest, &head, &armour, &bytes[form.rows[0].start..]].concat()
}

#[test]
fn a_file_by_a_device_that_nobody_let_in_is_bad_and_one_by_a_removed_device_is_told() {
    let test = "a_file_by_a_device_that_nobody_let_in_is_bad_and_one_by_a_removed_device_is_told";
    let there = Command::new("ssh-keygen").arg("-?").output().map(drop).map_err(|error| format!("ssh-keygen: {error}"));
    let Some(()) = or_skip(test, there) else { return };
    let record = Record::new();
    assert_eq!(by_muster(&record.file).1["writer"], "member");
    record.alice.json(&["team", "revoke", "bob", "--stolen", "--yes"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("whole.audit");
    record.alice.muster(&["export", "audit", file.to_str().unwrap()]).with_code(0);
    let bytes = fs::read(&file).unwrap();
    let form = Form::of(&bytes);
    let (bobs, strangers) = (dir.path().join("bob"), dir.path().join("stranger"));
    record.bob.muster(&["key", "export", bobs.to_str().unwrap(), "--no-passphrase"]).with_code(0);
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&strangers).status();
    assert!(made.unwrap().success());
    let (by_bob, by_stranger) = (dir.path().join("bob.audit"), dir.path().join("stranger.audit"));
    fs::write(&by_bob, as_if_by(&bytes, &form, &bobs, dir.path())).unwrap();
    fs::write(&by_stranger, as_if_by(&bytes, &form, &strangers, dir.path())).unwrap();

    let (named, told) = by_muster(&by_bob);
    assert_eq!((named, &told["writer"], &told["person"]), (Named::new(), &"removed".into(), &Value::Null), "{told}");
    assert_eq!((&told["removal"]["what"], &told["removal"]["by"]), (&"stolen".into(), &"alice".into()), "{told}");
    let nobody = Home::at(Path::new("/nonexistent"), "nobody");
    let shown = nobody.muster(&["verify", by_bob.to_str().unwrap()]).with_code(0).stdout;
    assert!(shown.contains("removed as stolen by \"alice\""), "{shown}");
    let (named, told) = by_muster(&by_stranger);
    assert_eq!((named, &told["writer"]), (Named::from(["file".into()]), &"never-let-in".into()), "{told}");
    let Some(python) = or_skip(test, python()) else { return };
    assert_eq!(by_script(&python, &[by_bob, by_stranger]), [Named::new(), Named::from(["file".into()])]);
}

type Id = [u8; 32];

/// DAGs with their entries, as a manifest lists them.
type Dags = Vec<(Id, Vec<Id>)>;

/// A manifest with other DAGs and other absent entries than the one of a file.
fn manifest_with(bytes: &[u8], dags: &[(Id, Vec<Id>)], absent: &[Id]) -> Vec<u8> {
    let (mut at, list) = (1, |items: usize| [&[0x99][..], &u16::try_from(items).unwrap().to_be_bytes()].concat());
    // The shortest form is the canonical one.
    let list = |items: usize| match items {
        0..24 => vec![0x80 + items as u8],
        24..256 => vec![0x98, items as u8],
        _ => list(items),
    };
    let id = |id: &Id| [&[0x58, 0x20], &id[..]].concat();
    (0..4).for_each(|_| skip(bytes, &mut at));
    let mut made = [bytes[..at].to_vec(), list(dags.len())].concat();
    for (dag, ids) in dags {
        made.extend([vec![0x82], id(dag), list(ids.len()), ids.iter().flat_map(id).collect()].concat());
    }
    (0..2).for_each(|_| skip(bytes, &mut at));
    let from = at;
    skip(bytes, &mut at);
    [made, list(absent.len()), absent.iter().flat_map(id).collect(), bytes[from..at].to_vec()].concat()
}

/// A member signs what no honest program writes: both verifiers took it for a record.
#[test]
fn a_manifest_that_lists_something_twice_or_in_the_wrong_place_is_bad_to_both_verifiers_whoever_signed_it() {
    let test = "a_manifest_that_lists_something_twice_or_in_the_wrong_place_is_bad_to_both_verifiers_whoever_signed_it";
    let there = Command::new("ssh-keygen").arg("-?").output().map(drop).map_err(|error| format!("ssh-keygen: {error}"));
    let Some(()) = or_skip(test, there) else { return };
    let record = Record::new();
    let (form, dir) = (Form::of(&record.bytes), tempfile::tempdir().unwrap());
    let key = dir.path().join("alice");
    record.alice.muster(&["key", "export", key.to_str().unwrap(), "--no-passphrase"]).with_code(0);
    let all: Vec<Id> = form.ids.iter().map(|(place, _)| record.bytes[place.clone()].try_into().unwrap()).collect();
    // Each DAG has the name of its first entry, and the second begins with the only `declare`.
    let row = record.alice.json(&["timeline"])[0].clone();
    let declared = form.ids.iter().position(|(_, id)| row["incident"] == id.as_str()).unwrap();
    let (ros, inc) = all.split_at(declared);
    let (roster, incident) = ((ros[0], ros.to_vec()), (inc[0], inc.to_vec()));
    let bodyless = form.rows.iter().zip(&all).find(|(row, _)| without_body(&record.bytes[(*row).clone()]).is_none());
    let bodyless = *bodyless.unwrap().1;
    let hex = |id: &Id| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let named = |ids: &[Id]| ids.iter().map(hex).collect::<Named>();
    let damaged = || Named::from(["file".into()]);
    let twice = (incident.0, [inc, &inc[..1]].concat());
    let split = (incident.0, [&ros[2..], inc].concat());
    let cases: [(&str, Dags, Vec<Id>, Named); 10] = [
        ("as it was", vec![roster.clone(), incident.clone()], vec![], Named::new()),
        ("an id twice", vec![roster.clone(), twice], vec![], damaged()),
        ("a DAG twice", vec![roster.clone(), incident.clone(), incident.clone()], vec![], damaged()),
        ("an empty DAG", vec![roster.clone(), incident.clone(), ([0xff; 32], vec![])], vec![], damaged()),
        ("the incident first", vec![incident.clone(), roster.clone()], vec![], damaged()),
        ("no roster", vec![incident.clone()], vec![], damaged()),
        ("under a name of nothing", vec![roster.clone(), ([7; 32], inc.to_vec())], vec![], named(inc)),
        ("all as the roster", vec![(roster.0, all.clone())], vec![], named(inc)),
        ("a roster in two", vec![(roster.0, ros[..2].to_vec()), split], vec![], named(&ros[2..])),
        ("absent and without a text", vec![roster.clone(), incident.clone()], vec![bodyless], named(&[bodyless])),
    ];
    let files: Vec<PathBuf> = cases.iter().map(|(what, ..)| dir.path().join(what)).collect();
    for ((_, dags, absent, _), file) in cases.iter().zip(&files) {
        let manifest = manifest_with(&record.bytes, dags, absent);
        let rows = manifest.len() + 1..usize::MAX;
        let bytes = [&manifest[..], &[0x60], &record.bytes[form.rows[0].start..]].concat();
        let form = Form { manifest: 0..manifest.len(), ids: Vec::new(), rows: vec![rows] };
        fs::write(file, as_if_by(&bytes, &form, &key, dir.path())).unwrap();
    }
    let expected: Vec<Named> = cases.iter().map(|(.., named)| named.clone()).collect();
    for ((what, .., named), file) in cases.iter().zip(&files) {
        let (found, told) = by_muster(file);
        assert_eq!(&found, named, "{what}: {told}");
    }
    let Some(python) = or_skip(test, python()) else { return };
    assert_eq!(by_script(&python, &files), expected);
}

#[test]
fn the_manifest_is_checked_with_openssh_alone_as_the_export_says() {
    let test = "the_manifest_is_checked_with_openssh_alone_as_the_export_says";
    let home = Home::new("alice");
    home.write(&["declare", "Checkout is down"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("it's ours.audit");
    let told = home.muster(&["export", "audit", file.to_str().unwrap()]).with_code(0).stdout;
    let commands: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(commands.last().unwrap().starts_with("ssh-keygen -Y verify"), "{told}");
    let there = Command::new("ssh-keygen").arg("-?").output().map(drop).map_err(|error| format!("ssh-keygen: {error}"));
    let Some(()) = or_skip(test, there) else { return };
    let run =
        |commands: &str| Command::new("sh").args(["-e", "-c", commands]).current_dir(dir.path()).output().unwrap();
    let good = run(&commands.join("\n"));
    let said = String::from_utf8_lossy(&good.stdout).into_owned() + &String::from_utf8_lossy(&good.stderr);
    assert!(good.status.success() && said.contains("Good \"muster-audit\" signature"), "{said}");
    let mut manifest = fs::read(dir.path().join("manifest")).unwrap();
    manifest[80] ^= 1;
    fs::write(dir.path().join("manifest"), manifest).unwrap();
    assert!(!run(commands.last().unwrap()).status.success(), "another manifest");
}

#[test]
fn a_store_an_incident_and_a_bundle_are_verified_too() {
    let record = Record::new();
    let all = record.alice.json(&["verify"]);
    assert_eq!((&all["ok"], &all["what"]), (&true.into(), &"store".into()), "{all}");
    let node = record.alice.up();
    assert_eq!(record.alice.json(&["verify"])["times"], all["times"], "a running node judges as the store does");
    drop(node);
    assert_eq!(all["times"][0]["incident"], record.alice.json(&["timeline"])[0]["incident"], "{all}");
    record.alice.write(&["declare", "Another one"]);
    let one = record.alice.json(&["verify", "--every", "-i", "checkout-is-down"]);
    assert_eq!((&one["entries"], &one["ok"]), (&all["entries"], &true.into()), "{one}");
    assert!(one["signatures_checked"].as_u64().unwrap() > all["signatures_checked"].as_u64().unwrap(), "{one} {all}");
    let bundle = record.alice.path().with_extension("mb");
    record.alice.muster(&["bundle", "write", bundle.to_str().unwrap()]).with_code(0);
    let (named, told) = by_muster(&bundle);
    assert_eq!((named, &told["what"]), (Named::new(), &"bundle".into()), "{told}");
    assert_eq!(told["entries"], record.alice.json(&["verify"])["entries"]);
    let mut bytes = fs::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    assert!(by_muster(&bundle).0.contains("file"));
    let nobody = Home::at(Path::new("/nonexistent"), "nobody");
    let unproven = nobody.muster(&["verify-proof", env!("CARGO_MANIFEST_PATH"), "--json"]).with_code(1);
    assert_eq!(unproven.json()["ok"], false, "{}", unproven.stdout);
    assert!(unproven.stderr.contains("nothing is proven"), "{}", unproven.stderr);
    let piped =
        nobody.command(&["verify", "-", "--json"]).stdin(fs::File::open(&record.file).unwrap()).output().unwrap();
    let piped: Value = serde_json::from_slice(&piped.stdout).unwrap();
    assert_eq!(piped, by_muster(&record.file).1, "through a pipe");
    let taken_in = record.bob.muster(&["bundle", "read", record.file.to_str().unwrap()]);
    taken_in.refused(&["this is an audit file", "muster verify FILE"]);
    for odd in ["/dev/null", env!("CARGO_MANIFEST_PATH")] {
        nobody.muster(&["verify", odd]).refused(&["neither an audit file nor a bundle"]);
    }
}

/// `docs/vectors/record.audit` was written by `export audit` when the form was new. Set `MUSTER_WRITE_VECTORS` to write another after
/// a change of format.
#[test]
fn the_golden_audit_file_stands_before_both_verifiers_with_all_that_was_in_it() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors/record.audit");
    if std::env::var_os("MUSTER_WRITE_VECTORS").is_some() {
        fs::write(&golden, Record::new().bytes).unwrap();
    }
    let (named, told) = by_muster(&golden);
    assert_eq!(named, Named::new(), "{told}");
    let form = Form::of(&fs::read(&golden).unwrap());
    assert_eq!((&told["person"], &told["incidents"]), (&"alice".into(), &1.into()), "{told}");
    assert_eq!((told["own"].as_u64(), told["by_run"].as_u64()), (Some(form.rows.len() as u64 - 3), Some(3)), "{told}");
    let test = "the_golden_audit_file_stands_before_both_verifiers_with_all_that_was_in_it";
    let Some(python) = or_skip(test, python()) else { return };
    assert_eq!(by_script(&python, &[golden]), [Named::new()]);
}

#[test]
fn the_script_judges_the_golden_vectors_as_they_say() {
    let Some(python) = or_skip("the_script_judges_the_golden_vectors_as_they_say", python()) else { return };
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors");
    let output = script(&python).arg("--vectors").arg(vectors).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_no_audit_file_is_told_so_by_the_script_and_not_by_its_insides() {
    let test = "what_is_no_audit_file_is_told_so_by_the_script_and_not_by_its_insides";
    let Some(python) = or_skip(test, python()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    fs::write(&empty, b"").unwrap();
    let cut = dir.path().join("cut");
    fs::write(&cut, b"\x87\x6emuster/audit/1").unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors/record.audit");
    let files = [dir.path().join("missing"), dir.path().into(), empty, env!("CARGO_MANIFEST_PATH").into(), cut, golden];
    let output = script(&python).args(&files).output().unwrap();
    let (told, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), errors.as_str()), (Some(1), ""), "{told}");
    for words in ["it cannot be read: No such file", "it cannot be read: Is a directory", "the manifest is damaged"] {
        assert_eq!(told.matches(words).count(), 1, "{words}: {told}");
    }
    assert_eq!(told.matches("it is no audit file").count(), 2, "{told}");
    assert_eq!(told.matches("NOT OK").count(), 5, "and the good one is read all the same: {told}");
}

#[test]
fn the_script_is_as_short_as_it_is_said_to_be() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/verify.py")).unwrap();
    assert!(text.lines().count() <= 200, "{}", text.lines().count());
}
