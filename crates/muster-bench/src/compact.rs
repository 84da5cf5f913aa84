//! What a closed incident takes on disk before and after compaction, and how long that and the next opening take.
//!
//! All files of the home's store are counted but the reserve. Each size is taken when no process has the store open.

use crate::fault::Fault;
use crate::figure::Figure;
use crate::open;
use crate::outage::Outage;
use crate::surroundings;
use muster_store::{DiskStore, Storage};
use std::path::Path;
use std::time::Instant;

/// The file that keeps room for hard times, however much there is in the store.
const RESERVE: &str = "reserve";

/// Measures in the home of `outage`, which is compacted by it.
pub(crate) fn measure(outage: &Outage) -> Result<Vec<Figure>, Fault> {
    let (home, _) = surroundings::home(&outage.home)?;
    let each = |bytes: u64| bytes as f64 / f64::from(outage.entries);
    let before = bytes_of(&home.store())?;
    let (mut store, _) = DiskStore::open(&home.store(), surroundings::for_writing()?)?;
    let began = Instant::now();
    store.compact(&[outage.incident.into()])?;
    let took = began.elapsed();
    drop(store);
    let after = bytes_of(&home.store())?;
    let of = format!("{} entries", outage.entries);
    let figure = |what: String, measured, unit| Figure::new("compact", what, measured, unit);
    let sizes = [
        figure(format!("{of}: the store without its reserve, each"), each(before), "bytes").aim(700.0),
        figure(format!("{of}: the same compacted, each"), each(after), "bytes").aim(150.0),
        figure(format!("{of}: compacting"), took.as_secs_f64(), "s"),
    ];
    Ok(sizes.into_iter().chain(open::measure_as("compact", outage)?).collect())
}

/// Bytes of all files in a directory and below, but the reserve.
fn bytes_of(dir: &Path) -> Result<u64, Fault> {
    let mut bytes = 0;
    for item in std::fs::read_dir(dir).map_err(Fault::io("look into the store"))? {
        let item = item.map_err(Fault::io("look into the store"))?;
        let about = item.metadata().map_err(Fault::io("look into the store"))?;
        bytes += match about.is_dir() {
            true => bytes_of(&item.path())?,
            false if item.file_name() == RESERVE => 0,
            false => about.len(),
        };
    }
    Ok(bytes)
}
