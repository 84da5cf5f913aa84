//! `muster use ID`: which incident commands mean from now on.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::summary::shortened;
use crate::render::{Page, short};
use crate::setting::Setting;
use muster_node::request::Request;
use serde::Deserialize;
use serde_json::Value;

/// What `use` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Use {
    /// An id, a prefix of four or more, or a slug; none forgets the choice
    #[arg(value_name = "ID")]
    id: Option<String>,
}

#[derive(Deserialize)]
struct Chosen {
    incident: Option<String>,
    title: Option<String>,
}

impl Ask for Use {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        Ok(Request::Use { incident: self.id.clone().or_else(|| setting.incident.clone()) })
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        let chosen: Chosen = read(answer)?;
        Ok(match chosen.incident {
            Some(id) => format!("chosen {}  {}\n", short(&id), shortened(&chosen.title.unwrap_or_default())),
            None => {
                "none chosen; commands mean the open incident where there is only one, else `-i ID` says which\n".into()
            }
        })
    }
}
