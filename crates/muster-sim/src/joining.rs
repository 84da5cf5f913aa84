//! How nodes get into a team: the founder's, or one of one's own while nobody is in reach.
//!
//! A ticket travels outside of the network, so partitions do not hold it up. Request and answer may be lost.

use crate::failure::Wrong;
use crate::liar::Lie;
use crate::node::Joining;
use crate::world::{Event, World};
use muster_log::fact::Capability;
use muster_log::{IncidentId, TeamId, Ticket};
use muster_replica::{JoinAnswer, ReplicaError};

/// Stores of the founder that may fail before there is a team.
const STARTS_MAX: u32 = 100;

/// Who founds the team.
const FOUNDER: usize = 0;

/// How long a ticket is honoured: longer than any clock is off.
const TICKET_MS: i64 = 20 * 60 * 60 * 1000;

/// Of 1,000 tickets, where people decide, so many are one that somebody else has.
const TICKETS_GIVEN_TWICE: u64 = 250;

/// Until a newcomer tries again.
const AGAIN_MS: u64 = 3_000;

/// Tries of a newcomer after the last fault, where whoever wrote the ticket may be out of the team: then nobody lets them in.
const TRIES_MAX: u32 = 20;

/// Refusals after which a newcomer asks for another ticket.
const REFUSALS_MAX: u32 = 3;

impl World {
    /// The founder creates the team that all others will join.
    pub(crate) fn found_team(&mut self) -> Result<(), Wrong> {
        // A store that fails at once is opened again.
        for _ in 0..STARTS_MAX {
            if self.team.is_none() {
                self.start(FOUNDER)?;
                self.team = self.create_team(FOUNDER)?;
                self.nodes[FOUNDER].joining.welcomed = self.decides && self.team.is_some();
            }
        }
        Ok(())
    }

    /// A team for somebody who declares before joining any.
    pub(crate) fn found_team_of_one(&mut self, n: usize) -> Result<Option<TeamId>, Wrong> {
        self.create_team(n)
    }

    fn create_team(&mut self, n: usize) -> Result<Option<TeamId>, Wrong> {
        let now = self.nodes[n].now(self.now);
        let handle = self.nodes[n].handle.clone();
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(None) };
        let created = if self.decides && self.team.is_none() {
            replica.create_team_with(&handle, None, crate::decisions::recovery_keys(), now)
        } else {
            replica.create_team(&handle, now)
        };
        let team = self.staged(n, "create a team", created)?;
        Ok(team.filter(|_| self.nodes[n].replica.is_some()))
    }

    /// Makes durable what was staged; `None` where the store failed, for then it never happened.
    pub(crate) fn staged<T>(
        &mut self,
        n: usize,
        doing: &'static str,
        done: Result<T, ReplicaError>,
    ) -> Result<Option<T>, Wrong> {
        self.nodes[n].is_dirty = true;
        match done {
            Ok(done) => Ok(self.try_commit(n)?.then_some(done)),
            Err(ReplicaError::Store(_)) => {
                self.survive(n);
                Ok(None)
            }
            Err(error) => Err(Wrong::Failed { node: n, doing, error: error.to_string() }),
        }
    }

    /// A newcomer tries to get in, until it is in.
    pub(crate) fn join(&mut self, n: usize) -> Result<(), Wrong> {
        let Some(team) = self.team else { return Ok(()) };
        if self.nodes[n].is_member(&team) && !self.nodes[n].joining.returns {
            return Ok(());
        }
        if self.decides && self.now >= self.faults.span_ms {
            self.nodes[n].joining.tries += 1;
            if self.nodes[n].joining.tries > TRIES_MAX {
                return Ok(());
            }
        }
        let after = self.rng.between(AGAIN_MS / 2, AGAIN_MS);
        self.plan(after, Event::Join(n));
        if self.nodes[n].replica.is_none() || self.nodes[n].joining.welcomed {
            return Ok(());
        }
        self.last_frame_at = self.now; // the network is not quiet while somebody wants in
        let ticket = match self.nodes[n].joining.ticket.clone() {
            Some(ticket) => ticket,
            None => match self.issue_ticket(n, team)? {
                Some(ticket) => ticket,
                None => return Ok(()),
            },
        };
        // Guests are not on the team's gossip.
        self.nodes[n].gossips &= ticket.incident.is_none();
        self.nodes[n].joining.ticket = Some(ticket.clone());
        self.ask_to_join(n, &ticket)
    }

    /// The founder, who alone is an admin unless people decide, writes a ticket.
    fn issue_ticket(&mut self, newcomer: usize, team: TeamId) -> Result<Option<Ticket>, Wrong> {
        let mut n = FOUNDER;
        if self.decides {
            if let Some(ticket) = self.borrowed_ticket(newcomer) {
                return Ok(Some(ticket));
            }
            let issuers = self.issuers(newcomer, team);
            let Some(issuer) = self.rng.pick(&issuers) else { return Ok(None) };
            n = *issuer;
        }
        let now = self.nodes[n].now(self.now);
        let capability = if self.rng.chance(100) { Capability::Observer } else { Capability::Responder };
        let mut is_for_a_guest = self.guests > 0 && self.rng.chance(self.guests);
        let mut capability = capability;
        if self.is_liar(newcomer) {
            match self.trust {
                // Of these one observes, or is a guest.
                Some(Lie::Unauthorised) if newcomer + 1 == self.nodes.len() => is_for_a_guest = self.rng.chance(500),
                Some(_) => capability = Capability::Responder,
                None => {}
            }
        }
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(None) };
        let shared: Vec<IncidentId> = match replica.ledger(&team) {
            Ok(ledger) if is_for_a_guest => ledger.incidents().filter(|it| !ledger.is_private(it)).collect(),
            _ => Vec::new(),
        };
        let incident = if shared.is_empty() { None } else { self.rng.pick(&shared).copied() };
        let expires = now.wall.plus_ms(TICKET_MS);
        let issued = replica.invite(team, capability, incident, expires, &[format!("node {n}")], now);
        if matches!(issued, Err(ReplicaError::NotAllowed(_))) {
            return Ok(None); // many tickets are open; the newcomer asks again
        }
        self.staged(n, "issue a ticket", issued)
    }

    /// Where people decide, a ticket is now and then given to two.
    fn borrowed_ticket(&mut self, newcomer: usize) -> Option<Ticket> {
        if !self.rng.chance(TICKETS_GIVEN_TWICE) {
            return None;
        }
        let others = self.honest().filter(|n| *n != newcomer);
        let tickets: Vec<Ticket> = others.filter_map(|n| self.nodes[n].joining.ticket.clone()).collect();
        self.rng.pick(&tickets).cloned()
    }

    fn ask_to_join(&mut self, n: usize, ticket: &Ticket) -> Result<(), Wrong> {
        let now = self.nodes[n].now(self.now);
        let handle = self.nodes[n].handle.clone();
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        let request = replica.join_request(ticket, &handle, now);
        if self.decides && matches!(request, Err(ReplicaError::InTeam)) {
            self.nodes[n].joining = Joining { welcomed: true, ..Joining::default() };
            return Ok(());
        }
        let Some(request) = self.staged(n, "ask to join", request)? else { return Ok(()) };
        let members: Vec<usize> =
            ticket.addresses.iter().filter_map(|(key, _)| self.number_of(key)).filter(|n| !self.is_liar(*n)).collect();
        let Some(to) = self.rng.pick(&members).copied() else { return Ok(()) };
        let after = self.travel_ms();
        self.plan(after, Event::JoinAsked { from: n, to, request });
        Ok(())
    }

    pub(crate) fn join_asked(&mut self, from: usize, to: usize, request: &[u8]) -> Result<(), Wrong> {
        if !self.reaches(from, to) || self.rng.chance(self.faults.loss) {
            return Ok(());
        }
        let peer = self.nodes[from].key;
        let now = self.nodes[to].now(self.now);
        let Some(replica) = &mut self.nodes[to].replica else { return Ok(()) };
        let answer = replica.answer_join(&peer, request, now);
        let Some(answer) = self.staged(to, "answer a newcomer", answer)? else { return Ok(()) };
        tracing::debug!(newcomer = from, member = to, at = self.now, ?answer, "asked to join");
        let after = self.travel_ms();
        self.plan(after, Event::JoinAnswered { by: to, to: from, answer });
        Ok(())
    }

    pub(crate) fn join_answered(&mut self, by: usize, to: usize, answer: JoinAnswer) -> Result<(), Wrong> {
        if !self.reaches(by, to) || self.rng.chance(self.faults.loss) {
            return Ok(());
        }
        let joining = &mut self.nodes[to].joining;
        let Some(ticket) = joining.ticket.clone().filter(|_| !joining.welcomed) else { return Ok(()) };
        match answer {
            JoinAnswer::Refused { .. } => {
                joining.refusals += 1;
                if joining.refusals.is_multiple_of(REFUSALS_MAX) {
                    joining.ticket = None;
                }
            }
            JoinAnswer::Welcome => {
                let Some(replica) = &mut self.nodes[to].replica else { return Ok(()) };
                let joined = replica.joined(&ticket);
                if self.staged(to, "join", joined)?.is_some() {
                    self.nodes[to].joining.welcomed = true;
                    self.nodes[to].joining.returns = false;
                }
            }
        }
        Ok(())
    }
}
