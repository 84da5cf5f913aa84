//! The fold of a set that has one head, from the fold of all the rest: what a roster that grows entry by entry costs.
//!
//! A shortcut and no rule: wherever it answers, the answer is the one of [`Graph::work_out_fold`], which decides every
//! removal again and so takes the cube of their number and more. That a head comes last is what makes it short: the rest
//! is in its past, so nothing is concurrent with it, and none of the rest was decided by what it says.

use super::fold::{Aside, Counted, Fold};
use super::graph::Graph;
use super::mask::Mask;
use crate::fact::RosterFact;
use std::sync::Arc;

impl Graph {
    /// The fold of a closed set, from the nearest fold below it that is kept, as long as each set on the way has one head.
    pub(super) fn fold_from_below(&self, set: &Mask) -> Arc<Fold> {
        let mut heads = Vec::new();
        let mut at = set.clone();
        let mut fold = loop {
            if let Some(fold) = self.kept_fold(&at) {
                break fold;
            }
            match self.one_head(&at).filter(|_| !self.is_quiet(&at)) {
                Some(head) => {
                    heads.push(head);
                    at.clone_from(&self.node(head).past);
                }
                None => break Arc::new(self.work_out_fold(&at)),
            }
        };
        for head in heads.into_iter().rev() {
            fold = Arc::new(self.extended(&fold, head).unwrap_or_else(|| self.work_out_fold(&self.closed([head]))));
        }
        fold
    }

    /// The entry of a closed set that builds on all others, if one does.
    fn one_head(&self, set: &Mask) -> Option<u32> {
        let last = self.last_in_order(set)?;
        (self.node(last).past.count() + 1 == set.count()).then_some(last)
    }

    /// The fold of an entry and its past, given that of its past. `None` where the entry can change what the past comes to: a
    /// second, which lets a removal count, or one that is forked or witnesses a fork.
    fn extended(&self, below: &Fold, head: u32) -> Option<Fold> {
        let node = self.node(head);
        if matches!(node.fact, Some(RosterFact::Second { .. })) {
            return None;
        }
        let forked = self.set_aside_forks(&self.closed([head]));
        let forked_below = below.aside.iter().filter(|(_, why)| why.is_forked).map(|(x, _)| x);
        if !forked.keys().eq(forked_below) {
            return None;
        }
        let stands = match (node.own.is_void, node.own.is_removal) {
            (true, _) => false,
            // The author had the capability when it was admitted, by this very fold.
            (false, false) => true,
            // Without its second it counts for nothing, and there is none yet.
            (false, true) => !node.own.needs_second && self.counts_at_the_end(below, head),
        };
        let (mut counted, mut standing) = (below.counted.clone(), below.standing.clone());
        if stands {
            standing.insert(head);
        }
        if stands && node.own.is_removal {
            counted.insert(head, Mask::of(head));
        }
        let roster = if stands { self.roster(&standing, &counted) } else { Arc::clone(&below.roster) };
        Some(Fold { aside: below.aside.clone(), counted, standing, roster })
    }

    /// Whether a removal counts that builds on everything else: it is judged when only what is more senior has been.
    fn counts_at_the_end(&self, below: &Fold, removal: u32) -> bool {
        let rank = self.seniority(removal);
        let is_senior = |x: &u32| self.seniority(*x) < rank;
        let before: Counted =
            below.counted.iter().filter(|(x, _)| is_senior(x)).map(|(x, places)| (*x, places.clone())).collect();
        if before.len() == below.counted.len() {
            return true;
        }
        let mut aside: Aside = below.aside.clone();
        aside.retain(|_, why| {
            why.removals.retain(|x| before.contains_key(x));
            why.is_forked || !why.removals.is_empty()
        });
        let standing = self.standing(&self.node(removal).past, &aside, &before);
        self.able_within(removal, &standing, &before)
    }
}

#[cfg(test)]
impl Graph {
    /// Compares the fold of every entry with its past, as it is had from the one below, with that worked out as a whole.
    /// Answers in how many of them removals count.
    pub(crate) fn check_folds_from_below(&self) -> usize {
        let sets: Vec<Mask> = self.numbers().map(|x| self.closed([x])).chain([self.all()]).collect();
        let with_removals = |set: &Mask| {
            let whole = self.work_out_fold(set);
            assert_eq!(*self.fold_from_below(set), whole);
            !whole.counted.is_empty()
        };
        sets.iter().filter(|set| with_removals(set)).count()
    }
}
