//! Time brackets: between which claimed times of others an entry must have been written (protocol, section "Time").
//!
//! No clock decides anything here, and none is believed: an entry is held against what others claimed before it, which it
//! builds on, and after it, who build on it. Kept up to date entry by entry; equal sets give equal brackets in any order.
//!
//! Of each entry three persons are remembered on either side. One of them may be the author, and the second of the others is
//! the last that is ever asked for, so three persons of an entry's parents are enough for its own.

use crate::dag::Dag;
use crate::ids::{EntryId, IncidentId, PersonId};
use crate::ledger::Ledger;
use crate::limits::{BRACKET_PERSONS_MIN, BRACKET_TOLERANCE_MS};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Between which claimed times of others an entry must have been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bracket {
    /// Not before; none where too few persons wrote what it builds on.
    pub lower: Option<Timestamp>,
    /// Not after; none where too few persons have built on it.
    pub upper: Option<Timestamp>,
}

/// How an entry's own claim fits its bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeLabel {
    /// Within the bracket, give or take two minutes.
    Consistent,
    /// Earlier than what it builds on.
    Early,
    /// Later than what builds on it.
    LateClaimed,
    /// One side is open and the other does not contradict.
    Unbounded,
    /// The bracket itself is impossible: clocks of others were wrong.
    Contradictory,
}

impl TimeLabel {
    /// Whether it speaks against a clock: the author's or those of others.
    pub fn is_anomaly(self) -> bool {
        matches!(self, Self::Early | Self::LateClaimed | Self::Contradictory)
    }

    /// The word for it in JSON and on pages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Consistent => "consistent",
            Self::Early => "early",
            Self::LateClaimed => "late-claimed",
            Self::Unbounded => "unbounded",
            Self::Contradictory => "contradictory",
        }
    }
}

impl Bracket {
    /// How a claim fits.
    pub fn label(&self, claimed: Timestamp) -> TimeLabel {
        let is_after = |a: Timestamp, b: Timestamp| a.0.saturating_sub(b.0) > BRACKET_TOLERANCE_MS;
        match (self.lower, self.upper) {
            (Some(lower), Some(upper)) if is_after(lower, upper) => TimeLabel::Contradictory,
            (Some(lower), _) if is_after(lower, claimed) => TimeLabel::Early,
            (_, Some(upper)) if is_after(claimed, upper) => TimeLabel::LateClaimed,
            (Some(_), Some(_)) => TimeLabel::Consistent,
            _ => TimeLabel::Unbounded,
        }
    }

    /// A time for the order of things that were told: as told, but not later than the bracket says the telling was, for
    /// nobody knows what is to come. Where others' clocks contradict each other, what it builds on is believed.
    pub fn cap(&self, told: Timestamp) -> Timestamp {
        match self.upper {
            Some(upper) => told.min(self.lower.map_or(upper, |lower| lower.max(upper))),
            None => told,
        }
    }
}

/// The claims of three persons, one each, the most telling first.
#[derive(Debug, Clone, Copy, Default)]
struct Few([Option<(i64, u32)>; 3]);

impl Few {
    /// Takes in a claim; the smaller the more telling. Answers whether it changed anything.
    fn put(&mut self, claim: i64, person: u32) -> bool {
        match self.0.iter_mut().find(|known| known.is_some_and(|(_, of)| of == person)) {
            Some(Some((known, _))) if *known <= claim => return false,
            Some(known) => *known = Some((claim, person)),
            None => match &mut self.0 {
                [.., Some(last)] if *last <= (claim, person) => return false,
                [.., last] => *last = Some((claim, person)),
            },
        }
        // None goes last.
        self.0.sort_unstable_by_key(|known| known.map_or((true, 0, 0), |(claim, person)| (false, claim, person)));
        true
    }

    fn iter(&self) -> impl Iterator<Item = (i64, u32)> + '_ {
        self.0.iter().copied().flatten()
    }

    /// The claim of the `nth` of others, from 0.
    fn of_others(&self, person: u32, nth: usize) -> Option<i64> {
        self.iter().filter(|(_, of)| *of != person).nth(nth).map(|(claim, _)| claim)
    }
}

#[derive(Debug)]
struct Node {
    parents: Vec<u32>,
    person: u32,
    claimed: i64,
    counts: bool,
    /// Of what it builds on, each person's newest claim, told downwards so that less is more telling.
    before: Few,
    /// Of what builds on it, each person's oldest claim.
    after: Few,
}

/// The brackets of a graph of entries, by number; whatever an entry builds on has a smaller number.
#[derive(Debug, Default)]
pub struct Brackets {
    nodes: Vec<Node>,
    persons: BTreeMap<PersonId, u32>,
    /// Persons of whom anything counts.
    writing: BTreeSet<u32>,
}

impl Brackets {
    /// The brackets of a whole graph at once: what adding its entries one by one gives, in time that grows with the edges
    /// alone, whatever the clocks say. Of each entry: what it builds on, its person, its claim, and whether that counts.
    pub fn of_all<P>(entries: impl IntoIterator<Item = (P, PersonId, Timestamp, bool)>) -> Self
    where
        P: IntoIterator<Item = u32>,
    {
        let mut this = Self::default();
        for (parents, person, claimed, counts) in entries {
            this.append(parents, person, claimed, counts);
        }
        // Newest first, so that each has been told everything before it tells on.
        for number in (0..this.nodes.len()).rev() {
            let (earlier, later) = this.nodes.split_at_mut(number);
            let Some(node) = later.first() else { continue };
            for parent in node.parents.iter().filter_map(|parent| usize::try_from(*parent).ok()) {
                let Some(parent) = earlier.get_mut(parent) else { continue };
                for (claim, of) in node.after.iter().chain(node.counts.then_some((node.claimed, node.person))) {
                    parent.after.put(claim, of);
                }
            }
        }
        this
    }

    /// Adds the next entry. `counts` says whether its claim is evidence about others. Answers the numbers of the entries
    /// whose brackets may have changed by it; see also [`Brackets::spare`].
    ///
    /// A claim that is older than all before it is told to everything that it builds on; any other only as far as it is news.
    pub fn add(
        &mut self,
        parents: impl IntoIterator<Item = u32>,
        person: PersonId,
        claimed: Timestamp,
        counts: bool,
    ) -> Vec<u32> {
        let (person, mut todo) = self.append(parents, person, claimed, counts);
        let mut changed = Vec::new();
        // Who learns nothing from it has learnt as much from others, and so has whatever that one builds on.
        while let Some(earlier) = todo.pop().filter(|_| counts) {
            let node = &mut self.nodes[earlier as usize];
            if node.after.put(claimed.0, person) {
                changed.push(earlier);
                todo.extend(&node.parents);
            }
        }
        changed
    }

    /// Adds the next entry and tells nobody of it. Answers its person's number and what it builds on.
    fn append(
        &mut self,
        parents: impl IntoIterator<Item = u32>,
        person: PersonId,
        claimed: Timestamp,
        counts: bool,
    ) -> (u32, Vec<u32>) {
        let number = self.nodes.len() as u32;
        let next = self.persons.len() as u32;
        let person = *self.persons.entry(person).or_insert(next);
        let parents: Vec<u32> = parents.into_iter().filter(|parent| *parent < number).collect();
        let mut before = Few::default();
        for parent in parents.iter().map(|parent| &self.nodes[*parent as usize]) {
            for (claim, of) in parent.before.iter() {
                before.put(claim, of);
            }
            if parent.counts {
                before.put(later_first(parent.claimed), parent.person);
            }
        }
        if counts {
            self.writing.insert(person);
        }
        let node = Node { parents, person, claimed: claimed.0, counts, before, after: Few::default() };
        let todo = node.parents.clone();
        self.nodes.push(node);
        (person, todo)
    }

    /// How many persons may be wrong on each side (f): when it changes, every bracket may.
    pub fn spare(&self) -> usize {
        usize::from(self.writing.len() >= BRACKET_PERSONS_MIN)
    }

    /// The bracket of an entry; open on both sides for a number that there is not.
    pub fn of(&self, number: u32) -> Bracket {
        let Some(node) = self.nodes.get(number as usize) else { return Bracket::default() };
        let nth = self.spare();
        Bracket {
            lower: node.before.of_others(node.person, nth).map(|claim| Timestamp(later_first(claim))),
            upper: node.after.of_others(node.person, nth).map(Timestamp),
        }
    }
}

/// Turns the order of times about, and back; no time is lost by it.
fn later_first(time: i64) -> i64 {
    !time
}

/// The brackets of an incident, kept up to date with its ledger.
#[derive(Debug, Default)]
pub struct TimeBrackets {
    brackets: Brackets,
    /// Which entries were clean when they were added; none where all are, which costs nothing to know.
    clean: Option<Vec<bool>>,
    known: usize,
}

impl TimeBrackets {
    /// Takes in what was admitted since the last time. Where entries that were here have become clean or stopped being so,
    /// all is worked out anew.
    pub fn update(&mut self, ledger: &Ledger, incident: &IncidentId) {
        let Some(dag) = ledger.dag(&(*incident).into()) else { return };
        let clean = ledger.clean(incident);
        let is_clean = |clean: &Option<Vec<bool>>, number: usize| {
            clean.as_ref().is_none_or(|clean| clean.get(number).copied().unwrap_or(false))
        };
        let is_same = (0..self.known).all(|number| is_clean(&self.clean, number) == is_clean(&clean, number));
        if !(clean.is_none() && self.clean.is_none() || is_same) {
            *self = Self::default();
        }
        let entries = dag.nodes().iter().enumerate().skip(self.known).map(|(number, node)| {
            let (claimed, parents) = (node.entry.claimed().time, node.parents.iter().copied());
            (parents, node.author, claimed, is_clean(&clean, number))
        });
        if self.known == 0 {
            self.brackets = Brackets::of_all(entries);
        } else {
            for (parents, person, claimed, counts) in entries {
                self.brackets.add(parents, person, claimed, counts);
            }
        }
        self.clean = clean;
        self.known = dag.len();
    }

    /// The bracket of an entry of the incident, if it was here at the last [`TimeBrackets::update`].
    pub fn of(&self, dag: &Dag, id: &EntryId) -> Option<Bracket> {
        let number = dag.number(id).filter(|number| (*number as usize) < self.known)?;
        Some(self.brackets.of(number))
    }

    /// As [`TimeBrackets::of`], by the entry's number in the DAG.
    pub(crate) fn of_number(&self, number: u32) -> Bracket {
        self.brackets.of(number)
    }

    /// How many persons may be wrong on each side (f).
    pub fn spare(&self) -> usize {
        self.brackets.spare()
    }
}
