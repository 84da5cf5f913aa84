//! Who is known to hold what: receipts, and what follows from them. For people; decides nothing.
//!
//! Whoever holds an entry holds its past, and whoever wrote one held it then. What nobody has said is unknown, which is not
//! the same as lacking.

use crate::error::ReplicaError;
use crate::replica::Replica;
use crate::team::{Team, person_may_see, speaks_of};
use muster_log::{Dag, DagId, DeviceKey, Entry, EntryId, IncidentId, Kind, TeamId};
use muster_store::Storage;
use std::collections::{BTreeMap, BTreeSet};

/// Of one DAG: what each other device that may see it is not known to hold.
#[derive(Debug, Clone, Default)]
pub struct Holding {
    me: Option<DeviceKey>,
    unheld: BTreeMap<DeviceKey, BTreeSet<EntryId>>,
}

impl Holding {
    /// The devices known to hold an entry of the DAG, this one among them.
    pub fn holders<'a>(&'a self, id: &'a EntryId) -> impl Iterator<Item = DeviceKey> + 'a {
        let others = self.unheld.iter().filter(|(_, unheld)| !unheld.contains(id)).map(|(device, _)| *device);
        self.me.into_iter().chain(others)
    }

    /// The devices that may hold an entry of the DAG and are not known to.
    pub fn not_known_to_hold<'a>(&'a self, id: &'a EntryId) -> impl Iterator<Item = DeviceKey> + 'a {
        self.unheld.iter().filter(|(_, unheld)| unheld.contains(id)).map(|(device, _)| *device)
    }

    /// How many devices may hold the DAG, this one among them.
    pub fn devices(&self) -> usize {
        self.unheld.len() + usize::from(self.me.is_some())
    }
}

impl<S: Storage> Replica<S> {
    /// Who is known to hold what of one DAG.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`].
    pub fn holding(&self, team: &TeamId, dag: &DagId) -> Result<Holding, ReplicaError> {
        let state = self.teams.get(team).ok_or(ReplicaError::NoSuchTeam(*team))?;
        let Some(graph) = state.ledger.dag(dag) else { return Ok(Holding::default()) };
        let me = self.device();
        let others = state.ledger.roster().members().into_iter().filter(|device| *device != me);
        let seeing = others.filter(|device| *dag == DagId::from(*team) || person_may_see(&state.ledger, dag, device));
        let unheld = seeing.map(|device| (device, state.unheld_by(&device, graph).into_iter().collect())).collect();
        Ok(Holding { me: Some(me), unheld })
    }

    /// Entries of an incident that no other device is known to hold, oldest first.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`].
    pub fn only_here(&self, team: &TeamId, incident: &IncidentId) -> Result<Vec<EntryId>, ReplicaError> {
        let state = self.teams.get(team).ok_or(ReplicaError::NoSuchTeam(*team))?;
        let graph = state.ledger.dag(&DagId::from(*incident));
        Ok(graph.map(|graph| state.only_here(graph, &self.device())).unwrap_or_default())
    }
}

impl Team {
    /// What of a DAG no other device than `me` is known to hold durably, oldest first.
    pub(crate) fn only_here(&self, graph: &Dag, me: &DeviceKey) -> Vec<EntryId> {
        let others = self.receipts.iter().filter(|(peer, _)| *peer != me);
        let held = others.filter_map(|(_, held)| held.get(&graph.id())).flatten().copied().collect();
        unheld(graph, held, |entry| entry.key() != *me)
    }

    /// What of a DAG a device is not known to hold durably, oldest first.
    fn unheld_by(&self, device: &DeviceKey, graph: &Dag) -> Vec<EntryId> {
        let held = self.receipts.get(device).and_then(|held| held.get(&graph.id())).cloned();
        unheld(graph, held.unwrap_or_default(), |entry| entry.key() == *device)
    }

    /// How many entries a device is not known to hold of what it and `me` may see; `None` where it never said anything.
    pub(crate) fn unheld_count(&self, device: &DeviceKey, me: &DeviceKey) -> Option<u64> {
        self.receipts.get(device)?;
        let roster = DagId::from(self.ledger.team());
        let seen = self.ledger.dags().filter(|(dag, _)| **dag == roster || speaks_of(&self.ledger, dag, me, device));
        Some(seen.map(|(_, graph)| self.unheld_by(device, graph).len() as u64).sum())
    }
}

/// What is neither among `held` nor in its past, nor, but for a `join`, in the past of what `wrote` tells to be theirs.
///
/// Looks no further back than something is unheld.
fn unheld(graph: &Dag, mut held: BTreeSet<EntryId>, wrote: impl Fn(&Entry) -> bool) -> Vec<EntryId> {
    let mut open: BTreeSet<EntryId> = graph.heads().into_iter().filter(|head| !held.contains(head)).collect();
    let mut unheld = Vec::new();
    for id in graph.order().iter().rev() {
        if open.is_empty() {
            break;
        }
        let Some(entry) = graph.entry(id) else { continue };
        let is_open = open.remove(id);
        // A newcomer's `join` was carried here as a request; their receipt tells when it is in their store.
        if held.remove(id) || (is_open && entry.kind() != Kind::JOIN && wrote(entry)) {
            for parent in entry.parents() {
                open.remove(&parent);
                held.insert(parent);
            }
        } else if is_open {
            unheld.push(*id);
            open.extend(entry.parents().filter(|parent| !held.contains(parent)));
        }
    }
    unheld.reverse();
    unheld
}
