//! What happens outside, as the shell hands it in.

use muster_log::{DeviceKey, TeamId};
use muster_sync::GossipId;

/// What happened on the network, or that time went by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A member is connected.
    Connected {
        /// Who.
        peer: DeviceKey,
    },
    /// The connected member is reached through another's relay, which may end the link after few bytes.
    Relayed {
        /// Who.
        peer: DeviceKey,
    },
    /// The connection is gone.
    Disconnected {
        /// Whose.
        peer: DeviceKey,
    },
    /// A frame arrived.
    Frame {
        /// From whom, authenticated.
        peer: DeviceKey,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// A peer takes part in a team's gossip, or no longer does.
    Gossiping {
        /// Which team's.
        team: TeamId,
        /// Who.
        peer: DeviceKey,
        /// Whether it does.
        is: bool,
    },
    /// A gossip message, answered with [`crate::Effect::Judge`].
    Gossip {
        /// Which team's.
        team: TeamId,
        /// The neighbour that passed it on, authenticated.
        peer: DeviceKey,
        /// The message, for the verdict.
        gossip: GossipId,
        /// As it came.
        bytes: Vec<u8>,
    },
    /// The time that [`crate::Replica::deadline`] named has come.
    Timeout,
}
