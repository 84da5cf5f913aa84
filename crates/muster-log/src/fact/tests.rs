//! Facts read back what they wrote, and nothing else reads as a fact.

use super::*;
use crate::ids::{EntryId, IncidentId, PersonId};
use crate::key::{DeviceSecret, Signature};
use crate::time::{Claimed, Timestamp, When};
use crate::value::Value;

fn id(byte: u8) -> EntryId {
    EntryId::from_bytes([byte; 32])
}

fn person(byte: u8) -> PersonId {
    PersonId::from_bytes([byte; 32])
}

fn whats() -> Vec<What> {
    let supersedes = vec![id(1), id(2)];
    let role = |act| What::Role { role: "incident-commander".into(), act, supersedes: vec![id(3)] };
    vec![
        What::Declare(Declare { drill: true, suspected: false, visibility: Visibility::Team, severity: None }),
        What::Declare(Declare {
            drill: false,
            suspected: true,
            visibility: Visibility::Private(vec![person(1), person(2)]),
            severity: Some(5),
        }),
        What::Say(Saying::Note),
        What::Say(Saying::Observation),
        What::Say(Saying::Decision),
        What::Say(Saying::Request),
        What::Action { target: "db-1".into(), state: ActionState::Doing, expected_minutes: Some(10) },
        What::ActionState { action: id(7), state: ActionState::Reverted, supersedes: supersedes.clone() },
        What::Amendment { target: id(9) },
        What::Redaction { target: id(9) },
        What::Severity { severity: Some(1), supersedes: vec![] },
        What::Milestone { letter: Letter::Recovered },
        What::Selection { letter: Letter::Failed, claim: id(4), supersedes: supersedes.clone() },
        role(RoleAct::Claim),
        role(RoleAct::Assign(person(5))),
        role(RoleAct::Accept(id(6))),
        role(RoleAct::Release),
        role(RoleAct::Settle(person(6))),
        What::Title { supersedes: supersedes.clone() },
        What::JoinHeads,
        What::Admit { person: person(7) },
        What::Phase { phase: Phase::Reopened, supersedes },
    ]
}

fn roster_facts() -> Vec<RosterFact> {
    let key = |byte| DeviceSecret::from_seed(&[byte; 32]).public();
    let signature = Signature::from_bytes([8; 64]);
    let frontier = vec![(IncidentId::from_bytes([1; 32]), vec![id(1), id(2)])];
    vec![
        RosterFact::TeamCreate { person_kind: PersonKind::Human, recovery_keys: vec![key(2), key(1)] },
        RosterFact::Invite {
            ticket_key: key(3),
            capability: Capability::Responder,
            expires: Timestamp(9),
            incident: None,
        },
        RosterFact::Join { person_kind: PersonKind::Automation, ticket_signature: signature },
        RosterFact::Vouch { join: id(1) },
        RosterFact::AddDevice { device: key(4), device_signature: signature },
        RosterFact::SetCapability { person: person(1), capability: Capability::Admin },
        RosterFact::Merge,
        RosterFact::Confirm { join: id(1) },
        RosterFact::Revoke { devices: vec![key(5)], mode: RevokeMode::Compromise, frontier: frontier.clone() },
        RosterFact::Second { removal: id(1) },
        RosterFact::Cut { revoke: id(1), frontier },
    ]
}

#[test]
fn every_fact_reads_back_from_its_fields() {
    let origin = Origin { entry: id(8), claimed: Claimed { time: Timestamp(5), offset_minutes: -60 } };
    for what in whats() {
        for (when, origin) in [(None, None), (Some(When::unknown()), Some(origin))] {
            let fact = IncidentFact { when, origin, what: what.clone() };
            assert_eq!(Fact::parse(fact.kind(), &fact.fields()), Ok(Fact::Incident(fact)));
        }
    }
    for fact in roster_facts() {
        assert_eq!(Fact::parse(fact.kind(), &fact.fields()), Ok(Fact::Roster(fact)));
    }
}

#[test]
fn a_missing_an_extra_and_an_ill_typed_field_are_malformed() {
    let mut cases: Vec<(Kind, Vec<Value>)> =
        whats().into_iter().map(IncidentFact::now).map(|fact| (fact.kind(), fact.fields())).collect();
    cases.extend(roster_facts().into_iter().map(|fact| (fact.kind(), fact.fields())));
    for (kind, fields) in cases {
        let parse = |fields: &[Value]| Fact::parse(kind, fields);
        assert!(parse(&[fields.as_slice(), &[Value::Null]].concat()).is_err(), "{kind}: one too many");
        for i in 0..fields.len() {
            let mut wrong = fields.clone();
            wrong[i] = Value::Text("\u{7}".into());
            assert!(parse(&wrong).is_err(), "{kind}: field {i} ill-typed");
            assert!(parse(&fields[..i]).is_err(), "{kind}: only {i} fields");
        }
    }
}

#[test]
fn an_invite_never_makes_an_admin() {
    let ticket_key = DeviceSecret::from_seed(&[1; 32]).public();
    let fact = RosterFact::Invite { ticket_key, capability: Capability::Admin, expires: Timestamp(0), incident: None };
    assert!(Fact::parse(Kind::INVITE, &fact.fields()).is_err());
}

#[test]
fn a_kind_of_a_later_version_is_opaque_whatever_its_fields() {
    for number in [0, 15, 255, 300, u16::MAX] {
        assert_eq!(Fact::parse(Kind::from_number(number), &[Value::Int(1)]), Ok(Fact::Opaque));
    }
}

#[test]
fn register_names_are_short_and_printable() {
    for (name, good) in [("db-1", true), ("ö", true), ("", false), (" x", false), ("a\u{1b}b", false)] {
        assert_eq!(IncidentFact::is_register_name(name), good, "{name:?}");
    }
    assert!(IncidentFact::is_register_name(&"x".repeat(128)) && !IncidentFact::is_register_name(&"x".repeat(129)));
}
