//! The session a replica writes in, and where its own logs stand: what a lease must know to continue it.

use crate::replica::Replica;
use muster_log::{EntryId, SessionId};
use muster_store::Storage;
use std::collections::BTreeSet;

impl<S: Storage> Replica<S> {
    /// The last entries of this device's logs of its session, over all DAGs.
    pub fn own_tips(&self) -> BTreeSet<EntryId> {
        self.own_tips_in(&self.session)
    }

    /// As [`Replica::own_tips`], of another session.
    pub fn own_tips_in(&self, session: &SessionId) -> BTreeSet<EntryId> {
        let me = self.device();
        let dags = self.teams.values().flat_map(|team| team.ledger.dags());
        dags.filter_map(|(_, dag)| dag.tip_of(&me, session)).map(|tip| tip.id).collect()
    }

    /// Continues a session that a lease proves to be the last thing this device wrote. Before anything was written.
    pub fn continue_session(&mut self, session: SessionId) {
        debug_assert!(!self.dirty, "a session is continued before anything is written");
        self.session = session;
    }
}
