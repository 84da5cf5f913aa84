//! `muster admit PERSON`: somebody more may hold the incident.

use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::Aside;
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `admit` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Admit {
    /// Who: a name as `muster team show` has it
    #[arg(value_name = "PERSON")]
    person: String,
    #[command(flatten)]
    aside: Aside,
}

impl Ask for Admit {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        self.aside.request(Act::Admit { who: self.person.clone() }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written("admit", &answer, "entry")
    }
}
