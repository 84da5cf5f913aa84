//! Reading back what is in a node, through the node's own reads, and the clock that all processes share.

use crate::fault::Fault;
use muster_node::Setup;
use muster_node::request::{Read, Request, What};
use muster_node::running::RunningNode;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries that are read at once.
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
    /// Who reads for the notes; none while it is reading or where none are taken.
    reader: Option<Reader>,
    notes: BTreeMap<String, u64>,
}

impl Watch {
    /// Entries that came since the node was opened.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Counts new entries; hands out the reader if they are to be read and noted.
    pub(crate) fn arrived(&mut self, entries: usize) -> Option<Reader> {
        self.count += entries;
        self.reader.take()
    }

    /// Begins to take notes of what this reader will find.
    pub(crate) fn take_notes(&mut self, reader: Reader) {
        self.reader = Some(reader);
    }

    /// Notes when lines were read, and takes the reader back.
    pub(crate) fn note<'a>(&mut self, reader: Reader, names: impl Iterator<Item = &'a str>, at_ns: u64) {
        self.reader = Some(reader);
        for name in names {
            self.notes.entry(name.to_owned()).or_insert(at_ns);
        }
    }

    /// The notes.
    pub(crate) fn notes(&self) -> BTreeMap<String, u64> {
        self.notes.clone()
    }
}

/// A reader of one incident who reads every line once, as it comes: as `muster timeline --follow` does.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Entries behind the reader.
    next: u64,
}

impl Reader {
    /// A reader of what comes from now on.
    pub(crate) fn at_the_end(node: &RunningNode, incident: &str) -> Result<Self, Fault> {
        let mut reader = Self { next: u64::MAX };
        reader.read_page(node, incident, &mut Vec::new())?;
        Ok(reader)
    }

    /// Reads the lines that are new.
    pub(crate) fn read_on(&mut self, node: &RunningNode, incident: &str) -> Result<Vec<String>, Fault> {
        let mut texts = Vec::new();
        while self.read_page(node, incident, &mut texts)? {}
        Ok(texts)
    }

    /// Whether it was a whole page, so that there may be more.
    fn read_page(&mut self, node: &RunningNode, incident: &str, texts: &mut Vec<String>) -> Result<bool, Fault> {
        let mut page = read(node, incident, What::Arrived { after: self.next, count: PAGE })?;
        let next = page["next"].as_u64().unwrap_or(self.next);
        let rows = page["rows"].as_array_mut().map(std::mem::take).unwrap_or_default();
        texts.extend(rows.into_iter().filter_map(|mut row| match row["text"].take() {
            Value::String(text) => Some(text),
            _ => None,
        }));
        let is_whole = next.saturating_sub(self.next) == u64::from(PAGE);
        self.next = next;
        Ok(is_whole)
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
