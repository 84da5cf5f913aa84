//! What a peer that gossips is given: time, before heads are compared with it; and the acknowledgement of what came by
//! gossip, all of it at once.

use super::gossip::Origin;
use super::peer::{Pair, Patience, Peer, Retry};
use super::{Context, Replicator};
use crate::frame::{Ack, Frame, ShortTip};
use crate::limits::{ACK_WAIT_MS, CREDIT_CHUNKS, GOSSIP_PATIENCE_MS, HEADS_MAX, TIPS_MAX, UNRESOLVED_MAX};
use crate::replica::{Replica, View};
use crate::tick::Tick;
use muster_log::{DagId, EntryId, ShortLog};
use std::collections::{BTreeMap, BTreeSet};

impl Replicator {
    /// Peers that gossip are expected to get these entries by it; what came by it is acknowledged to them.
    pub(super) fn expect_gossip(&mut self, carried: &BTreeMap<EntryId, Origin>, now: Tick, replica: &dyn Replica) {
        let mut dags: BTreeMap<DagId, BTreeSet<ShortLog>> = BTreeMap::new();
        for (id, origin) in carried {
            let Some(entry) = replica.entry(id) else { continue };
            let logs = dags.entry(entry.dag()).or_default();
            if *origin == Origin::Gossip {
                logs.insert(entry.log().short());
            }
        }
        for (dag, logs) in dags {
            for key in self.peers.keys().copied().collect::<Vec<_>>() {
                let patience = GOSSIP_PATIENCE_MS + self.core.rounds.chance(GOSSIP_PATIENCE_MS);
                let ack = ACK_WAIT_MS / 2 + self.core.rounds.chance(ACK_WAIT_MS / 2);
                self.with(key, now, replica, |peer, cx| {
                    if peer.gossips && peer.has_greeted {
                        peer.be_patient(dag, cx.now.plus_ms(patience), cx);
                        peer.owe_ack(dag, &logs, cx.now.plus_ms(ack), cx);
                    }
                    Ok(())
                });
            }
        }
    }
}

impl Peer {
    /// Holds HEADS of a DAG back until then, unless they are held back already.
    pub(super) fn be_patient(&mut self, dag: DagId, until: Tick, cx: &mut Context<'_>) {
        let mut heads = cx.view.heads(&dag);
        heads.truncate(HEADS_MAX);
        if let Some(pair) = self.pair(dag, cx.view) {
            pair.patience.get_or_insert(Patience { until, heads, has_set_aside: false });
        }
    }

    /// Ends the patience with what exceeded a quota: something else builds on it. False where nothing was set aside.
    pub(super) fn fetch_set_aside(&mut self, dag: DagId, cx: &mut Context<'_>) -> bool {
        let Some(pair) = self.pairs.get_mut(&dag) else { return false };
        if !pair.patience.as_ref().is_some_and(|patience| patience.has_set_aside) {
            return false;
        }
        pair.patience = None;
        if self.is_ready_for(&dag, cx.view) {
            self.send_heads_again(dag, cx);
        }
        true
    }

    /// Whether HEADS of a DAG are held back.
    pub(super) fn is_patient(&self, dag: &DagId, now: Tick) -> bool {
        self.pairs.get(dag).and_then(|pair| pair.patience.as_ref()).is_some_and(|patience| patience.until > now)
    }

    /// Ends a patience that is over. True where it was not in vain: what was awaited has arrived, and what is new since
    /// then gets a patience of its own.
    pub(super) fn renew_patience(&mut self, dag: DagId, cx: &mut Context<'_>) -> bool {
        let Some(patience) = self.pairs.get_mut(&dag).and_then(|pair| pair.patience.take()) else { return false };
        let lacks_nothing = self.pairs.get(&dag).is_some_and(|pair| pair.lacks_nothing(cx.view));
        if !lacks_nothing || !patience.heads.iter().all(|head| self.knows(&dag, head, cx.view)) {
            return false;
        }
        let wait_ms = GOSSIP_PATIENCE_MS + cx.core.rounds.chance(GOSSIP_PATIENCE_MS);
        let at = cx.now.plus_ms(wait_ms);
        self.be_patient(dag, at, cx);
        self.pairs.entry(dag).and_modify(|pair| pair.retry = Some(Retry { at, wait_ms }));
        true
    }

    fn owe_ack(&mut self, dag: DagId, logs: &BTreeSet<ShortLog>, at: Tick, cx: &mut Context<'_>) {
        if logs.is_empty() {
            return;
        }
        if let Some(pair) = self.pair(dag, cx.view) {
            pair.ack_due.get_or_insert((at, BTreeSet::new())).1.extend(logs);
        }
    }

    /// Acknowledges what came by gossip, where that is due.
    pub(super) fn send_owed_acks(&mut self, cx: &mut Context<'_>) {
        let is_due = |pair: &Pair| pair.ack_due.as_ref().is_some_and(|(at, _)| *at <= cx.now);
        let due: Vec<DagId> = self.pairs.iter().filter(|(_, pair)| is_due(pair)).map(|(dag, _)| *dag).collect();
        for dag in due {
            let owed = self.pairs.get_mut(&dag).and_then(|pair| pair.ack_due.take());
            let Some((_, logs)) = owed.filter(|_| self.is_ready_for(&dag, cx.view)) else { continue };
            let tips = cx.view.tips(&dag).into_iter().filter(|tip| logs.contains(&tip.log)).map(ShortTip::from);
            let mut tips: Vec<ShortTip> = tips.take(TIPS_MAX).collect();
            tips.sort_unstable();
            tips.dedup();
            if !tips.is_empty() {
                cx.core.send(self.key, &Frame::Ack(Ack { dag, number: 0, tips, credit: CREDIT_CHUNKS }));
            }
        }
    }

    /// Takes the acknowledgement of what came to the peer by gossip.
    pub(super) fn gossip_ack(&mut self, ack: &Ack, cx: &mut Context<'_>) {
        let (dag, view) = (ack.dag, cx.view);
        let (named, unknown): (Vec<_>, Vec<_>) =
            ack.tips.iter().map(|tip| (*tip, super::ack::resolve(&dag, tip, view))).partition(|(_, id)| id.is_some());
        let named: Vec<EntryId> = named.into_iter().filter_map(|(_, id)| id).collect();
        let until = cx.now.plus_ms(GOSSIP_PATIENCE_MS + cx.core.rounds.chance(GOSSIP_PATIENCE_MS));
        let Some(pair) = self.pair(dag, view) else { return };
        named.iter().for_each(|id| pair.state_id(*id));
        pair.prune(&dag, view);
        let room = UNRESOLVED_MAX.saturating_sub(pair.unresolved.len());
        pair.unresolved.extend(unknown.into_iter().map(|(tip, _)| tip).take(room));
        if self.gossips {
            self.be_patient(dag, until, cx);
        }
        self.receipt(dag, named, cx);
        cx.core.touched.insert((self.key, dag));
    }

    /// Strikes off what came meanwhile of what the peer was known to hold and we lacked; the receipts that follow.
    pub(super) fn resolve_promises(&mut self, dag: &DagId, view: View<'_>) -> Vec<EntryId> {
        let Some(pair) = self.pairs.get_mut(dag) else { return Vec::new() };
        let (here, awaited) = std::mem::take(&mut pair.promised).into_iter().partition(|id| view.contains(id));
        pair.promised = awaited;
        let mut here: BTreeSet<EntryId> = here;
        for tip in std::mem::take(&mut pair.unresolved) {
            match super::ack::resolve(dag, &tip, view) {
                Some(id) => {
                    pair.state_id(id);
                    here.insert(id);
                }
                None => drop(pair.unresolved.insert(tip)),
            }
        }
        here.into_iter().collect()
    }
}
