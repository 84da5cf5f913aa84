//! Two replicas on disks that fail: redactions and compactions with a kill or a power cut between any two calls to the disk.
//!
//! The other histories keep their entries in memory. Here the store is the real one, on [`FaultyDisk`], and what is looked at is
//! what its files hold: what was acknowledged is there after each restart, a text is in no file once its author was told that it
//! is erased, and in the end both show the same. The index is in memory: sled's files are not behind that disk.

use crate::rng::Rng;
use muster_incident::{Act, Aside};
use muster_log::fact::Capability;
use muster_log::{BodyHash, DeviceKey, DeviceSecret, EntryId, IncidentId, SessionId, TeamId, Timestamp};
use muster_replica::{Effect, Input, JoinAnswer, Now, Replica, ReplicaError};
use muster_store::{CompactionStep, Disk, DiskStore, Fault, FaultyDisk, OpenOptions, Storage};
use muster_sync::Tick;
use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where each store lies on its disk.
const HOME: &str = "/home/store";

/// Things that happen in one history.
const ACTS: u64 = 160;

/// 2026-01-01 00:00 UTC.
const EPOCH_MS: i64 = 1_767_225_600_000;

/// Calls to the disk among which a fault is drawn: as many as an erasure of so small a home makes.
const CALLS_MAX: u64 = 60;

/// Bytes of the journal that are written anew in one step: so few that the smallest home takes some.
const SLICE_BYTES: usize = 4 * 1024;

/// How long the two have in the end, in milliseconds: many times the pause between two erasures.
const END_MS: u64 = 15 * 60_000;

/// How a packed part of an archive begins (zstd).
const PACKED: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bytes of a packed part once inflated, at most.
const INFLATED_MAX: usize = 4 * 1024 * 1024;

/// What a history counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskTally {
    /// Kills.
    pub kills: u64,
    /// Power cuts.
    pub cuts: u64,
    /// Of both, those that struck an erasure.
    pub in_erasures: u64,
    /// Of both, those that struck a compaction.
    pub in_compactions: u64,
    /// Texts of which somebody was told that they are erased.
    pub erased: u64,
    /// Compactions that came to their end.
    pub compacted: u64,
}

impl DiskTally {
    /// Counts another history in.
    pub fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.cuts += other.cuts;
        self.in_erasures += other.in_erasures;
        self.in_compactions += other.in_compactions;
        self.erased += other.erased;
        self.compacted += other.compacted;
    }
}

impl fmt::Display for DiskTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, cuts, in_erasures, in_compactions, erased, compacted } = self;
        write!(f, "{kills} kills and {cuts} power cuts, {in_erasures} of them in erasures and {in_compactions} in ")?;
        write!(f, "compactions; {erased} texts erased, {compacted} compactions done")
    }
}

/// A broken promise.
#[derive(Debug, thiserror::Error)]
#[error("seed {seed}, after {acts} acts: {what}\n  replay: cargo xtask sim --on-disk --seed {seed}")]
pub struct DiskFailure {
    /// The seed.
    pub seed: u64,
    /// How far the history was.
    pub acts: u64,
    /// What is wrong.
    pub what: String,
}

/// Plays the history of one seed to its end.
///
/// # Errors
/// [`DiskFailure`]. The same seed fails in the same way, every time.
pub fn play_on_disk(seed: u64) -> Result<DiskTally, DiskFailure> {
    let mut acts = 0;
    history(seed, &mut acts).map_err(|what| DiskFailure { seed, acts, what })
}

fn history(seed: u64, acts: &mut u64) -> Result<DiskTally, String> {
    let mut room = Room::begin(seed)?;
    while *acts < ACTS {
        *acts += 1;
        room.act()?;
    }
    room.end()?;
    Ok(room.tally)
}

/// A text that somebody wrote here and was told is safe.
#[derive(Debug, Clone)]
struct Said {
    entry: EntryId,
    hash: BodyHash,
    text: String,
    is_redacted: bool,
}

struct Desk {
    seed: [u8; 32],
    disk: FaultyDisk,
    replica: Option<Replica<DiskStore>>,
    /// A fault is set that may have struck.
    is_armed: bool,
    is_compacting: bool,
    said: Vec<Said>,
    /// Texts whose redaction is durable and which are being erased.
    going: Vec<String>,
    /// Texts of which their author was told that they are erased here.
    gone: Vec<String>,
}

struct Room {
    rng: Rng,
    tick: u64,
    desks: Vec<Desk>,
    team: TeamId,
    incident: IncidentId,
    number: u64,
    tally: DiskTally,
}

/// What a replica says when its store failed, else what is wrong.
fn is_down<T>(done: Result<T, ReplicaError>) -> Result<Option<T>, String> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(ReplicaError::Store(_)) => Ok(None),
        Err(error) => Err(format!("a replica failed: {error}")),
    }
}

fn told<E: fmt::Display>(error: E) -> String {
    error.to_string()
}

impl Desk {
    fn open(&mut self, rng: &mut Rng) -> Result<(), String> {
        let options = OpenOptions::write(rng.bytes()).index_in_memory().slice_bytes(SLICE_BYTES);
        let options = options.disk(Arc::new(self.disk.clone()));
        let (store, report) = DiskStore::open(Path::new(HOME), options).map_err(told)?;
        if !report.damage.is_empty() {
            return Err(format!("damage after a restart: {:?}", report.damage));
        }
        let secret = DeviceSecret::from_seed(&self.seed);
        let session = SessionId::from_bytes(rng.bytes());
        self.replica = Some(Replica::open(store, secret, session, Box::new(rng.fork())).map_err(told)?);
        Ok(())
    }

    fn key(&self) -> DeviceKey {
        DeviceSecret::from_seed(&self.seed).public()
    }

    /// Whether any file holds a text, as it is or packed.
    fn holding(&self, text: &str) -> Option<PathBuf> {
        let holds = |path: &PathBuf| self.disk.contents(path).is_some_and(|bytes| holds(&bytes, text.as_bytes()));
        files(&self.disk, Path::new(HOME)).into_iter().find(holds)
    }

    fn check_gone(&self) -> Result<(), String> {
        for text in &self.gone {
            if let Some(path) = self.holding(text) {
                return Err(format!("{text:?} was said to be erased and is in {}", path.display()));
            }
        }
        Ok(())
    }

    /// What was acknowledged is there, with its text if nobody redacted that.
    fn check_said(&self, team: &TeamId) -> Result<(), String> {
        let Some(replica) = &self.replica else { return Ok(()) };
        for Said { entry, hash, text, .. } in &self.said {
            let is_known = replica.ledger(team).is_ok_and(|ledger| ledger.entry(entry).is_some());
            let is_stored = replica.store().contains(entry).map_err(told)?;
            let has_text = replica.store().contains_body(hash).map_err(told)? || replica.is_redacted(team, entry);
            if !(is_known && is_stored && has_text) {
                return Err(format!("{text:?} was acknowledged and is lost"));
            }
        }
        Ok(())
    }
}

fn files(disk: &FaultyDisk, dir: &Path) -> Vec<PathBuf> {
    let paths = disk.list(dir).unwrap_or_default().into_iter().map(|name| dir.join(name));
    paths.flat_map(|path| if disk.list(&path).is_ok() { files(disk, &path) } else { vec![path] }).collect()
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    let is_in = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let inflated = |at: usize| {
        let packed = bytes.get(at..)?;
        let size = zstd::zstd_safe::find_frame_compressed_size(packed).ok()?;
        zstd::bulk::decompress(packed.get(..size)?, INFLATED_MAX).ok()
    };
    let starts = (0..bytes.len()).filter(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(&PACKED)));
    is_in(bytes) || starts.filter_map(inflated).any(|inflated| is_in(&inflated))
}

impl Room {
    /// Two members and an incident; nothing goes wrong yet.
    fn begin(seed: u64) -> Result<Self, String> {
        let mut rng = Rng::new(seed);
        let mut desks = Vec::new();
        for _ in 0..2 {
            let mut desk = Desk {
                seed: rng.bytes(),
                disk: FaultyDisk::new(),
                replica: None,
                is_armed: false,
                is_compacting: false,
                said: Vec::new(),
                going: Vec::new(),
                gone: Vec::new(),
            };
            desk.open(&mut rng)?;
            desks.push(desk);
        }
        let now = now(1);
        let [Some(founder), Some(newcomer)] = [0, 1].map(|n: usize| desks.get_mut(n).and_then(|d| d.replica.take()))
        else {
            return Err("there are no two desks".to_owned());
        };
        let (mut founder, mut newcomer) = (founder, newcomer);
        let team = founder.create_team("ana", now).map_err(told)?;
        let until = now.wall.plus_ms(3_600_000);
        // Who is reached there may bring the roster; nobody dials.
        let addresses = ["/ip4/127.0.0.1/tcp/7001".to_owned()];
        let ticket = founder.invite(team, Capability::Responder, None, until, &addresses, now).map_err(told)?;
        let declared = Act::Declare {
            title: "checkout is down".into(),
            severity: Some(2),
            drill: false,
            suspected: false,
            private: vec![],
        };
        let incident = founder.write(team, None, &declared, &Aside::default(), now).map_err(told)?.incident;
        founder.commit(now).map_err(told)?;
        let request = newcomer.join_request(&ticket, "ben", now).map_err(told)?;
        newcomer.commit(now).map_err(told)?;
        let answer = founder.answer_join(&newcomer.device(), &request, now).map_err(told)?;
        founder.commit(now).map_err(told)?;
        if answer != JoinAnswer::Welcome {
            return Err(format!("the newcomer is not let in: {answer:?}"));
        }
        newcomer.joined(&ticket).map_err(told)?;
        newcomer.commit(now).map_err(told)?;
        for (desk, replica) in desks.iter_mut().zip([founder, newcomer]) {
            desk.replica = Some(replica);
        }
        let mut room = Self { rng, tick: 1, desks, team, incident, number: 0, tally: DiskTally::default() };
        room.connect()?;
        room.settle()?;
        Ok(room)
    }

    fn now(&self) -> Now {
        now(self.tick)
    }

    fn act(&mut self) -> Result<(), String> {
        self.tick += self.rng.between(1, 50);
        let n = self.rng.index(self.desks.len());
        if self.desks[n].replica.is_none() {
            return self.restart(n);
        }
        if !self.desks[n].is_armed && self.rng.chance(250) {
            let (nth, fault) =
                (self.rng.between(1, CALLS_MAX), if self.rng.chance(200) { Fault::Full } else { Fault::Half });
            // A full disk has room again; one that is off stays so until the restart.
            let times = if fault == Fault::Full { self.rng.between(1, 6) } else { u64::MAX / 2 };
            self.desks[n].disk.fail_times(nth, times, fault);
            self.desks[n].is_armed = true;
        }
        match self.rng.below(100) {
            0..40 => self.say(n),
            40..55 => self.redact(n),
            55..72 => self.compact(n),
            72..84 => self.settle(),
            84..97 => {
                let ms = self.rng.between(1, 8_000);
                self.pass(ms)
            }
            _ => self.crash(n),
        }
    }

    fn say(&mut self, n: usize) -> Result<(), String> {
        self.number += 1;
        let long = if self.rng.chance(100) { "x".repeat(3_000) } else { String::new() };
        let text = format!("note {} of desk {n}: {}{long}", self.number, self.rng.next());
        let (team, incident, now) = (self.team, self.incident, self.now());
        let Some(replica) = &mut self.desks[n].replica else { return Ok(()) };
        let said = Act::Say { text: text.clone() };
        let written = replica.write(team, Some(incident), &said, &Aside::default(), now);
        let Some(written) = is_down(written)? else { return self.crash(n) };
        if is_down(replica.commit(now))?.is_none() {
            return self.crash(n);
        }
        let body = replica.ledger(&team).ok().and_then(|ledger| ledger.entry(&written.entry)?.body());
        let hash = body.ok_or("an entry that was just written has no body")?.hash;
        self.desks[n].said.push(Said { entry: written.entry, hash, text, is_redacted: false });
        Ok(())
    }

    /// Takes back one of the own texts.
    fn redact(&mut self, n: usize) -> Result<(), String> {
        let (team, incident, now) = (self.team, self.incident, self.now());
        let candidates: Vec<usize> =
            (self.desks[n].said.iter().enumerate()).filter(|(_, said)| !said.is_redacted).map(|(at, _)| at).collect();
        let Some(at) = self.rng.pick(&candidates).copied() else { return Ok(()) };
        let desk = &mut self.desks[n];
        let (Some(replica), Some(said)) = (&mut desk.replica, desk.said.get_mut(at)) else { return Ok(()) };
        let act = Act::Redact { id: said.entry.to_string(), reason: "pasted a password".into() };
        let Some(_) = is_down(replica.write(team, Some(incident), &act, &Aside::default(), now))? else {
            return self.crash(n);
        };
        // If this fails it may or may not be there, and nobody was told anything.
        said.is_redacted = true;
        let text = said.text.clone();
        if is_down(replica.commit(now))?.is_none() {
            return self.crash(n);
        }
        desk.going.push(text);
        self.look_at_going(n)
    }

    /// Who redacted is told once it is done here.
    fn look_at_going(&mut self, n: usize) -> Result<(), String> {
        let desk = &mut self.desks[n];
        let Some(replica) = desk.replica.as_ref().filter(|replica| !replica.owes_erasure()) else { return Ok(()) };
        let now = now(self.tick);
        if desk.going.is_empty() || replica.unerased(now).map_err(told)?.due > 0 {
            // Without room it is erased later, and nobody is told that it is.
            desk.going.clear();
            return Ok(());
        }
        self.tally.erased += desk.going.len() as u64;
        desk.gone.append(&mut desk.going);
        // A disk that is off removes nothing any more; then the restart does.
        if desk.is_armed { Ok(()) } else { desk.check_gone() }
    }

    fn compact(&mut self, n: usize) -> Result<(), String> {
        let (incident, now) = (self.incident, self.now());
        let desk = &mut self.desks[n];
        let Some(replica) = &mut desk.replica else { return Ok(()) };
        if !desk.is_compacting {
            desk.is_compacting = true;
            return match is_down(replica.begin_compaction(&[incident], now))? {
                Some(_) => Ok(()),
                None => self.crash(n),
            };
        }
        match is_down(replica.step_compaction(now))? {
            Some(CompactionStep::Packed { .. }) => Ok(()),
            Some(CompactionStep::Done(_)) => {
                desk.is_compacting = false;
                self.tally.compacted += 1;
                Ok(())
            }
            None => self.crash(n),
        }
    }

    /// Lets time pass, in which whatever is due is done.
    fn pass(&mut self, ms: u64) -> Result<(), String> {
        let until = self.tick + ms;
        loop {
            let deadlines = self.desks.iter().filter_map(|desk| desk.replica.as_ref()?.deadline());
            let Some(due) = deadlines.min().filter(|due| due.0 <= until) else { break };
            self.tick = self.tick.max(due.0);
            let now = self.now();
            for n in 0..self.desks.len() {
                let replica = self.desks[n].replica.as_mut();
                let Some(replica) = replica.filter(|replica| replica.deadline().is_some_and(|at| at <= now.tick))
                else {
                    continue;
                };
                match is_down(replica.handle(Input::Timeout, now))? {
                    Some(()) => self.look_at_going(n)?,
                    None => self.crash(n)?,
                }
            }
            self.settle()?;
        }
        self.tick = self.tick.max(until);
        Ok(())
    }

    /// Carries frames until there are none.
    fn settle(&mut self) -> Result<(), String> {
        loop {
            let mut frames: VecDeque<(DeviceKey, DeviceKey, Vec<u8>)> = VecDeque::new();
            for desk in &mut self.desks {
                let from = desk.key();
                for effect in desk.replica.iter_mut().flat_map(|replica| replica.take_effects()) {
                    match effect {
                        Effect::Send { peer, frame } => frames.push_back((from, peer, frame)),
                        Effect::Close { reason, .. } => return Err(format!("a link was closed: {reason}")),
                        _ => {}
                    }
                }
            }
            if frames.is_empty() {
                return Ok(());
            }
            for (peer, to, bytes) in frames {
                self.tick += 1;
                let now = self.now();
                let Some(n) = self.desks.iter().position(|desk| desk.key() == to) else { continue };
                let Some(replica) = &mut self.desks[n].replica else { continue };
                match is_down(replica.handle(Input::Frame { peer, bytes }, now))? {
                    Some(()) => self.look_at_going(n)?,
                    // What is under way is lost with the links.
                    None => return self.crash(n),
                }
            }
        }
    }

    /// Each hears that the other is there.
    fn connect(&mut self) -> Result<(), String> {
        if self.desks.iter().any(|desk| desk.replica.is_none()) {
            return Ok(());
        }
        let keys: Vec<DeviceKey> = self.desks.iter().map(Desk::key).collect();
        let now = self.now();
        for n in 0..self.desks.len() {
            for peer in keys.iter().copied().filter(|peer| *peer != keys[n]) {
                let Some(replica) = &mut self.desks[n].replica else { return Ok(()) };
                if is_down(replica.handle(Input::Connected { peer }, now))?.is_none() {
                    return self.crash(n);
                }
            }
        }
        Ok(())
    }

    /// The process is killed, or the power fails.
    fn crash(&mut self, n: usize) -> Result<(), String> {
        let seed = self.rng.next();
        let is_cut = self.rng.chance(500);
        let desk = &mut self.desks[n];
        let Some(replica) = desk.replica.take() else { return Ok(()) };
        self.tally.in_erasures += u64::from(replica.is_erasing());
        self.tally.in_compactions += u64::from(desk.is_compacting);
        drop(replica);
        desk.disk.fail_times(1, 0, Fault::Error);
        if is_cut {
            desk.disk = desk.disk.cut(seed);
            self.tally.cuts += 1;
        } else {
            self.tally.kills += 1;
        }
        (desk.is_armed, desk.is_compacting) = (false, false);
        desk.going.clear();
        let (gone, now) = (desk.key(), self.now());
        for other in 0..self.desks.len() {
            let Some(replica) = &mut self.desks[other].replica else { continue };
            // Frames on their way are gone too.
            replica.take_effects();
            if is_down(replica.handle(Input::Disconnected { peer: gone }, now))?.is_none() {
                return self.crash(other);
            }
        }
        Ok(())
    }

    fn restart(&mut self, n: usize) -> Result<(), String> {
        self.desks[n].open(&mut self.rng)?;
        let desk = &self.desks[n];
        desk.check_said(&self.team)?;
        desk.check_gone()?;
        self.connect()
    }

    /// No more faults: both come to hold and to show the same, and nothing that was redacted is left anywhere.
    fn end(&mut self) -> Result<(), String> {
        for n in 0..self.desks.len() {
            self.crash(n)?;
        }
        for n in 0..self.desks.len() {
            self.restart(n)?;
        }
        self.settle()?;
        self.pass(END_MS)?;
        let mut views = Vec::new();
        for desk in &mut self.desks {
            desk.check_said(&self.team)?;
            desk.check_gone()?;
            let Some(replica) = &mut desk.replica else { return Err("a desk went down without a fault".to_owned()) };
            let view = replica.view(self.team, self.incident).map_err(told)?;
            views.push(serde_json::to_string(&view.timeline).map_err(told)?);
        }
        if views.first() != views.last() {
            return Err("both hold the same and show different things".to_owned());
        }
        for said in self.desks.iter().flat_map(|desk| &desk.said) {
            for desk in &self.desks {
                let Some(replica) = &desk.replica else { continue };
                let is_redacted = replica.is_redacted(&self.team, &said.entry);
                match desk.holding(&said.text) {
                    Some(path) if is_redacted => {
                        return Err(format!("{:?} is redacted and still in {}", said.text, path.display()));
                    }
                    None if !is_redacted => return Err(format!("{:?} did not come to everybody", said.text)),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn now(tick: u64) -> Now {
    let wall = Timestamp(EPOCH_MS).plus_ms(i64::try_from(tick).unwrap_or(i64::MAX));
    Now { tick: Tick(tick), wall, offset_minutes: 0 }
}
