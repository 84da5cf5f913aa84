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

/// What was read of a log since somebody follows it, and by whom.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// None before anybody follows.
    reader: Mutex<Option<Reader>>,
    /// The names of the lines that were read, each with when it was first read.
    read: Mutex<BTreeMap<String, u64>>,
}

impl Followed {
    /// Somebody follows from here on, who has read nothing; changes nothing where somebody does.
    pub(crate) fn begin(&self) {
        lock(&self.reader).get_or_insert_default();
    }

    /// Reads what is new, if somebody follows.
    pub(crate) fn read_on(&self, node: &RunningNode, incident: &str) {
        // Held until the lines are noted: who comes meanwhile with news reads after this, so that none is missed.
        let mut reader = lock(&self.reader);
        let Some(reader) = reader.as_mut() else { return };
        // It may be that the log is not here yet.
        let texts = reader.read_on(node, incident).unwrap_or_default();
        let now = now_ns();
        let mut read = lock(&self.read);
        for name in texts.iter().filter_map(|text| super::corpus::name_of(text)) {
            read.entry(name.to_owned()).or_insert(now);
        }
    }

    /// How many lines were read.
    pub(crate) fn count(&self) -> usize {
        lock(&self.read).len()
    }

    /// When each was first read.
    pub(crate) fn read(&self) -> BTreeMap<String, u64> {
        lock(&self.read).clone()
    }
}

/// A reader of one incident who reads every line once, as it comes: as `muster timeline --follow` does.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Entries behind the reader.
    next: u64,
    /// Where lines are to be read again that had no text yet.
    lacking: Vec<u64>,
}

impl Reader {
    /// Reads the lines that are new, and those whose text has come.
    pub(crate) fn read_on(&mut self, node: &RunningNode, incident: &str) -> Result<Vec<String>, Fault> {
        let mut texts = Vec::new();
        for place in std::mem::take(&mut self.lacking) {
            self.read_page(node, incident, place, 1, &mut texts)?;
        }
        loop {
            let next = self.read_page(node, incident, self.next, PAGE, &mut texts)?;
            let is_whole = next.saturating_sub(self.next) == u64::from(PAGE);
            self.next = next;
            if !is_whole {
                return Ok(texts);
            }
        }
    }

    /// Reads some lines; gives how many entries are behind the reader then.
    fn read_page(
        &mut self,
        node: &RunningNode,
        incident: &str,
        after: u64,
        count: u32,
        texts: &mut Vec<String>,
    ) -> Result<u64, Fault> {
        let mut page = read(node, incident, What::Arrived { after, count })?;
        let rows = page["rows"].as_array_mut().map(std::mem::take).unwrap_or_default();
        texts.extend(rows.into_iter().filter_map(|mut row| match row["text"].take() {
            Value::String(text) => Some(text),
            _ => None,
        }));
        self.lacking.extend(page["lacking"].as_array().into_iter().flatten().filter_map(Value::as_u64));
        Ok(page["next"].as_u64().unwrap_or(after))
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
