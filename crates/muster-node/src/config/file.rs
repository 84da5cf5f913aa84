//! `config.toml`: from text to values that know their line and column.
//!
//! Which keys exist and what they may hold is the module above's.

use super::ConfigError;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Bytes of the file. Every setting with a comment fits in a fiftieth of it.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Letters that may differ between a key and the one probably meant.
const NEAR_EDITS_MAX: usize = 2;

/// Line and column, both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
}

impl Position {
    fn of(text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Self { line, column: before[start..].chars().count() + 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A type that a setting can have, in the file and in a variable.
pub(super) trait Shape: Sized {
    /// In words, for "must be ...".
    const EXPECTED: &'static str;
    /// Reads a variable.
    fn of_text(text: &str) -> Option<Self>;
    /// Reads a value of the file.
    fn of_toml(value: &DeValue<'_>) -> Option<Self>;
}

impl Shape for String {
    const EXPECTED: &'static str = "a string";
    fn of_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
    fn of_toml(value: &DeValue<'_>) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl Shape for bool {
    const EXPECTED: &'static str = "true or false";
    fn of_text(text: &str) -> Option<Self> {
        match text {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }
    fn of_toml(value: &DeValue<'_>) -> Option<Self> {
        value.as_bool()
    }
}

impl Shape for u64 {
    const EXPECTED: &'static str = "a whole number";
    fn of_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn of_toml(value: &DeValue<'_>) -> Option<Self> {
        let number = value.as_integer()?;
        u64::from_str_radix(number.as_str(), number.radix()).ok()
    }
}

impl Shape for Vec<String> {
    const EXPECTED: &'static str = "a list of strings";
    fn of_text(text: &str) -> Option<Self> {
        Some(text.split(',').map(|part| part.trim().to_owned()).collect())
    }
    fn of_toml(value: &DeValue<'_>) -> Option<Self> {
        value.as_array()?.iter().map(|item| String::of_toml(item.get_ref())).collect()
    }
}

/// What the file says, every key known.
pub(super) struct Found<'a> {
    text: &'a str,
    values: BTreeMap<&'static str, (DeValue<'a>, Range<usize>)>,
}

impl Found<'_> {
    /// The value of `key` and where it stands; `None` where the file is silent.
    pub(super) fn get<S: Shape>(&self, path: &Path, key: &'static str) -> Result<Option<(S, Position)>, ConfigError> {
        let Some((value, span)) = self.values.get(key) else { return Ok(None) };
        let position = Position::of(self.text, span.start);
        match S::of_toml(value) {
            Some(value) => Ok(Some((value, position))),
            None => {
                let (path, found) = (path.to_owned(), type_words(value));
                Err(ConfigError::WrongType { path, position, key, expected: S::EXPECTED, found })
            }
        }
    }
}

/// Reads the file; one that is not there is empty.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(text)
}

/// Parses the file and refuses keys that are not `known`, the first in the file first.
pub(super) fn parse<'a>(path: &Path, text: &'a str, known: &[&'static str]) -> Result<Found<'a>, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        position: Position::of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    let mut entries: Vec<_> = table.into_inner().into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut values = BTreeMap::new();
    for (key, value) in entries {
        let Some(name) = known.iter().find(|name| **name == key.get_ref().as_ref()) else {
            return Err(ConfigError::UnknownKey {
                path: path.to_owned(),
                position: Position::of(text, key.span().start),
                key: key.get_ref().escape_debug().collect(),
                near: near(key.get_ref(), known),
            });
        };
        let span = value.span();
        values.insert(*name, (value.into_inner(), span));
    }
    Ok(Found { text, values })
}

fn type_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(number) if number.as_str().starts_with('-') => "a negative one",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The known key that differs least, where it differs by little. Case, `-` and `_` do not count.
fn near(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let plain = |text: &str| -> Vec<char> {
        text.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).take(64).collect()
    };
    let key = plain(key);
    let distances = known.iter().map(|name| (edits(&key, &plain(name)), *name));
    distances.min().filter(|(edits, name)| *edits <= NEAR_EDITS_MAX && *edits < name.len()).map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours from one to the other (optimal string alignment).
fn edits(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from[i - 1] == *b && to[j - 1] == *a {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_missing_and_added_letters_are_one_edit_each() {
        for (from, to, expected) in
            [("", "abc", 3), ("abc", "abc", 0), ("nmae", "name", 1), ("nam", "name", 1), ("xnamex", "name", 2)]
        {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(edits(&chars(from), &chars(to)), expected, "{from} {to}");
        }
    }

    #[test]
    fn syntax_errors_and_repeated_keys_name_their_place() {
        for (text, line) in [("name = ", 1), ("\nname", 2), ("name = \"a\"\nname = \"b\"", 2), ("\n\n= 1", 3)] {
            let Err(ConfigError::Syntax { position, .. }) = parse(Path::new("c"), text, &["name"]) else {
                panic!("{text:?} was read");
            };
            assert_eq!(position.line, line, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(text in "([a-z_]{0,5}[ =\"\\[\\]{}\n.,0-9é-]{0,3}){0,12}|.{0,60}") {
            let _ = parse(Path::new("c"), &text, &["name", "log"]);
        }
    }
}
