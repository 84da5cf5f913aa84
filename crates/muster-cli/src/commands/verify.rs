//! `muster verify [FILE]`: every signature and rule checked again, of this home or of a file that somebody gave.

use super::read;
use crate::output;
use crate::problem::Problem;
use crate::progress::{Bar, Waiting};
use crate::render::team_history::{self, TeamHistory};
use crate::render::{record, verify};
use crate::run::made_printable;
use crate::session::Session;
use muster_incident::printable_lines;
use muster_node::client;
use muster_node::record::Record;
use muster_node::verify_file::verify_file;
use serde_json::{Value, json};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// What `verify` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// An audit file or a bundle (`-`: from stdin), which needs no home; without one, all that is stored here or one incident (-i)
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Check each signature that is here, not only those that prove the ones before; of a file each is checked always
    #[arg(long)]
    every: bool,
    /// Then tell what stands in the FILE: who wrote what, in which order, between which provable times, and what is in
    /// doubt; as `text`, or to keep as `md` or `json`
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    #[arg(requires = "file", hide_possible_values = true)]
    report: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Text,
    Md,
    Json,
}

impl Verify {
    /// Whether it is about a file, and no home is needed.
    pub(crate) fn is_of_file(&self) -> bool {
        self.file.is_some()
    }

    /// Checks, tells what was found, and fails where something is wrong.
    pub(crate) fn run(&self, session: &mut Session) -> Result<(), Problem> {
        let found = match &self.file {
            Some(path) => return self.file(path, session),
            None => self.home(session)?,
        };
        let is_bad = is_bad(&found);
        if session.json {
            output::print_json(&found)?;
        } else {
            output::print(&verify::show(&read(made_printable(found))?, &session.page))?;
        }
        if is_bad { Err(Problem::Told) } else { Ok(()) }
    }

    fn home(&self, session: &Session) -> Result<Value, Problem> {
        let waiting = Waiting::new("opening");
        let opened = client::open(&session.setup);
        waiting.end();
        let mut bar = Bar::new("entries");
        let incident = session.setting.incident.clone();
        let found = muster_node::verify::verify(&mut opened?, incident, self.every, &mut |done, of| bar.show(done, of));
        bar.end();
        Ok(found?)
    }

    fn file(&self, path: &Path, session: &Session) -> Result<(), Problem> {
        if session.setting.incident.is_some() {
            return Err(Problem::usage("a file is checked as a whole", "leave out `-i`"));
        }
        let mut bar = Bar::new("bytes");
        let verified = verify_file(path, self.report.is_some(), &mut |done, of| bar.show(done, of));
        bar.end();
        let verified = verified?;
        let (found, record) = (verified.told, verified.record);
        let is_bad = is_bad(&found);
        match self.report {
            Some(_) if session.json => report_json(found, record, session)?,
            Some(Form::Json) => report_json(found, record, session)?,
            None if session.json => output::print_json(&found)?,
            form => {
                let read = verify::show(&read(made_printable(found))?, &session.page);
                match (form, record) {
                    (Some(Form::Md), record) => report_markdown(&read, record, session)?,
                    (Some(_), Some(record)) => report_text(&read, record, session)?,
                    (Some(_), None) => output::print(&read)?,
                    // What came through a pipe is gone.
                    (None, _) if path == Path::new("-") => output::print(&read)?,
                    (None, _) => output::print(&(read + &verify::how_to_read(path)))?,
                }
            }
        }
        if is_bad { Err(Problem::Told) } else { Ok(()) }
    }
}

fn is_bad(found: &Value) -> bool {
    found.get("ok") != Some(&Value::Bool(true))
}

fn team(record: &Record, session: &Session) -> Result<TeamHistory, Problem> {
    read(made_printable(record.team(&session.page.zone)))
}

/// Incident by incident, so that no more than one is drawn at a time.
fn report_text(found: &str, mut record: Record, session: &Session) -> Result<(), Problem> {
    output::print(found)?;
    output::print(&team_history::show(&team(&record, session)?, &session.page))?;
    for incident in record.incidents() {
        let told = record.json(incident, &session.page.zone)?;
        output::print(&record::show(read(made_printable(told))?, &session.page))?;
    }
    Ok(())
}

fn report_markdown(found: &str, record: Option<Record>, session: &Session) -> Result<(), Problem> {
    // Nothing of a file begins a line in Markdown's sense: what was found stands as code.
    let found: String = found.lines().map(|line| format!("    {line}\n")).collect();
    print_exported(format!("# Audit\n\n{found}"))?;
    let Some(mut record) = record else { return Ok(()) };
    print_exported(team_history::markdown(&team(&record, session)?))?;
    for incident in record.incidents() {
        let (markdown, left_out) = record.markdown(incident, &session.page.zone)?;
        let left_out = record::left_out(left_out).map(|text| format!("\n{text}\n")).unwrap_or_default();
        print_exported(format!("\n{markdown}{left_out}"))?;
    }
    Ok(())
}

/// A file or a pipe gets the bytes; a terminal must not obey them.
fn print_exported(text: String) -> Result<(), Problem> {
    output::print(&if io::stdout().is_terminal() { printable_lines(&text) + "\n" } else { text })
}

fn report_json(mut found: Value, record: Option<Record>, session: &Session) -> Result<(), Problem> {
    let (mut told, mut team) = (Vec::new(), Value::Null);
    if let Some(mut record) = record {
        team = record.team(&session.page.zone);
        for incident in record.incidents() {
            told.push(record.json(incident, &session.page.zone)?);
        }
    }
    if let Some(found) = found.as_object_mut() {
        found.insert("team_history".into(), team);
        found.insert("record".into(), json!(told));
    }
    output::print_json(&found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_verify_is_a_failure() {
        assert!(!is_bad(&json!({"ok": true})));
        for bad in [json!({"ok": false}), json!({}), json!({"ok": 1})] {
            assert!(is_bad(&bad), "{bad}");
        }
    }
}
