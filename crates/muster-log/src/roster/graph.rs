//! The roster's entries as a graph of small facts: pasts as masks, logs, and what each entry's own past says of it.
//!
//! What is judged from an entry's own past never changes, so it is worked out once, when the entry comes
//! ([`Graph::judge`]). Entries may come before they are admitted: [`Graph::truncate`] takes them back.

use super::fold::Fold;
use super::index::Index;
use super::mask::Mask;
use super::people::Roster;
use super::sparse::Sparse;
use super::verdict::{Counted, Verdict};
use crate::entry::Entry;
use crate::fact::{Capability, Fact, Kind, RevokeMode, RosterFact};
use crate::ids::{EntryId, PersonId, SessionId, TeamId};
use crate::key::DeviceKey;
use crate::limits::{ROSTER_ENTRIES_MAX, ROSTER_HEADS_MAX};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Folds kept, the newest. A fold is worked out again from the graph at any time; a team under way uses a few. Few, because a
/// roster of thousands takes a megabyte; what is decided of each entry's own past is kept with it and is small.
const FOLDS_KEPT: usize = 32;

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
    /// What it names, of an entry that is not void: the join of a vouch or confirm, the removal of a second, the revoke of a cut.
    pub(super) target: Option<Target>,
    pub(super) own: Own,
}

/// What an entry names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) entry: u32,
    /// Of a join the invite, of others the same again.
    pub(super) invite: u32,
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
    pub(super) verdict: Verdict,
    /// The person of the entry.
    pub(super) person: PersonId,
    /// The grant that made the author's person admin.
    pub(super) grant: Option<u32>,
    pub(super) is_void: bool,
    pub(super) is_removal: bool,
    pub(super) needs_second: bool,
}

/// A set and its fold.
type Kept = (Mask, Arc<Fold>);

#[derive(Debug, Default)]
struct Cache {
    /// The oldest first.
    folds: VecDeque<Kept>,
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
    by_id: BTreeMap<EntryId, u32>,
    /// Numbers by (depth, id), the order of the fold.
    order: Vec<u32>,
    logs: BTreeMap<(DeviceKey, SessionId), u32>,
    /// Entries by log and sequence number.
    taken: BTreeMap<(u32, u32), Vec<u32>>,
    /// Of `taken`, where there are several.
    fork_points: BTreeSet<(u32, u32)>,
    /// Entries that are forked or after a fork in their log.
    forked: Mask,
    /// Of entries with one number those that came after another, by log.
    later_branches: BTreeMap<u32, Sparse>,
    recovery_keys: Vec<DeviceKey>,
    /// Entries that have no effect, whatever is known.
    void: Mask,
    removals: Mask,
    /// The same, the most senior first.
    by_seniority: Vec<u32>,
    /// Removals that need a second.
    needing: Mask,
    index: Index,
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
        self.by_id.get(id).copied()
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
        self.fork_points.is_empty() && !set.meets(&self.removals)
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Entries that take something from somebody and are not void, the most senior first.
    pub(super) fn by_seniority(&self) -> impl Iterator<Item = u32> {
        self.by_seniority.iter().copied().filter(|x| !self.void.contains(*x))
    }

    /// Removals that need a second.
    pub(super) fn needing(&self) -> &Mask {
        &self.needing
    }

    pub(super) fn needs_second(&self, removal: u32) -> bool {
        self.needing.contains(removal)
    }

    /// What an entry names.
    pub(super) fn target(&self, x: u32) -> Option<u32> {
        self.node(x).target.map(|target| target.entry)
    }

    /// The person to whom an entry gives a device.
    pub(super) fn bound_person(&self, binding: u32) -> PersonId {
        let node = self.node(binding);
        if node.kind == Kind::ADD_DEVICE { node.own.person } else { PersonId::of_genesis(node.id) }
    }

    /// Whether a join's invite has vouches for others, standing or not.
    pub(super) fn has_rivals(&self, join: u32) -> bool {
        let invite = self.node(join).deps.first();
        invite.is_some_and(|invite| self.index.vouches(*invite).iter().any(|vouch| self.target(vouch) != Some(join)))
    }

    /// The entries with this number in a log.
    pub(super) fn numbered(&self, log: u32, seq: u32) -> &[u32] {
        self.taken.get(&(log, seq)).map_or(&[], Vec::as_slice)
    }

    /// The entries of a log from a number on, each with its number.
    pub(super) fn log_from(&self, log: u32, seq: u32) -> impl Iterator<Item = (u32, u32)> {
        let entries = self.taken.range((log, seq)..=(log, u32::MAX));
        entries.flat_map(|((_, seq), entries)| entries.iter().map(|x| (*seq, *x)))
    }

    /// Logs that are forked in a set, each with the least number under which it has several entries.
    pub(super) fn forked_logs(&self, set: &Mask) -> impl Iterator<Item = (u32, u32)> {
        let logs: BTreeSet<u32> = self.fork_points.iter().map(|(log, _)| *log).collect();
        logs.into_iter().filter_map(|log| Some((log, self.first_fork(log, set)?)))
    }

    /// Entries that may be forked, or after a fork in their log.
    pub(super) fn maybe_forked(&self) -> &Mask {
        &self.forked
    }

    /// Others with the same number in the same log.
    pub(super) fn siblings(&self, x: u32) -> impl Iterator<Item = u32> {
        let node = self.node(x);
        self.numbered(node.log, node.seq).iter().copied().filter(move |other| *other != x)
    }

    /// The least number of a log under which a set has several entries.
    pub(super) fn first_fork(&self, log: u32, set: &Mask) -> Option<u32> {
        let later = self.later_branches.get(&log)?.among(|word| set.word(word));
        later.filter(|x| self.siblings(*x).any(|other| set.contains(other))).map(|x| self.node(x).seq).min()
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
        !self.fork_points.is_empty()
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
        taken.push(number);
        let taken_is_new_fork = taken.len() > 1 && self.fork_points.insert((log, entry.seq()));
        if taken.len() > 1 {
            self.later_branches.entry(log).or_default().push(number);
        }
        let first = self.fork_points.range((log, 0)..=(log, entry.seq())).next().copied();
        if let Some((log, seq)) = first {
            let after: Vec<u32> =
                if taken_is_new_fork { self.log_from(log, seq).map(|(_, x)| x).collect() } else { vec![number] };
            after.into_iter().for_each(|x| self.forked.insert(x));
        }
        let parents = deps.iter().copied().chain(backlink);
        let depth = parents.map(|parent| self.node(parent).depth + 1).max().unwrap_or(0);
        self.by_id.insert(entry.id(), number);
        self.note_effect(number, &fact, deps.len() + usize::from(backlink.is_some()), &own);
        let target = if own.is_void { None } else { self.target_of(&fact) };
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
            target,
            own,
        };
        self.index.note(number, &node);
        let place = self.order.partition_point(|other| self.rank(*other) < (node.depth, node.id));
        self.order.insert(place, number);
        self.nodes.push(node);
        if self.removals.contains(number) {
            let rank = self.seniority(number);
            let place = self.by_seniority.partition_point(|other| self.seniority(*other) < rank);
            self.by_seniority.insert(place, number);
        }
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
        if own.needs_second {
            self.needing.insert(number);
        }
    }

    fn target_of(&self, fact: &Option<RosterFact>) -> Option<Target> {
        let entry = match fact {
            Some(RosterFact::Vouch { join: named } | RosterFact::Confirm { join: named }) => self.number(named)?,
            Some(RosterFact::Second { removal: named } | RosterFact::Cut { revoke: named, .. }) => {
                self.number(named)?
            }
            _ => return None,
        };
        let invite = match self.node(entry).kind {
            Kind::JOIN => *self.node(entry).deps.first()?,
            _ => entry,
        };
        Some(Target { entry, invite })
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
            self.by_id.remove(&node.id);
            if let Some(taken) = self.taken.get_mut(&(node.log, node.seq)) {
                taken.pop();
                if taken.len() < 2 {
                    self.fork_points.remove(&(node.log, node.seq));
                }
            }
        }
        let kept = self.nodes.len();
        self.void.remove_from(kept as u32);
        self.removals.remove_from(kept as u32);
        self.needing.remove_from(kept as u32);
        // Of a fork that is taken back the first branch may stay in it: it is asked whether something may be forked.
        self.forked.remove_from(kept as u32);
        self.later_branches.values_mut().for_each(|later| later.remove_from(kept as u32));
        self.by_seniority.retain(|number| (*number as usize) < kept);
        self.index.remove_from(kept as u32);
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
        let Verdict { aside, counted, standing } = self.verdict(set);
        let roster = self.roster(&standing, &counted);
        let fold = Arc::new(Fold { aside, counted, standing, roster });
        let mut cache = self.cache();
        if cache.folds.len() >= FOLDS_KEPT {
            cache.folds.pop_front();
        }
        cache.folds.push_back((set.clone(), Arc::clone(&fold)));
        fold
    }

    #[cfg(test)]
    pub(super) fn note_decided(&self) {
        self.cache().decided += 1;
    }

    /// How many removals were decided so far, again and again.
    #[cfg(test)]
    pub(crate) fn decided(&self) -> usize {
        self.cache().decided
    }

    fn kept_fold(&self, set: &Mask) -> Option<Arc<Fold>> {
        self.cache().folds.iter().rev().find(|(of, _)| of == set).map(|(_, fold)| Arc::clone(fold))
    }

    /// Of the sets whose folds are kept the largest that is in a set, with what was decided, if it has more than so many.
    pub(super) fn kept_part(&self, set: &Mask, more_than: usize) -> Option<(Mask, Verdict)> {
        let cache = self.cache();
        let parts = cache.folds.iter().map(|(of, fold)| (of.count(), of, fold));
        let parts = parts.filter(|(count, of, _)| *count > more_than && of.is_subset(set));
        let (_, of, fold) = parts.max_by_key(|(count, ..)| *count)?;
        let (aside, counted) = (Arc::clone(&fold.aside), Arc::clone(&fold.counted));
        Some((of.clone(), Verdict { aside, counted, standing: fold.standing.clone() }))
    }

    /// What standing entries say, removals being those of `counted`: from the kept one that differs least.
    fn roster(&self, standing: &Mask, counted: &Counted) -> Arc<Roster> {
        let nearest = {
            let cache = self.cache();
            let distance =
                |fold: &Fold| fold.standing.distance(standing) + fold.counted.places.distance(&counted.places);
            let folds = cache.folds.iter().map(|(_, fold)| (distance(fold), Arc::clone(fold)));
            let nothing = (standing.count() + counted.places.count(), Arc::default());
            folds.chain([nothing]).min_by_key(|(distance, _)| *distance).map(|(_, fold)| fold).unwrap_or_default()
        };
        self.roster_from(&nearest, standing, counted)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        // A panic while the lock was held can only have left whole entries behind.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fact_is_genesis(fact: &Option<RosterFact>) -> bool {
    matches!(fact, Some(RosterFact::TeamCreate { .. }))
}

/// Numbers as a set of ids, for those outside who know no numbers.
pub(crate) type Numbers = BTreeSet<u32>;
