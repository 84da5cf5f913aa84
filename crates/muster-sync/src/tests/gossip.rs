//! Gossip: what it carries is not sent besides, what it loses is found, what is forged goes nowhere.

use super::mesh::Mesh;
use crate::frame::{Announcement, Frame, Gossip, Presence};
use crate::limits::{GOSSIP_BYTES_MAX, GOSSIP_PATIENCE_MS, PRESENCE_BYTES_MAX, PRESENCE_HEADS_MAX, ROUND_MS};
use crate::replica::Replica;
use crate::{Input, Verdict};
use muster_log::{DagId, DeviceSecret, EntryId, Refusal, Timestamp};

/// A team of `n` that gossips, with an incident that all have.
fn mesh(n: u8, seed: u64) -> (Mesh, DagId) {
    let mut mesh = Mesh::new(Mesh::team(n), seed);
    mesh.connect_all();
    mesh.run();
    let incident = mesh.declare(0, "checkout is down", None);
    mesh.run();
    mesh.gossip_all();
    (mesh, incident)
}

/// The frames from number `before` on.
fn frames(mesh: &Mesh, before: usize) -> Vec<Frame> {
    let team = mesh.desks[0].team().into();
    mesh.frames[before..].iter().map(|(_, _, bytes)| Frame::decode(bytes, team).unwrap()).collect()
}

#[test]
fn what_gossip_carries_is_not_sent_besides_and_is_acknowledged() {
    for seed in 0..20 {
        let (mut mesh, incident) = mesh(4, seed);
        mesh.news_last = false;
        let before = mesh.frames.len();
        for note in 0..12 {
            mesh.say(note % 4, incident, "live");
            if note % 5 == 0 {
                mesh.deliver();
            }
        }
        mesh.deliver();
        assert_eq!(frames(&mesh, before), [], "seed {seed}");
        // Less than it takes until patience ends: only acknowledgements are due.
        mesh.run_for(GOSSIP_PATIENCE_MS - 100);
        mesh.assert_agreed();
        let sent = frames(&mesh, before);
        assert!(sent.iter().all(|frame| matches!(frame, Frame::Ack(ack) if ack.number == 0)), "seed {seed}: {sent:?}");
        assert!(mesh.verdicts.iter().all(|(_, _, verdict)| *verdict == Verdict::Accept), "seed {seed}");
    }
}

#[test]
fn what_gossip_loses_is_found_out_in_the_time_of_patience() {
    for seed in 0..20 {
        let (mut mesh, incident) = mesh(4, seed);
        mesh.lose_one_in = 2;
        for note in 0..10 {
            mesh.say(note % 4, incident, "lossy");
        }
        mesh.run_for(2 * GOSSIP_PATIENCE_MS + 2_000);
        mesh.assert_agreed();
        assert_eq!(mesh.closes, [], "seed {seed}");
    }
}

#[test]
fn a_peer_that_gossips_and_hears_nothing_is_told_all_the_same() {
    let (mut mesh, incident) = mesh(2, 3);
    mesh.lose_one_in = 1;
    mesh.say(0, incident, "into the void");
    mesh.deliver();
    assert_eq!(mesh.desks[1].len(&incident), 1);
    mesh.run_for(2 * GOSSIP_PATIENCE_MS);
    assert_eq!(mesh.desks[1].len(&incident), 2);
}

#[test]
fn a_peer_that_does_not_gossip_is_sent_what_is_new() {
    let (mut mesh, incident) = mesh(3, 5);
    let peer = mesh.desks[2].key();
    for at in 0..2 {
        mesh.input(at, Input::Gossiping { peer, is: false });
    }
    mesh.lose_one_in = 1;
    let before = mesh.frames.len();
    mesh.say(0, incident, "directly");
    mesh.deliver();
    assert_eq!(mesh.desks[2].len(&incident), 2);
    let team = mesh.desks[0].team().into();
    let sent = mesh.frames[before..].iter().filter(|(from, to, _)| (*from, *to) == (0, 1));
    for (_, _, bytes) in sent {
        assert!(matches!(Frame::decode(bytes, team), Ok(Frame::Ack(_))));
    }
}

#[test]
fn a_missing_parent_is_asked_of_the_neighbour_at_once() {
    for seed in 0..10 {
        let (mut mesh, incident) = mesh(3, seed);
        mesh.lose_one_in = 1;
        mesh.say(0, incident, "lost");
        mesh.deliver();
        mesh.lose_one_in = 0;
        mesh.say(0, incident, "builds on what is lost");
        mesh.deliver();
        assert_eq!(mesh.desks[1].len(&incident), 3, "seed {seed}");
        assert_eq!(mesh.desks[2].len(&incident), 3, "seed {seed}");
    }
}

#[test]
fn a_burst_travels_in_few_messages_and_a_catching_up_in_none() {
    let (mut mesh, incident) = mesh(3, 1);
    let burst = |mesh: &mut Mesh, n: usize| {
        let entries: Vec<EntryId> = (0..n).map(|note| mesh.desks[0].say(incident, &format!("note {note}"))).collect();
        let before = mesh.published.len();
        mesh.input(0, Input::Advanced { entries });
        let published = mesh.published.len() - before;
        mesh.published[before..].iter().for_each(|(_, bytes)| assert!(bytes.len() <= GOSSIP_BYTES_MAX));
        mesh.run_for(500);
        mesh.assert_agreed();
        published
    };
    let few = burst(&mut mesh, 200);
    assert!((1..=4).contains(&few), "{few} messages");
    assert_eq!(burst(&mut mesh, 1_000), 0);
}

/// As a bundle brings them: a run with one signature at its end.
#[test]
fn what_was_brought_by_hand_without_a_signature_of_its_own_is_sent_in_chunks() {
    let (mut mesh, incident) = mesh(3, 1);
    let entries: Vec<EntryId> = (0..3).map(|note| mesh.desks[0].say(incident, &format!("note {note}"))).collect();
    for unsigned in &entries[..2] {
        mesh.desks[0].signatures.remove(unsigned);
    }
    mesh.verdicts.clear();
    mesh.input(0, Input::Advanced { entries });
    mesh.run_for(2 * GOSSIP_PATIENCE_MS);
    mesh.assert_agreed();
    let verdicts: Vec<Verdict> = mesh.verdicts.iter().map(|(_, _, verdict)| *verdict).collect();
    assert!(!verdicts.contains(&Verdict::Reject), "{verdicts:?}");
}

#[test]
fn an_announced_entry_is_fetched_and_then_passed_on() {
    let (mut mesh, incident) = mesh(4, 2);
    mesh.lose_one_in = 1;
    let id = mesh.say(0, incident, "large");
    mesh.deliver();
    mesh.lose_one_in = 0;
    mesh.verdicts.clear();
    let entry = mesh.desks[0].ledger.entry(&id).unwrap();
    let size = entry.bytes().len() as u32 + entry.body().unwrap().size;
    let announcement = Announcement { dag: incident, id, size };
    let team = mesh.desks[0].team().into();
    mesh.publish(0, Gossip::Announcement(announcement).encode(team));
    mesh.run_for(500);
    mesh.assert_agreed();
    assert_eq!(mesh.verdicts.iter().map(|(_, _, verdict)| *verdict).collect::<Vec<_>>(), [Verdict::Accept; 3]);
}

#[test]
fn an_announcement_of_nothing_is_not_passed_on() {
    let (mut mesh, incident) = mesh(2, 2);
    let announcement = Announcement { dag: incident, id: EntryId::from_bytes([9; 32]), size: 7 };
    let team = mesh.desks[0].team().into();
    mesh.publish(0, Gossip::Announcement(announcement).encode(team));
    mesh.run_for(crate::limits::ANNOUNCED_MS + 1_000);
    let verdicts: Vec<Verdict> = mesh.verdicts.iter().map(|(_, _, verdict)| *verdict).collect();
    assert_eq!(verdicts[0], Verdict::Ignore);
    assert_eq!(mesh.closes, []);
}

#[test]
fn a_private_incident_never_goes_by_gossip() {
    for seed in 0..10 {
        let (mut mesh, _) = mesh(3, seed);
        let before = mesh.published.len();
        let private = mesh.declare(0, "a private matter", Some(vec![0, 1]));
        for note in 0..4 {
            mesh.say(note % 2, private, "quietly");
            mesh.deliver();
        }
        assert_eq!(mesh.desks[1].len(&private), 5);
        mesh.run_for(2 * ROUND_MS);
        let tips: Vec<Vec<u8>> = mesh.desks[0].order(&private).iter().map(|id| id.as_bytes()[..8].to_vec()).collect();
        for (_, bytes) in &mesh.published[before..] {
            assert!(tips.iter().all(|tip| !bytes.windows(8).any(|window| window == tip)), "seed {seed}");
        }
        assert_eq!(mesh.desks[2].len(&private), 0);
    }
}

#[test]
fn a_private_entry_that_somebody_gives_to_gossip_goes_no_further() {
    let (mut mesh, _) = mesh(3, 1);
    let private = mesh.desks[0].declare("a private matter", None);
    mesh.input(0, Input::Advanced { entries: vec![private.genesis()] });
    let leaked = mesh.published.last().unwrap().1.clone();
    mesh.deliver();
    // The same message for one that is private: the form is that of the open one.
    let quiet = mesh.declare(0, "a private matter", Some(vec![0, 1]));
    mesh.deliver();
    let say = mesh.desks[0].say(quiet, "quietly");
    let view = crate::replica::View::new(&mesh.desks[0], mesh.desks[0].team().into(), mesh.desks[0].key());
    let filled = crate::pack::fill(view, &[quiet.genesis(), say], &[], crate::pack::Signing::Every);
    let bytes = Gossip::Entries(quiet, filled.finish(0, crate::frame::Part::Live)).encode(mesh.desks[0].team().into());
    assert_ne!(leaked, bytes);
    mesh.verdicts.clear();
    mesh.publish(0, bytes);
    mesh.deliver();
    assert!(mesh.verdicts.iter().all(|(_, _, verdict)| *verdict == Verdict::Ignore), "{:?}", mesh.verdicts);
    assert_eq!(mesh.desks[2].len(&quiet), 0);
}

#[test]
fn a_forged_signature_and_bytes_that_are_no_message_are_rejected() {
    assert_eq!(
        Refusal::Signature { key: DeviceSecret::from_seed(&[1; 32]).public() }.code(),
        crate::replicator::FORGED
    );
    let (mut mesh, incident) = mesh(2, 1);
    mesh.lose_one_in = 1;
    mesh.say(0, incident, "mine");
    mesh.deliver();
    let team = mesh.desks[0].team().into();
    let Ok(Gossip::Entries(dag, packed)) = Gossip::decode(&mesh.published.last().unwrap().1, team) else {
        panic!("a message of entries");
    };
    let mut forged = packed.clone();
    forged.signatures = vec![muster_log::Signature::from_bytes([7; 64])];
    let mut unsigned = packed.clone();
    unsigned.number = 1;
    mesh.lose_one_in = 0;
    for (packed, wanted) in [(forged, Verdict::Reject), (unsigned, Verdict::Reject), (packed, Verdict::Accept)] {
        mesh.verdicts.clear();
        mesh.publish(0, Gossip::Entries(dag, packed).encode(team));
        mesh.deliver();
        assert_eq!(mesh.verdicts.iter().map(|(_, _, verdict)| *verdict).collect::<Vec<_>>(), [wanted]);
    }
    mesh.verdicts.clear();
    mesh.publish(0, vec![0x83, 1, 2, 3]);
    mesh.deliver();
    assert_eq!(mesh.verdicts[0].2, Verdict::Reject);
    assert_eq!(mesh.closes, []);
}

#[test]
fn presence_tells_what_devices_hold_that_are_not_connected() {
    let mut mesh = Mesh::new(Mesh::team(3), 4);
    mesh.connect(0, 1);
    mesh.connect(1, 2);
    mesh.run();
    mesh.gossip_all();
    let incident = mesh.declare(0, "checkout is down", None);
    mesh.run_for(40_000);
    let far = mesh.desks[2].key();
    assert!(mesh.receipts.get(&(0, far, incident)).is_some_and(|held| held.contains(&incident.genesis())));
    assert!(mesh.presented.contains(&(0, far)));
}

#[test]
fn an_old_or_forged_presence_is_dropped() {
    let (mut mesh, incident) = mesh(3, 1);
    let (team, prefix) = (mesh.desks[0].team(), mesh.desks[0].team().into());
    let secret = DeviceSecret::from_seed(&mesh.desks[1].secret.seed());
    let head: [u8; 8] = incident.as_bytes()[..8].try_into().unwrap();
    let verdict = |mesh: &mut Mesh, presence: Presence| {
        mesh.run_for(2_000);
        mesh.presence_verdicts.clear();
        mesh.publish(1, Gossip::Presence(presence).encode(prefix));
        mesh.deliver();
        mesh.presence_verdicts.iter().find(|(at, _)| *at == 0).map(|(_, verdict)| *verdict)
    };
    let sign = |secret: &DeviceSecret, wall_ms: i64, heads: Vec<_>, addresses: &[String]| {
        Presence::sign(team, secret, Timestamp(wall_ms), heads, addresses)
    };
    let long = "/ip6/2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/udp/65535/quic-v1".to_owned();
    let addresses = [long.repeat(3), long.clone(), long, "/ip4/192.0.2.7/tcp/7117".into(), "x".into()];
    let full = sign(&secret, 1_700_000_000_000, vec![head; PRESENCE_HEADS_MAX + 3], &addresses);
    assert_eq!(full.addresses, addresses[1..], "what does not fit is left out");
    assert!(Gossip::Presence(full.clone()).encode(prefix).len() <= PRESENCE_BYTES_MAX);
    let mut elsewhere = full.clone();
    elsewhere.addresses.pop();
    assert_eq!(verdict(&mut mesh, elsewhere), Some(Verdict::Reject), "nobody else says where it listens");
    assert_eq!(verdict(&mut mesh, full.clone()), Some(Verdict::Accept));
    let mut older = sign(&secret, 1_600_000_000_000, vec![head], &[]);
    assert_eq!(verdict(&mut mesh, older.clone()), Some(Verdict::Ignore));
    older.wall = Timestamp(1_800_000_000_000);
    assert_eq!(verdict(&mut mesh, older), Some(Verdict::Reject));
    let stranger = sign(&DeviceSecret::from_seed(&[99; 32]), 0, vec![], &[]);
    assert_eq!(verdict(&mut mesh, stranger), Some(Verdict::Ignore));
}
