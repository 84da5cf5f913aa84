//! Real nodes in processes of their own: what `muster up` runs, started from this program so that none other is needed.

use crate::fault::Fault;
use muster_node::client::{self, Client};
use muster_node::config::{Config, Overrides};
use muster_node::home::Home;
use muster_node::logging::{self, LogSettings, Process};
use muster_node::request::{Invite, Read, Request, What};
use muster_node::unlock::Unlock;
use muster_node::up::{self, UpOptions};
use muster_node::{Ready, Setup};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The word that a node's process prints when it listens.
const READY: &str = "ready";

/// Where nodes listen: loopback alone, on a port that is free.
const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";

/// A node and the way to it. Killed when dropped.
pub(crate) struct NodeProcess {
    child: Child,
    client: Client,
}

impl NodeProcess {
    /// Starts a node for the home at `path`, which is made if it is not there, and waits until it listens.
    pub(crate) fn start(path: &Path) -> Result<Self, Fault> {
        let me = std::env::current_exe().map_err(Fault::io("find this program"))?;
        let mut command = Command::new(me);
        command.arg("node").arg("--home").arg(path).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(Fault::io("start a node"))?;
        match connect(&mut child, path) {
            Ok(client) => Ok(Self { child, client }),
            Err(fault) => {
                end(&mut child);
                Err(fault)
            }
        }
    }

    /// Has one request done.
    pub(crate) fn call(&mut self, request: &Request) -> Result<Value, Fault> {
        Ok(self.client.call(request)?)
    }

    /// Reads something.
    pub(crate) fn read(&mut self, incident: Option<String>, what: What) -> Result<Value, Fault> {
        self.call(&Request::Read(Read { incident, what }))
    }

    /// This node's device.
    pub(crate) fn device(&mut self) -> Result<String, Fault> {
        text(&self.read(None, What::Identity)?, "device")
    }

    /// A ticket for one newcomer.
    pub(crate) fn invite(&mut self) -> Result<String, Fault> {
        let invite = Invite { capability: "responder".into(), minutes: 60, incident: None, addresses: Vec::new() };
        text(&self.call(&Request::Invite(invite))?, "ticket")
    }

    /// Joins by a ticket; returns when the roster is here.
    pub(crate) fn join(&mut self, ticket: String, name: &str) -> Result<(), Fault> {
        self.call(&Request::Join { ticket, name: Some(name.to_owned()) }).map(drop)
    }

    /// Stops the node as `muster down` does.
    pub(crate) fn stop(mut self) -> Result<(), Fault> {
        self.call(&Request::Down)?;
        self.child.wait().map_err(Fault::io("wait for a node to stop")).map(drop)
    }
}

/// Another connection to the node of a home.
pub(crate) fn client_of(path: &Path) -> Result<Client, Fault> {
    let client = client::open(&setup(path)?)?;
    if client.is_node() { Ok(client) } else { Err(Fault::unexpected("the home has no node")) }
}

/// Somebody who follows a timeline: reads every line once, as it comes, and waits to be told that there is more.
pub(crate) struct Reader {
    incident: String,
    behind: u64,
    seen: u64,
}

/// Entries that a reader reads at once.
const PAGE: u32 = 2_000;

/// The longest that a reader waits to be told, in milliseconds.
const WAIT_MS: u64 = 1_000;

impl Reader {
    /// A reader at the beginning.
    pub(crate) fn new(incident: &str) -> Self {
        Self { incident: incident.to_owned(), behind: 0, seen: 0 }
    }

    /// How many entries are behind the reader.
    pub(crate) fn behind(&self) -> u64 {
        self.behind
    }

    /// The rows that are new, a page at most. Of an incident that is not there yet, none.
    pub(crate) fn read_on(&mut self, node: &mut NodeProcess) -> Vec<Value> {
        let what = What::Arrived { after: self.behind, count: PAGE };
        let Ok(mut page) = node.read(Some(self.incident.clone()), what) else { return Vec::new() };
        self.behind = page["next"].as_u64().unwrap_or(self.behind);
        page["rows"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Waits until there is something new, or not for ever.
    pub(crate) fn wait(&mut self, node: &mut NodeProcess) -> Result<(), Fault> {
        let answer = node.call(&Request::Watch { seen: self.seen, wait_ms: WAIT_MS })?;
        self.seen = answer["changes"].as_u64().unwrap_or_default();
        Ok(())
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a process that may have ended.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// A field of an answer that must be text.
pub(crate) fn text(answer: &Value, key: &str) -> Result<String, Fault> {
    let text = answer.get(key).and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| Fault::Unexpected(format!("a node answered without `{key}`")))
}

fn connect(child: &mut Child, path: &Path) -> Result<Client, Fault> {
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).map_err(Fault::io("hear from a node"))?;
    }
    if line.trim() != READY {
        return Err(Fault::unexpected("a node did not start"));
    }
    let client = client::open(&setup(path)?)?;
    if client.is_node() { Ok(client) } else { Err(Fault::unexpected("a node has no control socket")) }
}

/// Is a node for the home at `path`, until told to stop.
pub(crate) fn serve(path: &Path) -> Result<(), Fault> {
    let setup = setup(path)?;
    setup.home.open()?;
    // As `muster up` does: writing the program's log is part of what a node costs.
    let _log =
        logging::start(&LogSettings::new(&setup.config, &setup.home, Process::Node)).map_err(Fault::unexpected)?;
    let ready = Box::new(|_: &Ready| println!("{READY}"));
    Ok(up::run(UpOptions { setup, listen: vec![LISTEN.to_owned()], ready })?)
}

/// The settings as they come, whatever the caller's environment says.
fn setup(path: &Path) -> Result<Setup, Fault> {
    let home = Home::at(path)?;
    let flags = Overrides { mdns: Some(false), log: Some("warn".into()), ..Overrides::default() };
    let config = Config::load(&home.config_file(), flags, |_| None).map_err(Fault::unexpected)?;
    let name = Some("ada".to_owned());
    Ok(Setup { home, config, name, unlock: Unlock::default() })
}
