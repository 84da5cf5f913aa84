//! `muster doing [ID]`: an action has begun; with `--on`, one that nobody announced.

use super::{Ask, is_id_prefix, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::{self, Aside};
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `doing` takes.
#[derive(Debug, clap::Args)]
#[command(override_usage = "muster doing [ID]\n       muster doing TEXT --on TARGET")]
pub(crate) struct Doing {
    /// The action's id, if you have announced more than one; with --on, what you are doing
    #[arg(value_name = "ID|TEXT")]
    what: Vec<String>,
    /// What it touches, if the action was not announced
    #[arg(long, alias = "target", value_name = "TARGET")]
    on: Option<String>,
    #[command(flatten)]
    aside: Aside,
}

impl Ask for Doing {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let what = match (self.what.as_slice(), &self.on) {
            ([], None) => None,
            (words, Some(_)) => Some(text::read(words, setting)?),
            ([id], None) if is_id_prefix(id) => Some(id.clone()),
            (words, None) => {
                let message = format!("`{}` is not the id of an action", words.join(" "));
                return Err(Problem::usage(message, "to begin one that was not announced, add `--on TARGET`"));
            }
        };
        self.aside.request(Act::Doing { what, target: self.on.clone() }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written("begun", &answer, "entry")
    }
}
