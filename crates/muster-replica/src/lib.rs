//! One replica: store, ledgers, replicators and documents, driven by inputs and without a clock of its own.
//!
//! The node and the simulator are shells around this crate: they wait, carry bytes and tell the time. It does no
//! waiting, opens no socket and draws no randomness; entropy is handed in ([`Entropy`]). Rules live further down:
//! admission in `muster-log`, replication in `muster-sync`, documents and views in `muster-incident`.
//!
//! # The one rule of this crate
//!
//! 1. Give inputs and local writes ([`Replica::handle`], [`Replica::write`] and siblings). They change memory and
//!    *stage* records in the store; nothing leaves.
//! 2. [`Replica::commit`]: one sync to disk for everything staged. Only then come the [`Effect`]s out: frames, replies,
//!    acknowledgements. So whatever anybody was told is durable.
//! 3. If the commit fails, memory is ahead of the disk: drop the replica and open the store again. Nothing of the batch
//!    was told to anybody.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a panic is a failed test

mod appeal;
mod audit;
mod bundle;
mod carry;
mod circles;
mod compact;
mod devices;
mod documents;
mod effect;
mod entropy;
mod erasing;
mod error;
mod feed;
mod holding;
mod input;
mod intake;
mod join;
mod late;
mod left_out;
mod local;
mod membership;
mod newest;
mod only_here;
mod pace;
mod people;
mod proof;
mod proofs;
mod read;
mod record;
mod recovery;
mod redaction;
mod refused;
mod removal;
mod replica;
mod restored;
mod session;
mod source;
mod summaries;
mod team;
mod ticket_addresses;
mod tickets;
mod time_audit;
mod told;
mod verify;
mod write;

pub use audit::{AuditOrder, AuditPlan, AuditRows};
pub use bundle::{BundleError, BundleOrder, BundlePlan, TakenChunk};
pub use effect::Effect;
pub use entropy::Entropy;
pub use erasing::{ADMIN_WAIT_MS, Erasure, Unerased};
pub use error::ReplicaError;
pub use holding::Holding;
pub use input::Input;
pub use join::JoinAnswer;
pub use late::LATE_MS;
pub use left_out::{LeftOut, Ruins};
pub use newest::Arrived;
pub use only_here::OnlyHere;
pub use people::people_of;
pub use read::Peer;
pub use record::Record;
pub use recovery::Decision;
pub use removal::{Changed, Outlook, Removing};
pub use replica::{Now, Replica};
pub use restored::CameBack;
pub use tickets::IssuedTicket;
pub use time_audit::{TimeAudit, TimeFinding};
pub use verify::{Verification, VerifyScope, Verifying};
pub use write::Written;

#[cfg(test)]
mod tests;
