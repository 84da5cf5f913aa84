//! Finding out what differs, and seeing to it that nobody goes quiet while it does: HEADS.

use super::Context;
use super::peer::{Pair, Peer, Retry};
use crate::contract::{CloseReason, Output};
use crate::frame::{Frame, Have, Heads, HeadsDigest};
use crate::limits::{HAVE_AGAIN_MS, RETRY_FIRST_MS, RETRY_LAST_MS};
use muster_log::{DagId, EntryId};

impl Peer {
    /// Takes what the peer says of a DAG. It is durable there, so it counts as a receipt too.
    pub(super) fn heads(&mut self, heads: &Heads, cx: &mut Context<'_>) {
        let (dag, view) = (heads.dag, cx.view);
        let ours = view.heads(&dag);
        let is_equal = HeadsDigest::of(&ours) == heads.digest;
        let Some(pair) = self.pair(dag, view) else { return };
        let was = pair.theirs.replace((heads.digest, heads.count));
        let is_new = was.is_none_or(|(digest, _)| digest != heads.digest);
        // What crosses ours on its way is no sign of anything.
        let had_time = pair.told_at.is_some_and(|at| cx.now.since_ms(at) >= RETRY_FIRST_MS);
        if is_equal && is_new && had_time && dag != view.roster() {
            // It would not say so if it had taken note of ours: of many incidents that were not there it ignores some.
            pair.told = None;
        }
        if was.is_none_or(|(digest, _)| digest != heads.digest) {
            pair.retry = None;
        }
        pair.is_partial = !is_equal && !heads.is_complete();
        pair.stated = heads.heads.iter().copied().collect();
        pair.promised = heads.heads.iter().copied().filter(|id| !view.contains(id)).collect();
        pair.unresolved.clear();
        pair.answer_due = true;
        if is_equal {
            ours.iter().for_each(|head| pair.state_id(*head));
        }
        let entries: Vec<EntryId> = pair.stated.iter().copied().filter(|id| view.contains(id)).collect();
        self.receipt(dag, entries, cx);
        cx.core.touched.insert((self.key, dag));
        if dag == view.roster() {
            cx.core.touched.extend(self.pairs.keys().map(|dag| (self.key, *dag)));
        }
    }

    /// Tells the caller what the peer holds.
    pub(super) fn receipt(&self, dag: DagId, entries: Vec<EntryId>, cx: &mut Context<'_>) {
        if !entries.is_empty() {
            cx.core.outputs.push_back(Output::Receipt { peer: self.key, dag, entries });
        }
    }

    /// Compares a DAG with what is known of the peer and does what follows from it.
    pub(super) fn settle(&mut self, dag: DagId, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let view = cx.view;
        if !self.has_greeted {
            return Ok(());
        }
        if dag == view.roster() {
            self.begin_incidents(cx);
        }
        if !self.is_ready_for(&dag, view) || self.is_left_to_index(&dag, view) {
            return Ok(());
        }
        let ours = HeadsDigest::of(&view.heads(&dag));
        let mut held = self.resolve_promises(&dag, view);
        let Some(pair) = self.pair(dag, view) else { return Ok(()) };
        let is_equal = pair.theirs.is_some_and(|(digest, _)| digest == ours);
        if is_equal {
            pair.is_partial = false;
            view.heads(&dag).iter().for_each(|head| pair.state_id(*head));
            // What it named before we had it was no receipt then; it is one now.
            if pair.held.replace(ours) != Some(ours) {
                held = view.heads(&dag);
            }
        }
        let Some(pair) = self.pairs.get_mut(&dag) else { return Ok(()) };
        let told = pair.told == Some(ours);
        if std::mem::take(&mut pair.answer_due) {
            self.answer(dag, ours, cx);
        } else if !told && !self.is_patient(&dag, cx.now) && self.differs(&dag, cx) && !self.is_busy(&dag, cx) {
            self.send_heads_again(dag, cx);
        }
        self.receipt(dag, held, cx);
        self.see_to_retry(dag, cx);
        // Where HEADS are sent again anyway, no round is needed.
        let is_retried = self.pairs.get(&dag).is_some_and(|pair| pair.retry.is_some());
        match is_equal || is_retried || view.len(&dag) == 0 {
            true => drop(self.unequal.remove(&dag)),
            false => drop(self.unequal.insert(dag)),
        }
        self.want_bodies(dag, cx);
        self.pay(dag, cx);
        self.see_to_compared(&dag, cx);
        Ok(())
    }

    /// Answers HEADS: with ours, if the peer was not told them, and with what it may lack.
    fn answer(&mut self, dag: DagId, ours: HeadsDigest, cx: &mut Context<'_>) {
        let knows_all = self.knows_all(&dag, cx.view);
        let Some(pair) = self.pairs.get_mut(&dag) else { return };
        let theirs = pair.theirs.map(|(digest, _)| digest);
        let have_is_due = !knows_all
            && theirs.is_some_and(|theirs| {
                !pair
                    .have_sent
                    .is_some_and(|(from, to, at)| from == ours && to == theirs && cx.now.since_ms(at) < HAVE_AGAIN_MS)
            });
        if pair.told != Some(ours) {
            let heads = self.tell_heads(dag, cx);
            cx.core.send(self.key, &Frame::Heads(heads));
        }
        if have_is_due {
            self.send_have(dag, None, cx);
        }
    }

    /// Sends HEADS that the peer did not ask for. If it was told others before, it may be waiting for nothing, so what it
    /// may lack goes along.
    pub(super) fn send_heads_again(&mut self, dag: DagId, cx: &mut Context<'_>) {
        let is_first = self.pairs.get(&dag).is_none_or(|pair| pair.told.is_none() && pair.theirs.is_none());
        let heads = self.tell_heads(dag, cx);
        cx.core.send(self.key, &Frame::Heads(heads));
        if !is_first && !self.knows_all(&dag, cx.view) {
            self.send_have(dag, None, cx);
        }
    }

    /// Our HEADS, which the caller sends now.
    pub(super) fn tell_heads(&mut self, dag: DagId, cx: &mut Context<'_>) -> Heads {
        let heads = Heads::new(dag, cx.view.len(&dag), cx.view.heads(&dag));
        if let Some(pair) = self.pair(dag, cx.view) {
            pair.told = Some(heads.digest);
            pair.told_at = Some(cx.now);
        }
        heads
    }

    /// Sends a page of our tips.
    pub(super) fn send_have(&mut self, dag: DagId, after: Option<muster_log::ShortLog>, cx: &mut Context<'_>) {
        let have = Have::page(dag, &cx.view.tips(&dag), after);
        let ours = HeadsDigest::of(&cx.view.heads(&dag));
        if let Some(pair) = self.pair(dag, cx.view) {
            pair.have_sent = pair.theirs.map(|(theirs, _)| (ours, theirs, cx.now));
        }
        cx.core.send(self.key, &Frame::Have(have));
    }

    /// Whether, as far as is known, one of the two lacks something of the DAG.
    pub(super) fn differs(&self, dag: &DagId, cx: &Context<'_>) -> bool {
        let lacks_nothing = self.pairs.get(dag).is_none_or(|pair| pair.lacks_nothing(cx.view));
        !lacks_nothing || !self.knows_all(dag, cx.view)
    }

    /// Whether something is under way that will change the DAG here or there, and touch it when it ends.
    fn is_busy(&self, dag: &DagId, cx: &Context<'_>) -> bool {
        cx.core.fetched.contains_key(dag)
            || self.wanted.contains_key(dag)
            || self.sent.iter().any(|sent| sent.dag == *dag)
            // What is being judged is here before we are told; then it goes on as news, not by comparison.
            || cx.core.arriving.values().any(|arriving| arriving.dag == *dag)
            || cx.core.gossip.judging.values().any(|heard| heard.dag == *dag)
            || self.asked.is_some()
            || self.serving.is_some()
            || !self.queue.is_empty()
    }

    fn see_to_retry(&mut self, dag: DagId, cx: &Context<'_>) {
        let differs = self.differs(&dag, cx);
        let due = differs && !self.is_busy(&dag, cx);
        let Some(pair) = self.pairs.get_mut(&dag) else { return };
        if !differs {
            pair.patience = None;
        }
        pair.retry = match (pair.retry, &pair.patience) {
            _ if !due => None,
            (None, Some(patience)) => Some(Retry { at: patience.until, wait_ms: RETRY_FIRST_MS }),
            (None, None) => Some(Retry::first(cx.now)),
            (armed, _) => armed,
        };
    }

    /// The safety net: sends HEADS again where they differ and nothing else happens.
    pub(super) fn retry(&mut self, cx: &mut Context<'_>) {
        let is_due = |pair: &Pair| pair.retry.is_some_and(|retry| retry.at <= cx.now);
        let due: Vec<DagId> = self.pairs.iter().filter(|(_, pair)| is_due(pair)).map(|(dag, _)| *dag).collect();
        for dag in due {
            self.index.let_go(&dag);
            if !self.is_ready_for(&dag, cx.view) {
                self.pairs.entry(dag).and_modify(|pair| pair.retry = None);
                continue;
            }
            if self.renew_patience(dag, cx) {
                continue;
            }
            self.send_heads_again(dag, cx);
            if let Some(retry) = self.pairs.get_mut(&dag).and_then(|pair| pair.retry.as_mut()) {
                retry.wait_ms = (retry.wait_ms * 2).min(RETRY_LAST_MS);
                retry.at = cx.now.plus_ms(retry.wait_ms);
            }
        }
    }
}
