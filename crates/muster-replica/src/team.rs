//! One team on this device: its ledger, its replicator, its people and its documents.

use crate::appeal::ShownTo;
use crate::documents::Documents;
use crate::error::ReplicaError;
use crate::left_out::LeftOut;
use crate::newest::Orders;
use crate::people::Handles;
use crate::redaction::Hidden;
use crate::summaries::Summaries;
use crate::time_audit::KeptBrackets;
use muster_log::ledger::Ledger;
use muster_log::{
    BodyHash, DagId, DeviceKey, Entry, EntryId, GoodKeys, IncidentId, Kind, PersonId, Removal, Taken, TeamId, Timestamp,
};
use muster_store::{Storage, StoredEntry};
use muster_sync::{Config, Replicator};
use std::collections::{BTreeMap, BTreeSet};

/// Where bodies are found: first among those staged and not yet committed.
pub(crate) struct Bodies<'a, S> {
    pub(crate) store: &'a S,
    /// The redacted ones, which nobody is shown.
    pub(crate) hidden: &'a Hidden,
    pub(crate) staged: &'a BTreeMap<BodyHash, Vec<u8>>,
}

impl<S: Storage> Bodies<'_, S> {
    pub(crate) fn get(&self, hash: &BodyHash) -> Result<Option<Vec<u8>>, ReplicaError> {
        match self.staged.get(hash) {
            _ if self.hidden.bodies().contains(hash) => Ok(None),
            Some(bytes) => Ok(Some(bytes.clone())),
            None => Ok(self.store.body(hash)?),
        }
    }
}

/// DAG → entries that stand for themselves and everything in their past.
pub(crate) type Held = BTreeMap<DagId, BTreeSet<EntryId>>;

pub(crate) struct Team {
    pub(crate) ledger: Ledger,
    pub(crate) replicator: Replicator,
    pub(crate) handles: Handles,
    pub(crate) documents: Documents,
    pub(crate) summaries: Summaries,
    pub(crate) orders: Orders,
    pub(crate) brackets: KeptBrackets,
    pub(crate) hidden: Hidden,
    /// Devices that may bring the roster while it does not name anybody yet.
    pub(crate) sponsors: BTreeSet<DeviceKey>,
    /// Whether they are heard by gossip meanwhile, as they will be once the roster has come: a subscription comes once on a
    /// connection, and one refused for these few milliseconds would cost another. Not kept: after a restart it does.
    pub(crate) hears_sponsors: bool,
    /// Admitted entries whose bodies have not come yet.
    pub(crate) missing_bodies: BTreeMap<DagId, BTreeSet<EntryId>>,
    /// What peers said they hold durably, with everything in its past: peer → DAG → entries.
    pub(crate) receipts: BTreeMap<DeviceKey, Held>,
    /// What peers sent, and so have, durably or not: as above.
    pub(crate) sent_by: BTreeMap<DeviceKey, Held>,
    /// What peers sent and waits for something to be admitted: entry → peers.
    pub(crate) sent_waiting: BTreeMap<EntryId, BTreeSet<DeviceKey>>,
    /// Entries that nothing here proves to others.
    pub(crate) unproven: BTreeSet<EntryId>,
    /// Late arrivals that are not marked as seen, in the order in which they came.
    pub(crate) late: BTreeMap<DagId, Vec<EntryId>>,
    /// When each peer was last heard, and how far its clock was off.
    pub(crate) heard: BTreeMap<DeviceKey, Heard>,
    /// Who was shown the roster, having not let this device sync.
    pub(crate) shown_to: ShownTo,
}

/// The last sign of life of a peer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Heard {
    /// This device's wall clock at the time.
    pub(crate) at: Timestamp,
    /// The peer's clock less ours, in milliseconds, where it has greeted.
    pub(crate) clock_offset_ms: Option<i64>,
}

impl Heard {
    /// Takes a presence, which others pass on and may have kept: a sign of life of the time that it names by the device's
    /// own clock, or now where that clock is ahead. Only a greeting tells how far off a clock is.
    pub(crate) fn present(&mut self, wall: Timestamp, now: Timestamp) {
        let by_ours = wall.0.saturating_sub(self.clock_offset_ms.unwrap_or_default());
        self.at = self.at.max(Timestamp(by_ours.min(now.0)));
    }
}

impl Team {
    /// An empty replica of a team.
    pub(crate) fn new(team: TeamId, me: DeviceKey) -> Self {
        Self {
            ledger: Ledger::new(team),
            replicator: Replicator::new(Config { team, me }),
            handles: Handles::default(),
            documents: Documents::default(),
            summaries: Summaries::default(),
            orders: Orders::default(),
            brackets: KeptBrackets::new(),
            hidden: Hidden::default(),
            sponsors: BTreeSet::new(),
            hears_sponsors: false,
            missing_bodies: BTreeMap::new(),
            receipts: BTreeMap::new(),
            sent_by: BTreeMap::new(),
            sent_waiting: BTreeMap::new(),
            unproven: BTreeSet::new(),
            late: BTreeMap::new(),
            heard: BTreeMap::new(),
            shown_to: ShownTo::new(),
        }
    }

    /// The team as the store holds it: roster first, then each incident, in the order in which they were admitted.
    ///
    /// With `left_out`, what does not stand is left out and noted there; else it is an error.
    pub(crate) fn restore<S: Storage>(
        team: TeamId,
        me: DeviceKey,
        store: &S,
        mut left_out: Option<&mut Vec<LeftOut>>,
    ) -> Result<Self, ReplicaError> {
        let mut this = Self::new(team, me);
        let roster = DagId::from(team);
        let dags = store.dags(&team);
        let incidents = dags.iter().filter(|dag| **dag != roster);
        let mut good = GoodKeys::default();
        for dag in dags.iter().filter(|dag| **dag == roster).chain(incidents) {
            let seen = crate::late::seen_mark(store, dag)?;
            for (place, stored) in (0..).zip(store.entries(dag)?) {
                let id = stored.id;
                match this.restore_entry(*dag, stored, place >= seen, me, store, &mut good) {
                    Err(ReplicaError::Damaged { what, .. }) if left_out.is_some() => {
                        left_out.iter_mut().for_each(|left| left.push(LeftOut { id, dag: *dag, what: what.clone() }));
                    }
                    restored => restored?,
                }
            }
        }
        let nothing_staged = BTreeMap::new();
        this.read_handles(&Bodies { store, hidden: &Hidden::default(), staged: &nothing_staged })?;
        Ok(this)
    }

    fn restore_entry<S: Storage>(
        &mut self,
        dag: DagId,
        stored: StoredEntry,
        is_unseen: bool,
        me: DeviceKey,
        store: &S,
        good: &mut GoodKeys,
    ) -> Result<(), ReplicaError> {
        let damaged = |what: String| ReplicaError::Damaged { id: stored.id, what };
        let entry = Entry::decode_by(&stored.bytes, good).map_err(|error| damaged(error.to_string()))?;
        if entry.id() != stored.id {
            return Err(damaged("its bytes have another hash".into()));
        }
        let lacks_body = match entry.body() {
            Some(body) => !store.contains_body(&body.hash)?,
            None => false,
        };
        let is_late = is_unseen && self.is_late(&entry, stored.received, &me);
        self.ledger.restore(entry).map_err(|refusal| damaged(refusal.to_string()))?;
        self.note_proof(stored.id, stored.signature.is_some());
        if is_late {
            self.late.entry(dag).or_default().push(stored.id);
        }
        if lacks_body {
            self.missing_bodies.entry(dag).or_default().insert(stored.id);
        }
        Ok(())
    }

    /// Reads the handles of all persons, those too whom nobody has vouched for yet: their `vouch` may come later.
    fn read_handles<S: Storage>(&mut self, bodies: &Bodies<'_, S>) -> Result<(), ReplicaError> {
        let Some(roster) = self.ledger.dag(&DagId::from(self.ledger.team())) else { return Ok(()) };
        for entry in roster.entries().filter(|entry| matches!(entry.kind(), Kind::TEAM_CREATE | Kind::JOIN)) {
            if let Some(body) = entry.body()
                && let Some(bytes) = bodies.get(&body.hash)?
            {
                self.handles.learn(PersonId::of_genesis(entry.id()), &bytes);
            }
        }
        Ok(())
    }

    /// Remembers that a peer has these entries of a DAG, those too that wait for something before they are admitted.
    pub(crate) fn note_sent(&mut self, peer: DeviceKey, dag: DagId, heads: BTreeSet<EntryId>) {
        let (here, others): (Vec<EntryId>, Vec<EntryId>) = heads.into_iter().partition(|id| self.ledger.contains(id));
        note_held(self.sent_by.entry(peer).or_default(), &self.ledger, dag, here);
        if others.is_empty() {
            return;
        }
        // What waits is bounded, and so is what is remembered of it.
        let waiting: BTreeSet<EntryId> = self.ledger.pending().collect();
        self.sent_waiting.retain(|id, _| waiting.contains(id));
        for id in others.into_iter().filter(|id| waiting.contains(id)) {
            self.sent_waiting.entry(id).or_default().insert(peer);
        }
    }

    /// An entry was admitted: whoever sent it while it had to wait has it.
    pub(crate) fn note_admitted(&mut self, id: EntryId, dag: DagId) {
        for peer in self.sent_waiting.remove(&id).unwrap_or_default() {
            note_held(self.sent_by.entry(peer).or_default(), &self.ledger, dag, [id]);
        }
    }

    /// This device's person, where the roster knows one.
    pub(crate) fn person_of(&self, device: &DeviceKey) -> Option<PersonId> {
        self.ledger.roster().person_of(device)
    }

    /// Whether this device is a guest's: it hears and says nothing on the team's gossip.
    pub(crate) fn is_guest(&self, me: &DeviceKey) -> bool {
        let roster = self.ledger.roster();
        roster.person_of(me).is_some_and(|person| roster.guest_of(&person).is_some())
    }

    /// Whether `device` was taken out of the team and did not come back.
    pub(crate) fn was_removed(&self, device: &DeviceKey) -> bool {
        let names = |removal: &Removal| match &removal.taken {
            Taken::Devices { devices, .. } => devices.contains(device),
            Taken::Capability { .. } => false,
        };
        self.ledger.roster().person_of(device).is_none() && self.ledger.removals().iter().any(names)
    }

    /// What its founder called the team.
    pub(crate) fn name(&self) -> Option<&str> {
        self.handles.team_told_by(&PersonId::of_genesis(DagId::from(self.ledger.team()).genesis()))
    }

    /// The team's incidents, by id.
    pub(crate) fn incidents(&self) -> Vec<IncidentId> {
        incidents(&self.ledger).map(|dag| IncidentId::of_genesis(dag.genesis())).collect()
    }

    /// Whether the team is this device alone, and never was anybody else's: a team of one.
    pub(crate) fn is_solo(&self, me: &DeviceKey) -> bool {
        let roster = self.ledger.dag(&DagId::from(self.ledger.team()));
        let all_own = roster.is_some_and(|roster| roster.entries().all(|entry| entry.key() == *me));
        all_own && self.ledger.roster().members().len() == 1
    }

    /// Whether `device` may sync: a member, or a sponsor while the roster does not name `me` yet.
    pub(crate) fn admits(&self, device: &DeviceKey, me: &DeviceKey) -> bool {
        self.ledger.roster().person_of(device).is_some() || self.sponsors(me).any(|sponsor| sponsor == device)
    }

    /// Who may bring the roster; nobody any more once it names `me`: from then on it says who is in the team.
    pub(crate) fn sponsors(&self, me: &DeviceKey) -> impl Iterator<Item = &DeviceKey> {
        let is_named = self.ledger.roster().person_of(me).is_some();
        self.sponsors.iter().filter(move |_| !is_named)
    }
}

/// Remembers that somebody has these entries and what is in their past. A later one stands for the earlier.
pub(crate) fn note_held(held: &mut Held, ledger: &Ledger, dag: DagId, entries: impl IntoIterator<Item = EntryId>) {
    let Some(graph) = ledger.dag(&dag) else { return };
    let held = held.entry(dag).or_default();
    for entry in entries.into_iter().filter(|entry| graph.contains(entry)) {
        if held.iter().any(|known| *known == entry || graph.is_past(&entry, known)) {
            continue;
        }
        held.retain(|known| !graph.is_past(known, &entry));
        held.insert(entry);
    }
}

/// Whether all members may hold a DAG that is here, so that gossip carries it: the roster, and an incident that is not
/// private. Guests hear no gossip.
pub(crate) fn is_shared(ledger: &Ledger, dag: &DagId) -> bool {
    let incident = IncidentId::of_genesis(dag.genesis());
    *dag == DagId::from(ledger.team()) || (ledger.dag(dag).is_some() && !ledger.is_private(&incident))
}

/// Whether the person of a device may hold an incident.
pub(crate) fn person_may_see(ledger: &Ledger, incident: &DagId, device: &DeviceKey) -> bool {
    let incident = IncidentId::of_genesis(incident.genesis());
    ledger.roster().person_of(device).is_some_and(|person| ledger.may_hold(&person, &incident))
}

/// Whether `me` speaks of an incident with a peer: the peer may hold it, and so may this person.
///
/// Who came back as somebody new, or as a guest, still has what they had. Those who may hold it hide it from this person, so
/// they would ask for it as if it were new to them, and take it, again and again.
pub(crate) fn speaks_of(ledger: &Ledger, incident: &DagId, me: &DeviceKey, peer: &DeviceKey) -> bool {
    let may_hold = ledger.roster().person_of(me).is_none() || person_may_see(ledger, incident, me);
    may_hold && person_may_see(ledger, incident, peer)
}

/// The DAGs of a team's incidents, by id.
pub(crate) fn incidents(ledger: &Ledger) -> impl Iterator<Item = DagId> {
    let roster = DagId::from(ledger.team());
    ledger.dags().map(|(dag, _)| *dag).filter(move |dag| *dag != roster)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_689_855_420_000);

    #[test]
    fn an_old_presence_said_again_is_no_newer_sign_of_life_and_says_nothing_of_the_clock() {
        let mut heard = Heard::default();
        heard.present(NOW.plus_ms(-3_600_000), NOW);
        assert_eq!((heard.at, heard.clock_offset_ms), (NOW.plus_ms(-3_600_000), None));
        heard.present(NOW, NOW);
        heard.present(NOW.plus_ms(-7_200_000), NOW);
        assert_eq!(heard.at, NOW, "what is known is not unlearnt");
    }

    #[test]
    fn a_presence_is_of_the_time_that_a_known_clock_meant() {
        let mut heard = Heard { clock_offset_ms: Some(-3_600_000), ..Heard::default() };
        heard.present(NOW.plus_ms(-3_600_000), NOW);
        assert_eq!(heard.at, NOW);
        heard.present(NOW.plus_ms(90_000_000), NOW);
        assert_eq!(heard.at, NOW, "nobody is heard in the future");
    }
}
