//! Drives the real `muster` binary from end to end: what people type and scripts rely on, over processes and sockets.
//!
//! Here is the stage: which binary ([`program`]), one person's home and what they type ([`Home`], [`Answer`]), their node
//! ([`Node`]), waiting ([`until`]), what needs privileges ([`privilege`]), and bad lines between
//! network namespaces ([`bad_line`], [`shaper`]). The tests are beside this folder, one file
//! for each sort. Nothing here knows a crate of muster: what is tested is what is promised in `docs/commands.md`.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod answer;
pub mod bad_line;
mod home;
mod node;
pub mod privilege;
pub mod program;
pub mod shaper;
mod wait;

pub use answer::{Answer, ids_of};
pub use home::Home;
pub use node::Node;
pub use wait::{PATIENCE, until};
