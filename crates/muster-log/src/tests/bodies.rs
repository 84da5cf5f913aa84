//! Golden vectors of bodies: what was typed, the bytes that it becomes, and the hash that binds them to one entry.
//!
//! The file is `docs/vectors/bodies.json`. Set `MUSTER_WRITE_VECTORS` to write it anew after a change of format.

use super::world::{key, session};
use crate::body::{Body, BodyPlace, BodyText, Part};
use crate::ids::{IncidentId, TeamId};
use serde_json::{Value, json};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vectors/bodies.json");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn place(seq: u32) -> BodyPlace {
    BodyPlace {
        team: TeamId::from_bytes([1; 32]),
        incident: IncidentId::from_bytes([2; 32]),
        key: key("A1"),
        session: session(3),
        seq,
    }
}

fn row(what: &str, text: &BodyText, place: &BodyPlace) -> Value {
    let body = Body::write(text, [4; 16], place).unwrap();
    assert_eq!(Body::read(body.bytes()), *text, "{what}");
    json!({
        "what": what,
        "team": hex(place.team.as_bytes()),
        "incident": hex(place.incident.as_bytes()),
        "key": hex(place.key.as_bytes()),
        "session": hex(place.session.as_bytes()),
        "seq": place.seq,
        "parts": text.parts().collect::<Vec<_>>(),
        "bytes": hex(body.bytes()),
        "size": body.reference().size,
        "hash": body.hash().to_string(),
    })
}

fn document() -> Value {
    let plain = BodyText::plain("payments answer with 502 \u{2013} since 10:42");
    let parts = BodyText::plain("restart it").with(Part::Undo, "none").with(Part::Target, "db-1");
    json!({
        "about": "Bodies with the salt of sixteen bytes 04 (docs/protocol.md, section 3). Written by a test.",
        "bodies": [
            row("one text", &plain, &place(5)),
            row("the same under the next number", &plain, &place(6)),
            row("labelled parts", &parts, &place(7)),
            row("nothing typed", &BodyText::default(), &place(8)),
        ],
    })
}

#[test]
fn the_golden_bodies_are_what_this_version_writes() {
    let document = format!("{:#}\n", document());
    if std::env::var_os("MUSTER_WRITE_VECTORS").is_some() {
        std::fs::write(PATH, &document).unwrap();
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(committed == document, "docs/vectors/bodies.json differs");
    let golden: Value = serde_json::from_str(&committed).unwrap();
    let hashes: Vec<&Value> = golden["bodies"].as_array().unwrap().iter().map(|row| &row["hash"]).collect();
    assert_ne!(hashes[0], hashes[1], "a body is bound to its entry");
}
