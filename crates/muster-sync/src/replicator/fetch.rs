//! What we lack and ask for: HAVE in, WANT out, chunks and MISSING in.
//!
//! One WANT at a time is open with each peer, and a DAG is asked of one peer at a time. What a second peer offers
//! meanwhile is kept and, when its turn comes, measured anew against what is here by then.

use super::peer::{OpenWant, Peer, Retry, log_ends};
use super::proven::{Charge, hidden};
use super::{Arriving, Context};
use crate::contract::{Admission, ChunkId, CloseReason, Output};
use crate::frame::{Frame, Have, Missing, Packed, Part, Range, ShortTip, Want};
use crate::limits::{
    ANSWER_FRAMES_MAX, BEFORE_MAX, BODIES_MAX, CREDIT_CHUNKS, FORK_RANGE, IDS_MAX, IN_VAIN_FIRST_MS,
    PROGRESS_TIMEOUT_MS, QUOTA_WAIT_MS, RANGES_MAX, RETRY_LAST_MS, WANT_BUDGET_BYTES,
};
use crate::replica::{Replica, View};
use crate::unpack::{Unpacked, unpack};
use muster_log::{Body, DagId, Entry, EntryId, ShortLog};
use std::collections::BTreeSet;

impl Peer {
    /// Takes a page of the peer's tips and keeps those that are not here.
    pub(super) fn have(&mut self, have: &Have, cx: &mut Context<'_>) {
        self.progress(have.dag, cx);
        let (dag, view) = (have.dag, cx.view);
        let Some(pair) = self.pairs.get_mut(&dag) else { return };
        if view.len(&dag) > 0 {
            pair.in_vain = None;
        } else if pair.in_vain.is_some_and(|in_vain| in_vain.at > cx.now) {
            return;
        }
        let room = RANGES_MAX.saturating_sub(self.wanted.values().map(|wanted| wanted.tips.len()).sum());
        let lacking: Vec<ShortTip> =
            have.tips.iter().filter(|tip| !is_here(&dag, tip, view)).take(room).copied().collect();
        let wanted = self.wanted.entry(dag).or_default();
        wanted.tips.extend(lacking);
        // Pages go forward, else a peer could keep us turning them.
        let asked = self.open_want.as_ref().filter(|want| want.dag == dag).and_then(|want| want.page);
        wanted.page = have.cursor.filter(|cursor| asked.is_none_or(|asked| asked < *cursor));
    }

    /// Asks the peer for something it offered, if it owes no answer.
    pub(super) fn ask(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        while self.open_want.is_none() && self.arriving == 0 && !cx.core.room.is_waiting() {
            let free = |dag: &DagId| !cx.core.fetched.contains_key(dag);
            // The roster first: the rest cites it.
            let roster = Some(cx.core.roster()).filter(|dag| self.wanted.contains_key(dag));
            let Some(dag) = roster.into_iter().chain(self.wanted.keys().copied()).find(free) else { break };
            match self.next_want(dag, cx) {
                Some(want) => self.open(want, cx),
                None => {
                    self.wanted.remove(&dag);
                    cx.core.touched.insert((self.key, dag));
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, want: Want, cx: &mut Context<'_>) {
        cx.core.fetched.insert(want.dag, self.key);
        self.open_want = Some(OpenWant {
            dag: want.dag,
            ids: want.ids.clone(),
            bodies: want.bodies.clone(),
            page: want.page,
            deadline: cx.now.plus_ms(PROGRESS_TIMEOUT_MS),
            signs_left: ANSWER_FRAMES_MAX,
            has_progress: false,
            has_ended: false,
        });
        cx.core.send(self.key, &Frame::Want(want));
    }

    /// What to ask for next in a DAG, now that this much is here; `None` where nothing lacks any more.
    ///
    /// Branches of forked logs come last and few at a time: one that somebody has built upon is asked for by id.
    fn next_want(&mut self, dag: DagId, cx: &mut Context<'_>) -> Option<Want> {
        let view = cx.view;
        let wanted = self.wanted.get_mut(&dag)?;
        wanted.tips.retain(|tip| !is_here(&dag, tip, view));
        wanted.ids.retain(|id| !view.contains(id));
        if wanted.is_empty() {
            return None;
        }
        // All pages first: what one page names may build on what another does, and the answer comes in causal order.
        let is_page = wanted.page.is_some();
        let ends = log_ends(&dag, view);
        let is_sibling = |tip: &ShortTip| ends.get(&tip.log).is_some_and(|end| *end >= tip.seq);
        let mut tips: Vec<ShortTip> = wanted.tips.iter().filter(|tip| !is_page && !is_sibling(tip)).copied().collect();
        let is_rest = tips.is_empty() && wanted.ids.is_empty() && wanted.bodies.is_empty() && !is_page;
        if is_rest {
            let mut may_come = |tip: &ShortTip| {
                let author = view.range(&dag, &tip.log, tip.seq, tip.seq).first().and_then(|id| view.entry(id));
                author.is_none_or(|entry| cx.core.quotas.take_sibling(entry.key(), cx.now))
            };
            tips.extend(wanted.tips.iter().filter(|tip| may_come(tip)).copied());
            if tips.is_empty() {
                return None;
            }
        }
        Some(Want {
            dag,
            ranges: tips.iter().map(|tip| lacking(tip, ends.get(&tip.log))).collect(),
            ids: wanted.ids.iter().copied().take(IDS_MAX).collect(),
            before: wanted.before,
            bodies: wanted.bodies.iter().copied().take(BODIES_MAX).collect(),
            page: wanted.page,
            budget_bytes: WANT_BUDGET_BYTES,
        })
    }

    /// Takes a chunk: hands it out for admission, or acknowledges it at once if all of it is here.
    pub(super) fn chunk(&mut self, dag: DagId, packed: &Packed, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        if self.arriving >= CREDIT_CHUNKS {
            return Err(CloseReason::OverCredit);
        }
        let mut unpacked = unpack(packed, cx.core.config.team, dag)?;
        // Where nothing is asked there is no answer: it is taken as what it is, sent unasked.
        let is_answer = packed.part != Part::Live && self.open_want.as_ref().is_some_and(|want| !want.has_ended);
        self.progress_of_answer(packed.part, cx);
        let logs: BTreeSet<ShortLog> = logs_of(&unpacked);
        if let Some(pair) = self.pair(dag, cx.view) {
            unpacked.received.iter().for_each(|received| pair.state(&received.entry));
        }
        let bodies = bodies_for(&mut unpacked, cx.view);
        let id = ChunkId(cx.core.next_chunk);
        cx.core.next_chunk += 1;
        let (peer, hidden) = (self.key, hidden(dag, &unpacked.received, cx.view));
        let arriving = Arriving { peer, stream: self.stream, number: packed.number, dag, logs, is_answer, hidden };
        self.arriving += 1;
        // One that says nothing is taken alike, whatever the peer may see.
        let is_empty = unpacked.received.is_empty() && bodies.is_empty();
        if is_empty || cx.view.sees(&dag) && is_known(&unpacked, &bodies, cx.view.all()) {
            // What brings nothing new is not handed out, and yet it is here that the peer shows what it holds.
            self.receipt(dag, unpacked.received.iter().map(|received| received.entry.id()).collect(), cx);
            cx.core.touched.insert((self.key, dag));
            return self.admitted(arriving, Admission::default(), cx);
        }
        if !is_answer && cx.core.charge_chunk(self.key, &unpacked.received, cx.now, cx.view) == Charge::Over {
            // It waits: the acknowledgement says that it is not here, and a comparison will fetch it.
            let until = cx.now.plus_ms(QUOTA_WAIT_MS + cx.core.rounds.chance(QUOTA_WAIT_MS));
            self.be_patient(dag, until, cx);
            cx.core.touched.insert((self.key, dag));
            return self.admitted(arriving, Admission::default(), cx);
        }
        let new = unpacked.received.iter().map(|received| received.entry.id()).filter(|id| !cx.view.contains(id));
        cx.core.gossip.note_origin(new.collect::<Vec<_>>(), super::gossip::Origin::Chunk);
        cx.core.arriving.insert(id, arriving);
        cx.core.outputs.push_back(Output::Admit { chunk: id, peer, dag, received: unpacked.received, bodies });
        Ok(())
    }

    /// A chunk was judged: acknowledges it, and asks for what it waits for.
    pub(super) fn admitted(
        &mut self,
        arriving: Arriving,
        admission: Admission,
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        // What is refused for what the peer may not see looks as if that were not here.
        if let Some(refused) = admission.refused
            && (arriving.hidden.is_empty() || refused.code == super::gossip::FORGED)
        {
            return Err(CloseReason::Refused(refused));
        }
        self.arriving = self.arriving.saturating_sub(1);
        if admission.put_off {
            let until = cx.core.room.put_off(cx.now);
            self.be_patient(arriving.dag, until, cx);
        } else if admission.admitted > 0 {
            cx.core.room.kept();
        }
        // Of what was put off it says that it is not here.
        self.send_ack(&arriving, cx);
        let missing = admission.missing.iter().chain(&arriving.hidden).copied();
        let missing: BTreeSet<EntryId> = missing.filter(|id| !cx.view.contains(id)).collect();
        // Of incidents that are only named there are as many as a liar likes.
        if !missing.is_empty() && self.pair(arriving.dag, cx.view).is_some() {
            let wanted = self.wanted.entry(arriving.dag).or_default();
            // A parent that one push left out is one entry; a fork is a run of them, walked back in strides.
            wanted.before = if arriving.is_answer { BEFORE_MAX } else { 0 };
            let room = IDS_MAX.saturating_sub(wanted.ids.len());
            wanted.ids.extend(missing.into_iter().take(room));
        }
        if let Some(want) = self.open_want.as_mut().filter(|_| arriving.is_answer) {
            if want.signs_left > 0 {
                want.deadline = cx.now.plus_ms(PROGRESS_TIMEOUT_MS);
            }
            want.has_progress |= admission.admitted > 0;
        }
        self.end_of_answer(cx);
        Ok(())
    }

    /// Takes what the peer has not: it is not asked for that again.
    pub(super) fn missing(&mut self, missing: &Missing, cx: &mut Context<'_>) {
        self.progress(missing.dag, cx);
        for wanted in self.wanted.values_mut() {
            wanted.ids.retain(|id| !missing.ids.contains(id));
            wanted.bodies.retain(|id| !missing.bodies.contains(id));
        }
    }

    fn progress(&mut self, dag: DagId, cx: &Context<'_>) {
        if let Some(want) = self.open_want.as_mut().filter(|want| want.dag == dag) {
            want.sign_of_life(cx.now);
        }
    }

    fn progress_of_answer(&mut self, part: Part, cx: &Context<'_>) {
        if let Some(want) = self.open_want.as_mut().filter(|_| part != Part::Live) {
            want.sign_of_life(cx.now);
            want.has_ended |= matches!(part, Part::End | Part::EndForNow);
        }
    }

    /// Closes our WANT when its answer is here and judged. What lacks still is asked for again, unless nothing came:
    /// then the comparison begins anew, later.
    fn end_of_answer(&mut self, cx: &mut Context<'_>) {
        if self.arriving > 0 || !self.open_want.as_ref().is_some_and(|want| want.has_ended) {
            return;
        }
        let Some(want) = self.open_want.take() else { return };
        cx.core.fetched.remove(&want.dag);
        if want.has_progress {
            cx.core.let_down.remove(&self.key);
        }
        cx.core.touched_dags.insert(want.dag);
        if cx.core.room.is_waiting() {
            // All of it stays wanted.
            return;
        }
        self.asked_bodies.extend(&want.bodies);
        let Some(wanted) = self.wanted.get_mut(&want.dag) else { return };
        // An entry that came and waits for its own parents is asked for by those; one that did not come, not again.
        wanted.ids.retain(|id| !want.ids.contains(id));
        wanted.bodies.retain(|id| !want.bodies.contains(id));
        self.drop_stale(&want, cx);
    }

    fn drop_stale(&mut self, want: &OpenWant, cx: &Context<'_>) {
        let Some(wanted) = self.wanted.get_mut(&want.dag) else { return };
        wanted.tips.retain(|tip| !is_here(&want.dag, tip, cx.view));
        // A page that was asked for and did not come is not asked for again.
        wanted.page = wanted.page.filter(|page| want.page != Some(*page));
        if want.has_progress || want.page.is_some() || wanted.tips.is_empty() {
            return;
        }
        wanted.tips.clear();
        wanted.page = None;
        // Whether it may not see the DAG or offers what is none: either is asked of it ever more rarely, alike.
        if let Some(pair) = self.pairs.get_mut(&want.dag).filter(|_| cx.view.len(&want.dag) == 0) {
            let wait_ms = pair.in_vain.map_or(IN_VAIN_FIRST_MS, |before| (before.wait_ms * 2).min(RETRY_LAST_MS));
            pair.in_vain = Some(Retry { at: cx.now.plus_ms(wait_ms), wait_ms });
        }
    }
}

/// The bodies of a chunk that fit their entries. One that does not is left out: whoever asked asks elsewhere.
fn bodies_for(unpacked: &mut Unpacked, view: View<'_>) -> Vec<(EntryId, Body)> {
    let mut bodies = std::mem::take(&mut unpacked.bodies);
    for (id, bytes) in &unpacked.loose {
        let received = unpacked.received.iter().map(|received| &received.entry).find(|entry| entry.id() == *id);
        let body = received.or_else(|| view.entry(id)).and_then(|entry| Body::check(entry, bytes).ok());
        bodies.extend(body.map(|body| (*id, body)));
    }
    bodies
}

/// Whether the entry that a tip means is here.
fn is_here(dag: &DagId, tip: &ShortTip, view: View<'_>) -> bool {
    view.range(dag, &tip.log, tip.seq, tip.seq).iter().any(|id| tip.is(id))
}

/// The part of a log that lacks, given where the log ends here.
fn lacking(tip: &ShortTip, end: Option<&u32>) -> Range {
    let end = end.copied().unwrap_or(0);
    let from = if end < tip.seq { end + 1 } else { tip.seq.saturating_sub(FORK_RANGE - 1).max(1) };
    Range { log: tip.log, from, to: tip.seq }
}

fn logs_of(unpacked: &Unpacked) -> BTreeSet<ShortLog> {
    let mut keys = BTreeSet::new();
    let firsts = unpacked.received.iter().map(|received| &received.entry);
    firsts.filter(|entry| keys.insert((entry.key(), entry.items().session))).map(|entry| entry.log().short()).collect()
}

/// Whether all of a chunk is here, so that there is nothing to admit and nothing to write.
pub(super) fn is_known(unpacked: &Unpacked, bodies: &[(EntryId, Body)], replica: &dyn Replica) -> bool {
    let has_body = |entry: &Entry| entry.body().is_none_or(|body| replica.has_body(&body.hash));
    unpacked.received.iter().all(|received| replica.entry(&received.entry.id()).is_some())
        && bodies.iter().all(|(id, _)| replica.entry(id).is_some_and(has_body))
}
