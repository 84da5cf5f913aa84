//! Who may hold an incident, between replicas: guests, private incidents, and all that a device received of them.

use super::*;
use crate::{BundleOrder, Removing};
use muster_log::PersonId;
use muster_log::fact::RevokeMode;
use muster_sync::bundle::{Cursor, Kind, States};
use muster_sync::frame::{Frame, HeadsDigest};
use std::collections::BTreeMap;

/// Everything that went to each desk, and what was given to gossip; what must not be found in some of it.
#[derive(Default)]
struct Tap {
    to: BTreeMap<DeviceKey, Vec<Vec<u8>>>,
    published: Vec<Vec<u8>>,
    /// Beginnings of ids, logs' names and digests, by DAG.
    traces: BTreeMap<DagId, BTreeSet<[u8; 8]>>,
}

impl Tap {
    /// Carries frames until there are none, and keeps them.
    fn settle(&mut self, room: &mut Room) {
        loop {
            self.trace(room);
            let mut frames = Vec::new();
            for desk in &mut room.desks {
                let from = desk.device();
                for effect in desk.take_effects() {
                    match effect {
                        Effect::Send { peer, frame } => frames.push((from, peer, frame)),
                        Effect::Publish { bytes, .. } => self.published.push(bytes),
                        Effect::Close { peer, reason } => panic!("{from} closes on {peer}: {reason}"),
                        _ => {}
                    }
                }
            }
            if frames.is_empty() {
                return;
            }
            for (from, to, bytes) in frames {
                self.to.entry(to).or_default().push(bytes.clone());
                room.tick += 1;
                let now = room.now();
                if let Some(desk) = room.desks.iter_mut().find(|desk| desk.device() == to) {
                    desk.handle(Input::Frame { peer: from, bytes }, now).unwrap();
                }
            }
        }
    }

    /// Remembers all by which a DAG could be known.
    fn trace(&mut self, room: &Room) {
        for desk in &room.desks {
            for team in desk.teams() {
                for (id, dag) in desk.ledger(&team).unwrap().dags() {
                    let begin = |bytes: &[u8]| <[u8; 8]>::try_from(&bytes[..8]).unwrap();
                    let traces = self.traces.entry(*id).or_default();
                    traces.extend(dag.order().iter().map(|entry| begin(entry.as_bytes())));
                    traces.extend(dag.tips().map(|tip| begin(tip.log.as_bytes())));
                    traces.insert(begin(HeadsDigest::of(&dag.heads()).as_bytes()));
                }
            }
        }
    }

    fn names(&self, bytes: &[u8], dag: &DagId) -> bool {
        self.traces[dag].iter().any(|trace| bytes.windows(8).any(|window| window == trace))
    }

    /// Asserts that a desk received something of each of `some`, and nothing of `none`: no id, log, digest or text, and no
    /// frame about any DAG but the roster and those of `some`.
    #[track_caller]
    fn check(&self, room: &Room, desk: usize, team: TeamId, some: &[IncidentId], none: &[IncidentId]) {
        let received = &self.to[&room.key(desk)];
        for incident in some {
            assert!(received.iter().any(|frame| self.names(frame, &DagId::from(*incident))), "{incident} came");
        }
        let all: Vec<DagId> = some.iter().map(|incident| DagId::from(*incident)).chain([team.into()]).collect();
        for frame in received {
            for incident in none {
                assert!(!self.names(frame, &DagId::from(*incident)), "{frame:?} names {incident}");
            }
            let about = match Frame::decode(frame, team.into()).unwrap() {
                Frame::Heads(heads) => Some(heads.dag),
                Frame::Have(have) => Some(have.dag),
                Frame::Want(want) => Some(want.dag),
                Frame::Ack(ack) => Some(ack.dag),
                Frame::Missing(missing) => Some(missing.dag),
                Frame::Entries(dag, _) => Some(dag),
                _ => None,
            };
            assert!(about.is_none_or(|dag| all.contains(&dag)), "a frame about {about:?}");
        }
        for incident in none {
            let ledger = room.desks[desk].ledger(&team).unwrap();
            assert!(ledger.dag(&DagId::from(*incident)).is_none());
        }
    }
}

/// Alice, bob and dave are members; carol, of team `network`, is a guest of `shared`; `own` is the team's; `private` is
/// alice's and bob's.
struct Scene {
    room: Room,
    tap: Tap,
    team: TeamId,
    shared: IncidentId,
    own: IncidentId,
    private: IncidentId,
}

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;

fn private(title: &str, with: &str) -> Act {
    Act::Declare { title: title.into(), severity: None, drill: false, suspected: false, private: vec![with.to_owned()] }
}

impl Scene {
    fn new() -> Self {
        let mut room = Room::new(4);
        let now = room.now();
        let team = room.desks[ALICE].create_team_with("alice", Some("database"), Vec::new(), now).unwrap();
        room.desks[ALICE].commit(now).unwrap();
        for desk in [BOB, DAVE] {
            let ticket = room.ticket(team, HOUR_MS);
            assert_eq!(room.join(desk, &ticket), JoinAnswer::Welcome);
        }
        room.desks[CAROL].create_team_with("carol", Some("network"), Vec::new(), now).unwrap();
        room.desks[CAROL].commit(now).unwrap();
        room.connect_all();
        let shared = room.write(ALICE, team, None, &declare("checkout is down"));
        let mut scene = Self { room, tap: Tap::default(), team, shared, own: shared, private: shared };
        scene.settle();
        scene.own = scene.room.write(BOB, team, None, &declare("payroll is late"));
        scene.private = scene.room.write(ALICE, team, None, &private("somebody is inside", "desk 1"));
        scene.settle();
        scene
    }

    fn settle(&mut self) {
        self.tap.settle(&mut self.room);
    }

    /// Lets carol in as a guest of `shared`.
    fn invite_carol(&mut self) {
        let (room, team) = (&mut self.room, self.team);
        let now = room.now();
        let expires = now.wall.plus_ms(HOUR_MS);
        let ticket =
            room.desks[ALICE].invite(team, Capability::Responder, Some(self.shared), expires, &[], now).unwrap();
        let addresses = vec![(room.key(ALICE), "/ip4/127.0.0.1/tcp/7001".to_owned())];
        let ticket = Ticket { addresses, ..ticket };
        assert_eq!(ticket.to_string().parse::<Ticket>().unwrap(), ticket);
        assert_eq!(room.join(CAROL, &ticket), JoinAnswer::Welcome);
        self.settle();
    }

    fn say(&mut self, desk: usize, incident: IncidentId, text: &str) {
        self.room.write(desk, self.team, Some(incident), &say(text));
        self.settle();
    }

    fn holds(&self, desk: usize, incident: IncidentId) -> usize {
        self.room.desks[desk].ledger(&self.team).unwrap().dag(&incident.into()).map_or(0, muster_log::Dag::len)
    }

    fn person(&self, desk: usize) -> PersonId {
        self.room.desks[desk].person_in(&self.team).unwrap()
    }
}

#[test]
fn a_guest_receives_the_one_incident_and_no_trace_of_any_other() {
    let mut scene = Scene::new();
    scene.invite_carol();
    let (team, shared, own, private) = (scene.team, scene.shared, scene.own, scene.private);
    for round in 0..3 {
        for (desk, incident) in [(ALICE, shared), (BOB, own), (CAROL, shared), (ALICE, private), (DAVE, shared)] {
            scene.say(desk, incident, &format!("round {round}"));
        }
    }
    for desk in [ALICE, BOB, CAROL, DAVE] {
        assert_eq!(scene.holds(desk, shared), 10, "new entries went to everybody at once, desk {desk}");
    }
    scene.room.disconnect_all();
    scene.room.write(BOB, team, Some(own), &say("while apart"));
    scene.room.write(DAVE, team, Some(shared), &say("while apart"));
    scene.room.connect_all();
    scene.settle();
    scene.tap.check(&scene.room, CAROL, team, &[shared], &[own, private]);
    scene.tap.check(&scene.room, DAVE, team, &[shared, own], &[private]);
    assert_eq!(scene.holds(CAROL, shared), 11);
    // She is shown under her own team's name, here and there.
    for desk in [ALICE, CAROL] {
        let people = scene.room.desks[desk].people(&team).unwrap();
        assert_eq!(people.name(&scene.person(CAROL)), "desk 2 (network)");
    }
    let holding = scene.room.desks[ALICE].holding(&team, &own.into()).unwrap();
    assert_eq!(holding.devices(), 3, "who may hold it besides her");
}

#[test]
fn gossip_and_presence_carry_nothing_of_a_private_incident() {
    let mut scene = Scene::new();
    let (team, private) = (scene.team, scene.private);
    let keys: Vec<DeviceKey> = (0..4).map(|desk| scene.room.key(desk)).collect();
    for desk in [ALICE, BOB] {
        for peer in keys.iter().filter(|peer| **peer != keys[desk]) {
            let now = scene.room.now();
            scene.room.desks[desk].handle(Input::Gossiping { team, peer: *peer, is: true }, now).unwrap();
        }
    }
    scene.say(ALICE, scene.shared, "aloud");
    scene.say(ALICE, private, "quietly");
    for _ in 0..40 {
        scene.room.tick += 1_000;
        let now = scene.room.now();
        scene.room.desks[ALICE].handle(Input::Timeout, now).unwrap();
        scene.settle();
    }
    let presences = scene.tap.published.iter().filter(|bytes| bytes.len() <= 200).count();
    assert!(presences > 1 && scene.tap.published.len() > presences, "{presences} of {}", scene.tap.published.len());
    assert!(scene.tap.published.iter().any(|bytes| scene.tap.names(bytes, &scene.shared.into())));
    assert!(!scene.tap.published.iter().any(|bytes| scene.tap.names(bytes, &private.into())));
}

#[test]
fn whoever_is_admitted_later_gets_the_history_and_whoever_is_removed_nothing_more() {
    let mut scene = Scene::new();
    scene.invite_carol();
    let (team, shared, own, private) = (scene.team, scene.shared, scene.own, scene.private);
    scene.say(BOB, private, "before");
    scene.say(BOB, own, "before");
    assert_eq!((scene.holds(DAVE, private), scene.holds(CAROL, own)), (0, 0));
    scene.room.write(BOB, team, Some(private), &Act::Admit { who: "desk 3".into() });
    scene.room.write(DAVE, team, Some(own), &Act::Admit { who: "desk 2".into() });
    scene.settle();
    assert_eq!((scene.holds(DAVE, private), scene.holds(CAROL, own)), (3, 3));
    scene.say(CAROL, own, "from a guest who was admitted");
    scene.say(DAVE, private, "from a member who was admitted");
    assert_eq!((scene.holds(BOB, private), scene.holds(BOB, own)), (4, 4));
    assert_eq!(scene.holds(CAROL, private), 0);
    let now = scene.room.now();
    let carol =
        Removing::Devices { devices: BTreeSet::from([scene.room.key(CAROL)]), mode: RevokeMode::Retire, until: None };
    scene.room.desks[ALICE].remove(team, &carol, now).unwrap();
    scene.room.desks[ALICE].commit(now).unwrap();
    scene.settle();
    let had = (scene.holds(CAROL, shared), scene.holds(CAROL, own));
    scene.say(ALICE, shared, "after");
    scene.say(ALICE, own, "after");
    assert_eq!((scene.holds(CAROL, shared), scene.holds(CAROL, own)), had);
}

/// The roster says how far the log of a removed device counts, and the roster is everybody's.
#[test]
fn a_removal_names_no_private_incident_and_what_was_written_there_counts_as_everywhere() {
    let mut scene = Scene::new();
    scene.invite_carol();
    let (team, own, private) = (scene.team, scene.own, scene.private);
    for incident in [own, private] {
        scene.say(BOB, incident, "early");
    }
    scene.room.tick += 1;
    let theft = scene.room.now().wall;
    for incident in [own, private] {
        scene.say(BOB, incident, "by the thief");
    }
    let devices = BTreeSet::from([scene.room.key(BOB)]);
    let stolen = Removing::Devices { devices, mode: RevokeMode::Compromise, until: Some(theft) };
    let now = scene.room.now();
    let outlook = scene.room.desks[ALICE].outlook(team, &stolen, now).unwrap();
    let done = scene.room.desks[ALICE].remove(team, &stolen, now).unwrap();
    assert_eq!(done.changed, outlook.changed, "what was foretold is what is done");
    assert_eq!(done.changed.len(), 2);
    scene.room.desks[ALICE].commit(now).unwrap();
    scene.settle();
    let alice = scene.room.desks[ALICE].view(team, private).unwrap();
    let shown: Vec<(&str, &str)> = alice.timeline.iter().map(|row| (row.text.as_str(), row.status)).collect();
    assert_eq!(shown, [("somebody is inside", "active"), ("early", "active"), ("by the thief", "revoked")]);
    for desk in [CAROL, DAVE] {
        let ledger = scene.room.desks[desk].ledger(&team).unwrap();
        assert!(ledger.removals().len() == 1, "desk {desk} knows of the removal");
        for entry in ledger.dag(&team.into()).unwrap().entries() {
            assert!(!scene.tap.names(entry.bytes(), &private.into()), "{:?} names it", entry.kind());
        }
    }
    let names_own = |entry: &Entry| scene.tap.names(entry.bytes(), &own.into());
    assert!(scene.room.desks[DAVE].ledger(&team).unwrap().dag(&team.into()).unwrap().entries().any(names_own));
}

#[test]
fn who_puts_the_own_device_away_names_no_private_incident() {
    let mut scene = Scene::new();
    let (team, private) = (scene.team, scene.private);
    scene.say(BOB, private, "last words");
    let devices = BTreeSet::from([scene.room.key(BOB)]);
    let retired = Removing::Devices { devices, mode: RevokeMode::Retire, until: None };
    let (now, entries) = (scene.room.now(), scene.holds(BOB, private));
    let done = scene.room.desks[BOB].remove(team, &retired, now).unwrap();
    scene.room.desks[BOB].commit(now).unwrap();
    assert_eq!(
        (done.changed.len(), scene.holds(BOB, private)),
        (0, entries),
        "all counts, and nothing need be said there"
    );
    for entry in scene.room.desks[BOB].ledger(&team).unwrap().dag(&team.into()).unwrap().entries() {
        assert!(!scene.tap.names(entry.bytes(), &private.into()), "{:?} names it", entry.kind());
    }
}

#[test]
fn a_bundle_holds_what_its_reader_may_hold() {
    let mut scene = Scene::new();
    scene.invite_carol();
    let (team, now) = (scene.team, scene.room.now());
    let dags = |reader: Option<PersonId>, incidents: &[IncidentId]| {
        let order = BundleOrder { team, reader, only: None, kind: Kind::Full, base: None };
        let plan = scene.room.desks[ALICE].plan_bundle(&order, now).unwrap();
        let listed: BTreeSet<DagId> = plan.dags.iter().map(|(dag, _)| *dag).collect();
        let expected: BTreeSet<DagId> = incidents.iter().map(|it| DagId::from(*it)).chain([team.into()]).collect();
        assert_eq!(listed, expected);
        assert_eq!(plan.left_out, 3 - incidents.len());
        let mut bytes = [plan.header.encode(), plan.states.concat()].concat();
        for (dag, to) in plan.dags {
            let mut cursor = Cursor { from: 0, to, loose: Vec::new() };
            while !cursor.is_at_end() {
                let chunk = scene.room.desks[ALICE].pack_bundle(&team, dag, &States::default(), 1, &mut cursor);
                bytes.extend(chunk.unwrap().map(|chunk| chunk.frame).unwrap_or_default());
            }
        }
        for other in [scene.shared, scene.own, scene.private].iter().filter(|it| !incidents.contains(it)) {
            assert!(!scene.tap.names(&bytes, &DagId::from(*other)));
        }
    };
    let (shared, own, private) = (scene.shared, scene.own, scene.private);
    dags(Some(scene.person(CAROL)), &[shared]);
    dags(None, &[shared, own]);
    dags(Some(scene.person(DAVE)), &[shared, own]);
    dags(Some(scene.person(BOB)), &[shared, own, private]);
}

#[test]
fn a_guest_keeps_the_own_team_brings_nothing_along_and_lets_nobody_in() {
    let mut scene = Scene::new();
    let now = scene.room.now();
    let own_team = scene.room.desks[CAROL].current_team().unwrap().unwrap();
    let at_home = scene.room.write(CAROL, own_team, None, &declare("switch is dead"));
    scene.invite_carol();
    assert_eq!(scene.room.desks[CAROL].current_team().unwrap(), Some(own_team));
    assert_eq!(scene.room.desks[CAROL].team_of(&at_home), Some(own_team));
    assert!(scene.room.desks[ALICE].team_of(&at_home).is_none());
    let refused = |desk: &mut Replica<MemoryStore>, act: &Act, incident| {
        desk.write(scene.team, incident, act, &Aside::default(), now).unwrap_err().to_string()
    };
    let carol = &mut scene.room.desks[CAROL];
    assert!(refused(carol, &declare("not mine"), None).contains("a guest declares nothing"));
    let admit = Act::Admit { who: "desk 3".into() };
    assert!(refused(carol, &admit, Some(scene.shared)).contains("a guest brings nobody"));
    assert!(carol.invite(scene.team, Capability::Responder, None, now.wall, &[], now).is_err());
    let again =
        refused(&mut scene.room.desks[ALICE], &Act::Admit { who: "desk 2 (network)".into() }, Some(scene.shared));
    assert!(again.contains("may hold this incident already"), "{again}");
    let (alice, private) = (&mut scene.room.desks[ALICE], Some(scene.private));
    assert!(alice.invite(scene.team, Capability::Responder, private, now.wall, &[], now).is_err());
}

#[test]
fn the_network_is_told_who_gossips_and_who_belongs_together_where_gossip_does_not_reach() {
    let mut scene = Scene::new();
    let mut told: BTreeMap<usize, Vec<BTreeSet<DeviceKey>>> = BTreeMap::new();
    let mut audiences: BTreeMap<usize, BTreeSet<DeviceKey>> = BTreeMap::new();
    let keys: Vec<DeviceKey> = (0..4).map(|desk| scene.room.key(desk)).collect();
    scene.invite_carol();
    // Opened again, each tells all that it has to tell.
    let desks = std::mem::take(&mut scene.room.desks);
    for (number, desk) in desks.into_iter().enumerate() {
        let mut desk = open(number as u8, desk.into_store());
        for effect in desk.take_effects() {
            match effect {
                Effect::Circles(circles) => drop(told.insert(number, circles)),
                Effect::Audience { team, members } if team == scene.team => drop(audiences.insert(number, members)),
                _ => {}
            }
        }
    }
    let set = |desks: &[usize]| desks.iter().map(|desk| keys[*desk]).collect::<BTreeSet<_>>();
    let sorted = |mut circles: Vec<BTreeSet<DeviceKey>>| {
        circles.sort();
        circles
    };
    assert_eq!(told[&ALICE], sorted(vec![set(&[BOB]), set(&[CAROL])]), "the private incident, and the guest");
    assert_eq!(told[&BOB], sorted(vec![set(&[ALICE]), set(&[CAROL])]));
    assert_eq!(told[&DAVE], [set(&[CAROL])]);
    assert_eq!(told[&CAROL], [set(&[ALICE, BOB, DAVE])], "a guest's hosts");
    assert_eq!(audiences[&ALICE], set(&[BOB, DAVE]), "a guest hears no gossip of the team");
    assert_eq!(audiences.get(&CAROL), None, "and says nothing there");
}
