//! `muster man DIR`: the manual pages, made from the definitions of the commands. Hidden: it is for packagers.

use crate::args::Args;
use crate::problem::Problem;
use clap::CommandFactory;
use muster_node::request::Failure;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

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
        let mut command = Args::command().disable_help_subcommand(true);
        command.build();
        let written = std::fs::create_dir_all(&self.dir).and_then(|()| pages(&command, &self.dir));
        written.map_err(|error| {
            Problem::from(Failure::new(format!("cannot write to `{}`: {error}", self.dir.display())))
                .and_hint("name a directory that you may write to")
        })
    }
}

/// Writes the pages of a command and its steps.
fn pages(command: &clap::Command, dir: &Path) -> io::Result<()> {
    for step in command.get_subcommands().filter(|step| !step.is_hide_set()) {
        pages(step, dir)?;
    }
    let version = concat!("muster ", env!("CARGO_PKG_VERSION"));
    let page = clap_mangen::Man::new(command.clone()).source(version).manual("muster manual");
    let mut text = Vec::new();
    page.render(&mut text)?;
    text.extend_from_slice(MORE.as_bytes());
    if command.get_name() != "muster" {
        text.extend_from_slice(b".BR muster (1),\n");
    }
    text.extend(command.get_subcommands().filter(|step| !step.is_hide_set()).flat_map(|step| {
        let name = step.get_display_name().unwrap_or(step.get_name()).replace('-', "\\-");
        format!(".BR {name} (1),\n").into_bytes()
    }));
    text.extend_from_slice(
        b".BR systemctl (1);\n/usr/share/doc/muster/commands.md, /usr/share/doc/muster/operating.md\n",
    );
    File::create(dir.join(page.get_filename()))?.write_all(&text)
}

/// What holds for every command, in roff. The last section is completed by each page.
const MORE: &str = r#".SH "EXIT STATUS"
.TP
0
done; what was written is on disk
.TP
1
refused or failed; stderr says why and what to do
.TP
2
the command line itself means nothing
.SH ENVIRONMENT
.TP
MUSTER_HOME, XDG_DATA_HOME
where the home is, where \-\-home does not say it: $MUSTER_HOME, else $XDG_DATA_HOME/muster, else ~/.local/share/muster
.TP
MUSTER_NAME, MUSTER_LISTEN, MUSTER_MDNS, MUSTER_MDNS_WAIT_S, MUSTER_LOG, MUSTER_LOG_FORMAT, MUSTER_LOG_FILE_MAX_MIB, MUSTER_TIME_ZONE
settings; they go before config.toml, and flags before them
.TP
NO_COLOR
if set, nothing is coloured
.SH FILES
In the home:
.TP
config.toml
settings; `muster config show` prints all of them
.TP
device.key
the secret key of this device
.TP
store/
the log; it is its own backup where the node is stopped
.TP
muster.log, muster.log.1
what the program did
.TP
node.sock
the running node's socket, for its owner alone
.TP
unsent\-N.txt
what was read from stdin and could not be written
.SH "SEE ALSO"
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every command that people see, and its steps, by the names of their pages.
    fn named(command: &clap::Command, name: &str, found: &mut BTreeSet<String>) {
        found.insert(format!("{name}.1"));
        for step in command.get_subcommands().filter(|step| !step.is_hide_set()) {
            named(step, &format!("{name}-{}", step.get_name()), found);
        }
    }

    #[test]
    fn every_command_has_a_page_that_names_it_and_nothing_else_has_one() {
        let dir = tempfile::tempdir().unwrap();
        Man { dir: dir.path().join("man1") }.write().unwrap();
        let mut expected = BTreeSet::new();
        named(&Args::command(), "muster", &mut expected);
        let items = std::fs::read_dir(dir.path().join("man1")).unwrap().map(Result::unwrap);
        let written: BTreeSet<String> = items.map(|item| item.file_name().into_string().unwrap()).collect();
        assert_eq!(written, expected);
        let page = std::fs::read_to_string(dir.path().join("man1/muster-role-claim.1")).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains("claim"), "{page}");
        for section in ["EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"] {
            assert!(
                page.contains(&format!(".SH \"{section}\"")) || page.contains(&format!(".SH {section}")),
                "{section}"
            );
        }
        assert!(page.contains(concat!("\"muster ", env!("CARGO_PKG_VERSION"), "\" \"muster manual\"")), "{page}");
        let whole = std::fs::read_to_string(dir.path().join("man1/muster.1")).unwrap();
        assert!(whole.contains(".BR muster\\-timeline (1)"), "{whole}");
    }
}
