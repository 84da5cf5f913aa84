//! `muster join TICKET`: into a team.

use super::{Ask, code, read};
use crate::problem::Problem;
use crate::render::{Page, short};
use crate::setting::Setting;
use muster_node::request::Request;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write;

/// What `join` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Join {
    /// The ticket's text, whole or in pieces; `-` reads it from stdin
    #[arg(required = true, value_name = "TICKET")]
    ticket: Vec<String>,
}

#[derive(Deserialize)]
struct Joined {
    team: String,
    carried: Vec<Carried>,
    #[serde(default)]
    coming: Vec<String>,
    synced: bool,
    /// The incident, of a guest.
    #[serde(default)]
    guest_of: Option<String>,
}

#[derive(Deserialize)]
struct Carried {
    from: String,
    to: String,
}

impl Ask for Join {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let ticket = code::typed(&self.ticket, &mut setting.input)?;
        Ok(Request::Join { ticket, name: setting.name.clone() })
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        let joined: Joined = read(answer)?;
        let mut text = match &joined.guest_of {
            None => format!("joined team {}\n", short(&joined.team)),
            Some(incident) => {
                let (team, incident) = (short(&joined.team), short(incident));
                format!("joined incident {incident} of team {team} as a guest; `muster use {incident}` chooses it\n")
            }
        };
        for Carried { from, to } in &joined.carried {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "came along: incident {}, here {} (the old id still works)", short(from), short(to));
        }
        for incident in &joined.coming {
            let _ = writeln!(text, "will come along: incident {}, once you may write here", short(incident));
        }
        if !joined.carried.is_empty() || !joined.coming.is_empty() {
            text.push_str("the team sees what was declared alone before; `muster use ID` chooses it\n");
        }
        if !joined.synced {
            text.push_str("the team's entries are still to come: keep `muster up` running, see `muster peers`\n");
        }
        Ok(text)
    }
}
