//! Replication without IO: frames in, frames out, one [`Replicator`] per team.
//!
//! This crate is pure. It opens nothing, reads no clock, draws no randomness and judges no entry: it finds out what two
//! replicas lack of each other and moves it, packed. Whether an entry is admitted is `muster-log`'s affair, which bytes
//! carry a frame is `muster-net`'s, what is stored is `muster-store`'s. The bytes of all frames are in
//! `docs/protocol.md`.
//!
//! # How to drive it
//!
//! ```text
//! replicator.handle_input(input, now, &replica);
//! while let Some(output) = replicator.poll_output() { .. }   // after every input, until there are none
//! at poll_deadline(): handle_input(Input::Timeout, ..)
//! ```
//!
//! - The [`Replica`] given along shows what is admitted. It may run ahead of the disk, provided that no output leaves
//!   before the commit of what it showed: heads, tips and acknowledgements promise durability.
//! - Outputs are in order. [`Output::Admit`] is answered with [`Input::Admitted`], and everything admitted, by whomever
//!   written, is told with [`Input::Advanced`].
//! - A stream needs no memory: a peer that comes again is asked from the durable tips.
//!
//! Reading order: [`contract`](Input) is what goes in and out, [`frame`] what goes over the wire, `pack` and `unpack`
//! what a chunk of entries looks like, `replicator` who says what when. [`bundle`] is the same chunks in a file.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a panic is a failed test

pub mod bundle;
mod contract;
pub mod frame;
pub mod limits;
mod pack;
mod quota;
mod reconcile;
mod replica;
mod replicator;
mod tick;
mod unpack;
mod wire;

pub use contract::{Admission, ChunkId, CloseReason, Config, GossipId, Input, Output, Refused, Verdict};
pub use frame::FrameError;
pub use muster_log::{Received, Tip};
pub use replica::Replica;
pub use replicator::{Kept, Replicator, Standing};
pub use tick::Tick;

#[cfg(test)]
mod tests;
