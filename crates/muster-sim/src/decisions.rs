//! Who decides about whom: removals, grants, seconds, confirms, further devices, recovery, and coming back after it all.
//!
//! People decide by what their own node knows, so that apart they decide against each other. What must hold then is in
//! `check`; how somebody gets in by ticket in `joining`.

use crate::failure::Wrong;
use crate::node::{Joining, Promise};
use crate::rng::Rng;
use crate::world::{Event, World};
use muster_log::fact::{Capability, RevokeMode, RosterFact};
use muster_log::{DeviceKey, DeviceSecret, EntryId, PersonId, Removal, Roster, Standing, TeamId};
use muster_replica::{Decision, Removing, ReplicaError};
use std::collections::BTreeSet;
use std::fmt;

/// Secrets of the team's recovery keys, which lie in a safe.
const SAFE: [[u8; 32]; 2] = [[201; 32], [202; 32]];

/// Of 1,000 decisions so many are tried by those who may.
const BY_ADMINS: u64 = 850;

/// How far back somebody says that a device was stolen, at most, in milliseconds.
const STOLEN_AGO_MS: u64 = 60_000;

/// Decisions, by what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decisions {
    /// Devices taken, or a capability lowered.
    pub removals: u64,
    /// Capabilities given.
    pub grants: u64,
    /// Removals of an admin agreed to.
    pub seconds: u64,
    /// Joins of which one ticket had several, and one was said to be right.
    pub confirms: u64,
    /// Further devices of somebody.
    pub devices: u64,
    /// Decisions signed by a recovery key.
    pub recoveries: u64,
    /// Persons who were out and were let in again.
    pub returns: u64,
    /// Two who decided against each other while apart.
    pub feuds: u64,
    /// Times that somebody was let sync for what their roster showed.
    pub heard: u64,
    /// Times that it showed nothing that lets them in.
    pub unheard: u64,
    /// Removals that counted in the end, on any node.
    pub counted: u64,
    /// Removals that others outranked in the end, on any node.
    pub overruled: u64,
    /// Entries that counted for less in the end, on any node.
    pub discounted: u64,
    /// Nodes that were out in the end.
    pub outsiders: u64,
    /// Pairs of orders in which the same entries came to the same.
    pub orders: u64,
}

impl Decisions {
    pub(crate) fn add(&mut self, other: &Self) {
        self.removals += other.removals;
        self.grants += other.grants;
        self.seconds += other.seconds;
        self.confirms += other.confirms;
        self.devices += other.devices;
        self.recoveries += other.recoveries;
        self.returns += other.returns;
        self.feuds += other.feuds;
        self.heard += other.heard;
        self.unheard += other.unheard;
        self.counted += other.counted;
        self.overruled += other.overruled;
        self.discounted += other.discounted;
        self.outsiders += other.outsiders;
        self.orders += other.orders;
    }
}

impl fmt::Display for Decisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { removals, grants, seconds, confirms, devices, recoveries, returns, feuds, .. } = self;
        write!(
            f,
            "decisions: {removals} removals, {grants} grants, {seconds} seconds, {confirms} confirms, {devices} devices, \
             {recoveries} recoveries, {returns} returns, {feuds} feuds; {} counted, {} overruled, {} entries discounted, \
             {} nodes out, {} heard and {} not when they showed the roster, {} orders compared",
            self.counted, self.overruled, self.discounted, self.outsiders, self.heard, self.unheard, self.orders
        )
    }
}

/// The recovery keys of the team, the highest first.
pub(crate) fn recovery_keys() -> Vec<DeviceKey> {
    SAFE.iter().map(|seed| DeviceSecret::from_seed(seed).public()).collect()
}

impl World {
    /// Somebody decides something.
    pub(crate) fn decide(&mut self) -> Result<(), Wrong> {
        let Some(team) = self.team else { return Ok(()) };
        let anybody = self.rng.index(self.honest().len());
        let admins = self.admins(team);
        let n = match self.rng.pick(&admins) {
            Some(admin) if self.rng.chance(BY_ADMINS) => *admin,
            _ => anybody,
        };
        match self.rng.below(100) {
            0..24 => self.grant(n, team),
            24..40 => self.remove_somebody(n, team),
            40..42 => self.leave(n, team),
            42..58 => self.second_something(n, team),
            58..66 => self.confirm(n, team),
            66..72 => self.add_device(n, team),
            72..95 => self.come_back(team),
            _ => self.recover(n, team),
        }
    }

    /// The roster of a node that takes part in the team, as far as it knows.
    fn roster_at(&self, n: usize, team: TeamId) -> Option<&Roster> {
        let replica = self.nodes[n].replica.as_ref()?;
        replica.person_in(&team)?;
        replica.ledger(&team).ok().map(|ledger| ledger.roster())
    }

    /// Nodes whose persons are admins by their own rosters.
    fn admins(&self, team: TeamId) -> Vec<usize> {
        let capability = |n: &usize| self.roster_at(*n, team)?.capability_of(&self.nodes[*n].key);
        self.honest().filter(|n| capability(n) == Some(Capability::Admin)).collect()
    }

    /// Whether a node's roster says that the device of another is in the team.
    pub(crate) fn names(&self, n: usize, other: usize, team: TeamId) -> bool {
        let Some(replica) = &self.nodes[n].replica else { return false };
        replica.ledger(&team).is_ok_and(|ledger| ledger.roster().person_of(&self.nodes[other].key).is_some())
    }

    /// Whether two nodes are in the team by the rosters of both: then they speak with each other.
    pub(crate) fn are_together(&self, a: usize, b: usize, team: TeamId) -> bool {
        [(a, a), (a, b), (b, b), (b, a)].into_iter().all(|(n, other)| self.names(n, other, team))
    }

    /// Writes what was decided, if it was allowed.
    fn decided(&mut self, n: usize, team: TeamId, done: Result<Vec<EntryId>, ReplicaError>) -> Result<bool, Wrong> {
        match done {
            Ok(entries) => {
                let mut promises = entries.into_iter().map(|entry| Promise { team, entry });
                let Some(last) = promises.next_back() else { return Ok(false) };
                self.nodes[n].staged.extend(promises);
                self.wrote(n, last)?;
                Ok(true)
            }
            Err(ReplicaError::NotAllowed(why)) => {
                tracing::debug!(node = n, at = self.now, why, "may not decide");
                self.tally.refused += 1;
                Ok(false)
            }
            Err(ReplicaError::Store(_)) => {
                self.survive(n);
                Ok(false)
            }
            Err(error) => Err(Wrong::Failed { node: n, doing: "decide", error: error.to_string() }),
        }
    }

    fn set_capability(
        &mut self,
        n: usize,
        team: TeamId,
        person: PersonId,
        capability: Capability,
    ) -> Result<bool, Wrong> {
        let now = self.nodes[n].now(self.now);
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(false) };
        let before = replica.ledger(&team).ok().and_then(|ledger| ledger.roster().capability(&person));
        tracing::info!(node = n, at = self.now, %person, ?before, ?capability, "sets a capability");
        let lowers = before > Some(capability);
        let done = if lowers {
            replica.remove(team, &Removing::Capability { person, left: capability }, now).map(|outlook| outlook.entries)
        } else {
            replica.decide(team, &RosterFact::SetCapability { person, capability }, now).map(|entry| vec![entry])
        };
        let done = self.decided(n, team, done)?;
        self.tally.decisions.removals += u64::from(done && lowers);
        self.tally.decisions.grants += u64::from(done && !lowers);
        Ok(done)
    }

    fn grant(&mut self, n: usize, team: TeamId) -> Result<(), Wrong> {
        let Some(persons) = self.roster_at(n, team).map(|roster| roster.persons().collect::<Vec<_>>()) else {
            return Ok(());
        };
        let Some(person) = self.rng.pick(&persons).copied() else { return Ok(()) };
        let capability = match self.rng.below(10) {
            0 | 1 => Capability::Observer,
            2..5 => Capability::Responder,
            _ => Capability::Admin,
        };
        self.set_capability(n, team, person, capability).map(drop)
    }

    /// Takes some or all devices of a person.
    fn remove_person(&mut self, n: usize, team: TeamId, person: PersonId) -> Result<bool, Wrong> {
        let Some(of_person) = self.roster_at(n, team).map(|roster| roster.devices(&person)) else { return Ok(false) };
        let devices: BTreeSet<DeviceKey> = match self.rng.pick(&of_person).copied() {
            Some(one) if self.rng.chance(300) => BTreeSet::from([one]),
            Some(_) => of_person.into_iter().collect(),
            None => return Ok(false),
        };
        let now = self.nodes[n].now(self.now);
        let mode = if self.rng.chance(600) { RevokeMode::Compromise } else { RevokeMode::Retire };
        let ago = i64::try_from(self.rng.below(STOLEN_AGO_MS)).unwrap_or(0);
        let until = self.rng.chance(400).then(|| now.wall.plus_ms(-ago));
        tracing::info!(node = n, at = self.now, ?devices, ?mode, ?until, "removes");
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(false) };
        let done = replica.remove(team, &Removing::Devices { devices, mode, until }, now);
        let done = self.decided(n, team, done.map(|outlook| outlook.entries))?;
        self.tally.decisions.removals += u64::from(done);
        Ok(done)
    }

    fn remove_somebody(&mut self, n: usize, team: TeamId) -> Result<(), Wrong> {
        let Some(roster) = self.roster_at(n, team) else { return Ok(()) };
        let me = roster.person_of(&self.nodes[n].key);
        let others: Vec<PersonId> = roster.persons().filter(|person| Some(*person) != me).collect();
        match self.rng.pick(&others).copied() {
            Some(person) => self.remove_person(n, team, person).map(drop),
            None => Ok(()),
        }
    }

    /// Somebody takes their own device out.
    fn leave(&mut self, n: usize, team: TeamId) -> Result<(), Wrong> {
        if self.roster_at(n, team).is_none() {
            return Ok(());
        }
        let (now, key) = (self.nodes[n].now(self.now), self.nodes[n].key);
        let mode = if self.rng.chance(300) { RevokeMode::Compromise } else { RevokeMode::Retire };
        tracing::info!(node = n, at = self.now, "leaves");
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        let removing = Removing::Devices { devices: BTreeSet::from([key]), mode, until: None };
        let done = replica.remove(team, &removing, now).map(|outlook| outlook.entries);
        let done = self.decided(n, team, done)?;
        self.tally.decisions.removals += u64::from(done);
        Ok(())
    }

    /// Agrees to a removal that waits for it, or to any.
    fn second_something(&mut self, n: usize, team: TeamId) -> Result<(), Wrong> {
        let any = self.rng.chance(100);
        let Some(replica) = &self.nodes[n].replica else { return Ok(()) };
        let Ok(ledger) = replica.ledger(&team) else { return Ok(()) };
        let waits = |removal: &Removal| any || removal.standing == Standing::NeedsSecond;
        let waiting: Vec<EntryId> = ledger.removals().into_iter().filter(waits).map(|removal| removal.id).collect();
        let Some(removal) = self.rng.pick(&waiting).copied() else { return Ok(()) };
        tracing::info!(node = n, at = self.now, %removal, "seconds");
        let now = self.nodes[n].now(self.now);
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        let done = replica.second(team, removal, now).map(|entry| vec![entry]);
        let done = self.decided(n, team, done)?;
        self.tally.decisions.seconds += u64::from(done);
        Ok(())
    }

    /// Says which of several who came by one ticket is right.
    fn confirm(&mut self, n: usize, team: TeamId) -> Result<(), Wrong> {
        let Some(replica) = &self.nodes[n].replica else { return Ok(()) };
        let Ok(ledger) = replica.ledger(&team) else { return Ok(()) };
        let rivals: Vec<PersonId> = ledger.rivals().into_iter().flatten().collect();
        let Some(person) = self.rng.pick(&rivals).copied() else { return Ok(()) };
        tracing::info!(node = n, at = self.now, %person, "confirms");
        let now = self.nodes[n].now(self.now);
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        let done = replica.decide(team, &RosterFact::Confirm { join: person.genesis() }, now).map(|entry| vec![entry]);
        let done = self.decided(n, team, done)?;
        self.tally.decisions.confirms += u64::from(done);
        Ok(())
    }

    /// Somebody who is not in the team, or no more, becomes another device of a person who is. What goes between the two
    /// travels outside of the network.
    fn add_device(&mut self, n: usize, team: TeamId) -> Result<(), Wrong> {
        let is_free = |k: &usize| {
            *k != n && !self.nodes[*k].is_member(&team) && !self.names(n, *k, team) && self.nodes[*k].replica.is_some()
        };
        let free: Vec<usize> = self.honest().filter(is_free).collect();
        let Some(k) = self.rng.pick(&free).copied() else { return Ok(()) };
        let offer = match self.nodes[n].replica.as_ref().map(|replica| replica.offer_device(team, &["here".to_owned()]))
        {
            Some(Ok(offer)) => offer,
            _ => return Ok(()),
        };
        let Some(replica) = &mut self.nodes[k].replica else { return Ok(()) };
        let answer = replica.accept_offer(&offer);
        let Some(answer) = self.staged(k, "accept an offer", answer)? else { return Ok(()) };
        self.nodes[k].joining = Joining { welcomed: true, ..Joining::default() };
        tracing::info!(node = n, device = k, at = self.now, "adds a device");
        let now = self.nodes[n].now(self.now);
        let Some(replica) = &mut self.nodes[n].replica else { return self.give_up_offer(k) };
        let added = replica.add_device(&answer, now).map(|entry| vec![entry]);
        let added = self.decided(n, team, added)?;
        self.tally.decisions.devices += u64::from(added);
        if added { Ok(()) } else { self.give_up_offer(k) }
    }

    /// Who waited to be added asks for a ticket after all.
    fn give_up_offer(&mut self, k: usize) -> Result<(), Wrong> {
        self.nodes[k].joining = Joining::default();
        Ok(())
    }

    /// Somebody who was taken out, whether their node knows it or not, asks for a new ticket.
    fn come_back(&mut self, team: TeamId) -> Result<(), Wrong> {
        let is_out = |n: &usize| {
            let node = &self.nodes[*n];
            node.joining.welcomed && node.replica.is_some() && !self.issuers(*n, team).is_empty()
        };
        let out: Vec<usize> = self.honest().filter(is_out).collect();
        let Some(n) = self.rng.pick(&out).copied() else { return Ok(()) };
        tracing::info!(node = n, at = self.now, "wants to come back");
        self.nodes[n].joining = Joining { returns: true, ..Joining::default() };
        self.tally.decisions.returns += 1;
        self.plan(0, Event::Join(n));
        Ok(())
    }

    /// Who could write a ticket for somebody: admins by their own rosters, to whom that one is out.
    pub(crate) fn issuers(&self, n: usize, team: TeamId) -> Vec<usize> {
        let admins = self.admins(team).into_iter();
        admins.filter(|m| *m != n && !self.names(*m, n, team)).collect()
    }

    /// A recovery key is taken from the safe.
    fn recover(&mut self, n: usize, team: TeamId) -> Result<(), Wrong> {
        let Some(persons) = self.roster_at(n, team).map(|roster| roster.persons().collect::<Vec<_>>()) else {
            return Ok(());
        };
        let seed = self.rng.pick(&SAFE).copied().unwrap_or_default();
        let Some(person) = self.rng.pick(&persons).copied() else { return Ok(()) };
        let decision = self.recovery_decision(n, team, person);
        let now = self.nodes[n].now(self.now);
        tracing::info!(node = n, at = self.now, ?decision, "recovers");
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        let done = replica.recover(team, &DeviceSecret::from_seed(&seed), &decision, now);
        let done = self.decided(n, team, done)?;
        self.tally.decisions.recoveries += u64::from(done);
        Ok(())
    }

    fn recovery_decision(&mut self, n: usize, team: TeamId, person: PersonId) -> Decision {
        let devices = self.roster_at(n, team).map(|roster| roster.devices(&person)).unwrap_or_default();
        match self.rng.below(4) {
            0 if !devices.is_empty() => {
                let (devices, mode) = (devices.into_iter().collect(), any_mode(&mut self.rng));
                Decision::Remove(Removing::Devices { devices, mode, until: None })
            }
            1 => Decision::Remove(Removing::Capability { person, left: Capability::Observer }),
            _ => Decision::Grant { person, capability: Capability::Admin },
        }
    }

    /// While the network is apart, some fall out with each other.
    pub(crate) fn plan_feud(&mut self) {
        if self.decisions > 0 && self.rng.chance(700) {
            let after = self.rng.between(0, 500);
            self.plan(after, Event::Feud);
        }
    }

    /// Two admins in different parts remove each other, or lower each other, or both remove a third.
    pub(crate) fn feud(&mut self) -> Result<(), Wrong> {
        let Some(team) = self.team else { return Ok(()) };
        let admins = self.admins(team);
        let pairs: Vec<(usize, usize)> = admins
            .iter()
            .flat_map(|a| admins.iter().map(|b| (*a, *b)))
            .filter(|(a, b)| a != b && self.parts[*a] != self.parts[*b])
            .collect();
        let Some((a, b)) = self.rng.pick(&pairs).copied() else { return Ok(()) };
        let person = |n: usize| self.roster_at(n, team).and_then(|roster| roster.person_of(&self.nodes[n].key));
        let (Some(of_a), Some(of_b)) = (person(a), person(b)) else { return Ok(()) };
        tracing::info!(a, b, at = self.now, "feud");
        self.tally.decisions.feuds += 1;
        match self.rng.below(4) {
            0 => {
                let others = self.roster_at(a, team).map(|roster| roster.persons().collect::<Vec<_>>());
                let others: Vec<PersonId> =
                    others.unwrap_or_default().into_iter().filter(|p| *p != of_a && *p != of_b).collect();
                let Some(third) = self.rng.pick(&others).copied() else { return Ok(()) };
                self.remove_person(a, team, third)?;
                self.remove_person(b, team, third).map(drop)
            }
            1 => {
                self.set_capability(a, team, of_b, Capability::Responder)?;
                self.set_capability(b, team, of_a, Capability::Observer).map(drop)
            }
            _ => {
                self.remove_person(a, team, of_b)?;
                self.remove_person(b, team, of_a).map(drop)
            }
        }
    }
}

fn any_mode(rng: &mut Rng) -> RevokeMode {
    if rng.chance(500) { RevokeMode::Compromise } else { RevokeMode::Retire }
}
