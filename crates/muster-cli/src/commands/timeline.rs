//! `muster timeline`: what happened, oldest event first.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::{Page, timeline};
use crate::setting::Setting;
use muster_node::request::{self, Request, What};
use serde_json::Value;

/// Entries that are read at once while lines are followed.
const READ_AT_ONCE: u32 = 1_000;

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
    /// Then go on with every line that comes, in the order in which they come, until Ctrl-C
    #[arg(long, short, conflicts_with = "local")]
    pub(crate) follow: bool,
}

/// Lines that came since somebody read on.
pub(crate) struct Arrived {
    /// How many entries the reader has behind them now.
    pub(crate) next: u64,
    /// The rows, as in the timeline.
    pub(crate) rows: Vec<Value>,
}

impl Timeline {
    /// Asks for the lines that came after so many entries; `u64::MAX` asks only where the end is.
    pub(crate) fn arrived(setting: &Setting, after: u64) -> Request {
        let what = What::Arrived { after, count: READ_AT_ONCE };
        Request::Read(request::Read { incident: setting.incident.clone(), what })
    }

    /// Reads the answer to it.
    pub(crate) fn read_arrived(mut answer: Value) -> Arrived {
        let next = answer["next"].as_u64().unwrap_or_default();
        Arrived { next, rows: answer["rows"].as_array_mut().map(std::mem::take).unwrap_or_default() }
    }
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
