//! Verification of a home, driven by the process that the person started: step by step, so that a running node does its own work
//! in between and the person sees how far it is. What is judged is decided in `muster-replica`; files are in [`crate::verify_file`].

use crate::bundle::Progress;
use crate::client::Client;
use crate::request::{Failure, Request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request about a verification.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Begins one, of what is stored now. Answer: `Begun`.
    Begin {
        /// One incident, as typed; `None`: everything.
        incident: Option<String>,
        /// Checks each signature that is there, not only those that prove runs.
        every: bool,
    },
    /// Goes on with it. Answer: `Stepped`.
    Step {
        /// Which.
        number: u64,
    },
}

/// What a beginning answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Begun {
    pub(crate) number: u64,
    pub(crate) of: u64,
}

/// What a step answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stepped {
    Judged { done: u64 },
    Over { found: Value },
}

/// Judges everything that is stored again, or one incident as typed, and tells what was found.
///
/// # Errors
/// Where it cannot be read. What does not stand is in the answer.
pub fn verify(
    client: &mut Client,
    incident: Option<String>,
    every: bool,
    progress: Progress<'_>,
) -> Result<Value, Failure> {
    let Begun { number, of } = ask(client, Ask::Begin { incident, every })?;
    loop {
        match ask(client, Ask::Step { number })? {
            Stepped::Judged { done } => progress(done, Some(of)),
            Stepped::Over { found } => return Ok(found),
        }
    }
}

fn ask<T: DeserializeOwned>(client: &mut Client, ask: Ask) -> Result<T, Failure> {
    let answer = client.call(&Request::Verify(ask))?;
    serde_json::from_value(answer).map_err(|error| {
        Failure::new(format!("the node's answer makes no sense: {error}"))
            .hint("restart the node: its version may differ")
    })
}
