//! One DAG of admitted entries: the roster's or an incident's. Heads, logs with their forks, depth, questions of past.
//!
//! Who may append is decided in `admission`; what an entry counts for in `status`. An incident may hold a hundred
//! thousand entries, so pasts are searched backwards, bounded by depth, instead of being kept as sets.

use crate::admission::Judged;
use crate::entry::Entry;
use crate::ids::{DagId, EntryId, PersonId, SessionId, ShortLog};
use crate::key::DeviceKey;
use std::collections::{BTreeMap, BTreeSet};

/// An entry without successor in its log. A forked log has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tip {
    /// The log.
    pub log: ShortLog,
    /// The entry's sequence number.
    pub seq: u32,
    /// The entry.
    pub id: EntryId,
}

/// An admitted entry and where it stands. Numbers count in order of admission.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) entry: Entry,
    pub(crate) parents: Vec<u32>,
    pub(crate) backlink: Option<u32>,
    pub(crate) depth: u32,
    pub(crate) log: u32,
    pub(crate) author: PersonId,
    /// The roster past of an incident's entry (`roster::graph::Graph::standpoint`); none in the roster.
    pub(crate) standpoint: Option<u32>,
    /// Whom `admit` entries up to this one name (`holding::Holdings`).
    pub(crate) admitted: Option<u32>,
    followed: bool,
}

/// One author's log in this DAG: every branch, by sequence number.
#[derive(Debug)]
pub(crate) struct Log {
    name: ShortLog,
    pub(crate) entries: Vec<(u32, u32)>,
    pub(crate) first_fork: Option<u32>,
}

impl Log {
    /// Sequence number and number of node, in order; a node goes behind its equals.
    fn insert(&mut self, seq: u32, node: u32) {
        let place = self.entries.partition_point(|(other, _)| *other <= seq);
        if place.checked_sub(1).is_some_and(|before| self.entries[before].0 == seq) {
            self.first_fork = Some(self.first_fork.map_or(seq, |first| first.min(seq)));
        }
        self.entries.insert(place, (seq, node));
    }

    /// The entries with sequence numbers from `from` up to and with `to`.
    fn range(&self, from: u32, to: u32) -> &[(u32, u32)] {
        let start = self.entries.partition_point(|(seq, _)| *seq < from);
        let end = self.entries.partition_point(|(seq, _)| *seq <= to);
        &self.entries[start.min(end)..end]
    }
}

/// The admitted entries of one DAG. Closed under the past: whatever is here has its parents here.
#[derive(Debug)]
pub struct Dag {
    id: DagId,
    nodes: Vec<Node>,
    order: Vec<EntryId>,
    index: BTreeMap<EntryId, u32>,
    heads: BTreeSet<EntryId>,
    logs: Vec<Log>,
    log_numbers: BTreeMap<ShortLog, u32>,
}

impl crate::witness::Numbered for Dag {
    fn parents(&self, x: u32) -> impl Iterator<Item = u32> {
        self.node(x).parents.iter().copied()
    }

    fn backlink(&self, x: u32) -> Option<u32> {
        self.node(x).backlink
    }

    fn author(&self, x: u32) -> PersonId {
        self.node(x).author
    }
}

impl Dag {
    pub(crate) fn new(id: DagId) -> Self {
        Self {
            id,
            nodes: Vec::new(),
            order: Vec::new(),
            index: BTreeMap::new(),
            heads: BTreeSet::new(),
            logs: Vec::new(),
            log_numbers: BTreeMap::new(),
        }
    }

    /// The name, which is the genesis entry's id.
    pub fn id(&self) -> DagId {
        self.id
    }

    /// The entries on which no other builds, by id.
    pub fn heads(&self) -> Vec<EntryId> {
        self.heads.iter().copied().collect()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no entry; never so in a DAG that a ledger hands out.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All ids in the order of admission here: causal, but not the same on every node.
    pub fn order(&self) -> &[EntryId] {
        &self.order
    }

    /// All entries in the order of [`Dag::order`].
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.nodes.iter().map(|node| &node.entry)
    }

    /// Whether the entry is here.
    pub fn contains(&self, id: &EntryId) -> bool {
        self.index.contains_key(id)
    }

    /// The entry, if it is here.
    pub fn entry(&self, id: &EntryId) -> Option<&Entry> {
        self.find(id).map(|node| &node.entry)
    }

    /// One more than the depth of the deepest parent; 0 for the genesis. `None` for what is not here.
    pub fn depth(&self, id: &EntryId) -> Option<u32> {
        self.find(id).map(|node| node.depth)
    }

    /// Whether `a` is in the past of `b`, that is, `b` builds on `a`. Nothing is in its own past.
    pub fn is_past(&self, a: &EntryId, b: &EntryId) -> bool {
        match (self.index.get(a), self.index.get(b)) {
            (Some(a), Some(b)) => self.is_past_number(*a, *b),
            _ => false,
        }
    }

    /// Those of `ids` that are among `later` or in the past of one of them: one walk for all, back to the oldest of `ids`.
    pub fn covered(&self, ids: &BTreeSet<EntryId>, later: &[EntryId]) -> BTreeSet<EntryId> {
        let asked: Vec<(u32, &EntryId)> = ids.iter().filter_map(|id| Some((self.number(id)?, id))).collect();
        let Some(oldest) = asked.iter().map(|(number, _)| *number).min() else { return BTreeSet::new() };
        let mut stack: Vec<u32> = later.iter().filter_map(|id| self.number(id)).filter(|at| *at >= oldest).collect();
        let Some(newest) = stack.iter().max() else { return BTreeSet::new() };
        // Numbers are causal: whatever lies between has a number between.
        let mut seen = vec![0u64; (newest - oldest) as usize / 64 + 1];
        let bit = |number: u32| ((number - oldest) as usize / 64, 1u64 << ((number - oldest) % 64));
        while let Some(number) = stack.pop() {
            let (word, mask) = bit(number);
            if seen[word] & mask == 0 {
                seen[word] |= mask;
                stack.extend(self.node(number).parents.iter().filter(|parent| **parent >= oldest));
            }
        }
        let is_seen = |number: &u32| {
            let (word, mask) = bit(*number);
            seen.get(word).is_some_and(|bits| bits & mask != 0)
        };
        asked.into_iter().filter(|(number, _)| is_seen(number)).map(|(_, id)| *id).collect()
    }

    /// The first `limit` entries, in the order of [`Dag::order`], of these parts of logs: each a log, the first and the
    /// last sequence number, every branch. Parts must not overlap.
    pub fn first_of(&self, parts: impl IntoIterator<Item = (ShortLog, u32, u32)>, limit: usize) -> Vec<EntryId> {
        let mut numbers: Vec<u32> = Vec::new();
        for (log, from, to) in parts {
            if let Some(log) = self.log_numbers.get(&log) {
                numbers.extend(self.logs[*log as usize].range(from, to).iter().map(|(_, node)| *node));
            }
        }
        if numbers.len() > limit {
            numbers.select_nth_unstable(limit);
            numbers.truncate(limit);
        }
        numbers.sort_unstable();
        numbers.into_iter().map(|number| self.order[number as usize]).collect()
    }

    /// The last entries of every log, by log; of a forked log all branches.
    pub fn tips(&self) -> impl Iterator<Item = Tip> {
        self.log_numbers.values().flat_map(|number| {
            let log = &self.logs[*number as usize];
            // Before its first fork a log is a chain, and a chain has no tip but its end.
            let from = log.first_fork.map_or(u32::MAX, |fork| fork.saturating_sub(1));
            let start = log.entries.partition_point(|(seq, _)| *seq < from).min(log.entries.len().saturating_sub(1));
            log.entries[start..].iter().filter(|(_, node)| !self.node(*node).followed).map(|(seq, node)| Tip {
                log: log.name,
                seq: *seq,
                id: self.node(*node).entry.id(),
            })
        })
    }

    /// The entries of a log from number `from` up to and with `to`, every branch, by number.
    pub fn range(&self, log: &ShortLog, from: u32, to: u32) -> Vec<EntryId> {
        let Some(number) = self.log_numbers.get(log) else { return Vec::new() };
        let nodes = self.logs[*number as usize].range(from, to);
        nodes.iter().map(|(_, node)| self.node(*node).entry.id()).collect()
    }

    /// Whether the log has two entries with one number.
    pub fn is_forked(&self, log: &ShortLog) -> bool {
        self.log_numbers.get(log).is_some_and(|number| self.logs[*number as usize].first_fork.is_some())
    }

    /// The last entry of the log that `key` writes here in `session`: the backlink of its next one.
    pub fn tip_of(&self, key: &DeviceKey, session: &SessionId) -> Option<Tip> {
        let name = crate::ids::LogId::of(&self.id, key, session).short();
        let log = &self.logs[*self.log_numbers.get(&name)? as usize];
        let (seq, node) = *log.entries.last()?;
        Some(Tip { log: name, seq, id: self.node(node).entry.id() })
    }

    pub(crate) fn append(&mut self, entry: Entry, verdict: &Judged) {
        let Judged { author, standpoint, admitted, .. } = *verdict;
        let (number, id) = (self.nodes.len() as u32, entry.id());
        let parents: Vec<u32> = entry.parents().filter_map(|parent| self.index.get(&parent).copied()).collect();
        let backlink = entry.backlink().and_then(|backlink| self.index.get(&backlink).copied());
        let depth = parents.iter().map(|parent| self.node(*parent).depth + 1).max().unwrap_or(0);
        let log = match backlink {
            Some(before) => self.node(before).log,
            None => self.log_number(entry.log().short()),
        };
        self.logs[log as usize].insert(entry.seq(), number);
        if let Some(before) = backlink {
            self.nodes[before as usize].followed = true;
        }
        for parent in entry.parents() {
            self.heads.remove(&parent);
        }
        self.heads.insert(id);
        self.index.insert(id, number);
        self.order.push(id);
        self.nodes.push(Node { entry, parents, backlink, depth, log, author, standpoint, admitted, followed: false });
    }

    fn log_number(&mut self, name: ShortLog) -> u32 {
        let next = self.logs.len() as u32;
        let number = *self.log_numbers.entry(name).or_insert(next);
        if number == next {
            self.logs.push(Log { name, entries: Vec::new(), first_fork: None });
        }
        number
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node by its number, which only this DAG gives out.
    pub(crate) fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    pub(crate) fn find(&self, id: &EntryId) -> Option<&Node> {
        self.index.get(id).map(|number| self.node(*number))
    }

    pub(crate) fn number(&self, id: &EntryId) -> Option<u32> {
        self.index.get(id).copied()
    }

    /// Ids with numbers, by id.
    pub(crate) fn by_id(&self) -> impl Iterator<Item = (EntryId, u32)> {
        self.index.iter().map(|(id, number)| (*id, *number))
    }

    pub(crate) fn log(&self, number: u32) -> &Log {
        &self.logs[number as usize]
    }

    pub(crate) fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// Every number of a log under which several entries stand, with them by id.
    pub fn forks(&self) -> impl Iterator<Item = Vec<EntryId>> {
        let forked = self.logs.iter().filter(|log| log.first_fork.is_some());
        forked.flat_map(|log| {
            let same = log.entries.chunk_by(|(a, _), (b, _)| a == b).filter(|same| same.len() > 1);
            same.map(|same| {
                let mut ids: Vec<EntryId> = same.iter().map(|(_, x)| self.node(*x).entry.id()).collect();
                ids.sort_unstable();
                ids
            })
        })
    }

    /// The entries that follow one in its log, on any branch.
    pub fn followers(&self, id: &EntryId) -> Vec<EntryId> {
        let Some(node) = self.find(id) else { return Vec::new() };
        let Some(next) = node.entry.seq().checked_add(1) else { return Vec::new() };
        let after = self.log(node.log).range(next, next).iter().map(|(_, x)| self.node(*x));
        after.filter(|after| after.entry.backlink() == Some(*id)).map(|after| after.entry.id()).collect()
    }

    /// Whether no fork is at or before the entry in its log.
    pub(crate) fn is_straight(&self, number: u32) -> bool {
        let node = self.node(number);
        self.log(node.log).first_fork.is_none_or(|fork| node.entry.seq() < fork)
    }

    fn is_past_number(&self, a: u32, b: u32) -> bool {
        if a >= b {
            return false;
        }
        let (target, start) = (self.node(a), self.node(b));
        if target.log == start.log && self.log(target.log).first_fork.is_none() {
            return target.entry.seq() < start.entry.seq();
        }
        // Numbers are causal too: whatever lies between a and b has a number between theirs.
        let mut seen = vec![0u64; (b - a) as usize / 64 + 1];
        let mut stack = vec![b];
        while let Some(number) = stack.pop() {
            for parent in &self.node(number).parents {
                if *parent == a {
                    return true;
                }
                if *parent > a && self.node(*parent).depth > target.depth {
                    let (word, bit) = ((parent - a) as usize / 64, 1 << ((parent - a) % 64));
                    if seen[word] & bit == 0 {
                        seen[word] |= bit;
                        stack.push(*parent);
                    }
                }
            }
        }
        false
    }
}
