//! Compaction as a command asks for it: which incidents, and one step after the other.

use super::Engine;
use crate::compact::{Ask, Begun, Stepped};
use crate::engine::reads::to_value;
use crate::request::Failure;
use muster_log::IncidentId;
use muster_store::{CompactionStep, Storage};
use serde_json::Value;
use std::collections::BTreeSet;

impl<S: Storage> Engine<S> {
    pub(crate) fn compact(&mut self, ask: &Ask) -> Result<Value, Failure> {
        match ask {
            Ask::Begin { incidents } => {
                let incidents = self.incidents_to_compact(incidents)?;
                let entries = self.replica.begin_compaction(&incidents, self.now())?;
                Ok(to_value(&Begun { incidents: incidents.len(), entries }))
            }
            Ask::Step => Ok(to_value(&match self.replica.step_compaction(self.now())? {
                CompactionStep::Packed { done, of } => Stepped::Packed { done, of },
                CompactionStep::Done(compacted) => Stepped::Done {
                    entries: compacted.entries,
                    bytes_before: compacted.bytes_before,
                    bytes_after: compacted.bytes_after,
                },
            })),
        }
    }

    /// Those that were typed; else all that are closed.
    fn incidents_to_compact(&mut self, typed: &[String]) -> Result<Vec<IncidentId>, Failure> {
        let found: BTreeSet<IncidentId> = if typed.is_empty() {
            let closed = self.summaries()?.into_iter().filter(|(.., summary)| !summary.open);
            closed.map(|(_, incident, _)| incident).collect()
        } else {
            let found = typed.iter().map(|typed| self.incident_typed(typed).map(|(_, incident)| incident));
            found.collect::<Result<_, _>>()?
        };
        Ok(found.into_iter().collect())
    }
}
