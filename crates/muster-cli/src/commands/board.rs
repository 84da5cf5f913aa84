//! `muster board [--watch]`: everything about the incident on one screen.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::{Page, board};
use crate::setting::Setting;
use muster_node::request::{self, Request, What};
use serde_json::Value;

/// What `board` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Board {
    /// Draw it anew when something happens, and each second, until Ctrl-C
    #[arg(long, short)]
    pub(crate) watch: bool,
}

impl Ask for Board {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        Ok(Request::Read(request::Read { incident: setting.incident.clone(), what: What::Board }))
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        Ok(board::show(&read(answer)?, page))
    }
}
