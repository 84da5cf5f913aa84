//! What is decided of a set, from what was decided of a part of it: entry by entry, as long as an entry decides nothing but
//! itself. What a roster costs that grows entry by entry, whoever makes it grow.
//!
//! A shortcut and no rule: wherever it answers, the answer is the one of [`Graph::work_out`], which decides everything again.
//! What makes it short: the entry that is added is in nobody's past, so what stands of the others' pasts stays as it is. It
//! changes what they come to only as a removal of somebody who wrote besides, as a second that lets such a removal count, as
//! a new sibling of an entry, or as a witness of one.

use super::graph::Graph;
use super::mask::Mask;
use super::turn::Turn;
use super::verdict::Verdict;
use crate::fact::{Kind, RosterFact};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Heads of a set that are looked at for one whose past was decided: more are merged, or a flood.
const HEADS_LOOKED_AT: usize = 64;

/// Entries of one set that are added the long way; after that, everything is decided as a whole.
const REPAIRS: usize = 8;

/// What forks an entry makes or witnesses, added to a set.
enum ForkNews {
    None,
    /// It is set aside itself.
    Forked,
    /// This is set aside for forks then.
    Others(Mask),
}

impl Graph {
    /// What is decided of a closed set.
    pub(super) fn verdict(&self, set: &Mask) -> Verdict {
        if self.is_quiet(set) {
            return self.work_out(set);
        }
        let (mut part, mut verdict) = self.decided_part(set);
        let mut repairs = 0;
        for x in set.without(&part).iter() {
            let extended = self.extend(&part, &mut verdict, x);
            part.insert(x);
            if let Err(forked) = extended {
                repairs += 1;
                if repairs > REPAIRS {
                    return self.work_out(set);
                }
                self.repair(&part, &mut verdict, x, forked);
            }
        }
        verdict
    }

    /// A large part of a closed set that is decided, closed too.
    fn decided_part(&self, set: &Mask) -> (Mask, Verdict) {
        let mut rest = set.clone();
        let mut most: Option<(usize, u32)> = None;
        // A head's own past was decided when it came.
        for _ in 0..HEADS_LOOKED_AT {
            let Some(head) = rest.last() else { break };
            let node = self.node(head);
            most = most.max(Some((node.past.count(), head)));
            rest = rest.without(&node.past);
            rest.remove(head);
        }
        let (count, head) = most.map_or((0, None), |(count, head)| (count, Some(head)));
        if let Some(kept) = self.kept_part(set, count) {
            return kept;
        }
        head.map_or_else(Default::default, |head| {
            let node = self.node(head);
            (node.past.clone(), node.own.verdict.clone())
        })
    }

    /// Adds an entry whose past is in the set. Where it may change what was decided of others, nothing is done and what is set
    /// aside for forks then is the answer.
    fn extend(&self, set: &Mask, verdict: &mut Verdict, x: u32) -> Result<(), Mask> {
        let own = &self.node(x).own;
        let is_forked = match self.fork_news(set, verdict, x) {
            ForkNews::None => false,
            ForkNews::Forked => true,
            ForkNews::Others(forked) => return Err(forked),
        };
        if is_forked {
            Arc::make_mut(&mut verdict.aside).forked.insert(x);
        } else if own.is_removal && !own.is_void && !own.needs_second {
            let turn = Turn::of(self, &verdict.aside.forked, &verdict.counted, x);
            if self.is_upheld(x, &turn, set, &verdict.aside.forked, &verdict.counted) {
                if !self.within_reach(x, set).is_empty() {
                    return Err(verdict.aside.forked.clone());
                }
                let counted = Arc::make_mut(&mut verdict.counted);
                counted.removals.insert(x);
                counted.places.insert(x);
                verdict.standing.insert(x);
                return Ok(());
            }
        } else if let Some(removal) = self.seconded(x).filter(|removal| !verdict.aside.forked.contains(*removal)) {
            let turn = Turn::of(self, &verdict.aside.forked, &verdict.counted, removal);
            let counts = verdict.counted.removals.contains(removal);
            if turn.is_able(x)
                && turn.is_free(x)
                && (counts || self.is_upheld(removal, &turn, set, &verdict.aside.forked, &verdict.counted))
            {
                if !counts && (!self.within_reach(removal, set).is_empty() || self.lowers_a_rival(removal)) {
                    return Err(verdict.aside.forked.clone());
                }
                let counted = Arc::make_mut(&mut verdict.counted);
                counted.removals.insert(removal);
                counted.places.insert(x);
                verdict.standing.insert(removal);
                Arc::make_mut(&mut verdict.aside).taken.remove(removal);
                if self.able_within(x, &verdict.standing, &verdict.counted) {
                    verdict.standing.insert(x);
                }
                return Ok(());
            }
        }
        if self.takers(x, &verdict.counted).next().is_some() {
            Arc::make_mut(&mut verdict.aside).taken.insert(x);
        } else if !is_forked
            && !own.is_void
            && !own.is_removal
            && self.able_within(x, &verdict.standing, &verdict.counted)
        {
            verdict.standing.insert(x);
        }
        Ok(())
    }

    /// The removal that an entry seconds.
    fn seconded(&self, x: u32) -> Option<u32> {
        let node = self.node(x);
        self.target(x).filter(|_| node.kind == Kind::SECOND && !node.own.is_void)
    }

    /// Whether a removal lowers somebody who came by one ticket with others: that a grant names him settles that.
    fn lowers_a_rival(&self, removal: u32) -> bool {
        match &self.node(removal).fact {
            Some(RosterFact::SetCapability { person, .. }) => {
                self.number(&person.genesis()).is_some_and(|genesis| self.has_rivals(genesis))
            }
            _ => false,
        }
    }

    fn fork_news(&self, set: &Mask, verdict: &Verdict, x: u32) -> ForkNews {
        if !self.has_forks() {
            return ForkNews::None;
        }
        let node = self.node(x);
        // What comes last has nobody who builds on it.
        if self.first_fork(node.log, set).is_some_and(|fork| fork <= node.seq) {
            return ForkNews::Forked;
        }
        let with = || {
            let mut with = set.clone();
            with.insert(x);
            with
        };
        if self.siblings(x).any(|sibling| set.contains(sibling)) {
            let with = with();
            let mut branches = self.log_from(node.log, node.seq).filter(|(_, y)| with.contains(*y));
            // Who is forked is no witness any more.
            return ForkNews::Others(match branches.any(|(_, y)| self.may_have_witnessed(y)) {
                true => self.set_aside_forks(&with),
                false => self.set_aside_anew(&BTreeSet::from([node.log]), &verdict.aside.forked, &with),
            });
        }
        let logs = self.witnessed_anew(set, verdict, x);
        if node.kind == Kind::JOIN || logs.is_empty() {
            return ForkNews::None;
        }
        let forked = self.set_aside_anew(&logs, &verdict.aside.forked, &with());
        if forked == verdict.aside.forked { ForkNews::None } else { ForkNews::Others(forked) }
    }

    fn may_have_witnessed(&self, x: u32) -> bool {
        let node = self.node(x);
        node.past.and(self.maybe_forked()).iter().any(|y| self.node(y).own.person != node.own.person)
    }

    /// Logs of other persons of which an entry builds on something that is set aside for a fork, and not on its siblings.
    fn witnessed_anew(&self, set: &Mask, verdict: &Verdict, x: u32) -> BTreeSet<u32> {
        let node = self.node(x);
        let known = verdict.aside.forked.and(&node.past);
        let others = known.iter().map(|y| self.node(y)).filter(|other| other.own.person != node.own.person);
        let mut logs: BTreeSet<u32> = others.map(|other| other.log).collect();
        logs.retain(|log| {
            let fork = self.first_fork(*log, set).map(|fork| self.numbered(*log, fork)).unwrap_or_default();
            fork.iter().filter(|y| node.past.contains(**y)).count() == 1
        });
        logs
    }
}

#[cfg(test)]
impl Graph {
    /// Compares what is decided of every entry's past, of several together and of all, with what the book says, whatever part
    /// it was had from. Answers in how many of these sets removals count.
    pub(crate) fn check_folds(&self) -> usize {
        let all = self.numbers().count() as u32;
        let pair = |x: u32| self.closed([x, x.wrapping_mul(7).wrapping_add(3) % all]);
        let triple = |x: u32| self.closed([x, x.wrapping_mul(5).wrapping_add(1) % all, x.wrapping_mul(11) % all]);
        let sets = self.numbers().flat_map(|x| [self.closed([x]), pair(x), triple(x)]).chain([self.all()]);
        sets.filter(|set| {
            self.check_from_nothing(set);
            self.check_fold(set)
        })
        .count()
    }

    /// Entry by entry from the first on, as far as that goes.
    fn check_from_nothing(&self, set: &Mask) {
        let (mut part, mut verdict) = (Mask::default(), Verdict::default());
        for x in set.iter() {
            let extended = self.extend(&part, &mut verdict, x);
            part.insert(x);
            if let Err(forked) = extended {
                assert_eq!(forked, self.set_aside_forks(&part));
                self.repair(&part, &mut verdict, x, forked);
                assert_eq!(verdict, self.work_out(&part));
            }
        }
        assert_eq!(verdict, self.work_out(set));
    }
}
