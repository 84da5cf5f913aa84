//! `muster team create|show|list|use|invite|join`.

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
    /// List the teams on this device
    List,
    /// Choose the team that commands mean from now on
    Use {
        /// The team's id, a prefix of four or more, or the name of a member
        #[arg(value_name = "TEAM")]
        team: String,
    },
    /// Make a ticket for one newcomer
    Invite(invite::Invite),
    /// Join a team by a ticket
    Join(join::Join),
}

#[derive(Deserialize)]
struct Created {
    team: String,
}

#[derive(Deserialize)]
struct Chosen {
    team: String,
    members: Vec<String>,
}

impl Ask for Team {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        match &self.step {
            Step::Create => Ok(Request::TeamCreate { name: setting.name.clone() }),
            Step::Show => Ok(Request::Read(request::Read { incident: setting.incident.clone(), what: What::Team })),
            Step::List => Ok(Request::Read(request::Read { incident: None, what: What::Teams })),
            Step::Use { team } => Ok(Request::TeamUse { team: team.clone() }),
            Step::Invite(invite) => invite.request(setting),
            Step::Join(join) => join.request(setting),
        }
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        match &self.step {
            Step::Create => Ok(format!("created team {}\n", short(&read::<Created>(answer)?.team))),
            Step::Show => Ok(team::show(&read(answer)?, page)),
            Step::List => Ok(team::list(&read::<Vec<team::Here>>(answer)?, page)),
            Step::Use { .. } => {
                let chosen: Chosen = read(answer)?;
                Ok(format!("chosen team {}  {}\n", short(&chosen.team), chosen.members.join(", ")))
            }
            Step::Invite(invite) => invite.show(answer, page),
            Step::Join(join) => join.show(answer, page),
        }
    }
}
