//! What is told of a team's past: each event with what it counts for, in one order whatever order it came in.

use super::histories::{Pairs, replica};
use super::world::{Deed, Dice, View, Way, World, key};
use crate::fact::{Capability, PersonKind, RevokeMode, RosterFact};
use crate::ids::EntryId;
use crate::ledger::{Joined, TeamDeed, TeamEffect, TeamEvent};
use crate::status::TakenEntries;
use std::collections::BTreeSet;

#[track_caller]
fn event(w: &World, id: &EntryId) -> TeamEvent {
    let history = w.ledger.team_history();
    history.events.into_iter().find(|event| event.id == *id).unwrap()
}

#[track_caller]
fn joined(w: &World, id: &EntryId) -> Joined {
    match event(w, id).deed {
        TeamDeed::Joined(joined) => *joined,
        other => panic!("{other:?}"),
    }
}

fn vouch(w: &mut World, by: &str, join: EntryId) -> EntryId {
    w.see(by, &View::from([join]));
    w.write(by, Deed::Roster(RosterFact::Vouch { join }))
}

#[test]
fn of_a_newcomer_is_told_by_whose_ticket_they_came_and_who_let_them_in_or_that_nobody_did() {
    let (mut w, _) = World::small("");
    let ticket = w.write("A1", w.invite(Capability::Observer));
    w.sync("A1", "B1");
    let join = w.write("J1", Deed::Join(ticket));
    let waiting = joined(&w, &join);
    assert_eq!(
        (waiting.ticket, waiting.invited_by, waiting.capability),
        (ticket, w.person("A1"), Capability::Observer)
    );
    assert!(waiting.let_in_by.is_empty() && waiting.was.is_none() && waiting.rivals.is_empty());
    assert_eq!(w.ledger.team_history().unused_tickets, 1);
    vouch(&mut w, "B1", join);
    assert_eq!(joined(&w, &join).let_in_by, BTreeSet::from([w.person("B1")]));
    let history = w.ledger.team_history();
    assert_eq!(history.unused_tickets, 0);
    assert_eq!(history.events[0].deed, TeamDeed::Created { person_kind: PersonKind::Human });
    let roster = w.ledger.dag(&w.team.into()).unwrap();
    assert_eq!(history.events.len() + history.others, roster.len());
    let places: Vec<_> = history.events.iter().map(|event| roster.depth(&event.id).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn of_a_stolen_device_is_told_what_counts_no_more_and_whom_it_let_in_in_vain() {
    let (mut w, incident) = World::small("");
    let ticket = w.write("A1", w.invite(Capability::Responder));
    w.sync("A1", "B1");
    w.say("B1", incident);
    w.say("B1", incident);
    let join = w.write("J1", Deed::Join(ticket));
    vouch(&mut w, "B1", join);
    let by_b = w.person("B1");
    let removal = w.write("A1", w.out("B1"));
    let told = event(&w, &removal);
    let TeamDeed::Removed { removal: what, taken, set_aside } = told.deed else { panic!("{told:?}") };
    assert_eq!((what.of, taken), (BTreeSet::from([by_b]), TakenEntries { revoked: 2, late: 0 }));
    assert_eq!((set_aside, told.effect), (1, TeamEffect::Counts));
    let vain = joined(&w, &join);
    assert_eq!((vain.let_in_by, vain.let_in_in_vain), (BTreeSet::new(), BTreeSet::from([by_b])));
}

#[test]
fn of_two_who_remove_each_other_the_loser_is_told_to_be_overruled_by_the_other() {
    let (mut w, _) = World::small("B");
    let (a, apart) = (w.person("A1"), Way::on(&w.view["A1"].clone()));
    let senior = w.write_so("A1", w.out("B1"), apart.clone());
    let junior = w.write_so("B1", w.out("A1"), apart);
    assert_eq!(event(&w, &senior).effect, TeamEffect::Counts);
    assert_eq!(event(&w, &junior).effect, TeamEffect::TakenBy(BTreeSet::from([(senior, a)])));
}

#[test]
fn a_removal_that_waits_for_a_second_and_one_of_nobody_are_told_to_be_without_effect() {
    let (mut w, _) = World::small("BC");
    let waits = w.write("B1", w.out("C1"));
    assert_eq!(event(&w, &waits).effect, TeamEffect::NeedsSecond);
    let nobody = w.write("A1", w.out("Z1"));
    let told = event(&w, &nobody);
    assert_eq!((told.deed, told.effect), (TeamDeed::RemovedNothing, TeamEffect::None));
}

#[test]
fn who_comes_back_with_a_removed_device_is_told_to_be_who_they_were() {
    let (mut w, _) = World::small("");
    let was = w.person("B1");
    w.write("A1", w.revoke(&["B1"], RevokeMode::Retire, Vec::new()));
    let ticket = w.write("A1", w.invite(Capability::Responder));
    let join = w.write("B1", Deed::Join(ticket));
    vouch(&mut w, "A1", join);
    assert_eq!(joined(&w, &join).was, Some(was));
    assert_ne!(w.person("B1"), was);
    let added = w.write("C1", Deed::AddDevice("C2".into()));
    assert_eq!(event(&w, &added).deed, TeamDeed::Device { device: key("C2"), was: None });
}

#[test]
fn a_ticket_that_two_used_is_told_with_both_and_so_is_what_a_recovery_key_decided() {
    let (mut w, _) = World::small("");
    let ticket = w.write("A1", w.invite(Capability::Responder));
    w.sync("A1", "B1");
    let joins: Vec<EntryId> = ["J1", "K1"].iter().map(|name| w.write(name, Deed::Join(ticket))).collect();
    vouch(&mut w, "A1", joins[0]);
    vouch(&mut w, "B1", joins[1]);
    let (j, k) = (w.person("J1"), w.person("K1"));
    assert_eq!(joined(&w, &joins[0]).rivals_count, 1);
    assert_eq!(
        (joined(&w, &joins[0]).rivals, joined(&w, &joins[1]).rivals),
        (BTreeSet::from([k]), BTreeSet::from([j]))
    );
    w.sync("A1", "B1");
    let view = w.view["A1"].clone();
    let confirm = w.write_so("rk0", Deed::Roster(RosterFact::Confirm { join: joins[0] }), Way::on(&view));
    let told = event(&w, &confirm);
    assert_eq!((told.deed, told.recovery_key), (TeamDeed::Confirmed { person: j }, Some(1)));
    assert!(w.ledger.team_history().events.iter().all(|event| event.recovery_key.is_none() || event.id == confirm));
}

#[test]
fn a_roster_entry_is_held_between_what_it_builds_on_and_the_incidents_that_name_it() {
    let (mut w, incident) = World::small("");
    let grant = RosterFact::SetCapability { person: w.person("D1"), capability: Capability::Observer };
    let lowered = w.write("A1", Deed::Roster(grant));
    assert_eq!(event(&w, &lowered).bracket.upper, None, "nobody has named it yet");
    for name in ["B1", "C1"] {
        w.sync("A1", name);
        w.say(name, incident);
    }
    let (told, spare) = (event(&w, &lowered), w.ledger.team_history().spare);
    assert_eq!(spare, 1, "four persons write");
    // One of the two who named it may be wrong.
    let last = w.ledger.dag(&incident.into()).unwrap().entries().last().unwrap().claimed().time;
    assert_eq!(told.bracket.upper, Some(last));
}

#[test]
fn the_past_of_a_team_is_told_the_same_whatever_order_it_came_in() {
    let (mut w, incident) = World::small("BC");
    let apart = Way::on(&w.view["A1"].clone());
    w.say("C1", incident);
    w.write_so("A1", w.out("B1"), apart.clone());
    w.write_so("B1", w.out("A1"), apart.clone());
    w.write_so("C1", w.invite(Capability::Observer), apart);
    let told = w.ledger.team_history();
    let pairs: Pairs = w.written.iter().map(|(entry, signature)| (entry.clone(), Some(*signature))).collect();
    for seed in 0..4 {
        let (mut dice, mut pairs) = (Dice(seed), pairs.clone());
        dice.shuffle(&mut pairs);
        let other = replica(&w, &pairs, &mut dice, 5);
        assert_eq!(other.len(), w.ledger.len());
        assert_eq!(other.team_history(), told, "seed {seed}");
    }
}
