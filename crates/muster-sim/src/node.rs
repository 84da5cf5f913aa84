//! One simulated device: a replica or the store of one that is down, its clock, and what it has promised.

use crate::faults::{Faults, skew};
use crate::rng::Rng;
use muster_log::{DeviceKey, DeviceSecret, EntryId, SessionId, TeamId, Ticket, Timestamp};
use muster_replica::{Now, Replica, ReplicaError};
use muster_store::MemoryStore;
use muster_sync::Tick;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};

/// Where all clocks would stand at the beginning if they were right: 2026-01-01 00:00 UTC.
const EPOCH_MS: i64 = 1_767_225_600_000;

/// A write that somebody was told is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Promise {
    pub(crate) team: TeamId,
    pub(crate) entry: EntryId,
}

/// How far a device is on its way into the team.
#[derive(Debug, Default)]
pub(crate) struct Joining {
    pub(crate) ticket: Option<Ticket>,
    /// A member has vouched, and that is durable here.
    pub(crate) welcomed: bool,
    pub(crate) refusals: u32,
    /// Taken out, as people say, whatever the own roster says.
    pub(crate) returns: bool,
    /// Tries since nothing goes wrong any more.
    pub(crate) tries: u32,
}

/// A replica that runs. Its deadline is asked for before everything that happens anywhere and found out anew only after
/// something was done to it.
pub(crate) struct Running {
    replica: Replica<MemoryStore>,
    deadline: Cell<Option<Option<Tick>>>,
}

impl Running {
    fn deadline(&self) -> Option<Tick> {
        let known = self.deadline.get().unwrap_or_else(|| self.replica.deadline());
        self.deadline.set(Some(known));
        known
    }
}

impl Deref for Running {
    type Target = Replica<MemoryStore>;

    fn deref(&self) -> &Self::Target {
        &self.replica
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.deadline.set(None);
        &mut self.replica
    }
}

/// A device.
pub(crate) struct Node {
    seed: [u8; 32],
    pub(crate) key: DeviceKey,
    pub(crate) handle: String,
    /// Running, or down.
    pub(crate) replica: Option<Running>,
    /// The disk while it is down.
    store: MemoryStore,
    /// When the replica was opened.
    since: u64,
    skew_ms: i64,
    /// How far its clock is in another century, for good.
    pub(crate) adrift_ms: i64,
    offset_minutes: i16,
    /// Whether it takes part in gossip.
    pub(crate) gossips: bool,
    /// Who may have a link to it.
    pub(crate) members: BTreeSet<DeviceKey>,
    /// Whom it hears by gossip and who hears it: members, where it is a member itself.
    pub(crate) audience: BTreeSet<DeviceKey>,
    /// Writes that the next commit makes safe.
    pub(crate) staged: Vec<Promise>,
    /// Writes that were acknowledged, ever.
    pub(crate) promised: Vec<Promise>,
    /// Something was changed in memory and is not committed.
    pub(crate) is_dirty: bool,
    /// The session and its tips at a clean stop: what a lease remembers.
    lease: Option<(SessionId, BTreeSet<EntryId>)>,
    pub(crate) joining: Joining,
    /// What it showed when it was stopped with nothing left to commit.
    pub(crate) shown: Option<crate::check::Shown>,
}

impl Node {
    pub(crate) fn new(number: usize, faults: &Faults, rng: &mut Rng) -> Self {
        let seed = rng.bytes();
        // Two people of one name are two people.
        let handles = ["ana", "ben", "chen", "sam", "sam"];
        Self {
            seed,
            key: DeviceSecret::from_seed(&seed).public(),
            handle: handles.get(number).map_or_else(|| format!("person {number}"), |name| (*name).to_owned()),
            replica: None,
            store: MemoryStore::new(),
            since: 0,
            skew_ms: skew(rng, faults.skew_ms),
            adrift_ms: 0,
            offset_minutes: rng.pick(&[0, 60, 330, -480]).copied().unwrap_or(0),
            gossips: rng.chance(faults.gossips),
            members: BTreeSet::new(),
            audience: BTreeSet::new(),
            staged: Vec::new(),
            promised: Vec::new(),
            is_dirty: false,
            lease: None,
            joining: Joining::default(),
            shown: None,
        }
    }

    /// The device's key, for what it signs besides its replica.
    pub(crate) fn secret(&self) -> DeviceSecret {
        DeviceSecret::from_seed(&self.seed)
    }

    /// The time at this device when it is `at` in the world.
    pub(crate) fn now(&self, at: u64) -> Now {
        let true_ms = i64::try_from(at).unwrap_or(i64::MAX);
        Now {
            tick: Tick(at.saturating_sub(self.since)),
            wall: Timestamp(EPOCH_MS).plus_ms(true_ms).plus_ms(self.skew_ms).plus_ms(self.adrift_ms),
            offset_minutes: self.offset_minutes,
        }
    }

    /// When the replica wants to be woken, in the world's time.
    pub(crate) fn deadline(&self) -> Option<u64> {
        Some(self.replica.as_ref()?.deadline()?.0.saturating_add(self.since))
    }

    /// The store, as far as it is durable.
    pub(crate) fn disk(&self) -> &MemoryStore {
        self.replica.as_ref().map_or(&self.store, |replica| replica.store())
    }

    /// Opens the store and starts the replica.
    pub(crate) fn open(&mut self, at: u64, faults: &Faults, rng: &mut Rng) -> Result<(), ReplicaError> {
        let mut store = std::mem::take(&mut self.store);
        faults.prepare(&mut store, rng);
        if rng.chance(100) {
            self.skew_ms = skew(rng, faults.skew_ms); // somebody set the clock
        }
        let secret = DeviceSecret::from_seed(&self.seed);
        let session = SessionId::from_bytes(rng.bytes());
        let mut replica = Replica::open(store, secret, session, Box::new(rng.fork()))?;
        if let Some((session, tips)) = self.lease.take()
            && !tips.is_empty()
            && replica.own_tips_in(&session) == tips
        {
            replica.continue_session(session);
        }
        self.since = at;
        self.replica = Some(Running { replica, deadline: Cell::new(None) });
        self.is_dirty = false;
        self.audience.clear();
        self.staged.clear();
        Ok(())
    }

    /// Stops: in order where everything is committed and it is so wished, else by power loss.
    pub(crate) fn stop(&mut self, in_order: bool) {
        let Some(replica) = self.replica.take() else { return };
        self.lease = (in_order && !self.is_dirty).then(|| (replica.session(), replica.own_tips()));
        self.store = replica.replica.into_store();
        self.store.crash();
        self.staged.clear();
        self.is_dirty = false;
    }

    /// Whether this device may write in a team.
    pub(crate) fn is_member(&self, team: &TeamId) -> bool {
        self.replica.as_ref().is_some_and(|replica| replica.person_in(team).is_some())
    }
}
