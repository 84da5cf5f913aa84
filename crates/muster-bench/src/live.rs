//! Live: how soon an entry that one node takes can be seen on another.
//!
//! Two real nodes on loopback. The clock starts when the request to write goes into the first node's socket and stops
//! when the second node finds the entry in the incident's document: both commits, both admissions and the way between
//! are in it, and so is the time between two looks.

use crate::fault::Fault;
use crate::figure::Figure;
use crate::node_process::{NodeProcess, text};
use crate::sample::Sample;
use crate::words;
use muster_node::request::{Act, Request, What, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two entries: twenty a second is a busy outage.
const EVERY: Duration = Duration::from_millis(50);

/// Between two looks at the second node.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// When an entry counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// Entries that are not counted: the first ones meet cold caches.
const WARM_UP: u32 = 10;

/// Measures `reps` entries in new homes below `dir`.
pub(crate) fn measure(dir: &Path, reps: u32) -> Result<Vec<Figure>, Fault> {
    let mut writer = NodeProcess::start(&dir.join("writer"))?;
    let mut reader = NodeProcess::start(&dir.join("reader"))?;
    let title = "Checkout is down".to_owned();
    let declare = Act::Declare { title, severity: Some(1), drill: false, suspected: false, private: Vec::new() };
    let declared = text(&writer.call(&write(None, declare))?, "incident")?;
    let ticket = writer.invite()?;
    reader.join(ticket, "ben")?;
    wait_for(&mut reader, &declared)?;

    let (mut acknowledged, mut visible) = (Sample::default(), Sample::default());
    let start = Instant::now();
    for n in 0..WARM_UP + reps {
        std::thread::sleep((start + EVERY * n).saturating_duration_since(Instant::now()));
        let request = write(Some(declared.clone()), Act::Say { text: words::note(n) });
        let began = Instant::now();
        let entry = text(&writer.call(&request)?, "entry")?;
        let written = began.elapsed();
        wait_for(&mut reader, &entry)?;
        if n >= WARM_UP {
            acknowledged.push(written);
            visible.push(began.elapsed());
        }
    }
    reader.stop()?;
    writer.stop()?;
    let figure = |what: &str, measured| Figure::new("live", what, measured, "ms");
    Ok(vec![
        figure("acknowledged as durable by its own node, median", acknowledged.median_ms()),
        figure("visible on a second node, median", visible.median_ms()).aim(15.0),
        figure("visible on a second node, 99 of 100", visible.percentile_ms(99)),
    ])
}

fn write(incident: Option<String>, act: Act) -> Request {
    Request::Write(Write { incident, act, at: None, who: None, link: None, name: None })
}

/// Looks until the entry is in the reader's document. Not to know it yet is an ordinary answer.
fn wait_for(reader: &mut NodeProcess, entry: &str) -> Result<(), Fault> {
    let began = Instant::now();
    loop {
        match reader.read(Some(entry.to_owned()), What::WhoHas) {
            Ok(_) => return Ok(()),
            Err(fault) if began.elapsed() > PATIENCE => return Err(fault),
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}
