//! Tickets as they are listed.

use super::*;

#[test]
fn a_ticket_is_listed_with_who_made_it_and_who_came_until_it_expires() {
    let mut room = Room::new(3);
    let now = room.now();
    let team = room.desks[0].create_team("alice", now).unwrap();
    room.desks[0].commit(now).unwrap();
    let late = room.ticket(team, HOUR_MS);
    let soon = room.ticket(team, HOUR_MS / 2);
    let told = room.desks[0].tickets(&team, room.now());
    let alice = room.desks[0].person_in(&team);
    assert_eq!(told.iter().map(|it| it.invite).collect::<Vec<_>>(), [soon.invite, late.invite], "by expiry");
    assert!(told.iter().all(|it| it.by == alice && it.used_by.is_none() && it.capability == Capability::Responder));
    assert_eq!(room.desks[0].open_tickets(&team, room.now()), 2);
    assert_eq!(room.join(1, &soon), JoinAnswer::Welcome);
    let told = room.desks[0].tickets(&team, room.now());
    let bob = room.desks[0].ledger(&team).unwrap().roster().person_of(&room.key(1));
    assert_eq!(
        told.iter().map(|it| (it.invite, it.used_by)).collect::<Vec<_>>(),
        [(late.invite, None), (soon.invite, bob)]
    );
    assert_eq!(room.desks[0].open_tickets(&team, room.now()), 1);
    room.tick += HOUR_MS as u64 + 1;
    assert_eq!(room.desks[0].tickets(&team, room.now()), []);
}
