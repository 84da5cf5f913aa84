//! Puts frames one after another into a bundle's bytes, and counts and hashes them for the trailer.

use super::record::record;
use super::{Chunk, Header, MAGIC, Trailer};
use sha2::{Digest, Sha256};

/// A bundle under way. Every call gives the bytes to be written next.
pub struct BundleWriter {
    header: Header,
    hasher: Sha256,
    chunks: u32,
    entries: u64,
}

impl BundleWriter {
    /// Begins a bundle with its header and HAVE frames.
    pub fn begin(header: Header, states: &[Vec<u8>]) -> (Self, Vec<u8>) {
        let mut this = Self { header, hasher: Sha256::new(), chunks: 0, entries: 0 };
        let mut bytes = MAGIC.to_vec();
        bytes.extend(record(&this.header.encode()));
        states.iter().for_each(|state| bytes.extend(record(state)));
        this.hasher.update(&bytes);
        (this, bytes)
    }

    /// Adds a chunk.
    pub fn chunk(&mut self, chunk: &Chunk) -> Vec<u8> {
        self.chunks = self.chunks.saturating_add(1);
        self.entries += u64::from(chunk.entries);
        let bytes = record(&chunk.frame);
        self.hasher.update(&bytes);
        bytes
    }

    /// The number that the next chunk has.
    pub fn next_number(&self) -> u32 {
        self.chunks.saturating_add(1)
    }

    /// The chunks so far.
    pub fn chunks(&self) -> u32 {
        self.chunks
    }

    /// The entries in them.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Ends the bundle.
    pub fn end(self) -> Vec<u8> {
        let hash = self.hasher.finalize().into();
        record(&Trailer { chunks: self.chunks, entries: self.entries, hash }.encode(self.header.prefix()))
    }
}
