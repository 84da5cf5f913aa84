//! `muster team ..`: who is in the team, with which devices, and who decides that.
//!
//! Decisions that take something from somebody are shown before they are signed: `decide`.

mod decide;
mod devices;

use super::{Ask, invite, join, read};
use crate::problem::Problem;
use crate::render::{Page, qr, short, team};
use crate::session::Session;
use crate::setting::Setting;
use muster_incident::printable;
use muster_node::request::{self, Deciding, Decision, Request, What};
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
    Create {
        /// What it is called, for those who meet several
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Make that many offline recovery keys (1 to 3), and show them once
        #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=3))]
        recovery: u8,
    },
    /// Show the members, their devices, and what waits for an admin
    Show,
    /// List the teams on this device
    List,
    /// Choose the team that commands mean from now on
    Use {
        /// The team's name, its id, a prefix of four or more, or the name of a member
        #[arg(value_name = "TEAM")]
        team: String,
    },
    /// Make a ticket for one newcomer
    Invite(invite::Invite),
    /// Join a team by a ticket
    Join(join::Join),
    /// Say which of several who came with one ticket was meant
    Confirm(decide::Confirm),
    /// Make somebody admin, responder or observer
    Set(decide::Set),
    /// Take devices out of the team: lost, stolen, or out of use
    Revoke(decide::Revoke),
    /// Agree to a removal by another admin
    Second {
        /// The removal's id, or the name of whom it is about
        #[arg(value_name = "REMOVAL")]
        removal: String,
        #[command(flatten)]
        asking: decide::Asking,
    },
    /// Decide with an offline recovery key, where no admin can
    Recover(decide::Recover),
    /// Give yourself another device
    Devices(devices::Devices),
}

#[derive(Deserialize)]
struct Created {
    team: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    recovery: Vec<RecoveryKey>,
}

#[derive(Deserialize)]
struct RecoveryKey {
    words: String,
}

#[derive(Deserialize)]
struct Chosen {
    team: String,
    members: Vec<String>,
}

impl Team {
    /// Whether the command shows what it would do before it does it.
    pub(crate) fn asks_first(&self) -> bool {
        matches!(self.step, Step::Set(_) | Step::Revoke(_) | Step::Second { .. } | Step::Recover(_))
    }

    /// Carries out what [`Team::asks_first`].
    pub(crate) fn run(&self, session: &mut Session) -> Result<(), Problem> {
        match &self.step {
            Step::Set(set) => decide::run(&set.deciding(), None, &set.asking, session),
            Step::Revoke(revoke) => decide::run(&revoke.deciding(&mut session.setting)?, None, &revoke.asking, session),
            Step::Second { removal, asking } => {
                decide::run(&Deciding::Second { removal: removal.clone() }, None, asking, session)
            }
            Step::Recover(recover) => recover.run(session),
            _ => Ok(()),
        }
    }
}

impl Ask for Team {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let decide = |what| Ok(Request::Decide(Box::new(Decision { what, outlook: false, recovery: None })));
        match &self.step {
            Step::Create { name: team, recovery } => {
                Ok(Request::TeamCreate { name: setting.name.clone(), team: team.clone(), recovery: *recovery })
            }
            Step::Show => Ok(Request::Read(request::Read { incident: setting.incident.clone(), what: What::Team })),
            Step::List => Ok(Request::Read(request::Read { incident: None, what: What::Teams })),
            Step::Use { team } => Ok(Request::TeamUse { team: team.clone() }),
            Step::Invite(invite) => invite.request(setting),
            Step::Join(join) => join.request(setting),
            Step::Confirm(confirm) => decide(confirm.deciding()),
            Step::Second { removal, .. } => decide(Deciding::Second { removal: removal.clone() }),
            Step::Devices(devices) => devices.request(setting),
            Step::Set(set) => decide(set.deciding()),
            Step::Revoke(revoke) => decide(revoke.deciding(setting)?),
            Step::Recover(_) => Err(Problem::usage("a recovery key is typed in", "run it without `--json`")),
        }
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        match &self.step {
            Step::Create { .. } => created(&read(answer)?),
            Step::Show => Ok(team::show(&read(answer)?, page)),
            Step::List => Ok(team::list(&read::<Vec<team::Here>>(answer)?, page)),
            Step::Use { .. } => {
                let chosen: Chosen = read(answer)?;
                let head = format!("chosen team {}  ", short(&chosen.team));
                Ok(crate::render::list_behind(&head, &chosen.members))
            }
            Step::Invite(invite) => invite.show(answer, page),
            Step::Join(join) => join.show(answer, page),
            Step::Confirm(_) => decide::confirmed(answer),
            Step::Devices(devices) => devices.show(answer, page),
            Step::Set(_) | Step::Revoke(_) | Step::Second { .. } | Step::Recover(_) => decide::done(answer, page),
        }
    }
}

/// The new team, and its recovery keys for paper: this is the only time that they are shown.
fn created(created: &Created) -> Result<String, Problem> {
    let called = created.name.as_ref().map(|name| format!(" {}", printable(name))).unwrap_or_default();
    let mut drawn = format!("created team {}{called}\n", short(&created.team));
    for (number, key) in (1..).zip(&created.recovery) {
        drawn.push_str(&format!("\nRecovery key {number} of {}\n\n", created.recovery.len()));
        let words: Vec<&str> = key.words.split(' ').collect();
        for (row, words) in words.chunks(4).enumerate() {
            for (column, word) in words.iter().enumerate() {
                drawn.push_str(&format!("{:>4} {word:<10}", 4 * row + column + 1));
            }
            drawn.push('\n');
        }
        drawn.push('\n');
        drawn.push_str(&qr::shown(&key.words));
    }
    if !created.recovery.is_empty() {
        drawn.push_str(
            "\nWrite the words on paper and keep each key where no device is: they are shown this once and kept\n\
             nowhere. Whoever has one outranks every admin. `muster team recover` takes them.\n",
        );
    }
    Ok(drawn)
}
