//! `muster bundle write|read FILE`: an incident carried by hand.

use crate::output;
use crate::problem::Problem;
use crate::progress::Bar;
use crate::render::bundle;
use crate::run::{made_printable, note};
use crate::session::Session;
use muster_node::bundle::{Order, ReadAccount, Target, WriteAccount, read, write};
use muster_node::client;
use muster_node::request::Failure;
use serde::Serialize;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

/// What `bundle` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Bundle {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, clap::Subcommand)]
enum Step {
    /// Write what the team may see, or one incident (-i), to a file
    Write(WriteStep),
    /// Take in what is in a file
    Read(ReadStep),
}

#[derive(Debug, clap::Args)]
struct WriteStep {
    /// The file; `-`: stdout
    file: PathBuf,
    /// For one person, with all that they may hold, private incidents too; nobody else can read it in
    #[arg(long = "for", value_name = "NAME", conflicts_with = "since")]
    reader: Option<String>,
    /// Only what that earlier bundle does not say its reader has
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
struct ReadStep {
    /// The file; `-`: stdin
    file: PathBuf,
    /// Write what the writer of this bundle lacks to that file; `-`: stdout
    #[arg(long, value_name = "FILE")]
    reply: Option<PathBuf>,
    /// Replace the reply's file if it is there
    #[arg(long, requires = "reply")]
    force: bool,
}

/// Carries it out.
pub(crate) fn run(bundle: &Bundle, session: &mut Session) -> Result<(), Problem> {
    match &bundle.step {
        Step::Write(step) => run_write(step, session),
        Step::Read(step) => run_read(step, session),
    }
}

fn run_write(step: &WriteStep, session: &mut Session) -> Result<(), Problem> {
    let target = target(&step.file, step.force)?;
    let since = step.since.as_deref().map(open).transpose()?;
    let order = Order { reader: step.reader.clone(), incident: session.setting.incident.clone() };
    let mut bar = Bar::new("entries");
    let mut client = client::open(&session.setup)?;
    let earlier = since.map(|(file, _)| file);
    let account = write(&mut client, order, earlier, &target, &mut |done, of| bar.show(done, of))?;
    bar.end();
    let shown = |account: &WriteAccount| bundle::written(account);
    tell(session, &account, target == Target::Stdout, shown)
}

fn run_read(step: &ReadStep, session: &mut Session) -> Result<(), Problem> {
    let target = step.reply.as_deref().map(|reply| target(reply, step.force)).transpose()?;
    if let (Some(path), false) = (target.as_ref().and_then(Target::path), step.force) {
        // Told before anything is taken in, not after.
        if path.symlink_metadata().is_ok() {
            return Err(Problem::refused(
                format!("`{}` is there already", path.display()),
                "choose another name for the reply, or replace it with --force",
            ));
        }
    }
    let (mut source, size) = open(&step.file)?;
    let mut bar = Bar::new("bytes");
    let mut client = client::open(&session.setup)?;
    let account = read(&mut client, source.as_mut(), size, target.as_ref(), &mut |done, of| bar.show(done, of))?;
    bar.end();
    let is_bad = account.is_bad();
    let page = &session.page;
    let shown = |account: &ReadAccount| bundle::read(account, page);
    tell(session, &account, target == Some(Target::Stdout), shown)?;
    if is_bad { Err(Problem::Told) } else { Ok(()) }
}

/// The account, on stdout unless a bundle went there.
fn tell<T: Serialize + serde::de::DeserializeOwned>(
    session: &Session,
    account: &T,
    is_stdout_taken: bool,
    shown: impl Fn(&T) -> String,
) -> Result<(), Problem> {
    let value = serde_json::to_value(account).map_err(|error| Failure::new(error.to_string()))?;
    if session.json {
        if is_stdout_taken {
            note(&value.to_string());
            return Ok(());
        }
        return output::print_json(&value);
    }
    // Names and reasons are others' words.
    let account = serde_json::from_value(made_printable(value)).map_err(|error| Failure::new(error.to_string()))?;
    if is_stdout_taken {
        shown(&account).lines().for_each(note);
        return Ok(());
    }
    output::print(&shown(&account))
}

fn target(path: &Path, force: bool) -> Result<Target, Problem> {
    let target = Target::new(path, force);
    if target == Target::Stdout && io::stdout().is_terminal() {
        return Err(Problem::refused("a bundle is not for a terminal", "name a file, or send it into a pipe"));
    }
    Ok(target)
}

/// A file or stdin, with its size where there is one.
fn open(path: &Path) -> Result<(Box<dyn Read>, Option<u64>), Problem> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (about, file) = opened.map_err(|error| cannot_read(path, &error.to_string()))?;
    if about.is_dir() {
        return Err(cannot_read(path, "it is a directory"));
    }
    let size = about.is_file().then_some(about.len());
    Ok((Box::new(file), size))
}

fn cannot_read(path: &Path, error: &str) -> Problem {
    Problem::refused(
        format!("cannot read `{}`: {error}", path.display()),
        "name a file that `muster bundle write` wrote",
    )
}
