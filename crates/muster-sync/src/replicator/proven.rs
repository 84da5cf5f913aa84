//! Who pays for what comes unasked, and what of it is whose: nobody's account is charged for what others say in their name.
//!
//! An author pays for entries that are new here and shown to be theirs; whoever sent them, for the rest. What is admitted
//! is for the ledger alone to say. The accounts are in [`crate::quota`].

use super::Core;
use crate::contract::Verdict;
use crate::limits::GOSSIP_ROWS_MAX;
use crate::replica::View;
use crate::tick::Tick;
use muster_log::{DagId, DeviceKey, Entry, EntryId, LogId, Received};
use std::collections::{BTreeMap, BTreeSet};

/// What became of the bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charge {
    Taken,
    /// Somebody's account has not enough.
    Over,
    /// A signature is not its author's.
    Forged,
}

/// Entries and bytes, bodies included.
#[derive(Debug, Clone, Copy, Default)]
struct Amount(usize, usize);

impl Amount {
    fn add(&mut self, entry: &Entry) {
        self.0 += 1;
        self.1 += entry.bytes().len() + entry.body().map_or(0, |body| body.size as usize);
    }
}

impl Core {
    /// Takes out what a live chunk costs. A long one is a catching up, which a comparison would fetch just so: its sender
    /// pays for it as for one entry.
    pub(super) fn charge_chunk(
        &mut self,
        sender: DeviceKey,
        received: &[Received],
        now: Tick,
        view: View<'_>,
    ) -> Charge {
        if received.len() <= GOSSIP_ROWS_MAX {
            return self.charge(sender, received, now, view);
        }
        if self.quotas.take(sender, 1, 0, now) { Charge::Taken } else { Charge::Over }
    }

    /// Takes out what these entries cost. Signatures are only looked at where the accounts would do, so that a flood does
    /// not cost that either.
    pub(super) fn charge(&mut self, sender: DeviceKey, received: &[Received], now: Tick, view: View<'_>) -> Charge {
        let (mut claimed, mut known) = (BTreeMap::<DeviceKey, Amount>::new(), Amount::default());
        for Received { entry, .. } in received {
            match view.contains(&entry.id()) {
                true => known.add(entry),
                false => claimed.entry(entry.key()).or_default().add(entry),
            }
        }
        let has = |(who, Amount(entries, bytes)): (&DeviceKey, &Amount)| self.quotas.has(who, *entries, *bytes, now);
        if !claimed.iter().all(has) || !self.quotas.has(&sender, known.0, 0, now) {
            return Charge::Over;
        }
        let proven = proven(received, view);
        let (mut authors, mut unproven) = (BTreeMap::<DeviceKey, Amount>::new(), Amount::default());
        for Received { entry, .. } in received.iter().filter(|received| !view.contains(&received.entry.id())) {
            match proven.as_ref().is_some_and(|proven| proven.contains(&entry.id())) {
                true => authors.entry(entry.key()).or_default().add(entry),
                false => unproven.add(entry),
            }
        }
        let is_paid = self.quotas.take_own(sender, unproven.0, unproven.1, now);
        if proven.is_none() {
            return Charge::Forged;
        }
        let is_paid = self.quotas.take(sender, known.0, 0, now) && is_paid;
        // Every account is looked at, so that one author's flood does not hide behind another's entry.
        let is_paid = authors
            .into_iter()
            .fold(is_paid, |all, (who, Amount(entries, bytes))| self.quotas.take(who, entries, bytes, now) && all);
        if is_paid { Charge::Taken } else { Charge::Over }
    }
}

/// The entries that are new here and that a signature in the batch shows to be their author's: on the entry or on a later
/// one of its log. `None` where a signature is not its author's.
pub(crate) fn proven(received: &[Received], view: View<'_>) -> Option<BTreeSet<EntryId>> {
    let mut proven = BTreeSet::new();
    // A backlink proves what it names only in its own log: anybody can name another's entry as the one before.
    let mut before: BTreeMap<EntryId, LogId> = BTreeMap::new();
    for Received { entry, signature } in received.iter().rev().filter(|received| !view.contains(&received.entry.id())) {
        let id = entry.id();
        match signature {
            Some(signature) if !entry.key().verifies_entry(&id, signature) => return None,
            None if before.get(&id) != Some(&entry.log()) => continue,
            _ => {
                proven.insert(id);
                before.extend(entry.backlink().map(|id| (id, entry.log())));
            }
        }
    }
    Some(proven)
}

/// Whether those of the rows that are here carry the signatures that are held, or good ones where none is. Another good one
/// than is held is nobody's fault and goes no further, or one entry could be passed on in any number of messages.
pub(super) fn is_genuine_here(received: &[Received], view: View<'_>) -> Verdict {
    let mut verdict = Verdict::Accept;
    for Received { entry, signature } in received {
        let id = entry.id();
        let (true, Some(signature)) = (view.contains(&id), signature) else { continue };
        let held = view.signature(&id);
        if held == Some(*signature) {
            continue;
        }
        if !entry.key().verifies_entry(&id, signature) {
            return Verdict::Reject;
        }
        if held.is_some() {
            verdict = Verdict::Ignore;
        }
    }
    verdict
}

/// What entries build on or cite that is not among them.
pub(super) fn needs_of(received: &[Received]) -> BTreeSet<EntryId> {
    let own: BTreeSet<EntryId> = received.iter().map(|received| received.entry.id()).collect();
    received.iter().flat_map(|received| needs(&received.entry)).filter(|id| !own.contains(id)).collect()
}

/// What entries of a DAG build on or cite that is here and that the peer may not see. To be treated as if it lacked.
pub(super) fn hidden(dag: DagId, received: &[Received], view: View<'_>) -> BTreeSet<EntryId> {
    let sees_own = view.sees(&dag);
    let is_hidden = |id: &EntryId| {
        let place = view.all().entry(id).map(Entry::dag);
        place.is_some_and(|place| if place == dag { !sees_own } else { !view.sees(&place) })
    };
    received.iter().flat_map(|received| needs(&received.entry)).filter(is_hidden).collect()
}

fn needs(entry: &Entry) -> impl Iterator<Item = EntryId> + '_ {
    entry.parents().chain(entry.items().roster_heads.iter().copied())
}
