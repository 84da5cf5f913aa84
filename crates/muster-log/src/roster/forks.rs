//! Forks in the roster: forked entries and what follows them are set aside unless witnessed (step 1 of the fold).
//!
//! Forks in incidents are judged in `status`, on another graph and with another idea of who may witness.

use super::fold::Fold;
use super::graph::Graph;
use super::mask::Mask;
use crate::fact::Kind;
use crate::ids::PersonId;
use crate::witness::{Children, Numbered, witnessed};
use std::cell::RefCell;
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
        let logs: Vec<(u32, u32)> = self.forked_logs(set).collect();
        let mut aside = Mask::default();
        if logs.is_empty() {
            return aside;
        }
        let children = Children::of(self, set.iter());
        for (log, fork) in logs {
            self.unwitnessed(log, fork, set, &children).for_each(|x| aside.insert(x));
        }
        aside
    }

    /// The same, where all that is new is forks and witnesses of some logs.
    pub(super) fn set_aside_anew(&self, logs: &BTreeSet<u32>, before: &Mask, set: &Mask) -> Mask {
        let mut aside = before.clone();
        for log in logs {
            let Some(fork) = self.first_fork(*log, set) else { continue };
            let from = self.log_from(*log, fork).map(|(_, x)| x).min().unwrap_or_default();
            // What builds on an entry has a greater number.
            let children = Children::of(self, set.iter().filter(|x| *x >= from));
            self.log_from(*log, fork).for_each(|(_, x)| aside.remove(x));
            self.unwitnessed(*log, fork, set, &children).for_each(|x| aside.insert(x));
        }
        aside
    }

    /// Entries of a log from its first fork on to which nobody else bears witness.
    fn unwitnessed(&self, log: u32, fork: u32, set: &Mask, children: &Children) -> impl Iterator<Item = u32> {
        let forks = RefCell::new(BTreeMap::from([(log, Some(fork))]));
        let may_witness = |w: u32| {
            let node = self.node(w);
            let mut forks = forks.borrow_mut();
            let fork = *forks.entry(node.log).or_insert_with(|| self.first_fork(node.log, set));
            node.kind != Kind::JOIN && fork.is_none_or(|fork| node.seq < fork)
        };
        let entries: Vec<(u32, u32)> = self.log_from(log, 0).filter(|(_, x)| set.contains(*x)).collect();
        let witnessed = witnessed(self, children, &entries, fork, may_witness);
        entries.into_iter().filter(move |(seq, x)| *seq >= fork && !witnessed.contains(x)).map(|(_, x)| x)
    }

    /// The removals that set an entry aside in the fold of everything.
    pub(crate) fn taken_by(&self, x: u32, whole: &Fold) -> BTreeSet<u32> {
        match whole.aside.taken.contains(x) {
            true => self.takers(x, &whole.counted).collect(),
            false => BTreeSet::new(),
        }
    }

    /// What set an entry aside in the fold of everything: removals, or siblings of it and of those before it in its log.
    pub(crate) fn set_aside_by(&self, x: u32, whole: &Fold) -> BTreeSet<u32> {
        let mut by = self.taken_by(x, whole);
        if whole.aside.forked.contains(x) {
            by.extend(self.siblings_up_to(x));
        }
        by
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
