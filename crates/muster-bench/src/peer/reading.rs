//! Reading back what is in a node, through the node's own reads, and the clock that all processes share.

use crate::fault::Fault;
use muster_node::Setup;
use muster_node::request::{Read, Request, What};
use muster_node::running::RunningNode;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines that are read at once.
const PAGE: u32 = 2_000;

/// `CLOCK_MONOTONIC` in nanoseconds: the same in every process of the machine.
pub(crate) fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds.unwrap_or_default() * 1_000_000_000 + nanos.unwrap_or_default()
}

/// What a thread that failed left is still good to read.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What arrived since the node was opened, and when each line could be read.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    count: usize,
    notes: Option<BTreeMap<String, u64>>,
}

impl Watch {
    /// Entries that came since the node was opened.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Counts new entries; whether they are to be read and noted.
    pub(crate) fn arrived(&mut self, entries: usize) -> bool {
        self.count += entries;
        self.notes.is_some()
    }

    /// Begins to take notes.
    pub(crate) fn take_notes(&mut self) {
        self.notes.get_or_insert_default();
    }

    /// Notes when lines were first read.
    pub(crate) fn note<'a>(&mut self, names: impl Iterator<Item = &'a str>, at_ns: u64) {
        for name in names {
            self.notes.get_or_insert_default().entry(name.to_owned()).or_insert(at_ns);
        }
    }

    /// The notes.
    pub(crate) fn notes(&self) -> BTreeMap<String, u64> {
        self.notes.clone().unwrap_or_default()
    }
}

/// The texts of the whole timeline.
pub(crate) fn all(node: &RunningNode, incident: &str) -> Result<Vec<String>, Fault> {
    // In pages: a whole timeline in one answer would weigh more than the log. Lines that come meanwhile push those on a page
    // to the next, so some may be read twice.
    let mut read_already = BTreeMap::new();
    let mut skip = 0;
    loop {
        let page = read(node, incident, What::Newest { last: PAGE, skip })?;
        let rows = page.as_array().map_or(&[][..], Vec::as_slice);
        for row in rows {
            if let (Some(id), Some(text)) = (row["id"].as_str(), row["text"].as_str()) {
                read_already.insert(id.to_owned(), text.to_owned());
            }
        }
        skip += PAGE;
        if rows.len() < PAGE as usize {
            return Ok(read_already.into_values().collect());
        }
    }
}

/// The texts of the newest lines of the timeline, oldest first.
pub(crate) fn newest(node: &RunningNode, incident: &str, k: usize) -> Result<Vec<String>, Fault> {
    texts(&read(node, incident, newest_lines(k))?)
}

/// The same of a log that no node has open, as `muster timeline --last` reads it.
pub(crate) fn newest_of_home(setup: &Setup, incident: &str, k: usize) -> Result<Vec<String>, Fault> {
    let read = Read { incident: Some(incident.to_owned()), what: newest_lines(k) };
    texts(&muster_node::client::ask(setup, &Request::Read(read))?)
}

fn newest_lines(k: usize) -> What {
    What::Newest { last: u32::try_from(k).unwrap_or(u32::MAX), skip: 0 }
}

fn texts(rows: &Value) -> Result<Vec<String>, Fault> {
    let text = |row: &Value| Some(row.get("text")?.as_str()?.to_owned());
    Ok(rows.as_array().into_iter().flatten().filter_map(text).collect())
}

fn read(node: &RunningNode, incident: &str, what: What) -> Result<Value, Fault> {
    Ok(node.call(Request::Read(Read { incident: Some(incident.to_owned()), what }))?)
}
