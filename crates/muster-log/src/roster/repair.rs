//! What is decided of a set when an entry is added that changes what was decided of others: again, but of those alone whom the
//! change can reach.
//!
//! A shortcut and no rule, as `extend`. What is decided of an entry depends on what became of its past, and on the removals that
//! may take its author. So a change is followed: from the entries that are touched to whatever builds on them, and from each
//! removal that now counts, or no longer, to whom it may take.

use super::graph::Graph;
use super::mask::Mask;
use super::turn::Turn;
use super::verdict::{Aside, Counted, Verdict};
use std::sync::Arc;

/// Entries of which something else may be decided, and with that of what builds on them.
struct Touched {
    all: Mask,
    /// The least of them, or less: whatever builds on one has a greater number.
    least: u32,
}

impl Touched {
    fn insert(&mut self, x: u32) {
        self.all.insert(x);
        self.least = self.least.min(x);
    }
}

impl Graph {
    /// Decides a set again of which everything but `x` was decided, and of which `forked` is now set aside for forks.
    pub(super) fn repair(&self, set: &Mask, verdict: &mut Verdict, x: u32, forked: Mask) {
        let mut touched = Touched { all: Mask::default(), least: x };
        verdict.aside.forked.differing(&forked).iter().chain([x]).for_each(|x| touched.insert(x));
        let counted = self.count_again(set, &verdict.counted, &forked, &mut touched);
        let mut taken = verdict.aside.taken.clone();
        let mut standing = verdict.standing.clone();
        for y in set.iter_from(touched.least).filter(|y| self.is_reached(*y, &touched)) {
            let own = &self.node(y).own;
            let counts = counted.removals.contains(y);
            let is_taken = !counts && !counted.places.contains(y) && self.takers(y, &counted).next().is_some();
            let is_out = is_taken || forked.contains(y) || own.is_void || own.is_removal;
            if is_taken {
                taken.insert(y);
            } else {
                taken.remove(y);
            }
            if counts || !is_out && self.able_within(y, &standing, &counted) {
                standing.insert(y);
            } else {
                standing.remove(y);
            }
        }
        *verdict = Verdict { aside: Arc::new(Aside { forked, taken }), counted: Arc::new(counted), standing };
    }

    /// Decides the removals again that the change can reach, and adds to what is touched.
    fn count_again(&self, set: &Mask, before: &Counted, forked: &Mask, touched: &mut Touched) -> Counted {
        let mut counted = Counted::default();
        for removal in self.by_seniority().filter(|removal| set.contains(*removal)) {
            if removal < touched.least && !self.needs_second(removal) {
                if before.removals.contains(removal) {
                    counted.removals.insert(removal);
                    counted.places.insert(removal);
                }
                continue;
            }
            let old: Mask = match before.removals.contains(removal) {
                true if self.needs_second(removal) => {
                    self.index().seconds(removal).among(|word| before.places.word(word)).collect()
                }
                true => Mask::of(removal),
                false => Mask::default(),
            };
            let seconds = self.index().seconds(removal).among(|word| set.word(word));
            let places = if forked.contains(removal) {
                Mask::default()
            } else if self.is_reached(removal, touched) || seconds.into_iter().any(|x| self.is_reached(x, touched)) {
                self.places_at_its_turn(removal, &Turn::after(self, forked, &counted), set, forked, &counted)
            } else {
                old.clone()
            };
            if places != old {
                let reach = self.within_reach(removal, set);
                reach
                    .into_iter()
                    .chain(old.iter())
                    .chain(places.iter())
                    .chain([removal])
                    .for_each(|x| touched.insert(x));
            }
            if !places.is_empty() {
                counted.removals.insert(removal);
                counted.places.union(&places);
            }
        }
        counted
    }

    /// Whether an entry is touched or builds on one that is.
    fn is_reached(&self, x: u32, touched: &Touched) -> bool {
        x >= touched.least && (touched.all.contains(x) || self.node(x).past.meets_from(&touched.all, touched.least))
    }
}
