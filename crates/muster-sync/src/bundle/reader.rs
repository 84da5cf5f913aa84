//! Takes a bundle's bytes piece by piece and gives its whole frames; damage is counted and stepped over.
//!
//! Holds one record at a time, at most a mebibyte, whatever the file claims of itself.

use super::record::{HEAD_BYTES, Next, next};
use super::{Header, MAGIC, MAGIC_OF_ANY, NoBundle, States, Trailer, digest, header, trailer};
use crate::frame::{Frame, TeamPrefix, team_of};
use crate::limits::BUNDLE_STATE_BYTES_MAX;
use crate::wire::Reader;
use sha2::{Digest, Sha256};

/// Something whole in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The header. At most one is given.
    Header(Box<Header>),
    /// A ROSTER or ENTRIES frame; what is packed in it is not looked at yet.
    Chunk(Vec<u8>),
}

/// What the file was like, beside what was found in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Whole chunks.
    pub chunks: u32,
    /// Records whose frame was damaged, or is none of a bundle's though it names its type.
    pub damaged: u32,
    /// Bytes that belong to no record.
    pub stray_bytes: u64,
    /// Whole frames of types that have no meaning here.
    pub unknown_frames: u32,
    /// The trailer, where there was one.
    pub trailer: Option<Trailer>,
    /// Whether counts and hash of the trailer are those of the file.
    pub is_whole: bool,
    /// What the writer has, where the header and all of the HAVE frames it signs were there and the signature is good.
    pub states: Option<States>,
}

impl Summary {
    /// Whether the file ended before the bundle did.
    pub fn is_cut_off(&self) -> bool {
        self.trailer.is_none()
    }

    /// How many chunks the bundle had when it was written, where that can be known.
    pub fn chunks_written(&self) -> Option<u32> {
        self.trailer.map(|trailer| trailer.chunks)
    }
}

/// A bundle being read.
pub struct BundleReader {
    buffer: Vec<u8>,
    /// Where in the buffer the next byte is.
    at: usize,
    has_begun: bool,
    hasher: Sha256,
    header: Option<Header>,
    prefix: Option<TeamPrefix>,
    state_frames: Vec<Vec<u8>>,
    state_bytes: usize,
    summary: Summary,
    hash_agrees: bool,
    /// Something follows the trailer.
    has_more: bool,
}

impl Default for BundleReader {
    fn default() -> Self {
        Self::new()
    }
}

impl BundleReader {
    /// A reader at the beginning of a file.
    pub fn new() -> Self {
        Self {
            buffer: Vec::new(),
            at: 0,
            has_begun: false,
            hasher: Sha256::new(),
            header: None,
            prefix: None,
            state_frames: Vec::new(),
            state_bytes: 0,
            summary: Summary::default(),
            hash_agrees: false,
            has_more: false,
        }
    }

    /// Takes the next bytes of the file. Call [`BundleReader::poll`] until it gives nothing before the next ones.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole thing in what was pushed.
    ///
    /// # Errors
    /// [`NoBundle`] at the beginning only; nothing more can be had then.
    pub fn poll(&mut self) -> Result<Option<Found>, NoBundle> {
        if !self.has_begun && !self.begin()? {
            return Ok(None);
        }
        loop {
            let rest = &self.buffer[self.at..];
            match next(rest) {
                Next::Unknown => return Ok(None),
                Next::Gap(bytes) => {
                    self.summary.stray_bytes += bytes as u64;
                    self.skip(bytes);
                }
                Next::Record { bytes, .. } if rest.len() < bytes => return Ok(None),
                Next::Record { bytes, check } => {
                    let frame = rest[HEAD_BYTES..bytes].to_vec();
                    let is_good = crc32c::crc32c(&frame) == check;
                    let found = if is_good { self.take(frame) } else { self.damaged() };
                    self.skip(bytes);
                    if found.is_some() {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// Whether the trailer was read: whatever follows it is none of the bundle's, and need not be read to its end.
    pub fn is_over(&self) -> bool {
        self.summary.trailer.is_some()
    }

    /// The end of the file: what it was like.
    ///
    /// # Errors
    /// [`NoBundle::Magic`] where the file ended before it had begun.
    pub fn finish(mut self) -> Result<Summary, NoBundle> {
        if !self.has_begun {
            return Err(NoBundle::Magic);
        }
        self.summary.stray_bytes += (self.buffer.len() - self.at) as u64;
        self.summary.is_whole = self.hash_agrees
            && !self.has_more
            && self.summary.damaged == 0
            && self.summary.stray_bytes == 0
            && self.summary.trailer.is_some_and(|trailer| trailer.chunks == self.summary.chunks);
        self.summary.states = self.states();
        Ok(self.summary)
    }

    fn begin(&mut self) -> Result<bool, NoBundle> {
        let have = self.buffer.len().min(MAGIC.len());
        if self.buffer[..have] == MAGIC[..have] {
            self.has_begun = have == MAGIC.len();
            if self.has_begun {
                self.skip(have);
            }
            return Ok(self.has_begun);
        }
        let is_of_any = self.buffer.starts_with(MAGIC_OF_ANY);
        Err(if is_of_any { NoBundle::Version } else { NoBundle::Magic })
    }

    /// Steps over bytes that were dealt with.
    fn skip(&mut self, bytes: usize) {
        self.hasher.update(&self.buffer[self.at..self.at + bytes]);
        self.at += bytes;
    }

    fn damaged(&mut self) -> Option<Found> {
        self.summary.damaged += 1;
        None
    }

    /// Sorts a frame whose checksum is good, before its bytes are counted into the hash.
    fn take(&mut self, frame: Vec<u8>) -> Option<Found> {
        self.has_more |= self.summary.trailer.is_some();
        let Some(prefix) = team_of(&frame) else { return self.damaged() };
        // The first frame says whose bundle this is. Another team's chunks cannot hide behind a header of ours.
        if *self.prefix.get_or_insert(prefix) != prefix {
            return self.damaged();
        }
        match type_of(&frame) {
            Some(header::NUMBER) => self.take_header(&frame),
            Some(trailer::NUMBER) => self.take_trailer(&frame, prefix),
            Some(HAVE) => self.take_state(frame, prefix),
            Some(ROSTER | ENTRIES) => {
                self.summary.chunks = self.summary.chunks.saturating_add(1);
                Some(Found::Chunk(frame))
            }
            _ => {
                self.summary.unknown_frames = self.summary.unknown_frames.saturating_add(1);
                None
            }
        }
    }

    fn take_header(&mut self, frame: &[u8]) -> Option<Found> {
        match Header::decode(frame) {
            Ok(header) if self.header.is_none() && Some(header.prefix()) == self.prefix => {
                self.header = Some(header.clone());
                Some(Found::Header(Box::new(header)))
            }
            _ => self.damaged(),
        }
    }

    fn take_state(&mut self, frame: Vec<u8>, prefix: TeamPrefix) -> Option<Found> {
        let room = BUNDLE_STATE_BYTES_MAX - self.state_bytes;
        let expected = self.header.as_ref().is_some_and(|header| self.state_frames.len() < header.states as usize);
        if !expected || frame.len() > room || !matches!(Frame::decode(&frame, prefix), Ok(Frame::Have(_))) {
            return self.damaged();
        }
        self.state_bytes += frame.len();
        self.state_frames.push(frame);
        None
    }

    fn take_trailer(&mut self, frame: &[u8], prefix: TeamPrefix) -> Option<Found> {
        match Trailer::decode(frame, prefix) {
            Ok(trailer) if self.summary.trailer.is_none() => {
                self.hash_agrees = self.hasher.clone().finalize()[..] == trailer.hash;
                self.summary.trailer = Some(trailer);
                None
            }
            _ => self.damaged(),
        }
    }

    /// What the writer signed for, if all of it is here.
    fn states(&self) -> Option<States> {
        let header = self.header.as_ref()?;
        let is_all = self.state_frames.len() == header.states as usize;
        if !is_all || digest(&self.state_frames) != header.states_digest || !header.is_signed() {
            return None;
        }
        let mut states = States::default();
        for frame in &self.state_frames {
            if let Ok(Frame::Have(have)) = Frame::decode(frame, header.prefix()) {
                states.add(&have);
            }
        }
        Some(states)
    }
}

const ROSTER: u64 = 2;
const HAVE: u64 = 5;
const ENTRIES: u64 = 7;

fn type_of(frame: &[u8]) -> Option<u64> {
    let mut r = Reader::new(frame);
    r.list("frame", usize::MAX).ok()?;
    r.u64("type").ok()
}
