//! Which removals count, and what they set aside (steps 2 and 3 of the fold).
//!
//! From the most senior author down; a counted removal at once sets aside what its target wrote concurrently, so two
//! admins who remove each other end with the senior one left.

use super::fold::{Aside, Counted};
use super::graph::Graph;
use super::mask::Mask;
use crate::fact::RosterFact;
use crate::ids::EntryId;

/// Lower is more senior: recovery keys by rank, admins by the grant that made them so, then the others; then by id.
type Seniority = (u8, u32, Option<EntryId>, EntryId);

impl Graph {
    /// Decides the removals in `set`, adding to `aside` what they set aside.
    pub(super) fn count_removals(&self, set: &Mask, aside: &mut Aside) -> Counted {
        let mut removals: Vec<u32> = set
            .iter()
            .filter(|x| {
                let own = &self.node(*x).own;
                own.is_removal && !own.is_void && !aside.contains_key(x)
            })
            .collect();
        let mut counted = Counted::new();
        if removals.is_empty() {
            return counted;
        }
        #[cfg(test)]
        self.note_decided(removals.len());
        removals.sort_by_key(|x| self.seniority(*x));
        // Provisional places, so that "concurrent" means something for the undecided too.
        let mut places: Counted =
            removals.iter().map(|removal| (*removal, self.possible_places(*removal, set, aside))).collect();
        // What stands changes only where a removal has been counted.
        let mut stands_now: Option<Mask> = None;
        for removal in removals {
            let standing = &*stands_now.get_or_insert_with(|| self.standing(set, aside, &counted));
            if !self.stands(removal, standing, &counted, &places) {
                continue;
            }
            if self.node(removal).own.needs_second {
                let possible = places.get(&removal).cloned().unwrap_or_default();
                let at: Mask = possible.iter().filter(|s| self.stands(*s, standing, &counted, &places)).collect();
                if at.is_empty() {
                    continue;
                }
                places.insert(removal, at);
            }
            counted.insert(removal, places.get(&removal).cloned().unwrap_or_default());
            self.set_aside_targets(set, removal, aside, &counted);
            stands_now = None;
        }
        counted
    }

    pub(super) fn seniority(&self, x: u32) -> Seniority {
        let node = self.node(x);
        match (node.recovery, node.own.grant) {
            (Some(rank), _) => (0, rank as u32, None, node.id),
            (None, Some(grant)) => (1, self.node(grant).depth, Some(self.node(grant).id), node.id),
            (None, None) => (2, 0, None, node.id),
        }
    }

    /// Where a removal may stand: at itself, or at its seconds where it needs one.
    fn possible_places(&self, removal: u32, set: &Mask, aside: &Aside) -> Mask {
        if !self.node(removal).own.needs_second {
            return Mask::of(removal);
        }
        let id = self.node(removal).id;
        set.iter()
            .filter(|x| {
                let node = self.node(*x);
                matches!(node.fact, Some(RosterFact::Second { removal: named }) if named == id)
                    && !aside.contains_key(x)
                    && !node.own.is_void
            })
            .collect()
    }

    /// Whether the author still has the capability, and no counted concurrent removal takes him.
    ///
    /// A mere retirement does not: a device that is put away took its last decisions in good faith.
    fn stands(&self, x: u32, standing: &Mask, counted: &Counted, places: &Counted) -> bool {
        self.able_within(x, standing, counted)
            && !counted.keys().any(|removal| {
                self.node(*removal).is_hard() && self.removes(*removal, x) && self.is_concurrent(*removal, x, places)
            })
    }

    /// Whether a removal's target wrote `x`.
    fn removes(&self, removal: u32, x: u32) -> bool {
        match &self.node(removal).fact {
            Some(RosterFact::Revoke { devices, .. }) => devices.contains(&self.node(x).key),
            Some(RosterFact::SetCapability { person, .. }) => self.node(x).own.person == *person,
            _ => false,
        }
    }

    /// Whether `x` stands in the past of `y`.
    fn is_before(&self, x: u32, y: u32, places: &Counted) -> bool {
        let past = &self.node(y).past;
        places.get(&x).map_or_else(|| past.contains(x), |places| past.meets(places))
    }

    fn is_concurrent(&self, x: u32, y: u32, places: &Counted) -> bool {
        x != y && !self.is_before(x, y, places) && !self.is_before(y, x, places)
    }

    /// Counted removals, and the seconds they stand at, stay.
    fn set_aside_targets(&self, set: &Mask, removal: u32, aside: &mut Aside, counted: &Counted) {
        if !self.node(removal).is_hard() {
            return;
        }
        let mut stay = Mask::default();
        for (other, places) in counted {
            stay.union(places);
            stay.insert(*other);
        }
        for x in set.iter().filter(|x| !stay.contains(*x)) {
            if self.removes(removal, x) && self.is_concurrent(removal, x, counted) {
                aside.entry(x).or_default().removals.insert(removal);
            }
        }
    }
}
