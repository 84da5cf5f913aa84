//! Redacted bodies: hidden as soon as the redaction is admitted, erased from the store when that is due.
//!
//! Who redacted what follows from the set of entries ([`Ledger::redacted`]). Local are the day that one admin's word waits,
//! by this device's clock, and when there is room to write the journal anew. Nothing of it is written down: an erasure that
//! did not come to its end shows in a body that is here and redacted, so whoever opens the store goes on with it.

use crate::error::ReplicaError;
use crate::local;
use crate::replica::{Now, Replica};
use crate::team::{Bodies, Team};
use muster_log::fact::What;
use muster_log::ledger::Ledger;
use muster_log::{
    Body, BodyHash, DagId, Entry, EntryId, Fact, IncidentId, Kind, Redacted, Standing, Taken, TeamId, Timestamp,
};
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

/// Characters of the shortest text of which a repetition is told; shorter ones say nothing.
const REPEAT_CHARS_MIN: usize = 6;

/// Repetitions of a text that are told.
const REPEATS_MAX: usize = 16;

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

type ByDag = BTreeMap<DagId, BTreeMap<EntryId, Redacted>>;

/// What is redacted in one team, as it stands.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    /// By redactions in the team.
    by: ByDag,
    /// Originals of own entries that came along to another team and were redacted there.
    originals: ByDag,
    /// The bodies of all these.
    bodies: BTreeSet<BodyHash>,
}

impl Hidden {
    /// The redactions of an entry, by id.
    pub(crate) fn redacted_by(&self, dag: &DagId, id: &EntryId) -> Vec<EntryId> {
        let of = |all: &ByDag| all.get(dag)?.get(id).map(|redacted| redacted.by.clone());
        of(&self.by).or_else(|| of(&self.originals)).unwrap_or_default()
    }

    /// The bodies that are not shown, asked for, sent or taken.
    pub(crate) fn bodies(&self) -> &BTreeSet<BodyHash> {
        &self.bodies
    }

    /// Whether anything of a DAG is redacted.
    pub(crate) fn is_any(&self, dag: &DagId) -> bool {
        [&self.by, &self.originals].iter().any(|all| all.get(dag).is_some_and(|of| !of.is_empty()))
    }

    fn all(&self) -> impl Iterator<Item = (&DagId, &EntryId, &Redacted)> {
        [&self.by, &self.originals]
            .into_iter()
            .flatten()
            .flat_map(|(dag, of)| of.iter().map(move |(id, redacted)| (dag, id, redacted)))
    }
}

/// How erasing stands.
#[derive(Debug, Default)]
pub(crate) struct Erasing {
    /// Something was redacted, or the store was just opened.
    is_asked: bool,
    /// The own hand redacted, and waits for it.
    is_urgent: bool,
    /// Redacted since the store was opened: copies of these may be where the store knows nothing of them.
    fresh: BTreeSet<BodyHash>,
    /// Of those that are not here either, what is written down, so that whoever is killed looks for them after all.
    noted: BTreeSet<BodyHash>,
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

    /// Whether the body of an entry is redacted, as it stands.
    pub fn is_redacted(&self, team: &TeamId, id: &EntryId) -> bool {
        let state = self.teams.get(team);
        state.is_some_and(|state| {
            let body = state.ledger.entry(id).and_then(Entry::body);
            body.is_some_and(|body| state.hidden.bodies.contains(&body.hash))
        })
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

    /// The own hand is about to redact: whether it may, and what it should know.
    pub(crate) fn before_redacting(
        &mut self,
        team: TeamId,
        incident: IncidentId,
        target: EntryId,
    ) -> Result<Vec<String>, ReplicaError> {
        let me = self.device();
        let state = self.teams.get(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        let person = state.person_of(&me);
        if !person.is_some_and(|person| state.ledger.may_redact(&person, &target)) {
            return Err(ReplicaError::NotAllowed("only the author of an entry or an admin redacts it".into()));
        }
        // What becomes of the text is told when that is known: [`Replica::erasure_by`].
        let has_removed = state
            .ledger
            .removals()
            .iter()
            .any(|removal| removal.standing == Standing::Counts && matches!(removal.taken, Taken::Devices { .. }));
        let mut notes = vec![
            "copies that left muster before stay: exports, bundles, backups, a terminal's history, `unsent-N.txt` of a \
             command that failed"
                .to_owned(),
        ];
        if has_removed {
            notes.push("a device that was removed from the team hears nothing of this and keeps the text".to_owned());
        }
        let repeats = self.repeats(team, incident, target)?;
        if !repeats.is_empty() {
            let ids: Vec<String> = repeats.iter().map(|id| id.to_string()[..8].to_owned()).collect();
            notes.push(format!("these say the same and are not redacted: {}", ids.join(", ")));
        }
        // It goes from here before anybody is told that it did.
        self.erasing.is_urgent = true;
        Ok(notes)
    }

    /// Entries of the incident that repeat the text of one, or of which it repeats the text; the oldest here first.
    fn repeats(&self, team: TeamId, incident: IncidentId, of: EntryId) -> Result<Vec<EntryId>, ReplicaError> {
        let state = self.teams.get(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        let bodies = Bodies { store: &self.store, hidden: &state.hidden, staged: &self.staged_bodies };
        let text = |entry: &Entry| -> Result<String, ReplicaError> {
            let Some(reference) = entry.body() else { return Ok(String::new()) };
            let body = bodies.get(&reference.hash)?.map(|bytes| Body::read(&bytes));
            Ok(body.map(|body| body.text().trim().to_owned()).unwrap_or_default())
        };
        let Some(dag) = state.ledger.dag(&incident.into()) else { return Ok(Vec::new()) };
        let Some(wanted) = dag.entry(&of) else { return Ok(Vec::new()) };
        let wanted = text(wanted)?;
        let long = |text: &str| text.chars().count() >= REPEAT_CHARS_MIN;
        let mut found = Vec::new();
        for entry in dag.entries().filter(|entry| entry.id() != of && long(&wanted)) {
            let text = text(entry)?;
            if long(&text) && (text.contains(&wanted) || wanted.contains(&text)) {
                found.push(entry.id());
                if found.len() == REPEATS_MAX {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Entries came to a team: hides what is redacted now, and wants again what no longer is.
    pub(crate) fn hide(&mut self, team: TeamId, admitted: &[EntryId]) -> Result<(), ReplicaError> {
        let Some(state) = self.teams.get(&team) else { return Ok(()) };
        let roster = DagId::from(team);
        let touched: BTreeSet<DagId> = admitted.iter().filter_map(|id| Some(state.ledger.entry(id)?.dag())).collect();
        let all = touched.contains(&roster);
        let dags = state.ledger.dags().map(|(dag, _)| *dag).filter(|dag| all || touched.contains(dag));
        let dags: Vec<DagId> = dags.filter(|dag| state.ledger.has_redactions(dag)).collect();
        if dags.is_empty() {
            return Ok(());
        }
        let redacts = |id: &EntryId| state.ledger.entry(id).is_some_and(|entry| entry.kind() == Kind::REDACTION);
        // What they redact may stand where the store knows nothing of it, and is asked for once more.
        let is_news = admitted.iter().any(redacts);
        self.hide_in(team, &dags)?;
        self.hide_originals()?;
        self.erasing.is_asked |= is_news;
        self.note_sought()
    }

    /// Writes down which bodies are to be looked for that nothing else tells of, and forgets those that were.
    fn note_sought(&mut self) -> Result<(), ReplicaError> {
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

    /// Hides everything that is redacted: after opening.
    pub(crate) fn hide_all(&mut self) -> Result<(), ReplicaError> {
        for team in self.teams() {
            let Some(state) = self.teams.get(&team) else { continue };
            let dags = state.ledger.dags().map(|(dag, _)| *dag).filter(|dag| state.ledger.has_redactions(dag));
            let dags: Vec<DagId> = dags.collect();
            self.hide_in(team, &dags)?;
        }
        self.hide_originals()?;
        let keys = self.store.locals(local::SOUGHT)?.into_iter();
        self.erasing.noted = keys.filter_map(|(key, _)| key.strip_prefix(local::SOUGHT)?.parse().ok()).collect();
        self.erasing.fresh = self.erasing.noted.clone();
        Ok(())
    }

    fn hide_in(&mut self, team: TeamId, dags: &[DagId]) -> Result<(), ReplicaError> {
        let Some(state) = self.teams.get_mut(&team) else { return Ok(()) };
        for dag in dags {
            let now = state.ledger.redacted(&IncidentId::of_genesis(dag.genesis()));
            let before = state.hidden.by.insert(*dag, now.clone()).unwrap_or_default();
            if now != before {
                self.erasing.is_asked = true;
                self.erasing.fresh.extend(state.changed(dag, &before, &now, &self.store)?);
            }
        }
        Ok(())
    }

    /// What was declared alone and came along stands twice on this device; redacted in the one place, it is in the other.
    fn hide_originals(&mut self) -> Result<(), ReplicaError> {
        let me = self.device();
        let mut originals: BTreeMap<TeamId, ByDag> = BTreeMap::new();
        for state in self.teams.values() {
            for (_, id, redacted) in state.hidden.all() {
                let Some(copy) = state.ledger.entry(id).filter(|copy| copy.key() == me) else { continue };
                let Ok(Fact::Incident(fact)) = copy.fact() else { continue };
                let Some(origin) = fact.origin.map(|origin| origin.entry) else { continue };
                for (team, other) in &self.teams {
                    if let Some(original) = other.ledger.entry(&origin).filter(|original| original.key() == me) {
                        let of = originals.entry(*team).or_default().entry(original.dag()).or_default();
                        of.insert(origin, redacted.clone());
                    }
                }
            }
        }
        for (team, state) in &mut self.teams {
            let now = originals.remove(team).unwrap_or_default();
            let before = std::mem::replace(&mut state.hidden.originals, now.clone());
            if now == before {
                continue;
            }
            self.erasing.is_asked = true;
            let (nothing, dags) = (BTreeMap::new(), before.keys().chain(now.keys()).collect::<BTreeSet<_>>());
            for dag in dags {
                let (before, now) = (before.get(dag).unwrap_or(&nothing), now.get(dag).unwrap_or(&nothing));
                self.erasing.fresh.extend(state.changed(dag, before, now, &self.store)?);
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
        let is_hidden = |hash: &BodyHash| self.teams.values().any(|state| state.hidden.bodies.contains(hash));
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

impl Team {
    /// Takes in what changed of what is hidden in a DAG; gives the bodies that were hidden now.
    fn changed<S: Storage>(
        &mut self,
        dag: &DagId,
        before: &BTreeMap<EntryId, Redacted>,
        now: &BTreeMap<EntryId, Redacted>,
        store: &S,
    ) -> Result<BTreeSet<BodyHash>, ReplicaError> {
        let incident = IncidentId::of_genesis(dag.genesis());
        self.documents.forget(&incident);
        self.summaries.forget(&incident);
        let body_of = |ledger: &Ledger, id: &EntryId| ledger.entry(id).and_then(muster_log::Entry::body);
        let mut fresh = BTreeSet::new();
        for id in now.keys() {
            if let Some(missing) = self.missing_bodies.get_mut(dag) {
                missing.remove(id);
            }
            fresh.extend(body_of(&self.ledger, id).filter(|_| before.get(id) != now.get(id)).map(|body| body.hash));
        }
        for id in before.keys().filter(|id| !now.contains_key(id)) {
            // It is wanted again, if it is not here any more.
            if let Some(body) = body_of(&self.ledger, id)
                && !store.contains_body(&body.hash)?
            {
                self.missing_bodies.entry(*dag).or_default().insert(*id);
            }
        }
        let bodies = self.hidden.all().filter_map(|(_, id, _)| body_of(&self.ledger, id)).map(|body| body.hash);
        let bodies: BTreeSet<BodyHash> = bodies.collect();
        self.hidden.bodies = bodies;
        Ok(fresh)
    }
}
