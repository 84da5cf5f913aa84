//! `muster whohas ID`: which devices hold an entry.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::{Page, whohas};
use crate::setting::Setting;
use muster_node::request::{self, Request, What};
use serde_json::Value;

/// What `whohas` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct WhoHas {
    /// The entry: its id or a prefix of four or more
    id: String,
}

impl Ask for WhoHas {
    fn request(&self, _: &mut Setting) -> Result<Request, Problem> {
        // The seam's word for it: the incident field names the entry.
        Ok(Request::Read(request::Read { incident: Some(self.id.clone()), what: What::WhoHas }))
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        Ok(whohas::show(&read(answer)?, page))
    }
}
