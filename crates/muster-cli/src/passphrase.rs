//! Asks for passphrases: in the file that `MUSTER_PASSPHRASE_FILE` names, else on the terminal, without showing what is typed.
//!
//! They are never arguments: those are in the process list and in the shell's history.

use crate::problem::Problem;
use muster_node::unlock::{NoPassphrase, Passphrase, Unlock, check_new, passphrase_file, passphrase_of};
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
                .ok_or(NoPassphrase::Nobody)
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
    let nobody = || {
        Problem::refused(
            "there is no terminal to ask for the new passphrase",
            "give it in a file that only you can read: `--new-passphrase-file FILE`",
        )
    };
    let first = typed("new passphrase (not shown): ").ok_or_else(nobody)?;
    let again = typed("the same again: ").ok_or_else(nobody)?;
    check_new(&first, &again).map_err(|wrong| Problem::refused(wrong, "nothing was changed; run it again"))?;
    Ok(first)
}

/// What is typed on the terminal; `None` where there is none.
fn typed(prompt: &str) -> Option<Passphrase> {
    rpassword::prompt_password(prompt).ok().map(Zeroizing::new)
}
