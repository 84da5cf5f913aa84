//! What others wrote comes in: judged by the ledger, staged for the next commit. The one way in, for links and bundles.

use crate::error::ReplicaError;
use crate::replica::Replica;
use muster_log::ledger::Received;
use muster_log::{Body, DagId, DeviceKey, EntryId, Outcome, Signature, TeamId};
use muster_store::{Storage, Write};
use std::collections::BTreeMap;

impl<S: Storage> Replica<S> {
    /// Hands entries to the ledger and stages what it admits, with the bodies that are missing here.
    pub(crate) fn take_in(
        &mut self,
        team: TeamId,
        sender: Option<DeviceKey>,
        received: Vec<Received>,
        bodies: Vec<(EntryId, Body)>,
        now: crate::Now,
    ) -> Result<Outcome, ReplicaError> {
        let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        let mut outcome = state.ledger.receive(sender, received);
        let mut signatures: BTreeMap<EntryId, Signature> =
            std::mem::take(&mut outcome.signatures).into_iter().collect();
        for id in &outcome.admitted {
            let Some(entry) = self.teams.get(&team).and_then(|state| state.ledger.entry(id)).cloned() else {
                continue;
            };
            self.stage_entry(team, &entry, signatures.remove(id), now)?;
            self.note_came_back(&entry, now)?;
            let me = self.device();
            if let Some(state) = self.teams.get_mut(&team) {
                state.note_late(&entry, now.wall, &me);
            }
        }
        for (entry, signature) in signatures {
            self.stage(Write::Signature { entry, signature })?;
        }
        for (id, body) in bodies {
            let state = self.teams.get(&team);
            let entry = state.and_then(|state| state.ledger.entry(&id)).cloned();
            let missing = |dag: &DagId| state.and_then(|state| state.missing_bodies.get(dag));
            if let Some(entry) = entry.filter(|entry| missing(&entry.dag()).is_some_and(|ids| ids.contains(&id))) {
                self.stage_body(team, &entry, body.bytes().to_vec())?;
            }
        }
        Ok(outcome)
    }
}
