//! Who may hold an incident: guests, named persons and those admitted later, by the rules and in random histories.

use super::histories::{Pairs, derived, replica};
use super::world::{Deed, Dice, View, Way, World, key, note};
use crate::entry::Entry;
use crate::fact::{Capability, Declare, Fact, IncidentFact, Kind, RosterFact, Visibility, What};
use crate::ids::{EntryId, IncidentId, PersonId};
use crate::refusal::Refusal;
use std::collections::BTreeSet;

/// Seeds of one run of the suite.
const SEEDS: u64 = 24;

fn admit(incident: IncidentId, person: PersonId) -> Deed {
    Deed::Incident(incident, What::Admit { person })
}

/// A1 (admin), B1 and C1 (members) with two incidents, and V1, a guest of the first.
fn host() -> (World, IncidentId, IncidentId, PersonId) {
    let (mut w, shared) = World::small("");
    let own = IncidentId::of_genesis(w.write("A1", Deed::Declare(Visibility::Team)));
    let guest = w.visitor("A1", "V1", shared);
    ["B1", "C1", "D1", "V1"].iter().for_each(|name| w.sync("A1", name));
    (w, shared, own, guest)
}

fn sync_all(w: &mut World) {
    let names: Vec<String> = w.view.keys().cloned().collect();
    for _ in 0..2 {
        names.iter().for_each(|name| w.sync("A1", name));
    }
}

/// Whether what was written last was taken.
#[track_caller]
fn check(w: &World, is_taken: bool) {
    assert_eq!(w.last.refused.is_empty(), is_taken, "{:?}", w.last);
    if !is_taken {
        assert!(matches!(w.last.refused[0].1, Refusal::NotNamed { .. } | Refusal::Capability { .. }), "{:?}", w.last);
    }
}

#[test]
fn a_guest_writes_in_that_one_incident_and_nowhere_else() {
    let (mut w, shared, own, guest) = host();
    w.say("V1", shared);
    check(&w, true);
    w.say("V1", own);
    check(&w, false);
    for visibility in [Visibility::Team, Visibility::Private(Vec::new())] {
        w.write("V1", Deed::Declare(visibility));
        check(&w, false);
    }
    assert!(w.ledger.may_hold(&guest, &shared) && !w.ledger.may_hold(&guest, &own));
    assert_eq!(w.ledger.roster().guest_of(&guest), Some(shared));
    assert_eq!(w.ledger.roster().guest_of(&w.person("B1")), None);
    assert!(
        !w.ledger.roster().member_devices().contains(&key("V1")) && w.ledger.roster().members().contains(&key("V1"))
    );
}

#[test]
fn in_the_roster_a_guest_sees_to_the_own_devices_and_joins_heads_and_nothing_more() {
    let (mut w, shared, _, guest) = host();
    let fact = Deed::Roster;
    let open = w.write("A1", w.invite(Capability::Responder));
    let join = w.write("N1", Deed::Join(open));
    let seen: View = w.view["A1"].iter().copied().chain([join]).collect();
    w.see("V1", &seen);
    let person = w.person("B1");
    let deeds = [
        fact(RosterFact::Vouch { join }),
        w.invite(Capability::Observer),
        w.invite_to(shared, Capability::Observer),
        fact(RosterFact::Confirm { join }),
        fact(RosterFact::SetCapability { person, capability: Capability::Observer }),
        w.out("B1"),
    ];
    for deed in deeds {
        w.write("V1", deed);
        check(&w, false);
    }
    w.write("V1", Deed::AddDevice("V2".into()));
    check(&w, true);
    assert_eq!(w.ledger.roster().person_of(&key("V2")), Some(guest));
    w.write("V1", fact(RosterFact::Merge));
    check(&w, true);
    w.write("V1", w.out("V2"));
    check(&w, true);
    assert_eq!(w.ledger.roster().person_of(&key("V2")), None);
}

#[test]
fn a_guest_never_becomes_more_than_a_responder() {
    let (mut w, shared, ..) = host();
    let invite = w.write("A1", w.invite_to(shared, Capability::Observer));
    let join = w.write("O1", Deed::Join(invite));
    w.see("A1", &View::from([join]));
    w.write("A1", Deed::Roster(RosterFact::Vouch { join }));
    let observer = PersonId::of_genesis(join);
    let guest = w.person("V1");
    for person in [guest, observer] {
        w.write("A1", Deed::Roster(RosterFact::SetCapability { person, capability: Capability::Admin }));
        check(&w, true);
        assert_eq!(w.ledger.roster().capability(&person), Some(Capability::Responder));
    }
    sync_all(&mut w);
    w.write("V1", w.invite(Capability::Responder));
    check(&w, false);
    w.write("A1", Deed::Roster(RosterFact::SetCapability { person: guest, capability: Capability::Observer }));
    assert_eq!(w.ledger.roster().capability(&guest), Some(Capability::Observer));
}

#[test]
fn a_guest_admitted_to_another_incident_writes_there_upon_that() {
    let (mut w, _, own, guest) = host();
    let before = w.view["A1"].clone();
    let admitted = w.write("B1", admit(own, guest));
    check(&w, true);
    assert!(w.ledger.may_hold(&guest, &own));
    sync_all(&mut w);
    // A5 asks the own past: what does not build on the admission is refused as before.
    w.write_so("V1", Deed::Incident(own, note()), Way::on(&before));
    check(&w, false);
    let said = w.say("V1", own);
    check(&w, true);
    assert!(w.past_of([said]).contains(&admitted));
    let third = IncidentId::of_genesis(w.write("A1", Deed::Declare(Visibility::Team)));
    sync_all(&mut w);
    w.say("V1", third);
    check(&w, false);
}

#[test]
fn a_guest_brings_nobody_into_an_incident_of_the_team() {
    let (mut w, shared, own, _) = host();
    let other = w.visitor("A1", "W1", own);
    sync_all(&mut w);
    let void = w.write("V1", admit(shared, other));
    check(&w, true);
    assert!(!w.ledger.may_hold(&other, &shared), "admitted to the log, and void");
    assert!(w.ledger.contains(&void) && !w.ledger.is_admit(&shared, &void));
    sync_all(&mut w);
    w.say("W1", shared);
    check(&w, false);
    // Nor is somebody admitted who is nobody by the roster that the entry names.
    w.write("A1", admit(shared, PersonId::from_bytes([7; 32])));
    check(&w, true);
    assert!(!w.ledger.may_hold(&PersonId::from_bytes([7; 32]), &shared));
}

#[test]
fn a_private_incident_takes_whom_somebody_named_admits_and_no_admin_by_office() {
    let (mut w, _, _, guest) = host();
    let private = IncidentId::of_genesis(w.write("B1", Deed::Declare(Visibility::Private(vec![w.person("C1")]))));
    sync_all(&mut w);
    let admin = w.person("A1");
    w.write("A1", admit(private, admin));
    check(&w, false);
    w.write("A1", w.invite_to(private, Capability::Responder));
    check(&w, true);
    assert!(!w.ledger.may_hold(&admin, &private) && !w.ledger.may_hold(&guest, &private));
    let visitor = w.visitor("A1", "W1", private);
    assert!(!w.ledger.may_hold(&visitor, &private), "a ticket does not open a private incident");
    w.write("C1", admit(private, guest));
    check(&w, true);
    sync_all(&mut w);
    // In a private incident anybody named may name others, a guest too.
    w.write("V1", admit(private, w.person("D1")));
    check(&w, true);
    sync_all(&mut w);
    w.say("D1", private);
    check(&w, true);
    let named = ["B1", "C1", "D1", "V1"].map(|name| w.person(name));
    assert_eq!(w.ledger.names(&private), Some(named.into()));
    assert_eq!(w.ledger.holders(&private), named.into());
}

#[test]
fn what_a_stolen_device_admitted_is_not_shown_on() {
    let (mut w, _, own, guest) = host();
    let apart = w.view["B1"].clone();
    w.write("A1", w.out("B1"));
    w.write_so("B1", admit(own, guest), Way::on(&apart));
    check(&w, true);
    assert!(!w.ledger.may_hold(&guest, &own));
    // Whoever is removed may hold nothing more.
    let bob = w.person("C1");
    assert!(w.ledger.may_hold(&bob, &own));
    w.write("A1", w.out("C1"));
    assert!(!w.ledger.may_hold(&bob, &own) && !w.ledger.holders(&own).contains(&bob));
}

/// Whether a person may hold an incident by an entry's own past, worked out by looking at every entry of it.
fn may_hold_by_past(w: &World, entry: &Entry, person: PersonId) -> bool {
    let roster_past = w.past_of(entry.items().roster_heads.iter().copied());
    let roster = w.fold(&roster_past).roster.clone();
    if entry.kind() == Kind::DECLARE {
        return roster.guest_of(&person).is_none();
    }
    let past = w.past_of(entry.parents());
    let incident = IncidentId::of_genesis(entry.dag().genesis());
    let Ok(Fact::Incident(IncidentFact { what: What::Declare(Declare { visibility, .. }), .. })) =
        w.entries[&incident.genesis()].fact()
    else {
        return false;
    };
    let admitted = past.iter().map(|id| &w.entries[id]).filter(|it| it.dag() == entry.dag()).any(|it| {
        let Ok(Fact::Incident(IncidentFact { what: What::Admit { person: named }, .. })) = it.fact() else {
            return false;
        };
        let roster_past = w.past_of(it.items().roster_heads.iter().copied());
        let author = w.ledger.person(&it.id()).unwrap();
        let is_guest = w.fold(&roster_past).roster.guest_of(&author).is_some();
        named == person && roster_past.contains(&person.genesis()) && (visibility != Visibility::Team || !is_guest)
    });
    match &visibility {
        Visibility::Team => roster.guest_of(&person).is_none_or(|of| of == incident) || admitted,
        Visibility::Private(persons) => {
            persons.contains(&person) || w.ledger.person(&incident.genesis()) == Some(person) || admitted
        }
    }
}

/// Members and guests of three incidents, one of them private, who say, admit, invite and remove, in and out of touch.
fn history(seed: u64) -> (World, Dice) {
    let mut dice = Dice(seed);
    let (mut w, shared, own, _) = host();
    let private = IncidentId::of_genesis(w.write("B1", Deed::Declare(Visibility::Private(vec![w.person("C1")]))));
    let incidents = [shared, own, private];
    w.visitor("A1", "W1", own);
    sync_all(&mut w);
    for step in 0..40 + dice.below(30) {
        let devices: Vec<String> = w.view.keys().cloned().collect();
        let name = dice.pick(&devices);
        let incident = dice.pick(&incidents);
        let persons: Vec<PersonId> = w.ledger.roster().persons().collect();
        let way = match dice.chance(20) {
            true => Way { view: Some(dice.pick(&w.snaps[&name])), session: None, back: dice.below(2) },
            false => Way::default(),
        };
        match dice.below(100) {
            0..35 => w.sync(&name, &dice.pick(&devices)),
            35..60 => drop(w.write_so(&name, Deed::Incident(incident, note()), way)),
            60..80 => drop(w.write_so(&name, admit(incident, dice.pick(&persons)), way)),
            80..85 => drop(w.visitor("A1", &format!("G{step}"), incident)),
            85..90 => {
                let capability = dice.pick(&[Capability::Observer, Capability::Responder, Capability::Admin]);
                let fact = RosterFact::SetCapability { person: dice.pick(&persons), capability };
                w.write_so(&name, Deed::Roster(fact), way);
            }
            90..94 => drop(w.write_so(&name, Deed::Declare(Visibility::Team), way)),
            94..97 => drop(w.write_so(&name, w.out(&dice.pick(&devices)), way)),
            _ => drop(w.write_so(&name, Deed::AddDevice(format!("{}d{step}", &name[..1])), way)),
        }
    }
    (w, dice)
}

#[test]
fn every_order_of_arrival_ends_with_the_same_holders() {
    for seed in 0..SEEDS {
        let (w, mut dice) = history(seed);
        let mut pairs: Pairs =
            w.written.iter().map(|(entry, signature)| (entry.clone(), dice.chance(96).then_some(*signature))).collect();
        let whole = derived(&replica(&w, &pairs, &mut dice, 1));
        for batch_max in [1, 7, 30] {
            dice.shuffle(&mut pairs);
            assert_eq!(derived(&replica(&w, &pairs, &mut dice, batch_max)), whole, "seed {seed}, up to {batch_max}");
        }
    }
}

#[test]
fn whatever_is_admitted_is_by_somebody_who_may_hold_the_incident_and_nothing_is_refused_for_that_alone() {
    let (mut admitted, mut refused) = (0, 0);
    for seed in 0..SEEDS {
        let (mut w, _) = history(seed);
        let all: BTreeSet<EntryId> = w.all();
        for (entry, signature) in w.written.clone().iter().filter(|(entry, _)| !entry.kind().is_roster()) {
            let past = w.past_of(entry.parents().chain(entry.items().roster_heads.iter().copied()));
            let roster = w.fold(&w.past_of(entry.items().roster_heads.iter().copied())).roster.clone();
            let person = roster.person_of(&entry.key());
            let is_whole = past.is_subset(&all) && (entry.is_genesis() || entry.parents().next().is_some());
            if !is_whole || roster.capability_of(&entry.key()) < Some(Capability::Responder) {
                continue;
            }
            let may = person.is_some_and(|person| may_hold_by_past(&w, entry, person));
            let received = crate::ledger::Received { entry: entry.clone(), signature: Some(*signature) };
            let outcome = w.ledger.receive(None, vec![received]);
            assert_eq!(w.is_admitted(&entry.id()), may, "seed {seed}: {:?} {outcome:?}", entry.kind());
            (admitted, refused) = (admitted + usize::from(may), refused + usize::from(!may));
        }
    }
    assert!(admitted > 100 && refused > 100, "{admitted} and {refused}");
}

#[test]
fn what_was_refused_leaves_no_trace_in_who_may_hold_what() {
    let (mut w, shared, own, guest) = host();
    let view = w.view["A1"].clone();
    let (admission, stray) = {
        let (mut twin, ..) = host();
        let admission = twin.write_so("A1", admit(own, guest), Way::on(&view));
        twin.see("V1", &View::from([admission]));
        let stray = twin.write_so("V1", Deed::Declare(Visibility::Team), Way::on(&view));
        (
            twin.written.iter().find(|(entry, _)| entry.id() == admission).cloned().unwrap(),
            twin.written.iter().find(|(entry, _)| entry.id() == stray).cloned().unwrap(),
        )
    };
    let batch = [admission.clone(), stray]
        .map(|(entry, signature)| crate::ledger::Received { entry, signature: Some(signature) });
    let outcome = w.ledger.receive(None, batch.into());
    assert!(outcome.admitted.is_empty() && !outcome.refused.is_empty(), "{outcome:?}");
    assert!(!w.ledger.may_hold(&guest, &own) && w.ledger.may_hold(&guest, &shared));
    let (entry, signature) = admission;
    w.ledger.receive(None, vec![crate::ledger::Received { entry, signature: Some(signature) }]);
    assert!(w.ledger.may_hold(&guest, &own));
}
