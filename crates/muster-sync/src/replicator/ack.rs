//! What arrived and is durable: ACK in both directions.

use super::peer::{Peer, Sent};
use super::{Arriving, Context};
use crate::contract::CloseReason;
use crate::frame::{Ack, Frame, ShortTip};
use crate::limits::{CREDIT_CHUNKS, PROGRESS_TIMEOUT_MS, TIPS_MAX};
use crate::replica::View;
use muster_log::EntryId;

impl Peer {
    /// Acknowledges a chunk with what is durable of the logs it touched.
    pub(super) fn send_ack(&mut self, arriving: &Arriving, cx: &mut Context<'_>) {
        let touched = cx.view.tips(&arriving.dag).into_iter().filter(|tip| arriving.logs.contains(&tip.log));
        let mut tips: Vec<ShortTip> = touched.map(ShortTip::from).take(TIPS_MAX).collect();
        tips.sort_unstable();
        tips.dedup();
        let ack = Ack { dag: arriving.dag, number: arriving.number, tips, credit: CREDIT_CHUNKS };
        cx.core.send(self.key, &Frame::Ack(ack));
    }

    /// Takes the acknowledgement of a chunk. What the peer did not admit of it, it is no longer taken to have.
    pub(super) fn ack(&mut self, ack: &Ack, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        if ack.number == 0 {
            self.gossip_ack(ack, cx);
            return Ok(());
        }
        let view = cx.view;
        let place = self.sent.iter().position(|sent| sent.number == ack.number && sent.dag == ack.dag);
        let Some(sent) = place.and_then(|place| self.sent.remove(place)) else { return Ok(()) };
        self.credit = ack.credit;
        self.ack_deadline = cx.now.plus_ms(PROGRESS_TIMEOUT_MS);
        let named: Vec<EntryId> = ack.tips.iter().filter_map(|tip| resolve(&ack.dag, tip, view)).collect();
        let is_whole = sent.tips.iter().all(|tip| is_covered(&sent, tip, ack, &named, view));
        if let Some(pair) = self.pair(ack.dag, view) {
            // Of a chunk that arrived whole its heads say the same as its tips, in fewer words.
            let entries = if is_whole { &sent.heads } else { &named };
            entries.iter().for_each(|id| pair.state_id(*id));
            pair.prune(&ack.dag, view);
        }
        let receipt = if is_whole { [sent.heads, named].concat() } else { named };
        self.receipt(ack.dag, receipt, cx);
        cx.core.touched.insert((self.key, ack.dag));
        if ack.dag == view.roster() {
            cx.core.touched.extend(self.pairs.keys().map(|dag| (self.key, *dag)));
        }
        Ok(())
    }
}

/// The entry here that a tip means.
pub(super) fn resolve(dag: &muster_log::DagId, tip: &ShortTip, view: View<'_>) -> Option<EntryId> {
    view.range(dag, &tip.log, tip.seq, tip.seq).into_iter().find(|id| tip.is(id))
}

/// Whether the peer holds the last entry of a run that was sent.
fn is_covered(sent: &Sent, tip: &EntryId, ack: &Ack, named: &[EntryId], view: View<'_>) -> bool {
    if named.contains(tip) || named.iter().any(|later| view.is_past(&sent.dag, tip, later)) {
        return true;
    }
    // The peer may know more of the log than we do.
    view.entry(tip).is_some_and(|entry| {
        let log = entry.log().short();
        ack.tips
            .iter()
            .any(|theirs| theirs.log == log && theirs.seq > entry.seq() && resolve(&ack.dag, theirs, view).is_none())
    })
}
