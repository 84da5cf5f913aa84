//! A device that wrote two entries under one number: found, told, and proven by a file.

use super::{Room, declare, say};
use muster_incident::Aside;
use muster_log::fork_proof::ForkProof;
use muster_log::{Claimed, DeviceSecret, Draft};

#[test]
fn a_fork_is_listed_and_proven_with_what_the_store_holds() {
    let mut room = Room::new(3);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    let now = room.now();
    let noted = room.desks[1].write(team, Some(incident), &say("one thing"), &Aside::default(), now).unwrap().entry;
    room.desks[1].commit(now).unwrap();
    room.settle();
    assert_eq!(room.desks[0].forks(&team).unwrap(), Vec::<Vec<_>>::new());
    assert_eq!(room.desks[0].fork_proof(&team, &noted).unwrap(), None);

    // The same device, the same number, something else: only its key can do that.
    let honest = room.desks[0].ledger(&team).unwrap().entry(&noted).unwrap().clone();
    let claimed = Claimed { time: honest.claimed().time.plus_ms(1), ..honest.claimed() };
    let other = Draft { claimed, body: None, ..honest.items().clone() }.seal().unwrap();
    let signature = DeviceSecret::from_seed(&[2; 32]).sign_entry(&other.id());
    room.desks[0].admit_foreign(team, other.clone(), signature, None, now).unwrap();
    room.desks[0].commit(now).unwrap();

    let mut both = vec![noted, other.id()];
    both.sort_unstable();
    assert_eq!(room.desks[0].forks(&team).unwrap(), [both.clone()]);
    for id in &both {
        let proof = room.desks[0].fork_proof(&team, id).unwrap().unwrap();
        let shown = ForkProof::decode(&proof.encode()).unwrap().check().unwrap();
        assert_eq!((shown.key, shown.entries.to_vec()), (room.key(1), both.clone()));
    }
    // Both entries travel, so everybody can prove it.
    room.settle();
    assert_eq!(room.desks[2].forks(&team).unwrap(), [both]);
}
