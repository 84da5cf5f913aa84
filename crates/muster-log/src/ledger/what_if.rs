//! What roster entries would change if they were admitted now: asked before a removal is signed.
//!
//! The ledger judges the entries, looks at what follows, and takes them back; nothing is kept.

use super::Ledger;
use crate::entry::Entry;
use crate::ids::{EntryId, IncidentId};
use crate::refusal::Refusal;
use crate::roster::Roster;
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
        let mark = self.graph.mark();
        let mut judged = BTreeMap::new();
        for entry in entries {
            match self.judge_candidate(entry, &judged, &BTreeMap::new()) {
                Ok(verdict) => drop(judged.insert(entry.id(), verdict)),
                Err(refusal) => {
                    self.graph.truncate(mark);
                    return Err(refusal);
                }
            }
        }
        let whole = self.graph.fold(&self.graph.all());
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
            let after = status::statuses(&self.graph, &whole, dag);
            let differing = after.into_iter().filter_map(|(id, after)| Some((id, (*before.get(&id)?, after))));
            let differing: BTreeMap<_, _> = differing.filter(|(_, (before, after))| before != after).collect();
            if !differing.is_empty() {
                changed.insert(incident, differing);
            }
        }
        let roster = Arc::clone(&whole.roster);
        self.graph.truncate(mark);
        Ok(Consequence { roster, counting, changed })
    }
}
