//! `muster key show|export|import|change-passphrase`: the device key itself.

use crate::output;
use crate::passphrase;
use crate::problem::Problem;
use crate::run::note;
use crate::session::Session;
use muster_node::keys::{self, Protection};
use muster_node::request::Failure;
use serde_json::json;
use std::path::PathBuf;

/// What `key` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, clap::Subcommand)]
enum Step {
    /// Show which device this is, and whether a passphrase is on its key
    Show,
    /// Write a copy of the key into a new file
    Export {
        /// The file to make, of mode 0600
        file: PathBuf,
        #[command(flatten)]
        new: New,
    },
    /// Put a key file in place, in a home that has no key
    Import {
        /// An OpenSSH private key (ed25519) that only you can read
        file: PathBuf,
    },
    /// Put a passphrase on the key, change it or remove it
    ChangePassphrase {
        #[command(flatten)]
        new: New,
    },
}

/// What protects the file that is written.
#[derive(Debug, clap::Args)]
struct New {
    /// Take the new passphrase from the first line of this file instead of asking
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
    /// Without a passphrase: whoever can read the file can sign with it
    #[arg(long, conflicts_with = "new_passphrase_file")]
    no_passphrase: bool,
}

impl New {
    fn protection(&self) -> Result<Protection, Problem> {
        if self.no_passphrase {
            return Ok(Protection::Without);
        }
        passphrase::new(self.new_passphrase_file.as_deref()).map(Protection::With)
    }
}

/// Carries it out.
pub(crate) fn run(command: &Key, session: &Session) -> Result<(), Problem> {
    let setup = &session.setup;
    let (device, told) = match &command.step {
        Step::Show => {
            let facts = keys::show(setup)?;
            if session.json {
                let value = serde_json::to_value(&facts).map_err(|error| Failure::new(error.to_string()))?;
                return output::print_json(&value);
            }
            let protected = if facts.protected { "with a passphrase" } else { "without a passphrase" };
            return output::print(&format!("{}\n{} ({protected})\n", facts.device, facts.path.display()));
        }
        Step::Export { file, new } => {
            // First whether there is a key, then what is to be typed.
            keys::show(setup)?;
            let device = keys::export(setup, file, &new.protection()?)?;
            (device, format!("a copy of the key is in {}; keep it as you keep the key", file.display()))
        }
        Step::Import { file } => {
            let device = keys::import(setup, file)?;
            note("a key is for one device at a time: stop using it where it came from");
            (device, format!("the key is in place: {}", setup.home.key_file().display()))
        }
        Step::ChangePassphrase { new } => {
            keys::show(setup)?;
            let device = keys::protect(setup, &new.protection()?)?;
            let now =
                if new.no_passphrase { "no passphrase is on the key now" } else { "the key has the new passphrase" };
            (device, now.to_owned())
        }
    };
    match session.json {
        true => output::print_json(&json!({ "device": device.to_string() })),
        false => output::print(&format!("{told}\n{device}\n")),
    }
}
