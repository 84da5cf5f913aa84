//! `muster did [ID] worked|failed|reverted|abandoned [TEXT]`: an action has ended.

use super::{Ask, is_id_prefix, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::{self, Aside};
use muster_log::fact::ActionState;
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `did` takes.
#[derive(Debug, clap::Args)]
#[command(override_usage = "muster did [ID] worked|failed|reverted|abandoned [TEXT]")]
pub(crate) struct Did {
    /// The action's id, unless it is your only open one; how it ended; what came of it
    #[arg(value_name = "WORDS", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    aside: Aside,
}

impl Did {
    /// Takes the words apart: no id is a result word, for those have letters that no id has.
    fn parts(&self) -> Result<(Option<&String>, &'static str, &[String]), Problem> {
        let (id, words) = match self.words.as_slice() {
            [id, words @ ..] if is_id_prefix(id) => (Some(id), words),
            words => (None, words),
        };
        if let [word, text @ ..] = words
            && let Some(result) = result(word)
        {
            return Ok((id, result, text));
        }
        let hint = "write `muster did worked TEXT` (or failed, reverted, abandoned)\n\
            with several actions open: `muster did ID worked TEXT`";
        Err(Problem::usage("it does not say how the action ended", hint))
    }
}

/// The word for a result.
fn result(typed: &str) -> Option<&'static str> {
    ActionState::from_word(&typed.to_lowercase()).filter(|state| !state.is_open()).map(ActionState::word)
}

impl Ask for Did {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let (id, result, words) = self.parts()?;
        let text = if words.is_empty() { None } else { Some(text::read(words, setting)?) };
        self.aside.request(Act::Did { id: id.cloned(), result: result.to_owned(), text }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written(self.parts()?.1, &answer, "entry")
    }
}
