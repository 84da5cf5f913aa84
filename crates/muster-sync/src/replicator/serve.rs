//! What the peer asks for: WANT in; MISSING, HAVE and chunks out.
//!
//! An answer is given as credit allows: each acknowledgement lets the next chunks be filled while the peer works on those
//! under way. It begins with few, so that the first are not kept waiting for the rest. Past its budget the rest is
//! forgotten and the peer asks again, from what is durable there by then; so a stream that breaks costs at most what was
//! under way.

use super::Context;
use super::peer::Peer;
use crate::frame::{Frame, Missing, Part, Range, Want};
use crate::limits::{
    ANSWER_BYTES_MAX, SERVED_AT_ONCE, SERVED_IDS_MAX, UNDER_WAY_BYTES, WANT_BUDGET_BYTES, WANT_CHUNKS,
};
use crate::pack::{Signing, fill_to};
use crate::replica::View;
use muster_log::{DagId, EntryId};
use std::collections::{BTreeMap, BTreeSet};

/// The answer to a WANT, as far as it was not sent yet.
#[derive(Debug)]
pub(super) struct Serving {
    /// What was asked about.
    dag: DagId,
    due: Vec<Due>,
    /// More was asked for than is due now: the peer is to ask again.
    is_part: bool,
    /// Bytes of chunks that may still be sent.
    budget: usize,
    /// Chunks that may still be sent: the asker's patience counts frames, and over a relay chunks are short.
    chunks: u32,
}

/// What is to be sent of one DAG, in causal order.
#[derive(Debug)]
struct Due {
    dag: DagId,
    ids: Vec<EntryId>,
    /// Bodies alone, which go with the last chunk or after it.
    loose: Vec<EntryId>,
}

impl Serving {
    /// How many ids are kept for it.
    pub(super) fn kept(&self) -> usize {
        self.due.iter().map(|due| due.ids.len() + due.loose.len()).sum()
    }
}

impl Peer {
    /// Begins to answer a WANT; the chunks follow as credit allows.
    pub(super) fn serve(&mut self, want: &Want, cx: &mut Context<'_>) {
        let view = cx.view;
        self.send_missing(want, cx);
        let is_ready = self.is_ready_for(&want.dag, view);
        if is_ready && want.page.is_some() {
            self.send_have(want.dag, want.page, cx);
        }
        if !is_ready {
            // They are here and may not go yet.
            self.owe(&want.bodies, view);
        }
        let (due, is_part) = self.due(want, view);
        let budget = usize::try_from(want.budget_bytes.min(WANT_BUDGET_BYTES)).unwrap_or(usize::MAX);
        self.serving = Some(Serving { dag: want.dag, due, is_part, budget, chunks: WANT_CHUNKS });
    }

    /// Sends the next chunks of the answer under way. Where it stops before the end, an acknowledgement is still to come.
    pub(super) fn go_on_serving(&mut self, cx: &mut Context<'_>) {
        for _ in 0..SERVED_AT_ONCE {
            let under_way: usize = self.sent.iter().map(|sent| sent.bytes).sum();
            if self.credit_left() == 0 || under_way >= UNDER_WAY_BYTES {
                return;
            }
            let Some(mut serving) = self.serving.take() else { return };
            let view = cx.view;
            // At least half of what may be under way is left for this chunk, so each has room for any entry.
            let size = self.chunk.within(ANSWER_BYTES_MAX.saturating_sub(under_way));
            let (dag, filled) = match serving.due.first() {
                Some(first) => (first.dag, fill_to(size, view, &first.ids, &first.loose, Signing::ByRun)),
                None => (serving.dag, fill_to(size, view, &[], &[], Signing::ByRun)),
            };
            take_out(&mut serving.due, &filled);
            serving.budget = serving.budget.saturating_sub(filled.bytes);
            serving.chunks = serving.chunks.saturating_sub(1);
            let is_spent = serving.budget == 0 || serving.chunks == 0;
            let part = match (serving.due.is_empty(), is_spent) {
                (true, _) if !serving.is_part => Part::End,
                (true, _) | (false, true) => Part::EndForNow,
                (false, false) => Part::More,
            };
            self.send_chunk(dag, filled, part, cx);
            if part == Part::More {
                self.serving = Some(serving);
            }
        }
    }

    fn send_missing(&mut self, want: &Want, cx: &mut Context<'_>) {
        let view = cx.view;
        let ids: Vec<EntryId> = want.ids.iter().copied().filter(|id| !view.contains(id)).collect();
        let has_body = |id: &EntryId| view.entry(id).is_some_and(|entry| view.has_body_of(entry));
        let bodies: Vec<EntryId> = want.bodies.iter().copied().filter(|id| !has_body(id)).collect();
        self.owe(&bodies, view);
        if !ids.is_empty() || !bodies.is_empty() {
            cx.core.send(self.key, &Frame::Missing(Missing { dag: want.dag, ids, bodies }));
        }
    }

    /// What the answer consists of, the roster first; and whether that is a part of what was asked for, because there is much
    /// of it or because the peer lacks roster entries.
    fn due(&self, want: &Want, view: View<'_>) -> (Vec<Due>, bool) {
        let ranges = without_overlap(&want.ranges);
        // One more than is kept tells whether there is more.
        let in_ranges = view.first_of(&want.dag, &ranges, SERVED_IDS_MAX + 1);
        let mut all: BTreeMap<DagId, Vec<EntryId>> = BTreeMap::new();
        if want.ids.is_empty() {
            all.insert(want.dag, in_ranges);
        } else {
            let mut sets: BTreeMap<DagId, BTreeSet<EntryId>> = BTreeMap::new();
            sets.entry(want.dag).or_default().extend(in_ranges);
            for id in &want.ids {
                for entry in with_run_before(*id, want.before, view) {
                    sets.entry(entry.dag()).or_default().insert(entry.id());
                }
            }
            all.extend(sets.into_iter().map(|(dag, set)| (dag, in_order(&dag, &set, view))));
        }
        all.retain(|_, ids| !ids.is_empty());
        let loose: Vec<EntryId> = want.bodies.iter().copied().filter(|id| view.contains(id)).collect();
        let dags = all.len();
        let mut due: Vec<Due> = (all.into_iter())
            .filter(|(dag, _)| self.is_ready_for(dag, view))
            .map(|(dag, ids)| Due { dag, ids, loose: Vec::new() })
            .collect();
        let mut is_part = due.len() < dags;
        for due in &mut due {
            is_part |= due.ids.len() > SERVED_IDS_MAX;
            due.ids.truncate(SERVED_IDS_MAX);
        }
        due.sort_by_key(|due| due.dag != view.roster());
        if !loose.is_empty() && self.is_ready_for(&want.dag, view) {
            match due.last_mut() {
                Some(last) => last.loose = loose,
                None => due.push(Due { dag: want.dag, ids: Vec::new(), loose }),
            }
        }
        (due, is_part)
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
