//! What somebody has, log by log, and so what they lack of what is here.
//!
//! Tips and not heads: where the newest entries of a log are unknown here, its number still tells that all before it
//! are there.

use crate::frame::{Frame, Have, ShortTip, TeamPrefix};
use crate::replica::Replica;
use muster_log::{DagId, Entry, EntryId, ShortLog, TeamId, Tip};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The tips of several DAGs. Nothing is known of a DAG that is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct States(BTreeMap<DagId, BTreeSet<ShortTip>>);

impl States {
    /// What a replica has of these DAGs.
    pub fn of(replica: &dyn Replica, dags: &[DagId]) -> Self {
        let tips = |dag: &DagId| replica.tips(dag).into_iter().map(ShortTip::from).collect();
        Self(dags.iter().map(|dag| (*dag, tips(dag))).collect())
    }

    /// What of a DAG somebody has who holds these entries and what is in their past.
    pub fn up_to<'a>(replica: &dyn Replica, dag: &DagId, held: impl IntoIterator<Item = &'a EntryId>) -> Self {
        let held: Vec<EntryId> = held.into_iter().copied().collect();
        let all: BTreeSet<EntryId> = replica.order(dag).iter().copied().collect();
        let past = replica.covered(dag, &all, &held);
        let continued: BTreeSet<EntryId> = past.iter().filter_map(|id| replica.entry(id)?.backlink()).collect();
        let tips = past.iter().filter(|id| !continued.contains(id)).filter_map(|id| replica.entry(id));
        let tip = |entry: &Entry| Tip { log: entry.log().short(), seq: entry.items().seq, id: entry.id() };
        Self([(*dag, tips.map(|entry| tip(entry).into()).collect())].into())
    }

    /// Adds a page.
    pub fn add(&mut self, have: &Have) {
        self.0.entry(have.dag).or_default().extend(&have.tips);
    }

    /// The DAGs spoken of.
    pub fn dags(&self) -> impl Iterator<Item = &DagId> {
        self.0.keys()
    }

    /// Whether both say the same of a DAG.
    pub fn agree_on(&self, other: &Self, dag: &DagId) -> bool {
        self.0.get(dag) == other.0.get(dag)
    }

    /// The HAVE frames of one DAG, page by page; none where nothing is known of it.
    pub fn frames(&self, team: TeamId, dag: &DagId) -> Vec<Vec<u8>> {
        let Some(tips) = self.0.get(dag) else { return Vec::new() };
        let mut pages: Vec<Have> = Vec::new();
        for tip in tips {
            match pages.last_mut().filter(|page| page.tips.len() < crate::limits::TIPS_MAX) {
                Some(page) => page.tips.push(*tip),
                None => pages.push(Have { dag: *dag, tips: vec![*tip], cursor: None }),
            }
        }
        if pages.is_empty() {
            pages.push(Have { dag: *dag, tips: Vec::new(), cursor: None });
        }
        // Only the last page has none.
        let last = pages.len() - 1;
        pages[..last].iter_mut().for_each(|page| page.cursor = page.tips.last().map(|tip| tip.log));
        pages.into_iter().map(|page| Frame::Have(page).encode(TeamPrefix::from(team))).collect()
    }

    /// Everything admitted of a DAG that they have, as far as can be told; in their past too.
    pub(super) fn held(&self, replica: &dyn Replica, dag: &DagId) -> BTreeSet<EntryId> {
        let mut held = BTreeSet::new();
        let mut last_here: BTreeMap<ShortLog, (u32, usize)> = BTreeMap::new();
        for tip in replica.tips(dag) {
            let (last, branches) = last_here.entry(tip.log).or_default();
            *last = (*last).max(tip.seq);
            *branches += 1;
        }
        for tip in self.0.get(dag).into_iter().flatten() {
            match resolve(replica, dag, tip) {
                Some(id) => {
                    let before = |id: &EntryId| replica.entry(id)?.backlink();
                    for id in std::iter::successors(Some(id), before) {
                        if !held.insert(id) {
                            break;
                        }
                    }
                }
                // They are further than we are in a log that has not forked here: what we have of it, they have.
                None if last_here.get(&tip.log).is_some_and(|(last, branches)| *branches == 1 && *last < tip.seq) => {
                    held.extend(replica.range(dag, &tip.log, 1, u32::MAX));
                }
                None => {}
            }
        }
        held
    }
}

/// The entries that are meant by the tips of a page, those of them that are admitted here.
pub fn known_tips(replica: &dyn Replica, have: &Have) -> Vec<EntryId> {
    have.tips.iter().filter_map(|tip| resolve(replica, &have.dag, tip)).collect()
}

fn resolve(replica: &dyn Replica, dag: &DagId, tip: &ShortTip) -> Option<EntryId> {
    replica.range(dag, &tip.log, tip.seq, tip.seq).into_iter().find(|id| tip.is(id))
}

/// The digest of HAVE frames that a header signs.
pub fn digest<'a>(frames: impl IntoIterator<Item = &'a Vec<u8>>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"muster/bundle/state/1\0");
    frames.into_iter().for_each(|frame| hasher.update(frame));
    hasher.finalize().into()
}
