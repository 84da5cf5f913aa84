//! `muster timeline --follow`: the timeline, then each line as it comes. The screen that is drawn anew is in [`crate::run`].

use crate::commands::Ask;
use crate::commands::timeline::{Arrived, Timeline};
use crate::output;
use crate::problem::Problem;
use crate::run::{answer, made_printable};
use crate::session::Session;
use muster_node::client;
use muster_node::clock::SystemClock;
use muster_node::request::{Read, Request, What};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// The longest wait for news before it is looked again: without a node nobody tells.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Entries that are read at once.
const READ_AT_ONCE: u32 = 1_000;

/// Lines shown without their text that are looked at again, the newest: most texts come within moments or never.
const LACKING_MAX: usize = 32;

/// Shows the timeline, then what comes, until Ctrl-C or until nobody reads. The store is not held in between.
pub(crate) fn follow(timeline: &Timeline, session: &mut Session) -> Result<(), Problem> {
    stay_with_incident(session)?;
    // Where the end is comes first: what is written between the two is in the timeline and is left out once.
    let mut next = arrived(session, u64::MAX, 0)?.next;
    let shown = answer(timeline, session)?;
    let mut shown_ids: BTreeSet<String> =
        shown.as_array().into_iter().flatten().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect();
    show(timeline, shown, session)?;
    let (mut seen, mut lacking) = (0, BTreeSet::new());
    loop {
        match read_on(session, next, &mut lacking) {
            Ok((end, mut rows)) => {
                let is_all = end == next;
                next = end;
                rows.retain(|row| !row["id"].as_str().is_some_and(|id| shown_ids.contains(id)));
                show(timeline, Value::Array(rows), session)?;
                if !is_all {
                    continue;
                }
                shown_ids.clear();
            }
            // Another command may hold the store just now.
            Err(Problem::Refused(_)) => {}
            Err(problem) => return Err(problem),
        }
        seen = client::wait_for_change(&session.setup, seen, LOOK_EVERY);
    }
}

/// The lines that came since, and those whose text came since; the end, and what lacks its text.
fn read_on(session: &Session, next: u64, lacking: &mut BTreeSet<u64>) -> Result<(u64, Vec<Value>), Problem> {
    let mut rows = Vec::new();
    for place in lacking.clone() {
        let again = arrived(session, place, 1)?;
        if again.lacking.is_empty() {
            lacking.remove(&place);
            rows.extend(again.rows);
        }
    }
    let new = arrived(session, next, READ_AT_ONCE)?;
    lacking.extend(new.lacking);
    while lacking.len() > LACKING_MAX {
        lacking.pop_first();
    }
    rows.extend(new.rows);
    Ok((new.next, rows))
}

/// Follows the incident that is meant now, whichever is chosen or declared meanwhile.
fn stay_with_incident(session: &mut Session) -> Result<(), Problem> {
    let what = What::Newest { last: 1, skip: 0 };
    let incident = session.setting.incident.clone();
    let newest = client::ask(&session.setup, &Request::Read(Read { incident, what }))?;
    if let Some(incident) = newest[0]["incident"].as_str() {
        session.setting.incident = Some(incident.to_owned());
    }
    Ok(())
}

fn arrived(session: &Session, after: u64, count: u32) -> Result<Arrived, Problem> {
    Ok(Timeline::read_arrived(client::ask(&session.setup, &Timeline::arrived(&session.setting, after, count))?))
}

fn show(timeline: &Timeline, rows: Value, session: &mut Session) -> Result<(), Problem> {
    if session.json {
        return rows.as_array().into_iter().flatten().try_for_each(output::print_json);
    }
    if rows.as_array().is_some_and(Vec::is_empty) {
        return Ok(());
    }
    session.page.now = SystemClock::new(session.page.zone.clone()).now();
    output::print(&timeline.show(made_printable(rows), &session.page)?)
}
