//! `muster declare TITLE`: an incident begins.

use super::sev::{Severity, severity};
use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::{Aside, Text};
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `declare` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Declare {
    #[command(flatten)]
    title: Text,
    /// How bad it is, from 1 (worst) to 5; may stay unknown
    #[arg(long, value_name = "1..5", value_parser = severity)]
    sev: Option<Severity>,
    /// A practice: kept out of every metric but its own set
    #[arg(long)]
    drill: bool,
    /// Not certain yet; `muster confirm` or `muster dismiss` follows
    #[arg(long)]
    suspected: bool,
    /// Only you and these may hold it; fixed for good. Several: ana,bo or once each
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    private: Vec<String>,
    #[command(flatten)]
    aside: Aside,
}

impl Ask for Declare {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let title = self.title.read_title(setting)?;
        let (severity, drill, suspected) = (self.sev.and_then(|sev| sev.0), self.drill, self.suspected);
        self.aside.request(Act::Declare { title, severity, drill, suspected, private: self.private.clone() }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written(if self.suspected { "suspected" } else { "declared" }, &answer, "incident")
    }
}
