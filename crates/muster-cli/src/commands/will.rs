//! `muster will TEXT --on TARGET`: warn before acting.

use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::{Aside, Text};
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `will` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Will {
    #[command(flatten)]
    text: Text,
    /// What it touches: a service, a host, a table
    #[arg(long, alias = "target", value_name = "TARGET")]
    on: String,
    /// What would undo it
    #[arg(long, value_name = "TEXT")]
    undo: Option<String>,
    /// Where it was tried before
    #[arg(long, value_name = "TEXT")]
    tested: Option<String>,
    /// How long it should take: 20, 20m or 2h
    #[arg(long, value_name = "TIME", value_parser = minutes)]
    takes: Option<u32>,
    #[command(flatten)]
    aside: Aside,
}

/// Minutes from `20`, `20m` or `2h`; at least one.
pub(super) fn minutes(typed: &str) -> Result<u32, String> {
    let (number, unit) = match typed.trim_end_matches("min") {
        short if short.len() < typed.len() => (short, 1),
        _ => match typed.strip_suffix('h') {
            Some(hours) => (hours, 60),
            None => (typed.trim_end_matches('m'), 1),
        },
    };
    let minutes = number.trim().parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    minutes.filter(|minutes| *minutes > 0).ok_or_else(|| "write minutes or hours, as in 20m or 2h".into())
}

impl Ask for Will {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let text = self.text.read(setting)?;
        let (target, undo, tested) = (self.on.clone(), self.undo.clone(), self.tested.clone());
        self.aside.request(Act::Will { text, target, undo, tested, expected_minutes: self.takes }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written("planned", &answer, "entry")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_read_plain_and_with_a_unit() {
        for (typed, expected) in [("20", Some(20)), ("20m", Some(20)), ("20 min", Some(20)), ("2h", Some(120))] {
            assert_eq!(minutes(typed).ok(), expected, "{typed}");
        }
        for bad in ["", "0", "-1", "soon", "99999999999", "99999999h", "2d"] {
            assert!(minutes(bad).is_err(), "{bad}");
        }
    }
}
