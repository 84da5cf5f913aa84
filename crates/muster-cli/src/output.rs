//! Stdout: what a person reads, what a script reads.

use crate::problem::Problem;
use muster_incident::printable;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Prints a text as it is.
pub(crate) fn print(text: &str) -> Result<(), Problem> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Problem::Stdout)
}

/// Prints one JSON value on a line of its own.
pub(crate) fn print_json(value: &Value) -> Result<(), Problem> {
    print(&json_line(value))
}

/// A JSON value on one line of visible characters. JSON itself escapes C0 controls only; a terminal obeys others too.
fn json_line(value: &Value) -> String {
    let plain = value.to_string();
    let mut line = String::with_capacity(plain.len() + 1);
    for c in plain.chars() {
        if c.is_ascii() || printable(c.encode_utf8(&mut [0; 4])).starts_with(c) {
            line.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing into a string cannot fail.
            let _ = write!(line, "\\u{unit:04x}");
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_reaches_a_terminal_without_anything_that_moves_its_cursor_and_reads_back_the_same() {
        let value = json!({"text": "äöü 日本 \u{1b}[2J \u{9b}2J \u{202e}turned \u{e0001} \n"});
        let line = json_line(&value);
        assert_eq!(line.chars().filter(|c| c.is_control()).collect::<String>(), "\n");
        assert!(!line.contains('\u{202e}') && !line.contains('\u{e0001}') && line.contains("日本"), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
