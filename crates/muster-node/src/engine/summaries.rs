//! The incidents in a few words, and the file that spares making them anew in every process.

use super::Engine;
use crate::request::Failure;
use muster_incident::Summary;
use muster_log::{IncidentId, TeamId};
use muster_store::Storage;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file is written once so many summaries were made: fewer are made again faster than a long file is written.
const MADE_LEAST: usize = 64;

/// Bytes read of the file, 100,000 incidents; a longer one is not ours.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Where summaries are kept between processes.
#[derive(Debug, Clone)]
pub(crate) struct SummaryFile {
    /// The file.
    pub(crate) path: PathBuf,
    /// Whether it may be written.
    pub(crate) is_writable: bool,
    /// Whether it was read by this process.
    pub(crate) is_read: bool,
}

impl<S: Storage> Engine<S> {
    /// All incidents in a few words, without those that went along to another team.
    pub(crate) fn summaries(&mut self) -> Result<Vec<(TeamId, IncidentId, Summary)>, Failure> {
        let file = &mut self.around.summaries;
        if !std::mem::replace(&mut file.is_read, true) {
            match read(&file.path) {
                Ok(bytes) => self.replica.take_summaries(&bytes),
                Err(error) => tracing::debug!(%error, "no summaries kept"),
            }
        }
        let all = self.replica.summaries()?;
        if self.around.summaries.is_writable && self.replica.summaries_made() >= MADE_LEAST {
            let bytes = self.replica.keep_summaries();
            if let Err(error) = write(&self.around.summaries.path, &bytes) {
                tracing::debug!(%error, "summaries not kept");
            }
        }
        Ok(all)
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whole or not at all. Not synced: what a power cut leaves is checked like everything else in it, or is no JSON.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    // It holds titles, so it is for its owner alone, as the journal is.
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    std::fs::rename(&new, path)
}
