//! The outside of a chunk, as ROSTER and ENTRIES carry it. What is inside is made in `crate::pack` and read in
//! `crate::unpack`.

use super::FrameError;
use crate::limits::CHUNK_BYTES_MAX;
use crate::wire::{Reader, Writer};
use muster_log::{EntryId, Signature};

/// What a chunk is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Nothing: it was not asked for.
    Live = 0,
    /// The answer to a WANT, of which more follows.
    More = 1,
    /// The end of the answer.
    End = 2,
    /// The end for now: budget or credit is used up, or what was asked for may not be sent yet.
    EndForNow = 3,
}

/// A chunk, still packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Counts the chunks of a stream, from 1.
    pub number: u32,
    /// What it is part of.
    pub part: Part,
    /// Ids that rows refer to and that are not in the chunk.
    pub ids: Vec<EntryId>,
    /// The salts of the rows' bodies.
    pub salts: Vec<[u8; 16]>,
    /// The signatures of the rows that have one.
    pub signatures: Vec<Signature>,
    /// Bytes of the rows and their dictionary before compression; at most [`CHUNK_BYTES_MAX`].
    pub raw_size: u32,
    /// The rows and their dictionary, compressed.
    pub compressed: Vec<u8>,
}

impl Packed {
    pub(super) const FIELDS: usize = 7;

    pub(super) fn write(&self, w: &mut Writer) {
        let ids: Vec<[u8; 32]> = self.ids.iter().map(|id| *id.as_bytes()).collect();
        let signatures: Vec<[u8; 64]> = self.signatures.iter().map(|signature| *signature.as_bytes()).collect();
        w.uint(self.number.into()).uint(self.part as u64);
        w.bytes(ids.as_flattened()).bytes(self.salts.as_flattened()).bytes(signatures.as_flattened());
        w.uint(self.raw_size.into()).bytes(&self.compressed);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        Ok(Self {
            number: r.u32("number")?,
            part: match r.u64("part")? {
                0 => Part::Live,
                1 => Part::More,
                2 => Part::End,
                3 => Part::EndForNow,
                _ => return Err(FrameError::Form { item: "part" }),
            },
            ids: r.table("ids")?.into_iter().map(EntryId::from_bytes).collect(),
            salts: r.table("salts")?,
            signatures: r.table("signatures")?.into_iter().map(Signature::from_bytes).collect(),
            raw_size: raw_size(r.u32("raw size")?)?,
            compressed: r.bytes("compressed rows")?.to_vec(),
        })
    }
}

fn raw_size(size: u32) -> Result<u32, FrameError> {
    let (found, limit) = (u64::from(size), CHUNK_BYTES_MAX as u64);
    if found <= limit { Ok(size) } else { Err(FrameError::TooLarge { item: "raw size", found, limit }) }
}
