//! Forks in the roster: forked entries and what follows them are set aside unless witnessed (step 1 of the fold).
//!
//! Forks in incidents are judged in `status`, on another graph and with another idea of who may witness.

use super::fold::Aside;
use super::graph::Graph;
use super::mask::Mask;
use crate::fact::Kind;
use std::collections::{BTreeMap, BTreeSet};

impl Graph {
    pub(super) fn set_aside_forks(&self, set: &Mask) -> Aside {
        let mut aside = Aside::new();
        if !self.has_forks() {
            return aside;
        }
        let first = self.first_forks(set);
        let is_straight = |x: u32| first.get(&self.node(x).log).is_none_or(|fork| self.node(x).seq < *fork);
        for x in set.iter().filter(|x| !is_straight(*x)) {
            let siblings = self.siblings_up_to(x, set);
            let is_witnessed = set.iter().any(|w| {
                let witness = self.node(w);
                is_straight(w)
                    && witness.kind != Kind::JOIN
                    && witness.past.contains(x)
                    && witness.own.person != self.node(x).own.person
                    && !siblings.contains(w)
                    && !witness.past.meets(&siblings)
            });
            if !is_witnessed {
                aside.insert(x, siblings.iter().collect::<BTreeSet<_>>());
            }
        }
        aside
    }

    /// By log, the least sequence number that two entries of the set have.
    fn first_forks(&self, set: &Mask) -> BTreeMap<u32, u32> {
        let (mut seen, mut first) = (BTreeSet::new(), BTreeMap::new());
        for x in set.iter() {
            let node = self.node(x);
            if !seen.insert((node.log, node.seq)) {
                let least = first.entry(node.log).or_insert(node.seq);
                *least = node.seq.min(*least);
            }
        }
        first
    }

    /// Siblings of `x` and of every entry before it in its log.
    fn siblings_up_to(&self, x: u32, set: &Mask) -> Mask {
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
        set.iter().filter(is_sibling).collect()
    }
}
