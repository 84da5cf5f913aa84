//! The bundle: the chunks of the stream in a file, for those who have no link (protocol, section "Bundle").
//!
//! Bytes in, frames out, and back: [`BundleWriter`] and [`BundleReader`] open no file. [`pack()`] fills chunks from a
//! replica, [`open_chunk`] rebuilds their entries for the ledger, [`States`] says what somebody has and so what they
//! lack. Which incidents a reader may see and what becomes of the entries is decided in `muster-replica`.

mod header;
mod pack;
mod reader;
mod record;
mod states;
mod trailer;
mod writer;

pub use header::{BundleId, Header, Kind, Scope};
pub use pack::{Chunk, Cursor, Opened, Packing, open_chunk, pack};
pub use reader::{BundleReader, Found, Summary};
pub use states::{States, digest, known_tips};
pub use trailer::Trailer;
pub use writer::BundleWriter;

#[cfg(test)]
pub(crate) use record::record as record_of;

/// How every bundle of this version begins.
pub const MAGIC: &[u8; 16] = b"muster/bundle/1\n";

/// What the magic of every version begins with.
const MAGIC_OF_ANY: &[u8; 14] = b"muster/bundle/";

/// Why a file is no bundle that can be read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoBundle {
    /// It begins with something else.
    #[error("the file is no bundle")]
    Magic,
    /// It begins like a bundle of another version.
    #[error("the bundle is of another version of the format")]
    Version,
}
