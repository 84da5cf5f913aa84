//! `muster team devices ..`: another device for oneself.

use super::super::{Ask, code, read};
use crate::problem::Problem;
use crate::render::{Page, qr, short, team};
use crate::setting::Setting;
use muster_node::request::{self, DeviceStep, Request, What};
use serde::Deserialize;
use serde_json::Value;

/// What `team devices` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Devices {
    #[command(subcommand)]
    step: Option<Step>,
}

#[derive(Debug, clap::Subcommand)]
enum Step {
    /// List your own devices
    List,
    /// On a device you have: print what the new one must know
    Offer {
        /// Draw it as a QR code too
        #[arg(long)]
        qr: bool,
    },
    /// On the new device: agree, and print the answer
    Accept {
        /// What the other device printed, whole or in pieces; `-` reads it from stdin
        #[arg(value_name = "OFFER", required = true)]
        offer: Vec<String>,
        /// Draw the answer as a QR code too
        #[arg(long)]
        qr: bool,
    },
    /// On a device you have: add the one that answered
    Add {
        /// What the new device printed, whole or in pieces; `-` reads it from stdin
        #[arg(value_name = "ANSWER", required = true)]
        answer: Vec<String>,
    },
}

#[derive(Deserialize)]
struct Offered {
    offer: String,
}

#[derive(Deserialize)]
struct Accepted {
    answer: String,
    team: String,
}

#[derive(Deserialize)]
struct Added {
    device: String,
    person: String,
}

impl Ask for Devices {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        Ok(match &self.step {
            None | Some(Step::List) => Request::Read(request::Read { incident: None, what: What::Team }),
            Some(Step::Offer { .. }) => Request::Device(DeviceStep::Offer),
            Some(Step::Accept { offer, .. }) => {
                Request::Device(DeviceStep::Accept { offer: code::typed(offer, &mut setting.input)? })
            }
            Some(Step::Add { answer }) => {
                Request::Device(DeviceStep::Add { answer: code::typed(answer, &mut setting.input)? })
            }
        })
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        let drawn = |wanted: bool, text: &str| if wanted { qr::shown(text) } else { String::new() };
        match &self.step {
            None | Some(Step::List) => Ok(team::own_devices(&read(answer)?)),
            Some(Step::Offer { qr }) => {
                let Offered { offer } = read(answer)?;
                // The text stands alone on its line and is not wrapped: it is copied whole.
                Ok(format!("{offer}\n\n{}On the new device: `muster team devices accept OFFER`\n", drawn(*qr, &offer)))
            }
            Some(Step::Accept { qr, .. }) => {
                let Accepted { answer, team } = read(answer)?;
                Ok(format!(
                    "{answer}\n\n{}On the device that offered: `muster team devices add ANSWER`\n\
                    Then `muster up` here: the log of team {} comes by itself.\n",
                    drawn(*qr, &answer),
                    short(&team)
                ))
            }
            Some(Step::Add { .. }) => {
                let Added { device, person } = read(answer)?;
                Ok(format!("added {} to {person}\n", team::end_of(&device)))
            }
        }
    }
}
