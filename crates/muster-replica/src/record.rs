//! A record that somebody handed over, to be read without a home: what verification left standing, with its bodies, as the
//! replica of a device that is in no team and writes nothing.
//!
//! What is shown of it is what members are shown: the same views, brackets and names.

use crate::entropy::Entropy;
use crate::error::ReplicaError;
use crate::replica::Replica;
use crate::time_audit::TimeAudit;
use muster_incident::View;
use muster_log::ledger::Ledger;
use muster_log::{BodyHash, DagId, DeviceSecret, Entry, IncidentId, SessionId, TeamId, Timestamp};
use muster_store::{MemoryStore, Storage, StoredEntry, Write};
use std::collections::BTreeMap;

/// Bytes staged before a commit.
const COMMIT_BYTES: usize = 1024 * 1024;

/// Nobody writes with this key, and no two records meet.
const NOBODY: [u8; 32] = [0; 32];

/// A record of one team.
pub struct Record {
    team: TeamId,
    replica: Replica<MemoryStore>,
}

struct NoEntropy;

impl Entropy for NoEntropy {
    fn sixteen(&mut self) -> [u8; 16] {
        [0; 16]
    }

    fn thirty_two(&mut self) -> [u8; 32] {
        NOBODY
    }
}

impl Record {
    /// Of a verified ledger and the bodies that came with it, each checked against its entry.
    ///
    /// # Errors
    /// [`ReplicaError::Store`], [`ReplicaError::Damaged`]: not where the ledger comes from a verifier.
    pub fn new(ledger: &Ledger, bodies: BTreeMap<BodyHash, Vec<u8>>) -> Result<Self, ReplicaError> {
        let (team, mut bodies, mut store) = (ledger.team(), bodies, MemoryStore::new());
        let roster = DagId::from(team);
        let incidents = ledger.dags().map(|(_, dag)| dag).filter(|dag| dag.id() != roster);
        let mut staged = 0;
        for entry in ledger.dag(&roster).into_iter().chain(incidents).flat_map(|dag| dag.entries()) {
            staged += entry.bytes().len();
            store.stage(Write::Entry(stored(entry)))?;
            if let Some((hash, bytes)) = entry.body().and_then(|body| bodies.remove_entry(&body.hash)) {
                staged += bytes.len();
                store.stage(Write::Body { hash, bytes })?;
            }
            if staged >= COMMIT_BYTES {
                store.commit()?;
                staged = 0;
            }
        }
        store.commit()?;
        let (secret, session) = (DeviceSecret::from_seed(&NOBODY), SessionId::from_bytes([0; 16]));
        Ok(Self { team, replica: Replica::open(store, secret, session, Box::new(NoEntropy))? })
    }

    /// The incidents that are in it, by id.
    pub fn incidents(&self) -> Vec<IncidentId> {
        self.replica.ledger(&self.team).map(|ledger| ledger.incidents().collect()).unwrap_or_default()
    }

    /// Everything there is to see of an incident, and between which times its entries were written.
    ///
    /// # Errors
    /// As [`Replica::view`].
    pub fn read(&mut self, incident: IncidentId) -> Result<(View, TimeAudit), ReplicaError> {
        let view = self.replica.view(self.team, incident)?;
        Ok((view, self.replica.time_audit(self.team, incident)?))
    }
}

fn stored(entry: &Entry) -> StoredEntry {
    StoredEntry {
        bytes: entry.bytes().to_vec(),
        id: entry.id(),
        team: entry.team(),
        dag: entry.dag(),
        // Nobody received it here, and nothing that is shown of a record asks when.
        received: Timestamp(0),
        signature: None,
    }
}
