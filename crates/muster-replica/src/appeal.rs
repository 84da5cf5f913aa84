//! What is done by a device that is not let sync, though its roster names both sides: it shows the roster, in one request
//! that is taken whole or not at all (ADR 0020).
//!
//! Two admins who removed each other while apart come together by it, and so does a newcomer with those who have not heard
//! of the one who let them in. The bytes are in `docs/protocol.md`, section "Joining".

use crate::error::ReplicaError;
use crate::join::JoinAnswer;
use crate::replica::{Now, Replica};
use crate::team::{Held, Team};
use minicbor::{Decoder, Encoder};
use muster_log::{DagId, DeviceKey, EntryId, TeamId};
use muster_store::Storage;
use muster_sync::Tick;
use muster_sync::bundle::{Cursor, Packing, States, open_chunk, pack};
use std::collections::BTreeMap;

/// The first item of an appeal, where a request to join has 1.
const APPEAL: u8 = 2;

/// Longest appeal, in bytes: what a stranger may send ([`crate::JoinAnswer`] goes back the same way). Some 700 entries.
const APPEAL_BYTES_MAX: usize = 64 * 1024;

/// Until the same roster is shown to the same peer again, in milliseconds: meanwhile they may have heard what lacked.
const SAME_AGAIN_MS: u64 = 60_000;

/// Until a roster with news is, in milliseconds.
const NEWS_AGAIN_MS: u64 = 5_000;

/// What a device says that does not take an appeal, whatever the reason: who asks may be anybody.
const NOT_IN_TEAM: &str = "by what is known there, this device is not in the team";

/// When the roster was last shown to somebody, and its heads then.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    heads: Vec<EntryId>,
    at: Tick,
}

/// A roster that does not fit into an appeal.
struct TooLong;

impl<S: Storage> Replica<S> {
    /// What to show to a peer who does not let this device sync: the request for `/muster/join/1`. `None` where no team names
    /// both, where it was shown a moment ago, or where it is too long. Everything must be committed: commit first.
    pub fn appeal(&mut self, peer: &DeviceKey, now: Now) -> Option<Vec<u8>> {
        let me = self.device();
        let both = |state: &Team| state.person_of(peer).is_some() && state.person_of(&me).is_some();
        let teams: Vec<TeamId> = self.teams.iter().filter(|(_, state)| both(state)).map(|(team, _)| *team).collect();
        for team in teams {
            let Some(state) = self.teams.get_mut(&team) else { continue };
            let heads = state.ledger.roster_heads();
            let is_again = state.shown_to.get(peer).is_some_and(|shown| {
                let pause_ms = if shown.heads == heads { SAME_AGAIN_MS } else { NEWS_AGAIN_MS };
                now.tick.since_ms(shown.at) < pause_ms
            });
            if is_again {
                continue;
            }
            state.shown_to.insert(*peer, Shown { heads, at: now.tick });
            let Some(state) = self.teams.get(&team) else { continue };
            let mut shown = self.roster_without(team, state, None);
            if let (Err(TooLong), Some(held)) = (&shown, state.receipts.get(peer)) {
                shown = self.roster_without(team, state, Some(held));
            }
            match shown {
                Ok(Some(request)) => return Some(request),
                Ok(None) => tracing::debug!(%peer, "holds all of the roster and does not let this device sync"),
                Err(TooLong) => tracing::warn!(
                    %peer,
                    "they do not know this device as a member, and the roster is too long to be shown: carry a bundle"
                ),
            }
        }
        None
    }

    /// The roster as one request, without what somebody is known to hold; `None` where they hold all of it.
    fn roster_without(&self, team: TeamId, state: &Team, held: Option<&Held>) -> Result<Option<Vec<u8>>, TooLong> {
        let source = self.source(state);
        let dag = DagId::from(team);
        let held = held.and_then(|held| held.get(&dag)).into_iter().flatten();
        let base = States::up_to(&source, &dag, held);
        let mut cursor = Cursor { to: state.ledger.dag(&dag).map_or(0, |roster| roster.len()), ..Cursor::default() };
        let packing = Packing { replica: &source, team, me: self.device(), dag, base: &base };
        let Some(chunk) = pack(packing, 1, &mut cursor) else { return Ok(None) };
        let request = encode(&team, &chunk.frame);
        match cursor.is_at_end() && request.len() <= APPEAL_BYTES_MAX {
            true => Ok(Some(request)),
            false => Err(TooLong),
        }
    }

    /// Answers an appeal; `None` where the request is none. Staged: commit before answering.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub(crate) fn answer_appeal(
        &mut self,
        peer: &DeviceKey,
        request: &[u8],
        now: Now,
    ) -> Result<Option<JoinAnswer>, ReplicaError> {
        let Some((team, frame)) = decode(request) else { return Ok(None) };
        let is_heard = self.hear_appeal(peer, team, frame, now)?;
        tracing::debug!(%peer, is_heard, "shows its roster");
        let refused = || JoinAnswer::Refused { reason: NOT_IN_TEAM.to_owned() };
        Ok(Some(if is_heard { JoinAnswer::Welcome } else { refused() }))
    }

    fn hear_appeal(&mut self, peer: &DeviceKey, team: TeamId, frame: &[u8], now: Now) -> Result<bool, ReplicaError> {
        // A newcomer takes its roster from those whom its ticket names.
        let Some(state) = self.teams.get_mut(&team).filter(|state| !state.ledger.is_empty()) else { return Ok(false) };
        if state.person_of(peer).is_some() {
            return Ok(true);
        }
        let Ok(mut opened) = open_chunk(frame, team) else { return Ok(false) };
        opened.received.retain(|received| !state.ledger.contains(&received.entry.id()));
        let names_peer = |roster: &muster_log::Roster| roster.person_of(peer).is_some();
        if opened.dag != DagId::from(team) || !state.ledger.would_admit(&opened.received, names_peer) {
            return Ok(false);
        }
        self.take_in(team, Some(*peer), opened.received, opened.bodies, now)?;
        Ok(self.teams.get(&team).is_some_and(|state| state.person_of(peer).is_some()))
    }
}

/// Shown to whom, when.
pub(crate) type ShownTo = BTreeMap<DeviceKey, Shown>;

fn encode(team: &TeamId, frame: &[u8]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    let written = e
        .array(3)
        .and_then(|e| e.u8(APPEAL))
        .and_then(|e| e.bytes(team.as_bytes()))
        .and_then(|e| e.bytes(frame))
        .is_ok();
    debug_assert!(written, "writing to memory cannot fail");
    e.into_writer()
}

fn decode(bytes: &[u8]) -> Option<(TeamId, &[u8])> {
    let mut d = Decoder::new(bytes);
    if d.array().ok()? != Some(3) || d.u8().ok()? != APPEAL {
        return None;
    }
    let team = TeamId::from_bytes(d.bytes().ok()?.try_into().ok()?);
    let frame = d.bytes().ok()?;
    (d.position() == bytes.len()).then_some((team, frame))
}
