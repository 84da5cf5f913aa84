//! What a damaged store cannot give back: the entries that are left out, so that the rest can be read.
//!
//! An entry whose past is damaged says nothing that could be judged: it is left out with its reason. Which bytes are damaged is
//! told by `muster-store`; how a home is made writable again too.

use crate::error::ReplicaError;
use crate::local;
use crate::replica::Replica;
use muster_log::verify::Fault;
use muster_log::{DagId, Entry, EntryId, Signature, TeamId};
use muster_store::Storage;
use std::collections::{BTreeMap, BTreeSet};

/// An entry of the store that is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The entry.
    pub id: EntryId,
    /// The roster or incident it belongs to.
    pub dag: DagId,
    /// Why.
    pub what: String,
}

/// What a store has to do without before it may be written to again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruins {
    /// Entries that are in the store and do not stand without what is missing.
    pub fallen: BTreeSet<EntryId>,
    /// Entries in their past that are not in the store.
    pub gone: BTreeSet<EntryId>,
    /// Local facts as they are without these entries; none is forgotten.
    pub facts: BTreeMap<String, Option<Vec<u8>>>,
    /// Local facts that may be older than one that is damaged, and do harm then.
    pub doubtful: BTreeSet<String>,
}

impl<S: Storage> Replica<S> {
    /// What was left out at opening ([`Replica::open_what_stands`]).
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// What does not stand in the store, judged from the first byte: all else has its whole past without it. It need not be proven
    /// any more: it was when it came, and its record says so.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn ruins(&self) -> Result<Ruins, ReplicaError> {
        let mut ruins = Ruins::default();
        for team in self.store.teams() {
            let (mut standing, signatures) = self.stored_entries(&team, &mut ruins)?;
            // What builds on an entry that falls is judged again.
            loop {
                let report = muster_log::verify::verify_own(team, standing.iter(), |id| signatures.get(id).copied());
                let falls = |(id, fault)| (fault != Fault::ProofLost).then_some(id);
                let fallen: BTreeSet<EntryId> = report.problems.into_iter().filter_map(falls).collect();
                if fallen.is_empty() {
                    break;
                }
                for entry in standing.iter().filter(|entry| fallen.contains(&entry.id())) {
                    ruins.gone.extend(entry.parents().chain(entry.items().roster_heads.iter().copied()));
                }
                standing.retain(|entry| !fallen.contains(&entry.id()));
                ruins.fallen.extend(fallen);
            }
        }
        let mut gone = BTreeSet::new();
        for id in &ruins.gone {
            if !self.store.contains(id)? {
                gone.insert(*id);
            }
        }
        let facts = crate::late::seen_marks_without(&self.store, &ruins.fallen)?;
        // What is written next would go to an incident that nobody means any more.
        let doubtful = [local::CHOSEN_INCIDENT.to_owned()].into();
        Ok(Ruins { gone, facts, doubtful, ..ruins })
    }

    /// The entries of a team that decode, in causal order, with the signatures.
    fn stored_entries(
        &self,
        team: &TeamId,
        ruins: &mut Ruins,
    ) -> Result<(Vec<Entry>, BTreeMap<EntryId, Signature>), ReplicaError> {
        let roster = DagId::from(*team);
        let dags = self.store.dags(team);
        let incidents = dags.iter().filter(|dag| **dag != roster);
        let (mut entries, mut signatures) = (Vec::new(), BTreeMap::new());
        for dag in dags.iter().filter(|dag| **dag == roster).chain(incidents) {
            for stored in self.store.entries(dag)? {
                match Entry::decode(&stored.bytes) {
                    Ok(entry) if entry.id() == stored.id => entries.push(entry),
                    _ => drop(ruins.fallen.insert(stored.id)),
                }
                signatures.extend(stored.signature.map(|signature| (stored.id, signature)));
            }
        }
        Ok((entries, signatures))
    }
}
