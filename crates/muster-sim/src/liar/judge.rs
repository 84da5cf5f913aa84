//! What must hold though somebody lies: what a peer can make an honest node keep and say is bounded, and what liars
//! wrote ends the same everywhere.

use crate::failure::Wrong;
use crate::link::LinkId;
use crate::world::World;
use muster_log::{DagId, EntryId, IncidentId, Ledger, Status, TeamId};
use muster_sync::limits::{
    ASKED_BODIES_MAX, CREDIT_CHUNKS, IDS_MAX, KNOWN_IDS_MAX, QUEUE_ENTRIES_MAX, RANGES_MAX, SERVED_IDS_MAX,
    UNKNOWN_DAGS_MAX,
};
use std::collections::BTreeMap;

/// Bytes that may lie unread at a peer that reads nothing, before the transport has to do anything about it.
const UNREAD_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Frames that an answer may have for each DAG that it touches: heads, tips, and a question.
const FRAMES_PER_DAG: usize = 3;

/// Frames of an answer besides: chunks in credit, an acknowledgement, what is missing, a refusal and the goodbye.
const FRAMES_BESIDES: usize = CREDIT_CHUNKS as usize + 8;

/// What one frame made an honest node say.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Frames, by whom they went to.
    frames: BTreeMap<usize, usize>,
}

impl World {
    /// An honest node is about to take a frame.
    pub(crate) fn begin_answer(&mut self) {
        self.liars.answer.frames.clear();
    }

    /// A node says something: noted as part of the answer, and as unread where the peer does not read.
    pub(crate) fn note_said(&mut self, from: usize, to: usize, link: LinkId, bytes: usize) -> Result<(), Wrong> {
        if self.is_liar(from) {
            return Ok(());
        }
        *self.liars.answer.frames.entry(to).or_default() += 1;
        let Some(liar) = self.liars.all.get_mut(&to) else { return Ok(()) };
        let Some(mood) = liar.moods.get_mut(&from).filter(|mood| mood.link == link && mood.takes == Some(0)) else {
            return Ok(());
        };
        mood.unread_bytes += bytes as u64;
        let bytes = mood.unread_bytes;
        self.tally.unread_bytes_most = self.tally.unread_bytes_most.max(bytes);
        if bytes > UNREAD_BYTES_MAX { Err(Wrong::Piles { node: from, peer: to, bytes }) } else { Ok(()) }
    }

    /// Whether what a liar's frame brought about at an honest node was in proportion to what that node holds.
    pub(crate) fn check_answer(&mut self, from: usize, at: usize) -> Result<(), Wrong> {
        if !self.is_liar(from) || self.is_liar(at) {
            return Ok(());
        }
        let dags = match (&self.nodes[at].replica, self.team) {
            (Some(replica), Some(team)) => replica.ledger(&team).map_or(0, |ledger| ledger.dags().count()),
            _ => 0,
        };
        let limit = (dags + UNKNOWN_DAGS_MAX) * FRAMES_PER_DAG + FRAMES_BESIDES;
        let most = self.liars.answer.frames.values().copied().max().unwrap_or(0);
        self.tally.answer_frames_most = self.tally.answer_frames_most.max(most as u64);
        if most > limit { Err(Wrong::Chatters { node: at, peer: from, frames: most, limit }) } else { Ok(()) }
    }

    /// What a node keeps because peers made it stays within the limits.
    pub(crate) fn check_kept(&mut self, n: usize) -> Result<(), Wrong> {
        let Some(replica) = &self.nodes[n].replica else { return Ok(()) };
        for team in replica.teams() {
            let Ok(ledger) = replica.ledger(&team) else { continue };
            let waiting = ledger.waiting();
            self.tally.pending_most = self.tally.pending_most.max(waiting.entries as u64);
            if !waiting.is_within_limits() {
                return Err(Wrong::Hoards { node: n, what: format!("{waiting:?}") });
            }
            let dags_max = ledger.dags().count() + UNKNOWN_DAGS_MAX + 1;
            let ids_max = dags_max * (KNOWN_IDS_MAX + IDS_MAX)
                + RANGES_MAX
                + 2 * ASKED_BODIES_MAX
                + QUEUE_ENTRIES_MAX
                + SERVED_IDS_MAX;
            for (number, peer) in self.nodes.iter().map(|node| node.key).enumerate() {
                let mut kept = replica.kept_for(&team, &peer);
                kept.ids += self.leaked(n, number);
                if kept.dags > dags_max || kept.ids > ids_max {
                    return Err(Wrong::Hoards {
                        node: n,
                        what: format!("{kept:?} of {peer}, {dags_max} DAGs allowed"),
                    });
                }
            }
        }
        Ok(())
    }

    /// Every entry counts for the same everywhere, and no honest one for less because somebody lied.
    pub(crate) fn check_statuses(&self) -> Result<(), Wrong> {
        let Some(team) = self.team else { return Ok(()) };
        let mut seen: BTreeMap<IncidentId, (usize, BTreeMap<EntryId, Status>)> = BTreeMap::new();
        for n in self.honest() {
            let Some(Ok(ledger)) = self.nodes[n].replica.as_ref().map(|replica| replica.ledger(&team)) else {
                continue;
            };
            for incident in ledger.incidents() {
                let mut statuses = ledger.statuses(&incident);
                self.mistake_statuses(n, &mut statuses);
                for (id, status) in &statuses {
                    let author = ledger.entry(id).and_then(|entry| self.number_of(&entry.key()));
                    if author.is_some_and(|author| !self.is_liar(author)) && *status != Status::Active {
                        return Err(Wrong::Discredited { node: n, entry: *id, status: status.word() });
                    }
                }
                match seen.get(&incident) {
                    None => drop(seen.insert(incident, (n, statuses))),
                    Some((one, other)) if *other != statuses => {
                        let what = "what its entries count for".to_owned();
                        return Err(Wrong::ViewsDiffer { one: *one, other: n, incident, what });
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Whether a private incident names a liar, who can tell anybody of it.
    pub(crate) fn is_known_to_liars(&self, ledger: &Ledger, incident: &IncidentId) -> bool {
        let names = ledger.names(incident).unwrap_or_default();
        let mut liars = self.nodes.iter().skip(self.honest().len());
        liars.any(|node| ledger.roster().person_of(&node.key).is_some_and(|person| names.contains(&person)))
    }

    /// Whether the body of an entry should be everywhere: of a liar's entry only if somebody honest has it.
    pub(crate) fn is_lacking(&self, team: &TeamId, dag: &DagId, id: &EntryId) -> bool {
        let replica = self.honest().find_map(|n| self.nodes[n].replica.as_ref());
        let entry = replica.and_then(|replica| replica.ledger(team).ok()?.entry(id));
        let author = entry.and_then(|entry| self.number_of(&entry.key()));
        author.is_none_or(|author| !self.is_liar(author)) || self.is_obtainable(team, dag, id)
    }

    fn is_obtainable(&self, team: &TeamId, dag: &DagId, id: &EntryId) -> bool {
        let mut holders = self.honest().filter_map(|n| self.nodes[n].replica.as_ref());
        holders.any(|replica| {
            let entry = replica.ledger(team).ok().and_then(|ledger| ledger.dag(dag)?.entry(id));
            let body = entry.and_then(muster_log::Entry::body);
            body.is_some_and(|body| matches!(muster_store::Storage::body(replica.store(), &body.hash), Ok(Some(_))))
        })
    }
}
