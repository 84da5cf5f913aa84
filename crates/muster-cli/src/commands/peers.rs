//! `muster peers [add ADDR]`: the members' nodes and what they lack.

use super::{Ask, read};
use crate::problem::Problem;
use crate::render::{Page, peers};
use crate::setting::Setting;
use muster_node::request::{self, Request, What};
use serde_json::Value;

/// What `peers` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Peers {
    #[command(subcommand)]
    step: Option<Step>,
}

#[derive(Debug, clap::Subcommand)]
enum Step {
    /// Save an address under which a member listens
    Add {
        /// As in /ip4/192.168.1.7/tcp/7117, with or without /p2p/..
        #[arg(value_name = "ADDR")]
        address: String,
    },
}

impl Ask for Peers {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        Ok(match &self.step {
            Some(Step::Add { address }) => Request::AddAddress { address: address.clone() },
            None => Request::Read(request::Read { incident: setting.incident.clone(), what: What::Peers }),
        })
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        match &self.step {
            Some(Step::Add { address }) => Ok(format!("saved {address}\n")),
            None => Ok(peers::show(&read::<Vec<peers::Peer>>(answer)?, page)),
        }
    }
}
