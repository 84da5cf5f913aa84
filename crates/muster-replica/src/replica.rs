//! The replica itself: what it holds, how inputs go in, how a batch is committed and effects come out.

use crate::effect::Effect;
use crate::entropy::Entropy;
use crate::error::ReplicaError;
use crate::pace::Pace;
use crate::source::LedgerSource;
use crate::team::{Team, note_held};
use muster_log::ledger::Received;
use muster_log::{
    Body, BodyHash, Claimed, DagId, DeviceKey, DeviceSecret, EntryId, IncidentId, Refusal, SessionId, TeamId, Timestamp,
};
use muster_store::{Storage, StoreError, Write};
use muster_sync::frame::TeamPrefix;
use muster_sync::frame::{Gossip, Presence};
use muster_sync::{Admission, ChunkId, GossipId, Output, Refused, Tick, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// The time as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the shell started; never goes back.
    pub tick: Tick,
    /// The wall clock, for what is written and shown; decides nothing.
    pub wall: Timestamp,
    /// The device's zone, in minutes east of UTC.
    pub offset_minutes: i16,
}

impl Now {
    /// What an entry written now claims.
    pub(crate) fn claimed(self) -> Claimed {
        Claimed { time: self.wall, offset_minutes: self.offset_minutes }
    }
}

/// What happened on the network, or that time went by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A member is connected.
    Connected {
        /// Who.
        peer: DeviceKey,
    },
    /// The connected member is reached through another's relay, which may end the link after few bytes.
    Relayed {
        /// Who.
        peer: DeviceKey,
    },
    /// The connection is gone.
    Disconnected {
        /// Whose.
        peer: DeviceKey,
    },
    /// A frame arrived.
    Frame {
        /// From whom, authenticated.
        peer: DeviceKey,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// A peer takes part in a team's gossip, or no longer does.
    Gossiping {
        /// Which team's.
        team: TeamId,
        /// Who.
        peer: DeviceKey,
        /// Whether it does.
        is: bool,
    },
    /// A gossip message, answered with [`Effect::Judge`].
    Gossip {
        /// Which team's.
        team: TeamId,
        /// The neighbour that passed it on, authenticated.
        peer: DeviceKey,
        /// The message, for the verdict.
        gossip: GossipId,
        /// As it came.
        bytes: Vec<u8>,
    },
    /// The time that [`Replica::deadline`] named has come.
    Timeout,
}

/// One device's replica of all its teams.
pub struct Replica<S> {
    pub(crate) store: S,
    pub(crate) secret: DeviceSecret,
    pub(crate) session: SessionId,
    pub(crate) entropy: Box<dyn Entropy>,
    pub(crate) teams: BTreeMap<TeamId, Team>,
    /// What a damaged store could not give back.
    pub(crate) left_out: Vec<crate::left_out::LeftOut>,
    /// Entries admitted and staged since the last commit.
    pub(crate) news: Vec<(TeamId, EntryId, DagId)>,
    /// Entries that were here without their bodies, whose bodies were staged since the last commit.
    pub(crate) told_again: Vec<(TeamId, EntryId, DagId)>,
    /// Bodies staged since the last commit.
    pub(crate) staged_bodies: BTreeMap<BodyHash, Vec<u8>>,
    /// Whether the last chunk found no room, so that this is told once.
    is_full: bool,
    /// Whether anything at all is staged.
    pub(crate) dirty: bool,
    /// Incidents that could not come along, so that nothing is tried twice.
    pub(crate) left_behind: BTreeSet<IncidentId>,
    /// Opened and not committed since: an incident may wait to come along whose commit failed before.
    is_new: bool,
    /// The wall clock at the first commit.
    pub(crate) began: Option<Timestamp>,
    /// Own entries that peers gave back.
    pub(crate) came_back: crate::restored::CameBack,
    pub(crate) erasing: crate::redaction::Erasing,
    /// Inputs for replicators that must not be given before the commit.
    pub(crate) after_commit: Vec<(TeamId, muster_sync::Input)>,
    pub(crate) connected: BTreeSet<DeviceKey>,
    /// Of those, who is reached through a relay.
    relayed: BTreeSet<DeviceKey>,
    /// Which team's replicator knows which connected peer.
    greeted: BTreeSet<(TeamId, DeviceKey)>,
    /// Who takes part in which team's gossip, connected or not yet.
    gossiping: BTreeSet<(TeamId, DeviceKey)>,
    pub(crate) effects: Vec<Effect>,
    /// When news of incidents are told on.
    pace: Pace,
    members_told: BTreeSet<DeviceKey>,
    audiences_told: BTreeMap<TeamId, BTreeSet<DeviceKey>>,
    /// Where this node listens, to be told.
    pub(crate) listens_at: Vec<String>,
    pub(crate) circles_told: BTreeSet<BTreeSet<DeviceKey>>,
    /// An entry came that may have changed them.
    pub(crate) circles_are_stale: bool,
}

impl<S: Storage> Replica<S> {
    /// Reads everything the store holds. Nothing is written.
    ///
    /// `session` is new, or continued by a lease of the store.
    ///
    /// # Errors
    /// [`ReplicaError::Store`] and [`ReplicaError::Damaged`].
    pub fn open(
        store: S,
        secret: DeviceSecret,
        session: SessionId,
        entropy: Box<dyn Entropy>,
    ) -> Result<Self, ReplicaError> {
        let me = secret.public();
        let mut teams = BTreeMap::new();
        for team in store.teams() {
            teams.insert(team, Team::restore(team, me, &store, None)?);
        }
        Self::around(store, secret, session, entropy, teams)
    }

    /// As [`Replica::open`], of a store that is only read: what does not stand, for it or its past is damaged, is left out
    /// ([`Replica::left_out`]) and everything else is there.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn open_what_stands(
        store: S,
        secret: DeviceSecret,
        session: SessionId,
        entropy: Box<dyn Entropy>,
    ) -> Result<Self, ReplicaError> {
        let me = secret.public();
        let (mut teams, mut left_out) = (BTreeMap::new(), Vec::new());
        for team in store.teams() {
            let restored = Team::restore(team, me, &store, Some(&mut left_out))?;
            // Without its beginning nothing of a team can be told.
            if !restored.ledger.is_empty() {
                teams.insert(team, restored);
            }
        }
        Ok(Self { left_out, ..Self::around(store, secret, session, entropy, teams)? })
    }

    fn around(
        store: S,
        secret: DeviceSecret,
        session: SessionId,
        entropy: Box<dyn Entropy>,
        teams: BTreeMap<TeamId, Team>,
    ) -> Result<Self, ReplicaError> {
        let mut this = Self {
            store,
            secret,
            session,
            entropy,
            teams,
            left_out: Vec::new(),
            news: Vec::new(),
            told_again: Vec::new(),
            staged_bodies: BTreeMap::new(),
            is_full: false,
            dirty: false,
            left_behind: BTreeSet::new(),
            is_new: true,
            began: None,
            came_back: crate::restored::CameBack::default(),
            erasing: crate::redaction::Erasing::begin(),
            after_commit: Vec::new(),
            connected: BTreeSet::new(),
            greeted: BTreeSet::new(),
            relayed: BTreeSet::new(),
            gossiping: BTreeSet::new(),
            effects: Vec::new(),
            pace: Pace::default(),
            members_told: BTreeSet::new(),
            audiences_told: BTreeMap::new(),
            listens_at: Vec::new(),
            circles_told: BTreeSet::new(),
            circles_are_stale: true,
        };
        this.restore_joining()?;
        this.hide_all()?;
        this.tell_members();
        this.tell_circles();
        Ok(this)
    }

    /// This device.
    pub fn device(&self) -> DeviceKey {
        self.secret.public()
    }

    /// The session that this replica writes in.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The store, for reads that the replica has no word for.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Whether the store would take a small write now, asked before memory gets ahead of the disk: a refusal here costs
    /// nothing, while after a failed commit the replica must be dropped.
    ///
    /// # Errors
    /// [`ReplicaError::Store`], in particular [`muster_store::StoreError::Full`].
    pub fn check_room(&mut self) -> Result<(), ReplicaError> {
        Ok(self.store.check_room()?)
    }

    /// Gives the store back, so that it can be closed or opened again.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Takes one input. What was staged before is committed first, and what the input brings is committed too, so that
    /// every effect is backed by the disk.
    ///
    /// # Errors
    /// [`ReplicaError::Store`]: drop the replica and open the store again.
    pub fn handle(&mut self, input: Input, now: Now) -> Result<(), ReplicaError> {
        self.commit(now)?;
        match input {
            Input::Connected { peer } => {
                self.connected.insert(peer);
                self.greet(now)?;
            }
            Input::Relayed { peer } => {
                self.relayed.insert(peer);
                self.each_team(muster_sync::Input::Relayed { peer }, now)?;
            }
            Input::Disconnected { peer } => {
                self.connected.remove(&peer);
                self.relayed.remove(&peer);
                self.greeted.retain(|(_, greeted)| *greeted != peer);
                // Taking part ends with the link.
                for team in self.teams.keys().copied().collect::<Vec<_>>() {
                    if self.gossiping.remove(&(team, peer)) {
                        self.feed(team, muster_sync::Input::Gossiping { peer, is: false }, now)?;
                    }
                }
                self.each_team(muster_sync::Input::Disconnected { peer }, now)?;
            }
            Input::Frame { peer, bytes } => match self.team_of_frame(&bytes) {
                Some(team) => self.feed(team, muster_sync::Input::Frame { peer, bytes }, now)?,
                // A team that the peer has and this device has not: silence is the right answer.
                None => tracing::debug!(%peer, "frame for a team that is not here"),
            },
            Input::Gossiping { team, peer, is } => {
                match is {
                    true => drop(self.gossiping.insert((team, peer))),
                    false => drop(self.gossiping.remove(&(team, peer))),
                }
                self.feed(team, muster_sync::Input::Gossiping { peer, is }, now)?;
            }
            Input::Gossip { team, gossip, .. } if !self.teams.contains_key(&team) => {
                self.effects.push(Effect::Judge { gossip, verdict: Verdict::Ignore });
            }
            Input::Gossip { team, peer, gossip, bytes } => {
                self.feed(team, muster_sync::Input::Gossip { peer, gossip, bytes }, now)?;
            }
            Input::Timeout => {
                let due = self.pace.take_due(now.tick);
                self.tell_changed(due);
                self.each_team(muster_sync::Input::Timeout, now)?;
            }
        }
        self.commit(now)
    }

    /// Makes everything staged durable, tells the replicators and releases the effects.
    ///
    /// # Errors
    /// [`ReplicaError::Store`]: nothing of the batch may be acknowledged; drop the replica and open the store again.
    pub fn commit(&mut self, now: Now) -> Result<(), ReplicaError> {
        self.began.get_or_insert(now.wall);
        self.let_sponsors_go()?;
        // Feeding the replicators after a commit can bring no new entries, but the loop costs nothing and keeps the rule
        // should that change.
        while self.dirty || !self.after_commit.is_empty() || std::mem::take(&mut self.is_new) {
            if std::mem::take(&mut self.dirty) {
                self.store.commit()?;
            }
            self.staged_bodies.clear();
            let news = std::mem::take(&mut self.news);
            let after = std::mem::take(&mut self.after_commit);
            let told_again = std::mem::take(&mut self.told_again);
            self.announce(news.iter().chain(&told_again), now);
            for (team, entries) in by_team(&news) {
                self.feed(team, muster_sync::Input::Advanced { entries }, now)?;
                // A new fold may change who may see what, and what earlier entries count for.
                if news.iter().any(|(of, _, dag)| *of == team && *dag == DagId::from(team)) {
                    self.feed(team, muster_sync::Input::Reconsider, now)?;
                }
            }
            for (team, input) in after {
                self.feed(team, input, now)?;
            }
            self.carry_along(now)?;
            self.tell_members();
            self.tell_circles();
            self.greet(now)?;
        }
        self.erase_due(now)
    }

    /// What the shell has to do now, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// When [`Input::Timeout`] is due.
    pub fn deadline(&self) -> Option<Tick> {
        let replicators = self.teams.values().filter_map(|team| team.replicator.poll_deadline());
        replicators.chain(self.pace.deadline()).chain(self.erasing.deadline()).min()
    }

    /// Keeps a local fact; durable with the next commit.
    pub(crate) fn set_local(&mut self, key: String, value: Option<Vec<u8>>) -> Result<(), ReplicaError> {
        self.stage(Write::Local { key, value })
    }

    /// Stages one record for the next commit.
    pub(crate) fn stage(&mut self, write: Write) -> Result<(), ReplicaError> {
        self.store.stage(write)?;
        self.dirty = true;
        Ok(())
    }

    fn team_of_frame(&self, bytes: &[u8]) -> Option<TeamId> {
        let prefix = muster_sync::frame::team_of(bytes)?;
        self.teams.keys().find(|team| TeamPrefix::from(**team) == prefix).copied()
    }

    fn each_team(&mut self, input: muster_sync::Input, now: Now) -> Result<(), ReplicaError> {
        let teams: Vec<TeamId> = self.teams.keys().copied().collect();
        teams.into_iter().try_for_each(|team| self.feed(team, input.clone(), now))
    }

    /// Tells the replicator of each team which connected peers it may speak with, once per peer and connection. A peer
    /// that was a stranger to a team at first is greeted when its membership arrives.
    fn greet(&mut self, now: Now) -> Result<(), ReplicaError> {
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
    fn feed(&mut self, team: TeamId, input: muster_sync::Input, now: Now) -> Result<(), ReplicaError> {
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
    fn admit(
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
    fn has_room_for(
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

    fn announce<'a>(&mut self, news: impl Iterator<Item = &'a (TeamId, EntryId, DagId)> + Clone, now: Now) {
        for (team, entry, dag) in news.clone() {
            if let Some(state) = self.teams.get_mut(team) {
                state.note_admitted(*entry, *dag);
            }
        }
        let mut changed: BTreeMap<(TeamId, DagId), Vec<EntryId>> = BTreeMap::new();
        for (team, entry, dag) in news.filter(|(team, _, dag)| *dag != DagId::from(*team)) {
            changed.entry((*team, *dag)).or_default().push(*entry);
        }
        for ((team, dag), entries) in changed {
            let told = self.pace.take_in((team, IncidentId::of_genesis(dag.genesis()), entries), now.tick);
            self.tell_changed(told);
        }
    }

    fn tell_changed(&mut self, told: impl IntoIterator<Item = (TeamId, IncidentId, Vec<EntryId>)>) {
        let told = told.into_iter().map(|(team, incident, entries)| Effect::Changed { team, incident, entries });
        self.effects.extend(told);
    }

    /// Tells the shell who may sync, if that has changed.
    fn tell_members(&mut self) {
        let (me, mut members) = (self.device(), BTreeSet::<DeviceKey>::new());
        for team in self.teams.values() {
            members.extend(team.ledger.roster().members());
            members.extend(team.sponsors(&me));
        }
        members.remove(&self.device());
        if members != self.members_told {
            self.members_told.clone_from(&members);
            self.effects.push(Effect::Members(members));
        }
        for (team, state) in &self.teams {
            let mut members: BTreeSet<DeviceKey> = state.ledger.roster().member_devices();
            if state.hears_sponsors {
                members.extend(state.sponsors(&me));
            }
            members.remove(&me);
            if state.is_guest(&me) {
                members.clear();
            }
            if self.audiences_told.get(team).map_or(!members.is_empty(), |told| *told != members) {
                self.audiences_told.insert(*team, members.clone());
                self.effects.push(Effect::Audience { team: *team, members });
            }
        }
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

fn by_team(news: &[(TeamId, EntryId, DagId)]) -> BTreeMap<TeamId, Vec<EntryId>> {
    let mut teams: BTreeMap<TeamId, Vec<EntryId>> = BTreeMap::new();
    for (team, entry, _) in news {
        teams.entry(*team).or_default().push(*entry);
    }
    teams
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
