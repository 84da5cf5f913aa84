//! `muster confirm`, `dismiss`, `resolve` and `reopen`: where the incident stands.

use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::{Aside, Remark};
use muster_log::fact::Phase;
use muster_node::request::{Act, Request};
use serde_json::Value;

macro_rules! phase_command {
    ($name:ident, $phase:expr, $word:literal) => {
        #[doc = concat!("What `", $word, "` takes.")]
        #[derive(Debug, clap::Args)]
        pub(crate) struct $name {
            #[command(flatten)]
            text: Remark,
            #[command(flatten)]
            aside: Aside,
        }

        impl Ask for $name {
            fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
                let text = self.text.read(setting)?;
                self.aside.request(Act::Phase { phase: $phase.word().to_owned(), text }, setting)
            }

            fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
                written($phase.word(), &answer, "entry")
            }
        }
    };
}

phase_command!(Confirm, Phase::Declared, "confirm");
phase_command!(Dismiss, Phase::Dismissed, "dismiss");
phase_command!(Resolve, Phase::Resolved, "resolve");
phase_command!(Reopen, Phase::Reopened, "reopen");
