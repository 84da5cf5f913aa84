//! `muster up`: the node in the foreground.

use crate::output;
use crate::problem::Problem;
use crate::render::short;
use muster_node::Ready;
use muster_node::Setup;
use muster_node::up::UpOptions;
use serde_json::json;
use std::io::Write;

/// What `up` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    /// Where to listen, as in 0.0.0.0:7117 or /ip4/0.0.0.0/tcp/7117; may be given several times
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<Vec<String>>,
    /// Do not look for members on the local network
    #[arg(long)]
    pub(crate) no_mdns: bool,
}

/// Runs the node until somebody stops it.
pub(crate) fn run(setup: Setup, json: bool) -> Result<(), Problem> {
    let listen = setup.config.listen.value.clone();
    // Nobody may be reading, and a node that runs for others does not stop for that.
    let ready = Box::new(move |ready: &Ready| drop(tell(ready, json)));
    Ok(muster_node::up::run(UpOptions { setup, listen, ready })?)
}

fn tell(ready: &Ready, json: bool) -> Result<(), Problem> {
    if json {
        return output::print_json(&json!({ "peer": ready.peer, "addrs": ready.addrs, "team": ready.team }));
    }
    let _ = writeln!(std::io::stderr(), "the node is up; stop it with Ctrl-C or `muster down`");
    let team = ready.team.as_deref().map_or("none", short);
    let mut text = format!("device  {}\nteam    {team}\n", ready.peer);
    for address in &ready.addrs {
        text.push_str(&format!("listens {address}\n"));
    }
    output::print(&text)
}
