//! `muster completions SHELL`: the script that completes commands in a shell.

use crate::args::Args;
use clap::CommandFactory;
use clap_complete::Shell;

/// What `completions` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    /// The script.
    pub(crate) fn script(&self) -> String {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Args::command(), "muster", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}
