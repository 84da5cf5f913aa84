//! Keys and signatures: golden vectors, the vectors of Project Wycheproof, and that a signature is good for one thing.
//!
//! The file is `docs/vectors/keys.json`. Set `MUSTER_WRITE_VECTORS` to write it anew after a change of format.

use super::world::{Deed, World, key, secret};
use crate::audit::AUDIT_NAMESPACE;
use crate::entry::Draft;
use crate::fact::Visibility;
use crate::ids::{IncidentId, TeamId};
use crate::key::{BadKey, DeviceKey, DeviceSecret, Signature};
use crate::ledger::{Ledger, Received};
use crate::refusal::Refusal;
use proptest::prelude::*;
use serde_json::{Value, json};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vectors/keys.json");
const WYCHEPROOF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vectors/wycheproof/ed25519_test.json");

/// All points of small order in every encoding that decodes, low 255 bits; the top bit may be set besides.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// The order of the curve's group, which makes another signature of a good one when it is added to S.
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

/// What signatures are for.
const PURPOSES: [&str; 5] =
    ["muster/sig/1", "muster/join/1", "muster/device/1", "muster/presence/1", "muster/bundle/1"];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn small_order() -> impl Iterator<Item = [u8; 32]> {
    SMALL_ORDER.iter().flat_map(|text| {
        let low: [u8; 32] = bytes(text).try_into().unwrap();
        let mut signed = low;
        signed[31] |= 0x80;
        [low, signed]
    })
}

fn message(tag: &str, part: &[u8]) -> Vec<u8> {
    [tag.as_bytes(), &[0], part].concat()
}

fn row(what: &str, public: &[u8], message: &[u8], signature: &[u8], holds: bool) -> Value {
    json!({"what": what, "public": hex(public), "message": hex(message), "signature": hex(signature), "holds": holds})
}

fn document() -> Value {
    let (alice, id) = (secret("A1"), [7; 32]);
    let public = *alice.public().as_bytes();
    let signature = alice.sign("muster/sig/1", &[&id]);
    let (r, s) = signature.as_bytes().split_at(32);
    let mut rows: Vec<Value> = PURPOSES
        .iter()
        .map(|tag| {
            let what = format!("A1's signature for an entry, taken for `{tag}`");
            row(&what, &public, &message(tag, &id), signature.as_bytes(), *tag == "muster/sig/1")
        })
        .collect();
    let mut carry = 0;
    let larger: Vec<u8> = s
        .iter()
        .zip(bytes(ORDER))
        .map(|(a, b)| {
            let sum = u16::from(*a) + u16::from(b) + carry;
            carry = sum >> 8;
            sum as u8
        })
        .collect();
    let signed = message("muster/sig/1", &id);
    rows.push(row("the order of the group added to S", &public, &signed, &[r, &larger].concat(), false));
    rows.push(row("by another device", secret("B1").public().as_bytes(), &signed, signature.as_bytes(), false));
    let mut one = [0; 32];
    one[0] = 1;
    // R = B·0 = the neutral element and S = 0: the equation holds for a key that is the neutral element too.
    let forged = [one, [0; 32]].concat();
    rows.extend(small_order().map(|key| row("anybody's, for a key of small order", &key, &signed, &forged, false)));
    json!({
        "about": "Signatures over messages, and whether they hold (docs/protocol.md, section 1). Written by a test.",
        "refused": small_order().map(|key| hex(&key)).collect::<Vec<_>>(),
        "signatures": rows,
    })
}

#[test]
fn the_golden_keys_and_signatures_are_what_this_version_writes_and_decides() {
    let document = format!("{:#}\n", document());
    if std::env::var_os("MUSTER_WRITE_VECTORS").is_some() {
        std::fs::write(PATH, &document).unwrap();
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(committed == document, "docs/vectors/keys.json differs");
    let golden: Value = serde_json::from_str(&committed).unwrap();
    for row in golden["signatures"].as_array().unwrap() {
        let part = |name: &str| bytes(row[name].as_str().unwrap());
        let key = DeviceKey::try_from(part("public").as_slice()).unwrap();
        let signature = Signature::try_from(part("signature").as_slice()).unwrap();
        assert_eq!(key.verifies_bytes(&part("message"), &signature), row["holds"] == true, "{row}");
    }
}

#[test]
fn keys_of_small_order_are_refused_in_every_encoding_wherever_a_key_is_read() {
    let (w, incident) = World::small("B");
    let template = w.ledger.entry(&incident.genesis()).unwrap().items().clone();
    for point in small_order() {
        let key = DeviceKey::from_bytes(point);
        assert_eq!(key.check(), Err(BadKey::Unsafe), "{}", hex(&point));
        assert!(Draft { key, ..template.clone() }.seal().is_err(), "as an author: {}", hex(&point));
        let invite = crate::fact::RosterFact::Invite {
            ticket_key: key,
            capability: crate::fact::Capability::Responder,
            expires: crate::Timestamp(0),
            incident: None,
        };
        let fields = invite.fields();
        assert!(crate::Fact::parse(crate::Kind::INVITE, &fields).is_err(), "as a ticket: {}", hex(&point));
    }
}

#[test]
fn the_vectors_of_project_wycheproof_are_judged_as_they_say() {
    let text = std::fs::read_to_string(WYCHEPROOF).unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let (mut judged, mut valid) = (0, 0);
    for group in vectors["testGroups"].as_array().unwrap() {
        let public = bytes(group["publicKey"]["pk"].as_str().unwrap());
        for test in group["tests"].as_array().unwrap() {
            let part = |name: &str| bytes(test[name].as_str().unwrap());
            let holds = match (DeviceKey::try_from(public.as_slice()), Signature::try_from(part("sig").as_slice())) {
                (Ok(key), Ok(signature)) => key.verifies_bytes(&part("msg"), &signature),
                // Not of the right length.
                _ => false,
            };
            assert_eq!(holds, test["result"] == "valid", "{test}");
            judged += 1;
            valid += usize::from(holds);
        }
    }
    assert_eq!(Some(judged), vectors["numberOfTests"].as_u64());
    assert!(valid > 50 && judged as usize > valid + 50, "{valid} of {judged} are valid");
}

#[test]
fn what_is_signed_for_one_incident_or_team_is_refused_in_another() {
    let (mut w, incident) = World::small("B");
    let other = IncidentId::of_genesis(w.write("A1", Deed::Declare(Visibility::Team)));
    let note = w.say("D1", incident);
    let (entry, signature) = w.written.iter().find(|(entry, _)| entry.id() == note).cloned().unwrap();
    let moved = |change: &dyn Fn(&mut Draft)| {
        let mut draft = entry.items().clone();
        change(&mut draft);
        Received { entry: draft.seal().unwrap(), signature: Some(signature) }
    };
    let signature_of = Refusal::Signature { key: key("D1") };
    let mut check = |change: &dyn Fn(&mut Draft), expected: &Refusal| {
        let outcome = w.ledger.receive(None, vec![moved(change)]);
        assert_eq!(outcome.refused.first().map(|(_, refusal)| refusal), Some(expected));
        assert!(outcome.admitted.is_empty());
    };
    check(&|draft| draft.incident = other, &signature_of);
    check(&|draft| (draft.incident, draft.deps) = (other, vec![other.genesis()]), &signature_of);
    check(&|draft| draft.key = key("B1"), &Refusal::Signature { key: key("B1") });
    check(&|draft| draft.session = super::world::session(9), &signature_of);
    check(&|draft| draft.kind = crate::Kind::DECISION, &signature_of);
    check(&|draft| draft.team = TeamId::from_bytes([9; 32]), &Refusal::OtherTeam);
    let elsewhere = moved(&|draft| draft.team = TeamId::from_bytes([9; 32]));
    let refused = Ledger::new(TeamId::from_bytes([9; 32])).receive(None, vec![elsewhere]).refused;
    assert_eq!(refused.first().map(|(_, refusal)| refusal), Some(&signature_of));
}

proptest! {
    #[test]
    fn a_signature_made_for_one_purpose_verifies_for_no_other(
        seed in any::<[u8; 32]>(),
        part in proptest::collection::vec(any::<u8>(), 0..120),
        made in 0..PURPOSES.len() + 1,
    ) {
        let secret = DeviceSecret::from_seed(&seed);
        let signature = match PURPOSES.get(made) {
            Some(tag) => secret.sign(tag, &[&part]),
            None => secret.sign_file(AUDIT_NAMESPACE, &part),
        };
        for (at, tag) in PURPOSES.iter().enumerate() {
            prop_assert_eq!(secret.public().verifies(tag, &[&part], &signature), at == made);
        }
        prop_assert_eq!(secret.public().verifies_file(AUDIT_NAMESPACE, &part, &signature), made == PURPOSES.len());
        prop_assert!(!secret.public().verifies_file("file", &part, &signature));
    }

    #[test]
    fn a_signature_is_over_all_of_the_message(
        seed in any::<[u8; 32]>(),
        part in proptest::collection::vec(any::<u8>(), 1..120),
        at in any::<prop::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let secret = DeviceSecret::from_seed(&seed);
        let signature = secret.sign(PURPOSES[0], &[&part]);
        let mut other = part.clone();
        other[at.index(part.len())] ^= flip;
        prop_assert!(!secret.public().verifies(PURPOSES[0], &[&other], &signature));
        let mut spoilt = *signature.as_bytes();
        spoilt[at.index(64)] ^= flip;
        prop_assert!(!secret.public().verifies(PURPOSES[0], &[&part], &Signature::from_bytes(spoilt)));
    }
}
