//! Who is out of the team, and what that means for what must hold: those who name each other agree, nobody is told what
//! they may not have, and what somebody once had they keep.

use crate::check::{failed, left_behind, missing_bodies};
use crate::failure::Wrong;
use crate::world::World;
use muster_log::fact::{IncidentFact, RosterFact, What};
use muster_log::{
    DagId, DeviceKey, Entry, EntryId, Fact, IncidentId, Ledger, PersonId, Removal, Standing, Status, Taken, TeamId,
};
use muster_store::Storage;
use muster_sync::frame::{Frame, TeamPrefix};
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// Whom a node no longer takes for a member it tells nothing, and nobody of an incident that they may not hold.
    pub(crate) fn check_told(&self, from: usize, to: usize, frame: &[u8]) -> Result<(), Wrong> {
        let (Some(team), Some(replica)) = (self.team.filter(|_| self.decides), &self.nodes[from].replica) else {
            return Ok(());
        };
        let kind = frame.get(1).copied().unwrap_or_default();
        let is_of_team = muster_sync::frame::team_of(frame) == Some(TeamPrefix::from(team));
        if self.is_liar(from) || !is_of_team {
            return Ok(());
        }
        let Ok(ledger) = replica.ledger(&team) else { return Ok(()) };
        // Before the roster has come the ticket says whom to speak with.
        if replica.person_in(&team).is_none() && !replica.was_removed_from(&team) {
            return Ok(());
        }
        let told = |what: String| Err(Wrong::ToldOutsider { node: from, peer: to, kind, what });
        let dag = match Frame::decode(frame, team.into()) {
            // What a peer may no longer see is withdrawn.
            Ok(Frame::Heads(heads)) if heads.heads.is_empty() => DagId::from(team),
            Ok(Frame::Heads(heads)) => heads.dag,
            Ok(Frame::Have(have)) => have.dag,
            // An empty chunk is the answer to whoever asks for what is not here.
            Ok(Frame::Entries(dag, chunk)) if !chunk.signatures.is_empty() => dag,
            // WANT and ACK answer what the peer itself offered, MISSING says that nothing is here, and by INDEX the incidents are compared that it may see.
            _ => DagId::from(team),
        };
        let incident = IncidentId::of_genesis(dag.genesis());
        let person = ledger.roster().person_of(&self.nodes[to].key);
        let may_hold = person.is_some_and(|person| ledger.may_hold(&person, &incident));
        // That somebody is out is told in the roster, to them too.
        if dag == DagId::from(team) || may_hold || ledger.dag(&dag).is_none() {
            return Ok(());
        }
        match person {
            // Said before the removal came, and sent with what came of it.
            None if self.nodes[from].members.contains(&self.nodes[to].key) => Ok(()),
            None => told(format!("{dag:?}: it is out of the team")),
            Some(person) => told(format!("{person} may not hold {incident}")),
        }
    }

    /// How nodes differ that are in the team by each other's rosters; `None` where all is as it must be in the end.
    pub(crate) fn disagreement_of_those_together(&self, team: TeamId) -> Option<String> {
        for n in self.honest() {
            let Some(replica) = &self.nodes[n].replica else { return Some(format!("node {n} is down")) };
            let others = self.honest().filter(|other| *other != n && self.are_together(n, *other, team)).count();
            // Somebody who is out may declare alone again, and be in once more without joining.
            let coming = replica.coming_to(&team).unwrap_or_default();
            if let Some(incident) = left_behind(replica, team).filter(|it| others > 0 && coming.contains(it)) {
                return Some(format!("incident {incident} of node {n} did not come along"));
            }
        }
        if let Some(turned_away) = self.wrongly_turned_away(team) {
            return Some(turned_away);
        }
        for a in self.honest() {
            for b in self.honest().filter(|b| *b != a && self.are_together(a, *b, team)) {
                if let Some(difference) = self.difference_of(a, b, team) {
                    return Some(difference);
                }
            }
        }
        None
    }

    fn difference_of(&self, a: usize, b: usize, team: TeamId) -> Option<String> {
        let (one, other) = (self.nodes[a].replica.as_ref()?, self.nodes[b].replica.as_ref()?);
        let (ours, theirs) = (one.ledger(&team).ok()?, other.ledger(&team).ok()?);
        if ours.roster_heads() != theirs.roster_heads() {
            return Some(format!("nodes {a} and {b} hold different rosters"));
        }
        let persons = [a, b].map(|n| ours.roster().person_of(&self.nodes[n].key));
        let [Some(here), Some(there)] = persons else { return None };
        let is_guest = [here, there].iter().any(|person| ours.roster().guest_of(person).is_some());
        for incident in ours.incidents() {
            let dag = DagId::from(incident);
            if !ours.may_hold(&here, &incident) || !ours.may_hold(&there, &incident) {
                continue;
            }
            let is_direct = ours.names(&incident).is_some() || is_guest;
            if is_direct && !self.is_neighbour(a, b) {
                continue;
            }
            if theirs.dag(&dag).map(|dag| dag.heads()) != ours.dag(&dag).map(|dag| dag.heads()) {
                return Some(format!("nodes {a} and {b} hold different entries of incident {incident}"));
            }
            let lacking = missing_bodies(other, team, &dag).into_iter().find(|id| {
                let body = ours.entry(id).and_then(Entry::body);
                let is_here = body.is_some_and(|body| matches!(one.store().body(&body.hash), Ok(Some(_))));
                is_here && !one.is_redacted(&team, id)
            });
            if let Some(entry) = lacking {
                return Some(format!("node {b} lacks the body of entry {entry}, which node {a} has"));
            }
        }
        None
    }

    /// Who was taken out and did not come back has nothing that was written by somebody who knew of it.
    fn check_unheard(&self, team: TeamId) -> Result<(), Wrong> {
        for n in self.honest() {
            let (Some(replica), key) = (&self.nodes[n].replica, self.nodes[n].key) else { continue };
            let Ok(ledger) = replica.ledger(&team) else { continue };
            let mut rosters: BTreeMap<Vec<EntryId>, bool> = BTreeMap::new();
            if self.is_back(n, team) {
                continue;
            }
            for incident in ledger.incidents() {
                let Some(dag) = ledger.dag(&incident.into()) else { continue };
                for entry in dag.entries().filter(|entry| entry.key() != key) {
                    let heads = entry.items().roster_heads.clone();
                    let names = *rosters.entry(heads).or_insert_with_key(|heads| {
                        roster_of(ledger, heads).is_none_or(|known| !is_removed(&known, &key))
                    });
                    if !names {
                        let what = format!("entry {} of {incident} was written by who knew that it is out", entry.id());
                        return Err(Wrong::ToldOutsider { node: n, peer: n, kind: 7, what });
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether somebody takes a device for a member, or once did so again: it came twice, was added, or its removal did not
    /// count.
    fn is_back(&self, n: usize, team: TeamId) -> bool {
        let key = self.nodes[n].key;
        let all = self.honest().filter_map(|other| self.nodes[other].replica.as_ref()?.ledger(&team).ok());
        all.into_iter().any(|ledger| {
            let roster = ledger.dag(&DagId::from(team)).into_iter().flat_map(|dag| dag.entries());
            let comings = roster
                .filter(|entry| match ledger.fact(&entry.id()) {
                    Some(Fact::Roster(RosterFact::Join { .. } | RosterFact::TeamCreate { .. })) => entry.key() == key,
                    Some(Fact::Roster(RosterFact::AddDevice { device, .. })) => device == key,
                    _ => false,
                })
                .count();
            let is_doubtful = ledger.removals().iter().any(|removal| removal.standing != Standing::Counts);
            comings > 1 || is_doubtful
        }) || self.honest().any(|other| other != n && self.are_together(n, other, team))
    }

    /// The roster is everybody's: no honest device's removal names a private incident there. A recovery key's may.
    fn check_unnamed(&self, team: TeamId) -> Result<(), Wrong> {
        for n in self.honest() {
            let Some(Ok(ledger)) = self.nodes[n].replica.as_ref().map(|replica| replica.ledger(&team)) else {
                continue;
            };
            let roster = ledger.dag(&DagId::from(team)).into_iter().flat_map(|dag| dag.entries());
            for entry in roster {
                let frontier = match ledger.fact(&entry.id()) {
                    Some(Fact::Roster(RosterFact::Revoke { frontier, .. } | RosterFact::Cut { frontier, .. })) => {
                        frontier
                    }
                    _ => continue,
                };
                let is_honest = self.number_of(&entry.key()).is_some_and(|author| !self.is_liar(author));
                let private = frontier.iter().find(|(incident, _)| ledger.is_private(incident));
                if let (true, Some((incident, _))) = (is_honest, private) {
                    let what = format!("removal {} names {incident}, which is private", entry.id());
                    return Err(Wrong::ToldOutsider { node: n, peer: n, kind: 2, what });
                }
            }
        }
        Ok(())
    }

    /// Nobody honest forks, whoever decides what; and how much was decided.
    pub(crate) fn check_decided(&mut self, team: TeamId) -> Result<(), Wrong> {
        self.check_unheard(team)?;
        self.check_unnamed(team)?;
        let mut discounted: BTreeSet<EntryId> = BTreeSet::new();
        let (mut counted, mut overruled) = (BTreeSet::new(), BTreeSet::new());
        for n in self.honest() {
            let Some(Ok(ledger)) = self.nodes[n].replica.as_ref().map(|replica| replica.ledger(&team)) else {
                continue;
            };
            for incident in ledger.incidents() {
                for (id, status) in ledger.statuses(&incident) {
                    let author = ledger.entry(&id).and_then(|entry| self.number_of(&entry.key()));
                    if status == Status::Forked && author.is_some_and(|author| !self.is_liar(author)) {
                        return Err(Wrong::Discredited { node: n, entry: id, status: status.word() });
                    }
                    if status != Status::Active {
                        discounted.insert(id);
                    }
                }
            }
            for removal in ledger.removals() {
                match removal.standing {
                    Standing::Counts => drop(counted.insert(removal.id)),
                    Standing::Overruled => drop(overruled.insert(removal.id)),
                    Standing::NeedsSecond => {}
                }
            }
        }
        let decisions = &mut self.tally.decisions;
        decisions.discounted += discounted.len() as u64;
        decisions.counted += counted.len() as u64;
        decisions.overruled += overruled.len() as u64;
        let is_alone = |n: &usize| !self.honest().any(|other| other != *n && self.are_together(*n, other, team));
        self.tally.decisions.outsiders += self.honest().filter(is_alone).count() as u64;
        for n in self.honest() {
            self.check_orders(n, team).map_err(|error| match error {
                Ok(wrong) => wrong,
                Err(error) => failed(n, "show its record in another order", &error),
            })?;
        }
        Ok(())
    }
}

/// Whether a device is out of the team and was in it before.
fn is_removed(ledger: &Ledger, device: &DeviceKey) -> bool {
    let names = |removal: &Removal| match &removal.taken {
        Taken::Devices { devices, .. } => devices.contains(device),
        Taken::Capability { .. } => false,
    };
    ledger.roster().person_of(device).is_none() && ledger.removals().iter().any(names)
}

/// A ledger of the roster up to these heads.
fn roster_of(ledger: &Ledger, heads: &[EntryId]) -> Option<Ledger> {
    let roster = ledger.dag(&DagId::from(ledger.team()))?;
    let mut part = Ledger::new(ledger.team());
    let is_known = |entry: &&Entry| heads.iter().any(|head| *head == entry.id() || roster.is_past(&entry.id(), head));
    roster.entries().filter(is_known).try_for_each(|entry| part.restore(entry.clone())).ok()?;
    Some(part)
}

/// Whether a device could once hold an incident, as somebody who is or was in the team.
pub(crate) fn might_once_hold(ledger: &Ledger, device: &DeviceKey, incident: &IncidentId) -> bool {
    let Some(roster) = ledger.dag(&DagId::from(ledger.team())) else { return false };
    let invited = invitations(ledger);
    let person_of = |entry: &Entry| match ledger.fact(&entry.id()) {
        Some(Fact::Roster(RosterFact::TeamCreate { .. } | RosterFact::Join { .. })) if entry.key() == *device => {
            Some(PersonId::of_genesis(entry.id()))
        }
        Some(Fact::Roster(RosterFact::AddDevice { device: added, .. })) if added == *device => {
            ledger.person(&entry.id())
        }
        _ => None,
    };
    let persons: BTreeSet<PersonId> = roster.entries().filter_map(person_of).collect();
    let was_admitted = |person: &PersonId| {
        let entries = ledger.dag(&DagId::from(*incident)).into_iter().flat_map(|dag| dag.entries());
        let names = |entry: &Entry| match ledger.fact(&entry.id()) {
            Some(Fact::Incident(IncidentFact { what: What::Admit { person: admitted }, .. })) => admitted == *person,
            _ => false,
        };
        entries.into_iter().any(names)
    };
    let names = ledger.names(incident);
    persons.iter().any(|person| {
        let by_itself = match &names {
            Some(names) => names.contains(person),
            None => invited.get(person).is_some_and(|of| of.is_none_or(|of| of == *incident)),
        };
        by_itself || was_admitted(person)
    })
}

/// Everybody who ever came, with the incident that they came for, where that is one.
fn invitations(ledger: &Ledger) -> BTreeMap<PersonId, Option<IncidentId>> {
    let Some(roster) = ledger.dag(&DagId::from(ledger.team())) else { return BTreeMap::new() };
    let invitation = |entry: &Entry| {
        let incident = match ledger.fact(&entry.id())? {
            Fact::Roster(RosterFact::TeamCreate { .. }) => None,
            Fact::Roster(RosterFact::Join { .. }) => match ledger.fact(entry.items().deps.first()?)? {
                Fact::Roster(RosterFact::Invite { incident, .. }) => incident,
                _ => return None,
            },
            _ => return None,
        };
        Some((PersonId::of_genesis(entry.id()), incident))
    };
    roster.entries().filter_map(invitation).collect()
}
