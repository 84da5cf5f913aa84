//! `muster timeline`: what happened, oldest event first.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::{Page, timeline};
use crate::setting::Setting;
use muster_node::request::{self, Request, What};
use serde_json::Value;

/// What `timeline` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Timeline {
    /// Add what only this node knows: when each entry arrived, and who holds it
    #[arg(long)]
    local: bool,
    /// Only the newest lines
    #[arg(long, value_name = "N", conflicts_with = "local", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    last: Option<u32>,
}

impl Ask for Timeline {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let what = match self.last {
            Some(last) => What::Newest { last, skip: 0 },
            None => What::Timeline { local: self.local },
        };
        Ok(Request::Read(request::Read { incident: setting.incident.clone(), what }))
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        Ok(timeline::show(&read::<Vec<timeline::Row>>(answer)?, page))
    }
}
