//! `muster redact ID --reason TEXT`: what was typed is erased on every node; that it was there, and who erased it, stays.

use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::Aside;
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `redact` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Redact {
    /// The entry: its id or a prefix of four or more
    id: String,
    /// Why, for everybody to read: not the secret itself
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    aside: Aside,
}

impl Ask for Redact {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        self.aside.request(Act::Redact { id: self.id.clone(), reason: self.reason.clone() }, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        written("redaction", &answer, "entry")
    }

    /// Whoever redacts wants the text gone: one that should be and is not is no success.
    fn is_bad(&self, answer: &Value) -> bool {
        matches!(answer.get("erasure").and_then(Value::as_str), Some("no-room" | "due"))
    }
}
