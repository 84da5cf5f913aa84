//! The entries a document was made of, and their shape: lanes, depths, pasts.
//!
//! A *lane* is a run of one log's entries without a branch: the actor of the document and its sequence numbers. Where
//! a log forks, each sibling begins a lane of its own, so no two entries ever share actor and number.

use super::effect::Meaning;
use super::register::Register;
use automerge::ChangeHash;
use muster_log::{Claimed, DeviceKey, EntryId, Kind, PersonId, ShortLog, Status};
use std::collections::{BTreeMap, BTreeSet};

/// The place of an entry in its log: two entries in one slot are siblings.
///
/// The log's short name is taken, not the log, so that two logs of one short name (made with enormous effort) are told
/// apart by the rule for forks.
pub(crate) type Slot = (ShortLog, u32, Option<EntryId>);

/// A register write and the op that made it.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) register: Register,
    pub(crate) op: u64,
}

/// An entry in the document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) id: EntryId,
    pub(crate) kind: Kind,
    pub(crate) key: DeviceKey,
    pub(crate) person: Option<PersonId>,
    pub(crate) status: Status,
    pub(crate) claimed: Claimed,
    pub(crate) meaning: Meaning,
    pub(crate) parents: Vec<u32>,
    /// 1 + the deepest parent's; the genesis has 0.
    pub(crate) depth: u32,
    pub(crate) lane: ShortLog,
    pub(crate) lane_seq: u64,
    pub(crate) change: ChangeHash,
    pub(crate) start_op: u64,
    /// The largest op of this change and all before it.
    pub(crate) max_op: u64,
    pub(crate) writes: Vec<Write>,
    /// Whom it made the holder of a role, and since which entry.
    pub(crate) held: Option<(PersonId, EntryId)>,
    /// The op that makes the entry's own map in the timeline.
    pub(crate) row_op: Option<u64>,
    pub(crate) has_body: bool,
    pub(crate) body_here: bool,
    /// The redactions of its body.
    pub(crate) redacted_by: Vec<EntryId>,
    /// An `admit` whose author could let somebody in.
    pub(crate) admits: bool,
}

/// All entries, parents before children.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    index: BTreeMap<EntryId, u32>,
    slots: BTreeSet<Slot>,
    /// First op of each change that has ops, to find the entry behind an op.
    ops: BTreeMap<(ShortLog, u64), u32>,
    heads: BTreeSet<u32>,
}

impl Graph {
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// All entries with their places, in causal order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &Node)> {
        self.nodes.iter().enumerate().map(|(place, node)| (place as u32, node))
    }

    pub(crate) fn place(&self, id: &EntryId) -> Option<u32> {
        self.index.get(id).copied()
    }

    pub(crate) fn node(&self, place: u32) -> &Node {
        // Places are made by `push` alone and nodes are never taken away.
        &self.nodes[place as usize]
    }

    pub(crate) fn get(&self, id: &EntryId) -> Option<&Node> {
        self.place(id).map(|place| self.node(place))
    }

    pub(crate) fn has_slot(&self, slot: &Slot) -> bool {
        self.slots.contains(slot)
    }

    /// The entries nobody builds on yet.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &Node> {
        self.heads.iter().map(|place| self.node(*place))
    }

    /// The entry whose change holds op `counter` of `lane`.
    pub(crate) fn by_op(&self, lane: ShortLog, counter: u64) -> Option<u32> {
        let (&(found, start), &place) = self.ops.range(..=(lane, counter)).next_back()?;
        (found == lane && start <= counter && counter <= self.node(place).max_op).then_some(place)
    }

    pub(crate) fn push(&mut self, slot: Slot, node: Node) {
        let place = self.nodes.len() as u32;
        self.index.insert(node.id, place);
        self.slots.insert(slot);
        if node.max_op >= node.start_op {
            self.ops.insert((node.lane, node.start_op), place);
        }
        for parent in &node.parents {
            self.heads.remove(parent);
        }
        self.heads.insert(place);
        self.nodes.push(node);
    }

    /// Which of `wanted` lie in the past of an entry with these parents.
    ///
    /// Walks back no deeper than the shallowest wanted entry, and stops once all are found: an entry of a lane has the
    /// lane's earlier entries in its past, so what people name is mostly found after a few steps.
    pub(crate) fn in_past(&self, parents: &[u32], wanted: &BTreeSet<u32>) -> BTreeSet<u32> {
        let mut missing: Vec<u32> = wanted.iter().copied().collect();
        let mut found = BTreeSet::new();
        let Some(floor) = missing.iter().map(|place| self.node(*place).depth).min() else { return found };
        self.walk_back(parents, |node| {
            missing.retain(|place| {
                let target = self.node(*place);
                let reached = target.lane == node.lane && target.lane_seq <= node.lane_seq;
                if reached {
                    found.insert(*place);
                }
                !reached
            });
            !missing.is_empty() && node.depth > floor
        });
        found
    }

    /// All that lies in the past of these entries, themselves left out unless one is before another.
    pub(crate) fn past_of(&self, places: &[u32]) -> BTreeSet<u32> {
        let parents: Vec<u32> = places.iter().flat_map(|place| self.node(*place).parents.iter().copied()).collect();
        let mut past = BTreeSet::new();
        self.walk_back(&parents, |node| {
            past.extend(self.place(&node.id));
            true
        });
        past
    }

    /// Visits entries backwards, each once; goes on behind an entry where `visit` says so.
    fn walk_back<'a>(&'a self, from: &[u32], mut visit: impl FnMut(&'a Node) -> bool) {
        let mut seen = vec![0u64; self.nodes.len().div_ceil(64)];
        let mut stack = from.to_vec();
        while let Some(place) = stack.pop() {
            let (word, bit) = (place as usize / 64, 1u64 << (place % 64));
            if seen[word] & bit != 0 {
                continue;
            }
            seen[word] |= bit;
            let node = self.node(place);
            if visit(node) {
                stack.extend(&node.parents);
            }
        }
    }
}
