//! What the peer asks for: WANT in; MISSING, HAVE and chunks out.
//!
//! An answer is given in one go, as far as credit and budget reach, and then forgotten. The peer asks again for the
//! rest, from what is durable there by then; so a stream that breaks costs at most what was under way.

use super::Context;
use super::peer::Peer;
use crate::frame::{Frame, Missing, Part, Range, Want};
use crate::limits::{ANSWER_BYTES_MAX, WANT_BUDGET_BYTES};
use crate::pack::{Signing, fill_to};
use crate::replica::View;
use muster_log::{DagId, EntryId};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be sent of one DAG, in causal order.
struct Due {
    dag: DagId,
    ids: Vec<EntryId>,
    /// Bodies alone, which go with the last chunk or after it.
    loose: Vec<EntryId>,
}

impl Peer {
    /// Answers a WANT. At least one chunk may be sent.
    pub(super) fn serve(&mut self, want: &Want, cx: &mut Context<'_>) {
        let view = cx.view;
        self.send_missing(want, cx);
        let is_ready = self.is_ready_for(&want.dag, view);
        if is_ready && want.page.is_some() {
            self.send_have(want.dag, want.page, cx);
        }
        let (mut due, is_held_back) = self.due(want, view);
        // At least half of what an answer may have is left for the last chunk, so each has room for any entry.
        let asked = want.budget_bytes.min(WANT_BUDGET_BYTES);
        let mut budget = usize::try_from(asked).unwrap_or(usize::MAX);
        let mut left = ANSWER_BYTES_MAX;
        loop {
            let size = self.chunk.within(left);
            let (dag, filled) = match due.first() {
                Some(first) => (first.dag, fill_to(size, view, &first.ids, &first.loose, Signing::ByRun)),
                None => (want.dag, fill_to(size, view, &[], &[], Signing::ByRun)),
            };
            take_out(&mut due, &filled);
            budget = budget.saturating_sub(filled.bytes);
            left = left.saturating_sub(filled.bytes);
            let is_spent = budget == 0 || self.credit_left() <= 1;
            let part = match (due.is_empty(), is_spent) {
                (true, _) if !is_held_back => Part::End,
                (true, _) | (false, true) => Part::EndForNow,
                (false, false) => Part::More,
            };
            self.send_chunk(dag, filled, part, cx);
            if part != Part::More {
                return;
            }
        }
    }

    fn send_missing(&mut self, want: &Want, cx: &mut Context<'_>) {
        let view = cx.view;
        let ids: Vec<EntryId> = want.ids.iter().copied().filter(|id| !view.contains(id)).collect();
        let has_body = |id: &EntryId| view.entry(id).is_some_and(|entry| view.body_of(entry).is_some());
        let bodies: Vec<EntryId> = want.bodies.iter().copied().filter(|id| !has_body(id)).collect();
        self.owe(&bodies, view);
        if !ids.is_empty() || !bodies.is_empty() {
            cx.core.send(self.key, &Frame::Missing(Missing { dag: want.dag, ids, bodies }));
        }
    }

    /// What the answer consists of, the roster first; and whether something is held back because the peer lacks roster
    /// entries.
    fn due(&self, want: &Want, view: View<'_>) -> (Vec<Due>, bool) {
        let mut sets: BTreeMap<DagId, BTreeSet<EntryId>> = BTreeMap::new();
        let ranges = without_overlap(&want.ranges);
        let in_ranges = ranges.iter().flat_map(|range| view.range(&want.dag, &range.log, range.from, range.to));
        sets.entry(want.dag).or_default().extend(in_ranges);
        for id in &want.ids {
            for entry in with_run_before(*id, want.before, view) {
                sets.entry(entry.dag()).or_default().insert(entry.id());
            }
        }
        sets.retain(|_, ids| !ids.is_empty());
        let loose: Vec<EntryId> = want.bodies.iter().copied().filter(|id| view.contains(id)).collect();
        let all = sets.len();
        let mut due: Vec<Due> = (sets.into_iter())
            .filter(|(dag, _)| self.is_ready_for(dag, view))
            .map(|(dag, set)| Due { dag, ids: in_order(&dag, &set, view), loose: Vec::new() })
            .collect();
        let is_held_back = due.len() < all;
        due.sort_by_key(|due| due.dag != view.roster());
        if !loose.is_empty() && self.is_ready_for(&want.dag, view) {
            match due.last_mut() {
                Some(last) => last.loose = loose,
                None => due.push(Due { dag: want.dag, ids: Vec::new(), loose }),
            }
        }
        (due, is_held_back)
    }
}

/// The same entries in ranges that share none, so that nothing is looked up twice, however often it is asked for.
fn without_overlap(ranges: &[Range]) -> Vec<Range> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    let mut apart: Vec<Range> = Vec::new();
    for range in sorted {
        match apart.last_mut().filter(|last| last.log == range.log && range.from <= last.to) {
            Some(last) => last.to = last.to.max(range.to),
            None => apart.push(range),
        }
    }
    apart
}

/// Strikes off what a chunk holds. Bodies that had no room are due on their own.
fn take_out(due: &mut Vec<Due>, filled: &crate::pack::Filled) {
    let Some(first) = due.first_mut() else { return };
    first.ids.drain(..filled.taken.min(first.ids.len()));
    first.loose.drain(..filled.loose_taken.min(first.loose.len()));
    first.loose.extend(&filled.left_out);
    if first.ids.is_empty() && first.loose.is_empty() {
        due.remove(0);
    }
}

/// An entry and up to `before` entries that precede it in its log.
fn with_run_before<'a>(id: EntryId, before: u32, view: View<'a>) -> impl Iterator<Item = &'a muster_log::Entry> {
    let previous = move |entry: &&'a muster_log::Entry| entry.backlink().and_then(|backlink| view.entry(&backlink));
    std::iter::successors(view.entry(&id), previous).take(before as usize + 1)
}

/// The entries of a set as they were admitted here.
fn in_order(dag: &DagId, set: &BTreeSet<EntryId>, view: View<'_>) -> Vec<EntryId> {
    if set.len() == 1 {
        return set.iter().copied().collect();
    }
    view.order(dag).iter().copied().filter(|id| set.contains(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_log::ShortLog;

    #[test]
    fn what_is_asked_for_many_times_is_looked_up_once() {
        let range = |log: u8, from, to| Range { log: ShortLog::from_bytes([log; 16]), from, to };
        let asked = [range(2, 1, 9), range(1, 5, 8), range(1, 1, 5), range(1, 2, 3), range(1, 9, 9), range(1, 1, 5)];
        assert_eq!(without_overlap(&asked), [range(1, 1, 8), range(1, 9, 9), range(2, 1, 9)]);
        assert_eq!(without_overlap(&vec![range(1, 1, u32::MAX); 1_000]), [range(1, 1, u32::MAX)]);
    }
}
