//! Teams of this device: creating one, inviting into one, letting a newcomer in.
//!
//! Who counts as a member is the ledger's affair. Local here: until when a ticket is honoured, by this device's clock.

use crate::error::ReplicaError;
use crate::local;
use crate::replica::{Now, Replica};
use crate::team::Team;
use crate::ticket_addresses;
use muster_log::draft;
use muster_log::fact::{Capability, PersonKind, RosterFact};
use muster_log::ticket::Ticket;
use muster_log::{
    BodyText, Dag, DagId, DeviceKey, DeviceSecret, Entry, EntryId, Fact, IncidentId, Kind, Part, PersonId, TeamId,
    Timestamp,
};
use muster_store::Storage;
use std::collections::BTreeMap;

/// Tickets that are open at one time. More are a sign of a script gone wrong, and each lets somebody in.
const OPEN_TICKETS_MAX: usize = 32;

impl<S: Storage> Replica<S> {
    /// Creates a team with this device's person, called `handle`, as its first admin, and makes it the current one.
    ///
    /// Nobody asked for a team: what is declared here comes along to a team that is joined later.
    ///
    /// # Errors
    /// [`ReplicaError::Body`] where the handle is too long, [`ReplicaError::Store`].
    pub fn create_team(&mut self, handle: &str, now: Now) -> Result<TeamId, ReplicaError> {
        let joined = self.joined_without_roster()?;
        let team = self.found(handle, None, Vec::new(), now)?;
        if let Some(to) = joined {
            // What is declared while the roster is still to come goes along like what was declared before joining.
            self.set_local(local::coming(&team), Some(to.to_string().into_bytes()))?;
            self.set_current(to)?;
        }
        Ok(team)
    }

    /// The current team, where it was joined as a member and its roster has not come yet.
    fn joined_without_roster(&self) -> Result<Option<TeamId>, ReplicaError> {
        let chosen = self.store.local(local::CURRENT_TEAM)?;
        let chosen: Option<TeamId> = chosen.and_then(|text| String::from_utf8(text).ok()?.parse().ok());
        let waits = |team: &TeamId| {
            let state = self.teams.get(team);
            state.is_some_and(|state| !state.sponsors.is_empty() && state.person_of(&self.device()).is_none())
        };
        Ok(chosen.filter(waits))
    }

    /// As [`Replica::create_team`], on purpose: what is in the team stays there, whatever other team is joined. It goes by
    /// `name`, and can be recovered with these offline keys, the first outranking the others.
    ///
    /// # Errors
    /// As [`Replica::create_team`]; [`ReplicaError::NotAllowed`] where there are more than three or two are equal.
    pub fn create_team_with(
        &mut self,
        handle: &str,
        name: Option<&str>,
        recovery_keys: Vec<DeviceKey>,
        now: Now,
    ) -> Result<TeamId, ReplicaError> {
        let team = self.found(handle, name, recovery_keys, now)?;
        self.set_local(local::made_on_purpose(&team), Some(Vec::new()))?;
        Ok(team)
    }

    fn found(
        &mut self,
        handle: &str,
        name: Option<&str>,
        recovery_keys: Vec<DeviceKey>,
        now: Now,
    ) -> Result<TeamId, ReplicaError> {
        let draft = draft::team_create(self.device(), self.session, now.claimed(), PersonKind::Human, recovery_keys);
        // The genesis has no ledger to be admitted to before it exists: its id names the ledger.
        let text = BodyText::plain(handle).with(Part::Team, name.unwrap_or_default());
        let (genesis, body) = self.seal(draft, &text)?;
        let team = TeamId::of_genesis(genesis.id());
        self.teams.insert(team, Team::new(team, self.device()));
        self.admit_own(team, &genesis, body, now)?;
        self.set_current(team)?;
        Ok(team)
    }

    /// Makes `team` the one that new incidents are declared in; durable with the next commit.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`], [`ReplicaError::Store`].
    pub fn set_current(&mut self, team: TeamId) -> Result<(), ReplicaError> {
        if !self.teams.contains_key(&team) {
            return Err(ReplicaError::NoSuchTeam(team));
        }
        self.set_local(local::CURRENT_TEAM.to_owned(), Some(team.to_string().into_bytes()))
    }

    /// The team that new incidents are declared in; none before the first was created.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn current_team(&self) -> Result<Option<TeamId>, ReplicaError> {
        let chosen = self.store.local(local::CURRENT_TEAM)?;
        let chosen = chosen.and_then(|text| String::from_utf8(text).ok()?.parse().ok());
        Ok(chosen.filter(|team| self.teams.contains_key(team)).or_else(|| self.teams.keys().next().copied()))
    }

    /// Issues a ticket for one newcomer, good until `expires` by the clocks of the members who honour it.
    ///
    /// `own_addresses` are where this device listens; the best two go into the ticket, and one of each other member, three in all.
    /// With an `incident` the newcomer becomes a guest, who may hold that one and nothing else of the team.
    ///
    /// # Errors
    /// [`ReplicaError::NotAllowed`] where this person is no admin or has too many tickets open, or the incident is private;
    /// [`ReplicaError::NoSuchIncident`].
    pub fn invite(
        &mut self,
        team: TeamId,
        capability: Capability,
        incident: Option<IncidentId>,
        expires: Timestamp,
        own_addresses: &[String],
        now: Now,
    ) -> Result<Ticket, ReplicaError> {
        let open = self.open_tickets(&team, now);
        if open >= OPEN_TICKETS_MAX {
            return Err(ReplicaError::NotAllowed(format!("{open} tickets are open already")));
        }
        if let Some(incident) = incident {
            let ledger = self.ledger(&team)?;
            if ledger.dag(&DagId::from(incident)).is_none() {
                return Err(ReplicaError::NoSuchIncident(incident));
            }
            if ledger.is_private(&incident) {
                return Err(ReplicaError::NotAllowed(
                    "the incident is private: a ticket opens none; whoever is in it lets others in with `muster admit`"
                        .into(),
                ));
            }
        }
        let seed = self.entropy.thirty_two();
        let ticket_key = DeviceSecret::from_seed(&seed).public();
        let fact = RosterFact::Invite { ticket_key, capability, expires, incident };
        let roster = DagId::from(team);
        let invite = self.author(team, Some(roster), fact.kind(), fact.fields(), &BodyText::default(), now)?;
        let me = self.device();
        let members = self.teams.get(&team).map(|team| team.ledger.roster().member_devices()).unwrap_or_default();
        let others: Result<Vec<_>, ReplicaError> = members
            .into_iter()
            .filter(|member| *member != me)
            .map(|member| Ok((member, self.connected.contains(&member), self.addresses(&member)?)))
            .collect();
        let addresses = ticket_addresses::of_ticket(me, own_addresses, others?, incident.is_some());
        Ok(Ticket { team, invite, seed: seed.into(), expires, addresses, incident })
    }

    /// Saves where a device listens, replacing what was saved; durable with the next commit.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn save_addresses(&mut self, device: &DeviceKey, addresses: &[String]) -> Result<(), ReplicaError> {
        let saved = self.addresses(device)?;
        if saved == addresses {
            return Ok(());
        }
        self.set_local(local::addresses(device), Some(addresses.join("\n").into_bytes()))
    }

    /// Says where this node listens, best first, for the others to hear. Kept in memory alone.
    pub fn listens_at(&mut self, addresses: Vec<String>) {
        self.listens_at = addresses;
    }

    /// Where a device was last known to listen.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn addresses(&self, device: &DeviceKey) -> Result<Vec<String>, ReplicaError> {
        let saved = self.store.local(&local::addresses(device))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&saved).lines().map(str::to_owned).collect())
    }

    /// The handle that this device's person gave in a team, or had given when they were removed.
    pub fn own_handle(&self, team: &TeamId) -> Option<String> {
        let (state, me) = (self.teams.get(team)?, self.device());
        let former = || {
            let entries = state.ledger.dag(&DagId::from(*team))?.entries();
            let comings = entries.filter(|it| it.key() == me && matches!(it.kind(), Kind::JOIN | Kind::TEAM_CREATE));
            comings.last().map(|coming| PersonId::of_genesis(coming.id()))
        };
        state.handles.given(&state.person_of(&me).or_else(former)?)
    }

    /// What its founder called a team, where it has a name and that is here.
    pub fn team_name(&self, team: &TeamId) -> Option<String> {
        self.teams.get(team)?.name().map(str::to_owned)
    }

    /// Whether this device's person is a guest in a team.
    pub fn is_guest_in(&self, team: &TeamId) -> bool {
        self.teams.get(team).is_some_and(|state| state.is_guest(&self.device()))
    }

    /// Whether this device was taken out of a team and did not come back, as far as has been heard here.
    pub fn was_removed_from(&self, team: &TeamId) -> bool {
        self.teams.get(team).is_some_and(|state| state.was_removed(&self.device()))
    }

    /// The person of this device in a team.
    pub fn person_in(&self, team: &TeamId) -> Option<PersonId> {
        self.teams.get(team)?.person_of(&self.device())
    }
}

/// Whether a newcomer may be let in with this entry: it is an invite that has not expired by this device's clock.
pub(crate) fn honours(invite: &Entry, now: Now) -> bool {
    matches!(invite.fact(), Ok(Fact::Roster(RosterFact::Invite { expires, .. })) if now.wall <= expires)
}

/// The invites by which somebody was vouched for, with the first such `join`.
pub(crate) fn vouched_invites(roster: &Dag) -> BTreeMap<EntryId, EntryId> {
    let joins = roster.entries().filter_map(|entry| match entry.fact() {
        Ok(Fact::Roster(RosterFact::Vouch { join })) => roster.entry(&join),
        _ => None,
    });
    let mut used = BTreeMap::new();
    for join in joins {
        for invite in &join.items().deps {
            used.entry(*invite).or_insert(join.id());
        }
    }
    used
}
