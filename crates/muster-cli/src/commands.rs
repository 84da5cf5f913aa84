//! One file per command: what it takes, what it asks of the node, how it shows the answer.
//!
//! Most commands are one request and one answer: [`Ask`]. Those that are more (`up`, `down`, `board --watch`, `say
//! --batch`, `export -o`, `verify`, `config`, `doctor`, `key`, `repair`, `completions`) are carried out by [`crate::run`] with what their files offer.

pub(crate) mod actions;
pub(crate) mod admit;
pub(crate) mod amend;
pub(crate) mod board;
pub(crate) mod bundle;
mod code;
pub(crate) mod compact;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod decided;
pub(crate) mod declare;
pub(crate) mod demo;
pub(crate) mod did;
pub(crate) mod doctor;
pub(crate) mod doing;
pub(crate) mod down;
pub(crate) mod export;
pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod key;
pub(crate) mod man;
pub(crate) mod mark;
pub(crate) mod need;
pub(crate) mod net;
pub(crate) mod peers;
pub(crate) mod phase;
pub(crate) mod proof;
pub(crate) mod redact;
pub(crate) mod repair;
pub(crate) mod role;
pub(crate) mod roles;
pub(crate) mod saw;
pub(crate) mod say;
pub(crate) mod seen;
pub(crate) mod sev;
pub(crate) mod status;
pub(crate) mod team;
pub(crate) mod timeline;
pub(crate) mod title;
pub(crate) mod up;
pub(crate) mod use_incident;
pub(crate) mod verify;
pub(crate) mod whohas;
pub(crate) mod will;

use crate::args::Command;
use crate::problem::Problem;
use crate::render::{Page, short};
use crate::setting::Setting;
use muster_node::request::Request;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A command that is one request and one answer.
pub(crate) trait Ask {
    /// The request that the words mean where they were typed.
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem>;

    /// The answer for a person; every text in `answer` is printable already.
    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem>;

    /// The answer without what was not asked for, where a request cannot say that.
    fn cut_short(&self, answer: Value) -> Value {
        answer
    }

    /// Whether an answer that was shown counts as a failure all the same.
    fn is_bad(&self, _answer: &Value) -> bool {
        false
    }
}

impl Command {
    /// The command as one request and one answer, where it is no more than that.
    pub(crate) fn ask(&self) -> Option<&dyn Ask> {
        Some(match self {
            Self::Up(_) | Self::Down(_) | Self::Doctor(_) | Self::Config(_) | Self::Bundle(_) => return None,
            Self::Compact(_) | Self::Repair(_) | Self::Completions(_) | Self::Key(_) | Self::Man(_) => return None,
            Self::Demo(_) | Self::Verify(_) | Self::VerifyProof(_) => return None,
            Self::Declare(command) => command,
            Self::Use(command) => command,
            Self::Say(command) => command,
            Self::Saw(command) => command,
            Self::Decided(command) => command,
            Self::Need(command) => command,
            Self::Amend(command) => command,
            Self::Admit(command) => command,
            Self::Redact(command) => command,
            Self::Title(command) => command,
            Self::Sev(command) => command,
            Self::Mark(command) => command,
            Self::Will(command) => command,
            Self::Doing(command) => command,
            Self::Did(command) => command,
            Self::Role(command) => command,
            Self::Confirm(command) => command,
            Self::Dismiss(command) => command,
            Self::Resolve(command) => command,
            Self::Reopen(command) => command,
            Self::Status(command) => command,
            Self::Board(command) => command,
            Self::Timeline(command) => command,
            Self::Roles(command) => command,
            Self::Actions(command) => command,
            Self::Seen(command) => command,
            Self::Peers(command) => command,
            Self::Whohas(command) => command,
            Self::Proof(command) => command,
            Self::Export(command) => command,
            Self::Team(command) => command,
            Self::Invite(command) => command,
            Self::Join(command) => command,
            Self::Net(command) => command,
        })
    }
}

/// Reads an answer of the node.
fn read<T: DeserializeOwned>(answer: Value) -> Result<T, Problem> {
    serde_json::from_value(answer).map_err(|error| {
        let hint = "the running node may be of another version: `muster down`, then `muster up`";
        Problem::refused(format!("the node's answer makes no sense here: {error}"), hint)
    })
}

/// What a write says: what it did, and the id under `key` in short.
fn written(done: &str, answer: &Value, key: &str) -> Result<String, Problem> {
    let id: String = read(answer.get(key).cloned().unwrap_or_default())?;
    Ok(format!("{done} {}\n", short(&id)))
}

/// Whether this can be an id or a prefix of one: four or more hexadecimal digits.
fn is_id_prefix(typed: &str) -> bool {
    (4..=64).contains(&typed.len()) && typed.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
