//! `say --batch`: a file of lines, all of them checked before the first is written.
//!
//! Reading and checking only, and the account of what became durable. Carrying the requests is `muster_node::client`.

use crate::problem::Problem;
use crate::setting::Setting;
use crate::size;
use muster_node::request::{Act, Request, Write};
use serde::Deserialize;
use serde_json::error::Category;
use std::fmt::Write as _;

/// Bytes of one file: some hundred thousand lines. More is several files.
pub(crate) const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Faults that are listed; the rest is counted.
const FAULTS_LISTED_MAX: usize = 20;

/// One line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    text: String,
    #[serde(default)]
    kind: Kind,
    at: Option<String>,
    who: Option<String>,
    link: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Note,
    Observation,
    Decision,
    Request,
}

/// A line that can be written.
#[derive(Debug)]
pub(crate) struct Item {
    /// Its number in the file, counted from 1.
    pub(crate) line: usize,
    /// What writes it.
    pub(crate) request: Request,
}

/// Reads and checks all lines. Blank ones are skipped.
pub(crate) fn read(file: &[u8], setting: &mut Setting) -> Result<Vec<Item>, Problem> {
    let (mut items, mut faults) = (Vec::new(), Vec::new());
    for (index, bytes) in file.split(|byte| *byte == b'\n').enumerate() {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line = index + 1;
        let notes = setting.notes.len();
        match request(bytes, setting) {
            Ok(request) => items.push(Item { line, request }),
            Err(fault) => faults.push(format!("line {line}: {fault}")),
        }
        for note in &mut setting.notes[notes..] {
            *note = format!("line {line}: {note}");
        }
    }
    if !faults.is_empty() {
        return Err(refusal(&faults));
    }
    if items.is_empty() {
        return Err(Problem::refused(
            "the file has no lines to write",
            "one JSON object a line, as {\"text\": \"..\"}",
        ));
    }
    Ok(items)
}

fn request(bytes: &[u8], setting: &mut Setting) -> Result<Request, String> {
    let Line { text, kind, at, who, link } = serde_json::from_slice(bytes).map_err(|error| plain(&error))?;
    if text.trim().is_empty() {
        return Err("the text is empty".into());
    }
    if let Some(fault) = size::fault(&text, at.as_deref(), who.as_deref(), link.as_deref()) {
        return Err(fault);
    }
    let at = at.as_deref().map(|at| setting.at(at)).transpose().map_err(|problem| problem.to_string())?;
    let act = match kind {
        Kind::Note => Act::Say { text },
        Kind::Observation => Act::Saw { text },
        Kind::Decision => Act::Decided { text },
        Kind::Request => Act::Need { text },
    };
    let (incident, name) = (setting.incident.clone(), setting.name.clone());
    Ok(Request::Write(Write { incident, act, at, who, link, name }))
}

/// What is wrong with a line, in words, and at which character.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let (what, column) = text.rsplit_once(" at line 1 column ").unwrap_or((&text, ""));
    let what = match error.classify() {
        Category::Syntax => "this is not JSON, as in {\"text\": \"..\"}".to_owned(),
        Category::Eof => "the line ends within its JSON".to_owned(),
        _ => what
            .replace("unknown variant", "unknown kind")
            .replace("unknown field", "unknown key")
            .replace("missing field", "there is no"),
    };
    if column.is_empty() { what } else { format!("{what} (column {column})") }
}

fn refusal(faults: &[String]) -> Problem {
    let mut message = format!(
        "nothing was written: {} cannot be read",
        if faults.len() == 1 { "a line".to_owned() } else { format!("{} of the lines", faults.len()) }
    );
    for fault in faults.iter().take(FAULTS_LISTED_MAX) {
        let _ = write!(message, "\n{fault}");
    }
    if faults.len() > FAULTS_LISTED_MAX {
        let _ = write!(message, "\nand {} more", faults.len() - FAULTS_LISTED_MAX);
    }
    let keys =
        "a line has `text` and, where wanted, `kind` (note, observation, decision, request), `at`, `who`, `link`";
    Problem::refused(message, keys)
}

/// What became of the lines.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Lines that are written and durable.
    pub(crate) written: usize,
    /// Lines that were refused, with the reason.
    refused: Vec<(usize, String)>,
}

impl Account {
    /// Notes that a line is durable.
    pub(crate) fn done(&mut self) {
        self.written += 1;
    }

    /// Notes that a line was refused.
    pub(crate) fn refused(&mut self, line: usize, why: String) {
        self.refused.push((line, why));
    }

    /// Nothing, if every one of `items` was written; else what is missing. `broken` tells why it stopped, if it did.
    pub(crate) fn settle(&self, items: &[Item], broken: Option<String>) -> Result<(), Problem> {
        if broken.is_none() && self.refused.is_empty() && self.written == items.len() {
            return Ok(());
        }
        let mut message = format!("{} of {} lines are written", self.written, items.len());
        for (line, why) in self.refused.iter().take(FAULTS_LISTED_MAX) {
            let _ = write!(message, "\nline {line}: {why}");
        }
        if self.refused.len() > FAULTS_LISTED_MAX {
            let _ = write!(message, "\nand {} more", self.refused.len() - FAULTS_LISTED_MAX);
        }
        if let Some(broken) = broken {
            let _ = write!(message, "\n{broken}");
        }
        // Answers come in order, so what has none is the file's tail.
        let hint = match items.get(self.written + self.refused.len()) {
            Some(Item { line, .. }) => {
                format!(
                    "of the lines from {line} on some may be written: see `muster timeline` before you go on with them"
                )
            }
            None => "the lines named above are not written, the others are".into(),
        };
        Err(Problem::refused(message, hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::tests::setting;

    #[track_caller]
    fn fault(file: &str) -> String {
        read(file.as_bytes(), &mut setting("")).unwrap_err().to_string()
    }

    #[test]
    fn every_kind_becomes_its_act_with_time_and_reporter() {
        let file = "{\"text\":\"a\"}\n\n{\"text\":\"b\",\"kind\":\"observation\",\"at\":\"12:17\",\"who\":\"bob\"}\r\n\
            {\"text\":\"c\",\"kind\":\"decision\",\"link\":\"http://x\"}\n{\"text\":\"d\",\"kind\":\"request\"}";
        let items = read(file.as_bytes(), &mut setting("")).unwrap();
        let told: Vec<String> = items
            .iter()
            .map(|Item { line, request }| match request {
                Request::Write(Write { act, at, who, link, .. }) => {
                    let at = at.as_ref().map(|at| &at.text);
                    format!("{line} {act:?} {at:?} {who:?} {link:?}")
                }
                other => format!("{other:?}"),
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        1 Say { text: "a" } None None None
        3 Saw { text: "b" } Some("12:17") Some("bob") None
        4 Decided { text: "c" } None None Some("http://x")
        5 Need { text: "d" } None None None
        "#);
    }

    #[test]
    fn one_bad_line_keeps_all_from_being_written_and_every_bad_line_is_named() {
        let long = "x".repeat(16_384);
        let file = format!(
            "{{\"text\":\"fine\"}}\n{{\"txt\":\"a\"}}\n{{\"text\":\" \"}}\nnot json\n{{\"text\":\"b\",\"kind\":\"joke\"}}\n\
             {{\"text\":\"c\",\"at\":\"teatime\"}}\n{{\"text\":\"{long}\"}}\n"
        );
        insta::assert_snapshot!(fault(&file), @r#"
        nothing was written: 6 of the lines cannot be read
        line 2: unknown key `txt`, expected one of `text`, `kind`, `at`, `who`, `link` (column 6)
        line 3: the text is empty
        line 4: this is not JSON, as in {"text": ".."} (column 2)
        line 5: unknown kind `joke`, expected one of `note`, `observation`, `decision`, `request` (column 25)
        line 6: cannot read `teatime` as a time
        line 7: the text has 16384 bytes, an entry holds 16352 at most
        "#);
    }

    #[test]
    fn an_empty_file_and_one_that_is_not_text_are_refused() {
        assert_eq!(fault("\n \n"), "the file has no lines to write");
        assert!(read(b"{\"text\":\"\xff\"}", &mut setting("")).is_err());
    }

    #[test]
    fn many_bad_lines_are_counted_rather_than_listed() {
        let text = fault(&"x\n".repeat(1_000));
        assert_eq!(text.lines().count(), FAULTS_LISTED_MAX + 2);
        assert!(text.ends_with("and 980 more"), "{text}");
    }

    #[test]
    fn a_time_taken_as_yesterday_is_noted_with_its_line() {
        let mut setting = setting("");
        read(b"\n{\"text\":\"a\",\"at\":\"23:10\"}", &mut setting).unwrap();
        assert!(setting.notes[0].starts_with("line 2: 23:10"), "{:?}", setting.notes);
    }

    #[test]
    fn the_account_says_which_lines_are_written_and_of_which_that_is_not_known() {
        let items = read(&b"{\"text\":\"a\"}\n".repeat(4), &mut setting("")).unwrap();
        let mut account = Account::default();
        account.done();
        account.refused(2, "no".into());
        let problem = account.settle(&items, Some("the node went away".into())).unwrap_err();
        assert_eq!(problem.to_string(), "1 of 4 lines are written\nline 2: no\nthe node went away");
        let Problem::Refused(failure) = problem else { panic!("not a refusal") };
        assert_eq!(
            failure.hint.as_deref(),
            Some("of the lines from 3 on some may be written: see `muster timeline` before you go on with them")
        );
        (0..3).for_each(|_| account.done());
        assert!(account.settle(&items, None).is_err());
        assert!(Account { written: 4, refused: vec![] }.settle(&items, None).is_ok());
    }
}
