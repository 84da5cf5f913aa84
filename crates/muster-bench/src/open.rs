//! Opening a home with a long outage: time and memory, each in a fresh process.
//!
//! From the first look at the home until the whole view of the incident is folded, as a node or a command without a
//! node does it. The process itself is not timed: see `cli` for that.

use crate::fault::Fault;
use crate::figure::Figure;
use crate::machine;
use crate::outage::Outage;
use crate::sample::Sample;
use crate::surroundings::{self, OsEntropy};
use muster_replica::Replica;
use muster_store::DiskStore;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Fresh processes.
const RUNS: usize = 5;

/// Measures in processes of this program.
pub(crate) fn measure(outage: &Outage) -> Result<Vec<Figure>, Fault> {
    measure_as("open", outage)
}

/// The same for another part of the benchmark.
pub(crate) fn measure_as(part: &'static str, outage: &Outage) -> Result<Vec<Figure>, Fault> {
    let (mut store, mut replica, mut view) = (Sample::default(), Sample::default(), Sample::default());
    let mut peak = 0.0_f64;
    for _ in 0..RUNS {
        let run = one_run(outage)?;
        let took = |key: &str| Duration::from_secs_f64(run[key].as_f64().unwrap_or_default().max(0.0) / 1_000.0);
        store.push(took("store_ms"));
        replica.push(took("replica_ms"));
        view.push(took("view_ms"));
        peak = peak.max(run["peak_mib"].as_f64().unwrap_or(f64::NAN));
    }
    let of = format!("{} entries", outage.entries);
    let figure = |what: String, measured, unit| Figure::new(part, what, measured, unit);
    Ok(vec![
        figure(format!("{of}: store open, median"), store.median_ms(), "ms"),
        figure(format!("{of}: and the replica open, median"), replica.median_ms(), "ms"),
        figure(format!("{of}: and the whole view, median"), view.median_ms(), "ms").aim(1_000.0),
        figure(format!("{of}: the same, slowest of {RUNS}"), view.percentile_ms(100), "ms"),
        figure(format!("{of}: most memory of the process, worst of {RUNS}"), peak, "MiB").aim(150.0),
    ])
}

fn one_run(outage: &Outage) -> Result<Value, Fault> {
    let me = std::env::current_exe().map_err(Fault::io("find this program"))?;
    let mut command = Command::new(me);
    command.arg("open-home").arg("--home").arg(&outage.home).stderr(Stdio::inherit());
    let output = command.output().map_err(Fault::io("start this program again"))?;
    let run: Value = serde_json::from_slice(&output.stdout).map_err(Fault::unexpected)?;
    match run["rows"].as_u64() {
        Some(rows) if rows == u64::from(outage.entries) => Ok(run),
        rows => Err(Fault::Unexpected(format!("the view has {rows:?} rows of {}", outage.entries))),
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
    let mut rows = 0;
    for (team, incident) in replica.incidents()? {
        rows += replica.view(team, incident)?.timeline.len();
    }
    let view_ms = took();
    let peak_mib = machine::peak_rss_mib();
    println!(
        "{}",
        json!({ "store_ms": store_ms, "replica_ms": replica_ms, "view_ms": view_ms, "rows": rows, "peak_mib": peak_mib })
    );
    Ok(())
}
