//! What travels by gossip: a few entries, the announcement of one too large, a device's presence.
//!
//! These are no frames of a stream: there they are of unknown type. When they are sent and what follows from them is in
//! `crate::replicator`.

use super::{FrameError, Packed, TeamPrefix};
use crate::limits::{
    GOSSIP_BYTES_MAX, HEAD_PREFIX_BYTES, PRESENCE_ADDRESS_BYTES_MAX, PRESENCE_ADDRESSES_MAX, PRESENCE_BYTES_MAX,
    PRESENCE_HEADS_MAX,
};
use crate::wire::{Reader, Writer};
use muster_log::{DagId, DeviceKey, DeviceSecret, EntryId, Signature, TeamId, Timestamp};
use sha2::{Digest, Sha256};

/// Domain of a presence's signature.
const PRESENCE_TAG: &str = "muster/presence/1";

/// Domain of a topic's name.
const TOPIC_TAG: &[u8] = b"muster/topic/1\0";

/// The name of a team's gossip.
pub fn topic(team: TeamId) -> [u8; 32] {
    Sha256::new().chain_update(TOPIC_TAG).chain_update(team.as_bytes()).finalize().into()
}

/// The beginning of a head's id.
pub type HeadPrefix = [u8; HEAD_PREFIX_BYTES];

/// One gossip message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gossip {
    /// An entry that does not fit into a message; to be asked for.
    Announcement(Announcement),
    /// New entries of one DAG.
    Entries(DagId, Packed),
    /// A sign of life.
    Presence(Presence),
}

/// An entry that does not fit into a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// Its DAG.
    pub dag: DagId,
    /// Its id.
    pub id: EntryId,
    /// Bytes of entry and body.
    pub size: u32,
}

/// A device says that it is there and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Whose.
    pub device: DeviceKey,
    /// Its wall clock, which also orders its messages.
    pub wall: Timestamp,
    /// Beginnings of the ids of heads that are durable there.
    pub heads: Vec<HeadPrefix>,
    /// Where it says that it listens, each a multiaddr as text; whoever dials one checks the key again.
    pub addresses: Vec<String>,
    signature: Signature,
}

impl Gossip {
    /// The message's bytes.
    pub fn encode(&self, team: TeamPrefix) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Self::Announcement(announcement) => {
                w.list(5).uint(12).bytes(&team.0).bytes(announcement.dag.as_bytes());
                w.bytes(announcement.id.as_bytes()).uint(announcement.size.into());
            }
            Self::Entries(dag, packed) => {
                w.list(3 + Packed::FIELDS).uint(13).bytes(&team.0).bytes(dag.as_bytes());
                packed.write(&mut w);
            }
            Self::Presence(presence) => {
                w.list(7).uint(16).bytes(&team.0).bytes(presence.device.as_bytes()).int(presence.wall.0);
                w.bytes(presence.heads.as_flattened());
                w.list_of(&presence.addresses, |w, address| {
                    w.text(address);
                });
                w.bytes(presence.signature.as_bytes());
            }
        }
        w.finish()
    }

    /// Reads a message for `team`.
    ///
    /// # Errors
    /// [`FrameError`] for anything that [`Gossip::encode`] would not have written.
    pub fn decode(bytes: &[u8], team: TeamPrefix) -> Result<Self, FrameError> {
        check_length("message's length", bytes.len(), GOSSIP_BYTES_MAX)?;
        let message = Self::read(bytes, team)?;
        if message.encode(team) == bytes { Ok(message) } else { Err(FrameError::Form { item: "encoding" }) }
    }

    fn read(bytes: &[u8], team: TeamPrefix) -> Result<Self, FrameError> {
        let mut r = Reader::new(bytes);
        let items = r.list("message", 64)?;
        let number = r.u64("type")?;
        if r.array("team")? != team.0 {
            return Err(FrameError::Team);
        }
        let message = match (number, items) {
            (12, 5) => Self::Announcement(Announcement {
                dag: DagId::from_bytes(r.array("DAG")?),
                id: EntryId::from_bytes(r.array("entry id")?),
                size: r.u32("size")?,
            }),
            (13, _) if items == 3 + Packed::FIELDS => {
                Self::Entries(DagId::from_bytes(r.array("DAG")?), Packed::read(&mut r)?)
            }
            (16, 7) => {
                check_length("presence's length", bytes.len(), PRESENCE_BYTES_MAX)?;
                Self::Presence(Presence {
                    device: DeviceKey::from_bytes(r.array("device")?),
                    wall: Timestamp(r.i64("stamp")?),
                    heads: r.table("heads")?,
                    addresses: read_addresses(&mut r)?,
                    signature: Signature::from_bytes(r.array("signature")?),
                })
            }
            (12 | 13 | 16, _) => return Err(FrameError::Form { item: "number of fields" }),
            _ => return Err(FrameError::UnknownType { number }),
        };
        r.end()?;
        Ok(message)
    }
}

impl Presence {
    /// Signs what a device says of itself; of `heads` the first [`PRESENCE_HEADS_MAX`], of `addresses` what fits.
    pub fn sign(
        team: TeamId,
        secret: &DeviceSecret,
        wall: Timestamp,
        mut heads: Vec<HeadPrefix>,
        addresses: &[String],
    ) -> Self {
        heads.truncate(PRESENCE_HEADS_MAX);
        let mut room = PRESENCE_ADDRESS_BYTES_MAX;
        let fitting = addresses.iter().filter(|address| {
            let fits = address.len() <= room;
            room -= if fits { address.len() } else { 0 };
            fits
        });
        let addresses: Vec<String> = fitting.take(PRESENCE_ADDRESSES_MAX).cloned().collect();
        let signature = secret.sign(PRESENCE_TAG, &[&signed_bytes(team, wall, &heads, &addresses)]);
        Self { device: secret.public(), wall, heads, addresses, signature }
    }

    /// Whether the device itself has signed it, for this team.
    pub fn is_genuine(&self, team: TeamId) -> bool {
        let signed = signed_bytes(team, self.wall, &self.heads, &self.addresses);
        self.device.verifies(PRESENCE_TAG, &[&signed], &self.signature)
    }
}

/// What a presence's signature is over. No number in it is past one byte where the message's own limits hold.
fn signed_bytes(team: TeamId, wall: Timestamp, heads: &[HeadPrefix], addresses: &[String]) -> Vec<u8> {
    let mut bytes = [team.as_bytes().as_slice(), &wall.0.to_be_bytes(), &[heads.len() as u8]].concat();
    bytes.extend_from_slice(heads.as_flattened());
    for address in addresses {
        bytes.push(address.len() as u8);
        bytes.extend_from_slice(address.as_bytes());
    }
    bytes
}

fn read_addresses(r: &mut Reader<'_>) -> Result<Vec<String>, FrameError> {
    let read = |r: &mut Reader<'_>| r.text("address").map(str::to_owned);
    let addresses = r.list_of("addresses", PRESENCE_ADDRESSES_MAX, read)?;
    let bytes = addresses.iter().map(String::len).sum();
    check_length("addresses' length", bytes, PRESENCE_ADDRESS_BYTES_MAX)?;
    Ok(addresses)
}

fn check_length(item: &'static str, found: usize, limit: usize) -> Result<(), FrameError> {
    if found <= limit { Ok(()) } else { Err(FrameError::TooLarge { item, found: found as u64, limit: limit as u64 }) }
}
