//! `muster verify`: every signature and rule checked again.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::{Page, verify};
use crate::setting::Setting;
use muster_node::request::{self, Request, What};
use serde_json::Value;

/// What `verify` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {}

impl Ask for Verify {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        Ok(Request::Read(request::Read { incident: setting.incident.clone(), what: What::Verify }))
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        Ok(verify::show(&read(answer)?, page))
    }

    fn is_bad(&self, answer: &Value) -> bool {
        answer.get("ok") != Some(&Value::Bool(true))
    }
}
