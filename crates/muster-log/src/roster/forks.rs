//! Forks in the roster: forked entries and what follows them are set aside unless witnessed (step 1 of the fold).
//!
//! Forks in incidents are judged in `status`, on another graph and with another idea of who may witness.

use super::fold::Fold;
use super::graph::Graph;
use super::mask::Mask;
use crate::fact::Kind;
use crate::ids::PersonId;
use crate::witness::{Children, Numbered, witnessed};
use std::collections::{BTreeMap, BTreeSet};

impl Numbered for Graph {
    fn parents(&self, x: u32) -> impl Iterator<Item = u32> {
        let node = self.node(x);
        node.deps.iter().copied().chain(node.backlink)
    }

    fn backlink(&self, x: u32) -> Option<u32> {
        self.node(x).backlink
    }

    fn author(&self, x: u32) -> PersonId {
        self.node(x).own.person
    }
}

impl Graph {
    /// What is set aside of a closed set for forks.
    pub(super) fn set_aside_forks(&self, set: &Mask) -> Mask {
        let mut aside = Mask::default();
        if !self.has_forks() {
            return aside;
        }
        let logs = self.forked_logs(set);
        if logs.is_empty() {
            return aside;
        }
        let fork_of: BTreeMap<u32, u32> = logs.iter().map(|(log, (fork, _))| (*log, *fork)).collect();
        let is_straight = |x: u32| fork_of.get(&self.node(x).log).is_none_or(|fork| self.node(x).seq < *fork);
        let children = Children::of(self, set.iter());
        for (fork, entries) in logs.values() {
            let may_witness = |w: u32| is_straight(w) && self.node(w).kind != Kind::JOIN;
            let witnessed = witnessed(self, &children, entries, *fork, may_witness);
            let forked = entries.iter().filter(|(seq, x)| seq >= fork && !witnessed.contains(x));
            forked.for_each(|(_, x)| aside.insert(*x));
        }
        aside
    }

    /// What set an entry aside in the fold of everything: removals, or siblings of it and of those before it in its log.
    pub(crate) fn set_aside_by(&self, x: u32, whole: &Fold) -> BTreeSet<u32> {
        let mut by = BTreeSet::new();
        if whole.aside.taken.contains(x) {
            by.extend(self.takers(x, &whole.counted));
        }
        if whole.aside.forked.contains(x) {
            by.extend(self.siblings_up_to(x));
        }
        by
    }

    /// The forked logs of a set: least sequence number that two entries of the set have, and its entries by number.
    fn forked_logs(&self, set: &Mask) -> BTreeMap<u32, (u32, Vec<(u32, u32)>)> {
        let (mut seen, mut first) = (BTreeSet::new(), BTreeMap::new());
        for x in set.iter() {
            let node = self.node(x);
            if !seen.insert((node.log, node.seq)) {
                let least = first.entry(node.log).or_insert(node.seq);
                *least = node.seq.min(*least);
            }
        }
        let mut logs: BTreeMap<u32, (u32, Vec<(u32, u32)>)> =
            first.into_iter().map(|(log, fork)| (log, (fork, Vec::new()))).collect();
        for x in set.iter() {
            let node = self.node(x);
            if let Some((_, entries)) = logs.get_mut(&node.log) {
                entries.push((node.seq, x));
            }
        }
        logs.values_mut().for_each(|(_, entries)| entries.sort_unstable());
        logs
    }

    /// Siblings of `x` and of every entry before it in its log.
    fn siblings_up_to(&self, x: u32) -> Vec<u32> {
        let mut branch = BTreeMap::new();
        let mut at = Some(x);
        while let Some(y) = at {
            branch.insert(self.node(y).seq, y);
            at = self.node(y).backlink;
        }
        let is_sibling = |y: &u32| {
            let node = self.node(*y);
            node.log == self.node(x).log && branch.get(&node.seq).is_some_and(|own| own != y)
        };
        self.numbers().filter(is_sibling).collect()
    }
}
