//! `verify FILE`: checks an audit file or a bundle on whatever machine, without a home, a team or a network.
//!
//! What an entry must be like is in [`muster_log::Verifier`]; here files are opened and what was found is told, of a store too.

use crate::audit::Signed;
use crate::bundle::Progress;
use crate::record::Record;
use crate::request::Failure;
use crate::sshsig;
use crate::team_history::Told;
use muster_incident::People;
use muster_log::audit::{AuditFile, BadAudit, is_audit_file};
use muster_log::fact::RevokeMode;
use muster_log::{
    Body, BodyHash, Clocks, DagId, Entry, EntryId, IncidentId, Kind, Ledger, LetIn, Part, Removal, Taken, Verifier,
    VerifyReport,
};
use muster_replica::people_of;
use muster_sync::bundle::{BundleReader, Found, Header, Kind as BundleKind, open_chunk};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of an audit file that is read, all at once: some ten million entries. Larger records are written incident by incident.
const AUDIT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Bytes of a bundle read at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Rows after which progress is told.
const PROGRESS_EVERY: usize = 256;

/// What was found in a file.
pub struct Verified {
    /// As `verify` of a store tells it.
    pub told: Value,
    /// What stands, where it was asked for and anything does.
    pub record: Option<Record>,
}

/// What of a file is kept to be read.
struct Reading {
    /// Every body that fits, where the record is to be read; only those that name persons otherwise.
    is_whole: bool,
    bodies: BTreeMap<BodyHash, Vec<u8>>,
    names: BTreeMap<EntryId, Vec<u8>>,
}

impl Reading {
    fn new(is_whole: bool) -> Self {
        Self { is_whole, bodies: BTreeMap::new(), names: BTreeMap::new() }
    }

    /// Looks at what came with an entry. A text that was not signed is nobody's.
    fn take(&mut self, entry: &Entry, body: Option<&[u8]>) {
        let (Some(reference), Some(body)) = (entry.body(), body) else { return };
        let is_name = matches!(entry.kind(), Kind::TEAM_CREATE | Kind::JOIN);
        if !(is_name || self.is_whole) || Body::check(entry, body).is_err() {
            return;
        }
        if is_name {
            self.names.insert(entry.id(), body.to_vec());
        }
        if self.is_whole {
            self.bodies.insert(reference.hash, body.to_vec());
        }
    }

    fn people(&self, ledger: &Ledger) -> People {
        people_of(ledger, self.names.iter().map(|(id, body)| (id, body.as_slice())))
    }

    fn record(self, ledger: &Ledger) -> Result<Option<Record>, Failure> {
        if !self.is_whole || ledger.is_empty() {
            return Ok(None);
        }
        let founding = self.names.get(&DagId::from(ledger.team()).genesis());
        let name = founding.and_then(|body| Body::read(body).get(Part::Team).map(str::to_owned));
        let team = Told::new(ledger, self.people(ledger), name);
        Record::new(ledger, self.bodies, team).map(Some)
    }
}

/// Checks a file, or stdin where it is `-`, and tells what was found, as `verify` of a store does; `is_read` asks for the
/// record too.
///
/// # Errors
/// Where it cannot be read or is no file of ours. What is wrong in it is in the answer.
pub fn verify_file(path: &Path, is_read: bool, progress: Progress<'_>) -> Result<Verified, Failure> {
    let unreadable = |error: std::io::Error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
    let (mut file, size): (Box<dyn Read>, Option<u64>) = if path == Path::new("-") {
        (Box::new(std::io::stdin().lock()), None)
    } else {
        let file = File::open(path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        (Box::new(file), about.is_file().then_some(about.len()))
    };
    let mut start = vec![0; 32];
    let mut have = 0;
    while have < start.len() {
        match file.read(start.get_mut(have..).unwrap_or_default()).map_err(unreadable)? {
            0 => break,
            read => have += read,
        }
    }
    start.truncate(have);
    if start.starts_with(b"muster/bundle/") {
        return verify_bundle(&mut start.as_slice().chain(file), size, is_read, progress);
    }
    if start.starts_with(b"muster/proof/") {
        return Err(Failure::new("this is the proof of a fork").hint("check it with `muster verify-proof FILE`"));
    }
    if !is_audit_file(&start) {
        return Err(Failure::new(format!("`{}` is neither an audit file nor a bundle", path.display()))
            .hint("they are written by `muster export audit FILE` and `muster bundle write FILE`"));
    }
    let mut bytes = start;
    file.take(AUDIT_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > AUDIT_BYTES_MAX {
        return Err(Failure::new("the file is too large to be checked at once").hint("ask for it incident by incident"));
    }
    verify_audit(&bytes, is_read, progress)
}

/// Checks the bytes of an audit file.
///
/// # Errors
/// Where they are none of this version.
pub fn verify_audit(bytes: &[u8], is_read: bool, progress: Progress<'_>) -> Result<Verified, Failure> {
    let file = match AuditFile::open(bytes) {
        Ok(file) => file,
        // Its beginning is one: this is damage.
        Err(error @ BadAudit::Manifest) => {
            return Ok(Verified { told: told_of("audit", &[], &[error.to_string()]), record: None });
        }
        Err(error) => {
            return Err(Failure::new(error.to_string()).hint("read it with the muster that wrote it, or a newer one"));
        }
    };
    let manifest = &file.manifest;
    let mut others = Vec::new();
    let text = file.signature.as_deref().unwrap_or_default();
    let is_signed = sshsig::is_signed_by(&manifest.device, text, file.signed);
    if !is_signed {
        others.push(format!("the manifest is not signed by {}", manifest.device));
    }
    let mut verifier =
        Verifier::new(manifest.team).every().expecting(manifest.ids()).lacking(manifest.absent.iter().copied());
    let mut reading = Reading::new(is_read);
    let mut rows = file.rows();
    let mut count = 0;
    while let Some(row) = rows.next() {
        match row {
            Ok(row) => {
                let Some(entry) = verifier.read(None, &row.entry) else { continue };
                reading.take(&entry, row.body.as_deref());
                verifier.judge(entry, row.signature, row.body.as_deref());
            }
            Err(error) => others.push(error.to_string()),
        }
        count += 1;
        if count % PROGRESS_EVERY == 0 {
            progress(rows.at() as u64, Some(bytes.len() as u64));
        }
    }
    let (report, ledger) = verifier.finish();
    let writer = ledger.let_in(&manifest.device);
    if writer == LetIn::Never {
        others
            .push(format!("the manifest is of {}, which nobody in this file ever let into the team", manifest.device));
    }
    let people = reading.people(&ledger);
    let (writer, removal) = tell_writer(&writer, &ledger, &people);
    let person = ledger.roster().person_of(&manifest.device).map(|person| people.name(&person));
    let mut told = told_of("audit", &[Team { report: &report, people }], &others);
    if let Some(told) = told.as_object_mut() {
        told.insert("team".into(), json!(manifest.team.to_string()));
        told.insert("device".into(), json!(manifest.device.to_string()));
        told.insert("person".into(), json!(person));
        told.insert("writer".into(), writer);
        told.insert("removal".into(), removal);
        told.insert("is_signed".into(), json!(is_signed));
        told.insert("lost".into(), json!(manifest.lost));
        told.insert("written_ms".into(), json!(manifest.now.0));
        told.insert("incidents".into(), json!(manifest.dags.len().saturating_sub(1)));
        told.insert("signature".into(), json!(Signed::of(&manifest.device, file.signed.len(), text)));
    }
    Ok(Verified { told, record: reading.record(&ledger)? })
}

/// Whether the device that wrote a file is in the team, was removed or never was let in; and what removed it.
fn tell_writer(writer: &LetIn, ledger: &Ledger, people: &People) -> (Value, Value) {
    let told = |removal: &Removal| {
        let mode = match &removal.taken {
            Taken::Devices { mode: RevokeMode::Compromise, .. } => "stolen",
            _ => "retired",
        };
        json!({
            "id": removal.id.to_string(),
            "what": mode,
            "by_recovery": removal.by_recovery,
            "by": if removal.by_recovery { "a recovery key".to_owned() } else { people.name(&removal.by) },
            "recorded_ms": ledger.entry(&removal.id).map(|entry| entry.claimed().time.0),
        })
    };
    match writer {
        LetIn::Member => (json!("member"), Value::Null),
        LetIn::Removed(removal) => (json!("removed"), json!(removal.as_ref().map(told))),
        LetIn::Never => (json!("never-let-in"), Value::Null),
    }
}

/// A whole bundle is judged as a record. One that goes on from another cannot be: its past is elsewhere.
fn verify_bundle(
    source: &mut dyn Read,
    size: Option<u64>,
    is_read: bool,
    progress: Progress<'_>,
) -> Result<Verified, Failure> {
    let not_a_bundle = |error: muster_sync::bundle::NoBundle| Failure::new(error.to_string());
    let mut reader = BundleReader::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut others = Vec::new();
    let mut reading = Reading::new(is_read);
    let mut judging: Option<(Header, Verifier)> = None;
    let (mut done, mut chunks) = (0, 0);
    loop {
        let taken = source.read(&mut piece).map_err(|error| Failure::new(format!("cannot read it: {error}")))?;
        if taken == 0 {
            break;
        }
        reader.push(piece.get(..taken).unwrap_or_default());
        done += taken as u64;
        while let Some(found) = reader.poll().map_err(not_a_bundle)? {
            match found {
                Found::Header(header) => {
                    let verifier = Verifier::new(header.team).every();
                    judging = Some((*header, verifier));
                }
                Found::Chunk(frame) => {
                    chunks += 1;
                    let Some((header, verifier)) = &mut judging else { continue };
                    match open_chunk(&frame, header.team) {
                        Ok(opened) => take_chunk(verifier, &mut reading, opened),
                        Err(error) => others.push(format!("chunk {chunks}: {error}")),
                    }
                }
            }
        }
        progress(done, size);
    }
    let summary = reader.finish().map_err(not_a_bundle)?;
    let Some((header, verifier)) = judging else {
        others.insert(0, "the bundle's beginning is damaged: nobody can say whose it is".into());
        return Ok(Verified { told: told_of("bundle", &[], &others), record: None });
    };
    if header.kind != BundleKind::Full {
        return Err(Failure::new("this bundle holds only what its reader lacked, and cannot be judged alone")
            .hint("take it in with `muster bundle read FILE`, then `muster verify`"));
    }
    if summary.states.is_none() {
        others.push(format!("what it holds is not signed by {}", header.writer));
    }
    if !summary.is_whole {
        let cut = if summary.is_cut_off() { ", and its end is not there" } else { "" };
        others.push(format!(
            "the file is not as it was written: {} damaged records, {} bytes that belong to none{cut}",
            summary.damaged, summary.stray_bytes
        ));
    }
    let (report, ledger) = verifier.finish();
    let writer = ledger.let_in(&header.writer);
    if writer == LetIn::Never {
        others.push(format!("it was written by {}, which nobody in it ever let into the team", header.writer));
    }
    let people = reading.people(&ledger);
    let (writer, removal) = tell_writer(&writer, &ledger, &people);
    let mut told = told_of("bundle", &[Team { report: &report, people }], &others);
    if let Some(told) = told.as_object_mut() {
        told.insert("team".into(), json!(header.team.to_string()));
        told.insert("device".into(), json!(header.writer.to_string()));
        told.insert("writer".into(), writer);
        told.insert("removal".into(), removal);
        told.insert("is_signed".into(), json!(summary.states.is_some()));
        told.insert("written_ms".into(), json!(header.now.0));
        told.insert("incidents".into(), json!(ledger.incidents().count()));
    }
    Ok(Verified { told, record: reading.record(&ledger)? })
}

fn take_chunk(verifier: &mut Verifier, reading: &mut Reading, opened: muster_sync::bundle::Opened) {
    let mut bodies: BTreeMap<EntryId, Vec<u8>> =
        opened.bodies.into_iter().map(|(id, body)| (id, body.bytes().to_vec())).collect();
    for received in opened.received {
        let id = received.entry.id();
        let body = bodies.remove(&id);
        reading.take(&received.entry, body.as_deref());
        verifier.push(None, received.entry.bytes(), received.signature, body.as_deref());
    }
    for (id, body) in opened.loose {
        if let Some(entry) = verifier.ledger().entry(&id) {
            reading.take(entry, Some(&body));
        }
        verifier.push_body(&id, &body);
    }
}

fn told_of(what: &str, teams: &[Team<'_>], others: &[String]) -> Value {
    let mut told = told(teams, others);
    if let Some(told) = told.as_object_mut() {
        told.insert("what".into(), json!(what));
    }
    told
}

/// What was found of a team, and what its people are called.
pub(crate) struct Team<'a> {
    pub(crate) report: &'a VerifyReport,
    pub(crate) people: People,
}

/// Of each incident, between which times others' clocks hold its entries, and whose contradict them.
fn times(Team { report, people }: &Team<'_>) -> Vec<Value> {
    let one = |(incident, clocks): (&IncidentId, &Clocks)| {
        let labels: BTreeMap<&str, usize> = clocks.labels.iter().map(|(label, count)| (label.word(), *count)).collect();
        let doubts = clocks.doubts.iter().map(|((person, device, label), entries)| {
            json!({ "person": people.name(person), "device": device.to_string(), "label": label.word(), "entries": entries })
        });
        json!({
            "incident": incident.to_string(),
            "entries": clocks.entries(),
            "both": clocks.both,
            "one": clocks.one,
            "none": clocks.none,
            "spare": clocks.spare,
            "labels": labels,
            "doubts": doubts.collect::<Vec<_>>(),
        })
    };
    report.clocks.iter().map(one).collect()
}

/// What was found, of one or several teams, with what is wrong besides the entries.
pub(crate) fn told(teams: &[Team<'_>], others: &[String]) -> Value {
    let reports: Vec<&VerifyReport> = teams.iter().map(|team| team.report).collect();
    let sum = |count: fn(&VerifyReport) -> usize| reports.iter().map(|report| count(report)).sum::<usize>();
    let ids = |ids: &dyn Fn(&VerifyReport) -> Vec<EntryId>| {
        reports.iter().flat_map(|report| ids(report)).map(|id| id.to_string()).collect::<Vec<_>>()
    };
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    for (status, count) in reports.iter().flat_map(|report| &report.statuses) {
        *statuses.entry(status.word()).or_default() += count;
    }
    let forks = reports.iter().flat_map(|report| &report.forks);
    let forks: Vec<Vec<String>> = forks.map(|fork| fork.iter().map(ToString::to_string).collect()).collect();
    let others = others.iter().map(|what| json!({ "entry": null, "what": what, "builds_on": null }));
    let bad = reports.iter().flat_map(|report| &report.problems);
    let bad = bad.map(|(entry, fault)| {
        let builds_on = fault.builds_on().map(|parent| parent.to_string());
        json!({ "entry": entry.to_string(), "what": fault.to_string(), "builds_on": builds_on })
    });
    let problems: Vec<Value> = others.chain(bad).collect();
    json!({
        "ok": problems.is_empty(),
        "entries": sum(|report| report.entries),
        "signatures_checked": sum(|report| report.signatures_checked),
        "own": sum(|report| report.signed),
        "by_run": sum(|report| report.by_run),
        "bodies": sum(|report| report.bodies),
        "bodies_absent": ids(&|report| report.bodies_absent.iter().copied().collect()),
        "missing": ids(&|report| report.missing.iter().copied().collect()),
        "forks": forks,
        "statuses": statuses,
        "times": teams.iter().flat_map(times).collect::<Vec<_>>(),
        "problems": problems,
    })
}
