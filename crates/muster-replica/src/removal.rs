//! Taking devices or a capability from somebody: what would follow, and doing it.
//!
//! A removal says which entries of a removed device still count, by naming heads: the *frontier*. What counts is decided
//! in `muster-log`; here a frontier is put together from what this device holds.

use crate::error::ReplicaError;
use crate::replica::{Now, Replica};
use crate::team::person_may_see;
use muster_log::draft::DraftError;
use muster_log::fact::{Capability, Frontier, RevokeMode, RosterFact};
use muster_log::limits::{DEPS_MAX, REVOKED_DEVICES_MAX};
use muster_log::{
    BodyText, Consequence, DagId, DeviceKey, Draft, Entry, EntryId, IncidentId, Ledger, PersonId, Roster, SessionId,
    Status, Taken, TeamId, Timestamp,
};
use muster_store::Storage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Ids that the frontier of one entry names, incidents and heads together: they leave room for deps within 8 KiB.
const FRONTIER_IDS_MAX: usize = 120;

/// What is to be taken from somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removing {
    /// Devices.
    Devices {
        /// Which; at least one.
        devices: BTreeSet<DeviceKey>,
        /// Why.
        mode: RevokeMode,
        /// Of these devices only what came here before counts; `None` = everything that is here.
        until: Option<Timestamp>,
    },
    /// All but this capability.
    Capability {
        /// Whose.
        person: PersonId,
        /// What is left.
        left: Capability,
    },
}

/// An entry that will count for something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The entry.
    pub entry: EntryId,
    /// Its incident.
    pub incident: IncidentId,
    /// What it counts for now.
    pub before: Status,
    /// What it would count for.
    pub after: Status,
}

/// What a removal would do, or has done.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// The removals' entries; an outlook alone has written none.
    pub entries: Vec<EntryId>,
    /// Whether all of it has its effect at once: else another admin must second it, or somebody more senior objects.
    pub counts: bool,
    /// Who is in the team then.
    pub roster: Arc<Roster>,
    /// Entries that then count for something else, by incident, oldest first.
    pub changed: Vec<Changed>,
}

impl<S: Storage> Replica<S> {
    /// What a removal would do. Nothing is kept of it.
    ///
    /// # Errors
    /// [`ReplicaError::NotAllowed`] where this device may not do it, [`ReplicaError::Store`].
    pub fn outlook(&mut self, team: TeamId, removing: &Removing, now: Now) -> Result<Outlook, ReplicaError> {
        let entries = self.removal_entries(team, (self.device(), self.session), removing, now)?;
        self.weigh(team, &entries)
    }

    /// Removes, and tells what that did. Staged: commit before telling anybody.
    ///
    /// # Errors
    /// As [`Replica::outlook`].
    pub fn remove(&mut self, team: TeamId, removing: &Removing, now: Now) -> Result<Outlook, ReplicaError> {
        // What is refused is refused before anything is written.
        let outlook = self.outlook(team, removing, now)?;
        self.build_on_in_private(team, removing, now)?;
        // It means the same, with less to name.
        let entries = self.removal_entries(team, (self.device(), self.session), removing, now)?;
        for entry in &entries {
            self.admit_own(team, entry, None, now)?;
        }
        Ok(Outlook { entries: entries.iter().map(Entry::id).collect(), ..outlook })
    }

    /// Agrees to a removal that needs a second.
    ///
    /// # Errors
    /// [`ReplicaError::NotAllowed`] where this device may not, [`ReplicaError::Store`].
    pub fn second(&mut self, team: TeamId, removal: EntryId, now: Now) -> Result<EntryId, ReplicaError> {
        self.decide(team, &RosterFact::Second { removal }, now)
    }

    /// What agreeing to a removal would do. Nothing is kept of it.
    ///
    /// # Errors
    /// As [`Replica::second`].
    pub fn second_outlook(&mut self, team: TeamId, removal: EntryId, now: Now) -> Result<Outlook, ReplicaError> {
        let mut chain = Chain::begin(self.ledger(&team)?, (self.device(), self.session), now)?;
        chain.add(&RosterFact::Second { removal })?;
        let told = self.ledger(&team)?.removals().into_iter().find(|told| told.id == removal);
        let outlook = self.weigh(team, &chain.entries)?;
        let is_done = |roster: &Roster| match told.as_ref().map(|told| (&told.taken, &told.of)) {
            Some((Taken::Devices { devices, .. }, _)) => devices.iter().all(|it| roster.person_of(it).is_none()),
            Some((Taken::Capability { left, .. }, of)) => of.iter().all(|it| roster.capability(it) <= Some(*left)),
            None => false,
        };
        Ok(Outlook { counts: is_done(&outlook.roster), ..outlook })
    }

    /// Writes one fact about who is in the team: a grant that takes nothing, a `confirm`.
    ///
    /// # Errors
    /// [`ReplicaError::NotAllowed`] where this device may not, [`ReplicaError::Store`].
    pub fn decide(&mut self, team: TeamId, fact: &RosterFact, now: Now) -> Result<EntryId, ReplicaError> {
        self.author(team, Some(DagId::from(team)), fact.kind(), fact.fields(), &BodyText::default(), now)
    }

    pub(crate) fn weigh(&mut self, team: TeamId, entries: &[Entry]) -> Result<Outlook, ReplicaError> {
        let device = self.device();
        let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        let would = state.ledger.what_if(entries);
        let Consequence { roster, counting, changed } =
            would.map_err(|refusal| ReplicaError::NotAllowed(state.refusal_in_words(&refusal, &device)))?;
        let mut told = Vec::new();
        for (incident, entries) in &changed {
            let order = state.ledger.dag(&DagId::from(*incident)).map(|dag| dag.order()).unwrap_or_default();
            told.extend(order.iter().filter_map(|entry| {
                let (before, after) = *entries.get(entry)?;
                Some(Changed { entry: *entry, incident: *incident, before, after })
            }));
        }
        let ids: Vec<EntryId> = entries.iter().map(Entry::id).collect();
        Ok(Outlook { counts: counting.len() == ids.len(), entries: ids, roster, changed: told })
    }

    /// The entries of a removal, each built on the one before: revokes of as many devices as one takes, cuts for the part
    /// of a frontier that does not fit.
    pub(crate) fn removal_entries(
        &self,
        team: TeamId,
        hand: (DeviceKey, SessionId),
        removing: &Removing,
        now: Now,
    ) -> Result<Vec<Entry>, ReplicaError> {
        let mut chain = Chain::begin(self.ledger(&team)?, hand, now)?;
        match removing {
            Removing::Capability { person, left } => {
                chain.add(&RosterFact::SetCapability { person: *person, capability: *left })?;
            }
            Removing::Devices { devices, mode, until } => {
                let devices: Vec<DeviceKey> = devices.iter().copied().collect();
                for some in devices.chunks(REVOKED_DEVICES_MAX) {
                    let mut parts = parts(self.frontier(team, hand.0, some, *until)?).into_iter();
                    let frontier = parts.next().unwrap_or_default();
                    let revoke = chain.add(&RosterFact::Revoke { devices: some.to_vec(), mode: *mode, frontier })?;
                    for frontier in parts {
                        chain.add(&RosterFact::Cut { revoke, frontier })?;
                    }
                }
            }
        }
        Ok(chain.entries)
    }

    /// In private incidents, says by entries there what of the devices still counts: what the remover has built on does. The
    /// removal itself is in the roster, which people read whom such an incident must not be named to.
    fn build_on_in_private(&mut self, team: TeamId, removing: &Removing, now: Now) -> Result<(), ReplicaError> {
        let Removing::Devices { devices, until, .. } = removing else { return Ok(()) };
        let devices: Vec<DeviceKey> = devices.iter().copied().collect();
        let (me, session) = (self.device(), self.session);
        for (incident, heads) in self.frontier(team, me, &devices, *until)? {
            if !self.ledger(&team)?.is_private(&incident) {
                continue;
            }
            for some in heads.chunks(DEPS_MAX) {
                let draft = self.ledger(&team)?.draft_join_heads(incident.into(), some, me, session, now.claimed());
                let draft = draft.map_err(|error| ReplicaError::NotAllowed(error.to_string()))?;
                let (entry, body) = self.seal(draft, &BodyText::default())?;
                self.admit_own(team, &entry, body, now)?;
            }
        }
        Ok(())
    }

    /// The newest entries of these devices in each incident: of each log the last one, or the last that came here before. Of
    /// private incidents only what `remover` has not built on, which counts anyway, and nothing where this device's person may
    /// not hold it.
    fn frontier(
        &self,
        team: TeamId,
        remover: DeviceKey,
        devices: &[DeviceKey],
        until: Option<Timestamp>,
    ) -> Result<Frontier, ReplicaError> {
        let ledger = self.ledger(&team)?;
        let mut frontier = Frontier::new();
        for incident in ledger.incidents() {
            let dag_id = DagId::from(incident);
            let is_private = ledger.is_private(&incident);
            if is_private && !person_may_see(ledger, &dag_id, &self.device()) {
                continue;
            }
            let Some(dag) = ledger.dag(&dag_id) else { continue };
            let mut of_devices: BTreeSet<EntryId> =
                dag.entries().filter(|entry| devices.contains(&entry.key())).map(Entry::id).collect();
            if let (Some(until), false) = (until, of_devices.is_empty()) {
                let stored = self.store.entries(&dag_id)?;
                let came: BTreeMap<EntryId, Timestamp> = stored.iter().map(|e| (e.id, e.received)).collect();
                of_devices.retain(|id| came.get(id).is_some_and(|received| *received < until));
            }
            let mut heads: Vec<EntryId> = Vec::new();
            // Newest first, so that what is in the past of a head is met after the head.
            for id in dag.order().iter().rev().filter(|id| of_devices.contains(id)) {
                if !heads.iter().any(|head| dag.is_past(id, head)) {
                    heads.push(*id);
                }
            }
            if is_private {
                let is_by = |id: &EntryId| dag.entry(id).is_some_and(|entry| entry.key() == remover);
                let built: Vec<EntryId> = dag.tips().map(|tip| tip.id).filter(is_by).collect();
                heads.retain(|head| !built.iter().any(|own| head == own || dag.is_past(head, own)));
            }
            if !heads.is_empty() {
                heads.sort_unstable();
                frontier.push((incident, heads));
            }
        }
        Ok(frontier)
    }
}

/// Divides a frontier so that each part fits in one entry.
fn parts(frontier: Frontier) -> Vec<Frontier> {
    let mut parts: Vec<Frontier> = Vec::new();
    let mut room = 0;
    for (incident, heads) in frontier {
        for head in heads {
            let continues = parts.last().and_then(|part| part.last()).is_some_and(|(last, _)| *last == incident);
            let needs = if continues { 1 } else { 2 };
            if room < needs {
                parts.push(vec![(incident, vec![head])]);
                room = FRONTIER_IDS_MAX - 2;
                continue;
            }
            room -= needs;
            match parts.last_mut() {
                Some(part) if continues => part.last_mut().into_iter().for_each(|(_, heads)| heads.push(head)),
                Some(part) => part.push((incident, vec![head])),
                None => {}
            }
        }
    }
    parts
}

/// Roster entries of one hand that are drafted one after another and not admitted yet.
struct Chain {
    next: Draft,
    entries: Vec<Entry>,
}

impl Chain {
    /// Begins on everything that is here, by the device and session of `hand`.
    fn begin(ledger: &Ledger, (device, session): (DeviceKey, SessionId), now: Now) -> Result<Self, ReplicaError> {
        let nothing = RosterFact::Merge;
        let draft = ledger.draft_roster(device, session, now.claimed(), &nothing);
        let next = draft.map_err(|error| {
            ReplicaError::NotAllowed(match error {
                DraftError::TooManyHeads { .. } => {
                    "too much was decided apart at once; try again when all have synced".into()
                }
                error => error.to_string(),
            })
        })?;
        Ok(Self { next, entries: Vec::new() })
    }

    fn add(&mut self, fact: &RosterFact) -> Result<EntryId, ReplicaError> {
        let mut draft = self.next.clone();
        draft.kind = fact.kind();
        draft.fields = fact.fields();
        let entry = draft.seal().map_err(|error| ReplicaError::NotAllowed(error.to_string()))?;
        let id = entry.id();
        self.next.seq += 1;
        self.next.backlink = Some(id);
        self.next.deps.clear();
        self.entries.push(entry);
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: u16) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    proptest! {
        #[test]
        fn a_divided_frontier_names_the_same_heads_and_each_part_fits(sizes in prop::collection::vec(1..300_u16, 0..12)) {
            let mut next = 0;
            let whole: Frontier = (0..).zip(sizes).map(|(incident, heads)| {
                let from = next;
                next += heads;
                (IncidentId::from_bytes(id(incident)), (from..next).map(|head| EntryId::from_bytes(id(head))).collect())
            }).collect();
            let parts = parts(whole.clone());
            let named = |frontier: &Frontier| -> Vec<(IncidentId, EntryId)> {
                frontier.iter().flat_map(|(incident, heads)| heads.iter().map(|head| (*incident, *head))).collect()
            };
            prop_assert_eq!(parts.iter().flat_map(&named).collect::<Vec<_>>(), named(&whole));
            for part in &parts {
                prop_assert!(part.iter().map(|(_, heads)| 1 + heads.len()).sum::<usize>() <= FRONTIER_IDS_MAX);
                prop_assert!(part.is_sorted() && part.iter().all(|(_, heads)| heads.is_sorted()));
            }
        }
    }
}
