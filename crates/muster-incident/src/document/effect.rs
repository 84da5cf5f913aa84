//! What an entry means where it stands, and which registers it writes: pure rules over its own past.
//!
//! A meaning depends on the entry and its past alone, an effect also on statuses: only active entries write, and only
//! active writes can be superseded (a thief's write that supersedes the commander would leave the thief alone).
//! Turning writes into ops is in [`super::template`].

use super::graph::{Graph, Node};
use super::register::{Content, Register};
use crate::role::{RoleName, is_single};
use muster_log::fact::{IncidentFact, Phase, RoleAct, What};
use muster_log::{BodyText, Entry, EntryId, Fact, PersonId, Status};
use std::collections::BTreeSet;

/// What an entry means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A fact with all its targets in the entry's own past.
    Fact(IncidentFact),
    /// Of a later version.
    Opaque,
    /// Without meaning; the fact, where at least the fields could be read.
    Void(Void, Option<IncidentFact>),
}

impl Meaning {
    /// The fact, if it means something.
    pub(crate) fn fact(&self) -> Option<&IncidentFact> {
        if let Self::Fact(fact) = self { Some(fact) } else { None }
    }

    /// The fact as said, also where it is void.
    pub(crate) fn said(&self) -> Option<&IncidentFact> {
        match self {
            Self::Fact(fact) => Some(fact),
            Self::Void(_, fact) => fact.as_ref(),
            Self::Opaque => None,
        }
    }

    fn what(&self) -> Option<&What> {
        self.fact().map(|fact| &fact.what)
    }
}

/// Why an entry has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Void {
    /// The fields are not those of the kind.
    Fields,
    /// What it names is not in its own past, or not of the right kind.
    Target,
    /// The name of a role that cannot be one.
    RoleName,
    /// A settlement of a role that many can hold.
    NothingToSettle,
    /// Nobody is known to have written it.
    Person,
}

impl Void {
    /// For people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Fields => "its fields are malformed",
            Self::Target => "it names an entry that is not in its past or not of the right kind",
            Self::RoleName => "it names a role that cannot be",
            Self::NothingToSettle => "it settles a role that many can hold",
            Self::Person => "nobody in the team wrote it",
        }
    }
}

/// A register write to be: what it puts where, in the place of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) register: Register,
    pub(crate) content: Content,
    /// Writes of the same register that this one replaces: places of the entries.
    pub(crate) replaces: Vec<u32>,
}

/// An entry with all that its own past says about it.
pub(crate) struct Judged {
    pub(crate) meaning: Meaning,
    pub(crate) writes: Vec<Planned>,
}

/// Judges an entry whose parents are all in `graph`.
pub(crate) fn judge(
    graph: &Graph,
    entry: &Entry,
    person: Option<PersonId>,
    status: Status,
    body: Option<&BodyText>,
    parents: &[u32],
) -> Judged {
    let fact = match incident_fact(entry) {
        Ok(fact) => fact,
        Err(meaning) => return Judged { meaning, writes: Vec::new() },
    };
    let named = fact.supersedes().iter().chain(target(&fact.what));
    let wanted: BTreeSet<u32> = named.filter_map(|id| graph.place(id)).collect();
    let past = Past { graph, found: graph.in_past(parents, &wanted) };
    let is_before = |id: &EntryId, right: &dyn Fn(Option<&What>) -> bool| {
        past.node(id).is_some_and(|node| right(node.meaning.what()))
    };
    if let Err(void) = check(&is_before, &fact.what, person) {
        return Judged { meaning: Meaning::Void(void, Some(fact)), writes: Vec::new() };
    }
    let writes = match person.filter(|_| status == Status::Active) {
        Some(person) => writes(&past, entry.id(), &fact, person, body),
        None => Vec::new(),
    };
    Judged { meaning: Meaning::Fact(fact), writes }
}

/// What an entry means, without a document. `is_before` says of an entry whether it is in the own past and whether what it
/// means (nothing, where it is void or opaque) is right.
pub(crate) fn meaning_of(entry: &Entry, person: Option<PersonId>, is_before: &IsBefore<'_>) -> Meaning {
    match incident_fact(entry) {
        Err(meaning) => meaning,
        Ok(fact) => match check(is_before, &fact.what, person) {
            Err(void) => Meaning::Void(void, Some(fact)),
            Ok(()) => Meaning::Fact(fact),
        },
    }
}

/// See [`meaning_of`].
type IsBefore<'a> = dyn Fn(&EntryId, &dyn Fn(Option<&What>) -> bool) -> bool + 'a;

#[expect(clippy::result_large_err, reason = "the error is the meaning itself, and as large as what it is instead of")]
fn incident_fact(entry: &Entry) -> Result<IncidentFact, Meaning> {
    match entry.fact() {
        Ok(Fact::Incident(fact)) => Ok(fact),
        Ok(Fact::Opaque | Fact::Roster(_)) => Err(Meaning::Opaque),
        Err(_) => Err(Meaning::Void(Void::Fields, None)),
    }
}

/// The entry that a fact is about.
pub(crate) fn target(what: &What) -> Option<&EntryId> {
    match what {
        What::ActionState { action: target, .. }
        | What::Amendment { target }
        | What::Redaction { target }
        | What::Selection { claim: target, .. }
        | What::Role { act: RoleAct::Accept(target), .. } => Some(target),
        _ => None,
    }
}

/// Those of the named entries that are in the own past.
struct Past<'a> {
    graph: &'a Graph,
    found: BTreeSet<u32>,
}

impl<'a> Past<'a> {
    fn place(&self, id: &EntryId) -> Option<u32> {
        self.graph.place(id).filter(|place| self.found.contains(place))
    }

    fn node(&self, id: &EntryId) -> Option<&'a Node> {
        self.place(id).map(|place| self.graph.node(place))
    }

    /// Those of `ids` that are active and wrote `register`, in order of place, each once.
    fn writers<'i>(&self, register: &Register, ids: impl IntoIterator<Item = &'i EntryId>) -> Vec<u32> {
        let writes = |place: &u32| {
            let node = self.graph.node(*place);
            node.status == Status::Active && node.writes.iter().any(|write| write.register == *register)
        };
        let places: BTreeSet<u32> = ids.into_iter().filter_map(|id| self.place(id)).filter(writes).collect();
        places.into_iter().collect()
    }
}

fn check(is_before: &IsBefore<'_>, what: &What, person: Option<PersonId>) -> Result<(), Void> {
    let person = person.ok_or(Void::Person)?;
    let target_is = |id: &EntryId, right: &dyn Fn(&What) -> bool| {
        is_before(id, &|what| what.is_some_and(right)).then_some(()).ok_or(Void::Target)
    };
    match what {
        What::ActionState { action, .. } => target_is(action, &|what| matches!(what, What::Action { .. })),
        // A void or opaque entry can be commented on; only the joining of heads says nothing to correct.
        What::Amendment { target } => {
            is_before(target, &|what| what != Some(&What::JoinHeads)).then_some(()).ok_or(Void::Target)
        }
        // Whether the author may is for the roster to say; see `view::row`.
        What::Redaction { target } => {
            is_before(target, &|what| what != Some(&What::JoinHeads)).then_some(()).ok_or(Void::Target)
        }
        What::Selection { letter, claim, .. } => {
            target_is(claim, &|what| matches!(what, What::Milestone { letter: claimed } if claimed == letter))
        }
        What::Role { role, .. } if !RoleName::is_possible(role) => Err(Void::RoleName),
        What::Role { role, act: RoleAct::Accept(offer), .. } => target_is(
            offer,
            &|what| matches!(what, What::Role { role: offered, act: RoleAct::Assign(to), .. } if offered == role && *to == person),
        ),
        What::Role { role, act: RoleAct::Settle(_), .. } if !is_single(role) => Err(Void::NothingToSettle),
        _ => Ok(()),
    }
}

fn writes(
    past: &Past<'_>,
    id: EntryId,
    fact: &IncidentFact,
    person: PersonId,
    body: Option<&BodyText>,
) -> Vec<Planned> {
    let put = |register: Register, content: Content| {
        let replaces = past.writers(&register, fact.supersedes());
        Planned { register, content, replaces }
    };
    let title = || body.map_or(Content::Null, |body| Content::Text(body.text().to_owned()));
    let severity = |severity: Option<u8>| severity.map_or(Content::Null, |severity| Content::Number(severity.into()));
    let word = |word: &str| Content::Text(word.to_owned());
    match &fact.what {
        What::Declare(declare) => {
            let phase = if declare.suspected { Phase::Suspected } else { Phase::Declared };
            vec![
                put(Register::title(), title()),
                put(Register::severity(), severity(declare.severity)),
                put(Register::phase(), word(phase.word())),
            ]
        }
        What::Title { .. } => vec![put(Register::title(), title())],
        What::Severity { severity: now, .. } => vec![put(Register::severity(), severity(*now))],
        What::Phase { phase, .. } => vec![put(Register::phase(), word(phase.word()))],
        What::Action { state, .. } => vec![put(Register::action_state(&id), word(state.word()))],
        What::ActionState { action, state, .. } => vec![put(Register::action_state(action), word(state.word()))],
        What::Milestone { letter } => {
            let moment = fact
                .when
                .map_or(Content::Null, |when| when.start().map_or(Content::Null, |start| Content::Number(start.0)));
            vec![put(Register::claim(*letter, &id), moment)]
        }
        What::Selection { letter, claim, .. } => vec![put(Register::selected(*letter), Content::Entry(*claim))],
        What::Role { role, act, supersedes } => role_writes(past, id, role, act, supersedes, person),
        // Who may hold the incident, and what is erased, is the ledger's affair.
        What::Say(_) | What::Amendment { .. } | What::JoinHeads | What::Admit { .. } | What::Redaction { .. } => {
            Vec::new()
        }
    }
}

/// A claim, an acceptance and a release also end the offer to their author, where they name it.
fn role_writes(
    past: &Past<'_>,
    id: EntryId,
    role: &str,
    act: &RoleAct,
    supersedes: &[EntryId],
    person: PersonId,
) -> Vec<Planned> {
    let put = |register: Register, content: Content| {
        let replaces = past.writers(&register, supersedes);
        Planned { register, content, replaces }
    };
    let taken_back = |named: Option<&EntryId>| {
        let register = Register::offer(role, &person);
        let replaces = past.writers(&register, supersedes.iter().chain(named));
        (!replaces.is_empty()).then_some(Planned { register, content: Content::Null, replaces })
    };
    let own = || put(Register::hold(role, &person), Content::Hold { person, since: id });
    match act {
        RoleAct::Claim => std::iter::once(own()).chain(taken_back(None)).collect(),
        RoleAct::Accept(offer) => std::iter::once(own()).chain(taken_back(Some(offer))).collect(),
        RoleAct::Assign(to) => vec![put(Register::offer(role, to), Content::Entry(id))],
        RoleAct::Release => {
            // Only the author's own hold ends; to end another's, one has to take the role openly.
            let mut released = put(Register::hold(role, &person), Content::Null);
            released.replaces.retain(|place| past.graph.node(*place).held.is_some_and(|(holder, _)| holder == person));
            let released = (!released.replaces.is_empty()).then_some(released);
            released.into_iter().chain(taken_back(None)).collect()
        }
        RoleAct::Settle(to) => {
            let mut settled = put(Register::hold(role, to), Content::Null);
            settled.content = Content::Hold { person: *to, since: since(past.graph, &settled, *to).unwrap_or(id) };
            vec![settled]
        }
    }
}

/// Who is settled on goes on holding since they took the role, not since the settlement.
fn since(graph: &Graph, settled: &Planned, to: PersonId) -> Option<EntryId> {
    let replaced = settled.replaces.iter().map(|place| graph.node(*place));
    let held = replaced.filter_map(|node| node.held).filter(|(person, _)| *person == to).map(|(_, since)| since);
    held.min_by_key(|since| (graph.get(since).map(|node| node.depth), *since))
}
