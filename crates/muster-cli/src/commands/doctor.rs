//! `muster doctor`: whether this device is ready, and what would be lost if it died now.

use super::read;
use crate::output;
use crate::problem::Problem;
use crate::render::doctor;
use crate::run::made_printable;
use crate::session::Session;
use muster_node::doctor::{State, examine};
use serde_json::json;

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {}

/// Looks at everything and tells it; what is bad counts as a failure.
pub(crate) fn run(session: &Session) -> Result<(), Problem> {
    let report = examine(&session.setup, session.unread.as_ref());
    if session.json {
        output::print_json(&json!(report))?;
    } else {
        output::print(&doctor::show(&read(made_printable(json!(report)))?, &session.page))?;
    }
    if report.verdict == State::Bad { Err(Problem::Told) } else { Ok(()) }
}
