//! What a checked file holds, for somebody who has nothing else: the incidents as members see them, with the times between which
//! each entry was written.
//!
//! The views come from `muster-replica`'s record; what the file is worth is found in [`crate::verify_file`].

use crate::request::Failure;
use crate::team_history::Told;
use crate::when::{is_in_range, rfc3339};
use jiff::tz::TimeZone;
use muster_incident::{OUT_OF_RANGE, Times, View, export_markdown_with_times};
use muster_log::ledger::Ledger;
use muster_log::{BodyHash, EntryId, IncidentId};
use muster_replica::TimeAudit;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The record that a file holds, as far as it stands.
pub struct Record {
    record: muster_replica::Record,
    team: Told,
}

impl Record {
    pub(crate) fn new(ledger: &Ledger, bodies: BTreeMap<BodyHash, Vec<u8>>, team: Told) -> Result<Self, Failure> {
        Ok(Self { record: muster_replica::Record::new(ledger, bodies)?, team })
    }

    /// What happened in the team: who came, was given or lost what, and was removed, in causal order.
    pub fn team(&self, zone: &TimeZone) -> Value {
        self.team.json(zone)
    }

    /// The incidents in it, in the order in which they are told.
    pub fn incidents(&self) -> Vec<IncidentId> {
        self.record.incidents()
    }

    /// An incident as `export json` has it, with the times of `timeline --audit` in the timeline's lines.
    ///
    /// # Errors
    /// None where the incident is in it.
    pub fn json(&mut self, incident: IncidentId, zone: &TimeZone) -> Result<Value, Failure> {
        let (view, audit) = self.record.read(incident)?;
        let mut told = serde_json::to_value(&view).unwrap_or_default();
        if let Some(told) = told.as_object_mut() {
            let rows = told.get_mut("timeline").map(Value::take).unwrap_or_default();
            told.insert("timeline".into(), with_times(rows, &audit, zone));
        }
        Ok(told)
    }

    /// An incident as `export md` has it, with the times in the timeline's lines; and how many entries are no lines.
    ///
    /// # Errors
    /// As [`Record::json`].
    pub fn markdown(&mut self, incident: IncidentId, zone: &TimeZone) -> Result<(String, usize), Failure> {
        let (view, audit) = self.record.read(incident)?;
        let left_out = view.summary.entries.saturating_sub(view.timeline.len());
        Ok((export_markdown_with_times(&view, &times(&view, &audit, zone)), left_out))
    }
}

fn times(view: &View, audit: &TimeAudit, zone: &TimeZone) -> BTreeMap<String, Times> {
    let one = |row: &muster_incident::Row| {
        let found = audit.findings.get(&row.id.parse::<EntryId>().ok()?)?;
        let text = |at| if is_in_range(at) { rfc3339(at, zone) } else { OUT_OF_RANGE.to_owned() };
        let (lower, upper) = (found.bracket.lower.map(text), found.bracket.upper.map(text));
        Some((row.id.clone(), Times { label: found.label.word(), lower, upper, spare: audit.spare }))
    };
    view.timeline.iter().filter_map(one).collect()
}

/// The lines of a timeline with the times between which each entry was written.
pub(crate) fn with_times(mut rows: Value, audit: &TimeAudit, zone: &TimeZone) -> Value {
    for row in rows.as_array_mut().into_iter().flatten() {
        let id = row.get("id").and_then(Value::as_str).and_then(|id| id.parse::<EntryId>().ok());
        let Some(found) = id.and_then(|id| audit.findings.get(&id)) else { continue };
        if let Some(row) = row.as_object_mut() {
            row.insert("time_label".into(), json!(found.label.word()));
            row.insert("time_lower".into(), json!(found.bracket.lower.map(|at| rfc3339(at, zone))));
            row.insert("time_upper".into(), json!(found.bracket.upper.map(|at| rfc3339(at, zone))));
            row.insert("time_spare".into(), json!(audit.spare));
        }
    }
    rows
}
