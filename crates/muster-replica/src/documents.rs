//! The incidents' documents, derived when somebody looks and kept up to date from then on.
//!
//! A document is a cache: whenever applying does not fit, it is derived anew from the ledger. What came since the last look
//! is applied in one go, so a burst costs as many updates as there are looks; [`crate::pace`] says when to look.

use crate::error::ReplicaError;
use crate::team::Bodies;
use muster_incident::{Document, Source};
use muster_log::ledger::Ledger;
use muster_log::{Body, DagId, EntryId, IncidentId, Kind, Status};
use muster_store::Storage;
use std::collections::BTreeMap;

/// Documents in memory. The oldest look goes first.
const DOCUMENTS_MAX: usize = 32;

/// A document and how far it has come.
struct Kept {
    document: Document,
    /// How many entries of the DAG's order are in it.
    applied: usize,
    /// The statuses with which they were applied.
    statuses: Statuses,
    /// Bodies arrived, so it must be derived anew.
    stale: bool,
    last_look: u64,
}

/// What entries count for; none where all are active, which is nearly always and costs nothing to know.
type Statuses = Option<BTreeMap<EntryId, Status>>;

#[derive(Default)]
pub(crate) struct Documents {
    kept: BTreeMap<IncidentId, Kept>,
    looks: u64,
    updates: u64,
}

impl Documents {
    /// The document of an incident, up to date with the ledger.
    pub(crate) fn get<S: Storage>(
        &mut self,
        incident: &IncidentId,
        ledger: &Ledger,
        bodies: &Bodies<'_, S>,
    ) -> Result<&Document, ReplicaError> {
        self.looks += 1;
        let dag = ledger.dag(&DagId::from(*incident)).ok_or(ReplicaError::NoSuchIncident(*incident))?;
        let order = dag.order();
        let found = (!ledger.is_quiet(incident)).then(|| ledger.findings(incident));
        let (statuses, reasons) = found.map(|found| (found.statuses, found.reasons)).unzip();
        let is_good = |kept: &Kept| {
            !kept.stale
                && match (&kept.statuses, &statuses) {
                    (None, None) => true,
                    (Some(old), Some(new)) => old.iter().all(|(id, status)| new.get(id) == Some(status)),
                    _ => false,
                }
        };
        let kept = match self.kept.remove(incident).filter(is_good) {
            Some(kept) if kept.applied == order.len() => Kept { statuses, ..kept },
            Some(mut kept) => {
                self.updates += 1;
                let new = sources(&statuses, ledger, bodies, &order[kept.applied.min(order.len())..])?;
                match kept.document.apply(&new) {
                    Ok(()) => Kept { applied: order.len(), statuses, ..kept },
                    Err(_) => self.derive(incident, statuses, ledger, bodies, order)?,
                }
            }
            None => {
                self.updates += 1;
                self.derive(incident, statuses, ledger, bodies, order)?
            }
        };
        self.evict();
        let looks = self.looks;
        let kept = self.kept.entry(*incident).or_insert(kept);
        kept.last_look = looks;
        kept.document.explain(reasons.unwrap_or_default());
        Ok(&kept.document)
    }

    fn derive<S: Storage>(
        &self,
        incident: &IncidentId,
        statuses: Statuses,
        ledger: &Ledger,
        bodies: &Bodies<'_, S>,
        order: &[EntryId],
    ) -> Result<Kept, ReplicaError> {
        let all = sources(&statuses, ledger, bodies, order)?;
        let document = Document::derive(&all)
            .map_err(|error| ReplicaError::Damaged { id: incident.genesis(), what: error.to_string() })?;
        Ok(Kept { document, applied: order.len(), statuses, stale: false, last_look: self.looks })
    }

    /// How often a document was brought up to date or derived, since the start.
    pub(crate) fn updates(&self) -> u64 {
        self.updates
    }

    fn evict(&mut self) {
        if self.kept.len() >= DOCUMENTS_MAX
            && let Some(oldest) = self.kept.iter().min_by_key(|(_, kept)| kept.last_look).map(|(id, _)| *id)
        {
            self.kept.remove(&oldest);
        }
    }

    /// Something of an incident was redacted, or no longer is: its document is derived anew, and no text stays in memory.
    pub(crate) fn forget(&mut self, incident: &IncidentId) {
        self.kept.remove(incident);
    }

    /// A body arrived for an entry that may have been applied without it.
    pub(crate) fn body_arrived(&mut self, dag: &DagId, entry: &EntryId) {
        if let Some(kept) = self.kept.get_mut(&IncidentId::of_genesis(dag.genesis()))
            && kept.document.contains(entry)
        {
            kept.stale = true;
        }
    }
}

/// What a document is made of: these entries, with their statuses and the bodies at hand.
fn sources<'a, S: Storage>(
    statuses: &Statuses,
    ledger: &'a Ledger,
    bodies: &Bodies<'_, S>,
    order: &[EntryId],
) -> Result<Vec<Source<'a>>, ReplicaError> {
    let mut out = Vec::with_capacity(order.len());
    for id in order {
        let status = statuses.as_ref().map_or(Some(&Status::Active), |statuses| statuses.get(id));
        let (Some(entry), Some(status)) = (ledger.entry(id), status) else { continue };
        let body = match entry.body() {
            Some(reference) => bodies.get(&reference.hash)?.map(|bytes| Body::read(&bytes)),
            None => None,
        };
        let redacted_by = bodies.hidden.redacted_by(&entry.dag(), id);
        let admits = entry.kind() == Kind::ADMIT && ledger.is_admit(&IncidentId::of_genesis(entry.dag().genesis()), id);
        out.push(Source { entry, status: *status, person: ledger.person(id), body, redacted_by, admits });
    }
    Ok(out)
}
