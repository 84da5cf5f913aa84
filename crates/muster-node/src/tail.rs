//! The tail of a home: the newest lines of the incident that commands mean, found without opening the store.
//!
//! They are kept beside the store by whoever had it open and believed as long as the journal ends as it did then
//! (`muster_store::read_tail`). What they look like is in `muster_incident`; where they do not answer, the store is opened.

use crate::engine::Engine;
use crate::opening::Setup;
use crate::request::{Read, Request, What};
use muster_store::{DiskStore, TAIL_BYTES_MAX};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Lines that are kept: what a person scrolls through before asking for all.
const LINES: usize = 100;

/// Bytes left for what is said about the lines.
const ABOUT_BYTES: usize = 1024;

/// Raised when lines are drawn differently from the same entries.
const DRAWN: u32 = 2;

/// The first line of what is kept; the newest lines of the timeline follow, oldest first, each a line of JSON.
#[derive(Serialize, Deserialize)]
struct About {
    drawn: u32,
    version: String,
    incident: String,
    /// Whether all lines of the incident follow.
    whole: bool,
}

/// The answer to a request, where the tail has it: the newest lines of the incident that is meant without a word, or of the
/// same one by its whole id.
pub(crate) fn answer(setup: &Setup, request: &Request) -> Option<Value> {
    let Request::Read(Read { incident, what: What::Newest { last, skip: 0 } }) = request else { return None };
    let kept = String::from_utf8(muster_store::read_tail(&setup.home.store())?).ok()?;
    let (about, lines) = kept.split_once('\n')?;
    let about: About = serde_json::from_str(about).ok()?;
    let lines: Vec<&str> = lines.lines().collect();
    let is_ours = about.drawn == DRAWN && about.version == env!("CARGO_PKG_VERSION");
    let is_meant = incident.as_ref().is_none_or(|typed| *typed == about.incident);
    let last = *last as usize;
    if !is_ours || !is_meant || (last > lines.len() && !about.whole) {
        return None;
    }
    let newest = lines.iter().skip(lines.len().saturating_sub(last));
    newest.map(|line| serde_json::from_str(line).ok()).collect::<Option<Vec<Value>>>().map(Value::Array)
}

/// Keeps the newest lines of an opened store, if those that are kept are not up to date. That this fails costs time later,
/// nothing else.
pub(crate) fn keep(engine: &mut Engine<DiskStore>) {
    if engine.replica.store().has_tail() {
        return;
    }
    let Some(contents) = draw(engine) else { return };
    if let Err(error) = engine.replica.store().keep_tail(contents.as_bytes()) {
        tracing::debug!(%error, "the newest lines are not kept");
    }
}

fn draw(engine: &mut Engine<DiskStore>) -> Option<String> {
    let (team, incident) = engine.incident_plain()?;
    let rows = engine.replica.newest(team, incident, LINES + 1).ok()?;
    let mut kept: Vec<String> = Vec::new();
    let mut bytes = 0;
    for row in rows.iter().rev().take(LINES) {
        let line = serde_json::to_string(row).ok()?;
        bytes += line.len() + 1;
        // Long texts push the oldest lines out.
        if bytes > TAIL_BYTES_MAX - ABOUT_BYTES {
            break;
        }
        kept.push(line);
    }
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let about = About { drawn: DRAWN, version, incident: incident.to_string(), whole: kept.len() == rows.len() };
    kept.push(serde_json::to_string(&about).ok()?);
    kept.reverse();
    Some(kept.join("\n"))
}
