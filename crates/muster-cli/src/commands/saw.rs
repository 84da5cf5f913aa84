//! `muster saw TEXT`: an observation.

use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::{Aside, Text};
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `saw` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Saw {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    aside: Aside,
}

impl Ask for Saw {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let text = self.text.read(setting)?;
        self.aside.request(Act::Saw { text }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written("observation", &answer, "entry")
    }
}
