//! The network task over real loopback sockets: links, joins, gossip, faults.
//!
//! Everything waits for events with a generous limit; nothing sleeps. The unit tests of the parts are beside them.

#![allow(clippy::unwrap_used)] // a panic is a failed test

mod faults;
mod gossip;
mod joins;
mod links;
mod node;
mod raw_peer;
mod reach;
