//! The roster's entries as a graph of small facts: pasts as masks, logs, and what each entry's own past says of it.
//!
//! What is judged from an entry's own past never changes, so it is worked out once, when the entry comes
//! ([`Graph::judge`]). Entries may come before they are admitted: [`Graph::truncate`] takes them back.

use super::fold::{Counted, Fold};
use super::mask::Mask;
use super::people::Roster;
use crate::entry::Entry;
use crate::fact::{Capability, Fact, Kind, RevokeMode, RosterFact};
use crate::ids::{EntryId, PersonId, SessionId, TeamId};
use crate::key::DeviceKey;
use crate::limits::{ROSTER_ENTRIES_MAX, ROSTER_HEADS_MAX};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Folds kept. A fold is worked out again from the graph at any time; a team under way uses a few.
const FOLDS_KEPT: usize = 256;

/// Rosters kept, by what stands. Deciding removals asks for one roster for each entry concerned.
const ROSTERS_KEPT: usize = 1024;

/// Bytes of folds that are kept: a member may have made the roster long.
const FOLDS_BYTES_KEPT: usize = 8 * 1024 * 1024;

/// One roster entry.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: EntryId,
    pub(super) key: DeviceKey,
    pub(super) kind: Kind,
    /// `None` for a kind of a later version.
    pub(super) fact: Option<RosterFact>,
    pub(super) log: u32,
    pub(super) seq: u32,
    pub(super) backlink: Option<u32>,
    pub(super) deps: Vec<u32>,
    pub(super) depth: u32,
    pub(super) past: Mask,
    /// Rank of the author's key among the recovery keys.
    pub(super) recovery: Option<usize>,
    pub(super) own: Own,
}

impl Node {
    /// Removals in mode retire leave what is concurrent with them alone.
    pub(super) fn is_hard(&self) -> bool {
        !matches!(self.fact, Some(RosterFact::Revoke { mode: RevokeMode::Retire, .. }))
    }

    pub(super) fn revoked_devices(&self) -> &[DeviceKey] {
        match &self.fact {
            Some(RosterFact::Revoke { devices, .. }) => devices,
            _ => &[],
        }
    }
}

/// What an entry's own past says of it.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) standing: Mask,
    pub(super) counted: Counted,
    /// The person of the entry.
    pub(super) person: PersonId,
    /// The grant that made the author's person admin.
    pub(super) grant: Option<u32>,
    pub(super) is_void: bool,
    pub(super) is_removal: bool,
    pub(super) needs_second: bool,
}

type RosterKey = (Mask, Vec<(u32, Mask)>);

#[derive(Debug, Default)]
struct Cache {
    /// Bytes of `folds`, about.
    weight: usize,
    folds: BTreeMap<Mask, Arc<Fold>>,
    rosters: BTreeMap<RosterKey, Arc<Roster>>,
    /// How many removals were decided so far, again and again.
    #[cfg(test)]
    decided: usize,
}

/// Where a new roster entry would stand; the half of [`Node`] that needs no judgement.
pub(super) struct Place<'a> {
    pub(super) entry: &'a Entry,
    pub(super) fact: Option<RosterFact>,
    pub(super) deps: Vec<u32>,
    pub(super) past: Mask,
    pub(super) recovery: Option<usize>,
}

/// The roster DAG of one team, with the pasts of what is in it.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    index: BTreeMap<EntryId, u32>,
    /// Numbers by (depth, id), the order of the fold.
    order: Vec<u32>,
    logs: BTreeMap<(DeviceKey, SessionId), u32>,
    taken: BTreeMap<(u32, u32), u32>,
    forks: u32,
    recovery_keys: Vec<DeviceKey>,
    /// Entries that have no effect, whatever is known.
    void: Mask,
    removals: Mask,
    /// Entries on which it depends who is in the team, removals apart: of invites and joins those that a vouch names.
    telling: Mask,
    /// Entries that count for [`ROSTER_ENTRIES_MAX`].
    by_person: BTreeMap<PersonId, Mask>,
    standpoints: Vec<Mask>,
    standpoint_of: BTreeMap<Vec<EntryId>, u32>,
    cache: Mutex<Cache>,
}

/// Why a roster entry is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Its author lacks the capability.
    NotAble,
    /// Its author is no admin and has written [`ROSTER_ENTRIES_MAX`] entries in its past.
    TooMany,
}

/// How far a graph had come; see [`Graph::truncate`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    nodes: usize,
    standpoints: usize,
}

impl Graph {
    pub(crate) fn number(&self, id: &EntryId) -> Option<u32> {
        self.index.get(id).copied()
    }

    pub(super) fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    /// All numbers.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        0..self.nodes.len() as u32
    }

    /// Whether nothing in a set takes anything from anybody, and no log forks here: then nothing can be set aside.
    pub(super) fn is_quiet(&self, set: &Mask) -> bool {
        self.forks == 0 && !set.meets(&self.removals)
    }

    /// Entries that have no effect, whatever is known.
    pub(super) fn void(&self) -> &Mask {
        &self.void
    }

    /// All entries as one mask.
    pub(crate) fn all(&self) -> Mask {
        (0..self.nodes.len() as u32).collect()
    }

    /// Members of a mask in the order of the fold: (depth, id).
    pub(super) fn in_order<'a>(&'a self, mask: &'a Mask) -> impl Iterator<Item = u32> + 'a {
        self.order.iter().copied().filter(|number| mask.contains(*number))
    }

    /// The past of the entries, themselves included.
    pub(super) fn closed(&self, numbers: impl IntoIterator<Item = u32>) -> Mask {
        let mut mask = Mask::default();
        for number in numbers {
            mask.union(&self.node(number).past);
            mask.insert(number);
        }
        mask
    }

    pub(super) fn has_forks(&self) -> bool {
        self.forks > 0
    }

    pub(super) fn team(&self) -> Option<TeamId> {
        self.nodes.first().map(|genesis| TeamId::of_genesis(genesis.id))
    }

    pub(super) fn recovery_rank(&self, key: &DeviceKey) -> Option<usize> {
        self.recovery_keys.iter().position(|recovery| recovery == key)
    }

    /// Whether the team was born with this recovery key.
    pub(crate) fn is_recovery_key(&self, key: &DeviceKey) -> bool {
        self.recovery_rank(key).is_some()
    }

    /// The team's recovery keys, the highest first.
    pub(crate) fn recovery_keys(&self) -> &[DeviceKey] {
        &self.recovery_keys
    }

    /// The public half of an invite's ticket.
    pub(crate) fn ticket_key(&self, invite: &EntryId) -> Option<DeviceKey> {
        match self.node(self.number(invite)?).fact {
            Some(RosterFact::Invite { ticket_key, .. }) => Some(ticket_key),
            _ => None,
        }
    }

    /// Judges a roster entry by the fold of its own past and takes it in.
    ///
    /// The caller has checked A2 and A3 and that all parents are here.
    pub(crate) fn judge(&mut self, entry: &Entry) -> Result<PersonId, Unfit> {
        let fact = match entry.fact() {
            Ok(Fact::Roster(fact)) => Some(fact),
            _ => None,
        };
        let numbers = |ids: &[EntryId]| ids.iter().filter_map(|id| self.number(id)).collect::<Vec<_>>();
        let recovery = if fact_is_genesis(&fact) { None } else { self.recovery_rank(&entry.key()) };
        let deps = numbers(&entry.items().deps);
        let backlink = entry.backlink().and_then(|id| self.number(&id));
        let past = self.closed(deps.iter().copied().chain(backlink));
        let place = Place { entry, fact, deps, past, recovery };
        let fold = self.fold(&place.past);
        if !self.able_place(&place, &fold) {
            return Err(Unfit::NotAble);
        }
        let own = self.own(&place, &fold);
        let person = own.person;
        let is_bound = place.recovery.is_none() && fold.roster.capability(&person) < Some(Capability::Admin);
        if is_bound && self.by_person.get(&person).is_some_and(|by| by.and(&place.past).count() >= ROSTER_ENTRIES_MAX) {
            return Err(Unfit::TooMany);
        }
        self.push(place, backlink, own);
        Ok(person)
    }

    fn push(&mut self, place: Place<'_>, backlink: Option<u32>, own: Own) {
        let Place { entry, fact, deps, past, recovery } = place;
        let (number, next_log) = (self.nodes.len() as u32, self.logs.len() as u32);
        if let Some(RosterFact::TeamCreate { recovery_keys, .. }) = &fact {
            self.recovery_keys.clone_from(recovery_keys);
        }
        let log = *self.logs.entry((entry.key(), entry.items().session)).or_insert(next_log);
        let taken = self.taken.entry((log, entry.seq())).or_default();
        *taken += 1;
        self.forks += u32::from(*taken > 1);
        let parents = deps.iter().copied().chain(backlink);
        let depth = parents.map(|parent| self.node(parent).depth + 1).max().unwrap_or(0);
        self.index.insert(entry.id(), number);
        self.note_effect(number, &fact, deps.len() + usize::from(backlink.is_some()), &own);
        let node = Node {
            id: entry.id(),
            key: entry.key(),
            kind: entry.kind(),
            fact,
            log,
            seq: entry.seq(),
            backlink,
            deps,
            depth,
            past,
            recovery,
            own,
        };
        let place = self.order.partition_point(|other| self.rank(*other) < (node.depth, node.id));
        self.order.insert(place, number);
        self.nodes.push(node);
    }

    /// Remembers what kind of effect an entry can have.
    fn note_effect(&mut self, number: u32, fact: &Option<RosterFact>, parents: usize, own: &Own) {
        if !matches!(fact, Some(RosterFact::Merge)) || parents < ROSTER_HEADS_MAX {
            self.by_person.entry(own.person).or_default().insert(number);
        }
        if own.is_void {
            self.void.insert(number);
        }
        if own.is_removal {
            self.removals.insert(number);
        }
        match fact {
            Some(RosterFact::Vouch { join }) => {
                let join = self.number(join);
                let invite = join.and_then(|join| self.node(join).deps.first().copied());
                [Some(number), join, invite].into_iter().flatten().for_each(|x| self.telling.insert(x));
            }
            Some(
                RosterFact::TeamCreate { .. }
                | RosterFact::AddDevice { .. }
                | RosterFact::Confirm { .. }
                | RosterFact::SetCapability { .. },
            ) => self.telling.insert(number),
            _ => {}
        }
    }

    pub(super) fn rank(&self, number: u32) -> (u32, EntryId) {
        let node = self.node(number);
        (node.depth, node.id)
    }

    /// How far the graph has come.
    pub(crate) fn mark(&self) -> Mark {
        Mark { nodes: self.nodes.len(), standpoints: self.standpoints.len() }
    }

    /// Takes back everything that came since `mark`.
    pub(crate) fn truncate(&mut self, mark: Mark) {
        if self.nodes.len() > mark.nodes {
            // Numbers will be given out again, so no cached set may outlive them.
            *self.cache() = Cache::default();
        }
        while self.nodes.len() > mark.nodes {
            let Some(node) = self.nodes.pop() else { break };
            self.index.remove(&node.id);
            if let Some(taken) = self.taken.get_mut(&(node.log, node.seq)) {
                self.forks -= u32::from(*taken > 1);
                *taken -= 1;
            }
        }
        let kept = self.nodes.len();
        self.void.remove_from(kept as u32);
        self.removals.remove_from(kept as u32);
        self.telling.remove_from(kept as u32);
        self.by_person.values_mut().for_each(|by| by.remove_from(kept as u32));
        self.order.retain(|number| (*number as usize) < kept);
        self.standpoints.truncate(mark.standpoints);
        self.standpoint_of.retain(|_, number| (*number as usize) < mark.standpoints);
    }

    /// The roster past that `heads` name, as a number; `None` if one of them is no roster entry here.
    pub(crate) fn standpoint(&mut self, heads: &[EntryId]) -> Option<u32> {
        if let Some(number) = self.standpoint_of.get(heads) {
            return Some(*number);
        }
        let numbers: Vec<u32> = heads.iter().map(|head| self.number(head)).collect::<Option<_>>()?;
        let number = self.standpoints.len() as u32;
        self.standpoints.push(self.closed(numbers));
        self.standpoint_of.insert(heads.to_vec(), number);
        Some(number)
    }

    /// The set that a standpoint's number stands for.
    pub(crate) fn standpoint_mask(&self, number: u32) -> &Mask {
        &self.standpoints[number as usize]
    }

    /// Whether a standpoint knows everything that another one does.
    pub(crate) fn covers(&self, wide: u32, narrow: u32) -> bool {
        wide == narrow || self.standpoint_mask(narrow).is_subset(self.standpoint_mask(wide))
    }

    /// The number of a person's `join` or `team-create`, where it is in the roster past of a standpoint.
    pub(crate) fn known_person(&self, standpoint: u32, person: &PersonId) -> Option<u32> {
        let number = self.number(&person.genesis())?;
        let makes_a_person = matches!(self.node(number).kind, Kind::JOIN | Kind::TEAM_CREATE);
        (makes_a_person && self.standpoint_mask(standpoint).contains(number)).then_some(number)
    }

    /// The fold of a standpoint.
    pub(crate) fn fold_at(&self, standpoint: u32) -> Arc<Fold> {
        self.fold(self.standpoint_mask(standpoint))
    }

    /// The fold of a closed set, from the cache or worked out.
    pub(crate) fn fold(&self, set: &Mask) -> Arc<Fold> {
        if let Some(fold) = self.kept_fold(set) {
            return fold;
        }
        let fold = self.fold_from_below(set);
        let mut cache = self.cache();
        // A mask for the key and one for what stands, and an entry in a map for each that is set aside.
        let weight = 2 * set.weight() + 64 * fold.aside.len();
        if cache.folds.len() >= FOLDS_KEPT || cache.weight + weight > FOLDS_BYTES_KEPT {
            cache.folds.clear();
            cache.weight = 0;
        }
        cache.weight += weight;
        cache.folds.insert(set.clone(), Arc::clone(&fold));
        fold
    }

    #[cfg(test)]
    pub(super) fn note_decided(&self, removals: usize) {
        self.cache().decided += removals;
    }

    /// How many removals were decided so far, again and again.
    #[cfg(test)]
    pub(crate) fn decided(&self) -> usize {
        self.cache().decided
    }

    pub(super) fn kept_fold(&self, set: &Mask) -> Option<Arc<Fold>> {
        self.cache().folds.get(set).cloned()
    }

    /// The last member of a mask in the order of the fold.
    pub(super) fn last_in_order(&self, mask: &Mask) -> Option<u32> {
        self.order.iter().rev().copied().find(|number| mask.contains(*number))
    }

    /// What standing entries say, removals being those of `counted`; from the cache or worked out.
    pub(super) fn roster(&self, standing: &Mask, counted: &Counted) -> Arc<Roster> {
        // Merges and tickets that nobody has used change nothing, however many there are.
        let key = (standing.and(&self.telling), restrict(counted, standing));
        if let Some(roster) = self.cache().rosters.get(&key) {
            return Arc::clone(roster);
        }
        let roster = Arc::new(self.work_out_roster(standing, counted));
        let mut cache = self.cache();
        if cache.rosters.len() >= ROSTERS_KEPT {
            cache.rosters.clear();
        }
        cache.rosters.insert(key, Arc::clone(&roster));
        roster
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        // A panic while the lock was held can only have left whole entries behind.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fact_is_genesis(fact: &Option<RosterFact>) -> bool {
    matches!(fact, Some(RosterFact::TeamCreate { .. }))
}

/// Whether two sets of counted removals are the same as far as they stand in `standing`.
pub(super) fn are_same_within(one: &Counted, other: &Counted, standing: &Mask) -> bool {
    let mut left = one.iter().filter(|(_, places)| places.meets(standing));
    let mut right = other.iter().filter(|(_, places)| places.meets(standing));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some((x, here)), Some((y, there))) if x == y && here.is_same_within(there, standing) => {}
            _ => return false,
        }
    }
}

/// The counted removals that stand somewhere in `standing`, and where.
fn restrict(counted: &Counted, standing: &Mask) -> Vec<(u32, Mask)> {
    counted
        .iter()
        .map(|(removal, places)| (*removal, places.and(standing)))
        .filter(|(_, places)| !places.is_empty())
        .collect()
}

/// Numbers as a set of ids, for those outside who know no numbers.
pub(crate) type Numbers = BTreeSet<u32>;
