//! `muster invite`: a ticket for one newcomer, into the team or, with `--incident`, into one incident as a guest.

use super::will::minutes;
use super::{Ask, read};
use crate::problem::Problem;
use crate::render::{Page, qr, short};
use crate::setting::Setting;
use muster_incident::printable;
use muster_log::Timestamp;
use muster_node::request::{self, Request};
use muster_node::when;
use serde::Deserialize;
use serde_json::Value;

/// What `invite` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Invite {
    /// For somebody who watches and writes nothing
    #[arg(long, alias = "as-observer")]
    observer: bool,
    /// How long members let the newcomer in, a day at most: 20m, 24h
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = minutes)]
    minutes: u32,
    /// Draw the ticket as a QR code too
    #[arg(long)]
    qr: bool,
    /// Where the newcomer finds this node (again for a second): instead of where it listens
    #[arg(long = "addr", value_name = "ADDR")]
    addresses: Vec<String>,
}

#[derive(Deserialize)]
struct Issued {
    ticket: String,
    expires_ms: Option<i64>,
    capability: String,
    #[serde(default)]
    incident: Option<String>,
    #[serde(default)]
    title: Option<String>,
}

impl Ask for Invite {
    fn request(&self, setting: &mut Setting) -> Result<Request, Problem> {
        let capability = if self.observer { "observer" } else { "responder" };
        let (capability, incident) = (capability.to_owned(), setting.incident.clone());
        Ok(Request::Invite(request::Invite {
            capability,
            minutes: self.minutes,
            incident,
            addresses: self.addresses.clone(),
        }))
    }

    fn show(&self, answer: Value, page: &Page) -> Result<String, Problem> {
        let Issued { ticket, expires_ms, capability, incident, title } = read(answer)?;
        let until = match expires_ms {
            Some(ms) => format!("until {}", when::human(Timestamp(ms), page.now, &page.zone)),
            None => "once".into(),
        };
        let (who, what) = match incident {
            None => (capability, String::new()),
            Some(incident) => {
                let title = printable(&title.unwrap_or_default());
                let observer = if capability == "observer" { ", as an observer" } else { "" };
                let what = format!(
                    "It is for one incident, {} {title}{observer}: a guest sees\nthat one and who is in the team, and nothing else of it.\n",
                    short(&incident)
                );
                ("guest".to_owned(), what)
            }
        };
        // The ticket stands alone on its line and is not wrapped: it is copied whole.
        let drawn = if self.qr { qr::shown(&ticket) } else { String::new() };
        Ok(format!(
            "{ticket}\n\n{drawn}One {who} may come in with it, {until}: `muster join TICKET`.\n\
            {what}Whoever holds the ticket can use it, so hand it over as you would a key.\n"
        ))
    }
}
