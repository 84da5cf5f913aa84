//! The signed log: entries, bodies, keys, admission, roster, status.
//!
//! This crate is pure. It does no IO, spawns nothing, reads no clock and owns no randomness: time, salts and seeds
//! arrive as arguments, and everything it decides is a function of bytes. It has never heard of Automerge, sled or
//! libp2p. The bytes are written down in `docs/protocol.md`, which is normative.
//!
//! Reading order: [`entry`] is what is signed, [`fact`] is what an entry says, [`body`] is what a person typed,
//! [`ledger`] is who may say it (admission) and what it counts for (status).

// A test that unwraps what is not there fails, as it should.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod admission;
pub mod audit;
pub mod body;
mod brackets;
mod cbor;
mod clocks;
pub mod dag;
pub mod device_offer;
pub mod draft;
pub mod entry;
pub mod fact;
pub mod fork_proof;
mod holding;
pub mod ids;
pub mod key;
pub mod ledger;
pub mod limits;
mod pending;
mod proof;
mod redaction;
pub mod refusal;
mod roster;
pub mod status;
mod text_form;
pub mod ticket;
pub mod time;
pub mod value;
pub mod verify;
mod witness;

pub use body::{Body, BodyText, Part};
pub use brackets::{Bracket, Brackets, TimeBrackets, TimeLabel};
pub use clocks::Clocks;
pub use dag::{Dag, Tip};
pub use draft::DraftError;
pub use entry::{BodyRef, Draft, Entry, FormError};
pub use fact::{Fact, Kind, Malformed};
pub use ids::{BodyHash, DagId, EntryId, IncidentId, LogId, PersonId, SessionId, ShortLog, TeamId};
pub use key::{DeviceKey, DeviceSecret, GoodKeys, Signature};
pub use ledger::{
    Consequence, Findings, Joined, Ledger, LetIn, Outcome, Reason, Reasons, Received, TeamDeed, TeamEffect, TeamEvent,
    TeamHistory,
};
pub use pending::PoolSize;
pub use redaction::Redacted;
pub use refusal::Refusal;
pub use roster::{Removal, Roster, Standing, Taken};
pub use status::{Status, TakenEntries};
pub use ticket::{BadTicket, Ticket};
pub use time::{Claimed, Precision, Timestamp, When};
pub use value::Value;
pub use verify::{Fault, Verifier, VerifyReport, verify};

#[cfg(test)]
mod tests;
