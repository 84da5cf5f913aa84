//! The lines that a harness has its nodes write: one JSON object a line, with a name that goes into the text.

use crate::fault::Fault;
use crate::outage::Line;
use muster_log::Timestamp;
use muster_log::fact::Saying;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Letters of a line's name, `e` and six digits.
const NAME_LEN: usize = 7;

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct CorpusLine {
    /// Its name, which is not the entry's id.
    pub(crate) name: String,
    /// In milliseconds since the Unix epoch.
    at_ms: i64,
    kind: String,
    text: String,
}

/// Lines `first ..` of a file, at most `count`.
pub(crate) fn read(path: &Path, first: usize, count: usize) -> Result<Vec<CorpusLine>, Fault> {
    let file = File::open(path).map_err(Fault::io("open the corpus"))?;
    let mut lines = Vec::new();
    for line in BufReader::new(file).lines().skip(first).take(count) {
        let line = line.map_err(Fault::io("read the corpus"))?;
        lines.push(parse(&line).ok_or_else(|| Fault::unexpected("a line of the corpus makes no sense"))?);
    }
    if lines.len() < count {
        return Err(Fault::Unexpected(format!("the corpus has {} lines of {count} from {first} on", lines.len())));
    }
    Ok(lines)
}

fn parse(line: &str) -> Option<CorpusLine> {
    let value: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
    let name = text("id").filter(|name| name.len() == NAME_LEN)?;
    Some(CorpusLine { name, at_ms: value.get("at")?.as_i64()?, kind: text("kind")?, text: text("text")? })
}

impl CorpusLine {
    /// What somebody would type: the name leads, so that it can be read back from the timeline.
    pub(crate) fn typed(&self) -> String {
        format!("{} {}", self.name, self.text)
    }

    /// Which of muster's sayings it is.
    pub(crate) fn saying(&self) -> Saying {
        match self.kind.as_str() {
            "finding" => Saying::Observation,
            "decision" => Saying::Decision,
            _ => Saying::Note,
        }
    }

    /// As a line of an outage.
    pub(crate) fn line(&self) -> Line {
        Line { saying: self.saying(), written: Some(Timestamp(self.at_ms)), text: self.typed() }
    }
}

/// The name of the line that was typed so; `None` for anything else in the timeline.
pub(crate) fn name_of(typed: &str) -> Option<&str> {
    let (name, _) = typed.split_once(' ')?;
    let is_name = name.len() == NAME_LEN && name.starts_with('e') && name[1..].bytes().all(|b| b.is_ascii_digit());
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_out_of_what_was_typed_and_nothing_else_does() {
        let line = parse(r#"{"id":"e000012","at":5,"author":2,"kind":"finding","text":"disk full"}"#).unwrap();
        assert_eq!(name_of(&line.typed()), Some("e000012"));
        for other in ["Checkout is down", "e00001 x", "e0000123 x", "e00001x y", "e000012"] {
            assert_eq!(name_of(other), None, "{other}");
        }
    }
}
