//! What somebody is told who may not write what was asked.

use super::{HOUR_MS, Room, declare, say};
use crate::{JoinAnswer, ReplicaError};
use muster_incident::Aside;
use muster_log::fact::{Capability, RosterFact};
use muster_log::{IncidentId, TeamId, Ticket};

impl Room {
    fn lets_in(&mut self, desk: usize, team: TeamId, capability: Capability, incident: Option<IncidentId>) {
        let now = self.now();
        let addresses = ["/ip4/127.0.0.1/tcp/7001".to_owned()];
        let expires = now.wall.plus_ms(HOUR_MS);
        let ticket = self.desks[0].invite(team, capability, incident, expires, &addresses, now).unwrap();
        self.desks[0].commit(now).unwrap();
        assert_eq!(self.join(desk, &ticket), JoinAnswer::Welcome);
    }

    fn told(&self, refused: Result<Ticket, ReplicaError>) -> String {
        let Err(error @ ReplicaError::NotAllowed(_)) = refused else { panic!("it was done") };
        error.to_string()
    }
}

#[test]
fn who_may_not_is_told_why_in_words_and_not_by_the_number_of_a_rule() {
    let mut room = Room::new(4);
    let now = room.now();
    let team = room.desks[0].create_team("alice", now).unwrap();
    room.desks[0].commit(now).unwrap();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    let (responder, observer) = (Capability::Responder, Capability::Observer);
    room.lets_in(1, team, responder, None);
    room.lets_in(2, team, observer, None);
    room.lets_in(3, team, responder, Some(incident));
    room.connect_all();
    for (desk, words) in [
        (1, "that is for an admin of the team: alice"),
        (2, "you are an observer"),
        (3, "a guest declares nothing, brings nobody in"),
    ] {
        let (now, expires) = (room.now(), room.now().wall.plus_ms(HOUR_MS));
        let refused = room.desks[desk].invite(team, responder, None, expires, &[], now);
        let told = room.told(refused);
        assert!(told.contains(words) && !told.contains("A5") && !told.contains("12D3"), "{desk}: {told}");
        let person = room.desks[desk].person_in(&team).unwrap();
        let promote = RosterFact::SetCapability { person, capability: Capability::Admin };
        let told = room.desks[desk].decide(team, &promote, now).unwrap_err().to_string();
        assert!(told.contains(words), "{desk}: {told}");
    }
    let now = room.now();
    let refused = [(2, Some(incident), say("x")), (3, None, declare("another"))];
    for ((desk, incident, act), words) in refused.into_iter().zip(["you are an observer", "you are a guest"]) {
        let told = room.desks[desk].write(team, incident, &act, &Aside::default(), now).unwrap_err().to_string();
        assert!(told.contains(words) && !told.contains("A5"), "{told}");
    }
}
