//! Cold sync: a newcomer with an empty home joins over loopback and gets the whole outage.
//!
//! Two real nodes. The clock starts when the newcomer's node is asked to join, so the join itself and both dials are in
//! the figure; it stops when the other node holds the newcomer's receipt for every entry, that is, when all of them are
//! durable there. The newcomer is not asked meanwhile. That both show the same timeline is checked afterwards.

use crate::fault::Fault;
use crate::figure::Figure;
use crate::machine;
use crate::node_process::NodeProcess;
use crate::outage::Outage;
use crate::sample::Sample;
use muster_log::EntryId;
use muster_node::request::What;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// Newcomers, one after another.
const RUNS: u32 = 3;

/// Between two looks at the other node's receipts.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// When a sync counts as stuck.
const PATIENCE: Duration = Duration::from_secs(300);

/// What one newcomer's sync took.
struct Run {
    joined: Duration,
    complete: Duration,
    bytes: Option<u64>,
}

/// Measures with newcomers whose homes are made below `dir`.
pub(crate) fn measure(outage: &Outage, dir: &Path) -> Result<Vec<Figure>, Fault> {
    let mut member = NodeProcess::start(&outage.home)?;
    let (mut joined, mut complete) = (Sample::default(), Sample::default());
    let mut bytes: Option<u64> = None;
    for n in 1..=RUNS {
        let run = one_run(outage, &mut member, &dir.join(format!("newcomer-{n}")), n)?;
        joined.push(run.joined);
        complete.push(run.complete);
        bytes = bytes.into_iter().chain(run.bytes).min();
    }
    member.stop()?;
    let of = format!("{} entries, 5 authors", outage.entries);
    let figure = |what: String, measured, unit| Figure::new("sync", what, measured, unit);
    let seconds = |ms: f64| ms / 1_000.0;
    let mut figures = vec![
        figure("joined, roster at hand, median".into(), seconds(joined.median_ms()), "s"),
        figure(format!("{of}: durable, median"), seconds(complete.median_ms()), "s").aim(2.0),
        figure(format!("{of}: durable, slowest of {RUNS}"), seconds(complete.percentile_ms(100)), "s"),
    ];
    if let Some(bytes) = bytes {
        // Everybody's traffic is in it, so the least is the nearest to the truth.
        let each = bytes as f64 / f64::from(outage.entries);
        figures.push(figure("on loopback per entry, headers included, least".into(), each, "bytes"));
    }
    Ok(figures)
}

fn one_run(outage: &Outage, member: &mut NodeProcess, home: &Path, n: u32) -> Result<Run, Fault> {
    let mut newcomer = NodeProcess::start(home)?;
    let device = newcomer.device()?;
    let ticket = member.invite()?;
    // A member's node that is at work has the incident's document at hand; the question below needs it.
    member.read(Some(outage.last.to_string()), What::WhoHas)?;
    let bytes_before = machine::loopback_bytes();
    let began = Instant::now();
    newcomer.join(ticket, &format!("newcomer {n}"))?;
    let joined = began.elapsed();
    while !has_everything(member, &device, outage.last)? {
        if began.elapsed() > PATIENCE {
            return Err(Fault::unexpected("the newcomer did not get everything"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let complete = began.elapsed();
    let bytes = machine::loopback_bytes().zip(bytes_before).map(|(after, before)| after.saturating_sub(before));
    let timeline =
        |node: &mut NodeProcess| node.read(Some(outage.incident.to_string()), What::Timeline { local: false });
    let (theirs, ours) = (timeline(&mut newcomer)?, timeline(member)?);
    let rows = theirs.as_array().map_or(0, Vec::len);
    if theirs != ours || rows != outage.entries as usize {
        return Err(Fault::Unexpected(format!("the newcomer shows {rows} entries of {}", outage.entries)));
    }
    newcomer.stop()?;
    Ok(Run { joined, complete, bytes })
}

/// Whether the member holds the device's receipts for all that it has.
///
/// The count of what lacks there is cheap to ask for, but leaves out what is on its way. The receipt for the last entry
/// stands for everything in its past.
fn has_everything(member: &mut NodeProcess, device: &str, last: EntryId) -> Result<bool, Fault> {
    let peers = member.read(None, What::Peers)?;
    let lacks_nothing = |peer: &Value| peer.get("missing_there").and_then(Value::as_u64) == Some(0);
    Ok(of_device(&peers, device).is_some_and(lacks_nothing) && {
        let answer = member.read(Some(last.to_string()), What::WhoHas)?;
        of_device(&answer["holders"], device).is_some()
    })
}

/// The item of a list that is about the device.
fn of_device<'a>(list: &'a Value, device: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|item| item.get("device").and_then(Value::as_str) == Some(device))
}
