//! The store: what was committed survives `kill -9` and power loss.
//!
//! A commit journal is the truth; sled is an index beside it that may be lost at any time. [`MemoryStore`] keeps the
//! same contract for the simulator and for tests, and one contract suite runs on both. The bytes on disk are written
//! down in `docs/storage.md`.
//!
//! This crate keeps and returns bytes. It judges no entry (that is `muster-log`), knows no network, no clock but to say
//! how long something took, and draws no randomness: the store id arrives with [`OpenOptions`].
//!
//! The rule for callers: [`Storage::stage`] what came, [`Storage::commit`] once, and only then acknowledge, show or
//! send it. A commit is whole or absent.

// Tests state their expectations by unwrapping; product code may not.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod archive;
mod aside;
mod compact;
mod disk;
mod disk_store;
mod erase;
mod error;
mod faulty;
mod format;
mod home;
mod index;
mod index_check;
mod journal;
pub mod lease;
mod lost;
mod memory;
mod open;
mod quarantine;
mod record;
mod refind;
mod repair;
mod rewrite;
mod scan;
mod sled_index;
mod staged;
mod storage;
mod tail;
mod whole;

pub use compact::{Compacted, CompactionStep};
pub use disk::{Disk, DiskFile, How, RealDisk};
pub use disk_store::DiskStore;
pub use error::StoreError;
pub use faulty::{Fault, FaultyDisk};
pub use home::{FORMAT, RESERVE_BYTES};
pub use journal::Damage;
pub use lease::Lease;
pub use lost::Lost;
pub use memory::{FailedCommit, MemoryStore};
pub use open::{IndexReport, OpenOptions, OpenReport, TornTail};
pub use record::StoreId;
pub use repair::{Choice, Repaired};
pub use storage::{COMMIT_BYTES_MAX, ErasureStep, LOCAL_KEY_BYTES_MAX, RECORD_BYTES_MAX, Storage, StoredEntry, Write};
pub use tail::{TAIL_BYTES_MAX, read_tail};
