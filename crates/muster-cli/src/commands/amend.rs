//! `muster amend ID TEXT`: a correction; the original stays visible.

use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::{Aside, Text};
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `amend` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Amend {
    /// The entry: its id or a prefix of four or more
    id: String,
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    aside: Aside,
}

impl Ask for Amend {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let text = self.text.read(setting)?;
        self.aside.request(Act::Amend { id: self.id.clone(), text }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written("amendment", &answer, "entry")
    }
}
