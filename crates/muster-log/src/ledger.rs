//! The ledger of one team: everything admitted, everything that waits, and what follows from it.
//!
//! The public face of admission (`admission`, `proof`, `pending`), roster (`roster`) and status (`status`). No IO: the
//! caller keeps entries and signatures on disk and brings them back with [`Ledger::restore`].

mod holders;
mod let_in;
mod reasons;
mod team_history;
mod what_if;

pub use let_in::LetIn;
pub use reasons::{Findings, Reason, Reasons};
pub use team_history::{Joined, TeamDeed, TeamEffect, TeamEvent, TeamHistory};
pub use what_if::Consequence;

use crate::admission::{Court, Judged};
use crate::dag::Dag;
use crate::entry::Entry;
use crate::fact::{Capability, Fact, Kind};
use crate::holding::Holdings;
use crate::ids::{DagId, EntryId, IncidentId, PersonId, TeamId};
use crate::key::{DeviceKey, Signature};
use crate::limits::RUN_SIGNATURE_EVERY;
use crate::pending::{Pool, PoolSize, Waiting};
use crate::proof::{Claim, largest_proven_set};
use crate::redaction::{self, Redacted, Redaction};
use crate::refusal::Refusal;
use crate::roster::{Fold, Graph, Roster};
use crate::status::{self, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// An entry as it came, with a signature or without.
#[derive(Debug, Clone)]
pub struct Received {
    /// The entry, of good form.
    pub entry: Entry,
    /// Its author's signature, not checked yet.
    pub signature: Option<Signature>,
}

/// What came of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Newly admitted, in causal order; also what had waited before.
    pub admitted: Vec<EntryId>,
    /// Refused for good, each with the rule it breaks. If one of the batch is among them, nothing of it was taken.
    pub refused: Vec<(EntryId, Refusal)>,
    /// Entries of the batch that wait for a parent, a roster entry or a proof.
    pub pending: Vec<EntryId>,
    /// Parents and roster heads that the pending ones lack: to be asked for.
    pub missing: BTreeSet<EntryId>,
    /// Good signatures of entries that are admitted by now, each once since the start: to be stored with them.
    pub signatures: Vec<(EntryId, Signature)>,
}

/// Everything one replica knows of one team.
#[derive(Debug)]
pub struct Ledger {
    team: TeamId,
    dags: Vec<Dag>,
    dag_numbers: BTreeMap<DagId, u32>,
    /// Of every admitted entry, its DAG and its number there.
    places: BTreeMap<EntryId, (u32, u32)>,
    graph: Graph,
    holdings: Holdings,
    holders: holders::Holders,
    /// Redactions whose authors may redact what they name, in order of admission.
    redactions: BTreeMap<DagId, Vec<Redaction>>,
    /// Admitted entries whose own signature was handed to the caller since the start.
    signed: BTreeSet<EntryId>,
    pool: Pool,
    arrivals: u64,
    whole: OnceLock<Arc<Fold>>,
}

/// An entry under judgement.
struct Candidate {
    waiting: Waiting,
    /// Whether it came, for the first time or again, with the batch at hand.
    is_of_batch: bool,
    had_waited: bool,
}

impl Ledger {
    /// An empty ledger of `team`; its first entry must be the team's `team-create`.
    pub fn new(team: TeamId) -> Self {
        Self {
            team,
            dags: Vec::new(),
            dag_numbers: BTreeMap::new(),
            places: BTreeMap::new(),
            graph: Graph::default(),
            holdings: Holdings::default(),
            holders: holders::Holders::default(),
            redactions: BTreeMap::new(),
            signed: BTreeSet::new(),
            pool: Pool::default(),
            arrivals: 0,
            whole: OnceLock::new(),
        }
    }

    /// The team.
    pub fn team(&self) -> TeamId {
        self.team
    }

    /// Takes what came from `sender` (`None`: the own hand) and admits what can be admitted now.
    ///
    /// The batch is one unit. An honest peer sends only what it has admitted, so if one entry of the batch is refused,
    /// nothing of the batch is taken and the ledger is as before. What lacks a parent, a roster entry or a proof waits
    /// in a bounded pool and is admitted by a later call. An entry that is admitted already is ignored; a signature for
    /// it, or for one that waits, is taken, for it may prove the run before it.
    pub fn receive(&mut self, sender: Option<DeviceKey>, batch: Vec<Received>) -> Outcome {
        let mut outcome = Outcome::default();
        let fresh = self.check_signatures(sender, batch, &mut outcome);
        if !outcome.refused.is_empty() {
            outcome.signatures.clear();
            return outcome;
        }
        self.signed.extend(outcome.signatures.iter().map(|(id, _)| *id));
        let mut candidates = self.join_pool(fresh);
        loop {
            let passing = self.passing(&candidates);
            let mark = (self.graph.mark(), self.holdings.mark());
            let mut judged: BTreeMap<EntryId, Judged> = BTreeMap::new();
            let mut refused: BTreeMap<EntryId, Refusal> = BTreeMap::new();
            for position in &passing {
                let entry = &candidates[*position].waiting.entry;
                match self.judge_candidate(entry, &judged, &refused) {
                    Ok(verdict) => drop(judged.insert(entry.id(), verdict)),
                    Err(refusal) => drop(refused.insert(entry.id(), refusal)),
                }
            }
            if refused.is_empty() {
                self.admit(candidates, &passing, &judged, &mut outcome);
                return outcome;
            }
            self.take_back(mark, &judged);
            let blames_batch = candidates.iter().any(|c| c.is_of_batch && refused.contains_key(&c.waiting.entry.id()));
            candidates.retain(|c| !refused.contains_key(&c.waiting.entry.id()));
            outcome.refused.extend(refused);
            if blames_batch {
                // What had waited goes on waiting; the rest of the batch is dropped.
                for candidate in candidates.into_iter().filter(|c| c.had_waited) {
                    self.pool.put(candidate.waiting);
                }
                return outcome;
            }
        }
    }

    /// Takes an entry from the own store, in causal order: it was proven before, so no signature is asked for.
    ///
    /// # Errors
    /// The [`Refusal`] that speaks against it: the store holds something that was never admitted.
    pub fn restore(&mut self, entry: Entry) -> Result<(), Refusal> {
        if self.places.contains_key(&entry.id()) {
            return Ok(());
        }
        let verdict = self.judge_candidate(&entry, &BTreeMap::new(), &BTreeMap::new())?;
        self.append(entry, &verdict);
        Ok(())
    }

    /// The entry, if it is admitted.
    pub fn entry(&self, id: &EntryId) -> Option<&Entry> {
        let (dag, number) = self.places.get(id)?;
        Some(&self.dags.get(*dag as usize)?.node(*number).entry)
    }

    /// The one admitted entry whose id begins so.
    pub fn entry_beginning(&self, prefix: &[u8; 8]) -> Option<&Entry> {
        let mut first = [0; 32];
        first[..8].copy_from_slice(prefix);
        let mut fitting = self.places.range(EntryId::from_bytes(first)..).map(|(id, _)| id);
        let fits = |id: &&EntryId| id.as_bytes().starts_with(prefix);
        let found = fitting.next().filter(fits)?;
        if fitting.next().is_some_and(|other| fits(&other)) { None } else { self.entry(found) }
    }

    /// The DAG that holds the entry, if it is admitted.
    pub fn dag_of(&self, id: &EntryId) -> Option<&Dag> {
        self.dags.get(self.places.get(id)?.0 as usize)
    }

    /// Whether the entry is admitted.
    pub fn contains(&self, id: &EntryId) -> bool {
        self.places.contains_key(id)
    }

    /// How many entries are admitted.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing is admitted.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The roster's or an incident's DAG.
    pub fn dag(&self, dag: &DagId) -> Option<&Dag> {
        self.dags.get(*self.dag_numbers.get(dag)? as usize)
    }

    /// All DAGs by name, the roster's among them.
    pub fn dags(&self) -> impl Iterator<Item = (&DagId, &Dag)> {
        self.dag_numbers.iter().filter_map(|(id, number)| Some((id, self.dags.get(*number as usize)?)))
    }

    /// All incidents by name.
    pub fn incidents(&self) -> impl Iterator<Item = IncidentId> {
        let team: DagId = self.team.into();
        self.dag_numbers.keys().filter(move |dag| **dag != team).map(|dag| IncidentId::of_genesis(dag.genesis()))
    }

    /// Who is in the team, by all roster entries here.
    pub fn roster(&self) -> &Roster {
        &self.whole().roster
    }

    /// The roster's heads, by id.
    pub fn roster_heads(&self) -> Vec<EntryId> {
        self.dag(&self.team.into()).map(Dag::heads).unwrap_or_default()
    }

    /// The person of an admitted entry, as its own roster past says.
    pub fn person(&self, entry: &EntryId) -> Option<PersonId> {
        let (dag, number) = self.places.get(entry)?;
        Some(self.dags.get(*dag as usize)?.node(*number).author)
    }

    /// What every entry of an incident counts for; empty if the incident is not here.
    pub fn statuses(&self, incident: &IncidentId) -> BTreeMap<EntryId, Status> {
        let dag = self.dag(&(*incident).into());
        dag.map(|dag| status::statuses(&self.graph, self.whole(), dag)).unwrap_or_default()
    }

    /// Which entries of an incident are clean, in the order of [`Dag::order`]; `None` where all are.
    pub(crate) fn clean(&self, incident: &IncidentId) -> Option<Vec<bool>> {
        let dag = self.dag(&(*incident).into()).filter(|dag| !status::is_quiet(self.whole(), dag))?;
        Some(status::clean(&self.graph, self.whole(), dag))
    }

    /// Whether every entry of an incident is active because nothing speaks against any; cheap, unlike [`Ledger::statuses`].
    pub fn is_quiet(&self, incident: &IncidentId) -> bool {
        self.dag(&(*incident).into()).is_some_and(|dag| status::is_quiet(self.whole(), dag))
    }

    /// What is redacted in an incident: targets of the active redactions. Their bodies are not asked for, sent, exported or
    /// taken back.
    pub fn redacted(&self, incident: &IncidentId) -> BTreeMap<EntryId, Redacted> {
        let dag = DagId::from(*incident);
        let (Some(redactions), Some(dag)) = (self.redactions.get(&dag), self.dag(&dag)) else { return BTreeMap::new() };
        let statuses = (!self.is_quiet(incident)).then(|| self.statuses(incident));
        redaction::redacted(dag, redactions, statuses.as_ref())
    }

    /// Whether anything was ever redacted in a DAG with the right to do so; cheap, unlike [`Ledger::redacted`].
    pub fn has_redactions(&self, dag: &DagId) -> bool {
        self.redactions.contains_key(dag)
    }

    /// Whether a person may redact an entry, by the whole roster: their own, or as an admin.
    pub fn may_redact(&self, person: &PersonId, entry: &EntryId) -> bool {
        self.person(entry) == Some(*person) || self.roster().capability(person) == Some(Capability::Admin)
    }

    /// What an admitted entry says, `None` if it is not here or malformed for its kind.
    pub fn fact(&self, id: &EntryId) -> Option<Fact> {
        self.entry(id)?.fact().ok()
    }

    /// Joins that stand and wait for a vouch, with their invites: nobody has joined by these invites yet.
    ///
    /// Whether the ticket is still open is for the voucher to say, who knows when it was given out.
    pub fn joins_to_vouch(&self) -> Vec<(EntryId, EntryId)> {
        self.graph.joins_to_vouch(self.whole())
    }

    /// All removals so far, in the order in which the fold takes them, with where each stands.
    pub fn removals(&self) -> Vec<crate::roster::Removal> {
        self.graph.removals(self.whole())
    }

    /// Persons who came by one ticket, where no admin has said yet who was meant.
    pub fn rivals(&self) -> Vec<BTreeSet<PersonId>> {
        self.graph.rivals(self.whole())
    }

    /// The team's recovery keys, the highest first.
    pub fn recovery_keys(&self) -> &[DeviceKey] {
        self.graph.recovery_keys()
    }

    /// How many entries wait.
    pub fn pending_len(&self) -> usize {
        self.pool.len()
    }

    /// How much waits, counted anew.
    pub fn waiting(&self) -> PoolSize {
        self.pool.size()
    }

    /// The entries that wait, by id.
    pub fn pending(&self) -> impl Iterator<Item = EntryId> + '_ {
        self.pool.ids()
    }

    /// What the entries that wait lack: not admitted and not waiting.
    pub fn missing(&self) -> BTreeSet<EntryId> {
        self.pool.needed().filter(|id| !self.contains(id)).collect()
    }

    #[cfg(test)]
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    pub(crate) fn whole(&self) -> &Fold {
        self.whole.get_or_init(|| self.graph.fold(&self.graph.all()))
    }

    /// Checks every signature that came; returns the entries that are new here, with their good signatures.
    fn check_signatures(
        &self,
        sender: Option<DeviceKey>,
        batch: Vec<Received>,
        outcome: &mut Outcome,
    ) -> Vec<Candidate> {
        let mut fresh: Vec<Candidate> = Vec::with_capacity(batch.len());
        let mut position: BTreeMap<EntryId, usize> = BTreeMap::new();
        for Received { entry, signature } in batch {
            let id = entry.id();
            if entry.team() != self.team {
                outcome.refused.push((id, Refusal::OtherTeam));
                continue;
            }
            if self.signed.contains(&id) {
                continue;
            }
            if let Some(signature) = &signature
                && !entry.key().verifies_entry(&id, signature)
            {
                outcome.refused.push((id, Refusal::Signature { key: entry.key() }));
                continue;
            }
            if self.contains(&id) {
                outcome.signatures.extend(signature.map(|signature| (id, signature)));
            } else if let Some(earlier) = position.get(&id) {
                let known = &mut fresh[*earlier].waiting.signature;
                *known = known.or(signature);
            } else {
                position.insert(id, fresh.len());
                let waiting = Waiting { entry, signature, sender, arrival: 0 };
                fresh.push(Candidate { waiting, is_of_batch: true, had_waited: false });
            }
        }
        fresh
    }

    /// Adds what waits and hangs together with what came. An entry that waited keeps its place in the queue.
    fn join_pool(&mut self, fresh: Vec<Candidate>) -> Vec<Candidate> {
        let seeds = fresh
            .iter()
            .flat_map(|candidate| candidate.waiting.needs().chain([candidate.waiting.entry.id()]).collect::<Vec<_>>());
        let places = &self.places;
        let waited = self.pool.take_connected(seeds, |id| places.contains_key(id));
        let mut candidates: Vec<Candidate> =
            waited.into_iter().map(|waiting| Candidate { waiting, is_of_batch: false, had_waited: true }).collect();
        let position: BTreeMap<EntryId, usize> =
            candidates.iter().enumerate().map(|(i, candidate)| (candidate.waiting.entry.id(), i)).collect();
        for mut candidate in fresh {
            match position.get(&candidate.waiting.entry.id()) {
                Some(earlier) => {
                    let known = &mut candidates[*earlier];
                    known.is_of_batch = true;
                    known.waiting.signature = known.waiting.signature.or(candidate.waiting.signature);
                }
                None => {
                    candidate.waiting.arrival = self.arrivals;
                    self.arrivals += 1;
                    candidates.push(candidate);
                }
            }
        }
        candidates
    }

    /// The candidates that are complete and proven together, in causal order.
    fn passing(&self, candidates: &[Candidate]) -> Vec<usize> {
        let claims: Vec<Claim> = candidates
            .iter()
            .map(|Candidate { waiting, .. }| {
                let items = waiting.entry.items();
                Claim {
                    id: waiting.entry.id(),
                    backlink: items.backlink,
                    others: items.deps.iter().chain(&items.roster_heads).copied().collect(),
                    is_signed: waiting.signature.is_some(),
                }
            })
            .collect();
        largest_proven_set(&claims, |id| self.contains(id))
    }

    fn judge_candidate(
        &mut self,
        entry: &Entry,
        judged: &BTreeMap<EntryId, Judged>,
        refused: &BTreeMap<EntryId, Refusal>,
    ) -> Result<Judged, Refusal> {
        let mut needs = entry.parents().chain(entry.items().roster_heads.iter().copied());
        if !refused.is_empty()
            && let Some(parent) = needs.find(|need| refused.contains_key(need))
        {
            return Err(Refusal::BuildsOnRefused { parent });
        }
        let (dags, places) = (&self.dags, &self.places);
        let parent = |id: &EntryId| {
            judged.get(id).copied().or_else(|| {
                let (dag, number) = places.get(id)?;
                let dag = dags.get(*dag as usize)?;
                let node = dag.node(*number);
                let items = node.entry.items();
                Some(Judged {
                    dag: dag.id(),
                    key: items.key,
                    session: items.session,
                    seq: items.seq,
                    author: node.author,
                    standpoint: node.standpoint,
                    admitted: node.admitted,
                    admits: None,
                })
            })
        };
        let mut court = Court { team: self.team, graph: &mut self.graph, holdings: &mut self.holdings };
        court.judge(entry, parent)
    }

    /// Undoes what judging has left behind.
    fn take_back(&mut self, (graph, sets): (crate::roster::Mark, usize), judged: &BTreeMap<EntryId, Judged>) {
        self.graph.truncate(graph);
        self.holdings.take_back(sets, judged.keys().map(|id| DagId::of_genesis(*id)));
    }

    fn admit(
        &mut self,
        candidates: Vec<Candidate>,
        passing: &[usize],
        judged: &BTreeMap<EntryId, Judged>,
        outcome: &mut Outcome,
    ) {
        let mut slots: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
        for position in passing {
            let Some(Candidate { waiting, .. }) = slots[*position].take() else { continue };
            let id = waiting.entry.id();
            let Some(verdict) = judged.get(&id) else { continue };
            if let Some(signature) = waiting.signature {
                outcome.signatures.push((id, signature));
                self.signed.insert(id);
            }
            outcome.admitted.push(id);
            self.append(waiting.entry, verdict);
        }
        let mut needs = BTreeSet::new();
        for Candidate { waiting, is_of_batch, .. } in slots.into_iter().flatten() {
            if is_of_batch {
                outcome.pending.push(waiting.entry.id());
                needs.extend(waiting.needs());
            }
            self.pool.put(waiting);
        }
        outcome.missing = self.pool.lacking(needs, |id| self.contains(id));
    }

    fn append(&mut self, entry: Entry, verdict: &Judged) {
        let (id, next) = (entry.id(), self.dags.len() as u32);
        let number = *self.dag_numbers.entry(verdict.dag).or_insert(next);
        if number == next {
            self.dags.push(Dag::new(verdict.dag));
        }
        if entry.kind().is_roster() {
            self.whole.take();
        }
        let is_redaction = entry.kind() == Kind::REDACTION;
        let dag = &mut self.dags[number as usize];
        self.places.insert(id, (number, dag.len() as u32));
        dag.append(entry, verdict);
        self.holders.note(verdict, id);
        if is_redaction && let Some(redaction) = redaction::judge(&self.graph, dag, &id) {
            self.redactions.entry(verdict.dag).or_default().push(redaction);
        }
    }
}

/// Whether a signature must travel with the entry of this number, wherever its run ends (proof by run).
pub const fn is_signature_due(seq: u32) -> bool {
    seq.is_multiple_of(RUN_SIGNATURE_EVERY)
}
