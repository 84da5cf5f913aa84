//! `muster roles`: who holds which role.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::{Page, roles};
use crate::setting::Setting;
use muster_node::request::{self, Request, What};
use serde_json::Value;

/// What `roles` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Roles {}

impl Ask for Roles {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        Ok(Request::Read(request::Read { incident: setting.incident.clone(), what: What::Roles }))
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        Ok(roles::show(&read(answer)?, page))
    }
}
