//! Reads of one incident. What is shown comes from the view; what only this node knows is added where asked for.

use super::Engine;
use crate::record::with_times;
use crate::request::{Failure, What};
use muster_incident::{export_json, export_markdown};
use muster_log::{DeviceKey, EntryId, IncidentId, TeamId, Timestamp};
use muster_store::Storage;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Late arrivals that the board lists, the newest.
const LATE_SHOWN_MAX: usize = 10;

impl<S: Storage> Engine<S> {
    pub(crate) fn read_incident(&mut self, typed: Option<&str>, what: What) -> Result<Value, Failure> {
        let Some((team, incident)) = self.incident_meant(typed)? else { return nothing(what) };
        // A timeline is drawn from entries and bodies; most often it needs no document.
        let lines = match what {
            What::Newest { last, skip } => Some((skip as usize, last as usize)),
            What::Timeline { .. } | What::Audit => Some((0, usize::MAX)),
            _ => None,
        };
        if let Some((skip, count)) = lines {
            let rows = to_value(&self.replica.lines(team, incident, skip, count)?);
            return match what {
                What::Timeline { local: true } => self.timeline_with_local(team, incident, rows),
                What::Audit => {
                    Ok(with_times(rows, &self.replica.time_audit(team, incident)?, self.around.clock.zone()))
                }
                _ => Ok(rows),
            };
        }
        if let What::Arrived { after, count } = what {
            let after = usize::try_from(after).unwrap_or(usize::MAX);
            let muster_replica::Arrived { rows, next, lacking } =
                self.replica.lines_after(team, incident, after, count as usize)?;
            // Not by `json!`, which would copy all rows once more.
            let answer = [("rows", to_value(&rows)), ("next", json!(next)), ("lacking", json!(lacking))];
            return Ok(Value::Object(answer.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()));
        }
        let view = self.replica.view(team, incident)?;
        Ok(match what {
            What::Roles => to_value(&view.roles),
            What::Actions => to_value(&view.actions),
            What::ExportJson => json!({ "text": export_json(&view) }),
            What::ExportMarkdown => json!({ "text": export_markdown(&view) }),
            _ => self.board(team, incident)?,
        })
    }

    fn board(&mut self, team: TeamId, incident: IncidentId) -> Result<Value, Failure> {
        let (document, people) = self.replica.document(team, incident)?;
        let mut board = to_value(&muster_incident::board(document, &people));
        let peers = self.peers_of(&team)?;
        let cut = self.cut_names();
        let only_here = self.replica.only_here(&team, &incident)?.len();
        let (late_count, late) = self.late_rows(team, incident)?;
        board["summary"]["team"] = json!(self.has_several_teams()?.then(|| self.team_shown(&team)));
        if let Some(board) = board.as_object_mut() {
            board.insert("peers".into(), peers);
            board.insert("cut".into(), json!(cut));
            board.insert("only_here".into(), json!(only_here));
            board.insert("late_count".into(), json!(late_count));
            board.insert("late".into(), Value::Array(late));
        }
        Ok(board)
    }

    /// Adds the time of arrival here and who is known to hold each entry.
    fn timeline_with_local(&mut self, team: TeamId, incident: IncidentId, mut rows: Value) -> Result<Value, Failure> {
        let holding = self.replica.holding(&team, &incident.into())?;
        let names = self.device_names(&team)?;
        let only_here: BTreeSet<EntryId> = self.replica.only_here(&team, &incident)?.into_iter().collect();
        let late: BTreeSet<EntryId> = self.replica.late_arrivals(&team, &incident)?.iter().copied().collect();
        for row in rows.as_array_mut().into_iter().flatten() {
            let Some(id) = row.get("id").and_then(Value::as_str).and_then(|id| id.parse::<EntryId>().ok()) else {
                continue;
            };
            let received = self.replica.received(&id)?;
            let mut holders: Vec<String> = holding.holders(&id).map(|device| named(&names, &device)).collect();
            let held = holders.len();
            holders.sort();
            holders.dedup();
            if let Some(row) = row.as_object_mut() {
                row.insert("received_time".into(), json!(received.map(|at| self.rfc3339(at))));
                row.insert("held_by".into(), json!(holders));
                row.insert("held_count".into(), json!(held));
                row.insert("held_of".into(), json!(holding.devices()));
                row.insert("only_here".into(), json!(only_here.contains(&id)));
                row.insert("late".into(), json!(late.contains(&id)));
            }
        }
        Ok(rows)
    }

    /// The person of every device of a team, by name.
    fn device_names(&self, team: &TeamId) -> Result<BTreeMap<DeviceKey, String>, Failure> {
        let (people, roster) = (self.replica.people(team)?, self.replica.ledger(team)?.roster());
        let name = |device: DeviceKey| Some((device, people.name(&roster.person_of(&device)?)));
        Ok(roster.members().into_iter().filter_map(name).collect())
    }

    pub(crate) fn who_has(&mut self, typed: &str) -> Result<Value, Failure> {
        let (team, id) = self.entry_typed(typed)?;
        let names = self.device_names(&team)?;
        let ledger = self.replica.ledger(&team)?;
        let dag = ledger.entry(&id).map(muster_log::Entry::dag).unwrap_or_else(|| team.into());
        let holding = self.replica.holding(&team, &dag)?;
        let holders = self.replica.holders(&team, &id)?;
        let peers = self.replica.peers(&team)?;
        let heard = |device: &DeviceKey| peers.iter().find(|peer| peer.device == *device)?.last_heard;
        let people = self.replica.people(&team)?;
        // Of whom the roster does not name any more: who wrote with that device, the roster or this very log.
        let logs = [ledger.dag(&team.into()), ledger.dag(&dag)];
        let writer = |device: &DeviceKey| {
            let own = logs.iter().flatten().flat_map(|log| log.entries()).find(|entry| entry.key() == *device);
            own.and_then(|entry| ledger.person(&entry.id())).map(|person| people.name(&person))
        };
        let show = |device: &DeviceKey| match names.get(device) {
            Some(name) => json!({ "person": name, "device": device.to_string(), "removed": false }),
            None => json!({ "person": writer(device), "device": device.to_string(), "removed": true }),
        };
        let unknown: Vec<Value> = holding
            .not_known_to_hold(&id)
            .filter(|device| !holders.contains(device))
            .map(|device| {
                let mut shown = show(&device);
                shown["last_heard_ms"] = json!(heard(&device).map(|at| at.0));
                shown
            })
            .collect();
        // What is known of those who are away is as old as their last word.
        let away = peers.iter().filter(|peer| !peer.connected && !holders.contains(&peer.device));
        let as_of = away.filter_map(|peer| peer.last_heard).min();
        Ok(json!({
            "entry": id.to_string(),
            "holders": holders.iter().map(show).collect::<Vec<_>>(),
            "unknown": unknown,
            "as_of_ms": as_of.map(|at| at.0),
            "only_here": holders.len() == 1 && holders.contains(&self.replica.device()),
        }))
    }

    /// Marks late arrivals as seen: of the incident meant by `typed`, or of all.
    pub(crate) fn mark_seen(&mut self, typed: Option<&str>) -> Result<Value, Failure> {
        let incidents = match typed {
            Some(typed) => vec![self.incident_typed(typed)?],
            None => self.replica.incidents()?,
        };
        let (mut seen, mut of) = (0, 0);
        for (team, incident) in incidents {
            let late = self.replica.mark_seen(team, incident)?;
            seen += late;
            of += usize::from(late > 0);
        }
        Ok(json!({ "seen": seen, "incidents": of }))
    }

    /// The late arrivals of an incident, the newest, and how many there are.
    fn late_rows(&mut self, team: TeamId, incident: IncidentId) -> Result<(usize, Vec<Value>), Failure> {
        let late = self.replica.late_arrivals(&team, &incident)?.to_vec();
        if late.is_empty() {
            return Ok((0, Vec::new()));
        }
        let newest: BTreeSet<EntryId> = late.iter().rev().take(LATE_SHOWN_MAX).copied().collect();
        let timeline = to_value(&self.replica.view(team, incident)?.timeline);
        let is_late = |row: &Value| {
            let id = row.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
            id.is_some_and(|id| newest.contains(&id))
        };
        Ok((late.len(), timeline.as_array().into_iter().flatten().filter(|row| is_late(row)).cloned().collect()))
    }

    /// The entry that a typed id or prefix means, in whatever incident.
    fn entry_typed(&mut self, typed: &str) -> Result<(TeamId, EntryId), Failure> {
        let mut found = Vec::new();
        let mut first_error = None;
        for (team, incident) in self.replica.incidents()? {
            let (document, _) = self.replica.document(team, incident)?;
            match muster_incident::resolve_entry(document, typed) {
                Ok(id) => found.push((team, id)),
                Err(error) => {
                    first_error.get_or_insert(Failure::from(muster_replica::ReplicaError::from(error)));
                }
            }
        }
        match (found.as_slice(), first_error) {
            ([one], _) => Ok(*one),
            ([], Some(error)) => Err(error),
            ([], None) => Err(Failure::new("nothing has been logged on this device yet")),
            _ => Err(Failure::new("the id fits entries of several incidents").hint("give more digits")),
        }
    }

    pub(crate) fn rfc3339(&self, at: Timestamp) -> String {
        crate::when::rfc3339(at, self.around.clock.zone())
    }
}

/// The person of a device, or the device where nobody knows whose it is.
fn named(names: &BTreeMap<DeviceKey, String>, device: &DeviceKey) -> String {
    names.get(device).cloned().unwrap_or_else(|| device.to_string())
}

/// The answer where there is no incident at all.
fn nothing(what: What) -> Result<Value, Failure> {
    match what {
        What::Timeline { .. } | What::Audit | What::Newest { .. } | What::Actions => Ok(json!([])),
        What::Arrived { .. } => Ok(json!({ "rows": [], "next": 0, "lacking": [] })),
        What::Roles => Ok(json!({})),
        _ => Err(Failure::new("there is no incident").hint("begin one with `muster declare \"what is wrong\"`")),
    }
}

pub(crate) fn to_value(view: &impl serde::Serialize) -> Value {
    serde_json::to_value(view).unwrap_or(Value::Null)
}
