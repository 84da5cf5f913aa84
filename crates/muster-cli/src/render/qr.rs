//! A text as a QR code (ISO/IEC 18004) for the terminal, to be photographed.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// Draws the code, two modules to a character; `None` where the text is too long for one.
///
/// Light modules are drawn in the foreground colour: terminals are mostly dark, and readers take either.
pub(crate) fn draw(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let drawn = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Some(drawn + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_square_and_a_text_that_is_too_long_has_none() {
        let drawn = draw("muster1").unwrap();
        let columns: Vec<usize> = drawn.lines().map(|line| line.chars().count()).collect();
        assert!(columns.iter().all(|width| *width == columns[0]));
        assert_eq!(columns.len(), columns[0].div_ceil(2), "{drawn}");
        assert!(draw(&"x".repeat(5000)).is_none());
    }
}
