//! `muster doctor`: whether this device is ready, and what would be lost if it died now.
//!
//! Only looks: creates nothing, takes no lock, writes nothing. What files tell is looked at here and in `files`; what
//! the store tells is asked of the running node, or read from the store where none is running (`engine/doctor.rs`).

mod files;

use crate::client;
use crate::config::Warning;
use crate::engine::Engine;
use crate::home::Access;
use crate::keystore::{self, KeyError};
use crate::opening::{self, Setup};
use crate::request::{Failure, Read, Request, What};
use muster_log::DeviceSecret;
use muster_store::{DiskStore, OpenOptions, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a node may take to answer. It answers in milliseconds; one that hangs is a finding.
const NODE_PATIENCE: Duration = Duration::from_secs(10);

/// How one check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Works, and somebody should know.
    Warn,
    /// Does not work, or will not when it is needed.
    Bad,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name, stable for scripts.
    pub check: String,
    /// How it went.
    pub state: State,
    /// What that means, for a person.
    pub text: String,
    /// What to do next, where something should be done.
    pub next: Option<String>,
    /// The figures behind it, by the check's own keys.
    pub detail: Value,
}

impl Check {
    fn new(check: &str, state: State, text: impl Into<String>) -> Self {
        Self { check: check.into(), state, text: text.into(), next: None, detail: json!({}) }
    }

    pub(crate) fn ok(check: &str, text: impl Into<String>) -> Self {
        Self::new(check, State::Ok, text)
    }

    pub(crate) fn warn(check: &str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..Self::new(check, State::Warn, text) }
    }

    pub(crate) fn bad(check: &str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..Self::new(check, State::Bad, text) }
    }

    pub(crate) fn failed(check: &str, failure: Failure) -> Self {
        Self { next: failure.hint, ..Self::new(check, State::Bad, failure.message) }
    }

    pub(crate) fn with(self, detail: Value) -> Self {
        Self { detail, ..self }
    }
}

/// Everything that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The worst of all states.
    pub verdict: State,
    /// The home.
    pub home: String,
    /// Whether a node answered.
    pub node: bool,
    /// The device, where its key can be read.
    pub device: Option<String>,
    /// All checks, in a fixed order; what cannot be judged is left out.
    pub checks: Vec<Check>,
}

/// What the store tells; an answer of the node, or read by ourselves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Inside {
    /// The device that the node or the store's reader signs as.
    pub(crate) device: String,
    /// Whether that device is a member of a team in the store, or is just joining one; true where there is no team.
    pub(crate) is_known: bool,
    /// The checks.
    pub(crate) checks: Vec<Check>,
}

/// Looks at everything. `unread` is what is wrong with the settings, where the defaults had to be taken instead.
pub fn examine(setup: &Setup, unread: Option<&Warning>) -> Report {
    let home = &setup.home;
    let mut checks = vec![files::home(home)];
    let access = home.inspect();
    // Settings in a home that is not to be used are nobody's concern.
    if let Some(wrong) = unread.or(setup.config.warning.as_ref()).filter(|_| access.is_ok()) {
        let taken =
            if unread.is_some() { "the defaults hold here, other commands refuse" } else { "the system's holds" };
        let text = format!("{} ({taken})", wrong.message);
        checks.push(Check::bad("config", text, &wrong.hint).with(json!({ "path": home.config_file() })));
    }
    let (mut device, mut node) = (None, false);
    if access.is_ok() {
        let asked = ask_node(setup);
        node = asked.is_some();
        // Beside a node the secret is not needed, and nobody is asked for a passphrase.
        let (mut is_shut, path) = (false, home.key_file());
        let (found, secret) = match node {
            true => (keystore::public(&path), None),
            false => match keystore::load(&path, &setup.unlock) {
                Ok(secret) => (Ok(secret.as_ref().map(DeviceSecret::public)), secret),
                Err(KeyError::Passphrase { .. }) => {
                    is_shut = true;
                    (keystore::public(&path), None)
                }
                Err(error) => (Err(error), None),
            },
        };
        device = found.as_ref().ok().and_then(|found| Some(found.as_ref()?.to_string()));
        let found = found.map(|found| found.is_some());
        let inside = match asked {
            Some(answer) => answer.map_err(|failure| vec![Check::failed("node", failure)]),
            None => look_inside(setup, secret),
        };
        checks.push(match is_shut {
            true => files::shut_key(home, device.as_deref()),
            false => files::key(home, found.as_ref().copied(), device.as_deref(), inside.as_ref().ok()),
        });
        checks.extend(files::key_copies(home));
        checks.extend(files::disk(home, access.is_ok_and(|access| access == Access::ReadOnly)));
        checks.extend(inside.map_or_else(|checks| checks, |inside| inside.checks));
    }
    let verdict = checks.iter().map(|check| check.state).max().unwrap_or(State::Ok);
    Report { verdict, home: home.root().display().to_string(), node, device, checks }
}

/// Asks the running node; `None` where there is none.
fn ask_node(setup: &Setup) -> Option<Result<Inside, Failure>> {
    let request = Request::Read(Read { incident: None, what: What::Doctor });
    let answer = client::ask_node(&setup.home, &request, NODE_PATIENCE)?;
    Some(answer.and_then(|answer| {
        serde_json::from_value(answer).map_err(|error| {
            Failure::new(format!("the node's answer makes no sense here: {error}"))
                .hint("it may be of another version: `muster down`, then `muster up`")
        })
    }))
}

/// Reads the store without a node. A store that cannot be opened is a finding of its own.
fn look_inside(setup: &Setup, secret: Option<DeviceSecret>) -> Result<Inside, Vec<Check>> {
    let opened = match DiskStore::open(&setup.home.store(), OpenOptions::read()) {
        Ok(opened) => opened,
        Err(StoreError::NoStore { .. }) => {
            let text = "nothing has been logged in this home yet";
            let next = "`muster declare \"what is wrong\"`, or `muster join TICKET` with a ticket of your team";
            return Err(vec![Check::warn("store", text, next)]);
        }
        Err(error) => return Err(vec![Check::failed("store", error.into())]),
    };
    let store = crate::engine::store_check(&opened.1, &setup.home.store());
    // Without the key nobody can say which of the members this is.
    let Some(secret) = secret else { return Err(vec![store]) };
    let is_damaged = store.state == State::Bad;
    let engine = opening::engine_to_read(setup, secret, opened);
    let inside = engine.and_then(|mut engine: Engine<DiskStore>| engine.inside());
    // What lies in ruins is named by its place, not by the first entry that misses it.
    inside.map_err(|failure| vec![if is_damaged { store } else { Check::failed("store", failure) }])
}
