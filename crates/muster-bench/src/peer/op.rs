//! What a harness may ask of a node, as it comes over the line.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One operation.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(crate) enum Op {
    /// Make a log here that holds the first `entries` lines, by `authors` in turn.
    Gen { entries: u32, authors: usize },
    /// Open the log, or an empty replica of it.
    Open {
        #[serde(rename = "ref")]
        reference: Opened,
        /// Only the tail will be read.
        #[serde(default)]
        tail: Option<Value>,
    },
    /// Say where others reach this node.
    Listen,
    /// Connect, and go on syncing.
    Connect { addr: String },
    /// Drop the connections and stay open.
    Disconnect,
    /// Admit an author; the authors of a log made here are admitted from the start.
    Grant {
        #[serde(rename = "writer", default)]
        _writer: Value,
    },
    /// Answer when this node may write.
    Writable,
    /// Write lines `first ..`, `rate` a second or one at once after the other.
    Append { first: usize, n: usize, rate: f64 },
    /// Answer when `count` lines have been read.
    Wait {
        count: usize,
        #[serde(rename = "quick", default)]
        _quick: bool,
    },
    /// Note from now on when each line can be read.
    Watch {
        #[serde(rename = "first", default)]
        _first: u64,
    },
    /// The notes.
    Seen,
    /// One hash over the names of all lines.
    Digest,
    /// The newest lines.
    Last { k: usize },
    /// Close and end.
    Quit,
}

/// A log, as another node needs to know it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// The team.
    pub(crate) team: String,
    /// The incident.
    pub(crate) incident: String,
    /// The device of the node that made it.
    pub(crate) first: String,
    /// The keys of further members, by name: OpenSSH private-key files.
    pub(crate) keys: BTreeMap<String, String>,
}
