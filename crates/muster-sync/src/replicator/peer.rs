//! What is known of one connected peer, all of it bounded, all of it forgotten when the peer goes.

use super::bodies::AskedBodies;
use super::index::Indexing;
use super::serve::Serving;
use super::{Context, Standing};
use crate::contract::{CloseReason, Refused};
use crate::frame::{Frame, HeadsDigest, Packed, Part, ShortTip, Want};
use crate::limits::{
    CREDIT_CHUNKS, KNOWN_IDS_MAX, PROGRESS_TIMEOUT_MS, PRUNED_IDS_MAX, RETRY_FIRST_MS, UNKNOWN_DAGS_MAX,
};
use crate::pack::ChunkSize;
use crate::replica::View;
use crate::tick::Tick;
use muster_log::{DagId, DeviceKey, Entry, EntryId, ShortLog, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One connected peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) key: DeviceKey,
    /// Which of all streams this one is.
    pub(super) stream: u64,
    pub(super) connected_at: Tick,
    /// The own wall clock when it connected.
    pub(super) connected_wall: Timestamp,
    pub(super) has_greeted: bool,
    /// Whether it takes part in the team's gossip.
    pub(super) gossips: bool,
    /// What is here of which it has not said that it holds exactly the same.
    pub(super) unequal: BTreeSet<DagId>,
    /// Whether the incidents have been compared or are being so: the peer has our roster.
    pub(super) has_begun: bool,
    /// How long chunks to it become.
    pub(super) chunk: ChunkSize,
    /// Chunks that may be under way to it.
    pub(super) credit: u32,
    /// The number of the chunk sent last.
    pub(super) sent_number: u32,
    /// Chunks under way to it, oldest first.
    pub(super) sent: VecDeque<Sent>,
    pub(super) ack_deadline: Tick,
    pub(super) pairs: BTreeMap<DagId, Pair>,
    /// Those of `pairs` that were not here when last looked at.
    unknown: BTreeSet<DagId>,
    pub(super) index: Indexing,
    /// What it offered and we lack.
    pub(super) wanted: BTreeMap<DagId, Wanted>,
    pub(super) open_want: Option<OpenWant>,
    /// Chunks of it that are being judged.
    pub(super) arriving: u32,
    /// What it asks for, if that waits for credit.
    pub(super) asked: Option<Want>,
    /// The rest of the answer to what it asked for before.
    pub(super) serving: Option<Serving>,
    /// What is new here and on its way to it.
    pub(super) queue: VecDeque<EntryId>,
    /// Whether something waits for credit.
    pub(super) has_to_wait: bool,
    pub(super) asked_bodies: AskedBodies,
    /// Bodies that it asked for and that were not here.
    pub(super) owed: BTreeSet<EntryId>,
    /// What it said last that it cannot admit.
    pub(super) refused: Option<Refused>,
}

/// A chunk under way to the peer.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) number: u32,
    pub(super) dag: DagId,
    /// Its entries on which no other in it builds.
    pub(super) heads: Vec<EntryId>,
    /// The last entries of its runs.
    pub(super) tips: Vec<EntryId>,
    /// Its length before compression.
    pub(super) bytes: usize,
}

/// What is known of the peer in one DAG.
#[derive(Debug, Default)]
pub(super) struct Pair {
    /// The peer has these and everything in their past: it said so or sent them.
    pub(super) stated: BTreeSet<EntryId>,
    /// The HEADS it sent last.
    pub(super) theirs: Option<(HeadsDigest, u64)>,
    /// The heads for which the caller was last told that the peer holds them all.
    pub(super) held: Option<HeadsDigest>,
    /// Whether `stated` leaves out heads that did not fit into that HEADS.
    pub(super) is_partial: bool,
    /// The HEADS we sent last.
    pub(super) told: Option<HeadsDigest>,
    /// When we sent it.
    pub(super) told_at: Option<Tick>,
    /// Its HEADS was not answered yet.
    pub(super) answer_due: bool,
    /// To which HEADS we last answered with HAVE, out of which state, and when.
    pub(super) have_sent: Option<(HeadsDigest, HeadsDigest, Tick)>,
    pub(super) retry: Option<Retry>,
    /// How long HEADS are held back, for gossip or a quota is at work.
    pub(super) patience: Option<Patience>,
    /// When the peer is told what came by gossip, and of which logs.
    pub(super) ack_due: Option<(Tick, BTreeSet<ShortLog>)>,
    /// Entries that it holds durably and that are not here yet.
    pub(super) promised: BTreeSet<EntryId>,
    /// Tips that it acknowledged and that are not here yet.
    pub(super) unresolved: BTreeSet<ShortTip>,
    /// Nothing of the DAG is here, as far as the peer may know, and what it offered brought nothing: until when it is not
    /// asked again.
    pub(super) in_vain: Option<Retry>,
}

/// When HEADS that differ are sent again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    pub(super) at: Tick,
    /// How long the wait before it was, in milliseconds.
    pub(super) wait_ms: u64,
}

/// A time during which it is trusted that what differs comes by itself.
#[derive(Debug)]
pub(super) struct Patience {
    pub(super) until: Tick,
    /// What was on its way to the peer when it began.
    pub(super) heads: Vec<EntryId>,
    /// Something of it exceeded a quota and was set aside.
    pub(super) has_set_aside: bool,
}

/// What the peer offered in one DAG and we lack.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) tips: BTreeSet<ShortTip>,
    pub(super) ids: BTreeSet<EntryId>,
    /// How many entries before each of `ids` are asked for too.
    pub(super) before: u32,
    pub(super) bodies: BTreeSet<EntryId>,
    /// The peer has more tips, after this log.
    pub(super) page: Option<ShortLog>,
}

/// Our WANT that the peer is answering.
#[derive(Debug)]
pub(super) struct OpenWant {
    pub(super) dag: DagId,
    pub(super) ids: Vec<EntryId>,
    pub(super) bodies: Vec<EntryId>,
    pub(super) page: Option<ShortLog>,
    pub(super) deadline: Tick,
    /// Frames that will still put the deadline off: an answer has so many and no more.
    pub(super) signs_left: u32,
    pub(super) has_progress: bool,
    /// The answer's last chunk is here.
    pub(super) has_ended: bool,
}

impl Peer {
    pub(super) fn new(key: DeviceKey, stream: u64, now: Tick, wall: Timestamp, nonce: [u8; 16]) -> Self {
        Self {
            key,
            stream,
            connected_at: now,
            connected_wall: wall,
            has_greeted: false,
            gossips: false,
            unequal: BTreeSet::new(),
            has_begun: false,
            chunk: ChunkSize::FULL,
            credit: 1,
            sent_number: 0,
            sent: VecDeque::new(),
            ack_deadline: now,
            pairs: BTreeMap::new(),
            unknown: BTreeSet::new(),
            index: Indexing::new(nonce),
            wanted: BTreeMap::new(),
            open_want: None,
            arriving: 0,
            asked: None,
            serving: None,
            queue: VecDeque::new(),
            has_to_wait: false,
            asked_bodies: AskedBodies::default(),
            owed: BTreeSet::new(),
            refused: None,
        }
    }

    /// Reads a frame and lets the part of the talk that it belongs to handle it.
    pub(super) fn frame(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let frame = Frame::decode(bytes, cx.core.prefix)?;
        if !self.has_greeted && !matches!(frame, Frame::Hello(_) | Frame::Bye(_)) {
            return Err(CloseReason::OutOfTurn { what: "something before its greeting" });
        }
        match frame {
            Frame::Hello(hello) => self.hello(hello, cx)?,
            Frame::Index(index) => self.index(index, cx),
            Frame::Heads(heads) => self.heads(&heads, cx),
            Frame::Have(have) => self.have(&have, cx),
            Frame::Want(want) => self.asked = Some(want),
            Frame::Roster(packed) => self.chunk(cx.core.roster(), &packed, cx)?,
            Frame::Entries(dag, packed) => self.chunk(dag, &packed, cx)?,
            Frame::Ack(ack) => self.ack(&ack, cx)?,
            Frame::Missing(missing) => self.missing(&missing, cx),
            Frame::Refuse(refuse) => {
                self.refused = Some(Refused { id: refuse.id, code: refuse.code, reason: refuse.reason });
            }
            Frame::Bye(bye) => return Err(self.bye(bye)),
        }
        Ok(())
    }

    /// How many more chunks may be sent now.
    pub(super) fn credit_left(&self) -> usize {
        (self.credit.clamp(1, CREDIT_CHUNKS) as usize).saturating_sub(self.sent.len())
    }

    /// Sends a chunk and remembers it until it is acknowledged.
    pub(super) fn send_chunk(&mut self, dag: DagId, filled: crate::pack::Filled, part: Part, cx: &mut Context<'_>) {
        self.sent_number = self.sent_number.wrapping_add(1);
        if self.sent.is_empty() {
            self.ack_deadline = cx.now.plus_ms(crate::limits::PROGRESS_TIMEOUT_MS);
        }
        let (heads, tips, bytes) = (filled.heads.clone(), filled.tips.clone(), filled.bytes);
        self.sent.push_back(Sent { number: self.sent_number, dag, heads, tips, bytes });
        let packed: Packed = filled.finish(self.sent_number, part);
        let frame = if dag == cx.core.roster() { Frame::Roster(packed) } else { Frame::Entries(dag, packed) };
        cx.core.send(self.key, &frame);
    }

    /// What is known of the peer in a DAG; `None` where that would be one unknown DAG too many.
    pub(super) fn pair(&mut self, dag: DagId, view: View<'_>) -> Option<&mut Pair> {
        if let Some(pair) = self.index.take_same(&dag) {
            self.pairs.insert(dag, pair);
        }
        if !self.pairs.contains_key(&dag) && view.len(&dag) == 0 && dag != view.roster() {
            self.unknown.retain(|dag| view.len(dag) == 0);
            if self.unknown.len() >= UNKNOWN_DAGS_MAX {
                return None;
            }
            self.unknown.insert(dag);
        }
        Some(self.pairs.entry(dag).or_default())
    }

    /// Whether the peer has the entry, or it is on its way.
    pub(super) fn knows(&self, dag: &DagId, id: &EntryId, view: View<'_>) -> bool {
        // What was found equal is kept short until something happens there.
        let same = self.index.same(dag).map(|same| &*same.heads).unwrap_or_default();
        if same.iter().any(|head| head == id || view.is_past(dag, id, head)) {
            return true;
        }
        let stated = self.pairs.get(dag).map(|pair| &pair.stated);
        let sent = || self.sent.iter().filter(|sent| sent.dag == *dag).flat_map(|sent| &sent.heads);
        if stated.is_some_and(|stated| stated.contains(id)) || sent().any(|head| head == id) {
            return true;
        }
        stated.into_iter().flatten().chain(sent()).any(|later| view.is_past(dag, id, later))
    }

    /// Entries that the peer has or that are on their way: with their past, all that it is known to have.
    pub(super) fn latest_known(&self, dag: &DagId) -> Vec<EntryId> {
        let same = self.index.same(dag).map(|same| &*same.heads).unwrap_or_default();
        let stated = self.pairs.get(dag).map(|pair| &pair.stated).into_iter().flatten();
        let sent = self.sent.iter().filter(|sent| sent.dag == *dag).flat_map(|sent| &sent.heads);
        same.iter().chain(stated).chain(sent).copied().collect()
    }

    /// Whether the peer has all of the DAG that is here, or it is on its way.
    pub(super) fn knows_all(&self, dag: &DagId, view: View<'_>) -> bool {
        view.heads(dag).iter().all(|head| self.knows(dag, head, view))
    }

    /// Whether an incident may be spoken of: the peer has our whole roster, so it can judge what we send.
    pub(super) fn is_ready_for(&self, dag: &DagId, view: View<'_>) -> bool {
        *dag == view.roster() || self.knows_all(&view.roster(), view)
    }

    pub(super) fn standing(&self, view: View<'_>) -> Standing {
        let mut standing = Standing { missing_here: Some(0), missing_there: Some(0) };
        let dags: BTreeSet<DagId> =
            view.incidents().into_iter().chain([view.roster()]).chain(self.pairs.keys().copied()).collect();
        for dag in dags {
            let (here, there) = self.differences(&dag, view);
            standing.missing_here = standing.missing_here.zip(here).map(|(sum, here)| sum.saturating_add(here));
            standing.missing_there = standing.missing_there.zip(there).map(|(sum, there)| sum.saturating_add(there));
        }
        standing
    }

    /// How many entries of the DAG are missing here and there.
    fn differences(&self, dag: &DagId, view: View<'_>) -> (Option<u64>, Option<u64>) {
        let ours = view.len(dag);
        if let Some(same) = self.index.same(dag) {
            return (Some(0), Some(ours.saturating_sub(same.count)));
        }
        let Some(pair) = self.pairs.get(dag) else { return (None, None) };
        let theirs = pair.theirs.map(|(_, count)| count);
        let here = match (pair.lacks_nothing(view), self.wanted.get(dag)) {
            (true, _) => Some(0),
            (false, Some(wanted)) if wanted.page.is_none() => Some(wanted.count(dag, view)),
            _ => None,
        };
        if self.knows_all(dag, view) {
            return (here, Some(0));
        }
        // Both have the same union: what is here and missing here, what is there and missing there.
        let there = here.zip(theirs).map(|(here, theirs)| (ours + here).saturating_sub(theirs));
        (here, there)
    }
}

impl OpenWant {
    /// A frame that may belong to the answer. Past those that an answer has, the peer only holds us up: meanwhile nobody
    /// else is asked.
    pub(super) fn sign_of_life(&mut self, now: Tick) {
        if let Some(left) = self.signs_left.checked_sub(1) {
            self.signs_left = left;
            self.deadline = now.plus_ms(PROGRESS_TIMEOUT_MS);
        }
    }
}

impl Pair {
    /// The peer has this entry.
    pub(super) fn state(&mut self, entry: &Entry) {
        for parent in entry.parents() {
            self.stated.remove(&parent);
        }
        self.state_id(entry.id());
    }

    /// The peer has the entry of this id.
    pub(super) fn state_id(&mut self, id: EntryId) {
        if self.stated.len() >= KNOWN_IDS_MAX {
            self.stated.pop_first();
        }
        self.stated.insert(id);
    }

    /// Leaves out of what is known whatever follows from the rest.
    pub(super) fn prune(&mut self, dag: &DagId, view: View<'_>) {
        // Each is compared with each: with too many, what is known is replaced by the next HEADS anyway.
        if (2..=PRUNED_IDS_MAX).contains(&self.stated.len()) {
            let all: Vec<EntryId> = self.stated.iter().copied().collect();
            self.stated.retain(|id| !all.iter().any(|later| view.is_past(dag, id, later)));
        }
    }

    /// Whether everything that the peer is known to have is here.
    pub(super) fn lacks_nothing(&self, view: View<'_>) -> bool {
        !self.is_partial && self.unresolved.is_empty() && self.stated.iter().all(|id| view.contains(id))
    }
}

impl Retry {
    /// The first one after something changed.
    pub(super) fn first(now: Tick) -> Self {
        Self { at: now.plus_ms(RETRY_FIRST_MS), wait_ms: RETRY_FIRST_MS }
    }
}

impl Wanted {
    pub(super) fn is_empty(&self) -> bool {
        self.tips.is_empty() && self.ids.is_empty() && self.bodies.is_empty() && self.page.is_none()
    }

    /// How many entries the tips stand for, ids besides.
    fn count(&self, dag: &DagId, view: View<'_>) -> u64 {
        let ends = log_ends(dag, view);
        let by_log: BTreeMap<ShortLog, u32> = self.tips.iter().map(|tip| (tip.log, tip.seq)).collect();
        let lacking =
            |(log, seq): (&ShortLog, &u32)| u64::from(seq.saturating_sub(ends.get(log).copied().unwrap_or(0)).max(1));
        by_log.iter().map(lacking).sum::<u64>() + self.ids.len() as u64
    }
}

/// The highest sequence number of every log here.
pub(super) fn log_ends(dag: &DagId, view: View<'_>) -> BTreeMap<ShortLog, u32> {
    // Tips come by log and number, so the last one of a log stays.
    view.tips(dag).into_iter().map(|tip| (tip.log, tip.seq)).collect()
}
