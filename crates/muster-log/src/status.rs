//! Status: what the entries of an incident count for (protocol, section "Status"). A pure function of the admitted set.
//!
//! Decided in an order that is never circular: straight, fold of the whole roster, causes and frontiers, clean, status.
//! Of roster entries the fold alone decides (`roster`).

use crate::dag::Dag;
use crate::ids::{EntryId, PersonId};
use crate::key::DeviceKey;
use crate::roster::{Fold, Graph, Numbers};
use crate::witness::{Children, witnessed};
use std::collections::{BTreeMap, BTreeSet};

/// What an admitted entry counts for. Only active entries have an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Counts.
    Active,
    /// Written with a device that was out by then, and yet others built on it: shown with a badge, without effect.
    Late,
    /// Written with a device that was out: kept, collapsed, without effect.
    Revoked,
    /// One of several continuations of a log, and nobody else built on this one alone: kept, without effect.
    Forked,
}

impl Status {
    /// The word for it in JSON and on pages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Late => "late",
            Self::Revoked => "revoked",
            Self::Forked => "forked",
        }
    }
}

/// The status of every entry of an incident.
pub(crate) fn statuses(graph: &Graph, whole: &Fold, dag: &Dag) -> BTreeMap<EntryId, Status> {
    if is_quiet(whole, dag) {
        return dag.by_id().map(|(id, _)| (id, Status::Active)).collect();
    }
    let inquiry = Inquiry::new(graph, whole, dag);
    let (late, witnessed) = (inquiry.late_causes(), inquiry.witnessed());
    dag.by_id().map(|(id, x)| (id, inquiry.status(x, &late, &witnessed))).collect()
}

/// As [`statuses`], by number; with the causes in the roster of those that are revoked or late.
pub(crate) fn with_causes(graph: &Graph, whole: &Fold, dag: &Dag) -> Vec<(Status, Numbers)> {
    if is_quiet(whole, dag) {
        return dag.nodes().iter().map(|_| (Status::Active, Numbers::new())).collect();
    }
    let inquiry = Inquiry::new(graph, whole, dag);
    let (late, witnessed) = (inquiry.late_causes(), inquiry.witnessed());
    let found = (0..dag.len() as u32).map(|x| {
        let status = inquiry.status(x, &late, &witnessed);
        (status, inquiry.speaking(x, status).collect())
    });
    found.collect()
}

/// Of an incident's entries, those that count no more because of one removal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TakenEntries {
    /// Revoked.
    pub revoked: usize,
    /// Late.
    pub late: usize,
}

/// What of an incident counts no more, by the cause in the roster; what has several causes is counted for each.
pub(crate) fn taken(graph: &Graph, whole: &Fold, dag: &Dag) -> BTreeMap<u32, TakenEntries> {
    let mut taken: BTreeMap<u32, TakenEntries> = BTreeMap::new();
    if is_quiet(whole, dag) {
        return taken;
    }
    let inquiry = Inquiry::new(graph, whole, dag);
    let (late, witnessed) = (inquiry.late_causes(), inquiry.witnessed());
    for x in 0..dag.len() as u32 {
        let status = inquiry.status(x, &late, &witnessed);
        for cause in inquiry.speaking(x, status) {
            let sum = taken.entry(cause).or_default();
            match status {
                Status::Revoked => sum.revoked += 1,
                _ => sum.late += 1,
            }
        }
    }
    taken
}

/// Which entries are clean, by number: facts of logs, roster and pasts, not of status.
pub(crate) fn clean(graph: &Graph, whole: &Fold, dag: &Dag) -> Vec<bool> {
    let upright = Inquiry::new(graph, whole, dag).upright;
    upright.iter().zip(0..).map(|(is_upright, x)| *is_upright && dag.is_straight(x)).collect()
}

/// Whether nothing speaks against any entry: no removal, nothing set aside, no fork.
pub(crate) fn is_quiet(whole: &Fold, dag: &Dag) -> bool {
    whole.counted.is_empty() && whole.aside.is_empty() && dag.logs().iter().all(|log| log.first_fork.is_none())
}

/// Who is asked about: a cause and a person; the answer is which entries others built on in ignorance of the cause.
type BuiltOn = BTreeMap<(u32, PersonId), Vec<bool>>;

struct Inquiry<'a> {
    graph: &'a Graph,
    dag: &'a Dag,
    /// Causes of each entry in whose frontier it is not.
    outside: Vec<Numbers>,
    /// In the frontier of each of its causes: clean, but for forks.
    upright: Vec<bool>,
}

impl<'a> Inquiry<'a> {
    fn new(graph: &'a Graph, whole: &Fold, dag: &'a Dag) -> Self {
        let mut outside = causes_by_entry(graph, whole, dag);
        let causes: Numbers = outside.iter().flatten().copied().collect();
        for cause in causes {
            let frontier = frontier(cause, graph, whole, dag);
            for (x, _) in frontier.iter().enumerate().filter(|(_, is_in)| **is_in) {
                outside[x].remove(&cause);
            }
        }
        let upright = outside.iter().map(BTreeSet::is_empty).collect();
        Self { graph, dag, outside, upright }
    }

    fn status(&self, x: u32, late: &BuiltOn, witnessed: &BTreeSet<u32>) -> Status {
        let outside = &self.outside[x as usize];
        let author = self.dag.node(x).author;
        let is_late = |cause: &u32| late.get(&(*cause, author)).is_some_and(|built_on| built_on[x as usize]);
        if !outside.iter().all(is_late) {
            return Status::Revoked;
        }
        if !self.dag.is_straight(x) && !witnessed.contains(&x) {
            return Status::Forked;
        }
        // What a retirement leaves late counts as met.
        if outside.iter().any(|cause| !self.graph.is_retirement(*cause)) { Status::Late } else { Status::Active }
    }

    /// The causes for which an entry of this status is revoked or late; what a retirement leaves late counts as met.
    fn speaking(&self, x: u32, status: Status) -> impl Iterator<Item = u32> {
        let outside = self.outside[x as usize].iter().copied();
        outside.filter(move |cause| match status {
            Status::Revoked => true,
            Status::Late => !self.graph.is_retirement(*cause),
            Status::Active | Status::Forked => false,
        })
    }

    /// For each cause and each person it speaks against: what upright entries of others, which do not know the cause,
    /// build on.
    fn late_causes(&self) -> BuiltOn {
        let mut asked = BTreeSet::new();
        for (x, outside) in self.outside.iter().enumerate() {
            let author = self.dag.nodes()[x].author;
            asked.extend(outside.iter().map(|cause| (*cause, author)));
        }
        let mut knows = BTreeMap::new();
        let mut built_on = BuiltOn::new();
        for (cause, person) in asked {
            let mut is_built_on = vec![false; self.dag.len()];
            for (w, node) in self.dag.nodes().iter().enumerate().rev() {
                let is_witness = self.upright[w]
                    && node.author != person
                    && !node.standpoint.is_some_and(|standpoint| {
                        *knows.entry((standpoint, cause)).or_insert_with(|| self.graph.knows(standpoint, cause))
                    });
                if is_witness || is_built_on[w] {
                    node.parents.iter().for_each(|parent| is_built_on[*parent as usize] = true);
                }
            }
            built_on.insert((cause, person), is_built_on);
        }
        built_on
    }

    /// Entries of forked logs that count, because clean entries of others build on them and on no sibling.
    fn witnessed(&self) -> BTreeSet<u32> {
        let is_clean = |w: u32| self.upright[w as usize] && self.dag.is_straight(w);
        let mut forked = self.dag.logs().iter().filter_map(|log| Some((log, log.first_fork?))).peekable();
        if forked.peek().is_none() {
            return BTreeSet::new();
        }
        let children = Children::of(self.dag, 0..self.dag.len() as u32);
        forked.flat_map(|(log, fork)| witnessed(self.dag, &children, &log.entries, fork, is_clean)).collect()
    }
}

/// Causes depend on roster past and key alone, and of such pairs there are few.
fn causes_by_entry(graph: &Graph, whole: &Fold, dag: &Dag) -> Vec<Numbers> {
    let mut known: BTreeMap<(u32, DeviceKey), Numbers> = BTreeMap::new();
    dag.nodes()
        .iter()
        .map(|node| {
            let Some(standpoint) = node.standpoint else { return Numbers::new() };
            let key = node.entry.key();
            known.entry((standpoint, key)).or_insert_with(|| graph.causes(standpoint, &key, whole)).clone()
        })
        .collect()
}

/// The effective frontier of a cause in one incident: by number of entry, whether it is in.
///
/// The past of the heads that the revoke and its cuts name, and of everything that the remover's device wrote without
/// knowing the removal: nobody can disown what he used. A fork has no frontier.
fn frontier(cause: u32, graph: &Graph, whole: &Fold, dag: &Dag) -> Vec<bool> {
    let mut is_in = vec![false; dag.len()];
    if !whole.counted.contains_key(&cause) {
        return is_in;
    }
    for frontier in graph.frontiers(cause, whole) {
        let here = frontier.iter().filter(|(incident, _)| dag.id() == (*incident).into());
        for head in here.flat_map(|(_, heads)| heads).filter_map(|head| dag.number(head)) {
            is_in[head as usize] = true;
        }
    }
    let remover = graph.author(cause);
    for (x, node) in dag.nodes().iter().enumerate() {
        if node.entry.key() == remover && !node.standpoint.is_some_and(|known| graph.is_in(known, cause)) {
            is_in[x] = true;
        }
    }
    for x in (0..dag.len()).rev().filter(|x| *x > 0) {
        if is_in[x] {
            dag.nodes()[x].parents.iter().for_each(|parent| is_in[*parent as usize] = true);
        }
    }
    is_in
}
