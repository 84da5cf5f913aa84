//! What a roster entry would change if it were admitted now: asked before a removal is signed.
//!
//! The ledger judges the entry, looks at what follows, and takes it back; nothing is kept.

use super::Ledger;
use crate::entry::Entry;
use crate::ids::{EntryId, IncidentId};
use crate::refusal::Refusal;
use crate::roster::Roster;
use crate::status::{self, Status};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What would follow from a roster entry.
#[derive(Debug, Clone)]
pub struct Consequence {
    /// Who would be in the team.
    pub roster: Arc<Roster>,
    /// Whether the entry would have its effect at once; a removal may need a second, or be outranked.
    pub counts: bool,
    /// Entries of incidents that would count for something else: before, after.
    pub changed: BTreeMap<IncidentId, BTreeMap<EntryId, (Status, Status)>>,
}

impl Ledger {
    /// What would follow if `entry`, of the roster and built on what is here, were admitted. Nothing is kept of it.
    ///
    /// # Errors
    /// The [`Refusal`] that would meet it.
    pub fn what_if(&mut self, entry: &Entry) -> Result<Consequence, Refusal> {
        let before: BTreeMap<IncidentId, _> = self.incidents().map(|here| (here, self.statuses(&here))).collect();
        let mark = self.graph.mark();
        self.judge_candidate(entry, &BTreeMap::new(), &BTreeMap::new())?;
        let whole = self.graph.fold(&self.graph.all());
        let counts = self.graph.number(&entry.id()).is_some_and(|number| {
            let is_removal = self.graph.is_removal(number);
            if is_removal { whole.counted.contains_key(&number) } else { whole.standing.contains(number) }
        });
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
        Ok(Consequence { roster, counts, changed })
    }
}
