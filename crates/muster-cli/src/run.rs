//! Carries a command out: asks, shows, and keeps what could not be written.

use crate::args::{Args, Command};
use crate::batch::{self, Account};
use crate::commands::{Ask, board, bundle, compact, doctor, down, export, key, repair, say, up};
use crate::output;
use crate::problem::Problem;
use crate::session::Session;
use indicatif::{ProgressBar, ProgressStyle};
use muster_incident::{printable, printable_lines};
use muster_node::client;
use muster_node::clock::SystemClock;
use muster_node::request::Failure;
use serde_json::Value;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::time::Duration;

/// How often `board --watch` draws where nothing happens: ages are on it.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Rows below which a terminal is not believed to have told its height.
const ROWS_MIN: usize = 5;

/// Carries out a command line.
pub(crate) fn run(args: Args) -> Result<(), Problem> {
    if let Command::Completions(completions) = &args.command {
        return output::print(&completions.script());
    }
    if let Command::Man(man) = &args.command {
        return man.write();
    }
    if let Command::Demo(demo) = args.command {
        return crate::demo::run(demo.keep);
    }
    let mut session = Session::begin(args.globals, &args.command)?;
    match args.command {
        Command::Up(_) => up::run(session.setup, session.json),
        Command::Down(_) => {
            let was_up = down::run(&session.setup)?;
            note(if was_up { "the node is stopped" } else { "no node was running" });
            Ok(())
        }
        Command::Doctor(_) => doctor::run(&session),
        Command::VerifyProof(verify) => verify.run(session.json, &session.page),
        Command::Config(config) if session.json => {
            output::print_json(&config.json(&session.setup.home, &session.setup.config))
        }
        Command::Config(config) => {
            output::print(&config.show(&session.setup.home, &session.setup.config, &session.page))
        }
        command => {
            let done = carry_out(&command, &mut session);
            done.map_err(|problem| keep_input(problem, &session))
        }
    }
}

fn carry_out(command: &Command, session: &mut Session) -> Result<(), Problem> {
    match command {
        Command::Board(board) if board.watch => watch(board, session),
        Command::Timeline(timeline) if timeline.follow => crate::follow::follow(timeline, session),
        Command::Say(say::Say { batch: Some(file), .. }) => say_batch(file, session),
        Command::Bundle(command) => bundle::run(command, session),
        Command::Team(team) if team.asks_first() => team.run(session),
        Command::Compact(command) => compact::run(command, session),
        Command::Key(command) => key::run(command, session),
        Command::Repair(command) => repair::run(command, session),
        Command::Verify(verify) => verify.run(session),
        Command::Export(export) if export.is_audit() => export.write_audit(session),
        Command::Export(export) => export_text(export, session),
        command => match command.ask() {
            Some(ask) => {
                let answer = ask.cut_short(answer(ask, session)?);
                let is_bad = ask.is_bad(&answer);
                if session.json {
                    output::print_json(&answer)?;
                } else {
                    output::print(&ask.show(made_printable(answer), &session.page)?)?;
                }
                if is_bad { Err(Problem::Told) } else { Ok(()) }
            }
            None => Ok(()),
        },
    }
}

/// Asks the node, or the store where none is running. The words are read before anything is opened.
pub(crate) fn answer(ask: &dyn Ask, session: &mut Session) -> Result<Value, Problem> {
    let request = ask.request(&mut session.setting)?;
    session.setting.notes.drain(..).for_each(|text| note(&text));
    let answer = client::ask(&session.setup, &request)?;
    if let Some(text) = answer.get("note").and_then(Value::as_str) {
        note(text);
    }
    Ok(answer)
}

/// Tells the typist something besides the answer: one note a line.
pub(crate) fn note(text: &str) {
    let _ = io::stderr().write_all(notes(text).as_bytes());
}

fn notes(text: &str) -> String {
    text.lines().map(|line| format!("note: {}\n", printable(line))).collect()
}

/// Nobody has what was piped in but us: if it was not written, it is kept, and the hint says where.
fn keep_input(problem: Problem, session: &Session) -> Problem {
    if matches!(problem, Problem::Told | Problem::Stdout(_)) {
        return problem;
    }
    match session.setting.input.keep(session.setup.home.root()) {
        Some(path) => problem.and_hint(&format!("what was read from stdin is kept in {}", path.display())),
        None => problem,
    }
}

/// Every text that others wrote, made safe for a terminal, before anything is drawn.
pub(crate) fn made_printable(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(printable_lines(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(made_printable).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (printable(&key), made_printable(value))).collect())
        }
        other => other,
    }
}

/// Draws the board when something happened, and each second, until Ctrl-C or until nobody reads. The store is not held in between, so that other
/// commands can write, and a node may start or stop meanwhile.
fn watch(board: &board::Board, session: &mut Session) -> Result<(), Problem> {
    if session.json {
        return Err(Problem::usage("`--watch` draws for a person", "leave out `--json`, or call `board --json` again"));
    }
    let is_terminal = io::stdout().is_terminal();
    let (mut drawn, mut seen) = (false, 0);
    loop {
        session.page.now = SystemClock::new(session.page.zone.clone()).now();
        let screen = match answer(board, session) {
            Ok(answer) => board.show(made_printable(answer), &session.page)?,
            // What was there a second ago may come back: another command may hold the store just now.
            Err(Problem::Refused(Failure { message, .. })) if drawn => {
                format!("{}\n", session.page.paint.red(&format!("not up to date: {}", printable(&message))))
            }
            Err(problem) => return Err(problem),
        };
        drawn = true;
        let rows = terminal_size::terminal_size().map(|(_, rows)| usize::from(rows.0));
        output::print(&if is_terminal { redraw(&clipped(screen, rows)) } else { screen })?;
        seen = client::wait_for_change(&session.setup, seen, WATCH_EVERY);
    }
}

/// What fits on a terminal of so many rows: the top, where title, what is contested and the roles are, and how much is
/// left out. What scrolled away would be drawn again each second.
fn clipped(screen: String, rows: Option<usize>) -> String {
    let Some(rows) = rows.filter(|rows| *rows >= ROWS_MIN && screen.lines().count() >= *rows) else { return screen };
    // The cursor stands on the last row.
    let shown = rows - 2;
    let left_out = screen.lines().count() - shown;
    let top: Vec<&str> = screen.lines().take(shown).collect();
    format!("{}\n{left_out} more lines: `muster board` prints all\n", top.join("\n"))
}

/// Home, each line cleared to its end, the rest of the screen cleared: no flicker.
fn redraw(screen: &str) -> String {
    format!("\u{1b}[H{}\u{1b}[J", screen.replace('\n', "\u{1b}[K\n"))
}

fn export_text(export: &export::Export, session: &mut Session) -> Result<(), Problem> {
    export.check_words()?;
    let answer = answer(export, session)?;
    match export.path().filter(|path| *path != Path::new("-")) {
        Some(path) => {
            let text = export.text(answer)?;
            export::save(path, text.as_bytes(), export.force)?;
            note(&format!("{} bytes are in {}", text.len(), path.display()));
            Ok(())
        }
        None if session.json && !export.is_json() => output::print_json(&answer),
        None if session.json => output::print_json(&export.value(answer)?),
        None => {
            let text = export.text(answer)?;
            // A file or a pipe gets the bytes; a terminal must not obey them.
            output::print(&if io::stdout().is_terminal() { printable_lines(&text) + "\n" } else { text })
        }
    }
}

fn say_batch(file: &Path, session: &mut Session) -> Result<(), Problem> {
    let bytes = if file == Path::new("-") { session.setting.input.bytes()? } else { read_file(file)? };
    let items = batch::read(&bytes, &mut session.setting)?;
    session.setting.notes.drain(..).for_each(|text| note(&text));
    let bar = progress(items.len());
    let (mut account, mut stdout) = (Account::default(), Ok(()));
    let requests = items.iter().map(|item| item.request.clone()).collect();
    let ended = client::open(&session.setup)?.call_all(requests, &mut |index, answer| {
        match answer {
            Ok(answer) => {
                account.done();
                // Writing goes on if nobody reads any more: the file is to be in the log.
                if session.json && stdout.is_ok() {
                    stdout = output::print_json(&serde_json::json!({ "entry": answer.get("entry") }));
                }
            }
            Err(failure) => account.refused(items.get(index).map_or(0, |item| item.line), failure.message),
        }
        bar.inc(1);
    });
    bar.finish_and_clear();
    account.settle(&items, ended.err().map(|failure| failure.message))?;
    if !session.json {
        stdout =
            output::print(&format!("{} {}\n", account.written, if account.written == 1 { "entry" } else { "entries" }));
    }
    stdout
}

/// On stderr, and only where that is a terminal.
fn progress(lines: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} lines, {eta} to go");
    ProgressBar::new(lines as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(batch::FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))?;
    if bytes.len() as u64 > batch::FILE_BYTES_MAX {
        let message = format!("`{}` has more than {} bytes", path.display(), batch::FILE_BYTES_MAX);
        return Err(Problem::refused(message, "split it, as with `split -l 100000`"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_text_of_an_answer_is_made_printable_keys_included() {
        let value = made_printable(json!({"a\u{1b}": [{"b": "two\nlines\u{9b}2J"}, 1, null, true]}));
        assert_eq!(value, json!({"a\u{fffd}": [{"b": "two\nlines\u{fffd}2J"}, 1, null, true]}));
    }

    #[test]
    fn a_board_that_is_longer_than_the_terminal_keeps_its_top_and_counts_the_rest() {
        let screen: String = (1..=40).map(|n| format!("{n}\n")).collect();
        let drawn = clipped(screen.clone(), Some(10));
        assert_eq!(drawn.lines().count(), 9, "the cursor has a row of its own");
        assert!(
            drawn.starts_with("1\n2\n") && drawn.ends_with("8\n32 more lines: `muster board` prints all\n"),
            "{drawn}"
        );
        for rows in [None, Some(0), Some(41)] {
            assert_eq!(clipped(screen.clone(), rows), screen, "{rows:?}");
        }
    }

    #[test]
    fn each_note_stands_on_a_line_of_its_own() {
        assert_eq!(notes("one\ntwo\u{1b}"), "note: one\nnote: two\u{fffd}\n");
    }

    #[test]
    fn a_redrawn_screen_leaves_nothing_of_the_one_before() {
        assert_eq!(redraw("a\nb\n"), "\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
    }
}
