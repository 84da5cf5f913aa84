//! What the shell is told of news: incidents that advanced, who may sync, who takes part in gossip.

use crate::effect::Effect;
use crate::replica::{Now, Replica};
use muster_log::{DagId, DeviceKey, EntryId, IncidentId, TeamId};
use muster_store::Storage;
use std::collections::{BTreeMap, BTreeSet};

impl<S: Storage> Replica<S> {
    pub(crate) fn announce<'a>(&mut self, news: impl Iterator<Item = &'a (TeamId, EntryId, DagId)> + Clone, now: Now) {
        for (team, entry, dag) in news.clone() {
            if let Some(state) = self.teams.get_mut(team) {
                state.note_admitted(*entry, *dag);
            }
        }
        let mut changed: BTreeMap<(TeamId, DagId), Vec<EntryId>> = BTreeMap::new();
        for (team, entry, dag) in news.filter(|(team, _, dag)| *dag != DagId::from(*team)) {
            changed.entry((*team, *dag)).or_default().push(*entry);
        }
        for ((team, dag), entries) in changed {
            let told = self.pace.take_in((team, IncidentId::of_genesis(dag.genesis()), entries), now.tick);
            self.tell_changed(told);
        }
    }

    pub(crate) fn tell_changed(&mut self, told: impl IntoIterator<Item = (TeamId, IncidentId, Vec<EntryId>)>) {
        let told = told.into_iter().map(|(team, incident, entries)| Effect::Changed { team, incident, entries });
        self.effects.extend(told);
    }

    /// Tells the shell who may sync, if that has changed.
    pub(crate) fn tell_members(&mut self) {
        let (me, mut members) = (self.device(), BTreeSet::<DeviceKey>::new());
        for team in self.teams.values() {
            members.extend(team.ledger.roster().members());
            members.extend(team.sponsors(&me));
        }
        members.remove(&self.device());
        if members != self.members_told {
            self.members_told.clone_from(&members);
            self.effects.push(Effect::Members(members));
        }
        for (team, state) in &self.teams {
            let mut members: BTreeSet<DeviceKey> = state.ledger.roster().member_devices();
            if state.hears_sponsors {
                members.extend(state.sponsors(&me));
            }
            members.remove(&me);
            if state.is_guest(&me) {
                members.clear();
            }
            if self.audiences_told.get(team).map_or(!members.is_empty(), |told| *told != members) {
                self.audiences_told.insert(*team, members.clone());
                self.effects.push(Effect::Audience { team: *team, members });
            }
        }
    }
}
