//! Verification: judges everything again from the first byte, in a fresh ledger, and names each entry that fails.
//!
//! What `muster verify` prints. It trusts nothing that the living ledger remembers.

use crate::entry::Entry;
use crate::ids::EntryId;
use crate::key::Signature;
use crate::ledger::Ledger;
use crate::refusal::Refusal;
use std::collections::{BTreeMap, BTreeSet};

/// What verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Entries judged.
    pub entries: usize,
    /// Signatures checked, the bad ones counted too.
    pub signatures_checked: usize,
    /// Entries that fail, in the order in which they were judged; each for the first rule it breaks.
    pub problems: Vec<(EntryId, Refusal)>,
}

impl VerifyReport {
    /// Whether every entry passed.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Ledger {
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

/// Judges `entries` of one team, given in causal order, from the first byte.
pub fn verify<'a>(
    team: crate::ids::TeamId,
    entries: impl Iterator<Item = &'a Entry>,
    signatures: impl Fn(&EntryId) -> Option<Signature>,
) -> VerifyReport {
    let mut report = VerifyReport::default();
    let mut fresh = Ledger::new(team);
    let mut signed = BTreeSet::new();
    let mut bad: BTreeMap<EntryId, Refusal> = BTreeMap::new();
    let mut order = Vec::new();
    for entry in entries {
        report.entries += 1;
        order.push((entry.id(), entry.backlink()));
        let signature = signatures(&entry.id());
        report.signatures_checked += usize::from(signature.is_some());
        match judge_again(&mut fresh, entry, signature, &bad) {
            Ok(()) if signature.is_some() => drop(signed.insert(entry.id())),
            Ok(()) => {}
            Err(refusal) => drop(bad.insert(entry.id(), refusal)),
        }
    }
    // Backwards, so that a signature is seen before the run that it proves.
    let mut proven = signed;
    for (id, backlink) in order.iter().rev() {
        if proven.contains(id) && !bad.contains_key(id) {
            proven.extend(backlink);
        } else {
            bad.entry(*id).or_insert(Refusal::Unproven);
        }
    }
    report.problems = order.iter().filter_map(|(id, _)| bad.remove(id).map(|refusal| (*id, refusal))).collect();
    report
}

fn judge_again(
    fresh: &mut Ledger,
    entry: &Entry,
    signature: Option<Signature>,
    bad: &BTreeMap<EntryId, Refusal>,
) -> Result<(), Refusal> {
    let again = Entry::decode(entry.bytes())?;
    if let Some(signature) = signature
        && !again.key().verifies_entry(&again.id(), &signature)
    {
        return Err(Refusal::Signature { key: again.key() });
    }
    let refused = again.parents().chain(again.items().roster_heads.iter().copied()).find(|need| bad.contains_key(need));
    if let Some(parent) = refused {
        return Err(Refusal::BuildsOnRefused { parent });
    }
    fresh.restore(again)
}
