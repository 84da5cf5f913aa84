//! Among whom something goes that gossip does not carry: those who hold a private incident, and guests with their hosts.
//!
//! In a large team not everybody is linked with everybody, so the network is told: some of each circle must be.

use crate::effect::Effect;
use crate::replica::Replica;
use crate::team::Team;
use muster_log::fact::Kind;
use muster_log::{DeviceKey, EntryId, IncidentId};
use muster_store::Storage;
use std::collections::BTreeSet;

/// Circles that the network is told of. More are hardly ever different from each other: persons are few.
const CIRCLES_MAX: usize = 64;

impl<S: Storage> Replica<S> {
    /// Tells the shell who belongs together, if the entries since the last time could have changed that.
    pub(crate) fn tell_circles(&mut self) {
        if !std::mem::take(&mut self.circles_are_stale) {
            return;
        }
        let me = self.device();
        let mut circles: BTreeSet<BTreeSet<DeviceKey>> =
            self.teams.values().flat_map(|team| team.circles(&me)).collect();
        while circles.len() > CIRCLES_MAX {
            circles.pop_last();
        }
        if circles != self.circles_told {
            self.circles_told.clone_from(&circles);
            self.effects.push(Effect::Circles(circles.into_iter().collect()));
        }
    }

    /// Whether an entry of this kind can change who belongs together.
    pub(crate) fn note_circles(&mut self, entry: &EntryId, team: &muster_log::TeamId) {
        let kind = self.teams.get(team).and_then(|team| team.ledger.entry(entry)).map(|entry| entry.kind());
        self.circles_are_stale |=
            kind.is_none_or(|kind| kind.is_roster() || kind == Kind::DECLARE || kind == Kind::ADMIT);
    }
}

impl Team {
    /// The other devices of each circle of this team that `me` is in.
    fn circles(&self, me: &DeviceKey) -> Vec<BTreeSet<DeviceKey>> {
        let (ledger, roster) = (&self.ledger, self.ledger.roster());
        let Some(person) = roster.person_of(me) else { return Vec::new() };
        let holding = |incident: &IncidentId| ledger.may_hold(&person, incident);
        let devices = |incident: &IncidentId, only_guests: bool| -> BTreeSet<DeviceKey> {
            let bindings = roster.bindings().filter(|(device, _)| device != me);
            let chosen = bindings.filter(|(_, other)| !only_guests || roster.guest_of(other).is_some());
            chosen.filter(|(_, other)| ledger.may_hold(other, incident)).map(|(device, _)| device).collect()
        };
        let is_guest = roster.guest_of(&person).is_some();
        let private = ledger.private_incidents().filter(&holding).map(|incident| devices(&incident, false));
        let shared = ledger.incidents_with_guests();
        // Members have gossip among themselves.
        let shared = shared.iter().filter(|incident| holding(incident)).map(|incident| devices(incident, !is_guest));
        private.chain(shared).filter(|circle| !circle.is_empty()).collect()
    }
}
