//! Redactions: which bodies are to be erased (protocol, section "Redaction"). A pure function of the admitted set.
//!
//! Whether a redaction has the right to its target follows from its own past alone, so it is judged once, when it is
//! admitted; which redactions are active is for [`crate::status`]. When a body goes from a disk is decided above.

use crate::dag::Dag;
use crate::entry::Entry;
use crate::fact::{Capability, Fact, IncidentFact, Kind, What};
use crate::ids::{EntryId, PersonId};
use crate::roster::Graph;
use crate::status::Status;
use std::collections::{BTreeMap, BTreeSet};

/// A redaction whose author may redact its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Redaction {
    pub(crate) id: EntryId,
    pub(crate) target: EntryId,
    /// Who redacts.
    pub(crate) person: PersonId,
    /// Whether that is who wrote the target, by their own right; else it is an admin.
    pub(crate) is_own: bool,
}

/// What the active redactions say of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redacted {
    /// The redactions, by id.
    pub by: Vec<EntryId>,
    /// Whether the body goes at once, by its author's own hand or by two admins; else it is one admin's word, and the body
    /// is hidden until a day has passed.
    pub is_settled: bool,
}

/// The entry that a redaction names, if it is one of good form.
pub(crate) fn target(entry: &Entry) -> Option<EntryId> {
    if entry.kind() != Kind::REDACTION {
        return None;
    }
    match entry.fact() {
        Ok(Fact::Incident(IncidentFact { what: What::Redaction { target }, .. })) => Some(target),
        _ => None,
    }
}

/// Judges an entry that was just appended, by its own past.
pub(crate) fn judge(graph: &Graph, dag: &Dag, id: &EntryId) -> Option<Redaction> {
    let node = dag.find(id)?;
    let target = target(&node.entry)?;
    let about = dag.find(&target).filter(|about| about.entry.body().is_some())?;
    let is_own = about.author == node.author;
    let is_admin = || graph.fold_at(node.standpoint?).roster.capability(&node.author);
    let may = is_own || is_admin() == Some(Capability::Admin);
    (may && dag.is_past(&target, id)).then_some(Redaction { id: *id, target, person: node.author, is_own })
}

/// What is redacted in an incident. `statuses` says which redactions are active; none where all are.
pub(crate) fn redacted(
    dag: &Dag,
    redactions: &[Redaction],
    statuses: Option<&BTreeMap<EntryId, Status>>,
) -> BTreeMap<EntryId, Redacted> {
    let is_active =
        |redaction: &&Redaction| statuses.is_none_or(|statuses| statuses.get(&redaction.id) == Some(&Status::Active));
    let mut by_target: BTreeMap<EntryId, Vec<&Redaction>> = BTreeMap::new();
    for redaction in redactions.iter().filter(is_active) {
        for entry in with_same_body(dag, &redaction.target) {
            by_target.entry(entry).or_default().push(redaction);
        }
    }
    let summed = |redactions: Vec<&Redaction>| {
        let persons: BTreeSet<PersonId> = redactions.iter().map(|redaction| redaction.person).collect();
        let mut by: Vec<EntryId> = redactions.iter().map(|redaction| redaction.id).collect();
        by.sort_unstable();
        Redacted { by, is_settled: redactions.iter().any(|redaction| redaction.is_own) || persons.len() > 1 }
    };
    by_target.into_iter().map(|(target, redactions)| (target, summed(redactions))).collect()
}

/// The entry, and siblings of it that name the same body: a body's hash holds log and number, so no other entry can.
fn with_same_body(dag: &Dag, id: &EntryId) -> Vec<EntryId> {
    let Some(entry) = dag.entry(id) else { return Vec::new() };
    let log = entry.log().short();
    if !dag.is_forked(&log) {
        return vec![*id];
    }
    let names_it = |other: &EntryId| dag.entry(other).is_some_and(|other| other.body() == entry.body());
    dag.range(&log, entry.seq(), entry.seq()).into_iter().filter(names_it).collect()
}
