//! What roster entries would change if they were admitted now: asked before a removal is signed, and of what is shown by
//! somebody who says that they are in the team.
//!
//! The ledger judges the entries, looks at what follows, and takes them back; nothing is kept.

use super::{Ledger, Outcome, Received};
use crate::entry::Entry;
use crate::ids::{EntryId, IncidentId};
use crate::refusal::Refusal;
use crate::roster::{Fold, Roster};
use crate::status::{self, Status};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What would follow from roster entries.
#[derive(Debug, Clone)]
pub struct Consequence {
    /// Who would be in the team.
    pub roster: Arc<Roster>,
    /// The entries that would have their effect at once; a removal may need a second, or be outranked.
    pub counting: Vec<EntryId>,
    /// Entries of incidents that would count for something else: before, after.
    pub changed: BTreeMap<IncidentId, BTreeMap<EntryId, (Status, Status)>>,
}

impl Ledger {
    /// What would follow if `entries`, of the roster and in causal order, were admitted. Nothing is kept of them.
    ///
    /// # Errors
    /// The [`Refusal`] that would meet the first bad one.
    pub fn what_if(&mut self, entries: &[Entry]) -> Result<Consequence, Refusal> {
        let before: BTreeMap<IncidentId, _> = self.incidents().map(|here| (here, self.statuses(&here))).collect();
        self.suppose(entries, |ledger, whole| ledger.consequence(entries, before, whole))
    }

    /// Whether all of `batch` that is not here yet, entries of the roster, is proven and could be admitted now, and the roster
    /// that would follow is as `is_wanted` says. Nothing is kept of it.
    pub fn would_admit(&mut self, batch: &[Received], is_wanted: impl FnOnce(&Roster) -> bool) -> bool {
        let news = batch.iter().filter(|received| !self.contains(&received.entry.id())).cloned().collect();
        let mut outcome = Outcome::default();
        let fresh = self.check_signatures(None, news, &mut outcome);
        if !outcome.refused.is_empty() || fresh.iter().any(|it| !it.waiting.entry.kind().is_roster()) {
            return false;
        }
        let passing = self.passing(&fresh);
        let entries: Vec<Entry> = passing.iter().map(|place| fresh[*place].waiting.entry.clone()).collect();
        let is_whole = entries.len() == fresh.len();
        is_whole && self.suppose(&entries, |_, whole| is_wanted(&whole.roster)).unwrap_or(false)
    }

    /// What is seen of the ledger with `entries`, of the roster and in causal order, which are taken back after.
    fn suppose<T>(&mut self, entries: &[Entry], see: impl FnOnce(&Self, &Fold) -> T) -> Result<T, Refusal> {
        let mark = (self.graph.mark(), self.holdings.mark());
        let mut judged = BTreeMap::new();
        let mut refused = None;
        for entry in entries {
            match self.judge_candidate(entry, &judged, &BTreeMap::new()) {
                Ok(verdict) => drop(judged.insert(entry.id(), verdict)),
                Err(refusal) => {
                    refused = Some(refusal);
                    break;
                }
            }
        }
        let seen = match refused {
            Some(refusal) => Err(refusal),
            None => Ok(see(self, &self.graph.fold(&self.graph.all()))),
        };
        self.take_back(mark, &judged);
        seen
    }

    fn consequence(
        &self,
        entries: &[Entry],
        before: BTreeMap<IncidentId, BTreeMap<EntryId, Status>>,
        whole: &Fold,
    ) -> Consequence {
        let has_effect = |id: &EntryId| {
            self.graph.number(id).is_some_and(|number| {
                let is_removal = self.graph.is_removal(number);
                if is_removal { whole.counted.contains_key(&number) } else { whole.standing.contains(number) }
            })
        };
        let counting = entries.iter().map(Entry::id).filter(has_effect).collect();
        let mut changed: BTreeMap<IncidentId, BTreeMap<EntryId, (Status, Status)>> = BTreeMap::new();
        for (incident, before) in before {
            let Some(dag) = self.dag(&incident.into()) else { continue };
            let after = status::statuses(&self.graph, whole, dag);
            let differing = after.into_iter().filter_map(|(id, after)| Some((id, (*before.get(&id)?, after))));
            let differing: BTreeMap<_, _> = differing.filter(|(_, (before, after))| before != after).collect();
            if !differing.is_empty() {
                changed.insert(incident, differing);
            }
        }
        Consequence { roster: Arc::clone(&whole.roster), counting, changed }
    }
}
