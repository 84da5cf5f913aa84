//! Why entries have no effect: the removals and forks are named, those and no others.

use super::world::{Deed, View, Way, World, note};
use crate::fact::{Capability, RevokeMode, RosterFact};
use crate::ids::{EntryId, IncidentId};
use crate::ledger::{Reason, TeamDeed};
use crate::roster::Taken;
use crate::status::Status;
use std::collections::BTreeSet;

/// The status of an entry, and the ids of the reasons.
#[track_caller]
fn why(w: &World, incident: IncidentId, id: &EntryId) -> (Status, Vec<EntryId>) {
    let found = w.ledger.findings(&incident);
    let named = |reason: &Reason| match reason {
        Reason::Removal { removal, .. } => removal.id,
        Reason::Fork(other) => *other,
    };
    (found.statuses[id], found.reasons.get(id).map(|why| why.iter().map(named).collect()).unwrap_or_default())
}

#[test]
fn a_revoked_entry_names_each_removal_that_speaks_against_it_and_an_active_one_none() {
    let (mut w, incident) = World::small("BC");
    let (a, d) = (w.person("A1"), w.person("D1"));
    let known = w.say("D1", incident);
    w.sync("A1", "D1");
    let apart = w.view["D1"].clone();
    let listed = vec![(incident, vec![known])];
    let first = w.write("A1", w.revoke(&["D1"], RevokeMode::Compromise, listed));
    let said = w.write_so("D1", Deed::Incident(incident, note()), Way::on(&apart));
    let second = w.write_so("B1", w.out("D1"), Way::on(&apart));
    assert_eq!(why(&w, incident, &said), (Status::Revoked, in_order(&w, [first, second])));
    assert_eq!(why(&w, incident, &known), (Status::Revoked, vec![second]), "the first named it in its frontier");
    let reasons = w.ledger.findings(&incident).reasons;
    let Some(Reason::Removal { removal, recorded }) = reasons[&said].iter().find(|reason| is_of(reason, first)) else {
        panic!("{reasons:?}")
    };
    assert_eq!((removal.by, &removal.of), (a, &BTreeSet::from([d])));
    assert!(matches!(removal.taken, Taken::Devices { mode: RevokeMode::Compromise, .. }));
    assert_eq!(*recorded, w.entries[&first].claimed().time);
    // As many as the team's past counts.
    for removal in [first, second] {
        let told = w.ledger.team_history().events.into_iter().find(|event| event.id == removal).unwrap();
        let TeamDeed::Removed { taken, .. } = told.deed else { panic!("{told:?}") };
        let named = reasons.values().filter(|why| why.iter().any(|reason| is_of(reason, removal)));
        assert_eq!((named.count(), taken.late), (taken.revoked, 0));
    }
}

fn is_of(reason: &Reason, id: EntryId) -> bool {
    matches!(reason, Reason::Removal { removal, .. } if removal.id == id)
}

/// In the order of the fold.
fn in_order<const N: usize>(w: &World, mut ids: [EntryId; N]) -> Vec<EntryId> {
    let roster = w.ledger.dag(&w.team.into()).unwrap();
    ids.sort_by_key(|id| (roster.depth(id), *id));
    ids.to_vec()
}

#[test]
fn a_late_entry_names_the_theft_and_not_the_retirement() {
    let (mut w, incident) = World::small("B");
    let apart = w.view["D1"].clone();
    let retired = w.write("A1", w.revoke(&["D1"], RevokeMode::Retire, Vec::new()));
    let said = w.write_so("D1", Deed::Incident(incident, note()), Way::on(&apart));
    assert_eq!(why(&w, incident, &said), (Status::Revoked, vec![retired]));
    let base = w.past_of([said]);
    w.write_so("C1", Deed::Incident(incident, note()), Way::on(&base));
    assert_eq!(why(&w, incident, &said), (Status::Active, Vec::new()), "what a retirement leaves late counts as met");
    let stolen = w.write_so("B1", w.out("D1"), Way::on(&apart));
    assert_eq!(why(&w, incident, &said), (Status::Late, vec![stolen]));
}

#[test]
fn who_was_let_in_by_somebody_removed_is_told_whose_removal_that_was() {
    let (mut w, incident) = World::small("BC");
    let ticket = w.write("A1", w.invite(Capability::Responder));
    w.sync("A1", "B1");
    let apart = w.view["A1"].clone();
    let join = w.write("J1", Deed::Join(ticket));
    w.see("B1", &View::from([join]));
    w.write("B1", Deed::Roster(RosterFact::Vouch { join }));
    w.sync("B1", "J1");
    let said = w.say("J1", incident);
    let lowers = RosterFact::SetCapability { person: w.person("B1"), capability: Capability::Observer };
    let lowered = w.write_so("A1", Deed::Roster(lowers), Way::on(&apart));
    assert_eq!(why(&w, incident, &said).0, Status::Active, "three admins: it wants a second");
    w.sync("A1", "C1");
    let view = w.past_of([lowered]);
    w.write_so("C1", Deed::Roster(RosterFact::Second { removal: lowered }), Way::on(&view));
    assert_eq!(why(&w, incident, &said), (Status::Revoked, vec![lowered]));
    let Reason::Removal { removal, .. } = w.ledger.findings(&incident).reasons[&said][0].clone() else { panic!() };
    assert_eq!(removal.of, BTreeSet::from([w.person("B1")]));
    assert!(matches!(removal.taken, Taken::Capability { left: Capability::Observer, .. }));
}

#[test]
fn a_forked_entry_names_its_siblings_and_what_follows_it_names_them_too() {
    let (mut w, incident) = World::small("");
    let old = w.view["D1"].clone();
    let say = |w: &mut World, view: &View| w.write_so("D1", Deed::Incident(incident, note()), Way::on(view));
    let (one, other) = (say(&mut w, &old), say(&mut w, &old));
    assert_eq!(why(&w, incident, &one), (Status::Forked, vec![other]));
    assert_eq!(why(&w, incident, &other), (Status::Forked, vec![one]));
    let base = w.past_of([one]);
    let after = say(&mut w, &base);
    assert_eq!(why(&w, incident, &after), (Status::Forked, vec![other]));
    // More than are named.
    let many: Vec<EntryId> = (0..20).map(|_| say(&mut w, &old)).collect();
    let mut siblings: Vec<EntryId> = many.into_iter().chain([other]).collect();
    siblings.sort_unstable();
    siblings.truncate(16);
    assert_eq!(why(&w, incident, &after), (Status::Forked, siblings));
    let base = w.past_of([after]);
    w.write_so("C1", Deed::Incident(incident, note()), Way::on(&base));
    assert_eq!(why(&w, incident, &after), (Status::Active, Vec::new()));
    assert!(w.ledger.findings(&incident).reasons.keys().all(|id| *id != one && *id != after));
}
