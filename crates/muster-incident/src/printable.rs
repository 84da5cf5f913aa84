//! Makes text of others safe to show in a terminal.

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

/// Format characters (Unicode category Cf and kin) that hide, join or reorder; among them all bidirectional controls
/// (UAX #9). The zero-width joiner stays: emoji and several scripts need it, and it moves nothing.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_or_turns_a_line_gets_through() {
        for (text, expected) in [
            ("plain äöü 日本 👩‍🚒", "plain äöü 日本 👩‍🚒"),
            ("red \u{1b}[31m", "red \u{fffd}[31m"),
            ("c1 \u{9b}2J", "c1 \u{fffd}2J"),
            ("two\nlines\r\n", "two lines  "),
            ("\u{202e}turned\u{2066}", "\u{fffd}turned\u{fffd}"),
            ("\u{7}\u{0}\u{7f}", "\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(printable(text), expected);
        }
        assert_eq!(printable_lines("a\nb\u{1b}"), "a\nb\u{fffd}");
    }
}
