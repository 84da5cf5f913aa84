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
use muster_log::audit::{AuditFile, BadAudit, NoRow, ROW_BYTES_MAX, Row, Rows, has_manifest, is_audit_file};
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

/// Bytes of a manifest with its signature, which are held at once: some seven million entries. Larger records are written incident by
/// incident.
const MANIFEST_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Rows that are read though the manifest lists fewer, to name them: past that it is no use to go on.
const UNLISTED_ROWS_MAX: usize = 1_024;

/// Bytes of a file read at a time.
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
    let unreadable = |error: std::io::Error| {
        Failure::new(format!("cannot read `{}`: {error}", path.display())).hint(
            "name an audit file or a bundle: `muster export audit FILE` and `muster bundle write FILE` write them",
        )
    };
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
    verify_audit(&mut start.as_slice().chain(file), size, is_read, progress).map_err(|error| match error {
        NotRead::System(error) => unreadable(error),
        NotRead::Failure(failure) => failure,
    })
}

/// Why an audit file was not judged.
enum NotRead {
    System(std::io::Error),
    Failure(Failure),
}

impl From<std::io::Error> for NotRead {
    fn from(error: std::io::Error) -> Self {
        Self::System(error)
    }
}

impl From<Failure> for NotRead {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Rows read one after another from a source of whatever length: what follows the last that can be read is never read to its end.
struct RowReader<'a> {
    source: &'a mut dyn Read,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were dealt with, and of the file before it.
    at: usize,
    before: usize,
    is_at_end: bool,
}

impl RowReader<'_> {
    fn at(&self) -> u64 {
        (self.before + self.at) as u64
    }

    fn next(&mut self) -> std::io::Result<Option<Result<Row, NoRow>>> {
        if self.buffer.len() - self.at < ROW_BYTES_MAX && !self.is_at_end {
            self.buffer.drain(..self.at);
            self.before += std::mem::take(&mut self.at);
            let wanted = PIECE_BYTES as u64;
            self.is_at_end = Read::take(&mut *self.source, wanted).read_to_end(&mut self.buffer)? < PIECE_BYTES;
        }
        let mut rows = Rows::of(self.buffer.get(self.at..).unwrap_or_default());
        let row = rows.next();
        self.at += rows.at();
        Ok(row.map(|row| row.map_err(|_| NoRow { at: self.before + self.at })))
    }
}

/// Checks an audit file. No more of it is held than its manifest, what is kept of the entries and a few rows.
fn verify_audit(
    source: &mut dyn Read,
    size: Option<u64>,
    is_read: bool,
    progress: Progress<'_>,
) -> Result<Verified, NotRead> {
    let mut bytes = Vec::new();
    while !has_manifest(&bytes) && bytes.len() < MANIFEST_BYTES_MAX {
        // As much again: what is here is looked through each time.
        let wanted = bytes.len().max(PIECE_BYTES);
        if Read::take(&mut *source, wanted as u64).read_to_end(&mut bytes)? < wanted {
            break;
        }
    }
    let file = match AuditFile::open(&bytes) {
        Ok(file) => file,
        Err(BadAudit::Manifest) if bytes.len() >= MANIFEST_BYTES_MAX => {
            return Err(Failure::new(format!("the manifest has more than {MANIFEST_BYTES_MAX} bytes"))
                .hint("ask for it incident by incident")
                .into());
        }
        // Its beginning is one: this is damage.
        Err(error @ BadAudit::Manifest) => {
            return Ok(Verified { told: told_of("audit", &[], &[error.to_string()]), record: None });
        }
        Err(error) => {
            let hint = "read it with the muster that wrote it, or a newer one";
            return Err(Failure::new(error.to_string()).hint(hint).into());
        }
    };
    let manifest = &file.manifest;
    let mut others = Vec::new();
    let text = file.signature.as_deref().unwrap_or_default();
    let is_signed = sshsig::is_signed_by(&manifest.device, text, file.signed);
    if !is_signed {
        others.push(format!("the manifest is not signed by {}", manifest.device));
    }
    let verifier = Verifier::new(manifest.team).every().expecting(manifest.ids()).filed(manifest.filed());
    let mut verifier = verifier.lacking(manifest.absent.iter().copied());
    let mut reading = Reading::new(is_read);
    let buffer = bytes.get(file.rows_at()..).unwrap_or_default().to_vec();
    let mut rows = RowReader { source, buffer, at: 0, before: file.rows_at(), is_at_end: false };
    let mut count = 0;
    while let Some(row) = rows.next()? {
        if count >= manifest.len() + UNLISTED_ROWS_MAX {
            others.push(format!("from byte {} on it goes on with more rows than are listed", rows.at()));
            break;
        }
        count += 1;
        match row {
            Ok(row) => {
                let Some(entry) = verifier.read(None, &row.entry) else { continue };
                reading.take(&entry, row.body.as_deref());
                verifier.judge(entry, row.signature, row.body.as_deref());
            }
            Err(error) => {
                others.push(error.to_string());
                break;
            }
        }
        if count % PROGRESS_EVERY == 0 {
            progress(rows.at(), size);
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
        let was_over = reader.is_over();
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
        if was_over {
            // Nothing belongs behind the end: what there is was counted so far, however much follows.
            break;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use muster_log::audit::{Manifest, signature_item};
    use muster_log::{DeviceSecret, Signature, TeamId, Timestamp};
    use muster_sync::bundle::{BundleWriter, Scope};
    use std::io;

    /// What a file begins with that lists one entry and brings none.
    fn beginning() -> Vec<u8> {
        let (team, device) = (TeamId::from_bytes([1; 32]), DeviceSecret::from_seed(&[1; 32]).public());
        let dags = vec![(DagId::from(team), vec![EntryId::from_bytes([9; 32])])];
        let manifest = Manifest { team, device, now: Timestamp(0), dags, absent: vec![], lost: 0 };
        [manifest.encode(), signature_item("none")].concat()
    }

    /// The same bytes over and over, and how often.
    struct Endless {
        bytes: Vec<u8>,
        read: usize,
    }

    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let from = self.read % self.bytes.len();
            let piece = (self.bytes.len() - from).min(into.len());
            into[..piece].copy_from_slice(&self.bytes[from..from + piece]);
            self.read += piece;
            Ok(piece)
        }
    }

    #[track_caller]
    fn problems(begin: &[u8], then: &mut Endless) -> String {
        let verified = verify_audit(&mut begin.chain(then), None, false, &mut |_, _| {});
        let Ok(Verified { told, .. }) = verified else { panic!("it is an audit file") };
        assert_eq!(told["ok"], false);
        told["problems"].to_string()
    }

    #[test]
    fn a_file_that_never_ends_is_read_no_further_than_its_rows() {
        let begin = beginning();
        let mut zeros = Endless { bytes: vec![0], read: 0 };
        assert!(problems(&begin, &mut zeros).contains(&format!("from byte {} on", begin.len())));
        assert!(zeros.read <= 4 * PIECE_BYTES, "{}", zeros.read);
        let row = Row { entry: vec![7; 300], signature: None, body: None }.encode();
        let mut rows = Endless { bytes: row.clone(), read: 0 };
        assert!(problems(&begin, &mut rows).contains("more rows than are listed"));
        assert!(rows.read <= (1 + UNLISTED_ROWS_MAX) * row.len() + 4 * PIECE_BYTES, "{}", rows.read);
    }

    #[test]
    fn a_bundle_is_read_no_further_than_its_end() {
        let header = Header {
            team: TeamId::from_bytes([1; 32]),
            kind: BundleKind::Full,
            writer: DeviceSecret::from_seed(&[1; 32]).public(),
            now: Timestamp(0),
            reader: None,
            scope: Scope::All,
            base: None,
            states: 0,
            states_digest: [0; 32],
            signature: Signature::from_bytes([0; 64]),
        };
        let (writer, mut bytes) = BundleWriter::begin(header, &[]);
        bytes.extend(writer.end());
        let mut zeros = Endless { bytes: vec![0], read: 0 };
        let verified = verify_bundle(&mut bytes.chain(&mut zeros), None, false, &mut |_, _| {}).unwrap();
        assert!(verified.told["problems"].to_string().contains("bytes that belong to none"), "{}", verified.told);
        assert!(zeros.read <= 4 * PIECE_BYTES, "{}", zeros.read);
    }
}
