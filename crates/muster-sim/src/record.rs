//! The record in other orders: whatever a node holds comes to the same, in whatever order it came, all of it or a part.

use crate::check::{difference, view};
use crate::failure::Wrong;
use crate::rng::Rng;
use crate::world::World;
use muster_log::fact::{IncidentFact, What};
use muster_log::{DeviceSecret, Entry, EntryId, Fact, IncidentId, Ledger, Received, SessionId, Signature, TeamId};
use muster_replica::{Replica, ReplicaError};
use muster_store::{MemoryStore, Storage, StoredEntry, Write};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Orders in which everything that a node holds is brought, and as many of a part of it.
const ORDERS: usize = 3;

/// Entries that may change places when a ledger is given them out of order: fewer than may wait.
const WINDOW: usize = 40;

/// Most entries that a ledger is given at once.
const BATCH_MAX: u64 = 20;

/// What a record comes to, by incident; of the roster under nothing.
type Told = BTreeMap<Option<IncidentId>, String>;

/// Either something is wrong, or something failed.
type Verdict<T> = Result<T, Result<Wrong, ReplicaError>>;

/// All that is said of an incident besides its view: who is in the team, what was removed, who may hold it, what each entry
/// counts for and what is redacted.
pub(crate) fn standing(ledger: &Ledger, incident: &IncidentId) -> String {
    let mut text = who(ledger);
    let holders: Vec<bool> = ledger.roster().persons().map(|person| ledger.may_hold(&person, incident)).collect();
    // Writing to a text cannot fail.
    let _ = write!(
        text,
        "; private {} holders {holders:?} names {:?} statuses {:?} redacted {:?}",
        ledger.is_private(incident),
        ledger.names(incident),
        ledger.statuses(incident),
        ledger.redacted(incident)
    );
    text
}

/// All that is said of the team.
fn who(ledger: &Ledger) -> String {
    let roster = ledger.roster();
    let persons: Vec<_> = roster
        .persons()
        .map(|person| (person, roster.capability(&person), roster.person_kind(&person), roster.guest_of(&person)))
        .collect();
    let bindings: Vec<_> = roster.bindings().collect();
    let (removals, rivals) = (ledger.removals(), ledger.rivals());
    format!("; persons {persons:?} devices {bindings:?} removals {removals:?} rivals {rivals:?}")
}

/// Whether somebody tried to redact an entry, or what it became when it came along, whatever that counts for now.
pub(crate) fn was_redacted(replica: &Replica<MemoryStore>, id: &EntryId) -> bool {
    replica.teams().iter().filter_map(|team| replica.ledger(team).ok()).any(|ledger| {
        let is_about = |target: &EntryId| {
            let origin = match ledger.fact(target) {
                Some(Fact::Incident(fact)) => fact.origin.map(|origin| origin.entry),
                _ => None,
            };
            target == id || origin.as_ref() == Some(id)
        };
        let entries =
            ledger.incidents().filter_map(|incident| ledger.dag(&incident.into())).flat_map(|dag| dag.entries());
        entries.into_iter().any(|entry| match ledger.fact(&entry.id()) {
            Some(Fact::Incident(IncidentFact { what: What::Redaction { target }, .. })) => is_about(&target),
            _ => false,
        })
    })
}

impl World {
    /// What a node holds of the team comes to the same in other orders, through the store and through a ledger; and so does
    /// a part of it.
    pub(crate) fn check_orders(&mut self, n: usize, team: TeamId) -> Verdict<()> {
        let mut rng = self.rng.fork();
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        let stored = stored_of(replica, team)?;
        let all: Vec<&StoredEntry> = stored.values().collect();
        let mut comparisons = 0;
        if !all.is_empty() {
            let first = told(n, replica, team)?;
            for _ in 0..ORDERS {
                let order = causal_order(&stored, &mut rng);
                compare(n, &first, &told_in_order(n, replica, team, &order, &mut rng)?)?;
                comparisons += 1;
            }
            let mut part = causal_order(&stored, &mut rng);
            part.truncate(1 + rng.index(part.len()));
            let mut here: BTreeMap<EntryId, StoredEntry> =
                part.iter().map(|entry| (entry.id, (*entry).clone())).collect();
            let first = told_in_order(n, replica, team, &part, &mut rng)?;
            for _ in 1..ORDERS {
                let order = causal_order(&here, &mut rng);
                compare(n, &first, &told_in_order(n, replica, team, &order, &mut rng)?)?;
                comparisons += 1;
            }
            check_received(n, team, &mut here, &mut rng).map_err(Ok)?;
        }
        self.tally.decisions.orders += comparisons;
        Ok(())
    }
}

/// Everything that a node has stored of a team.
fn stored_of(replica: &Replica<MemoryStore>, team: TeamId) -> Verdict<BTreeMap<EntryId, StoredEntry>> {
    let mut all = BTreeMap::new();
    for dag in replica.store().dags(&team) {
        let entries = replica.store().entries(&dag).map_err(|error| Err(error.into()))?;
        all.extend(entries.into_iter().map(|entry| (entry.id, entry)));
    }
    Ok(all)
}

/// All entries in some order in which each comes after its past and its roster past.
fn causal_order<'a>(stored: &'a BTreeMap<EntryId, StoredEntry>, rng: &mut Rng) -> Vec<&'a StoredEntry> {
    let mut waits: BTreeMap<EntryId, usize> = BTreeMap::new();
    let mut unblocks: BTreeMap<EntryId, Vec<EntryId>> = BTreeMap::new();
    for (id, stored) in stored {
        let Ok(entry) = Entry::decode(&stored.bytes) else { continue };
        let before: BTreeSet<EntryId> = entry.parents().chain(entry.items().roster_heads.iter().copied()).collect();
        waits.insert(*id, before.len());
        before.into_iter().for_each(|before| unblocks.entry(before).or_default().push(*id));
    }
    let mut ready: Vec<EntryId> = waits.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    let mut order = Vec::new();
    while !ready.is_empty() {
        // Now and then the newest first, so that one branch gets far ahead of the others.
        let place = if rng.chance(500) { ready.len() - 1 } else { rng.index(ready.len()) };
        let id = ready.swap_remove(place);
        order.extend(stored.get(&id));
        for next in unblocks.remove(&id).unwrap_or_default() {
            if let Some(count) = waits.get_mut(&next) {
                *count -= 1;
                if *count == 0 {
                    ready.push(next);
                }
            }
        }
    }
    order
}

/// What a replica shows of each incident, and what its ledger says of it.
fn told(n: usize, replica: &mut Replica<MemoryStore>, team: TeamId) -> Verdict<Told> {
    let Ok(ledger) = replica.ledger(&team) else { return Ok(Told::new()) };
    let incidents: Vec<IncidentId> = ledger.incidents().collect();
    let mut told = Told::from([(None, who(ledger))]);
    for incident in incidents {
        let mut text = view(n, replica, team, incident).map_err(Ok)?;
        text.push_str(&standing(replica.ledger(&team).map_err(Err)?, &incident));
        told.insert(Some(incident), text);
    }
    Ok(told)
}

/// The same of a fresh replica on a store that got the entries in this order, with the bodies that `from` has.
fn told_in_order(
    n: usize,
    from: &Replica<MemoryStore>,
    team: TeamId,
    order: &[&StoredEntry],
    rng: &mut Rng,
) -> Verdict<Told> {
    let store_failed = |error: muster_store::StoreError| Err(error.into());
    let mut store = MemoryStore::new();
    for stored in order {
        store.stage(Write::Entry((*stored).clone())).map_err(store_failed)?;
        let body = Entry::decode(&stored.bytes).ok().and_then(|entry| entry.body());
        if let Some(hash) = body.map(|body| body.hash)
            && let Some(bytes) = from.store().body(&hash).map_err(store_failed)?
        {
            store.stage(Write::Body { hash, bytes }).map_err(store_failed)?;
        }
    }
    store.commit().map_err(store_failed)?;
    let (secret, session) = (DeviceSecret::from_seed(&rng.bytes()), SessionId::from_bytes(rng.bytes()));
    let mut replica = Replica::open(store, secret, session, Box::new(rng.fork())).map_err(Err)?;
    told(n, &mut replica, team)
}

fn compare(n: usize, one: &Told, other: &Told) -> Verdict<()> {
    for key in one.keys().chain(other.keys()) {
        let none = "nothing".to_owned();
        let (first, second) = (one.get(key).unwrap_or(&none), other.get(key).unwrap_or(&none));
        if first != second {
            let of = key.map_or("the roster".to_owned(), |incident| format!("incident {incident}"));
            let what = format!("{of}: {}", difference(first, second));
            return Err(Ok(Wrong::OrderMatters { node: n, what }));
        }
    }
    Ok(())
}

/// A ledger that gets the entries out of order comes to the same as one that got them in order.
fn check_received(
    n: usize,
    team: TeamId,
    stored: &mut BTreeMap<EntryId, StoredEntry>,
    rng: &mut Rng,
) -> Result<(), Wrong> {
    let wrong = |what: String| Wrong::OrderMatters { node: n, what };
    let order = causal_order(stored, rng);
    let mut in_order = Ledger::new(team);
    let mut batch: Vec<(Entry, Option<Signature>)> = Vec::new();
    for stored in &order {
        let entry = Entry::decode(&stored.bytes).map_err(|error| wrong(error.to_string()))?;
        in_order.restore(entry.clone()).map_err(|refusal| wrong(format!("{}: {refusal}", stored.id)))?;
        batch.push((entry, stored.signature));
    }
    for place in 0..batch.len() {
        let other = (place + rng.index(WINDOW)).min(batch.len() - 1);
        batch.swap(place, other);
    }
    let mut out_of_order = Ledger::new(team);
    while !batch.is_empty() {
        let count = usize::try_from(rng.between(1, BATCH_MAX)).unwrap_or(1).min(batch.len());
        let received = batch.drain(..count).map(|(entry, signature)| Received { entry, signature }).collect();
        let outcome = out_of_order.receive(None, received);
        if let Some((id, refusal)) = outcome.refused.first() {
            return Err(wrong(format!("{id} is refused out of order: {refusal}")));
        }
    }
    for id in stored.keys() {
        // What only an entry proves that is not among these cannot be admitted.
        if !out_of_order.contains(id) {
            return Ok(());
        }
    }
    for incident in in_order.incidents() {
        let (one, other) = (standing(&in_order, &incident), standing(&out_of_order, &incident));
        if one != other {
            return Err(wrong(format!("ledgers, incident {incident}: {}", difference(&one, &other))));
        }
    }
    let (one, other) = (who(&in_order), who(&out_of_order));
    if one == other { Ok(()) } else { Err(wrong(format!("ledgers: {}", difference(&one, &other)))) }
}
