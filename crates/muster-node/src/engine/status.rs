//! What this device is and whom it can reach.

use super::Engine;
use super::reads::to_value;
use crate::lookalike::lookalikes;
use crate::request::Failure;
use muster_log::{DeviceKey, TeamId};
use muster_store::Storage;
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl<S: Storage> Engine<S> {
    /// What is open; with `all` what is over too.
    pub(crate) fn status(&mut self, all: bool) -> Result<Value, Failure> {
        let summaries = self.summaries()?;
        let has_several_teams = self.has_several_teams()?;
        let over = summaries.iter().filter(|(.., summary)| !summary.open).count();
        let shown = summaries.iter().filter(|(.., summary)| all || summary.open);
        let incidents: Vec<Value> = shown
            .map(|(team, _, summary)| {
                let mut shown = to_value(summary);
                shown["team"] = json!(has_several_teams.then(|| self.team_shown(team)));
                shown
            })
            .collect();
        let (mut only_here, mut late) = (0, 0);
        for (team, incident, _) in &summaries {
            only_here += self.replica.only_here(team, incident)?.len();
            late += self.replica.late_arrivals(team, incident)?.len();
        }
        let team = self.replica.current_team()?;
        let person = match team {
            Some(team) => {
                let people = self.replica.people(&team)?;
                self.replica.person_in(&team).map(|person| people.name(&person))
            }
            None => None,
        };
        let chosen = match self.replica.chosen_incident()? {
            Some(chosen) => Some(self.replica.carried_to(chosen)?.to_string()),
            None => None,
        };
        Ok(json!({
            "device": self.replica.device().to_string(),
            "person": person,
            "team": team.map(|team| team.to_string()),
            "node": self.around.is_node,
            "alone": team.is_none_or(|team| self.is_alone(&team)),
            "cut": self.cut_names(),
            "chosen": chosen,
            "incidents": incidents,
            "only_here": only_here,
            "late": late,
            "over": over,
        }))
    }

    /// Whether the roster of a team is here and names this device and no other.
    fn is_alone(&self, team: &TeamId) -> bool {
        let members = self.replica.ledger(team).map(|ledger| ledger.roster().members()).unwrap_or_default();
        members.len() == 1 && members.contains(&self.replica.device())
    }

    pub(crate) fn identity(&mut self) -> Result<Value, Failure> {
        let teams: Vec<String> = self.replica.teams().iter().map(TeamId::to_string).collect();
        Ok(json!({
            "device": self.replica.device().to_string(),
            "home": self.around.home,
            "teams": teams,
            "listening": self.around.listening,
        }))
    }

    /// The other devices of all teams in which this device is, of the current one first.
    pub(crate) fn peers(&mut self) -> Result<Value, Failure> {
        let current = self.replica.current_team()?;
        let is_in = |team: &TeamId| self.replica.person_in(team).is_some() && current != Some(*team);
        let others = self.replica.teams().into_iter().filter(is_in);
        let mut all = Vec::new();
        for team in current.into_iter().chain(others) {
            if let Value::Array(peers) = self.peers_of(&team)? {
                all.extend(peers);
            }
        }
        Ok(Value::Array(all))
    }

    /// The other devices of a team.
    pub(crate) fn peers_of(&self, team: &TeamId) -> Result<Value, Failure> {
        let peers = self.replica.peers(team)?;
        let people = self.replica.people(team)?;
        let names: Vec<String> = people.persons().map(|person| people.name(&person)).collect();
        let looks: BTreeMap<&String, Vec<String>> = names.iter().zip(lookalikes(&names)).collect();
        let team = self.team_shown(team);
        let peers = peers.into_iter().map(|peer| {
            json!({
                "team": team,
                "person": peer.person,
                "device": peer.device.to_string(),
                "connected": peer.connected,
                "node": self.around.is_node,
                "path": self.around.paths.get(&peer.device).map(ToString::to_string),
                "refuses": self.around.refusing.contains(&peer.device),
                "last_heard_ms": peer.last_heard.map(|at| at.0),
                "missing_here": peer.missing_here,
                "missing_there": peer.missing_there,
                "clock_offset_ms": peer.clock_offset_ms,
                "looks_like": looks.get(&peer.person).cloned().unwrap_or_default(),
                "cut": self.around.cut.contains(&None) || self.around.cut.contains(&Some(peer.device)),
            })
        });
        Ok(Value::Array(peers.collect()))
    }

    /// To whom the links are cut: a person where the device is known, as `net cut NAME` takes it.
    pub(crate) fn cut_names(&self) -> Vec<String> {
        let name = |cut: &Option<DeviceKey>| match cut {
            None => "everybody".to_owned(),
            Some(device) => self.person_name(device).unwrap_or_else(|| device.to_string()),
        };
        self.around.cut.iter().map(name).collect()
    }

    fn person_name(&self, device: &DeviceKey) -> Option<String> {
        self.replica.teams().into_iter().find_map(|team| {
            let person = self.replica.ledger(&team).ok()?.roster().person_of(device)?;
            Some(self.replica.people(&team).ok()?.name(&person))
        })
    }
}
