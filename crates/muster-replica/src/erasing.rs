//! Erasing what is redacted from the store, when that is due and at which pace.
//!
//! What is redacted is in [`crate::redaction`]. Local are the day that one admin's word waits, by this device's clock, and when
//! there is room to write the journal anew. Of an erasure that did not come to its end nothing is written down: it shows in a
//! body that is here and redacted, so whoever opens the store goes on with it.

use crate::error::ReplicaError;
use crate::local;
use crate::replica::{Now, Replica};
use muster_log::fact::What;
use muster_log::{BodyHash, EntryId, Fact, Redacted, Timestamp};
use muster_store::{ErasureStep, Storage, StoreError};
use muster_sync::Tick;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a body that one admin redacted is hidden before it is erased, in milliseconds: a day, in which the team can
/// take a stolen admin's device out.
pub const ADMIN_WAIT_MS: i64 = 24 * 60 * 60 * 1000;

/// From one erasure to the next for what others redacted, in milliseconds at least: each writes the journal anew, whoever asked
/// for it.
const PAUSE_MS_MIN: u64 = 5_000;

/// The same at most, in milliseconds, however slow the disk was.
const PAUSE_MS_MAX: u64 = 60 * 60_000;

/// How many times as long as an erasure took the pause after it is, so that whoever redacts in a loop keeps no node busy for more
/// than a tenth of its time.
const PAUSE_TIMES: u64 = 10;

/// Between two tries to erase on a full disk, in milliseconds.
const FULL_RETRY_MS: u64 = 60_000;

/// The longest sleep until an erasure that waits, in milliseconds: clocks are set meanwhile.
const LOOK_MS: u64 = 10 * 60_000;

/// How long to rest after an erasure, in milliseconds. One that only had to look rests as long in proportion.
fn pause_after(erased: u64, took: Duration) -> u64 {
    let least = if erased > 0 { PAUSE_MS_MIN } else { 0 };
    millis(took).saturating_mul(PAUSE_TIMES).clamp(least, PAUSE_MS_MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How erasing stands.
#[derive(Debug, Default)]
pub(crate) struct Erasing {
    /// Something was redacted, or the store was just opened.
    pub(crate) is_asked: bool,
    /// The own hand redacted, and waits for it.
    pub(crate) is_urgent: bool,
    /// Redacted since the store was opened: copies of these may be where the store knows nothing of them.
    pub(crate) fresh: BTreeSet<BodyHash>,
    /// Of those that are not here either, what is written down, so that whoever is killed looks for them after all.
    pub(crate) noted: BTreeSet<BodyHash>,
    next_at: Option<Tick>,
    /// Until when nothing is begun that others asked for.
    rest_until: Option<Tick>,
    /// What the store is erasing now, step by step.
    going: Option<BTreeSet<BodyHash>>,
    /// Of that, how long the store was busy with it.
    busy: Duration,
    /// The own hand waits for it.
    is_own: bool,
    is_full: bool,
}

impl Erasing {
    /// As after opening: what is redacted and still here is looked for.
    pub(crate) fn begin() -> Self {
        Self { is_asked: true, ..Self::default() }
    }

    pub(crate) fn deadline(&self) -> Option<Tick> {
        self.next_at
    }
}

/// Redacted bodies that are still here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unerased {
    /// By one admin's word: hidden, and when the next of them is erased.
    pub waiting: usize,
    /// When the next of those is erased.
    pub next: Option<Timestamp>,
    /// To be erased as soon as the store can be written anew.
    pub due: usize,
}

/// What became of a text that was redacted, on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// It is in no file any more.
    Done,
    /// One admin's word: hidden, and erased when its time comes.
    Waits,
    /// Hidden and still on the disk, which has no room to write the store anew; erased when it has.
    NoRoom,
    /// Hidden and still on the disk: erasing has not come to its end.
    Due,
}

impl<S: Storage> Replica<S> {
    /// What became of the text that a redaction is about.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn erasure_by(&self, redaction: &EntryId, now: Now) -> Result<Erasure, ReplicaError> {
        let mut bodies = self.teams.values().filter_map(|state| {
            let Ok(Fact::Incident(fact)) = state.ledger.entry(redaction)?.fact() else { return None };
            let What::Redaction { target } = fact.what else { return None };
            state.ledger.entry(&target)?.body()
        });
        let Some(body) = bodies.next() else { return Ok(Erasure::Done) };
        let Erasing { fresh, going, is_full, .. } = &self.erasing;
        let is_sought = fresh.contains(&body.hash) || going.as_ref().is_some_and(|going| going.contains(&body.hash));
        Ok(match self.still_here(now)?.get(&body.hash) {
            Some(at) if *at > now.wall => Erasure::Waits,
            None if !is_sought => Erasure::Done,
            _ if *is_full => Erasure::NoRoom,
            _ => Erasure::Due,
        })
    }

    /// The redacted bodies that are still in the store.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn unerased(&self, now: Now) -> Result<Unerased, ReplicaError> {
        let mut unerased = Unerased::default();
        for (_, at) in self.still_here(now)? {
            if at <= now.wall {
                unerased.due += 1;
            } else {
                unerased.waiting += 1;
                unerased.next = Some(unerased.next.map_or(at, |next| next.min(at)));
            }
        }
        Ok(unerased)
    }

    /// Erases what is due without regard to the pace: before a process that is not a node ends.
    ///
    /// # Errors
    /// As [`Replica::commit`].
    pub fn erase_rest(&mut self, now: Now) -> Result<(), ReplicaError> {
        self.erasing.is_asked |= self.erasing.next_at.is_some();
        if self.erasing.going.is_some() {
            self.stop_what_is_wanted_again(now)?;
        }
        loop {
            if self.erasing.going.is_some() {
                self.step_erasing(now)?;
            } else if self.erasing.is_asked {
                // Also what was redacted while another erasure was under way. This asks no more, whatever comes of it.
                self.erasing.is_urgent = true;
                self.erase_due(now)?;
            } else {
                return Ok(());
            }
        }
    }

    /// Whether an erasure is under way, for whomever.
    pub fn is_erasing(&self) -> bool {
        self.erasing.going.is_some()
    }

    /// Whether this device's own hand redacted something that is still being erased: who asked for it is answered afterwards.
    pub fn owes_erasure(&self) -> bool {
        self.erasing.is_own || self.erasing.is_urgent && self.erasing.is_asked
    }

    /// Writes down which bodies are to be looked for that nothing else tells of, and forgets those that were.
    pub(crate) fn note_sought(&mut self) -> Result<(), ReplicaError> {
        let Erasing { fresh, going, noted, .. } = &self.erasing;
        let sought: BTreeSet<BodyHash> = fresh.iter().chain(going.iter().flatten()).copied().collect();
        let done: Vec<BodyHash> = noted.difference(&sought).copied().collect();
        let new: Vec<BodyHash> = sought.difference(noted).copied().collect();
        for hash in done {
            self.set_local(local::sought(&hash), None)?;
            self.erasing.noted.remove(&hash);
        }
        for hash in new {
            if !self.store.contains_body(&hash)? {
                self.set_local(local::sought(&hash), Some(Vec::new()))?;
                self.erasing.noted.insert(hash);
            }
        }
        Ok(())
    }

    /// Erases what is due, a step at a time, and says when to look again.
    pub(crate) fn erase_due(&mut self, now: Now) -> Result<(), ReplicaError> {
        let is_time = self.erasing.next_at.is_some_and(|at| at <= now.tick);
        if self.erasing.going.is_some() {
            self.stop_what_is_wanted_again(now)?;
        }
        if self.erasing.going.is_some() {
            return if is_time { self.step_erasing(now) } else { Ok(()) };
        }
        if !self.erasing.is_asked && !is_time {
            return Ok(());
        }
        let rest = self.erasing.rest_until.filter(|until| *until > now.tick);
        if let Some(until) = rest.filter(|_| !self.erasing.is_urgent) {
            self.erasing.next_at = Some(until);
            return Ok(());
        }
        let here = self.still_here(now)?;
        let mut due: BTreeSet<BodyHash> =
            here.iter().filter(|(_, at)| **at <= now.wall).map(|(hash, _)| *hash).collect();
        let waiting: BTreeSet<BodyHash> = here.keys().copied().filter(|hash| !due.contains(hash)).collect();
        let is_hidden = |hash: &BodyHash| self.teams.values().any(|state| state.hidden.bodies().contains(hash));
        let fresh = std::mem::take(&mut self.erasing.fresh).into_iter();
        due.extend(fresh.filter(|hash| !waiting.contains(hash) && is_hidden(hash)));
        let next = here.values().filter(|at| **at > now.wall).min().map(|at| at.0.saturating_sub(now.wall.0));
        let next = next.map(|ms| u64::try_from(ms).unwrap_or(0).min(LOOK_MS));
        self.erasing.next_at = next.map(|ms| now.tick.plus_ms(ms));
        self.erasing.is_own = std::mem::take(&mut self.erasing.is_urgent) && !due.is_empty();
        self.erasing.is_asked = false;
        if due.is_empty() {
            return Ok(());
        }
        let bodies: Vec<BodyHash> = due.iter().copied().collect();
        let begun = self.store.begin_erasure(&bodies);
        self.erasing.going = Some(due);
        self.note_step(begun, now)
    }

    fn step_erasing(&mut self, now: Now) -> Result<(), ReplicaError> {
        let stepped = self.store.step_erasure();
        self.note_step(stepped, now)
    }

    fn note_step(&mut self, stepped: Result<ErasureStep, StoreError>, now: Now) -> Result<(), ReplicaError> {
        let was_full = std::mem::replace(&mut self.erasing.is_full, matches!(stepped, Err(StoreError::Full { .. })));
        let busy = std::mem::take(&mut self.erasing.busy);
        match stepped {
            Ok(ErasureStep::Going { took }) => {
                self.erasing.busy = took;
                // As long as the step took belongs to everybody else.
                let step_ms = millis(took.saturating_sub(busy)).max(1);
                self.erasing.next_at = Some(now.tick.plus_ms(step_ms.saturating_mul(2)));
                return Ok(());
            }
            Ok(ErasureStep::Done { erased, took }) => {
                if erased > 0 {
                    tracing::info!(erased, took_ms = millis(took), "redacted texts are erased");
                }
                let pause = pause_after(erased, took);
                self.erasing.rest_until = Some(now.tick.plus_ms(millis(took)).plus_ms(pause));
                // What came meanwhile, and what waits, is looked for then.
                self.erasing.next_at = self.erasing.rest_until;
            }
            Err(StoreError::Full { .. }) => {
                if !was_full {
                    tracing::warn!("no room to write the store anew: redacted texts are hidden, and erased later");
                }
                self.erasing.fresh.extend(self.erasing.going.take().unwrap_or_default());
                self.erasing.next_at = Some(now.tick.plus_ms(FULL_RETRY_MS));
            }
            // What is only read is erased by whoever writes.
            Err(StoreError::ReadOnly { .. }) => self.erasing.next_at = None,
            Err(error) => return Err(error.into()),
        }
        let is_done = matches!(stepped, Ok(ErasureStep::Done { .. }));
        (self.erasing.going, self.erasing.is_own) = (None, false);
        if is_done { self.note_sought() } else { Ok(()) }
    }

    /// Gives an erasure up of which a text is no longer to go: a redaction does not count any more, or waits again.
    fn stop_what_is_wanted_again(&mut self, now: Now) -> Result<(), ReplicaError> {
        let Some(going) = self.erasing.going.as_ref().filter(|_| self.erasing.is_asked) else { return Ok(()) };
        let here = self.still_here(now)?;
        for hash in going {
            let is_due = here.get(hash).is_some_and(|at| *at <= now.wall);
            if !is_due && self.store.contains_body(hash)? {
                self.store.give_up_erasure();
                (self.erasing.going, self.erasing.busy) = (None, Duration::ZERO);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Redacted bodies in the store, and when each is to be erased.
    fn still_here(&self, now: Now) -> Result<BTreeMap<BodyHash, Timestamp>, ReplicaError> {
        let mut here: BTreeMap<BodyHash, Timestamp> = BTreeMap::new();
        for state in self.teams.values() {
            for (_, id, redacted) in state.hidden.all() {
                let Some(body) = state.ledger.entry(id).and_then(muster_log::Entry::body) else { continue };
                if !self.store.contains_body(&body.hash)? {
                    continue;
                }
                let at = if redacted.is_settled { now.wall } else { self.waits_until(redacted, now)? };
                here.entry(body.hash).and_modify(|known| *known = at.min(*known)).or_insert(at);
            }
        }
        Ok(here)
    }

    /// A day after the first of an admin's redactions came here. One that came when the clock was ahead counts from the
    /// start of this process.
    fn waits_until(&self, redacted: &Redacted, now: Now) -> Result<Timestamp, ReplicaError> {
        let began = self.began.unwrap_or(now.wall).min(now.wall);
        let mut since = now.wall;
        for redaction in &redacted.by {
            let received = self.received(redaction)?.unwrap_or(now.wall);
            since = since.min(if received <= now.wall { received } else { began });
        }
        Ok(since.plus_ms(ADMIN_WAIT_MS))
    }
}
