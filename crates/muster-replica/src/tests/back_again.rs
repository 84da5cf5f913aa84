//! Somebody who was taken out and came back as somebody new, who still has what the former one had.

use super::{HOUR_MS, Room, say};
use crate::{Effect, Input, JoinAnswer, Removing};
use muster_incident::{Act, Aside};
use muster_log::fact::RevokeMode;
use std::collections::BTreeSet;

/// How long the two are watched: several times the longest wait before heads that differ are sent again.
const WATCHED_MS: u64 = 10 * muster_sync::limits::RETRY_LAST_MS;

/// The frame that carries entries.
const ENTRIES: u8 = 7;

impl Room {
    /// Lets time go by for two desks that are linked; how many frames with entries were sent meanwhile.
    fn chunks_sent_within(&mut self, ms: u64) -> usize {
        let (end, keys) = (self.tick + ms, [self.key(0), self.key(1)]);
        let mut chunks = 0;
        loop {
            for from in [0, 1] {
                for effect in self.desks[from].take_effects() {
                    let Effect::Send { frame, .. } = effect else { continue };
                    chunks += usize::from(frame[1] == ENTRIES);
                    let now = self.now();
                    self.desks[1 - from].handle(Input::Frame { peer: keys[from], bytes: frame }, now).unwrap();
                }
            }
            let next = self.desks.iter().filter_map(|desk| desk.deadline()).min().map_or(end, |tick| tick.0);
            if next >= end {
                self.tick = end;
                return chunks;
            }
            self.tick = self.tick.max(next) + 1;
            let now = self.now();
            self.desks.iter_mut().for_each(|desk| desk.handle(Input::Timeout, now).unwrap());
        }
    }
}

#[test]
fn what_somebody_has_who_came_back_and_may_no_longer_hold_it_is_not_sent_again_and_again() {
    let mut room = Room::new(2);
    let team = room.team();
    let private = vec!["desk 1".to_owned()];
    let declare =
        Act::Declare { title: "a theft".to_owned(), severity: Some(1), drill: false, suspected: true, private };
    let incident = room.write(0, team, None, &declare);
    room.settle();
    let now = room.now();
    room.desks[1].write(team, Some(incident), &say("seen by both"), &Aside::default(), now).unwrap();
    room.desks[1].commit(now).unwrap();
    room.settle();
    room.disconnect_all();

    let devices = BTreeSet::from([room.key(1)]);
    let removing = Removing::Devices { devices, mode: RevokeMode::Retire, until: None };
    room.desks[0].remove(team, &removing, now).unwrap();
    room.desks[0].commit(now).unwrap();
    let ticket = room.ticket(team, HOUR_MS);
    assert_eq!(room.join(1, &ticket), JoinAnswer::Welcome);
    room.connect_all();
    let back = room.desks[1].person_in(&team).unwrap();
    assert!(!room.desks[1].ledger(&team).unwrap().may_hold(&back, &incident), "nobody admitted the new person");
    assert_eq!(room.desks[1].incidents().unwrap(), [(team, incident)], "what is there stays");

    assert_eq!(room.chunks_sent_within(WATCHED_MS), 0, "the other has it already");
    for desk in [0, 1] {
        let [peer] = &room.desks[desk].peers(&team).unwrap()[..] else { panic!("two desks") };
        assert_eq!((peer.missing_here, peer.missing_there), (Some(0), Some(0)), "as desk {desk} sees it");
    }
}
