//! The node: the event loop around a replica, the control socket, and what a home is made of.
//!
//! The only crate that spawns threads and tasks, reads the clock and draws randomness. It decides nothing about
//! entries: that is done in the pure crates, which [`muster_replica::Replica`] drives. Commands of the binary come in
//! as [`request::Request`]s, through the socket of a running node or straight onto the store ([`client`]).

#![cfg_attr(test, allow(clippy::unwrap_used))] // a panic is a failed test

mod addresses;
pub mod audit;
pub mod bundle;
pub mod client;
pub mod clock;
pub mod compact;
pub mod config;
mod control;
mod control_places;
mod decision;
pub mod doctor;
mod engine;
pub mod home;
pub mod keys;
pub mod keystore;
mod lived;
pub mod logging;
mod login;
mod lookalike;
mod mailbox;
mod node;
mod opening;
pub mod record;
mod recovery_words;
pub mod repair;
pub mod request;
pub mod running;
mod service;
mod sshsig;
mod tail;
mod team_history;
pub mod unlock;
pub mod up;
pub mod verify;
pub mod verify_file;
mod watchers;
pub mod when;

pub use node::Ready;
pub use opening::Setup;
