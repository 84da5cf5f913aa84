//! Many incidents: which of them differ is found out by INDEX, and only those are compared by HEADS.
//!
//! How ranges are told apart is in [`crate::reconcile`]. Here is when a run begins, what its end means, and that no
//! change made meanwhile is lost: a run compares a snapshot, so at its end whatever has changed since, has come since
//! or stayed open is compared by HEADS like what differs. Of few incidents HEADS alone are sent, without any of this.

use super::Context;
use super::peer::{Pair, Peer, Retry};
use crate::contract::CloseReason;
use crate::frame::{Frame, HeadsDigest, Index, Salt};
use crate::limits::{
    INDEX_AGAIN_MS, INDEX_COMPARED_MAX, INDEX_LEAST, INDEX_RETRY_FIRST_MS, INDEX_TURNS_MAX, RETRY_LAST_MS,
};
use crate::reconcile::{Run, Verdict, tag_of};
use crate::replica::View;
use crate::tick::Tick;
use muster_log::{DagId, DeviceKey, EntryId};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What INDEX is about with one peer.
#[derive(Debug, Default)]
pub(super) struct Indexing {
    /// Random, of this connection: what salts are made of.
    nonce: [u8; 16],
    /// How many runs we opened.
    opened: u64,
    run: Option<Ongoing>,
    /// A frame that waits: for the peer to have our roster, or because openings come too fast.
    asked: Option<Index>,
    /// When it may be answered, where it came too fast.
    not_before: Option<Tick>,
    answered_at: Option<Tick>,
    /// Whether the incidents were compared once, by a run or one by one. From then on every change is told as it comes.
    is_done: bool,
    /// What a run found equal, until something happens there.
    equal: BTreeMap<DagId, Same>,
    /// What differs and is not compared yet.
    due: BTreeSet<DagId>,
    /// What is being compared by HEADS because a run found it to differ.
    compared: BTreeSet<DagId>,
}

/// A run that waits for the peer's next frame.
#[derive(Debug)]
struct Ongoing {
    run: Run,
    /// The turn of that frame.
    expected: u8,
    /// When we open another instead. On the side that answers later, so that not both do.
    retry: Retry,
}

/// What both have of an incident that was found equal.
#[derive(Debug)]
pub(super) struct Same {
    pub(super) heads: Box<[EntryId]>,
    pub(super) count: u64,
}

impl Indexing {
    pub(super) fn new(nonce: [u8; 16]) -> Self {
        Self { nonce, ..Self::default() }
    }

    /// What was found equal and has not been looked at since.
    pub(super) fn same(&self, dag: &DagId) -> Option<&Same> {
        self.equal.get(dag)
    }

    /// Takes what was found equal, so that it is kept as a pair from now on.
    pub(super) fn take_same(&mut self, dag: &DagId) -> Option<Pair> {
        let same = self.equal.remove(dag)?;
        let digest = HeadsDigest::of(&same.heads);
        Some(Pair {
            stated: same.heads.iter().copied().collect(),
            theirs: Some((digest, same.count)),
            held: Some(digest),
            // The peer's side of the run may have ended otherwise; should it ask, it is answered.
            told: None,
            ..Pair::default()
        })
    }

    /// When something of this is due.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let retry = self.run.as_ref().map(|ongoing| ongoing.retry.at);
        retry.into_iter().chain(self.not_before).min()
    }

    /// A comparison by HEADS has run into its wait: others may go on.
    pub(super) fn let_go(&mut self, dag: &DagId) {
        self.compared.remove(dag);
    }

    fn next_salt(&mut self, peer: &DeviceKey) -> Salt {
        self.opened += 1;
        let mut hasher = Sha256::new();
        hasher.update(b"muster/salt/1\0");
        hasher.update(self.nonce);
        hasher.update(peer.as_bytes());
        hasher.update(self.opened.to_be_bytes());
        let mut salt = [0; 16];
        salt.iter_mut().zip(hasher.finalize()).for_each(|(to, from)| *to = from);
        Salt(salt)
    }
}

impl Peer {
    /// Once the peer has our roster, every incident that it may see is compared.
    pub(super) fn begin_incidents(&mut self, cx: &mut Context<'_>) {
        let ready = self.knows_all(&cx.view.roster(), cx.view);
        if ready && !self.has_begun {
            let visible = cx.view.incidents();
            if self.index.is_done || visible.len() <= INDEX_LEAST {
                self.index.is_done = true;
                let dags = visible.into_iter().filter(|dag| !self.index.equal.contains_key(dag));
                let dags = dags.chain(self.pairs.keys().copied()).filter(|dag| *dag != cx.view.roster());
                cx.core.touched.extend(dags.map(|dag| (self.key, dag)));
            } else if self.index.run.is_none() && self.index.asked.is_none() {
                self.open_index(INDEX_RETRY_FIRST_MS, cx);
            }
        }
        self.has_begun = ready;
    }

    /// Whether a DAG is left to INDEX: it was not compared yet, or was found equal and is as it was.
    pub(super) fn is_left_to_index(&self, dag: &DagId, view: View<'_>) -> bool {
        if *dag == view.roster() || self.pairs.contains_key(dag) {
            return false;
        }
        match self.index.equal.get(dag) {
            Some(same) => *view.heads(dag) == *same.heads && !view.lacks_bodies(dag),
            None => !self.index.is_done,
        }
    }

    /// Takes a frame of a run, ours or its own.
    pub(super) fn index(&mut self, index: Index, cx: &mut Context<'_>) {
        if index.scope != cx.view.roster() {
            return;
        }
        let expected = self.index.run.as_ref().map(|ongoing| (ongoing.run.salt(), ongoing.expected));
        if index.turn == 0 {
            // Two openings that cross: one of the two runs is enough.
            if matches!(expected, Some((_, 1))) && cx.core.config.me < self.key {
                return;
            }
            self.index.run = None;
        } else if expected != Some((index.salt, index.turn)) {
            return;
        }
        self.index.asked = Some(index);
    }

    /// Answers, opens anew, and compares what differs, each where it is due.
    pub(super) fn see_to_index(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let retry = self.index.run.as_ref().map(|ongoing| ongoing.retry).filter(|retry| retry.at <= cx.now);
        if let Some(retry) = retry.filter(|_| self.index.asked.is_none()) {
            self.open_index((retry.wait_ms * 2).min(RETRY_LAST_MS), cx);
        }
        self.index.not_before = None;
        if self.index.asked.is_some() && self.knows_all(&cx.view.roster(), cx.view) {
            self.answer_index(cx);
        }
        self.compare_due(cx);
        Ok(())
    }

    fn open_index(&mut self, wait_ms: u64, cx: &mut Context<'_>) {
        let salt = self.index.next_salt(&self.key);
        let run = Run::new(salt, cx.view.states());
        let index = Index { scope: cx.view.roster(), salt, turn: 0, spans: run.open() };
        cx.core.send(self.key, &Frame::Index(index));
        let retry = Retry { at: cx.now.plus_ms(wait_ms), wait_ms };
        self.index.run = Some(Ongoing { run, expected: 1, retry });
    }

    fn answer_index(&mut self, cx: &mut Context<'_>) {
        let is_opening = self.index.asked.as_ref().is_some_and(|index| index.turn == 0);
        if let Some(at) = self.index.answered_at.map(|at| at.plus_ms(INDEX_AGAIN_MS)).filter(|at| *at > cx.now)
            && is_opening
        {
            self.index.not_before = Some(at);
            return;
        }
        let Some(index) = self.index.asked.take() else { return };
        let (mut run, wait_ms) = match self.index.run.take() {
            Some(ongoing) if !is_opening => (ongoing.run, ongoing.retry.wait_ms),
            _ => (Run::new(index.salt, cx.view.states()), INDEX_RETRY_FIRST_MS * 2),
        };
        if is_opening {
            self.index.answered_at = Some(cx.now);
        }
        let spans = run.answer(index.turn, &index.spans);
        self.index.due.extend(run.take_differing());
        let turn = index.turn.saturating_add(1);
        if !index.asks() || turn >= INDEX_TURNS_MAX {
            return self.end_index(&run, cx);
        }
        let answer = Index { scope: index.scope, salt: index.salt, turn, spans };
        let asks = answer.asks();
        cx.core.send(self.key, &Frame::Index(answer));
        if !asks {
            return self.end_index(&run, cx);
        }
        let retry = Retry { at: cx.now.plus_ms(wait_ms), wait_ms };
        self.index.run = Some(Ongoing { run, expected: turn.saturating_add(1), retry });
    }

    /// The end of a run: what is equal and has not changed since is known to be so, everything else is compared.
    fn end_index(&mut self, run: &Run, cx: &mut Context<'_>) {
        self.index.is_done = true;
        let view = cx.view;
        let mut equal: BTreeMap<DagId, crate::frame::Tag> = BTreeMap::new();
        for (incident, tag, verdict) in run.verdicts() {
            match verdict {
                Some(Verdict::Equal) => drop(equal.insert(incident, tag)),
                Some(Verdict::Differs) => {}
                None => drop(self.index.due.insert(incident)),
            }
        }
        for incident in view.incidents() {
            if self.pairs.contains_key(&incident)
                || self.index.due.contains(&incident)
                || self.index.equal.contains_key(&incident)
            {
                continue;
            }
            let heads = view.heads(&incident);
            let tag = tag_of(&run.salt(), &incident, &HeadsDigest::of(&heads));
            if equal.get(&incident) != Some(&tag) {
                self.index.due.insert(incident);
                continue;
            }
            let same = Same { heads: heads.clone().into_boxed_slice(), count: view.len(&incident) };
            self.index.equal.insert(incident, same);
            self.receipt(incident, heads, cx);
            if view.lacks_bodies(&incident) {
                cx.core.touched.insert((self.key, incident));
            }
        }
    }

    /// Begins to compare some of what differs. Never many at once: a peer takes note of few incidents that it does not
    /// have, and is not to be told a thousand things that wait for it to ask.
    fn compare_due(&mut self, cx: &mut Context<'_>) {
        while self.index.compared.len() < INDEX_COMPARED_MAX
            && let Some(dag) = self.index.due.pop_first()
        {
            // Of what it may not see any more there is nothing to say.
            if cx.view.len(&dag) > 0 && self.pair(dag, cx.view).is_some() {
                self.index.compared.insert(dag);
                cx.core.touched.insert((self.key, dag));
            }
        }
    }

    /// Makes room for the next comparison where this one has come to its end.
    pub(super) fn see_to_compared(&mut self, dag: &DagId, cx: &mut Context<'_>) {
        if self.index.compared.contains(dag) && !self.differs(dag, cx) {
            self.index.compared.remove(dag);
            self.compare_due(cx);
        }
    }
}
