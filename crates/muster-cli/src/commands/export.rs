//! `muster export md|json [-o FILE]`: the report, or everything. `muster export audit FILE`: what an auditor can check.

use super::{Ask, read};
use crate::output;
use crate::problem::Problem;
use crate::progress::Bar;
use crate::render::{Page, audit};
use crate::run::{made_printable, note};
use crate::session::Session;
use crate::setting::Setting;
use muster_node::bundle::Target;
use muster_node::client;
use muster_node::request::{self, Failure, Request, What};
use serde::Deserialize;
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What `export` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// md: a report to read; json: everything, for programs; audit: entries, texts and signatures, for `verify FILE`
    format: Format,
    /// Write it to this file instead of stdout
    #[arg(value_name = "FILE", conflicts_with = "output")]
    file: Option<PathBuf>,
    /// The same
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over a file that is there already
    #[arg(long)]
    pub(crate) force: bool,
    /// Of an audit file: all incidents that the whole team may see, not one
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Md,
    Json,
    Audit,
}

#[derive(Deserialize)]
struct Exported {
    text: String,
}

impl Export {
    /// Where it is to be written, if not to stdout.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_deref().or(self.output.as_deref())
    }

    /// Whether what was typed goes together. A report is of one incident.
    pub(crate) fn check_words(&self) -> Result<(), Problem> {
        if self.all && !self.is_audit() {
            return Err(Problem::usage(
                "`--all` is for an audit file; a report is of one incident",
                "name one with `-i PREFIX`, or write `muster export audit FILE --all`",
            ));
        }
        Ok(())
    }

    /// Whether an audit file is meant.
    pub(crate) fn is_audit(&self) -> bool {
        self.format == Format::Audit
    }

    /// Writes an audit file and tells how it can be checked.
    pub(crate) fn write_audit(&self, session: &mut Session) -> Result<(), Problem> {
        let target = Target::new(self.path().unwrap_or(Path::new("-")), self.force);
        if target == Target::Stdout && io::stdout().is_terminal() {
            return Err(Problem::refused(
                "an audit file is not for a terminal",
                "name a file: `muster export audit FILE`",
            ));
        }
        let incident = session.setting.incident.clone();
        if self.all && incident.is_some() {
            return Err(Problem::usage("one incident and all of them", "leave out `--all` or `-i`"));
        }
        let mut bar = Bar::new("entries");
        let mut client = client::open(&session.setup)?;
        let account =
            muster_node::audit::write(&mut client, incident, self.all, &target, &mut |done, of| bar.show(done, of))?;
        bar.end();
        let value = serde_json::to_value(&account).map_err(|error| Failure::new(error.to_string()))?;
        match (session.json, target == Target::Stdout) {
            (true, false) => output::print_json(&value)?,
            (true, true) => note(&value.to_string()),
            (false, is_stdout_taken) => {
                let told = audit::written(&read(made_printable(value))?);
                if is_stdout_taken {
                    told.lines().for_each(note);
                } else {
                    output::print(&told)?;
                }
            }
        }
        // The file is written; whoever hands it over must know that it is not all.
        if account.lost > 0 { Err(Problem::Told) } else { Ok(()) }
    }

    /// Whether the text is JSON by itself, so that `--json` asks for nothing more.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// The exported text, byte for byte.
    pub(crate) fn text(&self, answer: Value) -> Result<String, Problem> {
        let Exported { mut text } = read(answer)?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }

    /// The exported JSON as one value.
    pub(crate) fn value(&self, answer: Value) -> Result<Value, Problem> {
        let Exported { text } = read(answer)?;
        serde_json::from_str(&text).map_err(|error| Failure::new(format!("the export is no JSON: {error}")).into())
    }
}

/// Writes a file, durably, for the owner alone. One that is there already stays, unless by `force`.
pub(crate) fn save(path: &Path, bytes: &[u8], force: bool) -> Result<(), Problem> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let written = options.open(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| {
        let failure = Failure::new(format!("cannot write `{}`: {error}", path.display()));
        match error.kind() {
            io::ErrorKind::AlreadyExists => failure.hint("choose another name, or write over it with `--force`").into(),
            _ => failure.into(),
        }
    })
}

impl Ask for Export {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let what = match self.format {
            Format::Md => What::ExportMarkdown,
            Format::Json | Format::Audit => What::ExportJson,
        };
        Ok(Request::Read(request::Read { incident: setting.incident.clone(), what }))
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        self.text(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_export_is_for_its_owner_alone_and_writes_over_nothing_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.md");
        save(&path, b"first", false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(save(&path, b"second", false).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        save(&path, b"2nd", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "2nd");
    }
}
