//! What the corpus is made of: a small team and one incident, always the same.

use muster_log::body::BodyPlace;
use muster_log::draft::{join, team_create};
use muster_log::fact::{Capability, Declare, IncidentFact, PersonKind, RosterFact, Saying, Visibility, What};
use muster_log::{
    Body, BodyText, Claimed, DagId, DeviceSecret, Draft, IncidentId, Ledger, Part, Received, SessionId, TeamId, Ticket,
    Timestamp,
};
use muster_sync::frame::{Frame, Gossip, Have, Heads, Presence, TeamPrefix};
use zeroize::Zeroizing;

/// The key of device `n`.
pub fn secret(n: u8) -> DeviceSecret {
    DeviceSecret::from_seed(&[n.wrapping_add(1); 32])
}

/// What the clock of device `n` shows.
pub(crate) fn clock(n: u8) -> Claimed {
    Claimed { time: Timestamp(1_689_855_420_000 + i64::from(n) * 1_000), offset_minutes: 120 }
}

/// The team whose frames are read.
pub fn team() -> TeamId {
    TeamId::from_bytes(*founding().seal().unwrap().id().as_bytes())
}

/// The place whose body is read.
pub fn place() -> BodyPlace {
    BodyPlace::of(&founding())
}

fn session() -> SessionId {
    SessionId::from_bytes([3; 16])
}

fn founding() -> Draft {
    team_create(secret(0).public(), session(), clock(0), PersonKind::Human, vec![secret(9).public()])
}

/// Everything that is written into the corpus: target, name, bytes.
pub fn all() -> Vec<(&'static str, String, Vec<u8>)> {
    let founder = secret(0);
    let mut ledger = Ledger::new(team());
    let mut out = Vec::new();
    let mut number = 0_u8;
    let mut put = |ledger: &mut Ledger, mut draft: Draft, text: &str, by: &DeviceSecret| {
        number += 1;
        let body =
            Body::write(&BodyText::plain(text).with(Part::Who, "the customer"), [number; 16], &BodyPlace::of(&draft));
        let body = body.unwrap();
        draft.body = Some(body.reference());
        let entry = draft.seal().unwrap();
        let id = entry.id();
        out.push(("entry", format!("{number:02}"), entry.bytes().to_vec()));
        out.push(("body", format!("{number:02}"), body.bytes().to_vec()));
        let signature = Some(by.sign_entry(&id));
        ledger.receive(None, vec![Received { entry, signature }]);
        id
    };
    // The team's genesis has no body here: its id is the team.
    let genesis = founding().seal().unwrap();
    let signature = Some(founder.sign_entry(&genesis.id()));
    ledger.receive(None, vec![Received { entry: genesis.clone(), signature }]);
    let ticket = Ticket {
        team: team(),
        invite: genesis.id(),
        seed: Zeroizing::new([8; 32]),
        expires: Timestamp(1_689_941_820_000),
        incident: None,
        addresses: vec![(founder.public(), "/ip4/192.0.2.1/tcp/7117".to_owned())],
    };
    let invite = RosterFact::Invite {
        ticket_key: ticket.public(),
        capability: Capability::Responder,
        expires: ticket.expires,
        incident: None,
    };
    let draft = ledger.draft_roster(founder.public(), session(), clock(1), &invite).unwrap();
    let invite = put(&mut ledger, draft, "", &founder);
    let ticket = Ticket { invite, ..ticket };
    let newcomer = secret(1);
    let draft = join(&ticket, newcomer.public(), session(), clock(2), PersonKind::Human);
    let joined = put(&mut ledger, draft, "ben", &newcomer);
    let draft =
        ledger.draft_roster(founder.public(), session(), clock(3), &RosterFact::Vouch { join: joined }).unwrap();
    put(&mut ledger, draft, "", &founder);
    let declare = Declare { drill: false, suspected: true, visibility: Visibility::Team, severity: Some(2) };
    let fact = IncidentFact::now(What::Declare(declare));
    let draft = ledger.draft(None, founder.public(), session(), clock(4), fact.kind(), fact.fields()).unwrap();
    let incident = DagId::from(IncidentId::of_genesis(put(&mut ledger, draft, "Checkout is down", &founder)));
    for (n, text) in (5_u8..).zip(["5xx on eu-west", "rollback of 4711 began", "ünïcode \u{202e}odd"]) {
        let fact = IncidentFact::now(What::Say(Saying::Note));
        let draft = ledger.draft(Some(incident), newcomer.public(), session(), clock(n), fact.kind(), fact.fields());
        put(&mut ledger, draft.unwrap(), text, &newcomer);
    }
    let prefix = TeamPrefix::from(team());
    let dag = ledger.dag(&incident).unwrap();
    let heads = Heads::new(incident, dag.len() as u64, dag.heads());
    let tips: Vec<_> = dag.tips().collect();
    let presence = Presence::sign(team(), &founder, clock(9).time, Vec::new(), &["/ip4/192.0.2.7/tcp/7117".to_owned()]);
    let frames = [
        Frame::Heads(heads).encode(prefix),
        Frame::Have(Have::page(incident, &tips, None)).encode(prefix),
        Gossip::Presence(presence).encode(prefix),
    ];
    out.extend(frames.into_iter().enumerate().map(|(n, frame)| ("frame", format!("{n:02}"), frame)));
    out.push(("ticket", "01".to_owned(), ticket.to_string().into_bytes()));
    // Founder invites, a device joins, is vouched for, made admin, revoked and seconded; replicas meet now and then.
    let histories: [&[u8]; 4] = [
        &[0, 0, 0, 5, 0, 0, 0, 1, 1, 0, 1, 0, 0, 2, 2, 0, 0, 4, 2, 2],
        &[0, 0, 0, 5, 0, 0, 0, 1, 1, 0, 1, 0, 0, 2, 2, 0, 0, 4, 2, 2, 1, 0, 11, 0, 0, 1, 5, 0, 0, 1, 1, 0, 5, 1, 1, 1],
        &[0, 0, 10, 1, 0, 0, 10, 2, 1, 0, 11, 0, 1, 0, 9, 0, 0, 9],
        &[0, 0, 0, 5, 0, 0, 0, 1, 1, 0, 1, 0, 2, 1, 0, 1, 0, 0, 2, 2, 0, 0, 2, 3, 0, 0, 7, 2, 0, 6, 5, 1, 1, 0],
    ];
    out.extend(histories.iter().enumerate().map(|(n, tape)| ("roster", format!("{n:02}"), tape.to_vec())));
    out
}
