//! Verification: judges everything again from the first byte, in a fresh ledger, and names each entry that fails.
//!
//! What `muster verify` prints, of a store, a bundle or an audit file. It trusts nothing that a living ledger remembers.
//! What it means to be refused is decided in `admission` and `proof`; here the whole is gone through once.

use crate::body::Body;
use crate::clocks::Clocks;
use crate::entry::Entry;
use crate::ids::{DagId, EntryId, IncidentId, TeamId, tagged_hash};
use crate::key::{GoodKeys, Signature};
use crate::ledger::{Ledger, is_signature_due};
use crate::proof::{Claim, largest_proven_set};
use crate::refusal::Refusal;
use crate::status::Status;
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It can not be admitted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What is kept under its id is something else.
    #[error("its bytes have another hash")]
    Hash,
    /// It was proven when it came, as the store says in which it is, and what proved it is gone. It stands, and so does what
    /// builds on it; but nobody else can be shown that.
    #[error("its proof is lost here: it was proven when it came, and the signature that did so is gone")]
    ProofLost,
    /// Its body is another.
    #[error("its body is not the one that was signed")]
    Body,
    /// Its body is not there, and nobody said so.
    #[error("its text is not in the file, nor listed as absent")]
    BodyGone,
    /// It is listed under a DAG that is not its own.
    #[error("it is listed under another DAG than its own")]
    Misfiled,
    /// It names no body, and is listed as one whose body is not there.
    #[error("it is listed as absent and names no text")]
    NoText,
    /// It is listed and is not there.
    #[error("it is listed and is not there")]
    Absent,
    /// It is there and is not listed.
    #[error("it is there and is not listed")]
    Unlisted,
    /// It came before.
    #[error("it is there twice")]
    Twice,
    /// It comes after one that is listed after it.
    #[error("it is not in its place: one that is listed after it came before")]
    Misplaced,
}

impl Fault {
    /// What an entry builds on, where nothing else is wrong with it than that this does not stand or is not there.
    pub fn builds_on(&self) -> Option<EntryId> {
        match self {
            Self::Refused(Refusal::BuildsOnRefused { parent } | Refusal::Incomplete { parent }) => Some(*parent),
            _ => None,
        }
    }
}

/// What verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Entries judged.
    pub entries: usize,
    /// Signatures checked, the bad ones counted too.
    pub signatures_checked: usize,
    /// Entries that stand whose own signature was checked.
    pub signed: usize,
    /// Entries that stand and are proven by a later one of their log.
    pub by_run: usize,
    /// Bodies that fit.
    pub bodies: usize,
    /// Entries whose body is not there: it never came, or was erased.
    pub bodies_absent: BTreeSet<EntryId>,
    /// What others build on and is not there.
    pub missing: BTreeSet<EntryId>,
    /// Numbers of logs under which several entries stand.
    pub forks: Vec<Vec<EntryId>>,
    /// Of what stands in incidents, how many entries count for what.
    pub statuses: BTreeMap<Status, usize>,
    /// Of what stands in each incident, between which times others' clocks hold it. No doubt about a clock is a problem.
    pub clocks: BTreeMap<IncidentId, Clocks>,
    /// Entries that fail, in the order in which they were judged; each for the first rule it breaks. What is absent comes first.
    pub problems: Vec<(EntryId, Fault)>,
}

impl VerifyReport {
    /// Whether every entry passed.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Takes the entries of one team, the past before what builds on it, and says at the end what they are worth.
pub struct Verifier {
    ledger: Ledger,
    good_keys: GoodKeys,
    rows: Vec<Judged>,
    /// Each entry's place in the order in which they came.
    seen: BTreeMap<EntryId, usize>,
    /// What is expected, each with its place.
    listed: Option<BTreeMap<EntryId, usize>>,
    /// The DAG under which each is listed, where that was said.
    filed: BTreeMap<EntryId, DagId>,
    /// The last place of those that came.
    reached: usize,
    /// Whose bodies may be absent, where that was said.
    lacking: Option<BTreeSet<EntryId>>,
    /// What nothing may build on.
    bad: BTreeSet<EntryId>,
    report: VerifyReport,
    faults: Vec<(EntryId, Fault)>,
    is_every: bool,
    is_own: bool,
}

/// A row of good form.
struct Judged {
    id: EntryId,
    signature: Option<Signature>,
    /// What is known of its own signature.
    is_signed: Option<bool>,
}

impl Verifier {
    /// One that checks the signatures that a run needs: those of its end and of each 64th entry.
    pub fn new(team: TeamId) -> Self {
        Self {
            ledger: Ledger::new(team),
            good_keys: GoodKeys::default(),
            rows: Vec::new(),
            seen: BTreeMap::new(),
            listed: None,
            filed: BTreeMap::new(),
            reached: 0,
            lacking: None,
            bad: BTreeSet::new(),
            report: VerifyReport::default(),
            faults: Vec::new(),
            is_every: false,
            is_own: false,
        }
    }

    /// What comes is from the own store, to which nothing comes that was not proven: where the proof is gone since, that is
    /// [`Fault::ProofLost`] and costs nothing else.
    #[must_use]
    pub fn of_own_store(mut self) -> Self {
        self.is_own = true;
        self
    }

    /// Checks each signature that is there.
    #[must_use]
    pub fn every(mut self) -> Self {
        self.is_every = true;
        self
    }

    /// Expects these entries, in this order, and no others.
    #[must_use]
    pub fn expecting(mut self, ids: impl IntoIterator<Item = EntryId>) -> Self {
        let mut listed = BTreeMap::new();
        for (place, id) in ids.into_iter().enumerate() {
            listed.entry(id).or_insert(place);
        }
        self.listed = Some(listed);
        self
    }

    /// Expects these entries to be of these DAGs.
    #[must_use]
    pub fn filed(mut self, dags: impl IntoIterator<Item = (EntryId, DagId)>) -> Self {
        self.filed = dags.into_iter().collect();
        self
    }

    /// Expects the body of every entry that names one, but of these.
    #[must_use]
    pub fn lacking(mut self, ids: impl IntoIterator<Item = EntryId>) -> Self {
        self.lacking = Some(ids.into_iter().collect());
        self
    }

    /// Takes the next entry with what came with it. `kept_as` is the name under which it was kept, where it was.
    pub fn push(&mut self, kept_as: Option<EntryId>, bytes: &[u8], signature: Option<Signature>, body: Option<&[u8]>) {
        if let Some(entry) = self.read(kept_as, bytes) {
            self.judge(entry, signature, body);
        }
    }

    /// The first half of [`Verifier::push`]: the entry that the bytes are, to be judged next; `None` where that fails it already.
    pub fn read(&mut self, kept_as: Option<EntryId>, bytes: &[u8]) -> Option<Entry> {
        self.report.entries += 1;
        let place = self.report.entries;
        let id = EntryId::from_bytes(tagged_hash("muster/entry/1", &[bytes]));
        let name = kept_as.unwrap_or(id);
        if self.seen.contains_key(&name) {
            self.faults.push((name, Fault::Twice));
            return None;
        }
        self.seen.insert(name, place);
        if name != id {
            self.fail(name, Fault::Hash);
        } else if self.listed.as_ref().is_some_and(|listed| !listed.contains_key(&id)) {
            self.fail(id, Fault::Unlisted);
        } else {
            self.check_place(id);
            match Entry::decode_by(bytes, &mut self.good_keys) {
                Ok(entry) => return Some(entry),
                Err(form) => self.fail(id, Refusal::from(form).into()),
            }
        }
        None
    }

    /// The second half of [`Verifier::push`].
    pub fn judge(&mut self, entry: Entry, signature: Option<Signature>, body: Option<&[u8]>) {
        let id = entry.id();
        if self.filed.get(&id).is_some_and(|dag| *dag != entry.dag()) {
            self.faults.push((id, Fault::Misfiled));
        }
        self.check_body(&entry, body);
        let mut is_signed = None;
        if let Some(signature) = signature.filter(|_| self.is_every) {
            self.report.signatures_checked += 1;
            if !entry.key().verifies_entry(&id, &signature) {
                return self.fail(id, Refusal::Signature { key: entry.key() }.into());
            }
            is_signed = Some(true);
        }
        if let Some(parent) = needs(&entry).find(|need| self.bad.contains(need)) {
            return self.fail(id, Refusal::BuildsOnRefused { parent }.into());
        }
        if let Some(absent) = needs(&entry).find(|need| !self.ledger.contains(need)) {
            self.report.missing.insert(absent);
            return self.fail(id, Refusal::Incomplete { parent: absent }.into());
        }
        match self.ledger.restore(entry) {
            Ok(()) => self.rows.push(Judged { id, signature, is_signed }),
            Err(refusal) => self.fail(id, refusal.into()),
        }
    }

    fn fail(&mut self, id: EntryId, fault: Fault) {
        self.bad.insert(id);
        self.faults.push((id, fault));
    }

    /// An entry in another place is the same entry, and stands.
    fn check_place(&mut self, id: EntryId) {
        let Some(place) = self.listed.as_ref().and_then(|listed| listed.get(&id)).copied() else { return };
        if place < self.reached {
            self.faults.push((id, Fault::Misplaced));
        }
        self.reached = self.reached.max(place);
    }

    fn check_body(&mut self, entry: &Entry, body: Option<&[u8]>) {
        if entry.body().is_none() && self.lacking.as_ref().is_some_and(|lacking| lacking.contains(&entry.id())) {
            self.faults.push((entry.id(), Fault::NoText));
        }
        match (entry.body(), body) {
            (None, None) => {}
            (Some(_), None) => {
                self.report.bodies_absent.insert(entry.id());
                if self.lacking.as_ref().is_some_and(|lacking| !lacking.contains(&entry.id())) {
                    self.faults.push((entry.id(), Fault::BodyGone));
                }
            }
            (_, Some(body)) if Body::check(entry, body).is_ok() => self.report.bodies += 1,
            (_, Some(_)) => self.faults.push((entry.id(), Fault::Body)),
        }
    }

    /// Takes a body that came later than its entry.
    pub fn push_body(&mut self, id: &EntryId, body: &[u8]) {
        let Some(entry) = self.ledger.entry(id) else { return };
        match Body::check(entry, body) {
            Ok(_) if self.report.bodies_absent.remove(id) => self.report.bodies += 1,
            Ok(_) => {}
            Err(_) => self.faults.push((*id, Fault::Body)),
        }
    }

    /// The team's ledger of what passed so far; what is not proven is in it until the end.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What was found, and the ledger of what stands.
    pub fn finish(mut self) -> (VerifyReport, Ledger) {
        if !(self.bad.is_empty() && self.proves_by_runs()) {
            self.prove_one_by_one();
        }
        let standing = self.rows.iter().filter(|row| !self.bad.contains(&row.id));
        let (signed, by_run): (Vec<_>, Vec<_>) = standing.partition(|row| row.is_signed == Some(true));
        let unproven = self.faults.iter().filter(|(_, fault)| *fault == Fault::ProofLost).count();
        (self.report.signed, self.report.by_run) = (signed.len(), by_run.len().saturating_sub(unproven));
        if !self.bad.is_empty() {
            self.leave_out_what_fails();
        }
        // Those that nothing proves were found last.
        let seen = &self.seen;
        self.faults.sort_by_key(|(id, _)| seen.get(id));
        let absent = self.listed.iter().flat_map(BTreeMap::keys).filter(|id| !self.seen.contains_key(id));
        self.report.problems = absent.map(|id| (*id, Fault::Absent)).chain(self.faults).collect();
        self.report.forks = self.ledger.dags().flat_map(|(_, dag)| dag.forks()).collect();
        let incidents: Vec<IncidentId> = self.ledger.incidents().collect();
        for incident in incidents {
            for status in self.ledger.statuses(&incident).into_values() {
                *self.report.statuses.entry(status).or_default() += 1;
            }
            self.report.clocks.extend(Clocks::of(&self.ledger, &incident).map(|clocks| (incident, clocks)));
        }
        (self.report, self.ledger)
    }

    /// Whether every log is proven by the signatures at the ends of its runs, which are all that is looked at then.
    fn proves_by_runs(&mut self) -> bool {
        let mut proven: BTreeSet<EntryId> = BTreeSet::new();
        for row in self.rows.iter_mut().rev() {
            let Some(entry) = self.ledger.entry(&row.id) else { continue };
            let is_proven = proven.remove(&row.id);
            if let Some(signature) = row.signature
                && row.is_signed.is_none()
                && (!is_proven || is_signature_due(entry.seq()))
            {
                self.report.signatures_checked += 1;
                row.is_signed = Some(entry.key().verifies_entry(&row.id, &signature));
            }
            if row.is_signed == Some(false) || !(is_proven || row.is_signed == Some(true)) {
                return false;
            }
            proven.extend(entry.backlink());
        }
        true
    }

    /// Where something fails, every signature counts: what it fails for may be what was to prove others.
    fn prove_one_by_one(&mut self) {
        let mut claims = Vec::with_capacity(self.rows.len());
        for row in &mut self.rows {
            let Some(entry) = self.ledger.entry(&row.id) else { continue };
            if let (Some(signature), None) = (row.signature, row.is_signed) {
                self.report.signatures_checked += 1;
                row.is_signed = Some(entry.key().verifies_entry(&row.id, &signature));
            }
            let refusal = match needs(entry).find(|need| self.bad.contains(need)) {
                _ if row.is_signed == Some(false) => Some(Refusal::Signature { key: entry.key() }),
                Some(parent) => Some(Refusal::BuildsOnRefused { parent }),
                None => None,
            };
            match refusal {
                Some(refusal) => {
                    self.bad.insert(row.id);
                    self.faults.push((row.id, refusal.into()));
                }
                None => claims.push(Claim {
                    id: row.id,
                    backlink: entry.backlink(),
                    others: needs(entry).skip(usize::from(entry.backlink().is_some())).collect(),
                    is_signed: row.is_signed == Some(true),
                }),
            }
        }
        if self.is_own {
            return self.name_lost_proofs(&claims);
        }
        let passing: BTreeSet<usize> = largest_proven_set(&claims, |_| false).into_iter().collect();
        for (_, claim) in claims.iter().enumerate().filter(|(at, _)| !passing.contains(at)) {
            let bad = claim.backlink.iter().chain(&claim.others).find(|need| self.bad.contains(need));
            let refusal = bad.map_or(Refusal::Unproven, |parent| Refusal::BuildsOnRefused { parent: *parent });
            self.bad.insert(claim.id);
            self.faults.push((claim.id, refusal.into()));
        }
    }

    /// Names what stands, given in causal order, and is proven neither by itself nor by what follows it in its log.
    fn name_lost_proofs(&mut self, claims: &[Claim]) {
        let mut proven: BTreeSet<EntryId> = BTreeSet::new();
        for claim in claims.iter().rev() {
            if claim.is_signed || proven.contains(&claim.id) {
                proven.extend(claim.backlink);
            } else {
                self.faults.push((claim.id, Fault::ProofLost));
            }
        }
    }

    /// Builds the ledger anew of what stands: it is closed under the past, for what builds on what fails fails too.
    fn leave_out_what_fails(&mut self) {
        let mut fresh = Ledger::new(self.ledger.team());
        for row in self.rows.iter().filter(|row| !self.bad.contains(&row.id)) {
            if let Some(entry) = self.ledger.entry(&row.id) {
                // It passed before, and nothing of its past is left out.
                let _ = fresh.restore(entry.clone());
            }
        }
        self.ledger = fresh;
    }
}

fn needs(entry: &Entry) -> impl Iterator<Item = EntryId> + '_ {
    entry.parents().chain(entry.items().roster_heads.iter().copied())
}

impl Ledger {
    /// The admitted entries that can be proven to others, where `is_signed` tells of which a good signature is here: the largest set in
    /// which each is proven by itself or by what follows it in its log, and everything that each builds on is in it.
    pub fn provable(&self, is_signed: impl Fn(&EntryId) -> bool) -> BTreeSet<EntryId> {
        let entries = self.dags().flat_map(|(_, dag)| dag.entries());
        let claims: Vec<Claim> = entries
            .map(|entry| Claim {
                id: entry.id(),
                backlink: entry.backlink(),
                others: needs(entry).skip(usize::from(entry.backlink().is_some())).collect(),
                is_signed: is_signed(&entry.id()),
            })
            .collect();
        let passing = largest_proven_set(&claims, |_| false).into_iter();
        passing.filter_map(|at| claims.get(at).map(|claim| claim.id)).collect()
    }

    /// Judges every admitted entry again: bytes, id, signature, log, binding, roster, proof.
    ///
    /// `signatures` gives what the store holds for an entry.
    pub fn check_all(&self, signatures: impl Fn(&EntryId) -> Option<Signature>) -> VerifyReport {
        let roster = self.dag(&self.team().into());
        let incidents = self.dags().map(|(_, dag)| dag).filter(|dag| dag.id() != self.team().into());
        // The roster first: what incidents cite must be judged before them.
        let entries = roster.into_iter().chain(incidents).flat_map(|dag| dag.entries());
        verify(self.team(), entries, signatures)
    }
}

/// Judges `entries` of one team, given in causal order, from the first byte, with each signature that is there.
pub fn verify<'a>(
    team: TeamId,
    entries: impl Iterator<Item = &'a Entry>,
    signatures: impl Fn(&EntryId) -> Option<Signature>,
) -> VerifyReport {
    verify_with(Verifier::new(team).every(), entries, signatures)
}

/// As [`verify`], of the own store ([`Verifier::of_own_store`]).
pub fn verify_own<'a>(
    team: TeamId,
    entries: impl Iterator<Item = &'a Entry>,
    signatures: impl Fn(&EntryId) -> Option<Signature>,
) -> VerifyReport {
    verify_with(Verifier::new(team).every().of_own_store(), entries, signatures)
}

fn verify_with<'a>(
    mut verifier: Verifier,
    entries: impl Iterator<Item = &'a Entry>,
    signatures: impl Fn(&EntryId) -> Option<Signature>,
) -> VerifyReport {
    for entry in entries {
        verifier.push(Some(entry.id()), entry.bytes(), signatures(&entry.id()), None);
    }
    verifier.finish().0
}
