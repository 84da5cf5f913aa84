//! What must hold, always and at the end. Here is the judge; it changes nothing but documents' caches.

use crate::failure::Wrong;
use crate::node::Node;
use crate::outsiders::might_once_hold;
use crate::record::{standing, was_redacted};
use crate::world::World;
use muster_log::fact::{Capability, Fact};
use muster_log::{DagId, DeviceKey, Entry, EntryId, IncidentId, PersonId, TeamId};
use muster_replica::{Peer, Replica, ReplicaError};
use muster_store::{MemoryStore, Storage};
use std::collections::BTreeMap;

/// Entries whose holders are looked at, per node and look.
const HOLDERS_ASKED: usize = 4;

/// Characters shown around the place where two views differ.
const SHOWN_CHARS: usize = 120;

/// Newest lines that are held against the end of the whole timeline.
const NEWEST: usize = 20;

/// What stands in the row of an entry of a kind that is not known.
const NEEDS_NEWER: &str = "needs a newer muster";

/// What a node shows, by what it is.
pub(crate) type Shown = BTreeMap<String, String>;

/// What a view is made of: where two nodes have the same, they show the same.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Basis {
    incident: IncidentId,
    heads: Vec<EntryId>,
    roster_heads: Vec<EntryId>,
    missing_bodies: Vec<EntryId>,
}

impl World {
    /// What was acknowledged is there, in memory and on disk, with its body, if nobody redacted that.
    pub(crate) fn check_promises(&self, n: usize) -> Result<(), Wrong> {
        let node = &self.nodes[n];
        let Some(replica) = &node.replica else { return Ok(()) };
        for promise in &node.promised {
            let entry = replica.ledger(&promise.team).ok().and_then(|ledger| ledger.entry(&promise.entry));
            let on_disk = holds(node.disk(), &promise.entry);
            let has_body = |reference: muster_log::BodyRef| matches!(node.disk().body(&reference.hash), Ok(Some(_)));
            let is_redacted = replica.is_redacted(&promise.team, &promise.entry);
            // Whose redaction counts no more has been obeyed all the same.
            let was_redacted = || self.decides && was_redacted(replica, &promise.entry);
            let is_whole =
                entry.is_some_and(|entry| is_redacted || entry.body().is_none_or(has_body) || was_redacted());
            if !on_disk || !is_whole {
                return Err(Wrong::Lost { node: n, entry: promise.entry });
            }
        }
        Ok(())
    }

    /// The ledgers hold what the disk holds, in the same order.
    pub(crate) fn check_as_stored(&self, n: usize) -> Result<(), Wrong> {
        let Some(replica) = self.nodes[n].replica.as_ref().filter(|_| !self.nodes[n].is_dirty) else { return Ok(()) };
        let wrong = |what: String| Wrong::NotAsStored { node: n, what };
        for team in replica.teams() {
            let Ok(ledger) = replica.ledger(&team) else { continue };
            let stored = replica.store().dags(&team);
            let held: Vec<DagId> = ledger.dags().map(|(dag, _)| *dag).collect();
            if held.len() != stored.len() {
                return Err(wrong(format!("{} incidents in memory, {} on disk", held.len(), stored.len())));
            }
            for dag in stored {
                let entries = replica.store().entries(&dag).map_err(|error| wrong(error.to_string()))?;
                let order = ledger.dag(&dag).map_or(&[][..], |dag| dag.order());
                if !entries.iter().map(|stored| &stored.id).eq(order) {
                    return Err(wrong(format!(
                        "{} entries of {dag} in memory, {} on disk",
                        order.len(),
                        entries.len()
                    )));
                }
            }
        }
        Ok(())
    }

    /// Keeps what a node shows before it goes down, to be compared once it is up again. What is not committed may vanish,
    /// so there is nothing to compare then.
    pub(crate) fn remember(&mut self, n: usize) -> Result<(), Wrong> {
        let node = &mut self.nodes[n];
        node.shown = if node.is_dirty { None } else { shown(n, node)? };
        Ok(())
    }

    pub(crate) fn check_restart(&mut self, n: usize) -> Result<(), Wrong> {
        let Some(before) = self.nodes[n].shown.take() else { return Ok(()) };
        let after = shown(n, &mut self.nodes[n])?.unwrap_or_default();
        let keys: Vec<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let (before, after) = (before.get(key), after.get(key));
            if before != after {
                let none = "nothing".to_owned();
                let what = difference(before.unwrap_or(&none), after.unwrap_or(&none));
                return Err(Wrong::ChangedByRestart { node: n, what: format!("{key}: {what}") });
            }
        }
        Ok(())
    }

    /// Looks at everything that must hold at any time.
    pub(crate) fn look(&mut self) -> Result<(), Wrong> {
        for n in self.honest() {
            self.check_promises(n)?;
            self.check_as_stored(n)?;
            self.check_privacy(n)?;
            self.check_holders(n)?;
            self.check_kept(n)?;
        }
        self.check_views(false)
    }

    /// An incident is held by those who may hold it and by nobody else.
    fn check_privacy(&self, n: usize) -> Result<(), Wrong> {
        let Some(replica) = &self.nodes[n].replica else { return Ok(()) };
        for team in replica.teams() {
            let Ok(ledger) = replica.ledger(&team) else { continue };
            for incident in ledger.incidents() {
                let me = ledger.roster().person_of(&replica.device());
                let named = me.map_or(!ledger.is_private(&incident), |me| ledger.may_hold(&me, &incident))
                    || self.decides && might_once_hold(ledger, &replica.device(), &incident);
                // What a liar may read it may copy.
                if !named && !self.is_known_to_liars(ledger, &incident) {
                    return Err(Wrong::Leaked { node: n, incident });
                }
            }
        }
        Ok(())
    }

    /// Whoever is shown to hold an entry has it on disk.
    fn check_holders(&mut self, n: usize) -> Result<(), Wrong> {
        let Some(replica) = self.nodes[n].replica.as_ref().filter(|_| !self.nodes[n].is_dirty) else { return Ok(()) };
        for team in replica.teams() {
            let Ok(ledger) = replica.ledger(&team) else { continue };
            let dags: Vec<&[EntryId]> = ledger.dags().map(|(_, dag)| dag.order()).collect();
            for _ in 0..HOLDERS_ASKED {
                let Some(entry) = self.rng.pick(&dags).and_then(|order| self.rng.pick(order)) else { continue };
                let mut holders: Vec<DeviceKey> =
                    replica.holders(&team, entry).unwrap_or_default().into_iter().collect();
                self.mistake_holders(n, &mut holders);
                let holders = holders.iter().filter_map(|key| self.number_of(key)).filter(|n| !self.is_liar(*n));
                for holder in holders {
                    if !holds(self.nodes[holder].disk(), entry) {
                        return Err(Wrong::FalseHolder { node: n, holder, entry: *entry });
                    }
                }
            }
        }
        Ok(())
    }

    /// Equal sets give byte-equal views. Not everybody looks at everything each time, so that documents are brought up to
    /// date in steps of all sizes.
    fn check_views(&mut self, everything: bool) -> Result<(), Wrong> {
        let Some(team) = self.team else { return Ok(()) };
        let mut seen: BTreeMap<Basis, (usize, String)> = BTreeMap::new();
        for n in self.honest() {
            let Some(replica) = &mut self.nodes[n].replica else { continue };
            let Ok(ledger) = replica.ledger(&team) else { continue };
            for incident in ledger.incidents().collect::<Vec<_>>() {
                if !everything && self.rng.chance(500) {
                    continue;
                }
                let mut view = view(n, replica, team, incident)?;
                if self.decides {
                    let Ok(ledger) = replica.ledger(&team) else { continue };
                    view.push_str(&standing(ledger, &incident));
                }
                let basis = basis(replica, team, incident);
                match seen.get(&basis) {
                    None => drop(seen.insert(basis, (n, view))),
                    Some((_, other)) if *other == view => self.tally.compared += 1,
                    Some((one, other)) => {
                        let what = difference(other, &view);
                        return Err(Wrong::ViewsDiffer { one: *one, other: n, incident, what });
                    }
                }
            }
        }
        Ok(())
    }

    /// How the replicas differ, in words; `None` where all is as it must be in the end.
    pub(crate) fn disagreement(&self) -> Option<String> {
        let team = self.team?;
        if self.decides {
            return self.disagreement_of_those_together(team);
        }
        for (n, node) in self.nodes.iter().enumerate().take(self.honest().len()) {
            let Some(replica) = &node.replica else { return Some(format!("node {n} is down")) };
            if replica.person_in(&team).is_none() {
                return Some(format!("node {n} is no member yet"));
            }
            if let Some(incident) = left_behind(replica, team) {
                return Some(format!("incident {incident} of node {n} did not come along"));
            }
        }
        let honest = &self.nodes[self.honest()];
        let ledgers: Vec<_> = honest.iter().filter_map(|node| node.replica.as_ref()?.ledger(&team).ok()).collect();
        let roster_heads = ledgers.first()?.roster_heads();
        if let Some(n) = ledgers.iter().position(|ledger| ledger.roster_heads() != roster_heads) {
            return Some(format!("nodes 0 and {n} hold different rosters"));
        }
        for (n, ledger) in ledgers.iter().enumerate() {
            for incident in ledger.incidents() {
                let names = ledger.names(&incident);
                let heads = ledger.dag(&incident.into())?.heads();
                let here = ledger.roster().person_of(&self.nodes[n].key)?;
                if !ledger.may_hold(&here, &incident) {
                    continue; // a liar copied it; nobody will bring the rest
                }
                let is_guest = |person: &PersonId| ledger.roster().guest_of(person).is_some();
                for (other, theirs) in ledgers.iter().enumerate() {
                    let person = theirs.roster().person_of(&self.nodes[other].key)?;
                    // A private incident goes no way but from one who is named to another, and guests have no gossip.
                    let is_direct = names.is_some() || is_guest(&here) || is_guest(&person);
                    if is_direct && !self.is_neighbour(n, other) || !ledger.may_hold(&person, &incident) {
                        continue;
                    }
                    if theirs.dag(&incident.into()).map(|dag| dag.heads()).as_ref() != Some(&heads) {
                        return Some(format!("nodes {n} and {other} hold different entries of incident {incident}"));
                    }
                }
            }
        }
        let lacks_body = |node: &Node| {
            let replica = node.replica.as_ref()?;
            let ledger = replica.ledger(&team).ok()?;
            let lacking =
                |dag: &DagId| missing_bodies(replica, team, dag).into_iter().find(|id| self.is_lacking(&team, dag, id));
            ledger.dags().find_map(|(dag, _)| lacking(dag))
        };
        let lacking = honest.iter().enumerate().find_map(|(n, node)| Some((n, lacks_body(node)?)));
        lacking.map(|(n, entry)| format!("node {n} lacks the body of entry {entry}"))
    }

    /// Once all agree and are quiet: everything that must hold then.
    pub(crate) fn check_end(&mut self) -> Result<(), Wrong> {
        self.look()?;
        self.check_views(true)?;
        self.check_standing()?;
        let Some(team) = self.team else { return Ok(()) };
        match self.decides {
            true => self.check_decided(team)?,
            false => self.check_statuses()?,
        }
        self.check_newer(team)?;
        for n in 0..self.nodes.len() {
            // Derived anew from the disk, everything looks the same.
            self.remember(n)?;
            self.nodes[n].stop(true);
            self.start(n)?;
        }
        let verifier = self.rng.index(self.honest().len());
        if let Some(replica) = &self.nodes[verifier].replica {
            let found = replica
                .verify(muster_replica::VerifyScope { incident: None, every: true })
                .map_err(|error| failed(verifier, "verify", &error))?;
            if let Some((entry, what)) = found.problems.first() {
                return Err(Wrong::Unverified { node: verifier, entry: *entry, what: what.clone() });
            }
        }
        let Some(Ok(ledger)) = self.nodes[0].replica.as_ref().map(|replica| replica.ledger(&team)) else {
            return Ok(());
        };
        self.tally.entries += ledger.len() as u64;
        for node in &self.nodes {
            let carried = node.replica.as_ref().and_then(|replica| replica.carried().ok());
            self.tally.carried += carried.map_or(0, |carried| carried.len() as u64);
        }
        Ok(())
    }

    /// What only a newer version understands is there on every node, and shown as that.
    fn check_newer(&mut self, team: TeamId) -> Result<(), Wrong> {
        for n in self.honest() {
            let Some(replica) = &mut self.nodes[n].replica else { continue };
            let Ok(ledger) = replica.ledger(&team) else { continue };
            let is_newer =
                |entry: &&Entry| matches!(Fact::parse(entry.kind(), &entry.items().fields), Ok(Fact::Opaque));
            let count = |incident: IncidentId| {
                ledger.dag(&incident.into()).map_or(0, |dag| dag.entries().filter(is_newer).count())
            };
            let all: Vec<(IncidentId, usize)> = ledger
                .incidents()
                .map(|incident| (incident, count(incident)))
                .filter(|(_, newer)| *newer > 0)
                .collect();
            for (incident, newer) in all {
                let shown = view(n, replica, team, incident)?.matches(NEEDS_NEWER).count();
                if shown != newer {
                    let error = format!("{newer} entries of a newer version in {incident}, {shown} are shown as that");
                    return Err(Wrong::Failed { node: n, doing: "show what is newer", error });
                }
                self.tally.newer += newer as u64;
            }
        }
        Ok(())
    }

    /// Nobody believes that anything is missing anywhere.
    fn check_standing(&self) -> Result<(), Wrong> {
        let Some(team) = self.team else { return Ok(()) };
        for (n, node) in self.nodes.iter().enumerate().take(self.honest().len()) {
            let Some(replica) = &node.replica else { continue };
            if self.decides && replica.person_in(&team).is_none() {
                continue; // never came in, or is out
            }
            let peers = replica.peers(&team).map_err(|error| failed(n, "tell its peers", &error))?;
            let is_honest_neighbour = |peer: &Peer| {
                self.number_of(&peer.device).is_some_and(|other| {
                    let is_in = !self.decides || self.are_together(n, other, team);
                    !self.is_liar(other) && is_in && self.is_neighbour(n, other)
                })
            };
            for peer in peers.into_iter().filter(is_honest_neighbour) {
                let nothing_missing = peer.missing_here == Some(0) && peer.missing_there == Some(0);
                if !peer.connected || !nothing_missing {
                    let what = format!("node {n} takes a peer's standing to be {peer:?}");
                    return Err(Wrong::QuietApart { what });
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn failed(node: usize, doing: &'static str, error: &ReplicaError) -> Wrong {
    Wrong::Failed { node, doing, error: error.to_string() }
}

fn holds(disk: &MemoryStore, entry: &EntryId) -> bool {
    disk.contains(entry).unwrap_or(false)
}

pub(crate) fn view(
    n: usize,
    replica: &mut Replica<MemoryStore>,
    team: TeamId,
    incident: IncidentId,
) -> Result<String, Wrong> {
    let view = replica.view(team, incident).map_err(|error| failed(n, "show an incident", &error))?;
    let newest = replica.newest(team, incident, NEWEST).map_err(|error| failed(n, "show the newest lines", &error))?;
    if newest != view.timeline[view.timeline.len().saturating_sub(NEWEST)..] {
        return Err(Wrong::Failed {
            node: n,
            doing: "show the newest lines",
            error: format!("they are not the end of the timeline of {incident}"),
        });
    }
    serde_json::to_string(&view).map_err(|error| Wrong::Failed {
        node: n,
        doing: "write a view",
        error: error.to_string(),
    })
}

fn basis(replica: &Replica<MemoryStore>, team: TeamId, incident: IncidentId) -> Basis {
    let dag = DagId::from(incident);
    let ledger = replica.ledger(&team).ok();
    let mut missing = missing_bodies(replica, team, &dag);
    missing.extend(missing_bodies(replica, team, &DagId::from(team)));
    Basis {
        incident,
        heads: ledger.and_then(|ledger| ledger.dag(&dag)).map(|dag| dag.heads()).unwrap_or_default(),
        roster_heads: ledger.map(|ledger| ledger.roster_heads()).unwrap_or_default(),
        missing_bodies: missing,
    }
}

/// Entries whose bodies are not here and not redacted, sorted.
pub(crate) fn missing_bodies(replica: &Replica<MemoryStore>, team: TeamId, dag: &DagId) -> Vec<EntryId> {
    let Some(dag) = replica.ledger(&team).ok().and_then(|ledger| ledger.dag(dag)) else { return Vec::new() };
    let lacks = |entry: &&muster_log::Entry| {
        entry.body().is_some_and(|reference| !matches!(replica.store().body(&reference.hash), Ok(Some(_))))
    };
    let lacking = dag.entries().filter(lacks).map(muster_log::Entry::id);
    let mut missing: Vec<EntryId> = lacking.filter(|id| !replica.is_redacted(&team, id)).collect();
    missing.sort_unstable();
    missing
}

/// An incident declared alone that has not come along, though its author may write in the team.
pub(crate) fn left_behind(replica: &Replica<MemoryStore>, team: TeamId) -> Option<IncidentId> {
    let roster = replica.ledger(&team).ok()?.roster();
    let capability = roster.person_of(&replica.device()).and_then(|person| roster.capability(&person));
    if capability < Some(Capability::Responder) || replica.is_guest_in(&team) {
        return None;
    }
    let own = replica.incidents().unwrap_or_default();
    own.into_iter().find(|(of, _)| *of != team).map(|(_, incident)| incident)
}

/// Everything a node shows.
fn shown(n: usize, node: &mut Node) -> Result<Option<Shown>, Wrong> {
    let Some(replica) = &mut node.replica else { return Ok(None) };
    let incidents = replica.incidents().map_err(|error| failed(n, "list incidents", &error))?;
    let mut all = Shown::new();
    all.insert("teams".to_owned(), format!("{:?} {:?}", replica.teams(), replica.current_team()));
    all.insert("carried".to_owned(), format!("{:?}", replica.carried()));
    for (team, incident) in incidents {
        all.insert(format!("incident {incident}"), view(n, replica, team, incident)?);
    }
    Ok(Some(all))
}

/// Where two texts part, with a little of both.
pub(crate) fn difference(one: &str, other: &str) -> String {
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let part =
        |text: &str| -> String { text.chars().skip(same.saturating_sub(SHOWN_CHARS / 2)).take(SHOWN_CHARS).collect() };
    format!("`{}` and `{}`", part(one), part(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_from_shortly_before_it() {
        assert_eq!(difference("abc", "abd"), "`abc` and `abd`");
        let long = "x".repeat(500);
        assert!(difference(&format!("{long}1"), &format!("{long}2")).contains("xx1` and `xx"));
    }
}
