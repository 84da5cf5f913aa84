//! What a command asks about who is in the team: admissions, capabilities, removals, recovery, devices.
//!
//! Part of [`crate::request`]; carried out in `engine::decisions` and `engine::devices`.

use crate::recovery_words::RecoveryWords;
use serde::{Deserialize, Serialize};

/// One decision, or the question what it would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decision {
    /// What is decided.
    pub what: Deciding,
    /// Only tell what would follow: nothing is signed. Of decisions that take nothing from anybody there is nothing to tell.
    #[serde(default)]
    pub outlook: bool,
    /// The recovery key that signs it; `None` = this device.
    #[serde(default)]
    pub recovery: Option<RecoveryWords>,
}

/// What can be decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deciding {
    /// Of several persons who came with one ticket, this one was meant.
    Confirm {
        /// A name, device or id.
        person: String,
    },
    /// What a person may do from now on.
    Capability {
        /// A name, device or id.
        person: String,
        /// `admin`, `responder` or `observer`.
        capability: String,
    },
    /// Devices are out.
    Revoke {
        /// Names (all devices of the person) or devices.
        whom: Vec<String>,
        /// Whether somebody else may have the key; else it is out of use.
        stolen: bool,
        /// Only what came here before counts, in milliseconds since the Unix epoch; `None` = everything that is here.
        until_ms: Option<i64>,
    },
    /// This admin agrees to a removal by another.
    Second {
        /// The removal's id or a prefix, or the name of somebody of whom one removal waits.
        removal: String,
    },
}

/// A step in giving a person another device.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceStep {
    /// On a device of the person: what the new one must know.
    Offer,
    /// On the new device: agrees.
    Accept {
        /// The offer's text.
        offer: String,
    },
    /// On a device of the person: adds the one that agreed.
    Add {
        /// The answer's text.
        answer: String,
    },
}
