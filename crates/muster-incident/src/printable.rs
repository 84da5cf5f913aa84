//! Makes text of others safe to show in a terminal, and finds what cannot be seen in a name.

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;

/// What stands in the place of a character that must not reach a terminal.
const REPLACEMENT: char = '\u{fffd}';

/// Replaces what could move a cursor, change colours or reorder a line: control and escape characters, line breaks
/// (shown as a blank), bidirectional and other invisible format characters.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() || is_invisible(c) => REPLACEMENT,
            c => c,
        })
        .collect()
}

/// As [`printable`], but line feeds stay, for texts that are shown as several lines.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// As [`printable`], of what somebody is called: not even what joins letters stays unseen, or two names could look the same,
/// and no comma, or one name could look like two.
pub fn printable_name(name: &str) -> String {
    printable(name).chars().map(|c| if is_unseen(c) || is_comma(c) { REPLACEMENT } else { c }).collect()
}

/// The first character of a name that parts names from each other: lists of names have commas between them.
pub fn comma_in_name(name: &str) -> Option<char> {
    name.chars().find(|c| is_comma(*c))
}

/// The comma, and those of other scripts and widths.
fn is_comma(c: char) -> bool {
    matches!(
        c,
        ',' | ';'
            | '\u{60c}'
            | '\u{61b}'
            | '\u{3001}'
            | '\u{ff0c}'
            | '\u{ff1b}'
            | '\u{ff64}'
            | '\u{fe50}'
            | '\u{fe51}'
            | '\u{201a}'
    )
}

/// The first character of a name that nobody who reads it sees, or that no line can hold.
pub fn unseen_in_name(name: &str) -> Option<char> {
    name.chars().find(|c| c.is_control() || is_unseen(*c) || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Characters that are not drawn (Unicode's Default_Ignorable_Code_Point, which UTS #39 leaves out where it compares looks),
/// and the marks around annotations.
fn is_unseen(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c) || matches!(c, '\u{fff9}'..='\u{fffb}')
}

/// Of these, what hides, joins or reorders in a text; among them all bidirectional controls (UAX #9). Joiners and variation
/// selectors stay: emoji and several scripts need them, and they move nothing.
fn is_invisible(c: char) -> bool {
    let is_needed = matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    is_unseen(c) && !is_needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_unseen() {
        for unseen in
            ['\u{200b}', '\u{2060}', '\u{ad}', '\u{e0062}', '\u{200d}', '\u{fe0f}', '\u{3164}', '\u{202e}', '\n']
        {
            let name = format!("bo{unseen}b");
            assert_eq!(unseen_in_name(&name), Some(unseen));
            assert_ne!(printable_name(&name), "bob");
            assert_eq!(printable_name(&name).chars().count(), 4, "it is shown as something");
        }
        for (name, shown) in [("alice, bob", "alice\u{fffd} bob"), ("a;b", "a\u{fffd}b"), ("甲、乙", "甲\u{fffd}乙")]
        {
            assert!(comma_in_name(name).is_some(), "{name}");
            assert_eq!(printable_name(name), shown);
        }
        for name in ["bob", "Zoë", "Zoe\u{308}", "日本", "анна к", "ali~12", "O'Neil (net)"] {
            assert_eq!((unseen_in_name(name), comma_in_name(name)), (None, None));
            assert_eq!(printable_name(name), name);
        }
    }

    #[test]
    fn nothing_that_moves_a_cursor_or_turns_a_line_gets_through() {
        for (text, expected) in [
            ("plain äöü 日本 👩‍🚒", "plain äöü 日本 👩‍🚒"),
            ("red \u{1b}[31m", "red \u{fffd}[31m"),
            ("c1 \u{9b}2J", "c1 \u{fffd}2J"),
            ("two\nlines\r\n", "two lines  "),
            ("\u{202e}turned\u{2066}", "\u{fffd}turned\u{fffd}"),
            ("\u{7}\u{0}\u{7f}", "\u{fffd}\u{fffd}\u{fffd}"),
            ("a\u{34f}\u{3164}\u{115f}\u{e0041}\u{ad}b", "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}b"),
            ("☠\u{fe0f} می\u{200c}خواهم", "☠\u{fe0f} می\u{200c}خواهم"),
        ] {
            assert_eq!(printable(text), expected);
        }
        assert_eq!(printable_lines("a\nb\u{1b}"), "a\nb\u{fffd}");
    }
}
