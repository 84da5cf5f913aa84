//! What comes by gossip: entries, announcements, and the verdict on each message.
//!
//! A message goes on to other neighbours once its entries are admitted here and durable. Whoever passes one on has
//! admitted it, so a message is the neighbour's receipt too.

use super::Replicator;
use super::proven::{Charge, hidden, is_genuine_here, needs_of};
use crate::contract::{Admission, ChunkId, GossipId, Output, Verdict};
use crate::frame::{Announcement, FrameError, Gossip, Packed, Part};
use crate::limits::{
    ANNOUNCED_MAX, ANNOUNCED_MS, ANNOUNCED_TOLD_MAX, GOSSIP_RAW_BYTES_MAX, GOSSIP_ROWS_MAX, IDS_MAX, ORIGINS_MAX,
    QUOTA_WAIT_MS,
};
use crate::replica::{Replica, View};
use crate::tick::Tick;
use crate::unpack::{Unpacked, unpack};
use muster_log::fact::{Declare, IncidentFact, Visibility, What};
use muster_log::{DagId, DeviceKey, Entry, EntryId, Fact, Received};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The number of the refusal (`muster_log`'s `Refusal::code`) of an entry whose signature is not its author's.
pub(crate) const FORGED: u16 = 40;

/// By what way an entry came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was written here, or brought by hand.
    Here,
    Gossip,
    Chunk,
}

/// What all of gossip shares.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The peers that take part, connected or not.
    pub(super) peers: BTreeSet<DeviceKey>,
    /// Messages handed out for admission.
    pub(super) judging: BTreeMap<ChunkId, Heard>,
    /// How entries came that were handed out for admission and are not told as news yet.
    pub(super) origins: BTreeMap<EntryId, Origin>,
    /// Announced entries that are being fetched.
    pub(super) announced: BTreeMap<EntryId, Announced>,
    /// Entries whose announcement went on lately, the latest last: it goes on once.
    told: VecDeque<EntryId>,
}

/// A message that is being judged.
#[derive(Debug)]
pub(super) struct Heard {
    gossip: GossipId,
    peer: DeviceKey,
    pub(super) dag: DagId,
    ids: Vec<EntryId>,
    /// What they build on that is here and that the peer may not see.
    hidden: BTreeSet<EntryId>,
}

/// Messages that wait for an entry.
#[derive(Debug)]
pub(super) struct Announced {
    messages: Vec<(GossipId, Announcement)>,
    until: Tick,
}

impl State {
    /// When something is given up.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.announced.values().map(|announced| announced.until).min()
    }

    /// Whether an announcement of an entry that is here is the first one lately.
    fn is_first(&mut self, id: EntryId) -> bool {
        if self.told.contains(&id) {
            return false;
        }
        if self.told.len() >= ANNOUNCED_TOLD_MAX {
            self.told.pop_front();
        }
        self.told.push_back(id);
        true
    }

    /// The verdicts on the announcements that waited for an entry, which is here now.
    pub(super) fn announced_came(&mut self, id: &EntryId, replica: &dyn Replica) -> Vec<(GossipId, Verdict)> {
        let waited = self.announced.remove(id).into_iter().flat_map(|waiting| waiting.messages);
        let mut verdicts = Vec::new();
        for (gossip, announcement) in waited {
            let is_true = replica.entry(id).is_some_and(|entry| is_true(&announcement, entry, replica));
            let verdict = if is_true && self.is_first(*id) { Verdict::Accept } else { Verdict::Ignore };
            verdicts.push((gossip, verdict));
        }
        verdicts
    }

    /// Remembers how entries came, until they are told as news.
    pub(super) fn note_origin(&mut self, ids: impl IntoIterator<Item = EntryId>, origin: Origin) {
        for id in ids {
            if self.origins.len() >= ORIGINS_MAX {
                self.origins.pop_first();
            }
            self.origins.entry(id).or_insert(origin);
        }
    }
}

impl Replicator {
    /// A peer takes part in gossip from now on, or no longer.
    pub(super) fn gossiping(&mut self, peer: DeviceKey, is: bool) {
        match is {
            true => drop(self.core.gossip.peers.insert(peer)),
            false => drop(self.core.gossip.peers.remove(&peer)),
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.gossips = is;
            if !is {
                state.pairs.values_mut().for_each(|pair| pair.patience = None);
                self.core.touched.extend(state.pairs.keys().map(|dag| (peer, *dag)));
            }
        }
    }

    /// Takes a message.
    pub(super) fn gossip(&mut self, peer: DeviceKey, gossip: GossipId, bytes: &[u8], now: Tick, replica: &dyn Replica) {
        let verdict = match Gossip::decode(bytes, self.core.prefix) {
            Err(FrameError::Team) => Some(Verdict::Ignore),
            Err(_) => Some(Verdict::Reject),
            Ok(Gossip::Presence(presence)) => Some(self.presence(&presence, now, replica)),
            Ok(Gossip::Announcement(announcement)) => self.announcement(peer, gossip, announcement, now, replica),
            Ok(Gossip::Entries(dag, packed)) => match self.open_message(dag, &packed) {
                Err(_) => Some(Verdict::Reject),
                Ok(unpacked) => self.message(peer, gossip, dag, unpacked, now, replica),
            },
        };
        self.core.outputs.extend(verdict.map(|verdict| Output::Judge { gossip, verdict }));
    }

    /// Checks the form of a message of entries.
    fn open_message(&self, dag: DagId, packed: &Packed) -> Result<Unpacked, FrameError> {
        if packed.number != 0 || packed.part != Part::Live || packed.raw_size > GOSSIP_RAW_BYTES_MAX {
            return Err(FrameError::Form { item: "chunk of a message" });
        }
        let unpacked = unpack(packed, self.core.config.team, dag)?;
        let rows = unpacked.received.len();
        let all_signed = unpacked.received.iter().all(|received| received.signature.is_some());
        if rows == 0 || rows > GOSSIP_ROWS_MAX || !all_signed || !unpacked.loose.is_empty() {
            return Err(FrameError::Form { item: "rows of a message" });
        }
        Ok(unpacked)
    }

    /// Takes a message of entries: hands it out for admission, unless the verdict is clear.
    fn message(
        &mut self,
        peer: DeviceKey,
        gossip: GossipId,
        dag: DagId,
        unpacked: Unpacked,
        now: Tick,
        replica: &dyn Replica,
    ) -> Option<Verdict> {
        let ids: Vec<EntryId> = unpacked.received.iter().map(|received| received.entry.id()).collect();
        let peer_has_greeted = self.peers.get(&peer).is_some_and(|peer| peer.has_greeted);
        let view = View::new(replica, self.core.roster(), peer);
        let is_shared = replica.len(&dag) == 0 || replica.is_shared(&dag);
        if unpacked.received.iter().any(declares_private) || (!is_shared && view.sees(&dag)) {
            return Some(Verdict::Ignore);
        }
        self.with(peer, now, replica, |peer, cx| {
            if let Some(pair) = peer.pair(dag, cx.view).filter(|_| peer_has_greeted) {
                unpacked.received.iter().for_each(|received| pair.state(&received.entry));
            }
            Ok(())
        });
        let heard = Heard { gossip, peer, dag, ids, hidden: hidden(dag, &unpacked.received, view) };
        if is_shared && super::fetch::is_known(&unpacked, &unpacked.bodies, replica) {
            self.heard_from(&heard, &[], now, replica);
            // One payload comes once; many payloads of one entry are of somebody's making.
            let is_taken = self.core.quotas.take(peer, heard.ids.len(), 0, now);
            return Some(if is_taken {
                self.verdict_on_known(peer, &unpacked.received, now, view)
            } else {
                Verdict::Ignore
            });
        }
        match self.core.charge(peer, &unpacked.received, now, view) {
            Charge::Taken => {}
            Charge::Forged => return Some(Verdict::Reject),
            Charge::Over => {
                self.heard_from(&heard, &[], now, replica);
                self.hold_back(peer, dag, now, replica);
                return Some(Verdict::Ignore);
            }
        }
        let on_known = self.verdict_on_known(peer, &unpacked.received, now, view);
        if on_known != Verdict::Accept {
            return Some(on_known);
        }
        if !is_shared {
            // Towards whoever may not see it, nothing of it is here: what it builds on lacks.
            let admission = Admission { missing: needs_of(&unpacked.received), ..Admission::default() };
            self.gossip_admitted(&heard, &admission, now, replica);
            return None;
        }
        let id = ChunkId(self.core.next_chunk);
        self.core.next_chunk += 1;
        self.core
            .gossip
            .note_origin(heard.ids.iter().copied().filter(|id| replica.entry(id).is_none()), Origin::Gossip);
        self.core.gossip.judging.insert(id, heard);
        let Unpacked { received, bodies, .. } = unpacked;
        self.core.outputs.push_back(Output::Admit { chunk: id, peer, dag, received, bodies });
        None
    }

    /// A message was judged by the ledger.
    pub(super) fn gossip_admitted(&mut self, heard: &Heard, admission: &Admission, now: Tick, replica: &dyn Replica) {
        self.core.touched_dags.insert(heard.dag);
        if admission.put_off {
            self.core.room.put_off(now);
            self.hold_back(heard.peer, heard.dag, now, replica);
            self.core.outputs.push_back(Output::Judge { gossip: heard.gossip, verdict: Verdict::Ignore });
            return;
        }
        let view = View::new(replica, self.core.roster(), heard.peer);
        let verdict = match &admission.refused {
            Some(refused) if refused.code == FORGED => Verdict::Reject,
            // What is refused for what the peer may not see looks as if that were not here.
            Some(_) if heard.hidden.is_empty() => Verdict::Ignore,
            _ => {
                let missing = admission.missing.iter().chain(&heard.hidden).copied();
                let missing: Vec<EntryId> =
                    missing.filter(|id| !view.contains(id)).collect::<BTreeSet<_>>().into_iter().collect();
                // What cannot be judged yet is asked for as long as whoever passes it on has quota for that.
                let is_taken = missing.is_empty() || self.core.quotas.take(heard.peer, heard.ids.len(), 0, now);
                self.heard_from(heard, if is_taken { &missing } else { &[] }, now, replica);
                if !is_taken {
                    self.hold_back(heard.peer, heard.dag, now, replica);
                }
                let all_here = heard.ids.iter().all(|id| view.contains(id));
                if all_here { Verdict::Accept } else { Verdict::Ignore }
            }
        };
        self.core.outputs.push_back(Output::Judge { gossip: heard.gossip, verdict });
    }

    /// Whether the rows that are here carry their authors' signatures: whoever lacks those entries is given them too.
    fn verdict_on_known(&mut self, peer: DeviceKey, received: &[Received], now: Tick, view: View<'_>) -> Verdict {
        let verdict = is_genuine_here(received, view);
        if verdict == Verdict::Reject {
            self.core.quotas.take_own(peer, received.len(), 0, now);
        }
        verdict
    }

    /// What exceeds a quota waits: a comparison will fetch it.
    fn hold_back(&mut self, peer: DeviceKey, dag: DagId, now: Tick, replica: &dyn Replica) {
        let wait = QUOTA_WAIT_MS + self.core.rounds.chance(QUOTA_WAIT_MS);
        self.with(peer, now, replica, |peer, cx| {
            peer.be_patient(dag, cx.now.plus_ms(wait), cx);
            if let Some(patience) = peer.pairs.get_mut(&dag).and_then(|pair| pair.patience.as_mut()) {
                patience.has_set_aside = true;
            }
            Ok(())
        });
    }

    /// The neighbour has these entries. It is asked at once for what they build on and is not here.
    fn heard_from(&mut self, heard: &Heard, missing: &[EntryId], now: Tick, replica: &dyn Replica) {
        let dag = heard.dag;
        self.core.touched.insert((heard.peer, dag));
        self.with(heard.peer, now, replica, |peer, cx| {
            if !peer.has_greeted {
                return Ok(());
            }
            let here: Vec<EntryId> = heard.ids.iter().copied().filter(|id| cx.view.contains(id)).collect();
            peer.receipt(dag, here, cx);
            // Of incidents that are only named there are as many as a liar likes.
            if !missing.is_empty() && peer.pair(dag, cx.view).is_some() && !peer.fetch_set_aside(dag, cx) {
                peer.want_ids(dag, missing);
            }
            Ok(())
        });
    }

    /// Takes the announcement of an entry: it is asked of whoever passed it on, and judged when it is here.
    fn announcement(
        &mut self,
        peer: DeviceKey,
        gossip: GossipId,
        announcement: Announcement,
        now: Tick,
        replica: &dyn Replica,
    ) -> Option<Verdict> {
        let Announcement { dag, id, .. } = announcement;
        let heard = Heard { gossip, peer, dag, ids: vec![id], hidden: BTreeSet::new() };
        // An incident that the peer may not see is not here: its entries are asked for, in vain, like any other.
        let view = View::new(replica, self.core.roster(), peer);
        if let Some(entry) = view.entry(&id) {
            if !is_true(&announcement, entry, replica) {
                return Some(Verdict::Ignore);
            }
            self.heard_from(&heard, &[], now, replica);
            let is_taken = self.core.quotas.take(peer, 1, 0, now);
            let is_first = is_taken && self.core.gossip.is_first(id);
            return Some(if is_first { Verdict::Accept } else { Verdict::Ignore });
        }
        let announced = &mut self.core.gossip.announced;
        let is_private = view.len(&dag) > 0 && !replica.is_shared(&dag);
        if is_private || (announced.len() >= ANNOUNCED_MAX && !announced.contains_key(&id)) {
            return Some(Verdict::Ignore);
        }
        let until = now.plus_ms(ANNOUNCED_MS);
        let waiting = announced.entry(id).or_insert(Announced { messages: Vec::new(), until });
        if waiting.messages.len() >= ANNOUNCED_MAX {
            return Some(Verdict::Ignore);
        }
        waiting.messages.push((gossip, announcement));
        self.with(peer, now, replica, |peer, cx| {
            if let Some(pair) = peer.pair(dag, cx.view) {
                pair.state_id(id);
            }
            Ok(())
        });
        self.heard_from(&heard, &[id], now, replica);
        None
    }

    /// Announcements whose entry did not come are not passed on.
    pub(super) fn give_up_announced(&mut self, now: Tick) {
        let core = &mut self.core;
        let announced = std::mem::take(&mut core.gossip.announced);
        let (late, waiting): (BTreeMap<_, _>, BTreeMap<_, _>) =
            announced.into_iter().partition(|(_, announced)| announced.until <= now);
        core.gossip.announced = waiting;
        let late = late.into_values().flat_map(|announced| announced.messages);
        core.outputs.extend(late.map(|(gossip, _)| Output::Judge { gossip, verdict: Verdict::Ignore }));
    }
}

impl super::peer::Peer {
    /// Has the peer asked for these entries.
    fn want_ids(&mut self, dag: DagId, ids: &[EntryId]) {
        if ids.is_empty() {
            return;
        }
        let wanted = self.wanted.entry(dag).or_default();
        let room = IDS_MAX.saturating_sub(wanted.ids.len());
        wanted.ids.extend(ids.iter().take(room));
    }
}

/// Whether a row declares a private incident, which no honest node gives to gossip.
fn declares_private(received: &Received) -> bool {
    matches!(
        received.entry.fact(),
        Ok(Fact::Incident(IncidentFact {
            what: What::Declare(Declare { visibility: Visibility::Private(_), .. }),
            ..
        }))
    )
}

/// Whether an announcement says of an entry that is here what its author says of it, and gossip may carry it. So there is
/// one such message of each entry.
fn is_true(announcement: &Announcement, entry: &Entry, replica: &dyn Replica) -> bool {
    entry.dag() == announcement.dag
        && replica.is_shared(&announcement.dag)
        && super::publish::size_of(entry) == announcement.size
}
