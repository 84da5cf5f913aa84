//! Compaction of incidents: asked for here, done by the store.

use crate::error::ReplicaError;
use crate::replica::Replica;
use muster_log::{DagId, IncidentId};
use muster_store::{CompactionStep, Storage};

impl<S: Storage> Replica<S> {
    /// Begins to move what the store keeps of these incidents to where it takes less room; answers how many entries that
    /// will be. One that was under way is given up.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn begin_compaction(&mut self, incidents: &[IncidentId]) -> Result<u64, ReplicaError> {
        let dags: Vec<DagId> = incidents.iter().copied().map(DagId::from).collect();
        let begun = self.store.begin_compaction(&dags);
        self.find_out(&begun);
        Ok(begun?)
    }

    /// Goes on with it. Nothing that the replica holds changes.
    ///
    /// # Errors
    /// [`ReplicaError::Store`]: the compaction is given up.
    pub fn step_compaction(&mut self) -> Result<CompactionStep, ReplicaError> {
        let stepped = self.store.step_compaction();
        self.find_out(&stepped);
        Ok(stepped?)
    }

    /// After a failure the next commit tells whether the store takes anything more.
    fn find_out<T, E>(&mut self, done: &Result<T, E>) {
        self.dirty |= done.is_err();
    }
}
