//! What people must know of the roster besides who is in it: removals and whether they count, rivals for one ticket,
//! recovery keys.
//!
//! Nothing is decided here; `fold` and `people` did that.

use super::fold::Fold;
use super::graph::Graph;
use super::sight::{Settled, Sight};
use super::verdict::Verdict;
use crate::fact::{Capability, RevokeMode, RosterFact};
use crate::ids::{EntryId, PersonId};
use crate::key::DeviceKey;
use std::collections::BTreeSet;

/// What a removal takes from whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Devices.
    Devices {
        /// Which.
        devices: Vec<DeviceKey>,
        /// Why.
        mode: RevokeMode,
    },
    /// A capability, of which less is left.
    Capability {
        /// Whose.
        person: PersonId,
        /// What is left.
        left: Capability,
    },
}

/// Where a removal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    Counts,
    /// It takes something from an admin, where there are three: another admin must second it first.
    NeedsSecond,
    /// It does not count: its author was removed by somebody more senior, or lacks the right.
    Overruled,
}

/// One removal: a revoke, or a grant of less than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The entry.
    pub id: EntryId,
    /// Who wrote it; of a recovery key the key.
    pub by: PersonId,
    /// Whether a recovery key wrote it.
    pub by_recovery: bool,
    /// The persons that it takes something from, as its own past knew them.
    pub of: BTreeSet<PersonId>,
    /// What it takes.
    pub taken: Taken,
    /// Where it stands.
    pub standing: Standing,
    /// Who seconded it.
    pub seconds: BTreeSet<PersonId>,
}

impl Graph {
    /// All removals, in the order of the fold; those that are void are none.
    pub(crate) fn removals(&self, whole: &Fold) -> Vec<Removal> {
        let all = self.all();
        let removals = self.in_order(&all).filter(|x| {
            let own = &self.node(*x).own;
            own.is_removal && !own.is_void
        });
        removals.filter_map(|x| self.removal(x, whole)).collect()
    }

    /// An entry as the removal that it is.
    pub(crate) fn removal(&self, x: u32, whole: &Fold) -> Option<Removal> {
        let node = self.node(x);
        let Verdict { standing, counted, .. } = &node.own.verdict;
        let sight = Sight { graph: self, world: &Settled { standing, counted }, within: Some(&node.past) };
        let (taken, of) = match node.fact.clone()? {
            RosterFact::Revoke { devices, mode, .. } => {
                let of = devices.iter().filter_map(|device| sight.person_of(device).ok()?).collect();
                (Taken::Devices { devices, mode }, of)
            }
            RosterFact::SetCapability { person, capability } => {
                (Taken::Capability { person, left: capability }, BTreeSet::from([person]))
            }
            _ => return None,
        };
        let seconds = self.index().seconds(x).among(|word| whole.standing.word(word));
        let seconds: BTreeSet<PersonId> = seconds.map(|second| self.node(second).own.person).collect();
        let standing = if whole.counted.contains_key(&x) {
            Standing::Counts
        } else if node.own.needs_second && seconds.is_empty() && !whole.aside.contains(x) {
            Standing::NeedsSecond
        } else {
            Standing::Overruled
        };
        let by_recovery = node.recovery.is_some();
        Some(Removal { id: node.id, by: node.own.person, by_recovery, of, taken, standing, seconds })
    }

    /// Persons who came by one ticket and of whom none is confirmed: each set wants an admin's `confirm`.
    pub(crate) fn rivals(&self, whole: &Fold) -> Vec<BTreeSet<PersonId>> {
        let person = |join: &u32| PersonId::of_genesis(self.node(*join).id);
        self.unsettled_joins(whole).iter().map(|joins| joins.iter().map(person).collect()).collect()
    }

    /// Depth and id: the order of the fold, which is the same on every node.
    pub(crate) fn place(&self, x: u32) -> (u32, EntryId) {
        let node = self.node(x);
        (node.depth, node.id)
    }

    /// Whether an entry takes a device or a capability from somebody.
    pub(crate) fn is_removal(&self, number: u32) -> bool {
        self.node(number).own.is_removal
    }
}
