//! Stores in which something is damaged: what stands is read, kept and handed over, and nothing is written.

use super::bundle::{whole, write};
use super::{Counter, Room, declare, open, say};
use crate::{AuditOrder, Replica, Ruins, VerifyScope, local};
use muster_log::audit::Rows;
use muster_log::verify::Fault;
use muster_log::{DagId, DeviceSecret, EntryId, IncidentId, SessionId, TeamId, Verifier, VerifyReport};
use muster_store::{DiskStore, FaultyDisk, MemoryStore, OpenOptions, Storage, StoredEntry, Write};
use muster_sync::bundle::States;
use std::path::Path;
use std::sync::Arc;

/// What a desk holds, put into another store as `lies` has it there: `None` for what is damaged.
fn copy(from: &MemoryStore, into: &mut impl Storage, lies: impl Fn(StoredEntry) -> Option<StoredEntry>) {
    for team in from.teams() {
        let roster = DagId::from(team);
        let dags = from.dags(&team);
        let incidents = dags.iter().filter(|dag| **dag != roster);
        for dag in dags.iter().filter(|dag| **dag == roster).chain(incidents) {
            for entry in from.entries(dag).unwrap().into_iter().filter_map(&lies) {
                let body = muster_log::Entry::decode(&entry.bytes).unwrap().body();
                into.stage(Write::Entry(entry)).unwrap();
                if let Some(body) = body
                    && let Some(bytes) = from.body(&body.hash).unwrap()
                {
                    into.stage(Write::Body { hash: body.hash, bytes }).unwrap();
                }
            }
        }
    }
    into.commit().unwrap();
}

#[test]
fn a_store_that_is_only_read_wants_nothing_written_when_the_record_that_ended_something_is_damaged() {
    let mut room = Room::new(2);
    let team = room.team();
    room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    let disk = FaultyDisk::default();
    let dir = Path::new("/store");
    let options = |options: OpenOptions| options.index_in_memory().disk(Arc::new(disk.clone()));
    let (mut store, _) = DiskStore::open(dir, options(OpenOptions::write([7; 16]))).unwrap();
    copy(&room.desks[1].store, &mut store, Some);
    // As if the sponsors had never been let go.
    let sponsor = room.key(0).to_string().into_bytes();
    store.stage(Write::Local { key: local::sponsors(&team), value: Some(sponsor) }).unwrap();
    store.commit().unwrap();
    drop(store);
    let (store, _) = DiskStore::open(dir, options(OpenOptions::read())).unwrap();
    let session = SessionId::from_bytes([3; 16]);
    let mut reader = Replica::open_what_stands(store, secret(), session, Box::new(Counter(9))).unwrap();
    reader.commit(room.now()).unwrap();
    assert_eq!(reader.ledger(&team).unwrap().len(), room.desks[1].ledger(&team).unwrap().len());
}

/// Of the second desk.
fn secret() -> DeviceSecret {
    DeviceSecret::from_seed(&[2; 32])
}

/// Entries of the first desk that came to the second in one run, of which the last carries the proof, and the desks.
fn run_of(lines: usize) -> (Room, TeamId, IncidentId, Vec<EntryId>) {
    let mut room = Room::new(2);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    room.disconnect_all();
    for n in 0..lines {
        room.write(0, team, Some(incident), &say(&format!("line {n}")));
    }
    room.connect_all();
    let order = room.desks[1].ledger(&team).unwrap().dag(&incident.into()).unwrap().order().to_vec();
    let is_signed = |id: &EntryId| room.desks[1].store.entry(id).unwrap().unwrap().signature.is_some();
    assert!(order[1..lines].iter().all(|id| !is_signed(id)) && is_signed(&order[lines]), "proven by run");
    (room, team, incident, order)
}

/// The second desk after its store lost the entry that proves the run.
fn without(room: &Room, gone: EntryId) -> Replica<MemoryStore> {
    let mut store = MemoryStore::new();
    copy(&room.desks[1].store, &mut store, |entry| (entry.id != gone).then_some(entry));
    Replica::open_what_stands(store, secret(), SessionId::from_bytes([3; 16]), Box::new(Counter(9))).unwrap()
}

/// What the file says that this desk would hand over.
fn handed_over(desk: &Replica<MemoryStore>, team: TeamId, room: &Room) -> (VerifyReport, usize, u64) {
    let plan = desk.plan_audit(&team, &AuditOrder::All, 0, room.now()).unwrap();
    let mut verifier = Verifier::new(team).every().expecting(plan.manifest.ids()).lacking(plan.manifest.absent.clone());
    for (dag, ids) in &plan.manifest.dags {
        let page = desk.audit_rows(&team, dag, 0, usize::MAX).unwrap();
        for row in Rows::of(&page.bytes).map(Result::unwrap) {
            let id = muster_log::Entry::decode(&row.entry).unwrap().id();
            if !plan.is_picked || ids.contains(&id) {
                verifier.push(Some(id), &row.entry, row.signature, row.body.as_deref());
            }
        }
    }
    (verifier.finish().0, plan.manifest.len(), plan.manifest.lost)
}

#[test]
fn what_was_proven_when_it_came_is_kept_without_its_proof_and_named_as_such() {
    let (room, _, _, order) = run_of(6);
    let desk = without(&room, order[6]);
    assert_eq!(desk.ruins().unwrap(), Ruins { doubtful: desk.ruins().unwrap().doubtful, ..Ruins::default() });
    let found = desk.verify(VerifyScope::default()).unwrap();
    let lost: Vec<_> = order[1..6].iter().map(|id| (*id, Fault::ProofLost.to_string())).collect();
    assert_eq!(found.problems, lost);
    assert_eq!(desk.proofs_lost(), 5);
    // What comes later stands on it all the same.
    let (room, _, _, order) = run_of(6);
    let other = without(&room, order[3]);
    let fallen: Vec<EntryId> = other.ruins().unwrap().fallen.into_iter().collect();
    assert!(order[4..].iter().all(|id| fallen.contains(id)) && fallen.len() == 3, "only what builds on it falls");
    assert_eq!(other.ruins().unwrap().gone, [order[3]].into());
}

#[test]
fn a_file_that_is_handed_over_leaves_out_what_cannot_be_proven_and_says_so() {
    let (room, team, _, order) = run_of(6);
    let (whole, all, _) = handed_over(&room.desks[1], team, &room);
    assert!(whole.is_ok());
    let (report, listed, lost) = handed_over(&without(&room, order[6]), team, &room);
    assert!(report.is_ok(), "{report:?}");
    assert_eq!((all - listed, lost), (6, 5), "the sixth is not there at all");
}

#[test]
fn peers_that_give_back_what_is_missing_give_its_proof_back_too() {
    let (mut room, team, incident, order) = run_of(6);
    let desk = without(&room, order[6]);
    let store = desk.into_store();
    room.disconnect_all();
    room.desks[1] = reopened(store);
    assert_eq!(room.desks[1].proofs_lost(), 5);
    room.connect_all();
    assert_eq!(room.desks[1].ledger(&team).unwrap().dag(&incident.into()).unwrap().len(), 7);
    assert_eq!(room.desks[1].proofs_lost(), 0);
    assert_eq!(room.desks[1].verify(VerifyScope::default()).unwrap().problems, []);
}

fn reopened(store: MemoryStore) -> Replica<MemoryStore> {
    Replica::open(store, secret(), SessionId::from_bytes([4; 16]), Box::new(Counter(50))).unwrap()
}

#[test]
fn a_bundle_gives_back_a_proof_that_alone_is_missing() {
    let (mut room, team, _, order) = run_of(6);
    let mut store = MemoryStore::new();
    let last = order[6];
    copy(&room.desks[1].store, &mut store, |entry| {
        Some(StoredEntry { signature: entry.signature.filter(|_| entry.id != last), ..entry })
    });
    room.disconnect_all();
    room.desks[1] = reopened(store);
    assert_eq!(room.desks[1].proofs_lost(), 6);
    let bundle = write(&room.desks[0], &whole(team), &States::default(), room.now());
    assert!(room.take(1, &bundle.chunks).iter().all(|taken| taken.new == 0 && taken.refused.is_empty()));
    assert_eq!(room.desks[1].proofs_lost(), 0);
    let store = std::mem::replace(&mut room.desks[1], open(9, MemoryStore::new())).into_store();
    assert_eq!(reopened(store).proofs_lost(), 0, "it was kept");
}
