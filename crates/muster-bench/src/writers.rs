//! Many writers at once: what twenty people who write at the same time get out of one node, against what the disk does
//! for one.
//!
//! A real node, and a connection to its control socket for every writer; each writes its next entry when the one before is
//! acknowledged as durable. Entries that wait together share a commit, so the node may do better than the disk does alone.

use crate::append::{PLAIN_BYTES, plain_file};
use crate::fault::Fault;
use crate::figure::Figure;
use crate::live::{declare, write};
use crate::node_process::{self, NodeProcess, text};
use crate::sample::Sample;
use crate::words;
use muster_node::request::Act;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Who write at once.
const WRITERS: u32 = 20;

/// Entries of each writer that are not counted.
const WARM_UP: u32 = 5;

/// Measures with `reps` entries of each of the writers in a new home below `dir`.
pub(crate) fn measure(dir: &Path, reps: u32) -> Result<Vec<Figure>, Fault> {
    let home = dir.join("home");
    let mut node = NodeProcess::start(&home)?;
    let incident = text(&node.call(&write(None, declare()))?, "incident")?;
    // Before and after, for the disk has its moods.
    let mut plain = append_plainly(&dir.join("plain-before"), reps)?;
    run(&home, &incident, 0, WARM_UP)?;
    let (took, waits) = run(&home, &incident, WARM_UP, reps)?;
    plain.extend(append_plainly(&dir.join("plain-after"), reps)?);
    node.stop()?;
    let (plain, all) = (plain.into_iter().collect::<Sample>(), WRITERS * reps);
    let each_ms = took.as_secs_f64() * 1_000.0 / f64::from(all);
    let waits: Sample = waits.into_iter().collect();
    let figure = |what: String, measured, unit| Figure::new("writers", what, measured, unit);
    Ok(vec![
        figure(format!("{WRITERS} writers at once, entries a second"), 1_000.0 / each_ms, "1/s"),
        figure(format!("{WRITERS} writers at once, until acknowledged, median"), waits.median_ms(), "ms"),
        figure("300 bytes appended and fdatasync, median".into(), plain.median_ms(), "ms"),
        // At least 0.9 entries in the time of one plain append.
        figure("time per entry against plain append".into(), each_ms / plain.median_ms(), "times").aim(1.0 / 0.9),
    ])
}

/// Lets all writers write `reps` entries each: how long that took, and how long each entry.
fn run(home: &Path, incident: &str, first: u32, reps: u32) -> Result<(Duration, Vec<Duration>), Fault> {
    let mut clients = (0..WRITERS).map(|_| node_process::client_of(home)).collect::<Result<Vec<_>, Fault>>()?;
    let began = Instant::now();
    let waits = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..)
            .zip(&mut clients)
            .map(|(writer, client)| {
                scope.spawn(move || {
                    let mut waits = Vec::new();
                    for n in first..first + reps {
                        let act = Act::Say { text: words::note(writer * 1_000_000 + n) };
                        let began = Instant::now();
                        client.call(&write(Some(incident.to_owned()), act))?;
                        waits.push(began.elapsed());
                    }
                    Ok(waits)
                })
            })
            .collect();
        let waits = writers.into_iter().map(|writer| writer.join().unwrap_or_else(|_| Err(Fault::unexpected("panic"))));
        waits.collect::<Result<Vec<Vec<Duration>>, Fault>>()
    });
    let took = began.elapsed();
    Ok((took, waits?.into_iter().flatten().collect()))
}

fn append_plainly(path: &Path, reps: u32) -> Result<Vec<Duration>, Fault> {
    let mut file = plain_file(path)?;
    let mut took = Vec::new();
    for n in 0..reps {
        let began = Instant::now();
        file.write_all(&[n as u8; PLAIN_BYTES]).map_err(Fault::io("append"))?;
        file.sync_data().map_err(Fault::io("sync"))?;
        took.push(began.elapsed());
    }
    Ok(took)
}
