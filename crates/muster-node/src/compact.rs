//! Compaction of a home, driven by the process that the person started: step by step, so that a running node does its own
//! work in between. What a step does is in `muster-store`; which incidents are meant is decided in `engine::compact`.

use crate::client::Client;
use crate::request::{Failure, Request};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request about a compaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Begins one, and ends another that was under way.
    Begin {
        /// Ids, prefixes or slugs; none = all closed incidents.
        incidents: Vec<String>,
    },
    /// Goes on with it.
    Step,
}

/// What a beginning answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Begun {
    pub(crate) incidents: usize,
    pub(crate) entries: u64,
}

/// What a step answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stepped {
    Packed { done: u64, of: u64 },
    Done { entries: u64, bytes_before: u64, bytes_after: u64 },
}

/// What was done, for the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Incidents that were meant.
    pub incidents: usize,
    /// Entries of them that were packed now; those packed before are not counted.
    pub entries: u64,
    /// Bytes of journal and archives before; none where nothing was to be done.
    pub bytes_before: Option<u64>,
    /// The same afterwards.
    pub bytes_after: Option<u64>,
}

/// Compacts the incidents that were typed, or all that are closed; `progress` is told how many entries are packed, and of
/// how many.
///
/// # Errors
/// What speaks against it, for a person. The home holds the same before and after.
pub fn compact(
    client: &mut Client,
    incidents: Vec<String>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Account, Failure> {
    let Begun { incidents, entries: of } = read(client.call(&Request::Compact(Ask::Begin { incidents }))?)?;
    if of == 0 {
        return Ok(Account { incidents, entries: 0, bytes_before: None, bytes_after: None });
    }
    loop {
        match read(client.call(&Request::Compact(Ask::Step))?)? {
            Stepped::Packed { done, of } => progress(done, of),
            Stepped::Done { entries, bytes_before, bytes_after } if entries == of => {
                let (bytes_before, bytes_after) = (Some(bytes_before), Some(bytes_after));
                return Ok(Account { incidents, entries, bytes_before, bytes_after });
            }
            Stepped::Done { .. } => {
                return Err(Failure::new("this compaction was ended by another or by a restart of the node")
                    .hint("nothing is lost; run `muster compact` again"));
            }
        }
    }
}

fn read<T: for<'de> Deserialize<'de>>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer)
        .map_err(|_| Failure::new("the node's answer makes no sense").hint("restart the node: its version may differ"))
}
