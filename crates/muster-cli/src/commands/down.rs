//! `muster down`: stops the node of this home.

use crate::problem::Problem;
use muster_node::home::Home;
use muster_node::request::Request;
use muster_node::{Setup, client};

/// What `down` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Down {}

/// Stops the node; whether there was one.
pub(crate) fn run(setup: &Setup) -> Result<bool, Problem> {
    // Without a socket there is no node, and nothing has to be opened or even created to know that.
    if !has_socket(&setup.home) {
        return Ok(false);
    }
    let mut client = client::open(setup)?;
    if client.is_node() {
        client.call(&Request::Down)?;
        // The node is gone when it hangs up; then the home is free for whoever comes next.
        client.wait_for_end()?;
        return Ok(true);
    }
    Ok(false)
}

fn has_socket(home: &Home) -> bool {
    home.socket().is_ok_and(|socket| socket.exists())
}
