//! How long it takes to judge a record again: with the signatures that a sync leaves, and with one on each entry.
//!
//! Measured is what `muster verify` does of a store, in one thread: entries and bodies read back from the disk's cache, decoded,
//! hashed, judged and their bodies compared.

use crate::fault::Fault;
use crate::figure::Figure;
use crate::outage::Outage;
use crate::surroundings;
use muster_log::ledger::is_signature_due;
use muster_log::{Body, DagId, Entry, Signature, Verifier, VerifyReport};
use muster_replica::VerifyScope;
use muster_store::Storage;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Microseconds an entry: 50,000 a second with run signatures, 8,000 where each has its own.
const AIMS_US: [f64; 2] = [20.0, 125.0];

/// Runs of which the quickest counts: others use the machine too.
const RUNS: usize = 3;

struct Row {
    bytes: Vec<u8>,
    signature: Option<Signature>,
    body: Option<Vec<u8>>,
}

/// Measures on the record of `outage`.
pub(crate) fn measure(outage: &Outage) -> Result<Vec<Figure>, Fault> {
    let replica = surroundings::replica(&outage.home, surroundings::for_writing()?)?;
    let rows = rows(replica.store(), outage)?;
    let mut last_of_log = BTreeMap::new();
    for row in &rows {
        let entry = Entry::decode(&row.bytes).map_err(|_| Fault::unexpected("the store holds what is no entry"))?;
        last_of_log.insert(entry.log(), entry.id());
    }
    let by_runs = rows.iter().map(|row| {
        let Ok(entry) = Entry::decode(&row.bytes) else { return None };
        let is_kept = is_signature_due(entry.seq()) || last_of_log.get(&entry.log()) == Some(&entry.id());
        row.signature.filter(|_| is_kept)
    });
    let by_runs: Vec<Option<Signature>> = by_runs.collect();
    let own: Vec<Option<Signature>> = rows.iter().map(|row| row.signature).collect();
    let run = |signatures: &[Option<Signature>], is_every: bool| {
        quickest(|| {
            let mut verifier = Verifier::new(outage.team);
            if is_every {
                verifier = verifier.every();
            }
            for (row, signature) in rows.iter().zip(signatures) {
                verifier.push(None, &row.bytes, *signature, row.body.as_deref());
            }
            Ok(verifier.finish().0)
        })
    };
    let whole = |every: bool| {
        quickest(|| {
            let found = replica.verify(VerifyScope { incident: None, every })?;
            let report = found.teams.into_iter().map(|(_, report)| report).next();
            report.ok_or_else(|| Fault::unexpected("the home has no team"))
        })
    };
    let of = format!("{} entries", rows.len());
    let figure = |what: &str, (took, report): (Duration, VerifyReport), aim| -> Result<Figure, Fault> {
        if !report.is_ok() || report.signed + report.by_run != rows.len() {
            return Err(Fault::unexpected("a good record does not verify"));
        }
        let what = format!("{of}: {what} ({} own)", report.signed);
        Ok(Figure::new("verify", what, took.as_secs_f64() * 1e6 / rows.len() as f64, "us").aim(aim))
    };
    Ok(vec![
        figure("by run signatures, each", run(&by_runs, false)?, AIMS_US[0])?,
        figure("every own signature, each", run(&own, true)?, AIMS_US[1])?,
        figure("from the store, each", whole(false)?, AIMS_US[0])?,
        figure("from the store, --every, each", whole(true)?, AIMS_US[1])?,
    ])
}

fn quickest(run: impl Fn() -> Result<VerifyReport, Fault>) -> Result<(Duration, VerifyReport), Fault> {
    let mut best: Option<(Duration, VerifyReport)> = None;
    for _ in 0..RUNS {
        let began = Instant::now();
        let report = run()?;
        let took = began.elapsed();
        if best.as_ref().is_none_or(|(least, _)| took < *least) {
            best = Some((took, report));
        }
    }
    best.ok_or_else(|| Fault::unexpected("nothing was run"))
}

fn rows(store: &impl Storage, outage: &Outage) -> Result<Vec<Row>, Fault> {
    let mut rows = Vec::new();
    for dag in [DagId::from(outage.team), outage.incident.into()] {
        for stored in store.entries(&dag)? {
            let entry =
                Entry::decode(&stored.bytes).map_err(|_| Fault::unexpected("the store holds what is no entry"))?;
            let body = match entry.body() {
                Some(reference) => store.body(&reference.hash)?.filter(|bytes| Body::check(&entry, bytes).is_ok()),
                None => None,
            };
            rows.push(Row { bytes: stored.bytes, signature: stored.signature, body });
        }
    }
    Ok(rows)
}
