//! What comes unasked and is not what it says: nobody pays for what others send in their name, nothing false goes on.

use super::mesh::Mesh;
use crate::frame::{Announcement, Frame, Gossip, Packed, Part};
use crate::limits::{AUTHOR_BURST, CALM_BURST};
use crate::pack::{Signing, fill};
use crate::replica::{Replica, View};
use crate::replicator::proven::proven;
use crate::unpack::unpack;
use crate::{Input, Verdict};
use muster_log::fact::{IncidentFact, Saying, What};
use muster_log::{Claimed, DagId, DeviceKey, Draft, EntryId, Received, SessionId, Signature, Timestamp};

/// A team of three that gossips, with an incident that all have. Desk 1 is the liar.
fn mesh() -> (Mesh, DagId) {
    let mut mesh = Mesh::new(Mesh::team(3), 7);
    mesh.connect_all();
    mesh.run();
    let incident = mesh.declare(0, "checkout is down", None);
    mesh.run();
    mesh.gossip_all();
    (mesh, incident)
}

/// What desk 2 says to a message of desk `from`.
fn verdict(mesh: &mut Mesh, from: usize, message: &Gossip) -> Option<Verdict> {
    mesh.verdicts.clear();
    mesh.publish(from, message.encode(mesh.desks[0].team().into()));
    mesh.deliver();
    mesh.verdicts.iter().find(|(at, _, _)| *at == 2).map(|(_, _, verdict)| *verdict)
}

/// The message of an entry of desk 0 that was lost on its way.
fn lost(mesh: &mut Mesh, incident: DagId) -> (EntryId, Packed) {
    mesh.lose_one_in = 1;
    let id = mesh.say(0, incident, "mine");
    mesh.deliver();
    mesh.lose_one_in = 0;
    let message = Gossip::decode(&mesh.published.last().unwrap().1, mesh.desks[0].team().into());
    let Ok(Gossip::Entries(_, packed)) = message else { panic!("a message of entries") };
    (id, packed)
}

fn forged(packed: &Packed, number: u64) -> Packed {
    let mut signature = [7; 64];
    signature[..8].copy_from_slice(&number.to_be_bytes());
    Packed { signatures: vec![Signature::from_bytes(signature)], ..packed.clone() }
}

#[test]
fn an_announcement_of_what_is_here_goes_on_once_and_only_with_its_true_size() {
    let (mut mesh, incident) = mesh();
    let id = mesh.say(0, incident, "here already");
    mesh.deliver();
    let entry = mesh.desks[2].ledger.entry(&id).unwrap();
    let size = entry.bytes().len() as u32 + entry.body().unwrap().size;
    let announced = |size| Gossip::Announcement(Announcement { dag: incident, id, size });
    for wrong in [0, size - 1, size + 1, u32::MAX] {
        assert_eq!(verdict(&mut mesh, 1, &announced(wrong)), Some(Verdict::Ignore), "{wrong}");
    }
    let both = [(); 2].map(|()| verdict(&mut mesh, 1, &announced(size)));
    assert_eq!(both, [Some(Verdict::Accept), Some(Verdict::Ignore)]);
}

#[test]
fn forged_rows_use_up_nobodys_account_but_the_senders() {
    let (mut mesh, incident) = mesh();
    let (_, packed) = lost(&mut mesh, incident);
    for number in 0..CALM_BURST + AUTHOR_BURST + 1 {
        let message = Gossip::Entries(incident, forged(&packed, number));
        assert_eq!(verdict(&mut mesh, 1, &message), Some(Verdict::Reject), "message {number}");
    }
    assert_eq!(verdict(&mut mesh, 0, &Gossip::Entries(incident, packed)), Some(Verdict::Accept));
}

#[test]
fn naming_anothers_entry_as_the_one_before_does_not_show_that_it_is_theirs() {
    let (mesh, incident) = mesh();
    let (victim, liar) = (mesh.desks[0].key(), &mesh.desks[1]);
    let note = IncidentFact::now(What::Say(Saying::Note));
    let session = SessionId::from_bytes([9; 16]);
    let row = |key, seq, backlink, is_signed: bool| {
        let claimed = Claimed { time: Timestamp(1_689_855_420_000), offset_minutes: 0 };
        let drafted = liar.ledger.draft(Some(incident), key, session, claimed, note.kind(), note.fields());
        let entry = Draft { seq, backlink, ..drafted.unwrap() }.seal().unwrap();
        let signature = is_signed.then(|| liar.secret.sign_entry(&entry.id()));
        Received { entry, signature }
    };
    let shown = |before: DeviceKey| {
        let first = row(before, 1, None, false);
        let second = row(before, 2, Some(first.entry.id()), false);
        let last = row(liar.key(), 3, Some(second.entry.id()), true);
        let view = View::new(&mesh.desks[2], liar.team().into(), liar.key());
        proven(&[first, second, last], view).unwrap().len()
    };
    assert_eq!((shown(victim), shown(liar.key())), (1, 3));
}

#[test]
fn a_forged_signature_on_what_is_here_goes_no_further() {
    let (mut mesh, incident) = mesh();
    let (_, packed) = lost(&mut mesh, incident);
    assert_eq!(verdict(&mut mesh, 0, &Gossip::Entries(incident, packed.clone())), Some(Verdict::Accept));
    assert_eq!(verdict(&mut mesh, 1, &Gossip::Entries(incident, forged(&packed, 1))), Some(Verdict::Reject));
}

#[test]
fn answers_to_nothing_are_charged_as_what_comes_unasked() {
    let mut mesh = Mesh::new(Mesh::team(3), 7);
    let incident = mesh.desks[0].declare("asked by nobody", None);
    let many = CALM_BURST + AUTHOR_BURST + 50;
    let said = (0..many).map(|note| mesh.desks[0].say(incident, &format!("note {note}")));
    let ids: Vec<EntryId> = std::iter::once(incident.genesis()).chain(said).collect();
    mesh.connect(1, 2);
    mesh.run();
    let (team, peer) = (mesh.desks[0].team(), mesh.desks[1].key());
    for (number, id) in (1..).zip(&ids) {
        let view = View::new(&mesh.desks[0], team.into(), mesh.desks[0].key());
        let packed = fill(view, &[*id], &[], Signing::Every).finish(number, Part::End);
        mesh.input(2, Input::Frame { peer, bytes: Frame::Entries(incident, packed).encode(team.into()) });
        mesh.deliver();
    }
    assert_eq!(mesh.closes, []);
    let came = mesh.desks[2].len(&incident);
    assert!((CALM_BURST..=CALM_BURST + AUTHOR_BURST).contains(&came), "{came} of {}", ids.len());
}

/// An entry of desk 2 in `dag` that builds on `parent`, whatever those are.
fn built_on(mesh: &Mesh, common: DagId, dag: DagId, parent: EntryId) -> Packed {
    let (team, author) = (mesh.desks[0].team(), &mesh.desks[2]);
    let mut copy = super::desk::Desk::newcomer(3, team);
    author.copy_to(&mut copy);
    let said = copy.say(common, "a guess");
    let view = View::new(&copy, team.into(), copy.key());
    let mut packed = fill(view, &[said], &[], Signing::Every).finish(1, Part::Live);
    let place = packed.ids.iter().position(|id| *id == common.genesis()).unwrap();
    packed.ids[place] = parent;
    let rebuilt = unpack(&packed, team, dag).unwrap().received[0].entry.id();
    packed.signatures = vec![copy.secret.sign_entry(&rebuilt)];
    packed
}

/// What desk 0 says to desk 2 about something it is sent; the DAG and the entry asked about have no name there.
fn said_about(probe: impl Fn(&Mesh, DagId, DagId, EntryId) -> Result<Vec<u8>, Vec<u8>>, is_private: bool) -> String {
    let (mut mesh, common) = mesh();
    let private = mesh.declare(0, "a private matter", Some(vec![0, 1]));
    mesh.run_for(5_000);
    let nowhere = EntryId::from_bytes([77; 32]);
    let (dag, id) = match is_private {
        true => (private, private.genesis()),
        false => (DagId::of_genesis(nowhere), nowhere),
    };
    let before = mesh.frames.len();
    let peer = mesh.desks[2].key();
    match probe(&mesh, common, dag, id) {
        Ok(bytes) => mesh.input(0, Input::Frame { peer, bytes }),
        Err(bytes) => mesh.publish(2, bytes),
    }
    mesh.deliver();
    let team = mesh.desks[0].team().into();
    let told = mesh.frames[before..].iter().filter(|(from, to, _)| (*from, *to) == (0, 2));
    let told: Vec<Frame> = told.map(|(_, _, bytes)| Frame::decode(bytes, team).unwrap()).collect();
    assert!(told.iter().any(|frame| matches!(frame, Frame::Want(_))), "asked for what is not here: {told:?}");
    format!("{told:?} {:?}", mesh.closes).replace(&format!("{dag:?}"), "DAG").replace(&format!("{id:?}"), "ID")
}

#[test]
fn announcements_and_entries_on_a_private_incident_find_out_nothing() {
    let announced = |mesh: &Mesh, _: DagId, dag: DagId, id: EntryId| {
        Err(Gossip::Announcement(Announcement { dag, id, size: 20_000 }).encode(mesh.desks[0].team().into()))
    };
    let in_chunk = |mesh: &Mesh, common: DagId, dag: DagId, id: EntryId| {
        Ok(Frame::Entries(dag, built_on(mesh, common, dag, id)).encode(mesh.desks[0].team().into()))
    };
    let foreign = |mesh: &Mesh, common: DagId, _: DagId, id: EntryId| {
        Ok(Frame::Entries(common, built_on(mesh, common, common, id)).encode(mesh.desks[0].team().into()))
    };
    let gossiped = |mesh: &Mesh, common: DagId, dag: DagId, id: EntryId| {
        let packed = Packed { number: 0, ..built_on(mesh, common, dag, id) };
        Err(Gossip::Entries(dag, packed).encode(mesh.desks[0].team().into()))
    };
    assert_eq!(said_about(announced, true), said_about(announced, false));
    assert_eq!(said_about(in_chunk, true), said_about(in_chunk, false));
    assert_eq!(said_about(foreign, true), said_about(foreign, false));
    assert_eq!(said_about(gossiped, true), said_about(gossiped, false));
}
