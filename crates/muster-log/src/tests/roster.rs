//! Small histories of removals, rivals and forks, each with who is left and what counts.

use super::world::{Deed, View, Way, World, clock, key, note, secret, session};
use crate::entry::Draft;
use crate::fact::{Capability, IncidentFact, Kind, RevokeMode, RosterFact};
use crate::ids::{EntryId, IncidentId, PersonId};
use crate::ledger::Received;
use crate::limits::ROSTER_ENTRIES_MAX;
use crate::refusal::Refusal;
use crate::status::Status;

fn grant(person: PersonId, capability: Capability) -> Deed {
    Deed::Roster(RosterFact::SetCapability { person, capability })
}

fn is_in(w: &World, name: &str) -> bool {
    w.ledger.roster().person_of(&key(name)).is_some()
}

fn status(w: &World, incident: IncidentId, id: &EntryId) -> Status {
    w.ledger.statuses(&incident)[id]
}

#[test]
fn of_two_admins_who_remove_each_other_the_senior_stays() {
    let (mut w, _) = World::small("B");
    let apart = Way::on(&w.view["A1"].clone());
    w.write_so("A1", w.out("B1"), apart.clone());
    w.write_so("B1", w.out("A1"), apart);
    assert!(is_in(&w, "A1") && !is_in(&w, "B1"));
}

#[test]
fn a_needless_grant_does_not_make_a_senior_junior() {
    let (mut w, _) = World::small("B");
    w.write("B1", grant(w.person("A1"), Capability::Admin));
    w.sync("A1", "B1");
    let apart = Way::on(&w.view["A1"].clone());
    w.write_so("A1", w.out("B1"), apart.clone());
    w.write_so("B1", w.out("A1"), apart);
    assert!(is_in(&w, "A1"));
}

#[test]
fn among_three_admins_one_alone_removes_nobody() {
    let (mut w, _) = World::small("BC");
    let removal = w.write("B1", w.out("C1"));
    assert!(is_in(&w, "C1"));
    w.sync("A1", "B1");
    w.write("A1", Deed::Roster(RosterFact::Second { removal }));
    assert!(!is_in(&w, "C1"));
}

#[test]
fn a_second_by_the_removers_own_person_is_none() {
    let (mut w, _) = World::small("BC");
    w.write("B1", Deed::AddDevice("B2".into()));
    let removal = w.write("B1", w.out("C1"));
    let seen = w.view["B1"].clone();
    w.see("B2", &seen);
    w.write("B2", Deed::Roster(RosterFact::Second { removal }));
    assert!(is_in(&w, "B2") && is_in(&w, "C1"));
}

#[test]
fn a_recovery_key_outranks_every_admin_and_needs_no_second() {
    let (mut w, _) = World::small("BC");
    let view = w.view["A1"].clone();
    w.write_so("rk0", w.out("A1"), Way::on(&view));
    w.write_so("A1", w.out("B1"), Way::on(&view));
    assert!(!is_in(&w, "A1") && is_in(&w, "B1"));
    w.write_so("rk0", Deed::Roster(RosterFact::Vouch { join: w.team.genesis() }), Way::on(&view));
    assert!(!w.last.refused.is_empty(), "recovery keys do not vouch");
}

#[test]
fn a_lowered_admin_cannot_raise_himself_again_from_an_old_view() {
    let (mut w, _) = World::small("B");
    let (old, b) = (w.view["B1"].clone(), w.person("B1"));
    w.write("A1", grant(b, Capability::Observer));
    w.write_so("B1", grant(w.person("D1"), Capability::Admin), Way::on(&old));
    let roster = w.ledger.roster();
    assert_eq!(roster.capability(&b), Some(Capability::Observer));
    assert_eq!(roster.capability_of(&key("D1")), Some(Capability::Responder));
}

#[test]
fn concurrent_grants_leave_the_lowest() {
    let (mut w, _) = World::small("BC");
    let (view, d) = (w.view["A1"].clone(), w.person("D1"));
    w.write_so("A1", grant(d, Capability::Admin), Way::on(&view));
    w.write_so("B1", grant(d, Capability::Observer), Way::on(&view));
    assert_eq!(w.ledger.roster().capability(&d), Some(Capability::Observer));
}

#[test]
fn guests_of_a_removed_admin_fall_with_him() {
    let (mut w, _) = World::small("B");
    let view = w.view["A1"].clone();
    w.write_so("A1", w.out("B1"), Way::on(&view));
    w.guest("B1", "S1", true);
    w.write("S1", w.out("C1"));
    assert!(!is_in(&w, "B1") && !is_in(&w, "S1") && is_in(&w, "C1"));
}

/// Two admins let people in and take them out again, lower and raise the others, and some come back.
fn coming_and_going(rounds: usize) -> World {
    let (mut w, _) = World::small("B");
    for round in 0..rounds {
        let (one, other) = if round % 3 == 0 { ("B1", "A1") } else { ("A1", "B1") };
        // The same device again and again: it belongs to one person until a removal counts.
        let name = format!("X{}", round % 4);
        w.guest(one, &name, false);
        w.sync(one, other);
        let mode = if round % 2 == 0 { RevokeMode::Retire } else { RevokeMode::Compromise };
        w.write(other, w.revoke(&[&name], mode, vec![]));
        let to = if round % 2 == 0 { Capability::Observer } else { Capability::Responder };
        w.write(other, grant(w.person("C1"), to));
        w.sync(one, other);
    }
    w
}

#[test]
fn a_fold_had_from_the_one_below_is_that_worked_out_as_a_whole_where_people_come_and_go() {
    assert!(coming_and_going(24).ledger.graph().check_folds() > 100);
}

/// Fifty removals took seconds to read, and a hundred tens of seconds: each entry had all of them decided again.
#[test]
fn a_roster_that_grows_entry_by_entry_has_each_removal_decided_a_few_times_and_not_with_each_entry() {
    let rounds = 40;
    let w = coming_and_going(rounds);
    let decided = w.ledger.graph().decided();
    assert!(decided < 3 * rounds, "{decided} for {rounds} rounds");
    assert!(!is_in(&w, "X0") && is_in(&w, "A1") && is_in(&w, "B1"));
}

/// Each time two heads came together, all removals were decided again.
#[test]
fn a_roster_that_two_write_apart_and_merge_at_each_step_has_each_removal_decided_a_few_times() {
    let (mut w, _) = World::small("B");
    let rounds = 30;
    for round in 0..rounds {
        let name = format!("X{round}");
        w.guest("B1", &name, false);
        let to = if round % 2 == 0 { Capability::Observer } else { Capability::Responder };
        w.write("A1", grant(w.person("C1"), to));
        w.write("B1", w.revoke(&[&name], RevokeMode::Compromise, vec![]));
        w.sync("A1", "B1");
    }
    let decided = w.ledger.graph().decided();
    assert!(decided < 8 * rounds, "{decided} for {rounds} rounds");
    assert!(w.ledger.graph().check_folds() > 3 * rounds);
    assert!(!is_in(&w, "X0") && is_in(&w, "C1"));
}

#[test]
fn what_a_retired_device_decided_meanwhile_holds() {
    let (mut w, _) = World::small("B");
    let view = w.view["A1"].clone();
    w.write_so("A1", w.revoke(&["B1"], RevokeMode::Retire, vec![]), Way::on(&view));
    w.write_so("B1", w.out("D1"), Way::on(&view));
    assert!(!is_in(&w, "B1") && !is_in(&w, "D1"));
}

#[test]
fn a_guest_whom_a_retired_device_let_in_meanwhile_stays() {
    let (mut w, _) = World::small("B");
    let view = w.view["A1"].clone();
    w.write_so("A1", w.revoke(&["B1"], RevokeMode::Retire, vec![]), Way::on(&view));
    w.guest("B1", "G1", false);
    assert!(!is_in(&w, "B1") && is_in(&w, "G1"));
}

#[test]
fn two_joins_by_one_ticket_are_observers_until_one_is_confirmed() {
    let mut w = World::new();
    w.guest("A1", "B1", true);
    let invite = w.write("A1", w.invite(Capability::Responder));
    w.sync("A1", "B1");
    let joins: Vec<EntryId> = ["J1", "K1"].iter().map(|name| w.write(name, Deed::Join(invite))).collect();
    for (by, join) in [("A1", joins[0]), ("B1", joins[1])] {
        w.see(by, &View::from([join]));
        w.write(by, Deed::Roster(RosterFact::Vouch { join }));
    }
    let held = |w: &World| ["J1", "K1"].map(|name| w.ledger.roster().capability_of(&key(name)));
    assert_eq!(held(&w), [Some(Capability::Observer); 2]);
    w.sync("A1", "B1");
    w.write("A1", Deed::Roster(RosterFact::Confirm { join: joins[0] }));
    assert_eq!(held(&w), [Some(Capability::Responder), None]);
}

#[test]
fn a_second_vouch_by_one_ticket_that_knows_the_first_is_void() {
    let mut w = World::new();
    let invite = w.write("A1", w.invite(Capability::Responder));
    for name in ["J1", "K1"] {
        let join = w.write(name, Deed::Join(invite));
        w.see("A1", &View::from([join]));
        w.write("A1", Deed::Roster(RosterFact::Vouch { join }));
    }
    assert!(is_in(&w, "J1") && !is_in(&w, "K1"));
}

#[test]
fn a_person_may_have_several_devices_and_the_device_must_agree() {
    let (mut w, incident) = World::small("");
    w.write("D1", Deed::AddDevice("D2".into()));
    let seen = w.view["D1"].clone();
    w.see("D2", &seen);
    let id = w.say("D2", incident);
    assert_eq!(w.ledger.person(&id), Some(w.person("D1")));
    let unwilling = RosterFact::AddDevice { device: key("D3"), device_signature: w.ticket(id).sign_join(&key("D3")) };
    let added = w.write("D1", Deed::Roster(unwilling));
    assert_eq!(w.last.admitted, [added], "void, not refused");
    assert!(!is_in(&w, "D3"));
}

#[test]
fn a_revoked_device_may_be_added_again_and_starts_afresh() {
    let (mut w, incident) = World::small("");
    let early = w.say("D1", incident);
    w.write("D1", Deed::AddDevice("D2".into()));
    w.sync("A1", "D1");
    w.write("A1", w.out("D1"));
    w.sync("A1", "D2");
    w.write("D2", Deed::AddDevice("D1".into()));
    w.sync("D2", "D1");
    let again = w.write_so("D1", Deed::Incident(incident, note()), Way { view: None, session: Some(7), back: 0 });
    assert_eq!(w.last.admitted, [again]);
    assert_eq!((status(&w, incident, &early), status(&w, incident, &again)), (Status::Revoked, Status::Active));
}

#[test]
fn a_forked_invite_gives_nothing_and_a_witnessed_one_stands() {
    let (mut w, _) = World::small("B");
    let old = w.view["B1"].clone();
    w.write_so("B1", w.invite(Capability::Responder), Way::on(&old));
    let second = w.write_so("B1", w.invite(Capability::Responder), Way::on(&old));
    let fold = w.fold(&w.all());
    assert_eq!(fold.aside.keys().count(), 2);
    let seen = w.past_of([second]);
    w.write_so("A1", Deed::Roster(RosterFact::Merge), Way::on(&seen));
    assert_eq!(w.last.admitted.len(), 1);
    assert_eq!(w.fold(&w.all()).aside.keys().count(), 1);
}

#[test]
fn entries_of_a_stolen_device_are_revoked_late_or_in_the_frontier() {
    let (mut w, incident) = World::small("B");
    let early = w.say("D1", incident);
    w.sync("A1", "D1");
    let listed = vec![(incident, vec![early])];
    let apart = w.view["D1"].clone();
    w.write("A1", w.revoke(&["D1"], RevokeMode::Compromise, listed));
    let late = w.write_so("D1", Deed::Incident(incident, note()), Way::on(&apart));
    let base = w.past_of([late]);
    w.write_so("C1", Deed::Incident(incident, note()), Way::on(&base));
    let base = w.past_of([late]);
    let lone = w.write_so("D1", Deed::Incident(incident, note()), Way::on(&base));
    let found = [early, late, lone].map(|id| status(&w, incident, &id));
    assert_eq!(found, [Status::Active, Status::Late, Status::Revoked]);
    let revoke = w.ledger.roster_heads()[0];
    assert_eq!(w.entries[&revoke].kind(), Kind::REVOKE);
    w.write("A1", Deed::Roster(RosterFact::Cut { revoke, frontier: vec![(incident, vec![lone])] }));
    assert_eq!(status(&w, incident, &lone), Status::Active);
}

#[test]
fn a_remover_cannot_disown_what_he_built_on() {
    let (mut w, incident) = World::small("B");
    let used = w.say("D1", incident);
    w.sync("A1", "D1");
    w.say("A1", incident);
    w.write("A1", w.out("D1"));
    assert_eq!(status(&w, incident, &used), Status::Active);
}

#[test]
fn a_removal_known_without_its_second_still_speaks_against_what_follows() {
    let (mut w, incident) = World::small("BC");
    let removal = w.write("A1", w.out("B1"));
    w.sync("A1", "B1");
    w.sync("A1", "C1");
    let said = w.say("B1", incident);
    assert_eq!(status(&w, incident, &said), Status::Active);
    w.write("C1", Deed::Roster(RosterFact::Second { removal }));
    assert_eq!(status(&w, incident, &said), Status::Revoked);
}

#[test]
fn forked_entries_count_only_where_others_built_on_one_alone() {
    let (mut w, incident) = World::small("");
    let old = w.view["D1"].clone();
    let say = |w: &mut World| w.write_so("D1", Deed::Incident(incident, note()), Way::on(&old));
    let (one, other) = (say(&mut w), say(&mut w));
    assert_eq!([one, other].map(|id| status(&w, incident, &id)), [Status::Forked; 2]);
    let base = w.past_of([one]);
    w.write_so("C1", Deed::Incident(incident, note()), Way::on(&base));
    assert_eq!([one, other].map(|id| status(&w, incident, &id)), [Status::Active, Status::Forked]);
    let base = w.past_of([one, other]);
    w.write_so("B1", Deed::Incident(incident, note()), Way::on(&base));
    assert_eq!(status(&w, incident, &other), Status::Forked, "who builds on both witnesses neither");
    let base = w.past_of([other]);
    w.write_so("A1", Deed::Incident(incident, note()), Way { view: Some(base), session: Some(9), back: 0 });
    assert_eq!([one, other].map(|id| status(&w, incident, &id)), [Status::Active; 2]);
    let dag = w.ledger.dag(&incident.into()).unwrap();
    let log = w.entries[&one].log().short();
    assert!(dag.is_forked(&log));
    assert_eq!(dag.range(&log, 1, 1).len(), 2);
    assert_eq!(dag.tips().filter(|tip| tip.log == log).count(), 2);
}

#[test]
fn a_long_log_forked_at_its_start_is_judged_without_delay() {
    // Asked entry by entry, this took the square of the log's length.
    let (mut w, incident) = World::small("");
    let start = w.view["D1"].clone();
    let fact = IncidentFact::now(note());
    let draft = w.ledger.draft(Some(incident.into()), key("D1"), session(0), clock(0), fact.kind(), fact.fields());
    let mut draft = draft.unwrap();
    let mut log: Vec<EntryId> = Vec::new();
    let mut batch = Vec::new();
    for seq in 1..=3000 {
        draft.seq = seq;
        if let Some(before) = log.last() {
            (draft.backlink, draft.deps) = (Some(*before), Vec::new());
        }
        let entry = draft.clone().seal().unwrap();
        log.push(entry.id());
        let signature = (seq == 3000).then(|| secret("D1").sign_entry(&entry.id()));
        w.entries.insert(entry.id(), entry.clone());
        batch.push(Received { entry, signature });
    }
    assert_eq!(w.ledger.receive(None, batch).admitted.len(), 3000);
    let sibling = w.write_so("D1", Deed::Incident(incident, note()), Way::on(&start));
    let base = w.past_of([log[1999]]);
    w.write_so("C1", Deed::Incident(incident, note()), Way::on(&base));
    let statuses = w.ledger.statuses(&incident);
    assert_eq!(statuses[&sibling], Status::Forked);
    assert!(log[..2000].iter().all(|id| statuses[id] == Status::Active));
    assert!(log[2000..].iter().all(|id| statuses[id] == Status::Forked));
}

#[test]
fn a_member_who_floods_the_roster_with_forks_stops_nobody() {
    let (mut w, incident) = World::small("B");
    let said = w.say("C1", incident);
    let first = w.write_so("D1", Deed::Roster(RosterFact::Merge), Way { session: Some(5), ..Way::default() });
    let mut sibling = Draft { deps: vec![first], ..w.entries[&first].items().clone() };
    // Each sibling knows those before, so that their pasts grow.
    for _ in 1..900 {
        let fork = w.hand_in(sibling.clone().seal().unwrap(), "D1");
        assert!(w.is_admitted(&fork));
        sibling.deps = vec![fork];
    }
    assert_eq!(w.fold(&w.all()).aside.keys().count(), 900);
    assert_eq!(status(&w, incident, &said), Status::Active);
    w.write("A1", w.out("D1"));
    assert!(!is_in(&w, "D1") && is_in(&w, "C1"));
}

#[test]
fn who_is_no_admin_may_write_so_many_roster_entries_and_an_admin_more() {
    let (mut w, _) = World::small("B");
    let mut merge = |name: &str| {
        let id = w.write(name, Deed::Roster(RosterFact::Merge));
        w.is_admitted(&id)
    };
    let written = (0..ROSTER_ENTRIES_MAX + 1).take_while(|_| merge("D1")).count();
    assert_eq!(written, ROSTER_ENTRIES_MAX - 1, "besides the join");
    assert!((0..=ROSTER_ENTRIES_MAX).all(|_| merge("B1")));
    assert_eq!(w.last.refused, []);
    w.write("D1", Deed::Roster(RosterFact::Merge));
    assert!(matches!(w.last.refused[..], [(_, Refusal::TooMany { .. })]));
}
