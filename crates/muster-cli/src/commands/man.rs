//! `muster man DIR`: the manual pages, made from the definitions of the commands. Hidden: it is for packagers.

use crate::args::Args;
use crate::problem::Problem;
use clap::CommandFactory;
use muster_node::request::Failure;
use std::path::PathBuf;

/// What `man` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// Where to; made if it is not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Man {
    /// Writes `muster.1`, a page for each command and one for each step of a command.
    pub(crate) fn write(&self) -> Result<(), Problem> {
        // `muster help COMMAND` and the pages say the same; a page about `help` would say nothing.
        let command = Args::command().disable_help_subcommand(true);
        let written = std::fs::create_dir_all(&self.dir).and_then(|()| clap_mangen::generate_to(command, &self.dir));
        written.map_err(|error| {
            Problem::from(Failure::new(format!("cannot write to `{}`: {error}", self.dir.display())))
                .and_hint("name a directory that you may write to")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every command that people see, and its steps, by the names of their pages.
    fn pages(command: &clap::Command, name: &str, found: &mut BTreeSet<String>) {
        found.insert(format!("{name}.1"));
        for step in command.get_subcommands().filter(|step| !step.is_hide_set()) {
            pages(step, &format!("{name}-{}", step.get_name()), found);
        }
    }

    #[test]
    fn every_command_has_a_page_that_names_it_and_nothing_else_has_one() {
        let dir = tempfile::tempdir().unwrap();
        Man { dir: dir.path().join("man1") }.write().unwrap();
        let mut expected = BTreeSet::new();
        pages(&Args::command(), "muster", &mut expected);
        let items = std::fs::read_dir(dir.path().join("man1")).unwrap().map(Result::unwrap);
        let written: BTreeSet<String> = items.map(|item| item.file_name().into_string().unwrap()).collect();
        assert_eq!(written, expected);
        let page = std::fs::read_to_string(dir.path().join("man1/muster-role-claim.1")).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains("claim"), "{page}");
    }
}
