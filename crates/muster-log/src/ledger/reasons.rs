//! Why entries of an incident have no effect: which removals, and which forks.
//!
//! Nothing is decided here: `status` did that, and says for which causes. What a removal took altogether is in
//! [`Ledger::team_history`].

use super::Ledger;
use crate::dag::Dag;
use crate::ids::{EntryId, IncidentId};
use crate::roster::Removal;
use crate::status::{self, Status};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reasons that are named for one entry; a member may make very many removals and forks.
const REASONS_MAX: usize = 16;

/// Why an entry has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A removal that its author had not to know of.
    Removal {
        /// Which.
        removal: Removal,
        /// When, by the clock of whoever wrote it.
        recorded: Timestamp,
    },
    /// This entry was written under one number with it, or with one before it in its log. Of a revoked entry: with one of the
    /// roster that had let its author in, or on which that rests.
    Fork(EntryId),
}

/// Of the entries that have no effect, why: the first 16, removals and then forks. Equal sets give equal reasons.
pub type Reasons = BTreeMap<EntryId, Arc<[Reason]>>;

/// What the entries of an incident count for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Of every entry.
    pub statuses: BTreeMap<EntryId, Status>,
    /// Of those that are not active.
    pub reasons: Reasons,
}

impl Ledger {
    /// As [`Ledger::statuses`], with the reasons.
    pub fn findings(&self, incident: &IncidentId) -> Findings {
        let Some(dag) = self.dag(&(*incident).into()) else { return Findings::default() };
        let found = status::with_causes(&self.graph, self.whole(), dag);
        let statuses = dag.by_id().filter_map(|(id, x)| Some((id, found.get(x as usize)?.0))).collect();
        let has_forked = found.iter().any(|(status, _)| *status == Status::Forked);
        let mut forks = if has_forked { forks(dag) } else { BTreeMap::new() };
        // Entries share their causes: there are few sets of them, and many entries.
        let mut known = BTreeMap::new();
        let mut reasons = Reasons::new();
        for (node, (x, (status, causes))) in dag.nodes().iter().zip((0..).zip(found)) {
            let why = match status {
                Status::Active => continue,
                Status::Forked => forks.remove(&x).unwrap_or_default(),
                Status::Late | Status::Revoked => {
                    Arc::clone(known.entry(causes).or_insert_with_key(|causes| self.named(causes.iter().copied())))
                }
            };
            reasons.insert(node.entry.id(), why);
        }
        Findings { statuses, reasons }
    }

    /// Causes in the roster by name.
    fn named(&self, causes: impl Iterator<Item = u32>) -> Arc<[Reason]> {
        let mut causes: Vec<(bool, (u32, EntryId), u32)> =
            causes.map(|cause| (!self.graph.is_removal(cause), self.graph.place(cause), cause)).collect();
        causes.sort_unstable();
        causes.truncate(REASONS_MAX);
        let named = causes.into_iter().filter_map(|(is_fork, (_, id), cause)| {
            if is_fork {
                return Some(Reason::Fork(id));
            }
            let removal = self.graph.removal(cause, self.whole())?;
            Some(Reason::Removal { removal, recorded: self.entry(&id)?.claimed().time })
        });
        named.collect()
    }
}

/// Of the entries of forked logs, by number, the siblings of the last on their branch that has any.
fn forks(dag: &Dag) -> BTreeMap<u32, Arc<[Reason]>> {
    let mut forks: BTreeMap<u32, Arc<[Reason]>> = BTreeMap::new();
    for log in dag.logs().iter().filter(|log| log.first_fork.is_some()) {
        for same in log.entries.chunk_by(|(a, _), (b, _)| a == b) {
            let mut ids: Vec<EntryId> = same.iter().map(|(_, x)| dag.node(*x).entry.id()).collect();
            ids.sort_unstable();
            ids.truncate(REASONS_MAX + 1);
            for (_, x) in same {
                let node = dag.node(*x);
                let before = || node.backlink.and_then(|before| forks.get(&before).cloned());
                let siblings = ids.iter().filter(|id| **id != node.entry.id()).take(REASONS_MAX);
                let siblings: Option<Arc<[Reason]>> =
                    (same.len() > 1).then(|| siblings.map(|id| Reason::Fork(*id)).collect());
                if let Some(reasons) = siblings.or_else(before) {
                    forks.insert(*x, reasons);
                }
            }
        }
    }
    forks
}
