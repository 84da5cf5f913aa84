//! Drafting: fills in where a new entry stands, so that its author need only say what it says.
//!
//! A [`Draft`] is sealed to an entry, signed, and handed to [`Ledger::receive`] like anybody else's.

use crate::dag::Dag;
use crate::entry::Draft;
use crate::fact::{Kind, PersonKind, RosterFact};
use crate::ids::{DagId, EntryId, IncidentId, SessionId, TeamId};
use crate::key::{DeviceKey, DeviceSecret, Signature};
use crate::ledger::Ledger;
use crate::limits::{DEPS_MAX, ROSTER_HEADS_MAX};
use crate::roster::DEVICE_TAG;
use crate::ticket::Ticket;
use crate::time::Claimed;
use crate::value::Value;

/// Why nothing can be drafted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// The team's `team-create` is not here yet.
    #[error("the team's roster is not here yet")]
    NoRoster,
    /// The incident is not here.
    #[error("incident {0} is not here")]
    UnknownDag(DagId),
    /// More heads than one entry can name: write merges first ([`Ledger::draft_merge`]).
    #[error("{heads} heads are more than one entry can name ({limit})")]
    TooManyHeads {
        /// The DAG with the heads: the roster's or the incident's.
        dag: DagId,
        /// How many there are.
        heads: usize,
        /// How many fit.
        limit: usize,
    },
    /// The log has come to its last number.
    #[error("the log is full: begin a new session")]
    LogFull,
    /// The kind begins a DAG and was drafted inside one, or the other way round.
    #[error("a `{kind}` entry cannot be written there")]
    WrongPlace {
        /// The kind.
        kind: Kind,
    },
}

/// The genesis of a new team.
pub fn team_create(
    key: DeviceKey,
    session: SessionId,
    claimed: Claimed,
    person_kind: PersonKind,
    recovery_keys: Vec<DeviceKey>,
) -> Draft {
    let fact = RosterFact::TeamCreate { person_kind, recovery_keys };
    unplaced(TeamId::from_bytes([0; 32]), key, session, claimed, fact.kind(), fact.fields())
}

/// A newcomer's `join` by a ticket. Needs no roster: its only dep is the invite.
///
/// A `join` is the first of its log, so a device that joins the same team a second time needs a new `session`.
pub fn join(ticket: &Ticket, key: DeviceKey, session: SessionId, claimed: Claimed, person_kind: PersonKind) -> Draft {
    let fact = RosterFact::Join { person_kind, ticket_signature: ticket.sign_join(&key) };
    let mut draft = unplaced(ticket.team, key, session, claimed, fact.kind(), fact.fields());
    draft.incident = IncidentId::from_bytes(*ticket.team.as_bytes());
    draft.deps = vec![ticket.invite];
    draft
}

/// A new device's agreement to belong to a person, which `add-device` carries.
pub fn sign_device(device: &DeviceSecret, team: TeamId, person: crate::ids::PersonId) -> Signature {
    device.sign(DEVICE_TAG, &[team.as_bytes(), person.as_bytes()])
}

fn unplaced(
    team: TeamId,
    key: DeviceKey,
    session: SessionId,
    claimed: Claimed,
    kind: Kind,
    fields: Vec<Value>,
) -> Draft {
    Draft {
        team,
        incident: IncidentId::from_bytes([0; 32]),
        key,
        session,
        seq: 1,
        backlink: None,
        deps: Vec::new(),
        roster_heads: Vec::new(),
        claimed,
        kind,
        fields,
        body: None,
    }
}

impl Ledger {
    /// Drafts an entry on everything that is here: team, number, backlink, deps and roster heads are filled in.
    ///
    /// `dag` is the incident or the roster, `None` for a `declare`. Whether the author may write it is not asked here:
    /// [`Ledger::receive`] answers that with the reason.
    ///
    /// # Errors
    /// [`DraftError::NoRoster`] and [`DraftError::UnknownDag`] where the ground is missing;
    /// [`DraftError::TooManyHeads`] where merges must come first; [`DraftError::WrongPlace`] for a genesis inside a DAG,
    /// a `join`, or a kind of the other sort of DAG; [`DraftError::LogFull`] after four thousand million entries.
    pub fn draft(
        &self,
        dag: Option<DagId>,
        author: DeviceKey,
        session: SessionId,
        claimed: Claimed,
        kind: Kind,
        fields: Vec<Value>,
    ) -> Result<Draft, DraftError> {
        let roster = self.dag(&self.team().into()).ok_or(DraftError::NoRoster)?;
        let mut draft = unplaced(self.team(), author, session, claimed, kind, fields);
        let is_roster_dag = dag.map(|dag| dag == self.team().into());
        match (kind, is_roster_dag) {
            (Kind::TEAM_CREATE | Kind::JOIN, _) => return Err(DraftError::WrongPlace { kind }),
            (Kind::DECLARE, None) => {}
            (Kind::DECLARE, Some(_)) | (_, None) => return Err(DraftError::WrongPlace { kind }),
            (kind, Some(is_roster)) if kind.is_roster() != is_roster => return Err(DraftError::WrongPlace { kind }),
            _ => {}
        }
        if let Some(dag) = dag {
            place(&mut draft, self.dag(&dag).ok_or(DraftError::UnknownDag(dag))?)?;
            check_heads(dag, draft.deps.len(), DEPS_MAX)?;
        }
        if !kind.is_roster() {
            draft.roster_heads = roster.heads();
            check_heads(roster.id(), draft.roster_heads.len(), ROSTER_HEADS_MAX)?;
        }
        Ok(draft)
    }

    /// Drafts a roster entry that says `fact`; see [`Ledger::draft`].
    ///
    /// # Errors
    /// As [`Ledger::draft`].
    pub fn draft_roster(
        &self,
        author: DeviceKey,
        session: SessionId,
        claimed: Claimed,
        fact: &RosterFact,
    ) -> Result<Draft, DraftError> {
        self.draft(Some(self.team().into()), author, session, claimed, fact.kind(), fact.fields())
    }

    /// Drafts a merge of as many heads of `dag` as fit, if it has more than an entry can name; else there is none.
    ///
    /// To be repeated, each merge being received first, until there is none.
    ///
    /// # Errors
    /// [`DraftError::UnknownDag`], [`DraftError::NoRoster`]; [`DraftError::TooManyHeads`] where the roster must be
    /// merged before an incident can be; [`DraftError::LogFull`].
    pub fn draft_merge(
        &self,
        dag: DagId,
        author: DeviceKey,
        session: SessionId,
        claimed: Claimed,
    ) -> Result<Option<Draft>, DraftError> {
        let roster = self.dag(&self.team().into()).ok_or(DraftError::NoRoster)?;
        let is_roster = dag == roster.id();
        let here = self.dag(&dag).ok_or(DraftError::UnknownDag(dag))?;
        let limit = if is_roster { ROSTER_HEADS_MAX } else { DEPS_MAX };
        if here.heads().len() <= limit {
            return Ok(None);
        }
        let kind = if is_roster { Kind::ROSTER_MERGE } else { Kind::JOIN_HEADS };
        let fields = match is_roster {
            true => RosterFact::Merge.fields(),
            false => crate::fact::IncidentFact::now(crate::fact::What::JoinHeads).fields(),
        };
        let mut draft = unplaced(self.team(), author, session, claimed, kind, fields);
        place(&mut draft, here)?;
        draft.deps.truncate(DEPS_MAX);
        if !is_roster {
            draft.roster_heads = roster.heads();
            check_heads(roster.id(), draft.roster_heads.len(), ROSTER_HEADS_MAX)?;
        }
        Ok(Some(draft))
    }
}

impl Ledger {
    /// A draft of a `merge` in an incident that builds on `heads`, at most [`DEPS_MAX`] of them, and says nothing else: its author
    /// has them.
    ///
    /// # Errors
    /// [`DraftError::UnknownDag`], [`DraftError::NoRoster`]; [`DraftError::TooManyHeads`] of the roster; [`DraftError::LogFull`].
    pub fn draft_join_heads(
        &self,
        dag: DagId,
        heads: &[EntryId],
        author: DeviceKey,
        session: SessionId,
        claimed: Claimed,
    ) -> Result<Draft, DraftError> {
        let roster = self.dag(&self.team().into()).ok_or(DraftError::NoRoster)?;
        let here = self.dag(&dag).ok_or(DraftError::UnknownDag(dag))?;
        let fields = crate::fact::IncidentFact::now(crate::fact::What::JoinHeads).fields();
        let mut draft = unplaced(self.team(), author, session, claimed, Kind::JOIN_HEADS, fields);
        place(&mut draft, here)?;
        draft.deps = heads.iter().copied().filter(|head| Some(*head) != draft.backlink).take(DEPS_MAX).collect();
        draft.deps.sort_unstable();
        draft.roster_heads = roster.heads();
        check_heads(roster.id(), draft.roster_heads.len(), ROSTER_HEADS_MAX)?;
        Ok(draft)
    }
}

/// Sets incident, number, backlink and all heads as deps.
fn place(draft: &mut Draft, dag: &Dag) -> Result<(), DraftError> {
    draft.incident = IncidentId::from_bytes(*dag.id().as_bytes());
    if let Some(tip) = dag.tip_of(&draft.key, &draft.session) {
        draft.seq = tip.seq.checked_add(1).ok_or(DraftError::LogFull)?;
        draft.backlink = Some(tip.id);
    }
    draft.deps = dag.heads();
    draft.deps.retain(|head| Some(*head) != draft.backlink);
    Ok(())
}

fn check_heads(dag: DagId, heads: usize, limit: usize) -> Result<(), DraftError> {
    if heads <= limit { Ok(()) } else { Err(DraftError::TooManyHeads { dag, heads, limit }) }
}
