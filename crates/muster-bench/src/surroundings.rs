//! What a replica is given from outside: the time, randomness, and the replica itself on a disk.

use crate::fault::Fault;
use muster_log::{DeviceSecret, SessionId, Timestamp};
use muster_node::clock::{entropy16, entropy32};
use muster_node::home::Home;
use muster_node::keystore;
use muster_node::unlock::Unlock;
use muster_replica::{Entropy, Now, Replica};
use muster_store::{DiskStore, OpenOptions};
use muster_sync::Tick;
use std::path::Path;
use std::time::SystemTime;

/// Randomness of the operating system.
pub(crate) struct OsEntropy;

impl Entropy for OsEntropy {
    fn sixteen(&mut self) -> [u8; 16] {
        entropy16().expect("the operating system gave random bytes when the session began")
    }

    fn thirty_two(&mut self) -> [u8; 32] {
        entropy32().expect("the operating system gave random bytes when the session began")
    }
}

/// The time now. Ticks stand still: nothing here waits for a timeout of a replicator.
pub(crate) fn now() -> Now {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Now { tick: Tick(0), wall: Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)), offset_minutes: 0 }
}

/// A new session.
pub(crate) fn session() -> Result<SessionId, Fault> {
    Ok(SessionId::from_bytes(entropy16()?))
}

/// The home at `path` and its key, both made at first use.
pub(crate) fn home(path: &Path) -> Result<(Home, DeviceSecret), Fault> {
    let home = Home::at(path)?;
    home.open()?;
    let (secret, _) = keystore::load_or_create(&home.key_file(), &Unlock::default())?;
    Ok((home, secret))
}

/// How a store is opened for writing, as a node does it.
pub(crate) fn for_writing() -> Result<OpenOptions, Fault> {
    Ok(OpenOptions::write(entropy16()?))
}

/// The replica of a home.
pub(crate) fn replica(path: &Path, options: OpenOptions) -> Result<Replica<DiskStore>, Fault> {
    let (home, secret) = home(path)?;
    let (store, _) = DiskStore::open(&home.store(), options)?;
    Ok(Replica::open(store, secret, session()?, Box::new(OsEntropy))?)
}
