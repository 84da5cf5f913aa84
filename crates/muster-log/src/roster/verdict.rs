//! What is decided of a closed set of roster entries, as sets of their numbers: which removals count, what is set aside, what
//! stands.
//!
//! Sets, because each entry keeps what was decided of its own past: a list of removals with each of ten thousand entries, each
//! with where it stands, would take gigabytes.

use super::graph::Graph;
use super::mask::Mask;
use std::sync::Arc;

/// Counted removals and where they stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    pub(super) removals: Mask,
    /// The entries at which they stand: themselves, or of those that need one their seconds. A second names one removal.
    pub(super) places: Mask,
}

impl Counted {
    pub(crate) fn contains_key(&self, removal: &u32) -> bool {
        self.removals.contains(*removal)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.removals.is_empty()
    }

    /// How many of the places are seconds.
    #[cfg(test)]
    pub(crate) fn seconds(&self) -> usize {
        self.places.without(&self.removals).count()
    }

    /// By number.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> impl Iterator<Item = u32> + '_ {
        self.removals.iter()
    }
}

/// Entries that are set aside; by what, [`Graph::set_aside_by`] tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Aside {
    /// Forked, or after a fork in their log, and not witnessed.
    pub(super) forked: Mask,
    /// Written by somebody whom a counted removal takes, who did not know it.
    pub(super) taken: Mask,
}

impl Aside {
    pub(crate) fn is_empty(&self) -> bool {
        self.forked.is_empty() && self.taken.is_empty()
    }

    pub(crate) fn contains(&self, x: u32) -> bool {
        self.forked.contains(x) || self.taken.contains(x)
    }

    /// How many are set aside for forks.
    #[cfg(test)]
    pub(crate) fn forked(&self) -> usize {
        self.forked.count()
    }

    /// By number.
    pub(crate) fn keys(&self) -> impl Iterator<Item = u32> {
        let mut all = self.forked.clone();
        all.union(&self.taken);
        all.iter().collect::<Vec<_>>().into_iter()
    }
}

/// What was decided of a set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Verdict {
    pub(super) aside: Arc<Aside>,
    pub(super) counted: Arc<Counted>,
    pub(super) standing: Mask,
}

impl Graph {
    /// Whether a removal stands in a past, given where all stand that count.
    pub(super) fn is_placed_in(&self, past: &Mask, removal: u32, places: &Mask) -> bool {
        if self.needs_second(removal) {
            self.index().seconds(removal).is_any(|word| places.word(word) & past.word(word))
        } else {
            past.contains(removal)
        }
    }

    /// The counted removals that take the author of `x`, and neither knows of the other; none in mode retire.
    ///
    /// `x` is none that counts, nor a place of one.
    pub(super) fn takers<'a>(&'a self, x: u32, counted: &'a Counted) -> impl Iterator<Item = u32> + 'a {
        let node = self.node(x);
        // Most are known to the entry, and most stand at themselves.
        let unknown = |word: usize| counted.removals.word(word) & !(counted.places.word(word) & node.past.word(word));
        let revokes = self.index().revokes(&node.key).among(unknown);
        let grants = self.index().grants(&node.own.person).among(unknown);
        revokes.chain(grants).filter(move |removal| {
            *removal != x
                && self.node(*removal).is_hard()
                && !self.is_placed_in(&node.past, *removal, &counted.places)
                && !self.node(*removal).past.contains(x)
        })
    }
}
