//! A ticket, or another text that is copied from paper or a mail: given whole, in pieces, or on stdin.
//!
//! Never kept in a file when it cannot be used, unlike what else is piped in: a ticket is a secret.

use crate::input::Input;
use crate::problem::Problem;

/// The text of the pieces that the shell made of it; `-` alone reads stdin. White space is the reader's affair.
pub(super) fn typed(pieces: &[String], input: &mut Input) -> Result<String, Problem> {
    let hint = "copy the whole of it; line ends and spaces inside do no harm";
    let text = match pieces {
        [alone] if alone == "-" => {
            String::from_utf8(input.secret()?).map_err(|_| Problem::refused("what stdin held is no text", hint))?
        }
        pieces => pieces.concat(),
    };
    match text.trim() {
        "" => Err(Problem::refused("there is no text to read", hint)),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str], stdin: &str) -> Option<String> {
        let pieces: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        typed(&pieces, &mut Input::new(std::io::Cursor::new(stdin.as_bytes().to_vec()))).ok()
    }

    #[test]
    fn pieces_are_one_text_and_stdin_is_read_whole() {
        assert_eq!(read(&["muster1abc", "def"], "").as_deref(), Some("muster1abcdef"));
        assert_eq!(read(&["-"], " muster1abc\r\ndef\n").as_deref(), Some("muster1abc\r\ndef"));
        assert_eq!((read(&["-"], "\n"), read(&[""], "")), (None, None));
    }
}
