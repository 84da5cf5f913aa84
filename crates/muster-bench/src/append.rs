//! Durable append: one entry after another, each committed alone, against what the disk does by itself.
//!
//! From the typed text to the end of the commit: drafting, hashing, signing, the own admission, the document, the
//! journal and its sync. The two kinds of append take turns in one run, so that both meet the same disk.

use crate::counting_disk::CountingDisk;
use crate::fault::Fault;
use crate::figure::Figure;
use crate::outage::Outage;
use crate::sample::Sample;
use crate::{surroundings, words};
use muster_incident::Act;
use muster_incident::command::Aside;
use muster_log::{IncidentId, TeamId};
use muster_replica::Replica;
use muster_store::DiskStore;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Appends of either kind that are not counted: the first ones fill caches and make files.
const WARM_UP: u32 = 10;

/// Bytes that the disk appends by itself: about what an entry and its body take.
pub(crate) const PLAIN_BYTES: usize = 300;

/// Measures `reps` appends of either kind in a new home.
pub(crate) fn in_new_home(dir: &Path, reps: u32) -> Result<Vec<Figure>, Fault> {
    let disk = CountingDisk::default();
    let options = surroundings::for_writing()?.disk(Arc::new(disk.clone()));
    let mut replica = surroundings::replica(dir, options)?;
    let now = surroundings::now();
    let team = replica.create_team("ada", now)?;
    let title = "Checkout is down".to_owned();
    let declare = Act::Declare { title, severity: Some(1), drill: false, suspected: false, private: Vec::new() };
    let incident = replica.write(team, None, &declare, &Aside::default(), now)?.incident;
    replica.commit(now)?;
    let run = run(&mut replica, (team, incident), &disk, &dir.join("plain"), reps)?;
    let figure = |what: &str, measured, unit| Figure::new("append", what, measured, unit);
    Ok(vec![
        figure("one durable entry, median", run.entries.median_ms(), "ms"),
        figure("one durable entry, 99 of 100", run.entries.percentile_ms(99), "ms"),
        figure("300 bytes appended and fdatasync, median", run.plain.median_ms(), "ms"),
        figure("300 bytes appended and fdatasync, 99 of 100", run.plain.percentile_ms(99), "ms"),
        figure("entry against plain append, median", run.ratio(), "times").aim(2.5),
        figure("fdatasync of the journal per entry", run.syncs as f64 / f64::from(reps), ""),
    ])
}

/// Measures `reps` appends of either kind in the incident of a long outage.
pub(crate) fn in_outage(outage: &Outage, reps: u32) -> Result<Vec<Figure>, Fault> {
    let disk = CountingDisk::default();
    let options = surroundings::for_writing()?.disk(Arc::new(disk.clone()));
    let mut replica = surroundings::replica(&outage.home, options)?;
    let team = replica.team_of(&outage.incident).ok_or_else(|| Fault::unexpected("the outage is not in its home"))?;
    let run = run(&mut replica, (team, outage.incident), &disk, &outage.home.join("plain"), reps)?;
    let after = format!("after {} others", outage.entries);
    let figure = |what: String, measured, unit| Figure::new("append", what, measured, unit);
    Ok(vec![
        figure(format!("one durable entry {after}, median"), run.entries.median_ms(), "ms"),
        figure(format!("entry {after} against plain append, median"), run.ratio(), "times"),
    ])
}

/// What one run took.
struct Run {
    entries: Sample,
    plain: Sample,
    syncs: u64,
}

impl Run {
    fn ratio(&self) -> f64 {
        self.entries.median_ms() / self.plain.median_ms()
    }
}

fn run(
    replica: &mut Replica<DiskStore>,
    (team, incident): (TeamId, IncidentId),
    disk: &CountingDisk,
    plain_path: &Path,
    reps: u32,
) -> Result<Run, Fault> {
    let mut plain_file = plain_file(plain_path)?;
    let (mut plain, mut entries, mut syncs_before) = (Sample::default(), Sample::default(), disk.syncs());
    for n in 0..WARM_UP + reps {
        if n == WARM_UP {
            (plain, entries, syncs_before) = (Sample::default(), Sample::default(), disk.syncs());
        }
        let began = Instant::now();
        plain_file.write_all(&[n as u8; PLAIN_BYTES]).map_err(Fault::io("append"))?;
        plain_file.sync_data().map_err(Fault::io("sync"))?;
        plain.push(began.elapsed());

        let act = Act::Say { text: words::note(n) };
        let now = surroundings::now();
        let began = Instant::now();
        replica.write(team, Some(incident), &act, &Aside::default(), now)?;
        replica.commit(now)?;
        entries.push(began.elapsed());
        replica.take_effects();
    }
    Ok(Run { entries, plain, syncs: disk.syncs() - syncs_before })
}

/// A new file to append to.
pub(crate) fn plain_file(path: &Path) -> Result<File, Fault> {
    OpenOptions::new().append(true).create_new(true).open(path).map_err(Fault::io("create a file"))
}
