//! `muster role claim|assign|accept|release|settle`: who leads.

use super::{Ask, written};
use crate::problem::Problem;
use crate::render::Page;
use crate::setting::Setting;
use crate::text::Aside;
use muster_node::request::{Act, Request};
use serde_json::Value;

/// What `role` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Role {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, clap::Subcommand)]
enum Step {
    /// Take a role
    Claim {
        #[command(flatten)]
        role: RoleWord,
        /// Take it although somebody else holds it, and say why
        #[arg(long, value_name = "REASON")]
        take: Option<String>,
        #[command(flatten)]
        aside: Aside,
    },
    /// Offer a role to somebody, who accepts
    Assign {
        #[command(flatten)]
        role: RoleWord,
        /// Whom
        name: String,
        #[command(flatten)]
        aside: Aside,
    },
    /// Take a role that was offered to you
    Accept {
        #[command(flatten)]
        role: RoleWord,
        #[command(flatten)]
        aside: Aside,
    },
    /// Give a role up, or decline an offer
    Release {
        #[command(flatten)]
        role: RoleWord,
        #[command(flatten)]
        aside: Aside,
    },
    /// Say which of several holders it is
    Settle {
        #[command(flatten)]
        role: RoleWord,
        /// Who
        name: String,
        #[command(flatten)]
        aside: Aside,
    },
}

#[derive(Debug, clap::Args)]
struct RoleWord {
    /// ic (incident-commander), rl (resolution-lead), deputy, resolution-team, scribe, liaison, or one of your own
    role: String,
}

impl Ask for Role {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let (act, aside) = match &self.step {
            Step::Claim { role, take, aside } => {
                (Act::RoleClaim { role: role.role.clone(), take: take.clone() }, aside)
            }
            Step::Assign { role, name, aside } => {
                (Act::RoleAssign { role: role.role.clone(), to: name.clone() }, aside)
            }
            Step::Accept { role, aside } => (Act::RoleAccept { role: role.role.clone() }, aside),
            Step::Release { role, aside } => (Act::RoleRelease { role: role.role.clone() }, aside),
            Step::Settle { role, name, aside } => {
                (Act::RoleSettle { role: role.role.clone(), on: name.clone() }, aside)
            }
        };
        aside.request(act, setting)
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        let done = match &self.step {
            Step::Claim { .. } => "claimed",
            Step::Assign { .. } => "offered",
            Step::Accept { .. } => "accepted",
            Step::Release { .. } => "released",
            Step::Settle { .. } => "settled",
        };
        written(done, &answer, "entry")
    }
}
