//! `muster status`: one line about now.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::{Page, status};
use crate::setting::Setting;
use muster_node::request::{self, Request, What};
use serde_json::Value;

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// List every incident, also those that are over
    #[arg(long, short)]
    pub(crate) all: bool,
}

impl Ask for Status {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let what = if self.all { What::StatusAll } else { What::Status };
        Ok(Request::Read(request::Read { incident: setting.incident.clone(), what }))
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        Ok(status::show(&read(answer)?, self.all, page))
    }
}
