//! Heal: two nodes that were apart, and each went on writing, come together again; and what prose weighs on the wire.
//!
//! Two real nodes with the same long incident. Their links are cut, each takes a hundred entries, and the clock starts when
//! the cut is undone. It stops when a reader on either node, who reads every line once as it comes, has read them all.

use crate::fault::Fault;
use crate::figure::Figure;
use crate::live::write;
use crate::machine;
use crate::node_process::{NodeProcess, Reader};
use crate::outage::Outage;
use crate::sample::Sample;
use muster_node::request::{Act, Request};
use std::path::Path;
use std::time::{Duration, Instant};

/// Entries of each side while they are apart.
const APART: u32 = 100;

/// How often they part.
const RUNS: u32 = 3;

/// Time for the links to go and for what is told of it to be said.
const SETTLE: Duration = Duration::from_millis(500);

/// When a healing counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which lines are written, and what their bytes should not exceed.
pub(crate) struct Lines<'a> {
    /// The part of the benchmark.
    pub(crate) part: &'static str,
    /// The n-th line.
    pub(crate) line: &'a dyn Fn(u32) -> String,
    /// Bytes of the first sync for each entry, at most.
    pub(crate) each_bytes: f64,
    /// Kilobytes of a healing, at most.
    pub(crate) heal_kb: f64,
}

/// Measures on an outage whose lines are of the same kind, with a newcomer whose home is made below `dir`.
pub(crate) fn measure(outage: &Outage, dir: &Path, lines: &Lines<'_>) -> Result<Vec<Figure>, Fault> {
    let mut member = NodeProcess::start(&outage.home)?;
    let mut newcomer = NodeProcess::start(&dir.join("newcomer"))?;
    let incident = outage.incident.to_string();
    let mut readers = [Reader::new(&incident), Reader::new(&incident)];
    let ticket = member.invite()?;
    let before = machine::loopback_bytes();
    newcomer.join(ticket, "fay")?;
    let mut count = u64::from(outage.entries);
    read_up_to(&mut newcomer, &mut readers[1], count)?;
    let synced = bytes_since(before);
    read_up_to(&mut member, &mut readers[0], count)?;
    let (mut took, mut bytes) = (Sample::default(), None::<u64>);
    for run in 0..RUNS {
        for node in [&mut newcomer, &mut member] {
            node.call(&Request::Cut { peer: None })?;
        }
        std::thread::sleep(SETTLE);
        for (side, node) in [&mut member, &mut newcomer].into_iter().enumerate() {
            for n in 0..APART {
                let text = (lines.line)(outage.entries + (run * 2 + side as u32) * APART + n);
                node.call(&write(Some(incident.clone()), Act::Say { text }))?;
            }
        }
        std::thread::sleep(SETTLE);
        count += u64::from(2 * APART);
        let before = machine::loopback_bytes();
        let began = Instant::now();
        for node in [&mut member, &mut newcomer] {
            node.call(&Request::Heal { peer: None })?;
        }
        read_up_to(&mut newcomer, &mut readers[1], count)?;
        read_up_to(&mut member, &mut readers[0], count)?;
        took.push(began.elapsed());
        bytes = bytes.into_iter().chain(bytes_since(before)).min();
    }
    newcomer.stop()?;
    member.stop()?;
    let figure = |what: String, measured, unit| Figure::new(lines.part, what, measured, unit);
    let of = format!("{APART} + {APART} on {}", outage.entries);
    let mut figures = vec![figure(format!("healed, {of}: read on both, median"), took.median_ms(), "ms").aim(150.0)];
    if let Some(bytes) = bytes {
        // Everybody's traffic is in it, so the least is the nearest to the truth.
        let kb = bytes as f64 / 1_000.0;
        figures.push(figure(format!("healed, {of}: on loopback, least"), kb, "kB").aim(lines.heal_kb));
    }
    if let Some(bytes) = synced {
        let each = bytes as f64 / f64::from(outage.entries);
        figures.push(figure("first sync, on loopback per entry".into(), each, "bytes").aim(lines.each_bytes));
    }
    Ok(figures)
}

fn bytes_since(before: Option<u64>) -> Option<u64> {
    machine::loopback_bytes().zip(before).map(|(after, before)| after.saturating_sub(before))
}

/// Reads on until `count` entries are behind the reader.
fn read_up_to(node: &mut NodeProcess, reader: &mut Reader, count: u64) -> Result<(), Fault> {
    let began = Instant::now();
    while reader.behind() < count {
        if began.elapsed() > PATIENCE {
            return Err(Fault::unexpected("what the other wrote did not come"));
        }
        if reader.read_on(node).is_empty() {
            reader.wait(node)?;
        }
    }
    Ok(())
}
