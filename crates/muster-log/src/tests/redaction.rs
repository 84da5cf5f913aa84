//! Who may redact what, and when it is settled.

use super::world::{Deed, Way, World};
use crate::fact::{RevokeMode, RosterFact, What};
use crate::ids::{EntryId, IncidentId};

fn redact(w: &mut World, name: &str, incident: IncidentId, target: EntryId) -> EntryId {
    w.write(name, Deed::Incident(incident, What::Redaction { target }))
}

/// What a redaction by `who` of what D1 said is: none, waiting or settled.
#[track_caller]
fn check(who: &[&str], expected: Option<bool>) {
    let (mut w, incident) = World::small("ABC");
    w.is_lifelike = true;
    w.guest("A1", "E1", false);
    for name in ["B1", "C1", "D1", "E1"] {
        w.sync("A1", name);
    }
    let said = w.say("D1", incident);
    for name in ["A1", "B1", "C1", "E1"] {
        w.sync("D1", name);
    }
    let by: Vec<EntryId> = who.iter().map(|name| redact(&mut w, name, incident, said)).collect();
    assert!(by.iter().all(|id| w.is_admitted(id)), "nothing but A1 to A6 refuses");
    let redacted = w.ledger.redacted(&incident);
    assert_eq!(redacted.get(&said).map(|redacted| redacted.is_settled), expected, "{who:?}");
}

#[test]
fn the_author_and_admins_redact_and_nobody_else_does() {
    check(&["D1"], Some(true));
    check(&["A1"], Some(false));
    check(&["E1"], None);
    check(&["A1", "A1"], Some(false));
    check(&["A1", "B1"], Some(true));
    check(&["A1", "E1"], Some(false));
    check(&["A1", "D1"], Some(true));
}

#[test]
fn what_a_stolen_admin_key_redacted_is_no_longer_when_the_device_is_out() {
    let (mut w, incident) = World::small("ABC");
    w.is_lifelike = true;
    let said = w.say("D1", incident);
    ["A1", "B1", "C1"].iter().for_each(|name| w.sync("D1", name));
    let before = w.view["C1"].clone();
    let redaction = redact(&mut w, "B1", incident, said);
    assert!(w.ledger.redacted(&incident)[&said].by == [redaction]);
    let out = w.write_so("A1", w.revoke(&["B1"], RevokeMode::Compromise, Vec::new()), Way::default());
    w.see("C1", &w.past_of([out]).union(&before).copied().collect());
    w.write("C1", Deed::Roster(RosterFact::Second { removal: out }));
    assert_eq!(w.ledger.redacted(&incident).len(), 0, "{:?}", w.ledger.removals());
}

#[test]
fn what_has_no_text_or_is_not_in_the_own_past_is_not_redacted() {
    let (mut w, incident) = World::small("AB");
    w.is_lifelike = true;
    w.sync("A1", "B1");
    let unseen = w.say("B1", incident);
    redact(&mut w, "A1", incident, unseen);
    redact(&mut w, "A1", incident, incident.genesis());
    assert_eq!(w.ledger.redacted(&incident).len(), 0);
    assert!(!w.ledger.has_redactions(&incident.into()));
}
