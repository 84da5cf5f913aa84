//! What people are told of the roster: where removals stand, who are rivals, what a removal would do.

use super::world::{Deed, View, Way, World, key};
use crate::fact::{Capability, RevokeMode, RosterFact};
use crate::ids::EntryId;
use crate::ledger::LetIn;
use crate::roster::{Standing, Taken};
use std::collections::BTreeSet;

fn standings(w: &World) -> Vec<(EntryId, Standing)> {
    w.ledger.removals().iter().map(|removal| (removal.id, removal.standing)).collect()
}

#[test]
fn a_removal_among_three_admins_is_told_to_need_a_second_until_it_has_one() {
    let (mut w, _) = World::small("BC");
    let removal = w.write("B1", w.out("C1"));
    assert_eq!(standings(&w), [(removal, Standing::NeedsSecond)]);
    w.sync("A1", "B1");
    w.write("A1", Deed::Roster(RosterFact::Second { removal }));
    let told = w.ledger.removals().remove(0);
    assert_eq!(told.standing, Standing::Counts);
    assert_eq!((told.by, told.by_recovery), (w.person("B1"), false));
    assert_eq!(told.seconds, BTreeSet::from([w.person("A1")]));
    assert_eq!(told.taken, Taken::Devices { devices: vec![key("C1")], mode: RevokeMode::Compromise });
    assert_eq!(told.of.len(), 1);
}

#[test]
fn of_two_admins_who_remove_each_other_the_junior_is_told_to_be_overruled() {
    let (mut w, _) = World::small("B");
    let apart = Way::on(&w.view["A1"].clone());
    let senior = w.write_so("A1", w.out("B1"), apart.clone());
    let junior = w.write_so("B1", w.out("A1"), apart);
    let told: BTreeSet<_> =
        standings(&w).into_iter().map(|(id, standing)| (id, standing == Standing::Counts)).collect();
    assert_eq!(told, BTreeSet::from([(senior, true), (junior, false)]));
}

#[test]
fn a_lowered_capability_and_a_recovery_key_are_told() {
    let (mut w, _) = World::small("B");
    let (b, view) = (w.person("B1"), w.view["A1"].clone());
    let lower = RosterFact::SetCapability { person: b, capability: Capability::Observer };
    w.write_so("rk0", Deed::Roster(lower), Way::on(&view));
    let told = w.ledger.removals().remove(0);
    assert_eq!(told.taken, Taken::Capability { person: b, left: Capability::Observer });
    assert!(told.by_recovery && told.standing == Standing::Counts);
    assert_eq!(w.ledger.recovery_keys(), [key("rk0")]);
}

#[test]
fn who_came_by_one_ticket_are_rivals_until_one_is_confirmed() {
    let mut w = World::new();
    w.guest("A1", "B1", true);
    let invite = w.write("A1", w.invite(Capability::Responder));
    w.sync("A1", "B1");
    let joins: Vec<EntryId> = ["J1", "K1"].iter().map(|name| w.write(name, Deed::Join(invite))).collect();
    for (by, join) in [("A1", joins[0]), ("B1", joins[1])] {
        assert!(w.ledger.rivals().is_empty());
        w.see(by, &View::from([join]));
        w.write(by, Deed::Roster(RosterFact::Vouch { join }));
    }
    assert_eq!(w.ledger.rivals(), [BTreeSet::from([w.person("J1"), w.person("K1")])]);
    w.sync("A1", "B1");
    w.write("A1", Deed::Roster(RosterFact::Confirm { join: joins[0] }));
    assert!(w.ledger.rivals().is_empty());
}

#[test]
fn of_a_device_is_told_whether_it_was_ever_let_in_and_what_took_it_out() {
    let (mut w, _) = World::small("B");
    assert_eq!(w.ledger.let_in(&key("A1")), LetIn::Member);
    assert_eq!(w.ledger.let_in(&key("Z1")), LetIn::Never);
    let invite = w.write("A1", w.invite(Capability::Responder));
    let join = w.write("J1", Deed::Join(invite));
    assert!(w.is_admitted(&join));
    assert_eq!(w.ledger.let_in(&key("J1")), LetIn::Never, "nobody vouched for it");
    let removal = w.write("A1", w.out("B1"));
    match w.ledger.let_in(&key("B1")) {
        LetIn::Removed(Some(told)) => assert_eq!(told.id, removal),
        other => panic!("{other:?}"),
    }
}
