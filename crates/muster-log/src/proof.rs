//! Proof by run (A4) and the whole past (A6), for entries that wait: the largest set in which each entry passes.
//!
//! An entry is proven by a good signature on itself or on a later entry of its log, reached over backlinks alone; the
//! later entry must pass too. So passing is not decided one by one: everything is assumed to pass, and what cannot is
//! struck out until nothing changes. Each entry is struck out once, so the work grows with the number of links.

use crate::ids::EntryId;
use std::collections::{BTreeMap, BTreeSet};

/// What proof needs to know of a waiting entry.
pub(crate) struct Claim {
    pub(crate) id: EntryId,
    pub(crate) backlink: Option<EntryId>,
    /// Deps and roster heads.
    pub(crate) others: Vec<EntryId>,
    /// Whether its own signature was checked and is good.
    pub(crate) is_signed: bool,
}

impl Claim {
    fn needs(&self) -> impl Iterator<Item = &EntryId> {
        self.backlink.iter().chain(&self.others)
    }
}

/// The claims that pass together, as positions in `claims`, in causal order; as near to the given order as that allows.
///
/// `is_here` tells what is admitted already.
pub(crate) fn largest_proven_set(claims: &[Claim], is_here: impl Fn(&EntryId) -> bool) -> Vec<usize> {
    let links = Links::of(claims, is_here);
    let standing = links.strike_out(claims);
    links.in_causal_order(&standing)
}

struct Links {
    /// Positions of the waiting entries that an entry needs.
    needs: Vec<Vec<usize>>,
    /// Positions of those that need it.
    needed_by: Vec<Vec<usize>>,
    /// Position of the backlink, where it waits too.
    backlink: Vec<Option<usize>>,
    /// Whether something it needs is neither here nor waiting.
    is_incomplete: Vec<bool>,
}

impl Links {
    fn of(claims: &[Claim], is_here: impl Fn(&EntryId) -> bool) -> Self {
        let position: BTreeMap<EntryId, usize> = claims.iter().enumerate().map(|(i, claim)| (claim.id, i)).collect();
        let n = claims.len();
        let mut links = Self {
            needs: vec![Vec::new(); n],
            needed_by: vec![Vec::new(); n],
            backlink: claims.iter().map(|claim| position.get(&claim.backlink?).copied()).collect(),
            is_incomplete: vec![false; n],
        };
        for (i, claim) in claims.iter().enumerate() {
            for id in claim.needs() {
                match position.get(id) {
                    Some(need) => {
                        links.needs[i].push(*need);
                        links.needed_by[*need].push(i);
                    }
                    None if !is_here(id) => links.is_incomplete[i] = true,
                    None => {}
                }
            }
        }
        links
    }

    fn strike_out(&self, claims: &[Claim]) -> Vec<bool> {
        // Support: an own signature, and every standing successor. Logs do not run in circles, so what has support
        // without end has a signature at its end.
        let mut support: Vec<usize> = claims.iter().map(|claim| usize::from(claim.is_signed)).collect();
        for before in self.backlink.iter().flatten() {
            support[*before] += 1;
        }
        let mut standing = vec![true; claims.len()];
        let mut struck: Vec<usize> = Vec::new();
        for i in 0..claims.len() {
            if self.is_incomplete[i] || support[i] == 0 {
                standing[i] = false;
                struck.push(i);
            }
        }
        while let Some(i) = struck.pop() {
            if let Some(before) = self.backlink[i] {
                support[before] -= 1;
                if support[before] == 0 && std::mem::take(&mut standing[before]) {
                    struck.push(before);
                }
            }
            for later in &self.needed_by[i] {
                if std::mem::take(&mut standing[*later]) {
                    struck.push(*later);
                }
            }
        }
        standing
    }

    fn in_causal_order(&self, standing: &[bool]) -> Vec<usize> {
        let mut waits_for: Vec<usize> = self.needs.iter().map(Vec::len).collect();
        let is_ready = |i: &usize| standing[*i] && self.needs[*i].is_empty();
        let mut ready: BTreeSet<usize> = (0..standing.len()).filter(is_ready).collect();
        let mut order = Vec::with_capacity(standing.len());
        while let Some(i) = ready.pop_first() {
            order.push(i);
            for later in self.needed_by[i].iter().filter(|later| standing[**later]) {
                waits_for[*later] -= 1;
                if waits_for[*later] == 0 {
                    ready.insert(*later);
                }
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> EntryId {
        EntryId::from_bytes([byte; 32])
    }

    /// A waiting entry: its name, the name before it in its log (0: none), what else it needs, whether it is signed.
    type Row<'a> = (u8, u8, &'a [u8], bool);

    #[track_caller]
    fn check(rows: &[Row<'_>], here: &[u8], expected: &[usize]) {
        let claims: Vec<Claim> = rows
            .iter()
            .map(|(name, before, others, is_signed)| Claim {
                id: id(*name),
                backlink: (*before > 0).then(|| id(*before)),
                others: others.iter().map(|other| id(*other)).collect(),
                is_signed: *is_signed,
            })
            .collect();
        assert_eq!(largest_proven_set(&claims, |x| here.iter().any(|name| id(*name) == *x)), expected);
    }

    #[test]
    fn a_later_signature_proves_the_run_before_it_and_nothing_after_it() {
        check(&[(1, 0, &[], false), (2, 1, &[], false), (3, 2, &[], true), (4, 3, &[], false)], &[], &[0, 1, 2]);
    }

    #[test]
    fn a_dep_proves_nothing() {
        check(&[(1, 0, &[], false), (2, 0, &[1], true)], &[], &[]);
    }

    #[test]
    fn a_signature_whose_own_past_is_absent_proves_nothing() {
        check(&[(1, 0, &[], false), (2, 1, &[9], true)], &[], &[]);
        check(&[(1, 0, &[], false), (2, 1, &[9], true)], &[9], &[0, 1]);
    }

    #[test]
    fn entries_of_two_logs_that_need_each_other_pass_together() {
        check(&[(1, 0, &[], false), (5, 0, &[1], false), (2, 1, &[5], true), (6, 5, &[2], true)], &[], &[0, 1, 2, 3]);
    }

    #[test]
    fn striking_out_one_run_strikes_out_what_builds_on_it() {
        check(&[(1, 0, &[], false), (5, 0, &[1], true), (6, 5, &[], true), (7, 0, &[], true)], &[], &[3]);
    }

    #[test]
    fn the_order_is_causal_though_the_arrival_was_not() {
        check(&[(3, 2, &[], true), (2, 1, &[], false), (1, 0, &[], false)], &[], &[2, 1, 0]);
    }

    #[test]
    fn each_branch_of_a_fork_needs_its_own_signature() {
        check(&[(1, 0, &[], false), (2, 1, &[], true), (3, 1, &[], false)], &[], &[0, 1]);
    }
}
