//! The incident's Automerge document: a pure function of admitted entries, statuses and the bodies at hand.
//!
//! One entry is one change, built by a fixed template, so that equal entries, statuses and bodies give equal heads
//! whatever the order of arrival. The document is local: it is never sent, signed or compared with another machine's
//! bytes, and it can always be built anew. Wrong histories cannot be expressed: actor, number, predecessors and
//! dependencies are computed here, and what an entry says only chooses among them.
//!
//! Rules are in `effect`, ops in `template`, reading in `read`, shapes of histories in `graph`. What people see is in
//! [`crate::view`].

mod effect;
mod graph;
mod read;
mod register;
mod template;
#[cfg(test)]
mod tests;

pub(crate) use effect::{Meaning, meaning_of, target};
pub(crate) use graph::Node;
pub(crate) use read::{Held, Texts};
pub(crate) use register::{Container, Content, Register, RoleKey};
pub use template::TEMPLATE_VERSION;

use crate::Source;
use automerge::{ActorId, Automerge, AutomergeError, Change, ChangeHash};
use graph::{Graph, Slot, Write};
use muster_log::fact::What;
use muster_log::{Entry, EntryId, IncidentId, Kind, Reason, Reasons, Status};
use std::collections::{BTreeMap, BTreeSet};

/// Why no document could be derived. Admission rules all of these out, so each is a mistake of the caller or of ours.
#[derive(Debug, thiserror::Error)]
pub enum DeriveError {
    /// The first entry is not the `declare` that the others belong to.
    #[error("the entries do not begin with a `declare`")]
    NoGenesis,
    /// An entry came before one it builds on.
    #[error("entry {entry} came before {parent}, which it builds on")]
    NotCausal {
        /// The early entry.
        entry: EntryId,
        /// What it builds on.
        parent: EntryId,
    },
    /// An entry of another incident.
    #[error("entry {entry} belongs to another incident")]
    Foreign {
        /// The entry.
        entry: EntryId,
    },
    /// Automerge refused what the template built.
    #[error("automerge refused a derived change")]
    Automerge(#[source] AutomergeError),
}

/// Why a document cannot go on from where it is. [`Document::derive`] makes a new one; the old one serves meanwhile.
#[derive(Debug, thiserror::Error)]
pub enum NeedsRebuild {
    /// A log that the document knows has forked.
    #[error("entry {entry} has a sibling in the document")]
    Sibling {
        /// The new sibling.
        entry: EntryId,
    },
    /// A known entry counts for something else now.
    #[error("the status of entry {entry} has changed")]
    Status {
        /// The entry.
        entry: EntryId,
    },
    /// A known entry's body has come or gone, or was redacted.
    #[error("the body of entry {entry} has come or gone")]
    Body {
        /// The entry.
        entry: EntryId,
    },
    /// A snapshot is not that of these entries, or not of this version.
    #[error("the snapshot does not fit the entries")]
    Snapshot,
    /// The new entries cannot be derived.
    #[error(transparent)]
    Derive(#[from] DeriveError),
}

/// The document of one incident.
#[derive(Debug, Clone)]
pub struct Document {
    incident: IncidentId,
    automerge: Automerge,
    graph: Graph,
    /// Beside the document: a further removal is a further reason, and no change.
    reasons: Reasons,
}

impl Document {
    /// Builds the document of all of an incident's admitted entries, which come in causal order.
    ///
    /// # Errors
    /// [`DeriveError`], where the caller broke that order or mixed incidents.
    pub fn derive(sources: &[Source<'_>]) -> Result<Self, DeriveError> {
        let (mut document, changes) = Self::plan(sources)?;
        document.automerge.apply_changes(changes).map_err(DeriveError::Automerge)?;
        Ok(document)
    }

    /// Adds further entries, which come in causal order. Known ones may come again.
    ///
    /// # Errors
    /// [`NeedsRebuild`]; the document is then as it was, unless Automerge itself failed.
    pub fn apply(&mut self, new: &[Source<'_>]) -> Result<(), NeedsRebuild> {
        let mut fresh: Vec<&Source<'_>> = Vec::new();
        for source in new {
            match self.graph.get(&source.entry.id()) {
                Some(node) => unchanged(node, source)?,
                None => fresh.push(source),
            }
        }
        for source in &fresh {
            if self.graph.has_slot(&slot(source.entry)) {
                return Err(NeedsRebuild::Sibling { entry: source.entry.id() });
            }
        }
        check_order(&self.graph, self.incident, &fresh)?;
        let changes = extend(&mut self.graph, &fresh);
        self.automerge.apply_changes(changes).map_err(DeriveError::Automerge)?;
        Ok(())
    }

    /// Takes a snapshot of these entries instead of applying their changes once more.
    ///
    /// # Errors
    /// [`NeedsRebuild::Snapshot`] where it is not exactly theirs.
    pub fn load(snapshot: &[u8], sources: &[Source<'_>]) -> Result<Self, NeedsRebuild> {
        let version = TEMPLATE_VERSION.to_be_bytes();
        let bytes = snapshot.strip_prefix(&version).ok_or(NeedsRebuild::Snapshot)?;
        let (mut document, _) = Self::plan(sources)?;
        document.automerge = Automerge::load(bytes).map_err(|_| NeedsRebuild::Snapshot)?;
        let heads: BTreeSet<ChangeHash> = document.automerge.get_heads().into_iter().collect();
        let expected: BTreeSet<ChangeHash> = document.graph.heads().map(|node| node.change).collect();
        if heads == expected { Ok(document) } else { Err(NeedsRebuild::Snapshot) }
    }

    /// Takes the reasons of the statuses, in place of those that it had; they are no part of a snapshot.
    pub fn explain(&mut self, reasons: Reasons) {
        self.reasons = reasons;
    }

    /// Why an entry has no effect, as far as that was told.
    pub(crate) fn reasons(&self, id: &EntryId) -> &[Reason] {
        self.reasons.get(id).map_or(&[], |reasons| reasons)
    }

    /// A snapshot for [`Document::load`]. The bytes are this machine's own and tell nothing about equality.
    pub fn save(&self) -> Vec<u8> {
        [TEMPLATE_VERSION.to_be_bytes().as_slice(), &self.automerge.save()].concat()
    }

    /// Whether `source` is in the document just as it is: same status, same body.
    pub fn is_current(&self, source: &Source<'_>) -> bool {
        self.graph.get(&source.entry.id()).is_some_and(|node| unchanged(node, source).is_ok())
    }

    /// The incident.
    pub fn incident(&self) -> IncidentId {
        self.incident
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.graph.len()
    }

    /// Whether there are none; never so.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this entry is in the document.
    pub fn contains(&self, id: &EntryId) -> bool {
        self.graph.place(id).is_some()
    }

    /// The heads, sorted. Equal entries, statuses and bodies have equal heads.
    pub fn heads(&self) -> Vec<[u8; 32]> {
        let mut heads: Vec<[u8; 32]> = self.automerge.get_heads().iter().map(|head| head.0).collect();
        heads.sort_unstable();
        heads
    }

    pub(crate) fn node(&self, place: u32) -> &Node {
        self.graph.node(place)
    }

    pub(crate) fn find(&self, id: &EntryId) -> Option<(u32, &Node)> {
        self.graph.place(id).map(|place| (place, self.graph.node(place)))
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = (u32, &Node)> {
        self.graph.iter()
    }

    /// Active entries with a fact of this sort, in causal order.
    pub(crate) fn acting(&self, right: impl Fn(&What) -> bool) -> impl Iterator<Item = (u32, &Node)> {
        self.graph.iter().filter(move |(_, node)| {
            node.status == Status::Active && node.meaning.fact().is_some_and(|fact| right(&fact.what))
        })
    }

    /// 1 + the deepest parent's depth; `None` for an entry that is not here.
    pub(crate) fn depth(&self, id: &EntryId) -> Option<u32> {
        self.graph.get(id).map(|node| node.depth)
    }

    pub(crate) fn past_of(&self, places: &[u32]) -> BTreeSet<u32> {
        self.graph.past_of(places)
    }

    /// Computes every change without applying any.
    fn plan(sources: &[Source<'_>]) -> Result<(Self, Vec<Change>), DeriveError> {
        let genesis = sources.first().filter(|source| source.entry.kind() == Kind::DECLARE);
        let incident = IncidentId::of_genesis(genesis.ok_or(DeriveError::NoGenesis)?.entry.id());
        let mut seen = BTreeSet::new();
        let fresh: Vec<&Source<'_>> = sources.iter().filter(|source| seen.insert(source.entry.id())).collect();
        let mut graph = Graph::default();
        check_order(&graph, incident, &fresh)?;
        let changes = extend(&mut graph, &fresh);
        // The actor of the document's own hand, which never writes: fixed, so that nothing random is in it.
        let automerge = Automerge::new().with_actor(ActorId::from([0u8; 16].as_slice()));
        Ok((Self { incident, automerge, graph, reasons: Reasons::new() }, changes))
    }
}

/// Whether a known entry is as it was.
fn unchanged(node: &Node, source: &Source<'_>) -> Result<(), NeedsRebuild> {
    if node.status != source.status || node.person != source.person {
        return Err(NeedsRebuild::Status { entry: node.id });
    }
    if node.body_here != source.body.is_some() || node.redacted_by != source.redacted_by {
        return Err(NeedsRebuild::Body { entry: node.id });
    }
    Ok(())
}

fn check_order(graph: &Graph, incident: IncidentId, fresh: &[&Source<'_>]) -> Result<(), DeriveError> {
    let mut seen: BTreeSet<EntryId> = BTreeSet::new();
    for Source { entry, .. } in fresh {
        if entry.dag() != incident.into() {
            return Err(DeriveError::Foreign { entry: entry.id() });
        }
        if let Some(parent) = entry.parents().find(|id| !seen.contains(id) && graph.place(id).is_none()) {
            return Err(DeriveError::NotCausal { entry: entry.id(), parent });
        }
        seen.insert(entry.id());
    }
    Ok(())
}

fn slot(entry: &Entry) -> Slot {
    (entry.log().short(), entry.seq(), entry.backlink())
}

/// Adds entries whose order was checked, and makes their changes.
fn extend(graph: &mut Graph, fresh: &[&Source<'_>]) -> Vec<Change> {
    let mut in_slot: BTreeMap<Slot, u32> = BTreeMap::new();
    for source in fresh {
        *in_slot.entry(slot(source.entry)).or_default() += 1;
    }
    let forked = |slot: &Slot| in_slot.get(slot).is_some_and(|siblings| *siblings > 1);
    fresh
        .iter()
        .map(|source| {
            let slot = slot(source.entry);
            let forked = forked(&slot);
            add(graph, source, slot, forked)
        })
        .collect()
}

fn add(graph: &mut Graph, source: &Source<'_>, slot: Slot, forked: bool) -> Change {
    let Source { entry, status, person, body, redacted_by, admits } = source;
    let parents: Vec<u32> = entry.parents().filter_map(|id| graph.place(&id)).collect();
    let place = place(graph, entry, &parents, forked);
    let (lane, lane_seq, start_op) = (place.lane, place.lane_seq, place.start_op);
    let judged = effect::judge(graph, entry, *person, *status, body.as_ref(), &parents);
    let built = template::build(graph, place, entry, &judged.meaning, &judged.writes, *status, body.as_ref());
    let held = judged.writes.iter().find_map(|write| match write.content {
        Content::Hold { person, since } => Some((person, since)),
        _ => None,
    });
    let written = judged.writes.into_iter().zip(built.write_ops);
    let node = Node {
        id: entry.id(),
        kind: entry.kind(),
        key: entry.key(),
        person: *person,
        status: *status,
        claimed: entry.claimed(),
        meaning: judged.meaning,
        depth: parents.iter().map(|parent| graph.node(*parent).depth + 1).max().unwrap_or(0),
        parents,
        lane,
        lane_seq,
        change: built.change.hash(),
        start_op,
        max_op: built.max_op,
        writes: written.map(|(write, op)| Write { register: write.register, op }).collect(),
        held,
        row_op: built.row_op,
        has_body: entry.body().is_some(),
        body_here: body.is_some(),
        redacted_by: redacted_by.clone(),
        admits: *admits,
    };
    graph.push(slot, node);
    built.change
}

/// Lane, number and dependencies: an entry goes on in its predecessor's lane unless it has a sibling.
fn place(graph: &Graph, entry: &Entry, parents: &[u32], forked: bool) -> template::Place {
    let before = entry.backlink().and_then(|backlink| graph.get(&backlink));
    let (lane, lane_seq) = match before {
        _ if forked => (entry.log().fork_name(&entry.id()), 1),
        Some(before) => (before.lane, before.lane_seq + 1),
        None => (entry.log().short(), 1),
    };
    let mut deps: Vec<ChangeHash> = parents.iter().map(|parent| graph.node(*parent).change).collect();
    deps.sort_unstable();
    let start_op = 1 + parents.iter().map(|parent| graph.node(*parent).max_op).max().unwrap_or(0);
    template::Place { lane, lane_seq, start_op, deps }
}
