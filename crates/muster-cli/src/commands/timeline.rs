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
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    last: Option<u32>,
}

impl Ask for Timeline {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let what = match self.last {
            Some(last) if !self.local => What::Newest { last, skip: 0 },
            _ => What::Timeline { local: self.local },
        };
        Ok(Request::Read(request::Read { incident: setting.incident.clone(), what }))
    }

    /// What only this node knows is told of all lines or of none.
    fn cut_short(&self, answer: Value) -> Value {
        match (self.last, answer) {
            (Some(last), Value::Array(mut rows)) if self.local => {
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
        let asked = Timeline { local: true, last: Some(2) };
        assert_eq!(asked.cut_short(json!([1, 2, 3])), json!([2, 3]));
        assert_eq!(asked.cut_short(json!([1])), json!([1]));
    }
}
