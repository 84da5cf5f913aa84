//! `muster export md|json [-o FILE]`: the report, or everything.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use muster_node::request::{self, Failure, Request, What};
use serde::Deserialize;
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What `export` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// md: a report to read; json: everything, for programs
    format: Format,
    /// Write it to this file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write over a file that is there already
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Md,
    Json,
}

#[derive(Deserialize)]
struct Exported {
    text: String,
}

impl Export {
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
            Format::Json => What::ExportJson,
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
