//! A text as a QR code (ISO/IEC 18004) for the terminal, to be photographed.

use qrcode::{Color, EcLevel, QrCode};
use std::io::{self, IsTerminal};

/// Light modules around the code. Four in the standard, for print; readers of screens do with two, and columns are dear.
const BORDER: usize = 2;

/// The code, or why there is none: a terminal that is too small breaks its rows, and nothing can read it then.
pub(crate) fn shown(text: &str) -> String {
    let size = terminal_size::terminal_size().filter(|_| io::stdout().is_terminal());
    fitting(text, size.map(|(columns, rows)| (usize::from(columns.0), usize::from(rows.0))))
}

/// The code for a terminal of so many columns and rows; for a file or a pipe whatever its size.
fn fitting(text: &str, terminal: Option<(usize, usize)>) -> String {
    let Some(drawn) = draw(text) else { return "The text is too long for a QR code.\n\n".to_owned() };
    let (columns, rows) = (drawn.lines().next().map_or(0, |row| row.chars().count()), drawn.lines().count());
    match terminal {
        Some((wide, high)) if wide < columns => format!(
            "The QR code is {columns} columns wide and {rows} rows high, the terminal {wide} by {high}: it is not drawn.\n\
            Widen the window or choose a smaller type, and ask again.\n\n"
        ),
        Some((_, high)) if high <= rows => {
            format!("{drawn}The QR code has {rows} rows, the terminal {high}: it can be read only whole.\n\n")
        }
        _ => drawn + "\n",
    }
}

/// Draws the code, two modules to a character; `None` where the text is too long for one.
///
/// Light modules are drawn in the foreground colour: terminals are mostly dark, and readers take either.
fn draw(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let (size, colors) = (code.width(), code.to_colors());
    let is_light = |x: usize, y: usize| match (x.checked_sub(BORDER), y.checked_sub(BORDER)) {
        (Some(x), Some(y)) if x < size && y < size => colors[y * size + x] == Color::Light,
        _ => true,
    };
    let all = size + 2 * BORDER;
    let row = |y: usize| {
        let drawn = (0..all).map(move |x| match (is_light(x, y), is_light(x, y + 1)) {
            (true, true) => '\u{2588}',
            (true, false) => '\u{2580}',
            (false, true) => '\u{2584}',
            (false, false) => ' ',
        });
        drawn.chain(['\n']).collect::<String>()
    };
    Some((0..all).step_by(2).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_does_not_fit_the_terminal_is_not_drawn_broken() {
        let drawn = draw("muster1").unwrap();
        let (columns, rows) = (drawn.lines().next().unwrap().chars().count(), drawn.lines().count());
        for terminal in [None, Some((columns, rows + 1))] {
            assert_eq!(fitting("muster1", terminal), format!("{drawn}\n"), "{terminal:?}");
        }
        let narrow = fitting("muster1", Some((columns - 1, 100)));
        assert!(narrow.contains(&format!("{columns} columns wide")) && !narrow.contains('\u{2588}'), "{narrow}");
        assert!(fitting("muster1", Some((columns, rows))).starts_with(&drawn));
        assert!(fitting(&"x".repeat(5000), None).contains("too long"));
    }

    #[test]
    fn a_code_is_square_and_a_text_that_is_too_long_has_none() {
        let drawn = draw("muster1").unwrap();
        let columns: Vec<usize> = drawn.lines().map(|line| line.chars().count()).collect();
        assert!(columns.iter().all(|width| *width == columns[0]));
        assert_eq!(columns.len(), columns[0].div_ceil(2), "{drawn}");
        assert!(draw(&"x".repeat(5000)).is_none());
    }
}
