//! Homes with several teams: which there are, and which one commands mean.

use super::Engine;
use crate::request::Failure;
use muster_incident::printable;
use muster_log::TeamId;
use muster_log::fact::Capability;
use muster_store::Storage;
use serde_json::{Value, json};

/// The fewest digits of an id that stand for it.
const PREFIX_MIN: usize = 4;

impl<S: Storage> Engine<S> {
    /// Every team on this device.
    pub(crate) fn teams_here(&self) -> Result<Value, Failure> {
        let current = self.replica.current_team()?;
        let listed: Result<Vec<Value>, Failure> = self
            .replica
            .teams()
            .iter()
            .map(|team| {
                let ledger = self.replica.ledger(team)?;
                let capability = ledger.roster().capability_of(&self.replica.device());
                Ok(json!({
                    "team": team.to_string(),
                    "name": self.replica.team_name(team),
                    "guest": self.replica.is_guest_in(team),
                    "removed": self.replica.was_removed_from(team),
                    "current": current == Some(*team),
                    "members": self.member_names(team)?,
                    "capability": capability.map(Capability::word),
                    "incidents": ledger.incidents().count(),
                }))
            })
            .collect();
        Ok(Value::Array(listed?))
    }

    /// Makes a team the current one: by its name, its id, a prefix of that, or the name of somebody who is in no other team here.
    pub(crate) fn use_team(&mut self, typed: &str) -> Result<Value, Failure> {
        let team = self.team_typed(typed)?;
        self.replica.set_current(team)?;
        Ok(
            json!({ "team": team.to_string(), "name": self.replica.team_name(&team), "members": self.member_names(&team)? }),
        )
    }

    fn team_typed(&self, typed: &str) -> Result<TeamId, Failure> {
        let teams = self.replica.teams();
        let prefix = typed.to_ascii_lowercase();
        let is_prefix = typed.len() >= PREFIX_MIN && typed.bytes().all(|digit| digit.is_ascii_hexdigit());
        let mut found: Vec<TeamId> =
            teams.iter().filter(|team| is_prefix && team.to_string().starts_with(&prefix)).copied().collect();
        if found.is_empty() {
            let is_called =
                |team: &&TeamId| self.replica.team_name(team).is_some_and(|name| name.trim() == typed.trim());
            found.extend(teams.iter().filter(is_called));
        }
        if found.is_empty() {
            for team in &teams {
                if self.replica.people(team)?.find(typed).is_ok() {
                    found.push(*team);
                }
            }
        }
        match found.as_slice() {
            [team] => Ok(*team),
            [] => Err(Failure::new(format!(
                "no team here has that name or id, and none has a member `{}`",
                printable(typed)
            ))
            .hint("`muster team list` lists the teams on this device")),
            several => {
                let mut lines = String::new();
                for team in several {
                    lines.push_str(&format!("\n  {}  {}", &team.to_string()[..8], self.member_names(team)?.join(", ")));
                }
                Err(Failure::new(format!("`{}` fits several teams:{lines}", printable(typed)))
                    .hint("give digits of the team's id"))
            }
        }
    }

    /// What an incident's team goes by: its name, else the beginning of its id.
    pub(crate) fn team_shown(&self, team: &TeamId) -> String {
        self.replica.team_name(team).unwrap_or_else(|| team.to_string()[..8].to_owned())
    }

    /// Whether the incidents here are of more than one team, so that each is shown with its own.
    pub(crate) fn has_several_teams(&self) -> Result<bool, Failure> {
        let mut teams = self.replica.incidents()?.into_iter().map(|(team, _)| team);
        let first = teams.next();
        Ok(teams.any(|team| Some(team) != first))
    }

    pub(super) fn member_names(&self, team: &TeamId) -> Result<Vec<String>, Failure> {
        let people = self.replica.people(team)?;
        Ok(people.persons().map(|person| people.name(&person)).collect())
    }
}
