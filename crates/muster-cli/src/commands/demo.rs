//! `muster demo`: a real outage through three real nodes. What happens is in [`crate::demo`].

use std::path::PathBuf;

/// Play a real outage through three nodes on this machine
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Keep the three homes in this directory, to look at afterwards
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}
