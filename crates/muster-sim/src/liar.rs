//! Liars: true members of the team that lie on the wire. Each has a replica that joined and syncs as any other, so that
//! its frames are taken seriously; beside it, it says what no replica would, and keeps silent where it should speak.
//!
//! Here is when a liar lies and what of its links it swallows. What it says is in `forged` (entries), `hearsay` (gossip),
//! `ranges` (INDEX), `trust` (who is in the team) and `asked` (everything else), what it writes with in `pen`, what must hold in spite of it in `judge`.

mod asked;
mod forged;
mod ground;
mod hearsay;
mod judge;
mod lie;
mod pen;
mod ranges;
mod trust;

pub use lie::{Lie, LieCounts};

use crate::failure::Wrong;
use crate::link::LinkId;
use crate::rng::Rng;
use crate::world::{Event, World};
use ground::Ground;
use judge::Answer;
use muster_log::{Claimed, DagId, DeviceKey, IncidentId};
use muster_sync::frame::Frame;
use std::collections::{BTreeMap, VecDeque};

/// Frames that a liar remembers to say them again.
const HEARD_MAX: usize = 64;

/// Valid entries that one liar floods with in one history: what it costs is the same after that, only more.
const FLOOD_ENTRIES_MAX: u32 = 300;

/// Valid entries of one flood at most.
const FLOOD_AT_ONCE: u64 = 80;

/// Messages that are given to gossip again at one time, at most.
const RUMOURS_AGAIN_MAX: u64 = 20;

/// Ways of lying that one liar has at most.
const LIES_EACH_MAX: u64 = 3;

/// Once everything else is over, liars go on so many times slower, and add no more entries.
const CALM_FACTOR: u64 = 16;

/// A frame and to whom it goes.
type Said = (usize, Vec<u8>);

/// What a liar says at one time.
#[derive(Debug)]
enum Words {
    /// Over its links.
    Frames(Vec<Said>),
    /// By gossip.
    Gossip(Vec<Said>),
}

/// All liars of a history: the last of its nodes.
#[derive(Debug)]
pub(crate) struct Liars {
    /// The number of the first.
    first: usize,
    all: BTreeMap<usize, Liar>,
    /// What the frame that is being taken made an honest node say.
    answer: Answer,
    are_calm: bool,
}

/// One liar.
#[derive(Debug)]
struct Liar {
    rng: Rng,
    lies: Vec<Lie>,
    every_ms: u64,
    /// Frames that it sent or got, the oldest first.
    heard: VecDeque<Vec<u8>>,
    moods: BTreeMap<usize, Mood>,
    flooded: u32,
    /// What somebody honest gave it.
    trusted: trust::Trusted,
}

/// How it treats one link.
#[derive(Debug, Clone, Copy)]
struct Mood {
    link: LinkId,
    /// Frames that it will still send there; `None` = all.
    says: Option<u32>,
    /// Frames that it will still take from there; `None` = all.
    takes: Option<u32>,
    /// Bytes that lie there unread.
    unread_bytes: u64,
}

impl Liars {
    /// The last `liars` of the nodes lie, in ways drawn or in the one given.
    pub(crate) fn draw(rng: &mut Rng, honest: usize, liars: usize, only: Option<Lie>) -> Self {
        let draw = |rng: &mut Rng| {
            let any = |rng: &mut Rng| rng.pick(&Lie::ALL[..Lie::DRAWN]).map_or(Lie::Forged, |(lie, _)| *lie);
            let lies = match only {
                Some(lie) => vec![lie],
                None => (0..rng.between(1, LIES_EACH_MAX)).map(|_| any(rng)).collect(),
            };
            let every_ms = rng.pick(&[150, 500, 1_500]).copied().unwrap_or(500);
            let (heard, moods) = (VecDeque::new(), BTreeMap::new());
            Liar { rng: rng.fork(), lies, every_ms, heard, moods, flooded: 0, trusted: trust::Trusted::default() }
        };
        let all = (honest..honest + liars).map(|n| (n, draw(rng))).collect();
        Self { first: honest, all, answer: Answer::default(), are_calm: false }
    }
}

impl World {
    pub(crate) fn is_liar(&self, n: usize) -> bool {
        n >= self.liars.first
    }

    /// The numbers of all honest nodes.
    pub(crate) fn honest(&self) -> std::ops::Range<usize> {
        0..self.liars.first
    }

    /// Liars begin once they are in the team.
    pub(crate) fn plan_lies(&mut self) {
        let all: Vec<usize> = self.liars.all.keys().copied().collect();
        all.into_iter().for_each(|n| self.plan(0, Event::Lie(n)));
    }

    /// From now on liars add nothing that everybody would have to hold.
    pub(crate) fn calm_liars(&mut self) {
        self.liars.are_calm = true;
    }

    /// One liar lies to whom it has links with.
    pub(crate) fn lie(&mut self, n: usize) -> Result<(), Wrong> {
        let Some(mut liar) = self.liars.all.remove(&n) else { return Ok(()) };
        let factor = if self.liars.are_calm { CALM_FACTOR } else { 1 };
        let after = liar.rng.between(liar.every_ms / 2, liar.every_ms * 3 / 2);
        self.plan(after * factor, Event::Lie(n));
        self.trust(n, &mut liar)?;
        let peers: Vec<usize> = self.links.peers(n).into_iter().filter(|peer| !self.is_liar(*peer)).collect();
        let said = self.words(n, &mut liar, &peers);
        self.liars.all.insert(n, liar);
        let Some((lie, words)) = said else { return Ok(()) };
        let (Words::Frames(said) | Words::Gossip(said)) = &words;
        self.tally.lies.note(lie);
        tracing::debug!(node = n, at = self.now, lie = lie.word(), count = said.len(), "lie");
        match words {
            Words::Frames(frames) => frames.into_iter().for_each(|(to, frame)| self.utter(n, to, frame)),
            Words::Gossip(messages) => messages.into_iter().for_each(|(to, message)| self.whisper(n, to, message)),
        }
        Ok(())
    }

    /// What a liar says now, and to whom.
    fn words(&self, n: usize, liar: &mut Liar, peers: &[usize]) -> Option<(Lie, Words)> {
        let team = self.team?;
        let replica = self.nodes[n].replica.as_ref().filter(|_| self.nodes[n].is_member(&team))?;
        let now = self.nodes[n].now(self.now);
        let honest: Vec<DeviceKey> = self.honest().map(|n| self.nodes[n].key).collect();
        let secret = self.nodes[n].secret();
        let ground = Ground {
            team,
            ledger: replica.ledger(&team).ok()?,
            secret: &secret,
            claimed: Claimed { time: now.wall, offset_minutes: now.offset_minutes },
            honest: &honest,
        };
        let lie = *liar.rng.pick(&liar.lies)?;
        if self.liars.are_calm && lie.adds_entries() {
            return None;
        }
        if matches!(lie, Lie::Gossip | Lie::Presence) {
            return Some((lie, self.rumours(n, lie, &ground, &mut liar.rng, peers)?));
        }
        let to = *liar.rng.pick(peers)?;
        let other = *liar.rng.pick(peers)?;
        let rng = &mut liar.rng;
        let to_one = |frames: Vec<Vec<u8>>| frames.into_iter().map(|frame| (to, frame)).collect();
        let frames: Vec<Said> = match lie {
            Lie::Forged => to_one(vec![forged::forged(&ground, rng)?]),
            Lie::Replayed => {
                let again: Vec<Vec<u8>> = liar.heard.iter().cloned().collect();
                (0..rng.between(1, 5)).filter_map(|_| Some((*rng.pick(peers)?, rng.pick(&again)?.clone()))).collect()
            }
            Lie::Oversize => to_one(vec![asked::oversize(&ground, rng)?]),
            Lie::Misdated => to_one(vec![forged::misdated(&ground, rng)?]),
            Lie::Newer => to_one(vec![forged::newer(&ground, rng)?]),
            Lie::Unsatisfiable => to_one(forged::unsatisfiable(&ground, rng)?),
            Lie::Forking => forged::fork(&ground, rng).map(|[one, two]| vec![(to, one), (other, two)])?,
            Lie::Withheld => forged::withheld(&ground, rng).map(|[one, two]| vec![(to, one), (other, two)])?,
            Lie::Flooding if rng.chance(400) => {
                let left = FLOOD_ENTRIES_MAX.saturating_sub(liar.flooded);
                let count = left.min(u32::try_from(rng.between(1, FLOOD_AT_ONCE)).unwrap_or(1));
                liar.flooded += count;
                if count == 0 || self.liars.are_calm {
                    return None;
                }
                to_one(vec![forged::flood(&ground, count, rng)?])
            }
            Lie::Flooding | Lie::SlowReading => to_one(asked::questions(&ground, rng)?),
            Lie::HalfOpen => return None,
            Lie::Gossip | Lie::Presence => return None, // said by gossip
            Lie::Index => {
                let heard: Vec<Vec<u8>> = liar.heard.iter().cloned().collect();
                to_one(ranges::ranges(&ground, &heard, rng))
            }
            Lie::Unauthorised | Lie::Deposing | Lie::Removed | Lie::TicketTwice => {
                trust::trust_words(lie, &ground, &self.removed_liar(), liar, (to, other))?
            }
            Lie::Misleading => to_one(asked::misleading(&ground, rng)?),
            Lie::Stalling => {
                let dag = ground.incident(rng)?;
                peers.iter().flat_map(|to| asked::offer(&ground, dag, rng).map(|frame| (*to, frame))).collect()
            }
        };
        Some((lie, Words::Frames(frames)))
    }

    /// What a liar gives to gossip: to one neighbour or to all, what is new or what it once heard.
    fn rumours(&self, n: usize, lie: Lie, ground: &Ground<'_>, rng: &mut Rng, peers: &[usize]) -> Option<Words> {
        let hearing: Vec<usize> = peers.iter().copied().filter(|peer| self.nodes[*peer].gossips).collect();
        let to = *rng.pick(&hearing)?;
        let messages = if rng.chance(250) {
            let heard = self.air.heard_by(n);
            (0..rng.between(1, RUMOURS_AGAIN_MAX)).filter_map(|_| rng.pick(&heard).cloned()).collect()
        } else if lie == Lie::Gossip {
            hearsay::gossip(ground, rng)?
        } else {
            hearsay::presence(ground, rng)?
        };
        let to_all = rng.chance(300);
        let said = |message: Vec<u8>| match to_all {
            true => hearing.iter().map(|to| (*to, message.clone())).collect(),
            false => vec![(to, message)],
        };
        Some(Words::Gossip(messages.into_iter().flat_map(said).collect()))
    }

    fn utter(&mut self, n: usize, to: usize, frame: Vec<u8>) {
        self.remember_frame(n, &frame);
        let arrival = self.now + self.travel_ms();
        if self.weather.carries(n, to)
            && let Some((link, arrival)) = self.links.send(n, to, arrival)
        {
            self.plan(arrival - self.now, Event::Arrive { from: n, to, link, frame });
        }
    }

    /// A liar may want to say this again.
    pub(crate) fn remember_frame(&mut self, n: usize, frame: &[u8]) {
        if self.is_private(n, frame) {
            return;
        }
        let Some(liar) = self.liars.all.get_mut(&n) else { return };
        if liar.heard.len() >= HEARD_MAX {
            liar.heard.pop_front();
        }
        liar.heard.push_back(frame.to_vec());
    }

    /// Whether a frame is about an incident that not the whole team may see, as far as the liar knows: what it may read
    /// it may copy, and nothing keeps it from that.
    fn is_private(&self, n: usize, frame: &[u8]) -> bool {
        let Some(team) = self.team else { return false };
        let dag = match Frame::decode(frame, team.into()) {
            Ok(Frame::Heads(heads)) => heads.dag,
            Ok(Frame::Have(have)) => have.dag,
            Ok(Frame::Want(want)) => want.dag,
            Ok(Frame::Entries(dag, _)) => dag,
            Ok(Frame::Ack(ack)) => ack.dag,
            Ok(Frame::Missing(missing)) => missing.dag,
            _ => return false,
        };
        let ledger = self.nodes[n].replica.as_ref().and_then(|replica| replica.ledger(&team).ok());
        dag != DagId::from(team)
            && ledger.is_some_and(|ledger| ledger.names(&IncidentId::of_genesis(dag.genesis())).is_some())
    }

    /// Whether what the replica of `n` has to say is said: of an honest node all, of a liar what it lets pass.
    pub(crate) fn lets_pass(&mut self, n: usize, to: usize, link: LinkId, frame: &[u8]) -> bool {
        if !self.may_lie(n) || self.is_liar(to) {
            return true;
        }
        let Some(liar) = self.liars.all.get_mut(&n) else { return true };
        // ROSTER, ENTRIES, MISSING: whatever would be an answer.
        if liar.lies.contains(&Lie::Stalling) && matches!(frame.get(1), Some(2 | 7 | 9)) {
            self.tally.lies.note(Lie::Stalling);
            return false;
        }
        match &mut liar.mood(to, link).says {
            None => true,
            Some(0) => {
                self.tally.lies.note(Lie::HalfOpen);
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// Whether what came to `n` is taken.
    pub(crate) fn takes(&mut self, n: usize, from: usize, link: LinkId, frame: &[u8]) -> bool {
        if !self.may_lie(n) || self.is_liar(from) {
            return true;
        }
        self.remember_frame(n, frame);
        let Some(liar) = self.liars.all.get_mut(&n) else { return true };
        match &mut liar.mood(from, link).takes {
            None => true,
            Some(0) => {
                self.tally.lies.note(Lie::SlowReading);
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// Whether a node is a liar that is in the team: before that nobody would listen.
    fn may_lie(&self, n: usize) -> bool {
        self.is_liar(n) && self.team.is_some_and(|team| self.nodes[n].is_member(&team))
    }
}

impl Liar {
    /// How it treats the link to a peer, decided anew for each link.
    fn mood(&mut self, peer: usize, link: LinkId) -> &mut Mood {
        if self.moods.get(&peer).is_none_or(|mood| mood.link != link) {
            let rng = &mut self.rng;
            let mut few = |lies: bool| (lies && rng.chance(600)).then(|| u32::try_from(rng.below(8)).unwrap_or(0));
            let says = few(self.lies.contains(&Lie::HalfOpen));
            let takes = few(self.lies.contains(&Lie::SlowReading));
            self.moods.insert(peer, Mood { link, says, takes, unread_bytes: 0 });
        }
        self.moods.entry(peer).or_insert(Mood { link, says: None, takes: None, unread_bytes: 0 })
    }
}
