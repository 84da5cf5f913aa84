//! From inputs to replicators and back: what peers send goes in, what the replicators want is carried out.
//!
//! Nothing of it leaves before the commit ([`crate::replica`]).

use crate::effect::Effect;
use crate::error::ReplicaError;
use crate::replica::{Now, Replica};
use crate::source::LedgerSource;
use crate::team::note_held;
use muster_log::ledger::Received;
use muster_log::{Body, DeviceKey, EntryId, Refusal, TeamId};
use muster_store::{Storage, StoreError};
use muster_sync::frame::{Gossip, Presence, TeamPrefix};
use muster_sync::{Admission, ChunkId, Output, Refused};
use std::collections::BTreeSet;

impl<S: Storage> Replica<S> {
    pub(crate) fn team_of_frame(&self, bytes: &[u8]) -> Option<TeamId> {
        let prefix = muster_sync::frame::team_of(bytes)?;
        self.teams.keys().find(|team| TeamPrefix::from(**team) == prefix).copied()
    }

    pub(crate) fn each_team(&mut self, input: muster_sync::Input, now: Now) -> Result<(), ReplicaError> {
        let teams: Vec<TeamId> = self.teams.keys().copied().collect();
        teams.into_iter().try_for_each(|team| self.feed(team, input.clone(), now))
    }

    /// Tells the replicator of each team which connected peers it may speak with, once per peer and connection. A peer
    /// that was a stranger to a team at first is greeted when its membership arrives.
    pub(crate) fn greet(&mut self, now: Now) -> Result<(), ReplicaError> {
        let me = self.device();
        let due: Vec<(TeamId, DeviceKey)> = self
            .teams
            .iter()
            .flat_map(|(team, state)| {
                self.connected.iter().filter(|peer| state.admits(peer, &me)).map(|peer| (*team, *peer))
            })
            .filter(|pair| !self.greeted.contains(pair))
            .collect();
        for (team, peer) in due {
            self.greeted.insert((team, peer));
            if self.gossiping.contains(&(team, peer)) {
                self.feed(team, muster_sync::Input::Gossiping { peer, is: true }, now)?;
            }
            let nonce = self.entropy.sixteen();
            self.feed(team, muster_sync::Input::Connected { peer, wall: now.wall, nonce }, now)?;
            if self.relayed.contains(&peer) {
                self.feed(team, muster_sync::Input::Relayed { peer }, now)?;
            }
        }
        Ok(())
    }

    /// Gives one input to one replicator and carries out what it wants.
    pub(crate) fn feed(&mut self, team: TeamId, input: muster_sync::Input, now: Now) -> Result<(), ReplicaError> {
        let _sync = tracing::debug_span!("sync", team = %short(&team)).entered();
        let Some(state) = self.teams.get_mut(&team) else { return Ok(()) };
        if let muster_sync::Input::Frame { peer, .. }
        | muster_sync::Input::Connected { peer, .. }
        | muster_sync::Input::Gossip { peer, .. } = &input
        {
            state.heard.entry(*peer).or_default().at = now.wall;
        }
        let source = LedgerSource {
            ledger: &state.ledger,
            speaker: Some(self.secret.public()),
            missing_bodies: &state.missing_bodies,
            hidden: &state.hidden,
            store: &self.store,
        };
        state.replicator.handle_input(input, now.tick, &source);
        let outputs: Vec<Output> = std::iter::from_fn(|| state.replicator.poll_output()).collect();
        for output in outputs {
            match output {
                Output::Send { peer, frame } => self.effects.push(Effect::Send { peer, frame }),
                Output::Publish { bytes } => self.effects.push(Effect::Publish { team, bytes }),
                Output::Judge { gossip, verdict } => self.effects.push(Effect::Judge { gossip, verdict }),
                Output::Present { heads } => {
                    let presence = Presence::sign(team, &self.secret, now.wall, heads, &self.listens_at);
                    let bytes = Gossip::Presence(presence).encode(TeamPrefix::from(team));
                    self.effects.push(Effect::Publish { team, bytes });
                }
                Output::Presented { device, wall, addresses } => {
                    if let Some(state) = self.teams.get_mut(&team) {
                        state.heard.entry(device).or_default().present(wall, now.wall);
                    }
                    if !addresses.is_empty() {
                        self.effects.push(Effect::Whereabouts { device, addresses });
                    }
                }
                Output::Close { peer, reason } => {
                    self.effects.push(Effect::Close { peer, reason: reason.to_string() });
                }
                Output::Admit { chunk, peer, dag, received, bodies } => {
                    let heads = heads_of(&received);
                    self.admit(team, chunk, peer, received, bodies, now)?;
                    // Of what was put off nothing waits and nothing is here; the rest of it is noted all the same.
                    if let Some(state) = self.teams.get_mut(&team) {
                        state.note_sent(peer, dag, heads);
                    }
                }
                Output::Receipt { peer, dag, entries } => {
                    if let Some(state) = self.teams.get_mut(&team) {
                        note_held(state.receipts.entry(peer).or_default(), &state.ledger, dag, entries);
                    }
                }
                Output::Greeted { peer, clock_offset_ms, .. } => {
                    if let Some(state) = self.teams.get_mut(&team) {
                        state.heard.entry(peer).or_default().clock_offset_ms = Some(clock_offset_ms);
                    }
                }
            }
        }
        Ok(())
    }

    /// Judges a chunk, stages what was admitted, and tells the replicator after the commit.
    pub(crate) fn admit(
        &mut self,
        team: TeamId,
        chunk: ChunkId,
        peer: DeviceKey,
        received: Vec<muster_sync::Received>,
        bodies: Vec<(EntryId, Body)>,
        now: Now,
    ) -> Result<(), ReplicaError> {
        if !self.has_room_for(&received, &bodies)? {
            let admission = Admission { put_off: true, ..Admission::default() };
            self.after_commit.push((team, muster_sync::Input::Admitted { chunk, admission }));
            return Ok(());
        }
        let batch: Vec<EntryId> = received.iter().map(|r| r.entry.id()).collect();
        let received = received.into_iter().map(|r| Received { entry: r.entry, signature: r.signature }).collect();
        let outcome = self.take_in(team, Some(peer), received, bodies, now)?;
        for (id, refusal) in &outcome.refused {
            tracing::warn!(%peer, entry = %id, %refusal, "entry refused");
        }
        let admission = Admission {
            admitted: outcome.admitted.len(),
            missing: outcome.missing,
            put_off: false,
            refused: blame(&outcome.refused, &batch),
        };
        self.after_commit.push((team, muster_sync::Input::Admitted { chunk, admission }));
        Ok(())
    }

    /// Whether a chunk would find room. A failed commit would cost the store, and with it every link.
    pub(crate) fn has_room_for(
        &mut self,
        received: &[muster_sync::Received],
        bodies: &[(EntryId, Body)],
    ) -> Result<bool, ReplicaError> {
        let entries: usize = received.iter().map(|received| received.entry.bytes().len()).sum();
        let texts: usize = bodies.iter().map(|(_, body)| body.bytes().len()).sum();
        let is_full = match self.store.check_room_for(entries.saturating_add(texts) as u64) {
            Ok(()) => false,
            Err(StoreError::Full { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        match (std::mem::replace(&mut self.is_full, is_full), is_full) {
            (false, true) => {
                tracing::warn!("the disk is full: what peers send is not kept and is asked for again later")
            }
            (true, false) => tracing::info!("there is room again: what peers have to give is kept"),
            _ => {}
        }
        Ok(!is_full)
    }
}

/// What of a batch was refused. An entry that had waited can be refused now too; whoever brought what it waited for is
/// not to blame for it.
fn blame(refused: &[(EntryId, Refusal)], batch: &[EntryId]) -> Option<Refused> {
    let (id, refusal) = refused.iter().find(|(id, _)| batch.contains(id))?;
    Some(Refused { id: *id, code: refusal.code(), reason: refusal.to_string() })
}

/// The entries of a chunk on which no other of it builds.
fn heads_of(received: &[muster_sync::Received]) -> BTreeSet<EntryId> {
    let mut heads: BTreeSet<EntryId> = received.iter().map(|received| received.entry.id()).collect();
    for parent in received.iter().flat_map(|received| received.entry.parents()) {
        heads.remove(&parent);
    }
    heads
}

/// Enough of a team's id to tell teams apart in a log.
fn short(team: &TeamId) -> String {
    team.to_string().chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_brings_what_a_bad_entry_waited_for_is_not_blamed_for_it() {
        let id = |byte| EntryId::from_bytes([byte; 32]);
        let refused = [(id(1), Refusal::NoParent), (id(2), Refusal::Genesis)];
        assert_eq!(blame(&refused, &[id(3)]), None);
        assert_eq!(blame(&refused, &[id(2), id(3)]).map(|refused| refused.id), Some(id(2)));
    }
}
