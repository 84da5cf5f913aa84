//! Opening a home: key, store, session, replica. For a node and for a command that works without one.

use crate::clock::{self, SystemClock};
use crate::config::Config;
use crate::engine::{Engine, OsEntropy, SummaryFile, Surroundings};
use crate::home::{Access, Home, HomeError};
use crate::keystore::{self, KeyError};
use crate::request::Failure;
use crate::unlock::Unlock;
use muster_log::{DeviceKey, DeviceSecret, SessionId};
use muster_replica::{Replica, ReplicaError};
use muster_store::{DiskStore, IndexReport, Lease, OpenOptions, OpenReport, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a command waits for another that has the home for a moment. A node keeps it, but then there is a socket.
const IN_USE_WAIT: Duration = Duration::from_secs(5);

/// Between two looks at a home that is in use.
const IN_USE_STEP: Duration = Duration::from_millis(20);

/// What a command or node starts from.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where everything is kept.
    pub home: Home,
    /// The settings.
    pub config: Config,
    /// `--as NAME`: the own handle, should this be its first use.
    pub name: Option<String>,
    /// Who knows the passphrase of the key, should there be one.
    pub unlock: Unlock,
}

impl Setup {
    /// The handle that was asked for, by flag or settings.
    pub(crate) fn given_handle(&self) -> Option<String> {
        self.name.clone().or_else(|| self.config.name.value.clone())
    }
}

/// What stays of an opening, so that the store can be opened again should it fail.
pub(crate) struct Opened {
    pub(crate) clock: SystemClock,
    pub(crate) listening: Vec<String>,
    /// Whom the links are cut to; outlives a store that must be opened again.
    pub(crate) cut: BTreeSet<Option<DeviceKey>>,
    /// How the links go; outlives a store that must be opened again.
    pub(crate) paths: BTreeMap<DeviceKey, muster_net::Path>,
    /// Who answers and does not know this device as a member; outlives a store that must be opened again.
    pub(crate) refusing: BTreeSet<DeviceKey>,
    setup: Setup,
    secret_file: PathBuf,
    is_node: bool,
    access: Access,
    lease: Option<Lease>,
}

impl Opened {
    /// Tells the lease where the own logs stand after a commit. A node needs none: it keeps its session in memory.
    pub(crate) fn renew_lease(&mut self, engine: &Engine<DiskStore>) {
        if self.is_node {
            return;
        }
        let tips = engine.replica.own_tips();
        if let Some(lease) = &self.lease
            && !tips.is_empty()
            && let Err(error) = lease.write(&engine.replica.session(), &tips)
        {
            // Without a lease the next command begins a new session: more logs, nothing worse.
            tracing::debug!(%error, "session lease not written");
            self.lease = None;
        }
    }
}

/// Opens a home for writing, creating it at first use.
pub(crate) fn open(setup: &Setup, is_node: bool) -> Result<(Opened, Engine<DiskStore>), Failure> {
    let access = setup.home.open()?;
    if is_node && access == Access::ReadOnly {
        return Err(StoreError::ReadOnly { path: setup.home.root().to_owned() }.into());
    }
    let mut opened = Opened {
        clock: SystemClock::new(setup.config.zone().clone()),
        listening: Vec::new(),
        cut: BTreeSet::new(),
        paths: BTreeMap::new(),
        refusing: BTreeSet::new(),
        setup: setup.clone(),
        secret_file: setup.home.key_file(),
        is_node,
        access,
        lease: None,
    };
    let engine = reopen(&mut opened)?;
    Ok((opened, engine))
}

/// Opens the store of an opened home, again or for the first time.
pub(crate) fn reopen(opened: &mut Opened) -> Result<Engine<DiskStore>, Failure> {
    let has_log = opened.setup.home.store().join("format").exists();
    if opened.access == Access::ReadWrite {
        keystore::beside::sweep(&opened.secret_file);
    }
    let secret: DeviceSecret = match keystore::load(&opened.secret_file, &opened.setup.unlock)? {
        Some(secret) => secret,
        // A new key beside an old log would be a stranger to every team in it, and nobody would know why.
        None if has_log => {
            return Err(Failure::new(format!("the device key {} is missing", opened.secret_file.display()))
                .hint("put it back from a backup; or begin in a new home (--home DIR) and join the team again"));
        }
        None => keystore::load_or_create(&opened.secret_file, &opened.setup.unlock)?.0,
    };
    let fresh = |error: clock::EntropyError| Failure::new(error.to_string());
    let options = match opened.access {
        Access::ReadWrite => OpenOptions::write(clock::entropy16().map_err(fresh)?).now_ms(opened.clock.now().0),
        Access::ReadOnly => OpenOptions::read(),
    };
    let (store, report) = match open_patiently(opened, options) {
        // What is whole can still be read, shown, exported and verified; nothing is written to a damaged journal.
        Err(error @ StoreError::Damaged { .. }) if !opened.is_node => {
            tracing::debug!(error = crate::engine::chain(&error), "what is whole is read");
            let (store, report) = open_patiently(opened, OpenOptions::read())?;
            (store, with_damage(report, error))
        }
        opened => opened?,
    };
    tell(&report);
    let new_session = SessionId::from_bytes(clock::entropy16().map_err(fresh)?);
    let mut replica = match open_replica(store, &report, secret, new_session) {
        Err(ReplicaError::Damaged { .. }) if !opened.is_node => {
            let (store, _) = open_patiently(opened, OpenOptions::read())?;
            let secret = keystore::load_or_create(&opened.secret_file, &opened.setup.unlock)?.0;
            Replica::open_what_stands(store, secret, new_session, Box::new(OsEntropy))?
        }
        replica => replica?,
    };
    tell_missing(&replica, &report);
    if !opened.is_node && opened.access == Access::ReadWrite {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        opened.lease = Lease::find(runtime.as_deref(), replica.store().store_id());
        if let Some(lease) = &opened.lease
            && let Some(session) = lease.resume(|session| replica.own_tips_in(session))
        {
            replica.continue_session(session);
        }
    }
    replica.listens_at(crate::addresses::worth_saying(&opened.listening));
    let around = Surroundings {
        damage: told_damage(&report),
        report,
        clock: opened.clock.clone(),
        given_handle: opened.setup.given_handle(),
        home: opened.setup.home.root().display().to_string(),
        summaries: SummaryFile {
            path: opened.setup.home.store().join("summaries"),
            is_writable: opened.access == Access::ReadWrite,
            is_read: false,
        },
        is_node: opened.is_node,
        listening: opened.listening.clone(),
        cut: opened.cut.clone(),
        paths: opened.paths.clone(),
        refusing: opened.refusing.clone(),
    };
    Ok(Engine::new(replica, around))
}

/// An engine that only reads, around a store opened for reading. Nothing is created, locked or written.
pub(crate) fn engine_to_read(
    setup: &Setup,
    secret: DeviceSecret,
    (store, report): (DiskStore, OpenReport),
) -> Result<Engine<DiskStore>, Failure> {
    let session = SessionId::from_bytes(clock::entropy16().map_err(|error| Failure::new(error.to_string()))?);
    let around = Surroundings {
        damage: told_damage(&report),
        report,
        clock: SystemClock::new(setup.config.zone().clone()),
        given_handle: setup.given_handle(),
        home: setup.home.root().display().to_string(),
        summaries: SummaryFile { path: setup.home.store().join("summaries"), is_writable: false, is_read: false },
        is_node: false,
        listening: Vec::new(),
        cut: BTreeSet::new(),
        paths: BTreeMap::new(),
        refusing: BTreeSet::new(),
    };
    Ok(Engine::new(open_replica(store, &around.report, secret, session)?, around))
}

/// Whoever only reads may take for torn what the index knows to have been acknowledged.
fn with_damage(report: OpenReport, error: StoreError) -> OpenReport {
    match error {
        StoreError::Damaged { segment, offset, what } if report.damage.is_empty() => {
            OpenReport { torn: None, damage: vec![muster_store::Damage { segment, offset, what }], ..report }
        }
        _ => report,
    }
}

/// What is damaged is left out where the store is only read, and refused where it could be written to.
fn open_replica(
    store: DiskStore,
    report: &OpenReport,
    secret: DeviceSecret,
    session: SessionId,
) -> Result<Replica<DiskStore>, ReplicaError> {
    let entropy = Box::new(OsEntropy);
    match report.damage.is_empty() {
        true => Replica::open(store, secret, session, entropy),
        false => Replica::open_what_stands(store, secret, session, entropy),
    }
}

/// Says what this home had and has no more: what is damaged, or what went with the journal's end.
fn tell_missing(replica: &Replica<DiskStore>, report: &OpenReport) {
    let left_out = replica.left_out().len();
    if !report.damage.is_empty() || left_out > 0 {
        tracing::warn!(
            left_out,
            places = report.damage.len(),
            "the store is damaged: entries that do not stand without what is damaged are left out; `muster verify` lists \
             them, `muster repair` makes the home writable again"
        );
    }
    if let Ok(Some(lost)) = muster_store::Storage::lost(replica.store()) {
        tracing::warn!(
            missing = lost.missing,
            unnamed = lost.unnamed,
            "entries that this device had are gone; peers may hold them: `muster up` fetches them"
        );
    }
}

pub(crate) fn told(damage: &muster_store::Damage) -> String {
    format!("{} is damaged at offset {}: {}", damage.segment.display(), damage.offset, damage.what)
}

fn told_damage(report: &OpenReport) -> Vec<String> {
    report.damage.iter().map(told).collect()
}

/// Says what was not plain about the opening. Repairs are told as warnings: what was acknowledged is whole.
fn tell(report: &OpenReport) {
    if let Some(torn) = &report.torn {
        tracing::warn!(bytes = torn.bytes, "what stood at the end of the journal was not whole and was cut off");
    }
    match &report.index {
        IndexReport::Whole => {}
        IndexReport::CaughtUp(rows) => tracing::info!(rows, "the index was behind the journal and caught up"),
        IndexReport::Rebuilt { reason, quarantine } => {
            tracing::warn!(reason, quarantine = %quarantine.display(), "the index was damaged and was rebuilt from the journal");
        }
        IndexReport::JournalShort { records, quarantine } => {
            tracing::error!(
                quarantine = %quarantine.display(),
                "at least {records} acknowledged records (entries and their texts) are gone from the journal's end; peers may \
                 hold them: `muster up` fetches them"
            );
        }
        IndexReport::InMemory { reason: Some(reason) } => tracing::warn!(reason, "the index is kept in memory"),
        IndexReport::InMemory { reason: None } => {}
    }
    if report.full {
        tracing::warn!("the disk is full: nothing can be logged until there is room");
    }
}

/// Opens the store, waiting a moment for a command that has it.
fn open_patiently(opened: &Opened, options: OpenOptions) -> Result<(DiskStore, OpenReport), StoreError> {
    let began = Instant::now();
    loop {
        match DiskStore::open(&opened.setup.home.store(), options.clone()) {
            Err(StoreError::InUse { .. }) if began.elapsed() < IN_USE_WAIT && !is_served(&opened.setup.home) => {
                std::thread::sleep(IN_USE_STEP);
            }
            done => return done,
        }
    }
}

/// Whether a node answers on the home's socket; waiting for its lock would be in vain.
pub(crate) fn is_served(home: &Home) -> bool {
    home.socket().is_ok_and(|path| std::os::unix::net::UnixStream::connect(path).is_ok())
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        let hint = error.hint();
        Failure::new(crate::engine::chain(&error)).hint(hint)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let hint = error.hint();
        Failure::new(crate::engine::chain(&error)).hint(hint)
    }
}
