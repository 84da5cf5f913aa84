//! The replica itself: what it holds, how inputs go in, how a batch is committed and effects come out.

use crate::effect::Effect;
use crate::entropy::Entropy;
use crate::error::ReplicaError;
use crate::input::Input;
use crate::pace::Pace;
use crate::team::Team;
use muster_log::{
    BodyHash, Claimed, DagId, DeviceKey, DeviceSecret, EntryId, IncidentId, SessionId, TeamId, Timestamp,
};
use muster_store::{Storage, Write};
use muster_sync::{Tick, Verdict};
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
    pub(crate) is_full: bool,
    /// Whether anything at all is staged.
    pub(crate) dirty: bool,
    /// Incidents that could not come along, so that nothing is tried twice.
    pub(crate) left_behind: BTreeSet<IncidentId>,
    /// Opened and not committed since: an incident may wait to come along whose commit failed before.
    pub(crate) is_new: bool,
    /// The wall clock at the first commit.
    pub(crate) began: Option<Timestamp>,
    /// Own entries that peers gave back.
    pub(crate) came_back: crate::restored::CameBack,
    pub(crate) erasing: crate::erasing::Erasing,
    /// Until when a compaction under way waits for its next step.
    pub(crate) compacting_until: Option<Tick>,
    /// Inputs for replicators that must not be given before the commit.
    pub(crate) after_commit: Vec<(TeamId, muster_sync::Input)>,
    pub(crate) connected: BTreeSet<DeviceKey>,
    /// Of those, who is reached through a relay.
    pub(crate) relayed: BTreeSet<DeviceKey>,
    /// Which team's replicator knows which connected peer.
    pub(crate) greeted: BTreeSet<(TeamId, DeviceKey)>,
    /// Who takes part in which team's gossip, connected or not yet.
    pub(crate) gossiping: BTreeSet<(TeamId, DeviceKey)>,
    pub(crate) effects: Vec<Effect>,
    /// When news of incidents are told on.
    pub(crate) pace: Pace,
    pub(crate) members_told: BTreeSet<DeviceKey>,
    pub(crate) audiences_told: BTreeMap<TeamId, BTreeSet<DeviceKey>>,
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
            erasing: crate::erasing::Erasing::begin(),
            compacting_until: None,
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
                self.give_up_compaction(now.tick);
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
        if !self.store.is_writable() {
            // What is to be kept, told or erased waits for whoever may write. In a damaged store it may have been long ago.
            return Ok(());
        }
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
        let own = self.pace.deadline().into_iter().chain(self.erasing.deadline()).chain(self.compacting_until);
        replicators.chain(own).min()
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
}

fn by_team(news: &[(TeamId, EntryId, DagId)]) -> BTreeMap<TeamId, Vec<EntryId>> {
    let mut teams: BTreeMap<TeamId, Vec<EntryId>> = BTreeMap::new();
    for (team, entry, _) in news {
        teams.entry(*team).or_default().push(*entry);
    }
    teams
}
