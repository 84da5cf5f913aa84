//! Golden vectors: a small team's life as bytes, ids, signatures and verdicts, for whoever writes another muster.
//!
//! The file is `docs/vectors/entries.json`. Set `MUSTER_WRITE_VECTORS` to write it anew after a change of format.

use super::world::{Deed, Way, World, clock, key, note, secret, session};
use crate::entry::Draft;
use crate::fact::{Capability, IncidentFact, Kind, RevokeMode, RosterFact, Visibility};
use crate::ids::IncidentId;
use crate::refusal::Refusal;
use std::fmt::Write;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vectors/entries.json");

const DEVICES: [&str; 5] = ["A1", "B1", "D1", "rk0", "X1"];

/// A world with a script: what each entry is, and what became of it.
struct Script {
    world: World,
    rows: Vec<String>,
}

impl Script {
    /// Notes down the last entry that was handed in.
    fn note_down(&mut self, what: &str, by: &str) {
        let (entry, signature) = self.world.written.last().unwrap();
        let verdict = match self.world.last.refused.first() {
            Some((_, refusal)) => format!("\"refused\", \"code\": {}, \"reason\": \"{refusal}\"", refusal.code()),
            None if self.world.last.admitted.contains(&entry.id()) => "\"admitted\"".to_owned(),
            None => "\"pending\"".to_owned(),
        };
        self.rows.push(format!(
            "    {{\"what\": \"{what}\", \"by\": \"{by}\", \"bytes\": \"{}\", \"id\": \"{}\", \"log\": \"{}\", \
             \"signature\": \"{}\", \"verdict\": {verdict}}}",
            hex(entry.bytes()),
            entry.id(),
            entry.log(),
            hex(signature.as_bytes()),
        ));
    }

    fn write(&mut self, what: &str, by: &str, deed: Deed) -> crate::EntryId {
        let id = self.world.write(by, deed);
        self.note_down(what, by);
        id
    }

    /// A note by `by` that `change` has spoilt.
    fn spoil(&mut self, what: &str, by: &str, incident: IncidentId, change: impl Fn(&mut Draft)) {
        let fact = IncidentFact::now(note());
        let now = clock(self.world.written.len() as i64);
        let ledger = &self.world.ledger;
        let mut draft =
            ledger.draft(Some(incident.into()), key(by), session(0), now, fact.kind(), fact.fields()).unwrap();
        change(&mut draft);
        self.world.hand_in(draft.seal().unwrap(), by);
        self.note_down(what, by);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn script() -> (Script, IncidentId) {
    let mut s = Script { world: World::new(), rows: Vec::new() };
    s.note_down("A1 creates the team, with one recovery key", "A1");
    for (name, capability) in [("B1", Capability::Responder), ("D1", Capability::Responder)] {
        let deed = s.world.invite(capability);
        let invite = s.write("an invite for a responder", "A1", deed);
        let join = s.write("a join by the invite before", name, Deed::Join(invite));
        s.world.see("A1", &[join].into());
        s.write("a vouch for the join before", "A1", Deed::Roster(RosterFact::Vouch { join }));
        s.world.sync("A1", name);
    }
    let grant = RosterFact::SetCapability { person: s.world.person("B1"), capability: Capability::Admin };
    s.write("B1's person becomes admin", "A1", Deed::Roster(grant));
    let incident = IncidentId::of_genesis(s.write("an incident is declared", "A1", Deed::Declare(Visibility::Team)));
    s.world.sync("A1", "B1");
    s.world.sync("A1", "D1");
    s.write("a note", "D1", Deed::Incident(incident, note()));
    s.write("the next note of the same log", "D1", Deed::Incident(incident, note()));
    s.write("a second device of D1's person", "D1", Deed::AddDevice("D2".into()));
    s.spoil("a note by a stranger", "X1", incident, |_| {});
    s.spoil("a note that skips a number", "D1", incident, |draft| draft.seq += 1);
    s.spoil("a note that names no roster", "D1", incident, |draft| draft.roster_heads.clear());
    s.spoil("a note that has forgotten the roster", "D1", incident, |d| d.roster_heads = vec![d.team.genesis()]);
    s.spoil("a note on nothing", "D1", incident, |draft| (draft.seq, draft.backlink, draft.deps) = (1, None, vec![]));
    s.spoil("a note on the roster", "B1", incident, |draft| draft.deps = vec![draft.team.genesis()]);
    s.spoil("a note in the roster's place", "D1", incident, |draft| {
        draft.incident = IncidentId::from_bytes(*draft.team.as_bytes());
    });
    s.spoil("a kind of a later version", "B1", incident, |draft| draft.kind = Kind::from_number(200));
    let apart = s.world.view["D1"].clone();
    let revoke = s.world.revoke(&["D1"], RevokeMode::Compromise, vec![]);
    s.world.sync("A1", "D1");
    s.write("D1 is reported stolen", "A1", revoke);
    s.world.write_so("D1", Deed::Incident(incident, note()), Way::on(&apart));
    s.note_down("D1 goes on, not knowing that it is out", "D1");
    (s, incident)
}

fn document() -> String {
    let (script, incident) = script();
    let join = |rows: Vec<String>| rows.join(",\n");
    let keys = DEVICES.map(|name| {
        let secret = secret(name);
        format!(
            "    {{\"name\": \"{name}\", \"seed\": \"{}\", \"public\": \"{}\", \"device\": \"{}\"}}",
            hex(secret.seed().as_slice()),
            hex(secret.public().as_bytes()),
            secret.public()
        )
    });
    let statuses = script.world.ledger.statuses(&incident);
    let statuses = statuses.iter().map(|(id, status)| format!("    \"{id}\": \"{}\"", status.word())).collect();
    format!(
        "{{\n  \"about\": \"Entries handed in one by one, in this order, to a ledger of this team. Written by a test; \
         see docs/protocol.md.\",\n  \"team\": \"{}\",\n  \"incident\": \"{incident}\",\n  \"keys\": [\n{}\n  ],\n  \
         \"entries\": [\n{}\n  ],\n  \"statuses\": {{\n{}\n  }}\n}}\n",
        script.world.team,
        join(keys.to_vec()),
        join(script.rows),
        join(statuses),
    )
}

#[test]
fn the_golden_vectors_are_what_this_version_writes_and_decides() {
    let document = document();
    if std::env::var_os("MUSTER_WRITE_VECTORS").is_some() {
        std::fs::write(PATH, &document).unwrap();
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    let differs = committed.lines().zip(document.lines()).position(|(a, b)| a != b);
    assert!(committed == document, "docs/vectors/entries.json differs, first in line {differs:?} (counted from 0)");
}

#[test]
fn the_golden_vectors_show_every_verdict_they_speak_of() {
    let (script, _) = script();
    let refused = |code: u16| script.rows.iter().filter(|row| row.contains(&format!("\"code\": {code},"))).count();
    for code in [22, 23, 24, 31, 50, 51, 52] {
        assert_eq!(refused(code), 1, "code {code}");
    }
    assert_eq!(refused(Refusal::Unproven.code()), 0);
}
