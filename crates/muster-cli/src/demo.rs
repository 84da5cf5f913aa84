//! `muster demo`: a real outage through three real nodes, one cut cable, one timeline.
//!
//! Each person is a process of this very program with a home of its own, on loopback. Everything printed is read back from
//! the nodes; whatever turns out other than it should ends the demo with exit code 1.

mod cast;
mod story;

use crate::problem::Problem;
use cast::Cast;
use std::path::PathBuf;

/// Plays the demo. `keep` names a directory for the three homes, which then stay; else they are temporary.
pub(crate) fn run(keep: Option<PathBuf>) -> Result<(), Problem> {
    let mut cast = Cast::gather(keep)?;
    let told = story::tell(&mut cast);
    cast.dismiss();
    told
}
