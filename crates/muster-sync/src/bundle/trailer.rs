//! The end of a bundle: how much came before it, so that a file cut off between two frames shows. Frame 15.

use crate::frame::{FrameError, TeamPrefix};
use crate::wire::{Reader, Writer};

/// The number of the frame's type.
pub(super) const NUMBER: u64 = 15;

const ITEMS: usize = 5;

/// The trailer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Chunks in the bundle.
    pub chunks: u32,
    /// Rows of all chunks.
    pub entries: u64,
    /// SHA-256 of all bytes before the trailer's record.
    pub hash: [u8; 32],
}

impl Trailer {
    pub(super) fn encode(&self, team: TeamPrefix) -> Vec<u8> {
        let mut w = Writer::new();
        w.list(ITEMS).uint(NUMBER).bytes(team.as_bytes());
        w.uint(self.chunks.into()).uint(self.entries).bytes(&self.hash);
        w.finish()
    }

    pub(super) fn decode(bytes: &[u8], team: TeamPrefix) -> Result<Self, FrameError> {
        let mut r = Reader::new(bytes);
        r.exactly("trailer", ITEMS)?;
        if r.u64("type")? != NUMBER {
            return Err(FrameError::Form { item: "type" });
        }
        if r.array("team")? != *team.as_bytes() {
            return Err(FrameError::Team);
        }
        let trailer = Self { chunks: r.u32("chunks")?, entries: r.u64("entries")?, hash: r.array("hash")? };
        if trailer.encode(team) == bytes { Ok(trailer) } else { Err(FrameError::Form { item: "encoding" }) }
    }
}
