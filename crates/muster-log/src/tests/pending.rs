//! What waits, for what, how long, and who is evicted.

use super::world::{World, clock, key, note, secret, session};
use crate::entry::Entry;
use crate::fact::IncidentFact;
use crate::ids::IncidentId;
use crate::ledger::{Ledger, Received};
use crate::pending::{PENDING_ENTRIES_MAX, PENDING_ENTRIES_PER_SENDER, Pool, Waiting};

/// A run of notes by D1, not handed in.
fn run(w: &World, incident: IncidentId, len: u32) -> Vec<Entry> {
    let fact = IncidentFact::now(note());
    let dag = Some(incident.into());
    let mut draft = w.ledger.draft(dag, key("D1"), session(0), clock(9), fact.kind(), fact.fields()).unwrap();
    let mut notes: Vec<Entry> = Vec::new();
    for seq in 1..=len {
        if let Some(before) = notes.last() {
            (draft.seq, draft.backlink, draft.deps) = (seq, Some(before.id()), vec![]);
        }
        notes.push(draft.clone().seal().unwrap());
    }
    notes
}

fn plain(entry: &Entry) -> Received {
    Received { entry: entry.clone(), signature: None }
}

fn signed(entry: &Entry) -> Received {
    Received { entry: entry.clone(), signature: Some(secret("D1").sign_entry(&entry.id())) }
}

#[test]
fn a_run_waits_for_the_signature_at_its_end_and_is_then_admitted_whole() {
    let (mut w, incident) = World::small("");
    let notes = run(&w, incident, 5);
    let outcome = w.ledger.receive(Some(key("B1")), notes[..4].iter().map(plain).collect());
    assert_eq!((outcome.admitted.len(), outcome.pending.len(), outcome.missing.len()), (0, 4, 0));
    let outcome = w.ledger.receive(Some(key("C1")), vec![signed(&notes[4])]);
    assert_eq!(outcome.admitted, notes.iter().map(Entry::id).collect::<Vec<_>>());
    assert_eq!(outcome.signatures.len(), 1);
    assert_eq!(w.ledger.pending_len(), 0);
}

#[test]
fn a_signature_alone_frees_an_entry_that_waits_for_it() {
    let (mut w, incident) = World::small("");
    let notes = run(&w, incident, 3);
    w.ledger.receive(None, notes.iter().map(plain).collect());
    assert_eq!(w.ledger.receive(None, vec![signed(&notes[1])]).admitted, [notes[0].id(), notes[1].id()]);
    assert_eq!(w.ledger.pending().collect::<Vec<_>>(), [notes[2].id()]);
}

#[test]
fn an_entry_whose_parent_is_absent_waits_and_the_parent_is_asked_for() {
    let (mut w, incident) = World::small("");
    let notes = run(&w, incident, 3);
    let outcome = w.ledger.receive(None, vec![signed(&notes[2])]);
    assert_eq!((outcome.pending, outcome.missing), (vec![notes[2].id()], [notes[1].id()].into()));
    let outcome = w.ledger.receive(None, vec![signed(&notes[1])]);
    assert_eq!((outcome.pending, outcome.missing), (vec![notes[1].id()], [notes[0].id()].into()));
    assert_eq!(w.ledger.missing(), [notes[0].id()].into());
    assert_eq!(w.ledger.receive(None, vec![signed(&notes[0])]).admitted.len(), 3);
}

#[test]
fn who_brings_what_builds_on_a_waiting_entry_is_asked_for_what_that_one_lacks() {
    let (mut w, incident) = World::small("");
    let notes = run(&w, incident, 3);
    // The one who brought the second is gone, and with them whom it was asked of.
    assert_eq!(w.ledger.receive(None, vec![signed(&notes[1])]).missing, [notes[0].id()].into());
    let outcome = w.ledger.receive(None, vec![signed(&notes[2])]);
    assert_eq!((outcome.pending, outcome.missing), (vec![notes[2].id()], [notes[0].id()].into()));
}

#[test]
fn an_entry_whose_roster_is_absent_waits_for_it() {
    let (w, incident) = World::small("");
    let notes = run(&w, incident, 1);
    let mut fresh = Ledger::new(w.team);
    let declare = &w.entries[&incident.genesis()];
    let declared = Received { entry: declare.clone(), signature: Some(secret("A1").sign_entry(&declare.id())) };
    let outcome = fresh.receive(None, vec![declared, signed(&notes[0])]);
    assert_eq!(outcome.missing, w.ledger.roster_heads().into_iter().collect());
    let roster = w.written.iter().filter(|(entry, _)| entry.kind().is_roster());
    let roster = roster.map(|(entry, signature)| Received { entry: entry.clone(), signature: Some(*signature) });
    let outcome = fresh.receive(None, roster.collect());
    assert_eq!(outcome.admitted.len(), fresh.len());
    assert!(fresh.contains(&notes[0].id()));
}

#[test]
fn a_pool_entry_that_turns_out_bad_is_named_and_does_no_harm_to_the_batch_that_frees_it() {
    let (mut w, incident) = World::small("");
    let notes = run(&w, incident, 1);
    let mut draft = notes[0].items().clone();
    (draft.seq, draft.backlink, draft.deps, draft.session) = (2, Some(notes[0].id()), vec![], session(9));
    let bad = draft.seal().unwrap();
    w.ledger.receive(Some(key("B1")), vec![signed(&bad)]);
    assert_eq!(w.ledger.pending_len(), 1);
    let outcome = w.ledger.receive(Some(key("C1")), vec![signed(&notes[0])]);
    assert_eq!((outcome.admitted, outcome.refused.len()), (vec![notes[0].id()], 1));
    assert_eq!(w.ledger.pending_len(), 0);
}

#[test]
fn a_sender_who_sends_too_much_that_waits_loses_his_own_oldest() {
    let (mut w, incident) = World::small("");
    let notes = run(&w, incident, PENDING_ENTRIES_PER_SENDER as u32 + 11);
    let other = run(&w, incident, 1);
    let outcome = w.ledger.receive(Some(key("C1")), other.iter().map(plain).collect());
    assert_eq!(outcome.pending.len(), 1);
    w.ledger.receive(Some(key("B1")), notes[1..].iter().map(plain).collect());
    let waiting: Vec<_> = w.ledger.pending().collect();
    assert_eq!(waiting.len(), PENDING_ENTRIES_PER_SENDER + 1);
    assert!(waiting.contains(&other[0].id()), "another sender's entry stays");
    assert!(!waiting.contains(&notes[1].id()) && waiting.contains(&notes[11].id()));
}

#[test]
fn the_pool_is_bounded_over_all_senders() {
    let (mut w, incident) = World::small("");
    let notes = run(&w, incident, PENDING_ENTRIES_MAX as u32 + 100);
    for (i, batch) in notes[1..].chunks(200).enumerate() {
        w.ledger.receive(Some(key(&format!("P{i}"))), batch.iter().map(plain).collect());
    }
    assert_eq!(w.ledger.pending_len(), PENDING_ENTRIES_MAX);
}

#[test]
fn entries_that_wait_do_not_hang_together_by_what_is_here() {
    let (w, incident) = World::small("");
    let notes = run(&w, incident, 3);
    let mut pool = Pool::default();
    for (arrival, entry) in [&notes[0], &notes[2]].into_iter().enumerate() {
        pool.put(Waiting { entry: entry.clone(), signature: None, sender: None, arrival: arrival as u64 });
    }
    // Both name the roster's heads, which are here.
    let is_here = |id: &crate::EntryId| w.ledger.contains(id);
    assert!(pool.take_connected(w.ledger.roster_heads(), is_here).is_empty());
    let taken = pool.take_connected([notes[1].id()], is_here);
    assert_eq!(taken.iter().map(|waiting| waiting.entry.id()).collect::<Vec<_>>(), [notes[2].id()]);
    assert_eq!(pool.ids().collect::<Vec<_>>(), [notes[0].id()]);
}
