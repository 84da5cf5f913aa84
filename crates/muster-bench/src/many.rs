//! A home with many small incidents, nearly all of them over: how long until it can be used, and in how much memory.
//!
//! As in `outage`, the entries are real but staged straight into the store. `open` is one long incident; here it is
//! their number that counts.

use crate::fault::Fault;
use crate::figure::Figure;
use crate::machine;
use crate::sample::Sample;
use crate::surroundings::{self, OsEntropy};
use crate::words;
use muster_log::body::BodyPlace;
use muster_log::fact::{Declare, IncidentFact, Phase, Saying, Visibility, What};
use muster_log::{
    Body, BodyText, Claimed, DagId, DeviceSecret, Draft, Entry, EntryId, IncidentId, Ledger, Received, SessionId,
    Timestamp,
};
use muster_node::clock::entropy16;
use muster_replica::Replica;
use muster_store::{DiskStore, Storage, StoredEntry, Write};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Incidents that are still open, the newest ones.
const OPEN: u32 = 30;

/// Incidents of one commit while the home is written.
const COMMIT_EVERY: u32 = 250;

/// Time between two entries, as claimed.
const STEP_MS: i64 = 3_000;

/// Fresh processes.
const RUNS: usize = 5;

/// Writes a home with `incidents` incidents of four entries and opens it in processes of this program.
pub(crate) fn measure(home: &Path, incidents: u32) -> Result<Vec<Figure>, Fault> {
    write(home, incidents)?;
    let (mut store, mut replica, mut status) = (Sample::default(), Sample::default(), Sample::default());
    // The first one makes what later ones find.
    let first = one_run(home, incidents)?;
    let mut peak = 0.0_f64;
    for _ in 0..RUNS {
        let run = one_run(home, incidents)?;
        let took = |key: &str| Duration::from_secs_f64(run[key].as_f64().unwrap_or_default().max(0.0) / 1_000.0);
        store.push(took("store_ms"));
        replica.push(took("replica_ms"));
        status.push(took("status_ms"));
        peak = peak.max(run["peak_mib"].as_f64().unwrap_or(f64::NAN));
    }
    let of = format!("{incidents} incidents");
    let figure = |what: String, measured, unit| Figure::new("many", what, measured, unit);
    let first_ms = first["status_ms"].as_f64().unwrap_or(f64::NAN);
    Ok(vec![
        figure(format!("{of}: store open, median"), store.median_ms(), "ms"),
        figure(format!("{of}: and the replica open, median"), replica.median_ms(), "ms").aim(1_000.0),
        figure(format!("{of}: and all summaries, median"), status.median_ms(), "ms"),
        figure(format!("{of}: the same for the first time"), first_ms, "ms"),
        figure(format!("{of}: most memory of the process, worst of {RUNS}"), peak, "MiB"),
    ])
}

fn one_run(home: &Path, incidents: u32) -> Result<Value, Fault> {
    let me = std::env::current_exe().map_err(Fault::io("find this program"))?;
    let mut command = Command::new(me);
    command.arg("open-many").arg("--home").arg(home).stderr(Stdio::inherit());
    let output = command.output().map_err(Fault::io("start this program again"))?;
    let run: Value = serde_json::from_slice(&output.stdout).map_err(Fault::unexpected)?;
    let expected = (u64::from(incidents), u64::from(incidents.min(OPEN)));
    match (run["incidents"].as_u64().unwrap_or(0), run["open"].as_u64().unwrap_or(0)) {
        found if found == expected => Ok(run),
        found => Err(Fault::Unexpected(format!("{found:?} incidents and open ones, not {expected:?}"))),
    }
}

/// Opens the home in this process and prints what it took, counted from the start each.
pub(crate) fn in_fresh_process(path: &Path) -> Result<(), Fault> {
    let began = Instant::now();
    let took = || began.elapsed().as_secs_f64() * 1_000.0;
    let (home, secret) = surroundings::home(path)?;
    let (store, _) = DiskStore::open(&home.store(), surroundings::for_writing()?)?;
    let store_ms = took();
    let mut replica = Replica::open(store, secret, surroundings::session()?, Box::new(OsEntropy))?;
    let replica_ms = took();
    let kept = home.store().join("summaries");
    if let Ok(bytes) = std::fs::read(&kept) {
        replica.take_summaries(&bytes);
    }
    let all = replica.summaries()?;
    let open = all.iter().filter(|(.., summary)| summary.open).count();
    let (status_ms, peak_mib) = (took(), machine::peak_rss_mib());
    println!(
        "{}",
        json!({ "store_ms": store_ms, "replica_ms": replica_ms, "status_ms": status_ms, "incidents": all.len(),
            "open": open, "peak_mib": peak_mib })
    );
    if replica.summaries_made() > 0 {
        std::fs::write(&kept, replica.keep_summaries()).map_err(Fault::io("keep the summaries"))?;
    }
    Ok(())
}

/// Who writes all of it.
struct Writer {
    store: DiskStore,
    ledger: Ledger,
    secret: DeviceSecret,
    session: SessionId,
    time: Timestamp,
}

/// Writes the incidents into a new home.
pub(crate) fn write(path: &Path, incidents: u32) -> Result<(), Fault> {
    let mut replica = surroundings::replica(path, surroundings::for_writing()?)?;
    let (_, secret) = surroundings::home(path)?;
    let team = replica.create_team("ada", surroundings::now())?;
    replica.commit(surroundings::now())?;
    let session = replica.session();
    let store = replica.into_store();
    let mut ledger = Ledger::new(team);
    for stored in store.entries(&team.into())? {
        ledger.restore(Entry::decode(&stored.bytes).map_err(Fault::unexpected)?).map_err(Fault::unexpected)?;
    }
    let time = surroundings::now().wall.plus_ms(-STEP_MS * 4 * i64::from(incidents));
    let mut writer = Writer { store, ledger, secret, session, time };
    for n in 0..incidents {
        writer.incident(n, n + OPEN < incidents)?;
        if n % COMMIT_EVERY == 0 {
            writer.store.commit()?;
        }
    }
    Ok(writer.store.commit()?)
}

impl Writer {
    fn incident(&mut self, n: u32, is_over: bool) -> Result<(), Fault> {
        let severity = u8::try_from(n % 5).ok().map(|severity| severity + 1);
        let declare = Declare { drill: false, suspected: false, visibility: Visibility::Team, severity };
        let genesis = self.entry(None, What::Declare(declare), &words::note(n))?;
        let dag = DagId::from(IncidentId::of_genesis(genesis));
        self.entry(Some(dag), What::Say(Saying::Observation), &words::note(n + 1))?;
        self.entry(Some(dag), What::Say(Saying::Note), &words::note(n + 2))?;
        let last = match is_over {
            true => What::Phase { phase: Phase::Resolved, supersedes: vec![genesis] },
            false => What::Say(Saying::Note),
        };
        self.entry(Some(dag), last, &words::note(n + 3))?;
        Ok(())
    }

    /// Drafts, signs, admits and stages one entry.
    fn entry(&mut self, dag: Option<DagId>, what: What, text: &str) -> Result<EntryId, Fault> {
        self.time = self.time.plus_ms(STEP_MS);
        let (fact, claimed) = (IncidentFact::now(what), Claimed { time: self.time, offset_minutes: 0 });
        let (key, ledger) = (self.secret.public(), &self.ledger);
        let draft = ledger.draft(dag, key, self.session, claimed, fact.kind(), fact.fields());
        let mut draft: Draft = draft.map_err(Fault::unexpected)?;
        let body = Body::write(&BodyText::plain(text), entropy16()?, &BodyPlace::of(&draft));
        let body = body.map_err(Fault::unexpected)?;
        draft.body = Some(body.reference());
        let entry = draft.seal().map_err(Fault::unexpected)?;
        let id = entry.id();
        let signature = Some(self.secret.sign_entry(&id));
        let outcome = self.ledger.receive(None, vec![Received { entry: entry.clone(), signature }]);
        if outcome.admitted != [id] {
            return Err(Fault::Unexpected(format!("an entry was not admitted: {:?}", outcome.refused)));
        }
        let (bytes, team, dag) = (entry.bytes().to_vec(), entry.team(), entry.dag());
        self.store.stage(Write::Entry(StoredEntry { bytes, id, team, dag, received: self.time, signature }))?;
        self.store.stage(Write::Body { hash: body.hash(), bytes: body.bytes().to_vec() })?;
        Ok(id)
    }
}
