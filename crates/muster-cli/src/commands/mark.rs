//! `muster mark MILESTONE`: the moments that metrics stand on.

use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::{Aside, Remark};
use muster_log::fact::Letter;
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `mark` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Mark {
    /// failed F, alerted L, detected D, acknowledged A, triaged T, identified I, repaired X, recovered N, resolved R,
    /// last-good G, disaster S
    #[arg(value_name = "MILESTONE", value_parser = milestone)]
    milestone: &'static str,
    #[command(flatten)]
    text: Remark,
    #[command(flatten)]
    aside: Aside,
}

/// The word for a milestone typed as word or letter.
fn milestone(typed: &str) -> Result<&'static str, String> {
    let found = Letter::from_word(&typed.to_lowercase()).or_else(|| Letter::from_word(&typed.to_uppercase()));
    let words = || Letter::ALL.map(|(_, letter, word)| format!("{word} {letter}")).join(", ");
    found.map(Letter::word).ok_or_else(|| format!("a milestone is one of {}", words()))
}

impl Ask for Mark {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let text = self.text.read(setting)?;
        self.aside.request(Act::Mark { milestone: self.milestone.to_owned(), text }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written(self.milestone, &answer, "entry")
    }
}
