//! Hard limits: part of the protocol version, because one node's accept must be every node's.
//!
//! Local limits (queues, rates, connections) live beside the code they protect and may only delay.

/// The entry format this crate writes and the only one it accepts (item `v`).
pub const ENTRY_VERSION: u8 = 1;

/// Bytes of one encoded entry, body not included. A kind's facts are small; what a person types is in the body.
pub const ENTRY_BYTES_MAX: usize = 8 * 1024;

/// Bytes of one encoded body, salt included. Long enough for a pasted stack trace, short enough for one gossip message.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// Dependencies of one entry besides its backlink. More heads than fit are first joined by `merge` entries.
pub const DEPS_MAX: usize = 64;

/// Roster heads of one entry.
pub const ROSTER_HEADS_MAX: usize = 16;

/// Nesting of lists in one entry, the outer list counted. Keeps every decoder's recursion bounded.
pub const NESTING_MAX: usize = 6;

/// Bytes of a register name (a role, an action's target). Names are keys of the document, so they stay small.
pub const REGISTER_NAME_BYTES_MAX: usize = 128;

/// Ids that one register write may supersede.
pub const SUPERSEDES_MAX: usize = 64;

/// Devices that one `revoke` may name.
pub const REVOKED_DEVICES_MAX: usize = 8;

/// Recovery keys that a team may be born with.
pub const RECOVERY_KEYS_MAX: usize = 3;

/// Entries of the roster by one person who is no admin, in one past; merges of [`ROSTER_HEADS_MAX`] heads or more apart.
/// Judging an entry takes time in proportion to its past, and everybody must judge all of them whenever a store is opened:
/// without a limit one member could make a roster that nobody can open any more.
pub const ROSTER_ENTRIES_MAX: usize = 1024;

/// A signature travels at the latest on every entry whose sequence number is divisible by this (proof by run).
pub const RUN_SIGNATURE_EVERY: u32 = 64;

/// Milliseconds by which clocks may differ before a time is said to contradict its bracket: two minutes. *Hard*: part of the
/// protocol version, for one node's label must be every node's.
pub const BRACKET_TOLERANCE_MS: i64 = 120_000;

/// Persons who have written from which on one of them may be wrong on either side of a bracket (f = 1). *Hard*.
pub const BRACKET_PERSONS_MIN: usize = 4;
