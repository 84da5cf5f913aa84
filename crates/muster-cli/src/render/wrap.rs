//! Lines of a width: wrapped at blanks, indented, cut in columns as a terminal counts them.

use super::WIDTH;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text in lines, the first behind `head`, the others indented to where it began.
///
/// `head` may hold colour; `columns` says how wide it is on a screen.
pub(crate) fn wrapped(head: &str, columns: usize, text: &str) -> String {
    let indent = " ".repeat(columns);
    let lines = lines(text, WIDTH.saturating_sub(columns).max(1));
    let drawn: Vec<String> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| format!("{}{line}", if index == 0 { head } else { &indent }).trim_end().to_owned())
        .collect();
    drawn.join("\n") + "\n"
}

/// What stands before each line of typed text where the program's own words stand beside it.
const BAR: &str = "| ";

/// Typed text on lines of its own below a head of so many columns, a bar before each, which no program's word has.
pub(crate) fn behind_a_bar(columns: usize, text: &str) -> String {
    let indent = " ".repeat(columns);
    let lines = lines(text, WIDTH.saturating_sub(columns + BAR.len()).max(1));
    lines.iter().map(|line| format!("{indent}{BAR}{line}").trim_end().to_owned() + "\n").collect()
}

/// The text in lines of at most `width` columns; at least one line.
pub(super) fn lines(text: &str, width: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| fold(line, width)).collect()
}

fn fold(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in words(text, width) {
        let mut word = word;
        if !line.is_empty() {
            if line.width() + 1 + word.width() <= width {
                line.push(' ');
                line.push_str(word);
                continue;
            }
            lines.push(std::mem::take(&mut line));
        }
        // A word longer than a line: an address, a hash.
        while word.width() > width {
            let (start, rest) = word.split_at(split(word, width));
            lines.push(start.to_owned());
            word = rest;
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// The words between blanks. A command in backticks that fits on a line is one word, so that it can be copied whole.
fn words(text: &str, width: usize) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), text.trim_start_matches(' '));
    while !rest.is_empty() {
        let blank = rest.find(' ').unwrap_or(rest.len());
        let quoted = rest[..blank].find('`').and_then(|opens| {
            let closes = opens + 1 + rest[opens + 1..].find('`')?;
            let end = closes + rest[closes..].find(' ').unwrap_or(rest.len() - closes);
            (rest[..end].width() <= width).then_some(end)
        });
        let (word, after) = rest.split_at(quoted.unwrap_or(blank));
        words.push(word);
        rest = after.trim_start_matches(' ');
    }
    words
}

/// Where to split a word so that its start fits, at least one character.
fn split(word: &str, width: usize) -> usize {
    let mut columns = 0;
    for (at, c) in word.char_indices() {
        columns += c.width().unwrap_or(0);
        if columns > width && at > 0 {
            return at;
        }
    }
    word.len()
}

/// At most `width` columns, the last of them an ellipsis where something was cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if kept.width() + c.width().unwrap_or(0) + 1 > width {
            break;
        }
        kept.push(c);
    }
    kept + "…"
}

/// Columns of a handle that stay at least where the team in brackets behind it is long.
const HANDLE_COLUMNS_MIN: usize = 8;

/// As [`cut`], for a name: of a guest's, `carol (network)`, the brackets stay, so that nobody passes for a member.
pub(super) fn cut_name(name: &str, width: usize) -> String {
    let guest = name.strip_suffix(')').and_then(|name| name.rsplit_once(" ("));
    let Some((handle, team)) = guest.filter(|_| name.width() > width && width > HANDLE_COLUMNS_MIN + 4) else {
        return cut(name, width);
    };
    // Three for the brackets and the blank before them.
    let room = width - 3;
    let handle = cut(handle, room.saturating_sub(team.width()).max(HANDLE_COLUMNS_MIN));
    let team = cut(team, room.saturating_sub(handle.width()));
    format!("{handle} ({team})")
}

/// A name, cut or filled to exactly `width` columns.
pub(super) fn name_column(name: &str, width: usize) -> String {
    column(&cut_name(name, width), width)
}

/// Cut or filled to exactly `width` columns.
pub(super) fn column(text: &str, width: usize) -> String {
    let cut = cut(text, width);
    let fill = width.saturating_sub(cut.width());
    cut + &" ".repeat(fill)
}

/// Columns on a screen.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, width: usize, expected: &[&str]) {
        assert_eq!(lines(text, width), expected, "{text:?}");
    }

    #[test]
    fn lines_break_at_blanks_and_long_words_break_anywhere() {
        check("", 5, &[""]);
        check("a bc def", 5, &["a bc", "def"]);
        check("a  b\nc", 5, &["a b", "c"]);
        check("abcdefgh ij", 3, &["abc", "def", "gh", "ij"]);
        check("日本語テキスト", 5, &["日本", "語テ", "キス", "ト"]);
        check("so: `a b c` d", 7, &["so:", "`a b c`", "d"]);
        check("`a b c d e f`", 5, &["`a b", "c d e", "f`"]);
        check("`a `", 5, &["`a `"]);
        check("日本", 1, &["日", "本"]);
        check("e\u{301}e\u{301}", 1, &["e\u{301}", "e\u{301}"]);
    }

    #[test]
    fn columns_are_exact_however_wide_the_letters_are() {
        assert_eq!(column("alice", 7), "alice  ");
        assert_eq!(column("alice", 4), "ali…");
        assert_eq!(column("日本語", 4), "日… ");
    }

    #[test]
    fn a_guests_name_keeps_its_brackets_however_long_it_is() {
        for (name, expected) in [
            ("carol (network)", "carol (network)"),
            ("a guest with a long name (network)", "a guest… (network)"),
            ("carol (the network people of the north)", "carol (the netwo…)"),
            ("a guest with a long name (the network people)", "a guest… (the ne…)"),
            ("a member with a long name", "a member with a l…"),
        ] {
            assert_eq!(cut_name(name, 18), expected);
        }
    }

    #[test]
    fn each_line_of_typed_text_stands_behind_a_bar() {
        let drawn = behind_a_bar(6, &format!("one\n| two\n\n{}", "word ".repeat(20)));
        assert!(drawn.starts_with("      | one\n      | | two\n      |\n      | word"), "{drawn}");
        assert!(drawn.lines().count() == 5 && drawn.lines().all(|line| line.starts_with("      |")), "{drawn}");
    }

    #[test]
    fn wrapped_lines_stand_below_the_first() {
        let text = "word ".repeat(20);
        let drawn = wrapped("head  ", 6, &text);
        assert_eq!(drawn.lines().count(), 2);
        assert!(drawn.lines().nth(1).unwrap().starts_with("      word"));
    }
}
