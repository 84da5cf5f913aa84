//! One entry against one rule: what is refused and why, what waits, what passes.

use super::world::{Deed, View, Way, World, clock, key, note, secret, session};
use crate::draft;
use crate::entry::{Draft, Entry, FormError};
use crate::fact::{Capability, IncidentFact, Kind, PersonKind, RevokeMode, RosterFact, Visibility};
use crate::ids::{DagId, EntryId, IncidentId, TeamId};
use crate::key::BadKey;
use crate::ledger::{Ledger, Outcome, Received};
use crate::refusal::Refusal;
use crate::value::Value;

/// A device that nobody has let in.
const STRANGER: &str = "X1";

/// A note by D1 on everything that is here.
fn good_note(w: &World, incident: IncidentId) -> Draft {
    let fact = IncidentFact::now(note());
    let dag = Some(incident.into());
    w.ledger.draft(dag, key("D1"), session(0), clock(9), fact.kind(), fact.fields()).unwrap()
}

/// Hands in what `change` makes of a good note; the outcome names what happened.
#[track_caller]
fn check(change: impl Fn(&mut Draft, &World, IncidentId), expected: impl Fn(&Refusal) -> bool, code: u16) {
    let (mut w, incident) = World::small("B");
    let mut draft = good_note(&w, incident);
    change(&mut draft, &w, incident);
    let before = w.ledger.len();
    let name = w.names.get(&draft.key).cloned().unwrap_or(STRANGER.into());
    let id = w.hand_in(draft.seal().unwrap(), &name);
    let (refused, refusal) = w.last.refused.first().cloned().expect("it is refused");
    assert_eq!((refused, refusal.code(), w.ledger.len()), (id, code, before), "{refusal}");
    assert!(expected(&refusal), "{refusal}");
    assert_eq!(refusal.rule() as u16, code / 10);
}

#[test]
fn a_good_note_is_admitted() {
    let (mut w, incident) = World::small("B");
    let id = w.hand_in(good_note(&w, incident).seal().unwrap(), "D1");
    assert_eq!(w.last.admitted, [id]);
    assert_eq!(w.ledger.person(&id), Some(w.person("D1")));
}

#[test]
fn an_entry_of_another_team_is_refused() {
    check(|d, _, _| d.team = TeamId::from_bytes([7; 32]), |r| *r == Refusal::OtherTeam, 20);
}

#[test]
fn a_genesis_that_builds_on_something_or_is_not_the_first_is_refused() {
    let real = |d: &mut Draft, w: &World, incident: IncidentId| {
        d.kind = Kind::DECLARE;
        d.incident = IncidentId::from_bytes([0; 32]);
        d.fields.clone_from(&w.entries[&incident.genesis()].items().fields);
    };
    check(real, |r| *r == Refusal::Genesis, 21);
    check(
        |d, w, incident| {
            real(d, w, incident);
            d.deps.clear();
            d.seq = 2;
        },
        |r| *r == Refusal::Genesis,
        21,
    );
}

#[test]
fn an_entry_that_builds_on_nothing_is_refused() {
    check(
        |d, _, _| {
            d.deps.clear();
            d.backlink = None;
        },
        |r| *r == Refusal::NoParent,
        22,
    );
}

#[test]
fn a_parent_in_another_dag_is_refused() {
    check(|d, w, _| d.deps = w.ledger.roster_heads(), |r| matches!(r, Refusal::ForeignParent { .. }), 23);
}

#[test]
fn team_incident_and_roster_heads_must_fit_the_kind() {
    let is_address = |r: &Refusal| matches!(r, Refusal::Address { .. });
    check(|d, w, _| d.incident = IncidentId::from_bytes(*w.team.as_bytes()), is_address, 24);
    check(|d, _, _| d.incident = IncidentId::from_bytes([0; 32]), is_address, 24);
    let merge = |d: &mut Draft, w: &World| {
        d.kind = Kind::ROSTER_MERGE;
        d.fields = vec![];
        d.incident = IncidentId::from_bytes(*w.team.as_bytes());
        d.deps = w.ledger.roster_heads();
    };
    check(|d, w, _| merge(d, w), is_address, 24);
    check(
        |d, w, incident| {
            merge(d, w);
            d.roster_heads.clear();
            d.incident = incident;
        },
        is_address,
        24,
    );
}

#[test]
fn a_log_begins_with_one_and_goes_on_one_by_one() {
    check(|d, _, _| d.seq = 2, |r| *r == Refusal::NoBacklink { seq: 2 }, 30);
    for seq in [1, 3, u32::MAX] {
        check(
            |d, w, incident| {
                let first = w.ledger.dag(&incident.into()).unwrap().heads()[0];
                d.key = key("A1");
                (d.backlink, d.seq, d.deps) = (Some(first), seq, vec![]);
            },
            |r| matches!(r, Refusal::Chain { .. }),
            31,
        );
    }
}

#[test]
fn a_backlink_to_another_session_or_device_is_refused() {
    let is_chain = |r: &Refusal| matches!(r, Refusal::Chain { .. });
    check(|d, _, incident| (d.backlink, d.seq, d.deps) = (Some(incident.genesis()), 2, vec![]), is_chain, 31);
    check(
        |d, _, incident| {
            (d.key, d.session) = (key("A1"), session(8));
            (d.backlink, d.seq, d.deps) = (Some(incident.genesis()), 2, vec![]);
        },
        is_chain,
        31,
    );
}

#[test]
fn an_entry_without_roster_heads_or_with_heads_in_an_incident_is_refused() {
    check(|d, _, _| d.roster_heads.clear(), |r| *r == Refusal::RosterHeads, 50);
    check(|d, _, incident| d.roster_heads = vec![incident.genesis()], |r| *r == Refusal::RosterHeads, 50);
}

#[test]
fn an_entry_that_knows_less_of_the_roster_than_its_parent_is_refused() {
    check(|d, w, _| d.roster_heads = vec![w.team.genesis()], |r| matches!(r, Refusal::RosterBehind { .. }), 51);
}

#[test]
fn a_stranger_an_observer_and_a_removed_device_may_not_write() {
    let is_capability = |r: &Refusal| matches!(r, Refusal::Capability { .. });
    check(|d, _, _| d.key = key(STRANGER), is_capability, 52);
    let (mut w, incident) = World::small("B");
    let lower = RosterFact::SetCapability { person: w.person("D1"), capability: Capability::Observer };
    w.write("A1", Deed::Roster(lower));
    w.write("A1", w.out("C1"));
    for name in ["D1", "C1"] {
        let mut draft = good_note(&w, incident);
        draft.key = key(name);
        w.hand_in(draft.seal().unwrap(), name);
        assert!(matches!(w.last.refused[..], [(_, Refusal::Capability { .. })]), "{name}: {:?}", w.last);
    }
}

#[test]
fn a_responder_may_not_write_what_admins_write() {
    let (mut w, _) = World::small("B");
    let target = w.person("C1");
    for deed in [
        w.invite(Capability::Observer),
        Deed::Roster(RosterFact::SetCapability { person: target, capability: Capability::Admin }),
        w.out("C1"),
        w.revoke(&["C1", "D1"], RevokeMode::Retire, vec![]),
    ] {
        w.write("D1", deed);
        assert!(matches!(w.last.refused[..], [(_, Refusal::Capability { .. })]), "{:?}", w.last);
    }
    let own = w.write("D1", w.out("D1"));
    assert_eq!(w.last.admitted, [own]);
    assert_eq!(w.ledger.roster().person_of(&key("D1")), None);
}

#[test]
fn a_private_incident_takes_only_those_it_names_and_its_author() {
    let (mut w, _) = World::small("B");
    let named = Visibility::Private(vec![w.person("C1")]);
    let incident = IncidentId::of_genesis(w.write("B1", Deed::Declare(named)));
    w.sync("B1", "C1");
    w.sync("B1", "D1");
    for (name, is_in) in [("B1", true), ("C1", true), ("D1", false)] {
        w.say(name, incident);
        assert_eq!(w.last.refused.is_empty(), is_in, "{name}: {:?}", w.last);
    }
    assert_eq!(w.ledger.names(&incident), Some([w.person("B1"), w.person("C1")].into()));
    assert_eq!(w.ledger.names(&IncidentId::from_bytes([1; 32])), Some([].into()));
}

#[test]
fn a_join_needs_an_invite_that_stands_and_the_tickets_signature() {
    let mut w = World::new();
    let invite = w.write("A1", w.invite(Capability::Responder));
    let ticket = w.ticket(invite);
    let join = |w: &World| draft::join(&w.ticket(invite), key("J1"), session(0), clock(1), PersonKind::Human);
    let hand_in = |w: &mut World, draft: Draft| {
        w.hand_in(draft.seal().unwrap(), "J1");
        w.last.refused.first().map(|(_, refusal)| refusal.clone())
    };
    // Signed for another device.
    let mut stolen = join(&w);
    let fact = RosterFact::Join { person_kind: PersonKind::Human, ticket_signature: ticket.sign_join(&key("J2")) };
    stolen.fields = fact.fields();
    assert_eq!(hand_in(&mut w, stolen), Some(Refusal::Ticket));
    // On something that is no invite.
    let mut homeless = join(&w);
    homeless.deps = vec![w.team.genesis()];
    assert_eq!(hand_in(&mut w, homeless), Some(Refusal::NoInvite));
    let good = join(&w);
    assert_eq!(hand_in(&mut w, good), None);
    assert_eq!(w.ledger.roster().person_of(&key("J1")), None, "nobody has vouched yet");
    let waiting: Vec<EntryId> = w.ledger.joins_to_vouch().iter().map(|(join, _)| *join).collect();
    assert_eq!(waiting, w.last.admitted);
    let seen: View = waiting.iter().copied().collect();
    w.see("A1", &seen);
    w.write("A1", Deed::Roster(RosterFact::Vouch { join: waiting[0] }));
    assert_eq!(w.ledger.roster().capability_of(&key("J1")), Some(Capability::Responder));
    assert!(w.ledger.joins_to_vouch().is_empty());
}

#[test]
fn a_batch_with_one_refused_entry_changes_nothing_at_all() {
    let (w, incident) = World::small("B");
    let good = good_note(&w, incident).seal().unwrap();
    let mut draft = good_note(&w, incident);
    (draft.backlink, draft.seq, draft.deps, draft.key) = (Some(good.id()), 2, vec![], key(STRANGER));
    let bad = draft.seal().unwrap();
    let roster_merge =
        w.ledger.draft_roster(key("C1"), session(0), clock(3), &RosterFact::Merge).unwrap().seal().unwrap();
    let received = |entry: &crate::Entry, name: &str| Received {
        entry: entry.clone(),
        signature: Some(secret(name).sign_entry(&entry.id())),
    };
    let batch = || vec![received(&roster_merge, "C1"), received(&good, "D1"), received(&bad, STRANGER)];
    let mut ledger = w.ledger;
    let (len, heads) = (ledger.len(), ledger.roster_heads());
    let outcome = ledger.receive(Some(key("B1")), batch());
    assert_eq!(outcome.refused, [(bad.id(), Refusal::Chain { backlink: good.id(), seq: 2 })]);
    assert_eq!((outcome.admitted, outcome.pending, outcome.signatures), (vec![], vec![], vec![]));
    assert_eq!((ledger.len(), ledger.roster_heads(), ledger.pending_len()), (len, heads, 0));
    let outcome = ledger.receive(Some(key("B1")), batch()[..2].to_vec());
    assert_eq!(outcome.admitted, [roster_merge.id(), good.id()]);
}

#[test]
fn what_builds_on_a_refused_entry_of_its_batch_is_refused_by_name() {
    let (mut w, incident) = World::small("B");
    let mut draft = good_note(&w, incident);
    draft.roster_heads = vec![w.team.genesis()];
    let bad = draft.seal().unwrap();
    let mut later = good_note(&w, incident);
    (later.backlink, later.seq, later.deps) = (Some(bad.id()), 2, vec![]);
    let later = later.seal().unwrap();
    let signed =
        |entry: &crate::Entry| Received { entry: entry.clone(), signature: Some(secret("D1").sign_entry(&entry.id())) };
    let outcome = w.ledger.receive(None, vec![signed(&bad), signed(&later)]);
    assert!(outcome.refused.contains(&(later.id(), Refusal::BuildsOnRefused { parent: bad.id() })));
}

#[test]
fn a_bad_signature_is_refused_but_the_entry_may_come_again_with_a_good_one() {
    let (mut w, incident) = World::small("B");
    let entry = good_note(&w, incident).seal().unwrap();
    let with =
        |name: &str| vec![Received { entry: entry.clone(), signature: Some(secret(name).sign_entry(&entry.id())) }];
    let outcome = w.ledger.receive(None, with("C1"));
    assert_eq!(outcome.refused, [(entry.id(), Refusal::Signature { key: key("D1") })]);
    assert_eq!(w.ledger.pending_len(), 0);
    assert_eq!(w.ledger.receive(None, with("D1")).admitted, [entry.id()]);
}

#[test]
fn an_entry_twice_in_a_batch_or_again_later_is_taken_once() {
    let (mut w, incident) = World::small("B");
    let entry = good_note(&w, incident).seal().unwrap();
    let signature = Some(secret("D1").sign_entry(&entry.id()));
    let plain = Received { entry: entry.clone(), signature: None };
    let signed = Received { entry: entry.clone(), signature };
    let outcome = w.ledger.receive(None, vec![plain.clone(), signed.clone(), plain.clone()]);
    assert_eq!((outcome.admitted.as_slice(), outcome.signatures.len()), (&[entry.id()][..], 1));
    assert_eq!(w.ledger.receive(None, vec![signed, plain]), Outcome::default());
}

#[test]
fn a_signature_that_comes_for_an_admitted_entry_is_handed_on_once() {
    let (mut w, incident) = World::small("B");
    let first = good_note(&w, incident).seal().unwrap();
    let mut second = good_note(&w, incident);
    (second.backlink, second.seq, second.deps) = (Some(first.id()), 2, vec![]);
    let second = second.seal().unwrap();
    let sign = |entry: &crate::Entry| Some(secret("D1").sign_entry(&entry.id()));
    let plain = Received { entry: first.clone(), signature: None };
    let outcome = w.ledger.receive(None, vec![plain, Received { signature: sign(&second), entry: second.clone() }]);
    assert_eq!(outcome.admitted, [first.id(), second.id()]);
    let late = Received { signature: sign(&first), entry: first.clone() };
    assert_eq!(w.ledger.receive(None, vec![late.clone()]).signatures, [(first.id(), sign(&first).unwrap())]);
    assert_eq!(w.ledger.receive(None, vec![late]), Outcome::default());
}

#[test]
fn an_unknown_kind_is_admitted_from_a_responder_and_has_no_effect() {
    let (mut w, incident) = World::small("B");
    let roster = w.ledger.roster().clone();
    for (dag, kind) in [(DagId::from(incident), 200), (w.team.into(), 900)] {
        let kind = Kind::from_number(kind);
        let draft = w.ledger.draft(Some(dag), key("D1"), session(0), clock(1), kind, vec![Value::Int(1)]).unwrap();
        let id = w.hand_in(draft.seal().unwrap(), "D1");
        assert_eq!(w.last.admitted, [id]);
    }
    assert_eq!(*w.ledger.roster(), roster);
}

#[test]
fn a_store_that_holds_what_was_never_admitted_is_found_out() {
    let (w, incident) = World::small("B");
    let mut draft = good_note(&w, incident);
    draft.key = key(STRANGER);
    let stranger = draft.seal().unwrap();
    let mut ledger = w.ledger;
    assert!(matches!(ledger.restore(stranger.clone()), Err(Refusal::Capability { .. })));
    let mut empty = Ledger::new(w.team);
    assert!(matches!(empty.restore(stranger), Err(Refusal::Incomplete { .. })));
}

#[test]
fn verification_names_every_bad_entry() {
    let (mut w, incident) = World::small("B");
    let first = w.say("D1", incident);
    let second = w.say("D1", incident);
    let signature = |id: &EntryId| w.written.iter().find(|(entry, _)| entry.id() == *id).map(|(_, s)| *s);
    assert!(w.ledger.check_all(signature).is_ok());
    let unsigned = w.ledger.check_all(|id| signature(id).filter(|_| *id != second));
    assert_eq!(unsigned.problems, [(second, Refusal::Unproven.into())]);
    let run = w.ledger.check_all(|id| signature(id).filter(|_| *id != first));
    assert!(run.is_ok(), "the second proves the first: {run:?}");
    let swapped = w.ledger.check_all(|id| if *id == first { signature(&second) } else { signature(id) });
    let expected = [
        (first, Refusal::Signature { key: key("D1") }.into()),
        (second, Refusal::BuildsOnRefused { parent: first }.into()),
    ];
    assert_eq!(swapped.problems, expected);
}

#[test]
fn a_draft_names_all_heads_and_merges_bring_too_many_together() {
    let (mut w, incident) = World::small("B");
    let view = w.view["D1"].clone();
    for n in 0..70 {
        w.write_so(
            "D1",
            Deed::Incident(incident, note()),
            Way { view: Some(view.clone()), session: Some(n + 1), back: 0 },
        );
    }
    let fact = IncidentFact::now(note());
    let draft =
        |w: &World| w.ledger.draft(Some(incident.into()), key("B1"), session(0), clock(1), fact.kind(), fact.fields());
    assert!(matches!(draft(&w), Err(crate::DraftError::TooManyHeads { heads: 70, limit: 64, .. })));
    let mut merges = 0;
    while let Some(merge) = w.ledger.draft_merge(incident.into(), key("B1"), session(0), clock(1)).unwrap() {
        let id = w.hand_in(merge.seal().unwrap(), "B1");
        assert_eq!(w.last.admitted, [id]);
        merges += 1;
    }
    assert_eq!(merges, 1);
    let next = draft(&w).unwrap();
    assert_eq!((next.deps.len(), next.seq), (6, 2));
}

#[test]
fn a_key_that_may_not_sign_is_refused_beside_keys_that_were_found_usable() {
    let (w, incident) = World::small("B");
    let entry = good_note(&w, incident).seal().unwrap();
    let mut usable = crate::GoodKeys::default();
    assert_eq!(Entry::decode_by(entry.bytes(), &mut usable), Ok(entry.clone()));

    // The neutral element, for which anybody can make signatures.
    let (mut bytes, mut weak) = (entry.bytes().to_vec(), [0; 32]);
    weak[0] = 1;
    let place = bytes.windows(32).position(|window| window == entry.key().as_bytes()).unwrap();
    bytes[place..place + 32].copy_from_slice(&weak);
    for _ in 0..2 {
        assert_eq!(Entry::decode_by(&bytes, &mut usable), Err(FormError::Key(BadKey::Unsafe)));
    }
}
