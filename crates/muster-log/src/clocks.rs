//! What verification tells of an incident's times: how many entries others' clocks hold between two times, and whose entries
//! contradict them.
//!
//! These are observations about clocks and refute no entry. The brackets themselves are in [`crate::brackets`].

use crate::brackets::{TimeBrackets, TimeLabel};
use crate::ids::{IncidentId, PersonId};
use crate::key::DeviceKey;
use crate::ledger::Ledger;
use std::collections::BTreeMap;

/// The time brackets of an incident's entries, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clocks {
    /// Entries with a time on both sides.
    pub both: usize,
    /// Entries with a time on one side alone.
    pub one: usize,
    /// Entries of which nobody else's clock tells anything.
    pub none: usize,
    /// How many persons' clocks may be wrong on each side without moving a bracket (f).
    pub spare: usize,
    /// How many entries carry which label.
    pub labels: BTreeMap<TimeLabel, usize>,
    /// Whose entries carry a label that speaks against a clock, and how many of them.
    pub doubts: BTreeMap<(PersonId, DeviceKey, TimeLabel), usize>,
}

impl Clocks {
    /// Of all entries of an incident; `None` where it is not here.
    pub fn of(ledger: &Ledger, incident: &IncidentId) -> Option<Self> {
        let dag = ledger.dag(&(*incident).into())?;
        let mut brackets = TimeBrackets::default();
        brackets.update(ledger, incident);
        let mut this = Self { spare: brackets.spare(), ..Self::default() };
        for (number, node) in (0..).zip(dag.nodes()) {
            let bracket = brackets.of_number(number);
            match (bracket.lower, bracket.upper) {
                (Some(_), Some(_)) => this.both += 1,
                (None, None) => this.none += 1,
                _ => this.one += 1,
            }
            let label = bracket.label(node.entry.claimed().time);
            *this.labels.entry(label).or_default() += 1;
            if label.is_anomaly() {
                *this.doubts.entry((node.author, node.entry.key(), label)).or_default() += 1;
            }
        }
        Some(this)
    }

    /// How many entries were looked at.
    pub fn entries(&self) -> usize {
        self.both + self.one + self.none
    }
}
