//! Reading: which incidents there are, and one incident's view. Everything shown comes from the document.

use crate::error::ReplicaError;
use crate::local;
use crate::replica::{Now, Replica};
use crate::source::LedgerSource;
use crate::team::{Bodies, Held, Team, speaks_of};
use muster_incident::{Document, People, View, incident_view};
use muster_log::{Body, Dag, DagId, DeviceKey, Entry, EntryId, IncidentId, Kind, TeamId, Timestamp};
use muster_store::Storage;
use std::collections::BTreeSet;

/// A member's device as this node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The person's name as shown.
    pub person: String,
    /// The device.
    pub device: DeviceKey,
    /// Whether a link is open.
    pub connected: bool,
    /// When it was last heard, by this device's clock; unknown since this node started.
    pub last_heard: Option<Timestamp>,
    /// Its clock less ours, in milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// Entries that the peer has and this device lacks; unknown while no link is open.
    pub missing_here: Option<u64>,
    /// Entries that this device has and the peer has not acknowledged; unknown before its first receipt.
    pub missing_there: Option<u64>,
}

impl<S: Storage> Replica<S> {
    /// The teams on this device, by id.
    pub fn teams(&self) -> Vec<TeamId> {
        self.teams.keys().copied().collect()
    }

    /// All incidents with their teams, without those that went along to another team.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn incidents(&self) -> Result<Vec<(TeamId, IncidentId)>, ReplicaError> {
        let mut all = Vec::new();
        for (team, state) in &self.teams {
            for incident in state.incidents() {
                if self.carried_to(incident)? == incident {
                    all.push((*team, incident));
                }
            }
        }
        Ok(all)
    }

    /// The team that holds an incident.
    pub fn team_of(&self, incident: &IncidentId) -> Option<TeamId> {
        let dag = DagId::from(*incident);
        self.teams.iter().find(|(_, state)| state.ledger.dag(&dag).is_some()).map(|(team, _)| *team)
    }

    /// The incident's document and the people in it.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`], [`ReplicaError::NoSuchIncident`], [`ReplicaError::Store`].
    pub fn document(&mut self, team: TeamId, incident: IncidentId) -> Result<(&Document, People), ReplicaError> {
        let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        let people = state.people();
        let bodies = Bodies { store: &self.store, hidden: &state.hidden, staged: &self.staged_bodies };
        Ok((state.documents.get(&incident, &state.ledger, &bodies)?, people))
    }

    /// How often documents were brought up to date or derived since the replica was opened: what a burst of entries costs.
    pub fn document_updates(&self) -> u64 {
        self.teams.values().map(|team| team.documents.updates()).sum()
    }

    /// Everything the interfaces show of one incident.
    ///
    /// # Errors
    /// As [`Replica::document`].
    pub fn view(&mut self, team: TeamId, incident: IncidentId) -> Result<View, ReplicaError> {
        let (document, people) = self.document(team, incident)?;
        Ok(incident_view(document, &people))
    }

    /// The people of a team.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`].
    pub fn people(&self, team: &TeamId) -> Result<People, ReplicaError> {
        Ok(self.teams.get(team).ok_or(ReplicaError::NoSuchTeam(*team))?.people())
    }

    /// The ledger of a team.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`].
    pub fn ledger(&self, team: &TeamId) -> Result<&muster_log::ledger::Ledger, ReplicaError> {
        Ok(&self.teams.get(team).ok_or(ReplicaError::NoSuchTeam(*team))?.ledger)
    }

    /// The incident that commands mean, where one was chosen.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn chosen_incident(&self) -> Result<Option<IncidentId>, ReplicaError> {
        let chosen = self.store.local(local::CHOSEN_INCIDENT)?;
        Ok(chosen.and_then(|text| String::from_utf8(text).ok()?.parse().ok()))
    }

    /// Chooses the incident that commands mean; durable with the next commit.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn choose_incident(&mut self, incident: Option<IncidentId>) -> Result<(), ReplicaError> {
        self.set_local(local::CHOSEN_INCIDENT.to_owned(), incident.map(|id| id.to_string().into_bytes()))
    }

    /// When this device received or wrote an entry.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn received(&self, id: &EntryId) -> Result<Option<Timestamp>, ReplicaError> {
        Ok(self.store.entry(id)?.map(|stored| stored.received))
    }

    /// The other members' devices of a team, by device.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`].
    pub fn peers(&self, team: &TeamId) -> Result<Vec<Peer>, ReplicaError> {
        let state = self.teams.get(team).ok_or(ReplicaError::NoSuchTeam(*team))?;
        let (people, me) = (state.people(), self.device());
        let mut devices = state.ledger.roster().members();
        devices.extend(state.sponsors(&me));
        devices.remove(&me);
        let source = LedgerSource {
            ledger: &state.ledger,
            speaker: Some(me),
            missing_bodies: &state.missing_bodies,
            hidden: &state.hidden,
            store: &self.store,
        };
        let standing = |device: &DeviceKey| state.replicator.standing(device, &source);
        let peer = |device: DeviceKey| Peer {
            person: state.ledger.roster().person_of(&device).map(|p| people.name(&p)).unwrap_or_default(),
            device,
            connected: self.connected.contains(&device),
            last_heard: state.heard.get(&device).map(|heard| heard.at),
            clock_offset_ms: state.heard.get(&device).and_then(|heard| heard.clock_offset_ms),
            missing_here: standing(&device).and_then(|standing| standing.missing_here),
            missing_there: match standing(&device) {
                // The replicator counts what is on its way as held; here it must have shown that it arrived.
                Some(standing) => {
                    standing.missing_there.filter(|missing| *missing > 0 || state.has_shown_all(&device, &me))
                }
                // Away, it holds at least what it last said.
                None => state.unheld_count(&device, &me),
            },
        };
        Ok(devices.into_iter().map(peer).collect())
    }

    /// What somebody typed into an entry, where it is here and not redacted.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`], [`ReplicaError::Store`].
    pub fn text(&self, team: &TeamId, id: &EntryId) -> Result<Option<String>, ReplicaError> {
        let state = self.teams.get(team).ok_or(ReplicaError::NoSuchTeam(*team))?;
        let Some(reference) = state.ledger.entry(id).and_then(Entry::body) else { return Ok(None) };
        let bodies = Bodies { store: &self.store, hidden: &state.hidden, staged: &self.staged_bodies };
        Ok(bodies.get(&reference.hash)?.map(|bytes| Body::read(&bytes).text().to_owned()))
    }

    /// What is kept in memory because of one peer, in one team.
    pub fn kept_for(&self, team: &TeamId, peer: &DeviceKey) -> muster_sync::Kept {
        self.teams.get(team).map(|team| team.replicator.kept_for(peer)).unwrap_or_default()
    }

    /// A sign of life of a peer that brought no frame, such as the answer to a ping.
    pub fn note_heard(&mut self, peer: &DeviceKey, now: Now) {
        let me = self.device();
        for team in self.teams.values_mut().filter(|team| team.admits(peer, &me)) {
            team.heard.entry(*peer).or_default().at = now.wall;
        }
    }

    /// The devices that are known to hold an entry durably, this one among them where it does.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`].
    pub fn holders(&self, team: &TeamId, id: &EntryId) -> Result<BTreeSet<DeviceKey>, ReplicaError> {
        let state = self.teams.get(team).ok_or(ReplicaError::NoSuchTeam(*team))?;
        let mut holders: BTreeSet<DeviceKey> = BTreeSet::new();
        if let Some(entry) = state.ledger.entry(id) {
            holders.insert(self.device());
            // Whoever wrote it has it, unless their disk was lost. A newcomer's `join` was carried here as a request; it
            // comes into their store with the roster, and their receipt tells.
            if entry.kind() != Kind::JOIN {
                holders.insert(entry.key());
            }
            let dag = entry.dag();
            holders.extend(state.receipts.keys().filter(|peer| state.holds(peer, &dag, id)));
        }
        Ok(holders)
    }
}

impl Team {
    /// The people, by the names to show.
    pub(crate) fn people(&self) -> People {
        self.handles.people(&self.ledger)
    }

    /// Whether the peer has sent or acknowledged everything here that it and `me` may see.
    fn has_shown_all(&self, peer: &DeviceKey, me: &DeviceKey) -> bool {
        let roster = DagId::from(self.ledger.team());
        self.ledger.dags().filter(|(dag, _)| **dag == roster || speaks_of(&self.ledger, dag, me, peer)).all(
            |(dag, graph)| {
                let wrote = |head: &EntryId| graph.entry(head).is_some_and(|entry| entry.key() == *peer);
                let sent = |head: &EntryId| covers(self.sent_by.get(peer), graph, head);
                graph.heads().iter().all(|head| wrote(head) || sent(head) || self.holds(peer, dag, head))
            },
        )
    }

    /// Whether a receipt of the peer covers the entry.
    fn holds(&self, peer: &DeviceKey, dag: &DagId, id: &EntryId) -> bool {
        self.ledger.dag(dag).is_some_and(|graph| covers(self.receipts.get(peer), graph, id))
    }
}

/// Whether an entry, or one that builds on it, is among what somebody has.
fn covers(held: Option<&Held>, graph: &Dag, id: &EntryId) -> bool {
    let held = held.and_then(|dags| dags.get(&graph.id()));
    held.is_some_and(|held| held.iter().any(|known| known == id || graph.is_past(id, known)))
}
