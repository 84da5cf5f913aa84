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
    /// Add between which times each entry was written, by the clocks of others, and what contradicts that
    #[arg(long, conflicts_with_all = ["local", "follow"])]
    audit: bool,
    /// Only the newest lines
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
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
    /// Where to read those again whose text has not come.
    pub(crate) lacking: Vec<u64>,
}

impl Timeline {
    /// Asks for the lines that came after so many entries; `u64::MAX` asks only where the end is.
    pub(crate) fn arrived(setting: &Setting, after: u64, count: u32) -> Request {
        let what = What::Arrived { after, count };
        Request::Read(request::Read { incident: setting.incident.clone(), what })
    }

    /// Reads the answer to it.
    pub(crate) fn read_arrived(mut answer: Value) -> Arrived {
        let next = answer["next"].as_u64().unwrap_or_default();
        let lacking = answer["lacking"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        Arrived { next, rows: answer["rows"].as_array_mut().map(std::mem::take).unwrap_or_default(), lacking }
    }
}

impl Ask for Timeline {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let what = match self.last {
            _ if self.audit => What::Audit,
            Some(last) if !self.local => What::Newest { last, skip: 0 },
            _ => What::Timeline { local: self.local },
        };
        Ok(Request::Read(request::Read { incident: setting.incident.clone(), what }))
    }

    /// What only this node knows is told of all lines or of none.
    fn cut_short(&self, answer: Value) -> Value {
        match (self.last, answer) {
            (Some(last), Value::Array(mut rows)) if self.local || self.audit => {
                Value::Array(rows.split_off(rows.len().saturating_sub(last as usize)))
            }
            (_, answer) => answer,
        }
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        Ok(timeline::show(&read::<Vec<timeline::Row>>(answer)?, page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_lines_are_told_with_what_only_this_node_knows_too() {
        let asked = Timeline { local: true, audit: false, last: Some(2), follow: false };
        assert_eq!(asked.cut_short(json!([1, 2, 3])), json!([2, 3]));
        assert_eq!(asked.cut_short(json!([1])), json!([1]));
    }
}
