//! `muster title TITLE`: a better title.

use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::{Aside, Text};
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `title` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Title {
    #[command(flatten)]
    title: Text,
    #[command(flatten)]
    aside: Aside,
}

impl Ask for Title {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let title = self.title.read_title(setting)?;
        self.aside.request(Act::Title { title }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written("title", &answer, "entry")
    }
}
