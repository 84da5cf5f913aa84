//! `muster team create|show|invite|join`.

use super::{Ask, invite, join, read};
use crate::problem::Problem;
use crate::render::{Page, short, team};
use crate::setting::Setting;
use muster_node::request::{self, Request, What};
use serde::Deserialize;
use serde_json::Value;

/// What `team` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Team {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, clap::Subcommand)]
enum Step {
    /// Create another team; you become its first admin
    Create,
    /// Show the members and their devices
    Show,
    /// Make a ticket for one newcomer
    Invite(invite::Invite),
    /// Join a team by a ticket
    Join(join::Join),
}

#[derive(Deserialize)]
struct Created {
    team: String,
}

impl Ask for Team {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        match &self.step {
            Step::Create => Ok(Request::TeamCreate { name: setting.name.clone() }),
            Step::Show => Ok(Request::Read(request::Read { incident: setting.incident.clone(), what: What::Team })),
            Step::Invite(invite) => invite.request(setting),
            Step::Join(join) => join.request(setting),
        }
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        match &self.step {
            Step::Create => Ok(format!("created team {}\n", short(&read::<Created>(answer)?.team))),
            Step::Show => Ok(team::show(&read(answer)?, page)),
            Step::Invite(invite) => invite.show(answer, page),
            Step::Join(join) => join.show(answer, page),
        }
    }
}
