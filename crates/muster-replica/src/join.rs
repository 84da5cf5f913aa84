//! Joining a team by ticket: the newcomer's side and the member's side.
//!
//! The newcomer writes a `join` entry, which needs no roster, and hands it to a member over `/muster/join/1`. A member
//! that honours the ticket admits it, writes a `vouch` and says so; the roster then comes by ordinary sync, because from
//! then on the newcomer is a member. The bytes are in `docs/protocol.md`, section "Joining".

use crate::error::ReplicaError;
use crate::local;
use crate::membership::{honours, vouched_invites};
use crate::replica::{Now, Replica};
use crate::team::Team;
use minicbor::{Decoder, Encoder};
use muster_log::draft;
use muster_log::fact::{Capability, PersonKind, RosterFact};
use muster_log::ledger::Received;
use muster_log::ticket::Ticket;
use muster_log::{
    Body, BodyText, DagId, DeviceKey, Entry, EntryId, Fact, Kind, Part, Refusal, SessionId, Signature, TeamId,
};
use muster_store::Storage;

/// The version of request and answer.
const JOIN_VERSION: u8 = 1;

/// What a member answers to a join request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinAnswer {
    /// Vouched for: connect and sync.
    Welcome,
    /// Not let in.
    Refused {
        /// Why, for the newcomer.
        reason: String,
    },
}

impl<S: Storage> Replica<S> {
    /// Writes this device's `join` for `ticket` and gives the request to carry to a member. Staged: commit before
    /// sending, so that a second try after a crash sends the same entry.
    ///
    /// # Errors
    /// [`ReplicaError::Body`] where the handle is too long, [`ReplicaError::InTeam`],
    /// [`ReplicaError::Store`].
    pub fn join_request(&mut self, ticket: &Ticket, handle: &str, now: Now) -> Result<Vec<u8>, ReplicaError> {
        let team = ticket.team;
        // Whoever was removed is not told: a ticket that is not known here may be the way back.
        if self.person_in(&team).is_some() && self.ledger(&team)?.contains(&ticket.invite) {
            return Err(ReplicaError::InTeam);
        }
        let key = local::joining(&ticket.invite);
        if let Some(request) = self.store.local(&key)? {
            return Ok(request);
        }
        // A `join` is the first of its log. Two in one session, for two tickets, would be a fork and count for nothing.
        let session = SessionId::from_bytes(self.entropy.sixteen());
        let draft = draft::join(ticket, self.device(), session, now.claimed(), PersonKind::Human);
        let own = self.current_team()?.filter(|_| ticket.incident.is_some()).and_then(|own| self.team_name(&own));
        let text = BodyText::plain(handle).with(Part::Team, own.unwrap_or_default());
        let (entry, body) = self.seal(draft, &text)?;
        let signature = self.secret.sign_entry(&entry.id());
        let request = encode_request(&entry, &signature, body.as_ref().map(Body::bytes).unwrap_or_default());
        self.set_local(key, Some(request.clone()))?;
        Ok(request)
    }

    /// A member has welcomed this device: from now on the ticket's members may bring the roster. Durable with the next
    /// commit.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn joined(&mut self, ticket: &Ticket) -> Result<(), ReplicaError> {
        self.expect_roster(ticket.team, &ticket.addresses, ticket.incident.is_none())?;
        // A guest goes on working in the own team, and brings nothing along.
        if ticket.incident.is_none() {
            self.move_to(ticket.team)?;
        }
        self.set_local(local::joining(&ticket.invite), None)
    }

    /// Teams that were joined and whose roster is still to come.
    pub(crate) fn restore_joining(&mut self) -> Result<(), ReplicaError> {
        let me = self.device();
        for (key, lines) in self.store.locals(local::SPONSORS)? {
            let Ok(team) = key[local::SPONSORS.len()..].parse::<TeamId>() else { continue };
            let sponsors = String::from_utf8_lossy(&lines).lines().filter_map(|line| line.parse().ok()).collect();
            self.teams.entry(team).or_insert_with(|| Team::new(team, me)).sponsors = sponsors;
        }
        Ok(())
    }

    /// Forgets who may bring the roster of a team, once that names this device: a sponsor who is removed later must not be
    /// spoken with for an old ticket's sake.
    pub(crate) fn let_sponsors_go(&mut self) -> Result<(), ReplicaError> {
        let me = self.device();
        let is_named = |team: &Team| !team.sponsors.is_empty() && team.ledger.roster().person_of(&me).is_some();
        let named: Vec<TeamId> = self.teams.iter().filter(|(_, team)| is_named(team)).map(|(id, _)| *id).collect();
        for team in named {
            self.set_local(local::sponsors(&team), None)?;
            self.teams.entry(team).and_modify(|team| team.sponsors.clear());
        }
        Ok(())
    }

    /// Answers a newcomer who asks to join, and vouches if all is well; or a device that shows the roster because it is not
    /// let sync ([`Replica::appeal`]). Staged: commit before answering.
    ///
    /// # Errors
    /// [`ReplicaError::Store`]. Whatever is wrong with the request is an answer, not an error.
    pub fn answer_join(&mut self, peer: &DeviceKey, request: &[u8], now: Now) -> Result<JoinAnswer, ReplicaError> {
        if let Some(answer) = self.answer_appeal(peer, request, now)? {
            return Ok(answer);
        }
        match self.try_vouch(peer, request, now) {
            Ok(()) => Ok(JoinAnswer::Welcome),
            Err(ReplicaError::Store(error)) => Err(error.into()),
            Err(error) => Ok(JoinAnswer::Refused { reason: error.to_string() }),
        }
    }

    fn try_vouch(&mut self, peer: &DeviceKey, request: &[u8], now: Now) -> Result<(), ReplicaError> {
        let refuse = |reason: &str| ReplicaError::Ticket(reason.to_owned());
        let (entry, signature, body) = decode_request(request).ok_or_else(|| refuse("the request is malformed"))?;
        let team = entry.team();
        if entry.kind() != Kind::JOIN || entry.key() != *peer {
            return Err(refuse("the request is not this device's own"));
        }
        let [invite] = entry.items().deps[..] else { return Err(refuse("the request names no ticket")) };
        let state = self.teams.get(&team).ok_or_else(|| refuse("this member is not in that team"))?;
        let known = state.ledger.entry(&invite).cloned();
        let roster = state.ledger.roster();
        if let Some(person) = roster.person_of(peer) {
            if person.genesis() != entry.id() && known.as_ref().is_some_and(is_for_a_guest) {
                return Err(refuse(
                    "you are in that team already; somebody in the incident lets you in: `muster admit`",
                ));
            }
            return Ok(()); // the answer to an earlier request was lost
        }
        let me = roster.person_of(&self.device());
        if me.and_then(|me| roster.capability(&me)) < Some(Capability::Responder) || state.is_guest(&self.device()) {
            return Err(refuse("this member may not let anybody in; ask another"));
        }
        let known = known.ok_or_else(|| refuse("this member does not know it (yet); try again when it has synced"))?;
        if !honours(&known, now) {
            return Err(refuse("it has expired; ask for a new one"));
        }
        let used = state.ledger.dag(&DagId::from(team)).map(vouched_invites).unwrap_or_default();
        if used.get(&invite).is_some_and(|join| *join != entry.id()) {
            return Err(refuse("it was used already; ask for a new one"));
        }
        let id = entry.id();
        let body = Body::check(&entry, &body).ok();
        self.admit_foreign(team, entry, signature, body, now)?;
        let vouch = RosterFact::Vouch { join: id };
        self.author(team, Some(DagId::from(team)), vouch.kind(), vouch.fields(), &BodyText::default(), now)?;
        Ok(())
    }

    /// Admits and stages one entry that came outside of sync.
    pub(crate) fn admit_foreign(
        &mut self,
        team: TeamId,
        entry: Entry,
        signature: Signature,
        body: Option<Body>,
        now: Now,
    ) -> Result<(), ReplicaError> {
        let (id, author) = (entry.id(), entry.key());
        let bodies = body.into_iter().map(|body| (id, body)).collect();
        let received = Received { entry, signature: Some(signature) };
        // With it comes what waited for it, such as another member's vouch.
        let outcome = self.take_in(team, Some(author), vec![received], bodies, now)?;
        let state = self.teams.get(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        if state.ledger.contains(&id) {
            return Ok(());
        }
        let in_words = |(_, refusal): &(EntryId, Refusal)| state.refusal_in_words(refusal, &author);
        Err(ReplicaError::NotAllowed(outcome.refused.first().map_or("it is not complete".into(), in_words)))
    }
}

/// Whether an invite lets a guest in.
fn is_for_a_guest(invite: &Entry) -> bool {
    matches!(invite.fact(), Ok(Fact::Roster(RosterFact::Invite { incident: Some(_), .. })))
}

fn encode_request(entry: &Entry, signature: &Signature, body: &[u8]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    let written = e
        .array(4)
        .and_then(|e| e.u8(JOIN_VERSION))
        .and_then(|e| e.bytes(entry.bytes()))
        .and_then(|e| e.bytes(signature.as_bytes()))
        .and_then(|e| e.bytes(body))
        .is_ok();
    debug_assert!(written, "writing to memory cannot fail");
    e.into_writer()
}

fn decode_request(bytes: &[u8]) -> Option<(Entry, Signature, Vec<u8>)> {
    let mut d = Decoder::new(bytes);
    if d.array().ok()? != Some(4) || d.u8().ok()? != JOIN_VERSION {
        return None;
    }
    let entry = Entry::decode(d.bytes().ok()?).ok()?;
    let signature = Signature::try_from(d.bytes().ok()?).ok()?;
    let body = d.bytes().ok()?.to_vec();
    (d.position() == bytes.len()).then_some((entry, signature, body))
}

impl JoinAnswer {
    /// The bytes that go back over `/muster/join/1`.
    pub fn encode(&self) -> Vec<u8> {
        let (code, reason) = match self {
            Self::Welcome => (0, ""),
            Self::Refused { reason } => (1, reason.as_str()),
        };
        let mut e = Encoder::new(Vec::new());
        let written =
            e.array(3).and_then(|e| e.u8(JOIN_VERSION)).and_then(|e| e.u8(code)).and_then(|e| e.str(reason)).is_ok();
        debug_assert!(written, "writing to memory cannot fail");
        e.into_writer()
    }

    /// Reads an answer; `None` where it has no known form.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut d = Decoder::new(bytes);
        if d.array().ok()? != Some(3) || d.u8().ok()? != JOIN_VERSION {
            return None;
        }
        match (d.u8().ok()?, d.str().ok()?) {
            (0, _) => Some(Self::Welcome),
            (1, reason) => Some(Self::Refused { reason: reason.to_owned() }),
            _ => None,
        }
    }
}
