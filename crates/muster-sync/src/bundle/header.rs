//! The header of a bundle: who wrote it, when, for whom, and what the reader is taken to have. Frame 14.
//!
//! It is signed, because what it says of its writer becomes receipts and decides what a reply leaves out.

use crate::frame::{FrameError, TeamPrefix};
use crate::limits::{BUNDLE_STATES_MAX, PROTOCOL_VERSION};
use crate::wire::{Reader, Writer};
use muster_log::{DeviceKey, DeviceSecret, PersonId, Signature, TeamId, Timestamp};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The number of the frame's type.
pub(super) const NUMBER: u64 = 14;

const TAG: &str = "muster/bundle/1";
const ITEMS: usize = 13;

/// The name of a bundle: the hash of its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId([u8; 32]);

impl BundleId {
    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is not the 64 hexadecimal digits of a bundle's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a bundle")]
pub struct BadBundleId;

impl FromStr for BundleId {
    type Err = BadBundleId;

    fn from_str(text: &str) -> Result<Self, BadBundleId> {
        // An entry id is written the same way.
        text.parse::<muster_log::EntryId>().map(|id| Self(*id.as_bytes())).map_err(|_| BadBundleId)
    }
}

/// What a bundle leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing of its scope.
    Full = 0,
    /// What an earlier bundle states.
    Since = 1,
    /// What the bundle that it answers states.
    Reply = 2,
}

impl Kind {
    /// The kind in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Since => "since",
            Self::Reply => "reply",
        }
    }
}

/// Which DAGs a bundle speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that the reader may see.
    All = 0,
    /// Those that are stated and no others.
    Stated = 1,
}

/// The header. Its signature is not checked until [`Header::is_signed`] is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Whose entries these are.
    pub team: TeamId,
    /// What is left out.
    pub kind: Kind,
    /// The device that wrote it.
    pub writer: DeviceKey,
    /// Its wall clock.
    pub now: Timestamp,
    /// The person it is for; `None`: anybody in the team.
    pub reader: Option<PersonId>,
    /// Which DAGs it speaks of.
    pub scope: Scope,
    /// The bundle that says what the reader has; `None` exactly in a full one.
    pub base: Option<BundleId>,
    /// HAVE frames that follow.
    pub states: u32,
    /// Their digest, see [`super::digest`].
    pub states_digest: [u8; 32],
    /// The writer's.
    pub signature: Signature,
}

impl Header {
    /// Replaces the signature by that of `secret`, which is the writer's.
    pub fn sign(&mut self, secret: &DeviceSecret) {
        self.signature = secret.sign(TAG, &[self.id().as_bytes()]);
    }

    /// Whether the signature is the writer's.
    pub fn is_signed(&self) -> bool {
        self.writer.verifies(TAG, &[self.id().as_bytes()], &self.signature)
    }

    /// The bundle's name.
    pub fn id(&self) -> BundleId {
        let mut hasher = Sha256::new();
        hasher.update(TAG.as_bytes());
        hasher.update([0]);
        hasher.update(self.encode_with(&[0; 64]));
        BundleId(hasher.finalize().into())
    }

    /// The frame's bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_with(self.signature.as_bytes())
    }

    fn encode_with(&self, signature: &[u8; 64]) -> Vec<u8> {
        let mut w = Writer::new();
        w.list(ITEMS).uint(NUMBER).bytes(&self.team.as_bytes()[..8]);
        w.uint(PROTOCOL_VERSION.into()).bytes(self.team.as_bytes()).uint(self.kind as u64);
        w.bytes(self.writer.as_bytes()).int(self.now.0);
        match &self.reader {
            Some(reader) => w.bytes(reader.as_bytes()),
            None => w.null(),
        };
        w.uint(self.scope as u64);
        match &self.base {
            Some(base) => w.bytes(base.as_bytes()),
            None => w.null(),
        };
        w.uint(self.states.into()).bytes(&self.states_digest).bytes(signature);
        w.finish()
    }

    /// Reads the frame.
    ///
    /// # Errors
    /// [`FrameError`] for anything that [`Header::encode`] would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let header = Self::read(&mut Reader::new(bytes))?;
        if header.encode() == bytes { Ok(header) } else { Err(FrameError::Form { item: "encoding" }) }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        r.exactly("header", ITEMS)?;
        if r.u64("type")? != NUMBER {
            return Err(FrameError::Form { item: "type" });
        }
        let _: [u8; 8] = r.array("team")?;
        if r.u32("protocol")? != PROTOCOL_VERSION {
            return Err(FrameError::Form { item: "protocol" });
        }
        let header = Self {
            team: TeamId::from_bytes(r.array("team")?),
            kind: match r.u64("kind")? {
                0 => Kind::Full,
                1 => Kind::Since,
                2 => Kind::Reply,
                _ => return Err(FrameError::Form { item: "kind" }),
            },
            writer: DeviceKey::from_bytes(r.array("writer")?),
            now: Timestamp(r.i64("now")?),
            reader: r.optional(|r| r.array("reader").map(PersonId::from_bytes))?,
            scope: match r.u64("scope")? {
                0 => Scope::All,
                1 => Scope::Stated,
                _ => return Err(FrameError::Form { item: "scope" }),
            },
            base: r.optional(|r| r.array("base").map(BundleId))?,
            states: r.u32("states")?,
            states_digest: r.array("states digest")?,
            signature: Signature::from_bytes(r.array("signature")?),
        };
        if header.base.is_none() != (header.kind == Kind::Full) {
            return Err(FrameError::Form { item: "base" });
        }
        let (found, limit) = (header.states.into(), BUNDLE_STATES_MAX.into());
        if found > limit {
            return Err(FrameError::TooLarge { item: "number of states", found, limit });
        }
        Ok(header)
    }

    /// The team in short, as every frame of the bundle has it.
    pub fn prefix(&self) -> TeamPrefix {
        self.team.into()
    }
}
