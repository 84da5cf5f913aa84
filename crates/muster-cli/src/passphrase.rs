//! Asks for passphrases: in the file that `MUSTER_PASSPHRASE_FILE` names, else on the terminal, without showing what is typed.
//!
//! They are never arguments: those are in the process list and in the shell's history.

use crate::problem::Problem;
use muster_node::unlock::{NoPassphrase, Passphrase, Unlock, check_new, passphrase_file, passphrase_of};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// How often one is asked for on the terminal before the command gives up.
const ATTEMPTS: u32 = 3;

/// The way to the passphrase of the device key.
pub(crate) fn unlock() -> Unlock {
    Unlock::asking(|path, attempt| match passphrase_file() {
        Some(file) if attempt == 0 => passphrase_of(&file),
        None if attempt < ATTEMPTS => {
            let again = if attempt > 0 { "that was not it; " } else { "" };
            typed(&format!("{again}passphrase of the key in {} (not shown): ", path.display()))
        }
        _ => Err(NoPassphrase::Nobody),
    })
}

/// A new passphrase: from a file, else typed twice.
pub(crate) fn new(file: Option<&Path>) -> Result<Passphrase, Problem> {
    if let Some(file) = file {
        return passphrase_of(file).map_err(|error| {
            Problem::refused(error.to_string(), "it must be a file of mode 0600 with the passphrase on its first line")
        });
    }
    let nobody = |why| match why {
        NoPassphrase::NotTyped => Problem::refused("no new passphrase was typed", "nothing was changed; run it again"),
        _ => Problem::refused(
            "there is no terminal to ask for the new passphrase",
            "give it in a file that only you can read: `--new-passphrase-file FILE`",
        ),
    };
    let first = typed("new passphrase (not shown): ").map_err(nobody)?;
    let again = typed("the same again: ").map_err(nobody)?;
    check_new(&first, &again).map_err(|wrong| Problem::refused(wrong, "nothing was changed; run it again"))?;
    Ok(first)
}

/// What is typed on the terminal.
fn typed(prompt: &str) -> Result<Passphrase, NoPassphrase> {
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| {
        let why = not_typed(error.kind());
        if why == NoPassphrase::NotTyped {
            // Nobody ended the line of the question.
            let _ = io::stderr().write_all(b"\n");
        }
        why
    })
}

fn not_typed(why: ErrorKind) -> NoPassphrase {
    match why {
        // Ctrl-D, Ctrl-C: there is somebody.
        ErrorKind::UnexpectedEof | ErrorKind::Interrupted => NoPassphrase::NotTyped,
        _ => NoPassphrase::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_breaks_the_asking_off_is_not_told_that_there_is_no_terminal() {
        for broken_off in [ErrorKind::UnexpectedEof, ErrorKind::Interrupted] {
            let why = not_typed(broken_off);
            assert_eq!(why.to_string(), "none was typed");
            assert!(why.hint().starts_with("run it again and type it"), "{}", why.hint());
        }
        let nobody = not_typed(ErrorKind::NotFound);
        assert!(nobody.hint().starts_with("run it on a terminal"), "{}", nobody.hint());
    }
}
