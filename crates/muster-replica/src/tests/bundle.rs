//! Bundles between replicas that share no link: who may have what, what comes in twice, what counts as held.

use super::*;
use crate::{BundleError, BundleOrder, TakenChunk};
use muster_log::{EntryId, PersonId};
use muster_store::Storage;
use muster_sync::bundle::{BundleReader, BundleWriter, Cursor, Found, Header, Kind, States, Summary};

pub(super) fn whole(team: TeamId) -> BundleOrder {
    BundleOrder { team, reader: None, only: None, kind: Kind::Full, base: None }
}

pub(super) struct Bundle {
    header: Header,
    pub(super) chunks: Vec<Vec<u8>>,
    states: Vec<Vec<u8>>,
    summary: Summary,
    left_out: usize,
}

/// Written at one desk and read back frame by frame.
pub(super) fn write(desk: &Replica<MemoryStore>, order: &BundleOrder, base: &States, now: Now) -> Bundle {
    let plan = desk.plan_bundle(order, now).unwrap();
    let (mut writer, mut bytes) = BundleWriter::begin(plan.header.clone(), &plan.states);
    for (dag, to) in plan.dags {
        let mut cursor = Cursor { from: 0, to, loose: Vec::new() };
        while !cursor.is_at_end() {
            let number = writer.next_number();
            if let Some(chunk) = desk.pack_bundle(&order.team, dag, base, number, &mut cursor).unwrap() {
                bytes.extend(writer.chunk(&chunk));
            }
        }
    }
    bytes.extend(writer.end());
    let (mut reader, mut chunks) = (BundleReader::new(), Vec::new());
    reader.push(&bytes);
    while let Some(found) = reader.poll().unwrap() {
        if let Found::Chunk(chunk) = found {
            chunks.push(chunk);
        }
    }
    let summary = reader.finish().unwrap();
    assert!(summary.is_whole);
    Bundle { header: plan.header, chunks, states: plan.states, summary, left_out: plan.left_out }
}

impl Room {
    pub(super) fn take(&mut self, desk: usize, chunks: &[Vec<u8>]) -> Vec<TakenChunk> {
        let now = self.now();
        let taken = chunks.iter().map(|chunk| {
            let taken = self.desks[desk].take_bundle_chunk(chunk, now).unwrap().unwrap();
            self.desks[desk].commit(now).unwrap();
            taken
        });
        taken.collect()
    }

    fn person(&self, desk: usize, team: TeamId) -> PersonId {
        self.desks[desk].person_in(&team).unwrap()
    }

    /// Two or more who know each other and are apart from now on, with one incident that they share.
    fn apart(desks: u8) -> (Self, TeamId, IncidentId) {
        let mut room = Self::new(desks);
        let team = room.team();
        let incident = room.write(0, team, None, &declare("checkout is down"));
        room.settle();
        room.disconnect_all();
        (room, team, incident)
    }
}

fn new(taken: &[TakenChunk]) -> usize {
    taken.iter().map(|taken| taken.new).sum()
}

#[test]
fn a_bundle_and_its_reply_make_two_who_never_meet_equal() {
    let (mut room, team, incident) = Room::apart(2);
    room.write(0, team, Some(incident), &say("from alice"));
    room.write(1, team, Some(incident), &say("from bob"));
    let other = room.write(1, team, None, &declare("mail is slow"));
    let there = write(&room.desks[0], &whole(team), &States::default(), room.now());
    assert_eq!(new(&room.take(1, &there.chunks)), 1);
    let states = there.summary.states.unwrap();
    let order = BundleOrder {
        reader: Some(room.person(0, team)),
        kind: Kind::Reply,
        base: Some(there.header.id()),
        ..whole(team)
    };
    let back = write(&room.desks[1], &order, &states, room.now());
    assert_eq!(back.summary.trailer.unwrap().entries, 2, "exactly what alice lacked");
    assert_eq!(new(&room.take(0, &back.chunks)), 2);
    for incident in [incident, other] {
        assert_eq!(room.timeline(0, team, incident), room.timeline(1, team, incident));
    }
}

#[test]
fn reading_again_takes_nothing_twice_and_writes_nothing() {
    let (mut room, team, incident) = Room::apart(2);
    room.write(0, team, Some(incident), &say("from alice"));
    let bundle = write(&room.desks[0], &whole(team), &States::default(), room.now());
    room.take(1, &bundle.chunks);
    let shown = room.timeline(1, team, incident);
    // After a restart nothing is remembered but the store.
    let store = room.desks.remove(1).into_store();
    room.desks.insert(1, open(1, store));
    let taken = room.take(1, &bundle.chunks);
    assert!(taken.iter().all(|taken| taken.new == 0 && taken.known == taken.entries), "{taken:?}");
    assert!(!room.desks[1].dirty, "nothing is staged");
    assert_eq!(room.timeline(1, team, incident), shown);
}

#[test]
fn chunks_in_any_order_wait_for_what_they_build_on_and_a_second_pass_brings_their_texts() {
    let (mut room, team, _) = Room::apart(2);
    let late = room.write(0, team, None, &declare("mail is slow"));
    room.write(0, team, Some(late), &say("still"));
    let mut chunks = write(&room.desks[0], &whole(team), &States::default(), room.now()).chunks;
    let newcomer = room.desks.len();
    room.desks.push(open(9, MemoryStore::new()));
    // A newcomer who was let in and has no roster yet.
    let ticket = room.ticket(team, HOUR_MS);
    assert_eq!(room.join(newcomer, &ticket), JoinAnswer::Welcome);
    chunks.reverse();
    let taken = room.take(newcomer, &chunks);
    assert!(!taken[0].pending.is_empty());
    let waiting: Vec<EntryId> = taken.iter().flat_map(|taken| taken.pending.clone()).collect();
    assert_eq!(room.desks[newcomer].still_waiting(&team, &waiting).unwrap().0, 0);
    let again = room.take(newcomer, &chunks);
    assert_eq!(new(&again), 0);
    assert_eq!(room.timeline(newcomer, team, late), room.timeline(0, team, late));
}

#[test]
fn a_private_incident_goes_only_into_a_bundle_for_one_of_its_persons() {
    let (mut room, team, _) = Room::apart(3);
    let private = Act::Declare {
        title: "who leaked it".into(),
        severity: None,
        drill: false,
        suspected: false,
        private: vec!["desk 1".into()],
    };
    let secret = room.write(0, team, None, &private);
    let now = room.now();
    let for_person = |desk| BundleOrder { reader: desk, ..whole(team) };
    for (reader, holds) in [(None, false), (Some(room.person(2, team)), false), (Some(room.person(1, team)), true)] {
        let bundle = write(&room.desks[0], &for_person(reader), &States::default(), now);
        assert_eq!(bundle.left_out, usize::from(!holds));
        let everything = [bundle.chunks.concat(), bundle.states.concat(), bundle.header.encode()].concat();
        let names = everything.windows(32).any(|window| window == secret.genesis().as_bytes());
        assert_eq!(names, holds, "{reader:?}");
        let by_name = BundleOrder { only: Some([secret].into()), ..for_person(reader) };
        let refused =
            matches!(room.desks[0].plan_bundle(&by_name, now), Err(ReplicaError::Bundle(BundleError::Private { .. })));
        assert_eq!(refused, !holds);
    }
    let for_bob = write(&room.desks[0], &for_person(Some(room.person(1, team))), &States::default(), now);
    assert!(room.desks[1].welcome_bundle(&for_bob.header).is_ok());
    let refused = room.desks[2].welcome_bundle(&for_bob.header).unwrap_err();
    assert!(matches!(refused, ReplicaError::Bundle(BundleError::OtherReader { reader }) if reader == "desk 1"));
}

#[test]
fn a_bundle_of_another_team_is_refused_whole_and_by_the_chunk() {
    let (mut room, team, _) = Room::apart(1);
    let bundle = write(&room.desks[0], &whole(team), &States::default(), room.now());
    let mut stranger = open(7, MemoryStore::new());
    let now = room.now();
    stranger.create_team("mallory", now).unwrap();
    stranger.commit(now).unwrap();
    let is_refused = |error| matches!(error, ReplicaError::Bundle(BundleError::OtherTeam { .. }));
    assert!(is_refused(stranger.welcome_bundle(&bundle.header).unwrap_err()));
    assert!(is_refused(stranger.take_bundle_chunk(&bundle.chunks[0], now).unwrap_err()));
    // One incident's chunk under our team's name is bound to the other team's entries and so malformed or refused.
    let mut renamed = bundle.chunks[1].clone();
    let ours = stranger.teams()[0];
    let at = renamed.windows(8).position(|window| window == &team.as_bytes()[..8]).unwrap();
    renamed[at..at + 8].copy_from_slice(&ours.as_bytes()[..8]);
    let taken = stranger.take_bundle_chunk(&renamed, now).unwrap();
    assert!(taken.is_err() || taken.is_ok_and(|taken| taken.new == 0));
    room.tick += 1;
}

#[test]
fn only_a_members_word_counts_as_a_receipt() {
    let (mut room, team, incident) = Room::apart(2);
    let note = room.write(0, team, None, &declare("only here so far")).genesis();
    let there = write(&room.desks[0], &whole(team), &States::default(), room.now());
    room.take(1, &there.chunks);
    let back = write(&room.desks[1], &whole(team), &States::default(), room.now());
    let (alice, bob) = (room.key(0), room.key(1));
    assert_eq!(room.desks[0].holders(&team, &note).unwrap(), BTreeSet::from([alice]));
    let stranger = DeviceSecret::from_seed(&[99; 32]).public();
    assert!(room.desks[0].note_bundle(&team, &stranger, &back.states).is_err());
    assert!(room.desks[0].note_bundle(&team, &bob, &back.states).unwrap() > 0);
    assert_eq!(room.desks[0].holders(&team, &note).unwrap(), BTreeSet::from([alice, bob]));
    assert!(room.desks[0].view(team, incident).is_ok());
}

#[test]
fn a_chunk_with_a_refused_entry_brings_nothing_and_names_it() {
    let (mut room, team, incident) = Room::apart(2);
    room.write(0, team, Some(incident), &say("good"));
    let bundle = write(&room.desks[0], &whole(team), &States::default(), room.now());
    let now = room.now();
    let chunk = &bundle.chunks[1];
    let tip = room.desks[0].ledger(&team).unwrap().dag(&incident.into()).unwrap().heads()[0];
    let signature = room.desks[0].store().entry(&tip).unwrap().unwrap().signature.unwrap();
    let at = chunk.windows(64).position(|window| window == signature.as_bytes()).unwrap();
    for bit in at * 8..(at + 64) * 8 {
        let mut damaged = chunk.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let taken = room.desks[1].take_bundle_chunk(&damaged, now).unwrap().unwrap();
        assert_eq!(taken.new, 0);
        assert!(taken.refused.len() == 1 && taken.refused[0].0 == tip && taken.refused[0].1.starts_with("A4"));
        assert!(!room.desks[1].dirty, "nothing of it is staged");
    }
    room.take(1, &bundle.chunks);
    assert_eq!(room.timeline(1, team, incident), room.timeline(0, team, incident));
}
