//! What stands when it is one removal's turn to be decided: the more senior are, and everything else stands or falls with them.
//!
//! A removal is decided by what its author and those on whom he rests may do, which are few. So each entry is decided when
//! somebody asks, instead of the whole set for each removal.

use super::fold::Deed;
use super::graph::Graph;
use super::mask::Mask;
use super::removals::Seniority;
use super::sight::{Sight, Undecided, World};
use super::verdict::Counted;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The state of things at one removal's turn.
pub(super) struct Turn<'a> {
    graph: &'a Graph,
    forked: &'a Mask,
    /// Of these, those more senior than `whose`, or all.
    counted: &'a Counted,
    whose: Option<Seniority>,
    /// Entries asked for so far.
    known: RefCell<BTreeMap<u32, bool>>,
}

impl World for Turn<'_> {
    fn stands(&self, x: u32) -> Result<bool, Undecided> {
        if self.counts(x) {
            return Ok(true);
        }
        let own = &self.graph.node(x).own;
        if own.is_void || own.is_removal || self.forked.contains(x) {
            return Ok(false);
        }
        self.known.borrow().get(&x).copied().ok_or(Undecided(x))
    }

    fn counts(&self, removal: u32) -> bool {
        let is_senior = |whose: &Seniority| self.graph.seniority(removal) < *whose;
        self.counted.removals.contains(removal) && self.whose.as_ref().is_none_or(is_senior)
    }

    fn removals(&self) -> &Mask {
        &self.counted.removals
    }

    fn places(&self) -> &Mask {
        &self.counted.places
    }
}

impl<'a> Turn<'a> {
    /// When all of `counted` are decided.
    pub(super) fn after(graph: &'a Graph, forked: &'a Mask, counted: &'a Counted) -> Self {
        Self { graph, forked, counted, whose: None, known: RefCell::default() }
    }

    /// When it is the turn of `removal`, which need not be in `counted`.
    pub(super) fn of(graph: &'a Graph, forked: &'a Mask, counted: &'a Counted, removal: u32) -> Self {
        Self { whose: Some(graph.seniority(removal)), ..Self::after(graph, forked, counted) }
    }

    /// Whether the author of `x` has the capability by what stands of its own past.
    pub(super) fn is_able(&self, x: u32) -> bool {
        // A loop, because what rests on what may be as deep as the roster is long.
        let mut todo: Vec<u32> = Vec::new();
        loop {
            let Some(at) = todo.last().copied() else {
                match self.able(x) {
                    Ok(is_able) => return is_able,
                    Err(Undecided(first)) => todo.push(first),
                }
                continue;
            };
            match self.decide(at) {
                Ok(stands) => {
                    self.known.borrow_mut().insert(at, stands);
                    todo.pop();
                }
                Err(Undecided(first)) => todo.push(first),
            }
        }
    }

    /// Whether nobody who counts takes the author of `x`, neither knowing of the other.
    pub(super) fn is_free(&self, x: u32) -> bool {
        !self.graph.takers(x, self.counted).any(|removal| self.counts(removal))
    }

    fn able(&self, x: u32) -> Result<bool, Undecided> {
        let node = self.graph.node(x);
        let sight = Sight { graph: self.graph, world: self, within: Some(&node.past) };
        self.graph.able(&Deed::of(node), &sight)
    }

    fn decide(&self, x: u32) -> Result<bool, Undecided> {
        // Where a removal stands that counts, nobody else's takes anything.
        let stays = self.counted.places.contains(x) && self.graph.target(x).is_some_and(|removal| self.counts(removal));
        if stays || self.is_free(x) { self.able(x) } else { Ok(false) }
    }
}
