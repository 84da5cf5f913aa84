//! Bodies that lack where the entries are equal: what a peer was asked for, and when it is asked again.
//!
//! Each is asked of each peer once. What a peer may be asked for is bounded, and a member can name thousands of bodies
//! that nobody has; so who has been asked that much is asked for what comes next in order, after a while.

use super::Context;
use super::peer::Peer;
use crate::limits::{ASKED_BODIES_MAX, BODIES_AGAIN_MS, BODIES_MAX};
use crate::tick::Tick;
use muster_log::{DagId, EntryId};
use std::collections::{BTreeMap, BTreeSet};

/// What a peer was asked for, and did not always have.
#[derive(Debug, Default)]
pub(super) struct AskedBodies {
    ids: BTreeSet<EntryId>,
    /// The DAGs of which something was asked in this lap or the one before.
    laps: BTreeMap<DagId, Lap>,
    /// When the next lap begins, if this one ended before everything had its turn.
    again: Option<Tick>,
}

/// How far one DAG's bodies were gone through, in the order of their ids and round again.
#[derive(Debug, Default)]
struct Lap {
    after: Option<EntryId>,
    last: Option<EntryId>,
}

impl AskedBodies {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn extend(&mut self, ids: &[EntryId]) {
        self.ids.extend(ids);
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        self.again
    }

    /// Begins a new lap: in each DAG behind what was asked for last.
    fn begin_again(&mut self) {
        (self.again, self.ids) = (None, BTreeSet::new());
        for lap in self.laps.values_mut() {
            lap.after = lap.last.take().or(lap.after);
        }
    }
}

impl Peer {
    /// Wants what it was not asked for yet.
    pub(super) fn want_bodies(&mut self, dag: DagId, cx: &mut Context<'_>) {
        if self.wanted.contains_key(&dag) || self.differs(&dag, cx) {
            return;
        }
        let asked = &mut self.asked_bodies;
        let after = asked.laps.get(&dag).and_then(|lap| lap.after);
        let missing = cx.view.missing_bodies(&dag, after, &asked.ids, BODIES_MAX);
        if missing.is_empty() {
            return;
        }
        if asked.len() + missing.len() > ASKED_BODIES_MAX {
            asked.again.get_or_insert(cx.now.plus_ms(BODIES_AGAIN_MS));
            return;
        }
        asked.laps.entry(dag).or_default().last = missing.last().copied();
        self.wanted.entry(dag).or_default().bodies = missing.into_iter().collect();
    }

    /// Asks on where it had been asked for as much as may be.
    pub(super) fn ask_for_bodies_again(&mut self, cx: &mut Context<'_>) {
        if self.asked_bodies.again.is_none_or(|again| again > cx.now) {
            return;
        }
        self.asked_bodies.begin_again();
        let (view, roster) = (cx.view, cx.view.roster());
        let lacking = view.incidents().into_iter().chain([roster]).filter(|dag| view.lacks_bodies(dag));
        cx.core.touched.extend(lacking.map(|dag| (self.key, dag)));
    }
}
