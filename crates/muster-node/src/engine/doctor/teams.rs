//! What this device's teams tell about readiness: the current one in full, of the others whether it is reached there.

use super::super::Engine;
use super::{clock_check, copies_check, plural};
use crate::doctor::Check;
use crate::lookalike::lookalikes;
use crate::request::Failure;
use crate::when;
use muster_incident::printable;
use muster_log::fact::Capability;
use muster_log::{TeamId, Timestamp};
use muster_replica::Peer;
use muster_store::Storage;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl<S: Storage> Engine<S> {
    /// The checks that need a team, `current` first.
    pub(super) fn check_teams(&self, current: TeamId, checks: &mut Vec<Check>) -> Result<(), Failure> {
        let mut peers = self.replica.peers(&current)?;
        checks.push(self.team_check(&current)?);
        checks.extend(self.names_check(&current)?);
        checks.push(self.tickets_check(&current));
        checks.push(self.peers_check(&current, &peers, "")?);
        checks.extend(self.refused_check(&peers));
        let mut copies = self.replica.count_only_here(&current)?;
        for team in self.replica.teams().into_iter().filter(|team| *team != current) {
            // Of a team that this device left nothing is reached, and nothing need be.
            if self.replica.person_in(&team).is_none() {
                continue;
            }
            let there = self.replica.peers(&team)?;
            // A team of one, made before joining another, has nobody to reach.
            if !there.is_empty() {
                let of = if self.replica.is_guest_in(&team) { "guest of " } else { "" };
                let prefix = format!("{of}{}: ", printable(&self.team_shown(&team)));
                checks.push(self.peers_check(&team, &there, &prefix)?);
                checks.extend(self.refused_check(&there));
            }
            // One whose incidents all went along to another team holds nothing that is not there too.
            if !there.is_empty() || self.replica.has_what_stayed(&team)? {
                copies = copies.and(self.replica.count_only_here(&team)?);
            }
            peers.extend(there);
        }
        checks.push(clock_check(&peers));
        checks.push(copies_check(copies, self.around.is_node));
        Ok(())
    }

    fn team_check(&self, team: &TeamId) -> Result<Check, Failure> {
        let roster = self.replica.ledger(team)?.roster();
        let me = roster.person_of(&self.replica.device());
        let capability = me.and_then(|me| roster.capability(&me));
        let (members, devices, teams) = (roster.persons().count(), roster.members().len(), self.replica.teams().len());
        let several =
            if teams > 1 { format!("; one of {teams} teams here, see `muster team list`") } else { String::new() };
        let size = format!(
            "{} with {}",
            plural(members as u64, "member", "members"),
            plural(devices as u64, "device", "devices")
        );
        let check = match (me, capability) {
            (None, _) if self.replica.was_removed_from(team) => Check::bad(
                "team",
                format!("this device was removed from the current team{several}"),
                "a new ticket lets it in again: `muster join TICKET`",
            ),
            (None, _) => Check::bad("team", "this device is no member of the current team", "`muster join TICKET`"),
            (Some(_), None) => {
                Check::bad("team", format!("this device may not write any more; {size}"), "ask an admin of the team")
            }
            (Some(_), Some(Capability::Observer)) => {
                Check::ok("team", format!("{size}; you may read, not write{several}"))
            }
            (Some(_), Some(_)) if members == 1 => Check::warn(
                "team",
                format!("you are its only member{several}"),
                "`muster invite` makes a ticket for somebody",
            ),
            (Some(_), Some(capability)) => Check::ok("team", format!("{size}; you are {}{several}", capability.word())),
        };
        Ok(check.with(json!({
            "team": team.to_string(),
            "teams": teams,
            "members": members,
            "devices": devices,
            "member": me.is_some(),
            "capability": capability.map(Capability::word),
        })))
    }

    /// Said only where two members can be taken for one another.
    fn names_check(&self, team: &TeamId) -> Result<Option<Check>, Failure> {
        let people = self.replica.people(team)?;
        let names: Vec<String> = people.persons().map(|person| people.name(&person)).collect();
        let alike: Vec<&String> = names
            .iter()
            .zip(lookalikes(&names))
            .filter(|(_, others)| !others.is_empty())
            .map(|(name, _)| name)
            .collect();
        Ok((!alike.is_empty()).then(|| {
            let shown: Vec<&str> = alike.iter().map(|name| name.as_str()).collect();
            Check::warn(
                "names",
                format!("names that can be taken for one another: {}", shown.join(", ")),
                "`muster team show` lists their devices; ask them which are theirs",
            )
            .with(json!({ "alike": alike }))
        }))
    }

    fn tickets_check(&self, team: &TeamId) -> Check {
        let open = self.replica.open_tickets(team, self.now());
        let check = match open {
            0 => Check::ok("tickets", "none is open"),
            1 => Check::ok("tickets", "1 is open: whoever has it may join until it expires (`muster team show`)"),
            _ => Check::ok(
                "tickets",
                format!("{open} are open: whoever has one may join until it expires (`muster team show` lists them)"),
            ),
        };
        check.with(json!({ "open": open }))
    }

    /// Who of a team is reached; `prefix` says of which, where it is not the current one.
    fn peers_check(&self, team: &TeamId, peers: &[Peer], prefix: &str) -> Result<Check, Failure> {
        let listed: Vec<Value> = peers
            .iter()
            .map(|peer| {
                json!({
                    "person": peer.person,
                    "device": peer.device.to_string(),
                    "path": self.path(peer),
                    "refuses": self.around.refusing.contains(&peer.device),
                    "last_heard_ms": peer.last_heard.map(|at| at.0),
                })
            })
            .collect();
        let now = self.now().wall;
        let connected = peers.iter().filter(|peer| peer.connected).count();
        let heard = peers.iter().filter(|peer| peer.last_heard.is_some()).count();
        let ever = heard > 0 || self.has_entries_of_others(team)?;
        let all: Vec<String> = peers.iter().map(|peer| told(peer, &self.path(peer), now)).collect();
        let all = all.join("; ");
        let check = if peers.is_empty() {
            Check::warn("peers", "there is nobody else to reach", "`muster invite` makes a ticket for somebody")
        } else if connected > 0 {
            Check::ok(
                "peers",
                format!("{connected} of {} reached: {all}", plural(peers.len() as u64, "device", "devices")),
            )
        } else if !self.around.is_node {
            let names: Vec<&str> = peers
                .iter()
                .map(|peer| if peer.person.is_empty() { "a member" } else { peer.person.as_str() })
                .collect();
            let before = if ever { "they were before" } else { "they never were" };
            let text = format!("no node is running here, so nobody is reached ({before}): {}", names.join(", "));
            Check::warn("peers", text, "`muster up`")
        } else if !self.around.cut.is_empty() {
            let text = format!("the links to {} are cut, as for a drill: {all}", self.cut_names().join(", "));
            Check::warn("peers", text, "`muster net heal`")
        } else if ever {
            Check::warn("peers", format!("none is reached now: {all}"), "`muster peers` tells more; is the network up?")
        } else {
            let next = "`muster peers add ADDR` with an address that their `muster up` prints";
            Check::warn("peers", format!("no other member was ever reached: {all}"), next)
        };
        let check = Check { text: format!("{prefix}{}", check.text), ..check };
        let team = team.to_string();
        Ok(check.with(json!({ "team": team, "peers": listed, "connected": connected, "ever_reached": ever })))
    }

    /// Said only where a peer answers and turns this device away, having been shown the roster.
    fn refused_check(&self, peers: &[Peer]) -> Option<Check> {
        let refusing: Vec<&Peer> = peers.iter().filter(|peer| self.around.refusing.contains(&peer.device)).collect();
        if refusing.is_empty() {
            return None;
        }
        let names: BTreeSet<&str> = refusing.iter().map(|peer| peer.person.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let text =
            format!("turned away by the node of {}, which does not take this device for a member", names.join(", "));
        let next = "ask an admin what `muster team show` says there: was this device removed? a new ticket lets it in again; \
                    where they only lack news, `muster bundle write` carries them";
        let devices: Vec<String> = refusing.iter().map(|peer| peer.device.to_string()).collect();
        Some(Check::warn("refused", text, next).with(json!({ "by": devices })))
    }

    /// By which way a peer is reached.
    fn path(&self, peer: &Peer) -> String {
        let way = self.around.paths.get(&peer.device).filter(|_| peer.connected);
        way.map_or_else(|| if peer.connected { "connected" } else { "none" }.to_owned(), ToString::to_string)
    }

    /// Whether anything here was written by another device: then there was a way to it once.
    fn has_entries_of_others(&self, team: &TeamId) -> Result<bool, Failure> {
        let me = self.replica.device();
        let ledger = self.replica.ledger(team)?;
        Ok(ledger.dags().any(|(_, dag)| dag.entries().any(|entry| entry.key() != me)))
    }
}

fn told(peer: &Peer, path: &str, now: Timestamp) -> String {
    let heard = match peer.last_heard {
        Some(at) => format!("heard {}", when::ago(at, now)),
        None => "not heard since the node started".into(),
    };
    let person = if peer.person.is_empty() { "a member" } else { &peer.person };
    let path = match path {
        "none" => "not reached",
        path => path,
    };
    format!("{person} {path}, {heard}")
}
