//! Which removals count (step 2 of the fold), each at its turn, from the most senior author down.
//!
//! A counted removal at once sets aside what its target wrote concurrently, so two admins who remove each other end with the
//! senior one left. What stands at a removal's turn is in `turn`, whom it takes in `verdict`.

use super::graph::Graph;
use super::mask::Mask;
use super::sight::World;
use super::sparse::Sparse;
use super::turn::Turn;
use super::verdict::Counted;
use crate::fact::RosterFact;
use crate::ids::EntryId;

/// Lower is more senior: recovery keys by rank, admins by the grant that made them so, then the others; then by id.
pub(super) type Seniority = (u8, u32, Option<EntryId>, EntryId);

impl Graph {
    /// Decides the removals in `set`, of which `forked` are set aside for forks.
    pub(super) fn count_removals(&self, set: &Mask, forked: &Mask) -> Counted {
        let mut counted = Counted::default();
        for removal in self.by_seniority().filter(|x| set.contains(*x) && !forked.contains(*x)) {
            let places = self.places_at_its_turn(removal, &Turn::after(self, forked, &counted), set, forked, &counted);
            if !places.is_empty() {
                counted.removals.insert(removal);
                counted.places.union(&places);
            }
        }
        counted
    }

    /// Where a removal stands, the more senior being decided; nowhere if it does not count.
    pub(super) fn places_at_its_turn(
        &self,
        removal: u32,
        turn: &Turn<'_>,
        set: &Mask,
        forked: &Mask,
        counted: &Counted,
    ) -> Mask {
        if !self.is_upheld(removal, turn, set, forked, counted) {
            return Mask::default();
        }
        if !self.needs_second(removal) {
            return Mask::of(removal);
        }
        let possible = self.index().seconds(removal).among(|word| set.word(word) & !forked.word(word));
        possible.filter(|second| turn.is_able(*second) && turn.is_free(*second)).collect()
    }

    /// Whether the author of a removal still has the capability at its turn, and no counted concurrent removal takes him.
    ///
    /// A mere retirement does not: a device that is put away took its last decisions in good faith.
    pub(super) fn is_upheld(
        &self,
        removal: u32,
        turn: &Turn<'_>,
        set: &Mask,
        forked: &Mask,
        counted: &Counted,
    ) -> bool {
        #[cfg(test)]
        self.note_decided();
        if !self.needs_second(removal) {
            return turn.is_free(removal) && turn.is_able(removal);
        }
        // One that needs a second is where the second is.
        let node = self.node(removal);
        let of_key = self.index().revokes(&node.key);
        let of_person = self.index().grants(&node.own.person);
        let seconds = self.index().seconds(removal);
        let takes = |taker: u32| {
            let past = &self.node(taker).past;
            turn.counts(taker)
                && self.node(taker).is_hard()
                && !self.is_placed_in(&node.past, taker, &counted.places)
                && !seconds.is_any(|word| set.word(word) & !forked.word(word) & past.word(word))
        };
        let takers = of_key.among(|word| counted.removals.word(word));
        !takers.chain(of_person.among(|word| counted.removals.word(word))).any(takes) && turn.is_able(removal)
    }

    pub(super) fn seniority(&self, x: u32) -> Seniority {
        let node = self.node(x);
        match (node.recovery, node.own.grant) {
            (Some(rank), _) => (0, rank as u32, None, node.id),
            (None, Some(grant)) => (1, self.node(grant).depth, Some(self.node(grant).id), node.id),
            (None, None) => (2, 0, None, node.id),
        }
    }

    /// Whom a counted removal may take in a set: what those whom it removes wrote and it does not know, or not where that stands.
    pub(super) fn within_reach(&self, removal: u32, set: &Mask) -> Vec<u32> {
        let node = self.node(removal);
        if !node.is_hard() {
            return Vec::new();
        }
        let outside = |word: usize| set.word(word) & !node.past.word(word);
        let needing = |word: usize| set.word(word) & node.past.word(word) & self.needing().word(word);
        let of = |list: &Sparse| {
            let seconded = list.among(needing).filter(|x| self.index().seconds(*x).is_any(outside));
            list.among(outside).chain(seconded).filter(|x| *x != removal).collect::<Vec<_>>()
        };
        match &node.fact {
            Some(RosterFact::Revoke { devices, .. }) => {
                devices.iter().flat_map(|device| of(self.index().by_key(device))).collect()
            }
            Some(RosterFact::SetCapability { person, .. }) => of(self.index().by_person(person)),
            _ => Vec::new(),
        }
    }
}
