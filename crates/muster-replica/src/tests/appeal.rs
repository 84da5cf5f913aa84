//! Who is not let sync shows the roster: two who removed each other, newcomers, and those who are rightly out.

use super::{HOUR_MS, Room, open};
use crate::{Input, JoinAnswer, Removing};
use muster_log::fact::{Capability, RevokeMode, RosterFact};
use muster_log::{DeviceKey, DeviceSecret, SessionId, TeamId};
use muster_store::{MemoryStore, Storage as _};
use std::collections::BTreeSet;

impl Room {
    fn connect(&mut self, one: usize, other: usize) {
        let now = self.now();
        for (desk, peer) in [(one, other), (other, one)] {
            let peer = self.key(peer);
            self.desks[desk].handle(Input::Connected { peer }, now).unwrap();
        }
        self.settle();
    }

    fn expel(&mut self, by: usize, desk: usize, team: TeamId) {
        self.tick += 1;
        let (now, devices) = (self.now(), BTreeSet::from([self.key(desk)]));
        let removing = Removing::Devices { devices, mode: RevokeMode::Compromise, until: None };
        self.desks[by].remove(team, &removing, now).unwrap();
        self.desks[by].commit(now).unwrap();
        self.desks[by].take_effects();
    }

    /// What one desk shows to another that does not let it sync, and the answer.
    fn appeal(&mut self, from: usize, to: usize) -> Option<JoinAnswer> {
        let (now, me, peer) = (self.now(), self.key(from), self.key(to));
        let request = self.desks[from].appeal(&peer, now)?;
        let answer = self.desks[to].answer_join(&me, &request, now).unwrap();
        self.desks[to].commit(now).unwrap();
        Some(answer)
    }

    fn is_in(&self, at: usize, desk: usize, team: TeamId) -> bool {
        self.desks[at].ledger(&team).unwrap().roster().person_of(&self.key(desk)).is_some()
    }

    /// All that a desk has of the team: in memory, waiting, and on disk.
    fn had(&self, desk: usize, team: TeamId) -> (usize, usize, usize) {
        let ledger = self.desks[desk].ledger(&team).unwrap();
        (ledger.len(), ledger.pending_len(), self.desks[desk].store().entries(&team.into()).unwrap().len())
    }
}

fn is_refused(answer: Option<JoinAnswer>) -> bool {
    matches!(answer, Some(JoinAnswer::Refused { .. }))
}

#[test]
fn of_two_admins_who_removed_each_other_apart_the_senior_is_heard_and_the_junior_is_not() {
    let mut room = Room::new(4);
    let team = room.team();
    room.make_admin(0, team, 1);
    room.disconnect_all();
    room.expel(0, 1, team);
    room.expel(1, 0, team);
    // Whoever heard the junior first.
    for desk in [2, 3] {
        room.connect(1, desk);
        assert!(!room.is_in(desk, 0, team) && room.is_in(desk, 1, team));
    }
    room.disconnect_all();
    assert_eq!(room.appeal(0, 2), Some(JoinAnswer::Welcome));
    assert!(room.is_in(2, 0, team) && !room.is_in(2, 1, team));
    assert!(room.is_in(3, 1, team), "the other has not heard");
    room.connect(2, 3);
    assert!(room.is_in(3, 0, team) && !room.is_in(3, 1, team));
    room.disconnect_all();
    let before = room.had(2, team);
    assert!(is_refused(room.appeal(1, 2)));
    assert_eq!(room.had(2, team), before);
    room.connect(0, 2);
    let heads = |desk: usize| room.desks[desk].ledger(&team).unwrap().roster_heads();
    assert_eq!(heads(0), heads(2));
}

#[test]
fn whoever_is_rightly_out_brings_nothing_with_an_appeal() {
    let mut room = Room::new(3);
    let team = room.team();
    room.make_admin(0, team, 1);
    room.disconnect_all();
    room.expel(0, 1, team);
    // Written on heads of before, and by somebody let in after: all of it holds by the rules of admission.
    let (now, until) = (room.now(), room.now().wall.plus_ms(HOUR_MS));
    room.desks[1].invite(team, Capability::Responder, None, until, &["/ip4/127.0.0.1/tcp/7001".into()], now).unwrap();
    room.desks[1].commit(now).unwrap();
    let before = room.had(0, team);
    assert!(is_refused(room.appeal(1, 0)));
    assert_eq!(room.had(0, team), before);
    assert_eq!(room.appeal(1, 2), Some(JoinAnswer::Welcome), "who has not heard of the removal takes it for a member");
}

#[test]
fn a_newcomer_is_let_sync_by_those_who_have_not_heard_of_who_let_them_in() {
    let mut room = Room::new(3);
    let team = room.team();
    room.disconnect_all();
    room.desks.push(open(3, MemoryStore::new()));
    let ticket = room.ticket(team, HOUR_MS);
    assert_eq!(room.join(3, &ticket), JoinAnswer::Welcome);
    room.connect(0, 3);
    assert!(room.is_in(3, 3, team) && !room.is_in(2, 3, team));
    assert_eq!(room.appeal(3, 2), Some(JoinAnswer::Welcome));
    room.connect(2, 3);
    assert_eq!(room.desks[2].people(&team).unwrap().find("desk 3").ok(), room.desks[3].person_in(&team));
}

#[test]
fn the_same_roster_is_shown_again_after_a_minute_and_one_with_news_after_seconds() {
    let mut room = Room::new(2);
    let team = room.team();
    let peer = room.key(1);
    let shows = |room: &mut Room, after_ms: u64| {
        room.tick += after_ms;
        let now = room.now();
        room.desks[0].appeal(&peer, now).is_some()
    };
    assert!(shows(&mut room, 0) && !shows(&mut room, 59_999) && shows(&mut room, 1));
    room.ticket(team, HOUR_MS);
    assert!(!shows(&mut room, 4_000) && shows(&mut room, 1_000) && !shows(&mut room, 30_000));
    let now = room.now();
    assert_eq!(room.desks[0].appeal(&DeviceSecret::from_seed(&[99; 32]).public(), now), None, "nothing to strangers");
}

#[test]
fn an_appeal_that_makes_no_sense_is_refused_like_any_other() {
    let mut room = Room::new(2);
    let team = room.team();
    let (now, me, stranger) = (room.now(), room.key(0), DeviceSecret::from_seed(&[99; 32]).public());
    let peer = room.key(1);
    let request = room.desks[0].appeal(&peer, now).unwrap();
    let before = room.had(1, team);
    let mut answers = BTreeSet::new();
    for cut in 0..request.len() {
        let answer = room.desks[1].answer_join(&stranger, &request[..cut], now).unwrap();
        assert!(matches!(&answer, JoinAnswer::Refused { .. }), "{cut} bytes");
    }
    for place in 0..request.len() {
        let mut damaged = request.clone();
        damaged[place] ^= 0x20;
        if let JoinAnswer::Refused { reason } = room.desks[1].answer_join(&stranger, &damaged, now).unwrap() {
            answers.insert(reason);
        } else {
            panic!("a stranger is let in by byte {place}");
        }
    }
    assert_eq!(room.had(1, team), before);
    assert!(answers.len() <= 2, "of the team nothing is told: {answers:?}");
    let elsewhere = open(7, MemoryStore::new());
    room.desks.push(elsewhere);
    assert!(matches!(room.desks[2].answer_join(&me, &request, now).unwrap(), JoinAnswer::Refused { .. }));
    assert_eq!(
        room.desks[1].answer_join(&me, &request, now).unwrap(),
        JoinAnswer::Welcome,
        "a member is welcome anyway"
    );
}

/// Entries of a roster that still goes into one request: of each newcomer an invite, a join and a vouch.
const SHOWN_WHOLE: usize = 700;

#[test]
fn a_long_roster_is_shown_without_what_the_peer_is_known_to_hold() {
    let mut room = Room::new(3);
    let team = room.team();
    let (heard, unheard) = (room.key(1), room.key(2));
    // Opened again, the first desk knows nothing of what the others hold, and hears it from one.
    room.disconnect_all();
    let first = room.desks.remove(0);
    room.desks.insert(0, open(0, first.into_store()));
    room.connect(0, 1);
    let shows = |room: &mut Room, peer: &DeviceKey| {
        room.tick += 60_000;
        let now = room.now();
        room.desks[0].appeal(peer, now)
    };
    let mut shown_whole = 0;
    for n in 0..u16::MAX {
        let ticket = room.ticket(team, 24 * HOUR_MS);
        let mut seed = [200; 32];
        seed[..2].copy_from_slice(&n.to_be_bytes());
        let (secret, session) = (DeviceSecret::from_seed(&seed), SessionId::from_bytes([3; 16]));
        let mut newcomer =
            crate::Replica::open(MemoryStore::new(), secret, session, Box::new(super::Counter(u64::from(n) << 16)))
                .unwrap();
        let now = room.now();
        let request = newcomer.join_request(&ticket, &format!("newcomer {n}"), now).unwrap();
        let answer = room.desks[0].answer_join(&newcomer.device(), &request, now).unwrap();
        assert_eq!(answer, JoinAnswer::Welcome);
        room.desks[0].commit(now).unwrap();
        room.settle();
        if shows(&mut room, &unheard).is_none() {
            break;
        }
        shown_whole = room.desks[0].ledger(&team).unwrap().dag(&team.into()).unwrap().len();
    }
    assert!(shown_whole >= SHOWN_WHOLE, "{shown_whole} entries");
    assert_eq!(shows(&mut room, &heard), None, "they have told that they hold all of it");
    room.disconnect_all();
    room.ticket(team, HOUR_MS);
    let short = shows(&mut room, &heard).expect("the peer has told what it holds");
    assert!(short.len() < 1_000, "{} bytes", short.len());
}

#[test]
fn a_device_lowered_and_removed_by_turns_is_in_by_the_newest_word_of_the_senior() {
    let mut room = Room::new(3);
    let team = room.team();
    room.make_admin(0, team, 1);
    let junior = room.desks[1].person_in(&team).unwrap();
    room.disconnect_all();
    room.tick += 1;
    let now = room.now();
    let lowered = RosterFact::SetCapability { person: junior, capability: Capability::Responder };
    room.desks[0].decide(team, &lowered, now).unwrap();
    room.desks[0].commit(now).unwrap();
    room.expel(1, 0, team);
    room.connect(1, 2);
    assert!(!room.is_in(2, 0, team));
    room.disconnect_all();
    assert_eq!(room.appeal(0, 2), Some(JoinAnswer::Welcome));
    assert_eq!(room.appeal(0, 1), Some(JoinAnswer::Welcome), "the junior itself hears of it too");
    room.connect_all();
    for desk in 0..3 {
        assert!((0..3).all(|other| room.is_in(desk, other, team)));
        let roster = room.desks[desk].ledger(&team).unwrap().roster();
        assert_eq!(roster.capability(&junior), Some(Capability::Responder));
    }
}
