//! What others wrote comes in: judged by the ledger, staged for the next commit. The one way in, for links and bundles.

use crate::error::ReplicaError;
use crate::replica::Replica;
use crate::write::{Place, stored};
use muster_log::ledger::Received;
use muster_log::{Body, DagId, DeviceKey, EntryId, Outcome, Signature, TeamId};
use muster_store::{Storage, Write};
use std::collections::{BTreeMap, BTreeSet};

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
        // Of entries that were here without: an entry that waited for its past was admitted when that came, without its text.
        let was_missing = |(id, _): &(EntryId, Body)| state.missing_bodies.values().any(|ids| ids.contains(id));
        let late_bodies: BTreeSet<EntryId> =
            bodies.iter().filter(|body| was_missing(body)).map(|(id, _)| *id).collect();
        let mut outcome = state.ledger.receive(sender, received);
        let mut signatures: BTreeMap<EntryId, Signature> =
            std::mem::take(&mut outcome.signatures).into_iter().collect();
        let me = self.device();
        for id in &outcome.admitted {
            let Some(state) = self.teams.get_mut(&team) else { break };
            let Some(entry) = state.ledger.entry(id) else { continue };
            let (stored, place) = (stored(entry, signatures.remove(id), now), Place::of(entry));
            let own = (entry.key() == me).then(|| entry.clone());
            if state.is_late(entry, now.wall, &me) {
                state.late.entry(place.dag).or_default().push(*id);
            }
            self.stage_stored(team, stored, place.body.is_some())?;
            if let Some(own) = own {
                self.note_came_back(&own, now)?;
            }
        }
        // Before the bodies: what is redacted is not taken.
        self.hide(team, &outcome.admitted)?;
        for (entry, signature) in signatures {
            self.stage(Write::Signature { entry, signature })?;
            self.teams.entry(team).and_modify(|state| state.note_proof(entry, true));
        }
        for (id, body) in bodies {
            let state = self.teams.get(&team);
            let place = state.and_then(|state| state.ledger.entry(&id)).map(Place::of);
            let missing = |dag: &DagId| state.and_then(|state| state.missing_bodies.get(dag));
            if let Some(place) = place.filter(|place| missing(&place.dag).is_some_and(|ids| ids.contains(&id))) {
                self.stage_body(team, &place, body.bytes().to_vec())?;
                if late_bodies.contains(&id) {
                    self.told_again.push((team, id, place.dag));
                }
            }
        }
        Ok(outcome)
    }
}
