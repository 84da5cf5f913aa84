//! Proofs of forks: made of a history, read back, and refused where anything in them is changed.

use super::world::{Deed, Way, World, note, secret};
use crate::fork_proof::{BadProof, Branch, FORK_PROOF_BYTES_MAX, ForkProof};
use crate::ids::{EntryId, IncidentId};

/// Two notes under one number by D1, each followed by another, of which alone the second branch's end is signed.
fn forked() -> (World, [Vec<EntryId>; 2]) {
    let (mut w, incident) = World::small("");
    let branch = |w: &mut World| {
        let old = w.past_of([incident.genesis()]);
        let one = w.write_so("D1", Deed::Incident(incident, note()), Way::on(&old));
        let base = w.past_of([one]);
        vec![one, w.write_so("D1", Deed::Incident(incident, note()), Way::on(&base))]
    };
    let branches = [branch(&mut w), branch(&mut w)];
    (w, branches)
}

fn branch(w: &World, ids: &[EntryId], signer: &str) -> Branch {
    let entries: Vec<_> = ids.iter().map(|id| w.entries[id].clone()).collect();
    let signature = secret(signer).sign_entry(ids.last().unwrap());
    Branch { entries, signature }
}

fn incident(w: &World) -> IncidentId {
    w.ledger.incidents().next().unwrap()
}

#[test]
fn a_fork_is_found_and_its_proof_reads_back_in_either_order() {
    let (w, [a, b]) = forked();
    let dag = w.ledger.dag(&incident(&w).into()).unwrap();
    let mut ids = vec![a[0], b[0]];
    ids.sort_unstable();
    assert!(dag.forks().any(|fork| fork == ids), "{:?}", dag.forks().collect::<Vec<_>>());
    assert_eq!(dag.followers(&a[0]), [a[1]]);
    let proof = ForkProof::new(branch(&w, &a, "D1"), branch(&w, &b[..1], "D1")).unwrap();
    let turned = ForkProof::new(branch(&w, &b[..1], "D1"), branch(&w, &a, "D1")).unwrap();
    assert_eq!(proof.encode(), turned.encode());
    let shown = ForkProof::decode(&proof.encode()).unwrap().check().unwrap();
    assert_eq!(shown.entries.to_vec(), ids);
    assert_eq!((shown.key, shown.seq), (super::world::key("D1"), w.entries[&a[0]].seq()));
}

#[test]
fn what_proves_no_fork_is_refused_with_the_reason() {
    let (w, [a, b]) = forked();
    let good = |ids: &[EntryId]| branch(&w, ids, "D1");
    let cases = [
        (ForkProof::new(good(&a), good(&a)), BadProof::NoFork),
        (ForkProof::new(good(&a[..1]), good(&b[1..])), BadProof::NoFork),
        (ForkProof::new(good(&a), branch(&w, &b, "C1")), BadProof::Signature(b[1])),
        (ForkProof::new(good(&a), good(&[b[0], a[1]])), BadProof::Chain(a[1])),
        (ForkProof::new(good(&a), good(&[b[1], b[0]])), BadProof::Chain(b[0])),
    ];
    for (found, bad) in cases {
        assert_eq!(found.unwrap_err(), bad);
    }
}

#[test]
fn a_proof_with_any_byte_changed_cut_or_added_is_none() {
    let (w, [a, b]) = forked();
    let good = ForkProof::new(branch(&w, &a, "D1"), branch(&w, &b, "D1")).unwrap().encode();
    assert!(good.len() < FORK_PROOF_BYTES_MAX);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(ForkProof::decode(&bad).is_err(), "byte {at}");
        assert!(ForkProof::decode(&good[..at]).is_err(), "cut at {at}");
    }
    assert!(ForkProof::decode(&[good.as_slice(), &[0]].concat()).is_err());
    assert_eq!(ForkProof::decode(b"muster/proof/2\n").unwrap_err(), BadProof::Version);
}
