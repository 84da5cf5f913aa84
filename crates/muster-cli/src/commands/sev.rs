//! `muster sev N`: how bad it is.

use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::Aside;
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `sev` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Sev {
    /// From 1 (worst) to 5, or `unknown`
    #[arg(value_name = "N", value_parser = severity)]
    severity: Severity,
    #[command(flatten)]
    aside: Aside,
}

/// A severity as typed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Severity(pub(super) Option<u8>);

/// Reads one.
pub(super) fn severity(typed: &str) -> Result<Severity, String> {
    match typed {
        "unknown" => Ok(Severity(None)),
        number => match number.parse() {
            Ok(number @ 1..=5) => Ok(Severity(Some(number))),
            _ => Err("a severity is 1 (worst) to 5, or `unknown`".into()),
        },
    }
}

impl Ask for Sev {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        self.aside.request(Act::Severity { severity: self.severity.0 }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written("severity", &answer, "entry")
    }
}
