//! Proofs of forks, put together from what is here: the entries of both branches and a signature on each.
//!
//! The file and its check are in [`muster_log::fork_proof`].

use crate::error::ReplicaError;
use crate::replica::Replica;
use muster_log::fork_proof::{Branch, ForkProof};
use muster_log::{Dag, EntryId, TeamId};
use muster_store::Storage;
use std::collections::VecDeque;

impl<S: Storage> Replica<S> {
    /// Every fork of a team: the entries that stand under one number of a log.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`].
    pub fn forks(&self, team: &TeamId) -> Result<Vec<Vec<EntryId>>, ReplicaError> {
        Ok(self.ledger(team)?.dags().flat_map(|(_, dag)| dag.forks()).collect())
    }

    /// The proof that the author of an entry wrote another one under the same number; `None` where nothing else stands there.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`], [`ReplicaError::Store`]; [`ReplicaError::Damaged`] where the store lacks the signatures.
    pub fn fork_proof(&self, team: &TeamId, id: &EntryId) -> Result<Option<ForkProof>, ReplicaError> {
        let Some(dag) = self.ledger(team)?.dag_of(id) else { return Ok(None) };
        let Some(fork) = dag.forks().find(|fork| fork.contains(id)) else { return Ok(None) };
        let Some(other) = fork.iter().find(|other| *other != id) else { return Ok(None) };
        let proof = ForkProof::new(self.branch(dag, id)?, self.branch(dag, other)?);
        proof.map(Some).map_err(|bad| ReplicaError::Damaged { id: *id, what: bad.to_string() })
    }

    /// The entry and what follows it in its log, up to the nearest that is signed here.
    fn branch(&self, dag: &Dag, from: &EntryId) -> Result<Branch, ReplicaError> {
        // Breadth first, so that the shortest way to a signature is found; each admitted entry has one within 64.
        let mut paths = VecDeque::from([vec![*from]]);
        while let Some(path) = paths.pop_front() {
            let Some(last) = path.last() else { continue };
            if let Some(signature) = self.store.entry(last)?.and_then(|stored| stored.signature) {
                let entries = path.iter().filter_map(|id| dag.entry(id).cloned()).collect();
                return Ok(Branch { entries, signature });
            }
            paths.extend(dag.followers(last).into_iter().map(|next| [path.as_slice(), &[next]].concat()));
        }
        Err(ReplicaError::Damaged { id: *from, what: "no signature on it or on what follows".into() })
    }
}
