//! `muster seen`: what arrived late has been read.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use muster_node::request::Request;
use serde::Deserialize;
use serde_json::Value;

/// What `seen` takes: nothing but the incident, which all commands take; without one it means all.
#[derive(Debug, clap::Args)]
pub(crate) struct Seen {}

#[derive(Deserialize)]
struct Marked {
    seen: usize,
    incidents: usize,
}

impl Ask for Seen {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        Ok(Request::Seen { incident: setting.incident.clone() })
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        let Marked { seen, incidents } = read(answer)?;
        Ok(match (seen, incidents) {
            (0, _) => "nothing had arrived late\n".into(),
            (1, _) => "seen: 1 late arrival\n".into(),
            (seen, 1) => format!("seen: {seen} late arrivals\n"),
            (seen, incidents) => format!("seen: {seen} late arrivals in {incidents} incidents\n"),
        })
    }
}
