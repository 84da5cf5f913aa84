//! `muster need TEXT`: a request.

use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::{Aside, Text};
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `need` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Need {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    aside: Aside,
}

impl Ask for Need {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let text = self.text.read(setting)?;
        self.aside.request(Act::Need { text }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written("request", &answer, "entry")
    }
}
