//! Which incident is meant: a typed prefix, the chosen one, or the only open one.

use super::Engine;
use crate::request::Failure;
use muster_log::{IncidentId, TeamId};
use muster_store::Storage;

/// The fewest digits of an id that stand for it.
const PREFIX_MIN: usize = 4;

/// Incidents that are listed where several could be meant.
const CANDIDATES_MAX: usize = 20;

impl<S: Storage> Engine<S> {
    /// The incident that is meant; `None` where there is none to mean.
    pub(crate) fn incident_meant(&mut self, typed: Option<&str>) -> Result<Option<(TeamId, IncidentId)>, Failure> {
        if let Some(typed) = typed {
            return self.incident_typed(typed).map(Some);
        }
        if let Some(chosen) = self.replica.chosen_incident()? {
            let chosen = self.replica.carried_to(chosen)?;
            if let Some(team) = self.replica.team_of(&chosen) {
                return Ok(Some((team, chosen)));
            }
        }
        let all = self.replica.incidents()?;
        if let [only] = all.as_slice() {
            // A closed one is meant too when it is the only one: its timeline is still read and corrected.
            return Ok(Some(*only));
        }
        let open = self.summaries()?.into_iter().filter(|(.., summary)| summary.open);
        let open: Vec<_> = open.map(|(team, incident, summary)| (team, incident, summary.title)).collect();
        match (open.as_slice(), all.as_slice()) {
            ([(team, incident, _)], _) => Ok(Some((*team, *incident))),
            ([], []) => Ok(None),
            ([], _) => Err(Failure::new("no incident is open and there are several closed ones")
                .hint("choose one with `muster use ID` or `-i ID`; `muster status --all` lists them")),
            (several, _) => {
                let lines: Vec<String> = several
                    .iter()
                    .take(CANDIDATES_MAX)
                    .map(|(_, id, title)| {
                        format!("\n  {}  {}", &id.to_string()[..8], muster_incident::printable(title))
                    })
                    .collect();
                Err(Failure::new(format!("several incidents are open:{}{}", lines.concat(), more(several.len())))
                    .hint("choose one with `muster use ID`, or add `-i ID` to the command"))
            }
        }
    }

    /// The incident that commands mean, where that is plain without looking at any: the chosen one, or the only one.
    pub(crate) fn incident_plain(&self) -> Option<(TeamId, IncidentId)> {
        if let Some(chosen) = self.replica.chosen_incident().ok()? {
            let chosen = self.replica.carried_to(chosen).ok()?;
            if let Some(team) = self.replica.team_of(&chosen) {
                return Some((team, chosen));
            }
        }
        match self.replica.incidents().ok()?.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// The incident that a typed id, prefix or slug means; ids from before a move to another team go on to work.
    pub(crate) fn incident_typed(&mut self, typed: &str) -> Result<(TeamId, IncidentId), Failure> {
        let typed = typed.trim();
        let all = self.replica.incidents()?;
        let is_hex = typed.len() >= PREFIX_MIN && typed.chars().all(|c| c.is_ascii_hexdigit());
        let mut found: Vec<(TeamId, IncidentId)> = Vec::new();
        if is_hex {
            let prefix = typed.to_ascii_lowercase();
            found.extend(all.iter().filter(|(_, id)| id.to_string().starts_with(&prefix)));
            for (old, new) in self.replica.carried()? {
                if old.to_string().starts_with(&prefix)
                    && let Some(team) = self.replica.team_of(&new)
                {
                    found.push((team, new));
                }
            }
            // On the other members' nodes the old id is known by the origin that the new one names.
            for (team, incident) in &all {
                if self.replica.origin_of(team, incident).is_some_and(|old| old.to_string().starts_with(&prefix)) {
                    found.push((*team, *incident));
                }
            }
            found.sort_unstable();
            found.dedup();
        }
        if found.is_empty() {
            let alike = self.summaries()?.into_iter().filter(|(.., summary)| summary.slug == typed);
            found.extend(alike.map(|(team, incident, _)| (team, incident)));
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] if typed.len() < PREFIX_MIN => {
                Err(Failure::new(format!("`{}` is too short for an id", muster_incident::printable(typed))).hint(
                    format!("give at least {PREFIX_MIN} of its digits; `muster status --all` lists the incidents"),
                ))
            }
            [] => Err(Failure::new(format!("no incident is called `{}`", muster_incident::printable(typed)))
                .hint("`muster status --all` lists those on this device")),
            several => {
                let mut lines = String::new();
                for (team, incident) in several.iter().take(CANDIDATES_MAX) {
                    let title = self.replica.summary(*team, *incident)?.title;
                    let title = muster_incident::printable(&title);
                    lines.push_str(&format!("\n  {}  {title}", &incident.to_string()[..16]));
                }
                Err(Failure::new(format!("`{typed}` fits several incidents:{lines}{}", more(several.len())))
                    .hint("give more digits"))
            }
        }
    }
}

/// The last line of a list that leaves some out.
fn more(all: usize) -> String {
    match all.saturating_sub(CANDIDATES_MAX) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    }
}
