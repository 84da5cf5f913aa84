//! Compaction of incidents: asked for here, done by the store; given up where nobody goes on with it.

use crate::error::ReplicaError;
use crate::replica::{Now, Replica};
use muster_log::{DagId, IncidentId};
use muster_store::{CompactionStep, Storage};
use muster_sync::Tick;

/// How long a compaction waits for its next step, in milliseconds, before it is given up: what it wrote takes room, and whoever
/// wanted it was killed.
const STEP_WAIT_MS: u64 = 60_000;

impl<S: Storage> Replica<S> {
    /// Begins to move what the store keeps of these incidents to where it takes less room; answers how many entries that
    /// will be. One that was under way is given up.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn begin_compaction(&mut self, incidents: &[IncidentId], now: Now) -> Result<u64, ReplicaError> {
        let dags: Vec<DagId> = incidents.iter().copied().map(DagId::from).collect();
        let begun = self.store.begin_compaction(&dags);
        self.find_out(&begun);
        self.compacting_until = matches!(begun, Ok(entries) if entries > 0).then(|| now.tick.plus_ms(STEP_WAIT_MS));
        Ok(begun?)
    }

    /// Goes on with it. Nothing that the replica holds changes.
    ///
    /// # Errors
    /// [`ReplicaError::Store`]: the compaction is given up.
    pub fn step_compaction(&mut self, now: Now) -> Result<CompactionStep, ReplicaError> {
        let stepped = self.store.step_compaction();
        self.find_out(&stepped);
        let goes_on = matches!(stepped, Ok(CompactionStep::Packed { .. }));
        self.compacting_until = goes_on.then(|| now.tick.plus_ms(STEP_WAIT_MS));
        Ok(stepped?)
    }

    /// Gives up a compaction with which nobody went on for so long.
    pub(crate) fn give_up_compaction(&mut self, now: Tick) {
        if self.compacting_until.take_if(|until| *until <= now).is_some() {
            tracing::info!("nobody went on with a compaction: it is given up, nothing has changed");
            self.store.give_up_compaction();
        }
    }

    /// After a failure the next commit tells whether the store takes anything more.
    fn find_out<T, E>(&mut self, done: &Result<T, E>) {
        self.dirty |= done.is_err();
    }
}
