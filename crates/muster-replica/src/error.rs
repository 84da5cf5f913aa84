//! Why a replica did not do something: the store failed, the caller asked for the impossible, or a rule says no.

use muster_incident::CommandError;
use muster_log::{EntryId, IncidentId, TeamId};
use muster_store::StoreError;

/// Why a replica refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The store could not read or write. Nothing of the batch may be acknowledged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was asked makes no sense in the incident as it stands.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// What was typed does not fit in one entry.
    #[error(transparent)]
    Body(#[from] muster_log::body::BodyError),
    /// The own ledger would not take the entry.
    #[error("this device may not write that: {0}")]
    NotAllowed(String),
    /// It would change nothing, or is for somebody else to do; no rule is against it.
    #[error("{what}")]
    Pointless {
        /// Why.
        what: String,
        /// What to do instead.
        hint: &'static str,
    },
    /// The team is not at hand.
    #[error("team {0} is not on this device")]
    NoSuchTeam(TeamId),
    /// The incident is not at hand.
    #[error("incident {0} is not on this device")]
    NoSuchIncident(IncidentId),
    /// Something in the store contradicts itself.
    #[error("entry {id} in the store is damaged: {what}")]
    Damaged {
        /// The entry.
        id: EntryId,
        /// What is wrong with it.
        what: String,
    },
    /// Everything that was asked for builds on an entry that nothing here proves any more.
    #[error("the proof of entry {id} is lost here, and everything else builds on it")]
    ProofLost {
        /// The entry.
        id: EntryId,
    },
    /// A bundle cannot be written or read.
    #[error(transparent)]
    Bundle(#[from] crate::bundle::BundleError),
    /// The ticket or offer leads to a team that this device is in.
    #[error("this device is in that team already")]
    InTeam,
    /// The ticket cannot be used.
    #[error("the ticket cannot be used: {0}")]
    Ticket(String),
}
