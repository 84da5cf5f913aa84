//! Whom a newcomer hears by gossip before the roster has come and after, and what gossip says of where devices listen.

use super::{HOUR_MS, Room};
use crate::{Effect, Input, JoinAnswer};
use muster_log::DeviceKey;
use muster_sync::GossipId;
use std::collections::BTreeSet;

/// The last audience that a desk told, and nothing where it told none.
fn told(room: &mut Room, desk: usize) -> Option<BTreeSet<DeviceKey>> {
    let effects = room.desks[desk].take_effects();
    let mut audiences = effects.into_iter().filter_map(|effect| match effect {
        Effect::Audience { members, .. } => Some(members),
        _ => None,
    });
    audiences.next_back()
}

/// The network takes a subscription once on a connection, so whoever was refused it, or lost it, has to call anew.
#[test]
fn whoever_brings_the_roster_is_heard_by_gossip_before_it_came_and_nobody_is_hung_up_on() {
    let mut room = Room::new(2);
    let (now, keys) = (room.now(), [room.key(0), room.key(1)]);
    let team = room.desks[0].create_team("alice", now).unwrap();
    let ticket = room.ticket(team, HOUR_MS);
    assert_eq!(room.join(1, &ticket), JoinAnswer::Welcome);
    let sponsor = BTreeSet::from([keys[0]]);
    assert_eq!(told(&mut room, 1), Some(sponsor), "before the roster has come");

    for desk in [0, 1] {
        room.desks[desk].handle(Input::Connected { peer: keys[1 - desk] }, now).unwrap();
    }
    let mut frames = 0;
    loop {
        let mut carried = false;
        for desk in [0, 1] {
            for effect in room.desks[desk].take_effects() {
                match effect {
                    Effect::Send { frame, .. } => {
                        room.desks[1 - desk].handle(Input::Frame { peer: keys[desk], bytes: frame }, now).unwrap();
                        (carried, frames) = (true, frames + 1);
                    }
                    Effect::Audience { members, .. } => {
                        assert_eq!((desk, members), (0, BTreeSet::from([keys[1]])), "the newcomer's stays as it is");
                    }
                    _ => {}
                }
            }
        }
        assert!(frames < 1_000, "they never stop talking");
        if !carried {
            break;
        }
    }
    assert!(room.desks[1].person_in(&team).is_some(), "the roster has come");
}

#[test]
fn the_others_hear_by_gossip_where_a_device_listens() {
    let mut room = Room::new(2);
    let team = room.team();
    let (keys, listening) = ([room.key(0), room.key(1)], vec!["/ip4/192.0.2.7/tcp/7117".to_owned()]);
    room.desks[0].listens_at(listening.clone());
    let now = room.now();
    room.desks[0].handle(Input::Gossiping { team, peer: keys[1], is: true }, now).unwrap();
    let mut told = Vec::new();
    for _ in 0..60 {
        room.tick += 1_000;
        let now = room.now();
        room.desks[0].handle(Input::Timeout, now).unwrap();
        for effect in room.desks[0].take_effects() {
            let Effect::Publish { bytes, .. } = effect else { continue };
            let input = Input::Gossip { team, peer: keys[0], gossip: GossipId(told.len() as u64), bytes };
            room.desks[1].handle(input, now).unwrap();
        }
        told.extend(room.desks[1].take_effects().into_iter().filter_map(|effect| match effect {
            Effect::Whereabouts { device, addresses } => Some((device, addresses)),
            _ => None,
        }));
    }
    assert_eq!(told.first(), Some(&(keys[0], listening)));
}
