//! `muster net cut|heal [PEER]`: links cut on purpose, for drills and tests. Gone when the node restarts.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::{Page, peers};
use crate::setting::Setting;
use muster_node::request::Request;
use serde::Deserialize;
use serde_json::Value;

/// What `net` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Net {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, clap::Subcommand)]
enum Step {
    /// Drop the links to one member or to all
    Cut {
        /// A name or a device; none means everybody
        #[arg(value_name = "NAME")]
        peer: Option<String>,
    },
    /// Undo `net cut`
    Heal {
        /// A name or a device; none means everybody
        #[arg(value_name = "NAME")]
        peer: Option<String>,
    },
}

#[derive(Deserialize)]
struct Cut {
    cut: Vec<String>,
}

impl Ask for Net {
    fn request(&self, _: &mut Setting) -> Result<Request, Problem> {
        Ok(match &self.step {
            Step::Cut { peer } => Request::Cut { peer: peer.clone() },
            Step::Heal { peer } => Request::Heal { peer: peer.clone() },
        })
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        let Cut { cut } = read(answer)?;
        Ok(match cut.as_slice() {
            [] => "no links are cut\n".into(),
            cut => page.paint.red(&format!("links are CUT to {}", peers::cut_names(cut, &[]))) + "\n",
        })
    }
}
