//! What a replica wants from its shell, once the batch is durable.

use muster_log::{DeviceKey, EntryId, IncidentId, TeamId};
use std::collections::BTreeSet;

/// Something for the shell to do. All of it follows a successful commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a frame to a connected peer.
    Send {
        /// To whom.
        peer: DeviceKey,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Close the link to a peer.
    Close {
        /// Whose.
        peer: DeviceKey,
        /// Why, for the log.
        reason: String,
    },
    /// These devices, and no others, may sync with this node.
    Members(BTreeSet<DeviceKey>),
    /// Entries were added to an incident: time to draw it anew. A lone one is told at once, those that follow it closely
    /// are told together. They are all in the views already.
    Changed {
        /// Whose.
        team: TeamId,
        /// Which.
        incident: IncidentId,
        /// The new entries, in causal order.
        entries: Vec<EntryId>,
    },
}
