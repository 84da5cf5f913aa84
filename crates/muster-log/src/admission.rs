//! Admission: the rules A2, A3, A5 and A6 for one entry whose past has been judged (protocol, section "Admission").
//!
//! Form (A1) was checked when the entry was decoded, proof (A4) is a matter of many entries (`proof`). Nothing here
//! depends on a clock, a sender, a body or the order of arrival.

use crate::entry::Entry;
use crate::fact::{Capability, Fact, Kind, RosterFact};
use crate::holding::{Holdings, admitted_by};
use crate::ids::{DagId, EntryId, PersonId, SessionId, TeamId};
use crate::key::DeviceKey;
use crate::refusal::Refusal;
use crate::roster::{Graph, Unfit, recovery_person};
use crate::ticket::JOIN_TAG;

/// What later judgements need to know of an entry that passed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    pub(crate) dag: DagId,
    pub(crate) key: DeviceKey,
    pub(crate) session: SessionId,
    pub(crate) seq: u32,
    pub(crate) author: PersonId,
    /// The roster past; none in the roster.
    pub(crate) standpoint: Option<u32>,
    /// The persons whom `admit` entries up to this one name, as a number of [`Holdings`]; `None` = nobody.
    pub(crate) admitted: Option<u32>,
    /// Whom the entry itself admits, where it is an `admit` that is not void.
    pub(crate) admits: Option<PersonId>,
}

/// The state that judging reads and adds to.
pub(crate) struct Court<'a> {
    pub(crate) team: TeamId,
    pub(crate) graph: &'a mut Graph,
    pub(crate) holdings: &'a mut Holdings,
}

impl Court<'_> {
    /// Judges an entry; `parent` tells what is known of those that passed before.
    ///
    /// A roster entry that passes is in the graph afterwards, a `declare` in the holdings.
    pub(crate) fn judge(
        &mut self,
        entry: &Entry,
        parent: impl Fn(&EntryId) -> Option<Judged>,
    ) -> Result<Judged, Refusal> {
        self.check_address(entry)?;
        let parents: Vec<(EntryId, Judged)> = entry
            .parents()
            .map(|id| parent(&id).map(|judged| (id, judged)).ok_or(Refusal::Incomplete { parent: id }))
            .collect::<Result<_, _>>()?;
        check_binding(entry, &parents)?;
        check_log(entry, &parents)?;
        let (author, standpoint, admitted, admits) = if entry.kind().is_roster() {
            (self.judge_roster_entry(entry)?, None, None, None)
        } else {
            let standpoint = self.standpoint(entry)?;
            self.check_roster_pasts(standpoint, &parents)?;
            let (author, admitted, admits) = self.judge_incident_entry(entry, standpoint, &parents)?;
            (author, Some(standpoint), admitted, admits)
        };
        let items = entry.items();
        let (dag, key, session, seq) = (entry.dag(), items.key, items.session, items.seq);
        Ok(Judged { dag, key, session, seq, author, standpoint, admitted, admits })
    }

    /// A2: the items that say where an entry belongs fit its kind.
    fn check_address(&self, entry: &Entry) -> Result<(), Refusal> {
        let items = entry.items();
        if entry.team() != self.team {
            return Err(Refusal::OtherTeam);
        }
        let is_zero = |id: &[u8; 32]| *id == [0; 32];
        let names_team = items.incident.as_bytes() == items.team.as_bytes();
        let fits = match items.kind {
            Kind::TEAM_CREATE => is_zero(items.team.as_bytes()) && is_zero(items.incident.as_bytes()),
            Kind::DECLARE => is_zero(items.incident.as_bytes()),
            kind if kind.is_roster() => names_team,
            _ => !names_team && !is_zero(items.incident.as_bytes()),
        };
        if fits && (!items.kind.is_roster() || items.roster_heads.is_empty()) {
            Ok(())
        } else {
            Err(Refusal::Address { kind: items.kind })
        }
    }

    /// A5 for the roster: the capability by the fold of the own past; of a `join` the ticket instead.
    fn judge_roster_entry(&mut self, entry: &Entry) -> Result<PersonId, Refusal> {
        let is_join = entry.kind() == Kind::JOIN;
        if is_join && !self.is_ticket_signed(entry)? {
            return Err(Refusal::Ticket);
        }
        self.graph.judge(entry).map_err(|unfit| match unfit {
            Unfit::TooMany => Refusal::TooMany { key: entry.key() },
            Unfit::NotAble if is_join => Refusal::NoInvite,
            Unfit::NotAble => Refusal::Capability { key: entry.key(), kind: entry.kind() },
        })
    }

    fn is_ticket_signed(&self, entry: &Entry) -> Result<bool, Refusal> {
        let [invite] = entry.items().deps.as_slice() else { return Err(Refusal::NoInvite) };
        let ticket_key = self.graph.ticket_key(invite).ok_or(Refusal::NoInvite)?;
        let Ok(Fact::Roster(RosterFact::Join { ticket_signature, .. })) = entry.fact() else {
            return Err(Refusal::NoInvite);
        };
        let parts: [&[u8]; 3] = [self.team.as_bytes(), invite.as_bytes(), entry.items().key.as_bytes()];
        Ok(ticket_key.verifies(JOIN_TAG, &parts, &ticket_signature))
    }

    fn standpoint(&mut self, entry: &Entry) -> Result<u32, Refusal> {
        let heads = &entry.items().roster_heads;
        if heads.is_empty() {
            return Err(Refusal::RosterHeads);
        }
        self.graph.standpoint(heads).ok_or(Refusal::RosterHeads)
    }

    /// A5: nobody forgets roster entries that what he builds on knew.
    fn check_roster_pasts(&self, standpoint: u32, parents: &[(EntryId, Judged)]) -> Result<(), Refusal> {
        let behind = parents
            .iter()
            .find(|(_, parent)| parent.standpoint.is_none_or(|known| !self.graph.covers(standpoint, known)));
        match behind {
            Some((parent, _)) => Err(Refusal::RosterBehind { parent: *parent }),
            None => Ok(()),
        }
    }

    /// A5 for incidents: the key is a responder's by the roster named, and its person may hold the incident. Gives the
    /// person, the persons admitted so far, and whom this entry admits.
    fn judge_incident_entry(
        &mut self,
        entry: &Entry,
        standpoint: u32,
        parents: &[(EntryId, Judged)],
    ) -> Result<(PersonId, Option<u32>, Option<PersonId>), Refusal> {
        let key = entry.key();
        let fold = self.graph.fold_at(standpoint);
        if fold.roster.capability_of(&key).is_none_or(|held| held < Capability::Responder) {
            return Err(Refusal::Capability { key, kind: entry.kind() });
        }
        let author = match (self.graph.is_recovery_key(&key), fold.roster.person_of(&key)) {
            (false, Some(person)) => person,
            _ => recovery_person(&key),
        };
        let roster = &fold.roster;
        if entry.kind() == Kind::DECLARE {
            if roster.guest_of(&author).is_some() {
                return Err(Refusal::NotNamed { key });
            }
            self.holdings.born(entry, author);
            return Ok((author, None, None));
        }
        let admitted = self.holdings.union(parents.iter().filter_map(|(_, parent)| parent.admitted));
        let number = self.graph.known_person(standpoint, &author);
        if !self.holdings.may_hold(&entry.dag(), &author, number, admitted, roster) {
            return Err(Refusal::NotNamed { key });
        }
        let admits = admitted_by(entry).filter(|_| {
            // A guest brings nobody into an incident that is the team's.
            self.holdings.is_private(&entry.dag()) || roster.guest_of(&author).is_none()
        });
        let named = admits.and_then(|person| Some((person, self.graph.known_person(standpoint, &person)?)));
        let admitted = named.map_or(admitted, |(_, number)| Some(self.holdings.with(admitted, number)));
        Ok((author, admitted, named.map(|(person, _)| person)))
    }
}

/// A2: a genesis builds on nothing, everything else on something of its own DAG.
fn check_binding(entry: &Entry, parents: &[(EntryId, Judged)]) -> Result<(), Refusal> {
    if entry.is_genesis() {
        return if entry.seq() == 1 && parents.is_empty() { Ok(()) } else { Err(Refusal::Genesis) };
    }
    if parents.is_empty() {
        return Err(Refusal::NoParent);
    }
    let dag = entry.dag();
    match parents.iter().find(|(_, parent)| parent.dag != dag) {
        Some((parent, _)) => Err(Refusal::ForeignParent { parent: *parent }),
        None => Ok(()),
    }
}

/// A3: number 1 has no backlink; any other has the one before of the same log.
fn check_log(entry: &Entry, parents: &[(EntryId, Judged)]) -> Result<(), Refusal> {
    let seq = entry.seq();
    let Some(backlink) = entry.backlink() else {
        return if seq == 1 { Ok(()) } else { Err(Refusal::NoBacklink { seq }) };
    };
    let items = entry.items();
    // The DAG was compared before (A2).
    let is_before = parents.iter().any(|(id, before)| {
        *id == backlink
            && before.key == items.key
            && before.session == items.session
            && Some(seq) == before.seq.checked_add(1)
    });
    if is_before { Ok(()) } else { Err(Refusal::Chain { backlink, seq }) }
}
