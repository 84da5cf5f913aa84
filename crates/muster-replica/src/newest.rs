//! The newest lines of an incident's timeline, from the ledger and the bodies: without the document, however long it is.

use crate::error::ReplicaError;
use crate::replica::Replica;
use crate::team::Bodies;
use muster_incident::{Document, Entries, Newest, People, Row, timeline_end, timeline_of};
use muster_log::ledger::Ledger;
use muster_log::{Body, BodyText, Dag, DagId, Entry, EntryId, IncidentId, PersonId, TeamId};
use muster_store::Storage;
use std::collections::BTreeMap;

/// Incidents whose order of lines is kept. The order costs some three hundred bytes a line and is made anew in milliseconds.
const ORDERS_MAX: usize = 32;

/// The orders of lines of the incidents that somebody looked at.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    kept: BTreeMap<IncidentId, Order>,
    looks: u64,
}

#[derive(Debug, Default)]
struct Order {
    newest: Newest,
    /// How many entries of the DAG's order are in it.
    known: usize,
    last_look: u64,
}

impl Orders {
    /// The order of an incident's lines, up to date with the DAG.
    fn get(&mut self, incident: IncidentId, dag: &Dag, ledger: &Ledger) -> &Newest {
        self.looks += 1;
        if self.kept.len() >= ORDERS_MAX
            && !self.kept.contains_key(&incident)
            && let Some(oldest) = self.kept.iter().min_by_key(|(_, order)| order.last_look).map(|(id, _)| *id)
        {
            self.kept.remove(&oldest);
        }
        let order = self.kept.entry(incident).or_default();
        order.last_look = self.looks;
        for id in &dag.order()[order.known.min(dag.len())..] {
            if let (Some(entry), Some(depth)) = (dag.entry(id), dag.depth(id)) {
                order.newest.add(entry, depth, ledger.person(id));
            }
        }
        order.known = dag.len();
        &order.newest
    }
}

/// Lines in the order in which their entries came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// The lines.
    pub rows: Vec<Row>,
    /// How many entries the reader has behind them now.
    pub next: usize,
    /// Of the entries that were read, how many were before each whose text has not come: to be read again when something
    /// changed.
    pub lacking: Vec<usize>,
}

impl<S: Storage> Replica<S> {
    /// The last `count` lines of an incident's timeline, as [`Replica::view`] has them. The document is asked only where
    /// an entry may not be active: where a log has forked or somebody was removed.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`], [`ReplicaError::NoSuchIncident`], [`ReplicaError::Store`].
    pub fn newest(&mut self, team: TeamId, incident: IncidentId, count: usize) -> Result<Vec<Row>, ReplicaError> {
        self.lines(team, incident, 0, count)
    }

    /// As [`Replica::newest`], the lines before the newest `skip`: page by page, as far back as somebody wants to read.
    ///
    /// # Errors
    /// As [`Replica::newest`].
    pub fn lines(
        &mut self,
        team: TeamId,
        incident: IncidentId,
        skip: usize,
        count: usize,
    ) -> Result<Vec<Row>, ReplicaError> {
        let from_document: FromDocument<'_> = &|document, people| timeline_end(document, people, skip, count);
        self.draw(team, incident, from_document, &|newest, entries, people| newest.draw(entries, people, skip, count))
    }

    /// The lines among the next `count` entries after the first `after`, in the order in which they came: what somebody reads
    /// who has read up to there. A line shows its entry as it stands now.
    ///
    /// # Errors
    /// As [`Replica::newest`].
    pub fn lines_after(
        &mut self,
        team: TeamId,
        incident: IncidentId,
        after: usize,
        count: usize,
    ) -> Result<Arrived, ReplicaError> {
        let state = self.teams.get(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        let dag = state.ledger.dag(&DagId::from(incident)).ok_or(ReplicaError::NoSuchIncident(incident))?;
        let from = after.min(dag.len());
        let next = from.saturating_add(count).min(dag.len());
        let ids = dag.order()[from..next].to_vec();
        let missing = state.missing_bodies.get(&dag.id());
        let is_missing = |id: &EntryId| missing.is_some_and(|missing| missing.contains(id));
        let lacking = (from..).zip(&ids).filter(|(_, id)| is_missing(id)).map(|(place, _)| place).collect();
        let from_document: FromDocument<'_> = &|document, people| timeline_of(document, people, &ids);
        let rows = self
            .draw(team, incident, from_document, &|newest, entries, people| newest.draw_these(entries, people, &ids))?;
        Ok(Arrived { rows, next, lacking })
    }

    /// Draws lines, from the ledger and the bodies if every entry is active.
    fn draw(
        &mut self,
        team: TeamId,
        incident: IncidentId,
        from_document: FromDocument<'_>,
        from_ledger: FromLedger<'_>,
    ) -> Result<Vec<Row>, ReplicaError> {
        let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        if !state.ledger.is_quiet(&incident) {
            let (document, people) = self.document(team, incident)?;
            return Ok(from_document(document, &people));
        }
        let people = state.people();
        let dag = state.ledger.dag(&DagId::from(incident)).ok_or(ReplicaError::NoSuchIncident(incident))?;
        let bodies = Bodies { store: &self.store, hidden: &state.hidden, staged: &self.staged_bodies };
        // A read that fails must not be shown as a text that has not come.
        let failed = std::cell::RefCell::new(None);
        let scene = InLedger { incident, ledger: &state.ledger, dag, bodies, failed: &failed };
        let rows = from_ledger(state.orders.get(incident, dag, &state.ledger), &scene, &people);
        match failed.take() {
            Some(error) => Err(error),
            None => Ok(rows),
        }
    }
}

/// Draws lines from a document.
type FromDocument<'a> = &'a dyn Fn(&Document, &People) -> Vec<Row>;

/// Draws the same lines without one.
type FromLedger<'a> = &'a dyn Fn(&Newest, &dyn Entries, &People) -> Vec<Row>;

struct InLedger<'a, S> {
    incident: IncidentId,
    ledger: &'a Ledger,
    dag: &'a Dag,
    bodies: Bodies<'a, S>,
    failed: &'a std::cell::RefCell<Option<ReplicaError>>,
}

impl<S: Storage> Entries for InLedger<'_, S> {
    fn incident(&self) -> IncidentId {
        self.incident
    }

    fn entry(&self, id: &EntryId) -> Option<&Entry> {
        self.dag.entry(id)
    }

    fn depth(&self, id: &EntryId) -> Option<u32> {
        self.dag.depth(id)
    }

    fn is_past(&self, earlier: &EntryId, later: &EntryId) -> bool {
        self.dag.is_past(earlier, later)
    }

    fn person(&self, id: &EntryId) -> Option<PersonId> {
        self.ledger.person(id)
    }

    fn body(&self, entry: &Entry) -> Option<BodyText> {
        match self.bodies.get(&entry.body()?.hash) {
            Ok(body) => body.map(|bytes| Body::read(&bytes)),
            Err(error) => {
                *self.failed.borrow_mut() = Some(error);
                None
            }
        }
    }

    fn redacted_by(&self, id: &EntryId) -> Vec<EntryId> {
        self.bodies.hidden.redacted_by(&self.dag.id(), id)
    }

    fn admits(&self, id: &EntryId) -> bool {
        self.ledger.is_admit(&self.incident(), id)
    }
}
