//! Reads of one incident. What is shown comes from the view; what only this node knows is added where asked for.

use super::Engine;
use crate::request::{Failure, What};
use muster_incident::{export_json, export_markdown};
use muster_log::{DeviceKey, EntryId, IncidentId, TeamId, Timestamp};
use muster_store::Storage;
use serde_json::{Value, json};

impl<S: Storage> Engine<S> {
    pub(crate) fn read_incident(&mut self, typed: Option<&str>, what: What) -> Result<Value, Failure> {
        let Some((team, incident)) = self.incident_meant(typed)? else { return nothing(what) };
        // A timeline is drawn from entries and bodies; most often it needs no document.
        let lines = match what {
            What::Newest { last, skip } => Some((skip as usize, last as usize)),
            What::Timeline { .. } => Some((0, usize::MAX)),
            _ => None,
        };
        if let Some((skip, count)) = lines {
            let rows = to_value(&self.replica.lines(team, incident, skip, count)?);
            let with_local = what == What::Timeline { local: true };
            return if with_local { self.timeline_with_local(team, rows) } else { Ok(rows) };
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
        if let Some(board) = board.as_object_mut() {
            board.insert("peers".into(), peers);
            board.insert("cut".into(), json!(cut));
        }
        Ok(board)
    }

    /// Adds the time of arrival here and who is known to hold each entry.
    fn timeline_with_local(&mut self, team: TeamId, mut rows: Value) -> Result<Value, Failure> {
        for row in rows.as_array_mut().into_iter().flatten() {
            let Some(id) = row.get("id").and_then(Value::as_str).and_then(|id| id.parse::<EntryId>().ok()) else {
                continue;
            };
            let received = self.replica.received(&id)?;
            let holders: Vec<String> = self.holder_names(&team, &id)?;
            if let Some(row) = row.as_object_mut() {
                row.insert("received_time".into(), json!(received.map(|at| self.rfc3339(at))));
                row.insert("held_by".into(), json!(holders));
            }
        }
        Ok(rows)
    }

    /// The persons whose devices are known to hold an entry.
    fn holder_names(&self, team: &TeamId, id: &EntryId) -> Result<Vec<String>, Failure> {
        let (people, roster) = (self.replica.people(team)?, self.replica.ledger(team)?.roster());
        let name = |device: &DeviceKey| {
            roster.person_of(device).map_or_else(|| device.to_string(), |person| people.name(&person))
        };
        let mut names: Vec<String> = self.replica.holders(team, id)?.iter().map(name).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    pub(crate) fn who_has(&mut self, typed: &str) -> Result<Value, Failure> {
        let (team, id) = self.entry_typed(typed)?;
        let (people, roster) = (self.replica.people(&team)?, self.replica.ledger(&team)?.roster());
        let show = |device: &DeviceKey| {
            let person = roster.person_of(device).map(|person| people.name(&person));
            json!({ "person": person, "device": device.to_string() })
        };
        let holders = self.replica.holders(&team, &id)?;
        let unknown: Vec<Value> =
            roster.members().iter().filter(|device| !holders.contains(device)).map(show).collect();
        Ok(json!({
            "entry": id.to_string(),
            "holders": holders.iter().map(show).collect::<Vec<_>>(),
            "unknown": unknown,
            "only_here": holders.len() == 1 && holders.contains(&self.replica.device()),
        }))
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

/// The answer where there is no incident at all.
fn nothing(what: What) -> Result<Value, Failure> {
    match what {
        What::Timeline { .. } | What::Newest { .. } | What::Actions => Ok(json!([])),
        What::Roles => Ok(json!({})),
        _ => Err(Failure::new("there is no incident").hint("begin one with `muster declare \"what is wrong\"`")),
    }
}

pub(crate) fn to_value(view: &impl serde::Serialize) -> Value {
    serde_json::to_value(view).unwrap_or(Value::Null)
}
