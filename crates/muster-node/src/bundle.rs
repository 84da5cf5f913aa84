//! Bundles between a file and a home: the driving, on the side of the process that the person started.
//!
//! That process reads and writes the file, with the person's access to it; the node, or the store where none runs, is
//! asked frame by frame ([`Ask`]) and remembers nothing in between. What a bundle holds is decided in `muster-replica`,
//! its bytes in `muster-sync`.

mod ask;
mod bytes;
mod leftovers;
mod read;
mod target;
mod write;

pub use ask::{Ask, Base, Pack, Plan, Text, Who};
pub(crate) use ask::{Named, Packed, Planned, Taken, Waiting};
pub use bytes::Bytes;
pub use read::{ReadAccount, Refused, read};
pub use target::Target;
pub use write::{Order, WriteAccount, write};

/// What is told while a bundle is read or written: how much is done, and of how much where that is known. Bytes when
/// reading, entries when writing.
pub type Progress<'a> = &'a mut dyn FnMut(u64, Option<u64>);
