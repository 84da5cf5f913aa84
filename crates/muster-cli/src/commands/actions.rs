//! `muster actions`: who is about to touch what, and what came of it.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::{Page, actions};
use crate::setting::Setting;
use muster_node::request::{self, Request, What};
use serde_json::Value;

/// What `actions` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Actions {}

impl Ask for Actions {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        Ok(Request::Read(request::Read { incident: setting.incident.clone(), what: What::Actions }))
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        Ok(actions::show(&read::<Vec<actions::Action>>(answer)?, page))
    }
}
