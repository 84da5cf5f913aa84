//! Repair of a home whose journal is damaged: what stands is kept, the rest is put aside and asked of peers again.
//!
//! Which entries stand is judged by `muster-replica`, what they lie in is rebuilt by `muster-store`. Without a node: it could not
//! have been started.

use crate::clock::{self, SystemClock};
use crate::engine::OsEntropy;
use crate::home::Access;
use crate::keystore;
use crate::opening::Setup;
use crate::request::Failure;
use muster_log::SessionId;
use muster_replica::{Replica, Ruins};
use muster_store::{Choice, DiskStore, OpenOptions, Repaired, StoreError};
use serde::Serialize;

/// What was done, for the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Whether anything had to be repaired.
    pub repaired: bool,
    /// The damaged places.
    pub damage: Vec<String>,
    /// Entries that are kept.
    pub kept: u64,
    /// Entries that could be read and do not stand without what is damaged.
    pub left_out: u64,
    /// Packed entries that cannot be read: how many, not which.
    pub unnamed: u64,
    /// Whether it was forgotten which incident commands mean: a newer choice may have been damaged.
    pub forgot_choice: bool,
    /// Where the journal is now as it was found.
    pub quarantine: Option<String>,
}

/// Makes a home with a damaged journal writable again.
///
/// # Errors
/// What speaks against it, for a person. The home is as it was.
pub fn repair(setup: &Setup) -> Result<Account, Failure> {
    let secret = own_key(setup)?;
    let fresh = |error: clock::EntropyError| Failure::new(error.to_string());
    let session = SessionId::from_bytes(clock::entropy16().map_err(fresh)?);
    let done = DiskStore::repair(&setup.home.store(), options(setup)?, |store| {
        let replica = Replica::open_what_stands(store, secret, session, Box::new(OsEntropy))?;
        let Ruins { fallen, gone, facts, doubtful } = replica.ruins()?;
        let choice = Choice { left_out: fallen, gone, facts, doubtful };
        Ok::<_, Failure>((replica.into_store(), choice))
    })?;
    Ok(match done {
        None => Account {
            repaired: false,
            damage: Vec::new(),
            kept: 0,
            left_out: 0,
            unnamed: 0,
            forgot_choice: false,
            quarantine: None,
        },
        Some(Repaired { damage, kept, left_out, unnamed, forgotten, quarantine }) => Account {
            repaired: true,
            damage: damage.iter().map(crate::opening::told).collect(),
            kept,
            left_out,
            unnamed,
            forgot_choice: !forgotten.is_empty(),
            quarantine: quarantine.map(|path| path.display().to_string()),
        },
    })
}

/// Notes that what is missing will not come back: nothing speaks of it any more.
///
/// # Errors
/// What speaks against it, for a person.
pub fn accept_loss(setup: &Setup) -> Result<(), Failure> {
    own_key(setup)?;
    Ok(DiskStore::accept_loss(&setup.home.store(), options(setup)?)?)
}

fn own_key(setup: &Setup) -> Result<muster_log::DeviceSecret, Failure> {
    if setup.home.open()? == Access::ReadOnly {
        return Err(StoreError::ReadOnly { path: setup.home.root().to_owned() }.into());
    }
    keystore::load(&setup.home.key_file(), &setup.unlock)?
        .ok_or_else(|| StoreError::NoStore { path: setup.home.store() }.into())
}

fn options(setup: &Setup) -> Result<OpenOptions, Failure> {
    let store_id = clock::entropy16().map_err(|error| Failure::new(error.to_string()))?;
    Ok(OpenOptions::write(store_id).now_ms(SystemClock::new(setup.config.zone().clone()).now().0))
}
