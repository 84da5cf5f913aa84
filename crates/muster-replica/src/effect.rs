//! What a replica wants from its shell, once the batch is durable.

use muster_log::{DeviceKey, EntryId, IncidentId, TeamId};
use muster_sync::{GossipId, Verdict};
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
    /// Give a message to a team's gossip.
    Publish {
        /// Whose.
        team: TeamId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Say what becomes of a gossip message.
    Judge {
        /// Which.
        gossip: GossipId,
        /// What becomes of it.
        verdict: Verdict,
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
    /// These devices, and no others, may hear and say something in a team's gossip.
    Audience {
        /// Whose.
        team: TeamId,
        /// Who.
        members: BTreeSet<DeviceKey>,
    },
    /// Among each of these sets of devices and this one something goes that gossip does not carry: be linked with some of each.
    Circles(Vec<BTreeSet<DeviceKey>>),
    /// A member's device says where it listens: multiaddrs as text, unchecked.
    Whereabouts {
        /// Which device.
        device: DeviceKey,
        /// Where.
        addresses: Vec<String>,
    },
    /// Entries were added to an incident, or the texts of some that were here without: time to draw it anew. A lone one is told at once, those that follow it closely
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
