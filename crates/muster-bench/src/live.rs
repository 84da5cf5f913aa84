//! Live: how soon an entry that one node takes can be read on another, in a new incident and in a long one.
//!
//! Two real nodes on loopback. The clock starts when the request to write goes into the first node's socket and stops
//! when somebody who follows the timeline on the second has read the line: both commits, both admissions and the way
//! between are in it, and so are the news that there is one and its answer.

use crate::fault::Fault;
use crate::figure::Figure;
use crate::node_process::{NodeProcess, Reader, text};
use crate::outage::Outage;
use crate::sample::Sample;
use crate::words;
use muster_node::request::{Act, Request, Write};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two entries: twenty a second is a busy outage.
const EVERY: Duration = Duration::from_millis(50);

/// When an entry counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// Entries that are not counted: the first ones meet cold caches.
const WARM_UP: u32 = 10;

/// Measures `reps` entries in new homes below `dir`, then as many at the end of `outage`.
pub(crate) fn measure(dir: &Path, outage: &Outage, reps: u32) -> Result<Vec<Figure>, Fault> {
    let mut writer = NodeProcess::start(&dir.join("writer"))?;
    let incident = text(&writer.call(&write(None, declare()))?, "incident")?;
    let new = run(writer, &dir.join("reader"), &incident, 1, reps)?;
    let writer = NodeProcess::start(&outage.home)?;
    let incident = outage.incident.to_string();
    let long = run(writer, &dir.join("reader-of-outage"), &incident, u64::from(outage.entries), reps)?;
    let figure = |what: String, measured, unit| Figure::new("live", what, measured, unit);
    let after = format!("after {} others", outage.entries);
    Ok(vec![
        figure("acknowledged as durable by its own node, median".into(), new.acknowledged.median_ms(), "ms"),
        figure("read on a second node, median".into(), new.read.median_ms(), "ms").aim(15.0),
        figure("read on a second node, 99 of 100".into(), new.read.percentile_ms(99), "ms"),
        figure(format!("read on a second node {after}, median"), long.read.median_ms(), "ms"),
        figure(format!("{after}, against in a new incident"), long.read.median_ms() / new.read.median_ms(), "times")
            .aim(2.0),
    ])
}

/// What one run took.
struct Run {
    acknowledged: Sample,
    read: Sample,
}

/// Lets a reader join whose home is made, and writes when it has the `known` entries of the incident.
fn run(mut writer: NodeProcess, home: &Path, incident: &str, known: u64, reps: u32) -> Result<Run, Fault> {
    let mut node = NodeProcess::start(home)?;
    node.join(writer.invite()?, "ben")?;
    let mut reader = Reader::new(incident);
    read_until(&mut node, &mut reader, &|reader, _| reader.behind() >= known)?;
    let (mut acknowledged, mut read) = (Sample::default(), Sample::default());
    let start = Instant::now();
    for n in 0..WARM_UP + reps {
        std::thread::sleep((start + EVERY * n).saturating_duration_since(Instant::now()));
        let request = write(Some(incident.to_owned()), Act::Say { text: words::note(n) });
        let began = Instant::now();
        let entry = text(&writer.call(&request)?, "entry")?;
        let written = began.elapsed();
        read_until(&mut node, &mut reader, &|_, rows| rows.iter().any(|row| row["id"].as_str() == Some(&entry)))?;
        if n >= WARM_UP {
            acknowledged.push(written);
            read.push(began.elapsed());
        }
    }
    node.stop()?;
    writer.stop()?;
    Ok(Run { acknowledged, read })
}

/// The act that begins an incident.
pub(crate) fn declare() -> Act {
    let title = "Checkout is down".to_owned();
    Act::Declare { title, severity: Some(1), drill: false, suspected: false, private: Vec::new() }
}

/// A request to write.
pub(crate) fn write(incident: Option<String>, act: Act) -> Request {
    Request::Write(Write { incident, act, at: None, who: None, link: None, name: None })
}

/// Reads on, waiting to be told, until what was read is enough.
fn read_until(
    node: &mut NodeProcess,
    reader: &mut Reader,
    is_enough: &dyn Fn(&Reader, &[Value]) -> bool,
) -> Result<(), Fault> {
    let began = Instant::now();
    loop {
        let rows = reader.read_on(node);
        if is_enough(reader, &rows) {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(Fault::unexpected("an entry did not come"));
        }
        if rows.is_empty() {
            reader.wait(node)?;
        }
    }
}
