//! Two members who see each other only through a relay that ends every circuit after 128 KiB, as libp2p's relays do.
//!
//! The relay is muster's own with that limit. It is a node without a replica, so that what one of the two lacks comes from
//! the other and through a circuit, or not at all.

#![allow(clippy::unwrap_used, reason = "a test states its expectation by unwrapping")]

mod room;
mod templates;
mod wired;

use crate::room::{Room, count, key, secret};
use crate::templates::{Numbers, line};
use crate::wired::Wired;
use muster_log::{DeviceKey, IncidentId};
use muster_net::{NetEvent, NetTask, parse_address};
use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::time::Duration;

/// What a circuit carries at libp2p's relays, and how long it stands.
const CIRCUIT_BYTES: NonZeroU64 = NonZeroU64::new(128 * 1024).unwrap();
const CIRCUIT_TIME: Duration = Duration::from_secs(120);

/// The longest chunk on a relayed link, before compression.
const CHUNK_BYTES: u64 = 192 * 1024;

/// Far more than this takes.
const PATIENCE: Duration = Duration::from_secs(120);

const ENTRIES: usize = 5_000;

/// Desks; those from the relay's up to Bob's are the authors'.
const RELAY: usize = 0;
const BOB: usize = 5;
const CAROL: usize = 6;
const DORA: usize = 7;

/// Five authors take turns; Bob has it all from the first of them, as one has it who caught up.
fn outage() -> (Room, IncidentId) {
    let mut room = Room::new(8);
    for author in 1..BOB {
        room.join(RELAY, author, false);
    }
    let incident = room.declare("Checkout is down");
    let mut numbers = Numbers::new(1);
    for n in 1..ENTRIES {
        // Slower than any quota, so that nothing is set aside.
        room.tick += 100 + numbers.below(20_000);
        room.say(n % BOB, incident, line(&mut numbers));
    }
    room.join(RELAY, BOB, false);
    room.part(RELAY, BOB);
    assert_eq!(count(&room.desks[BOB], room.team, incident), ENTRIES);
    (room, incident)
}

#[tokio::test]
async fn a_circuit_of_128_kib_carries_a_thousand_entries_and_the_next_one_goes_on_where_it_ended() {
    let (mut room, incident) = outage();
    let team = room.team;
    // What it takes where nothing breaks.
    let before = room.carried;
    room.join(BOB, DORA, true);
    assert_eq!(count(&room.desks[DORA], team, incident), ENTRIES);
    let least = room.carried - before;
    room.part(BOB, DORA);

    let (task, net, mut events) = NetTask::new(&secret(RELAY), vec![parse_address("127.0.0.1:0").unwrap()]).unwrap();
    tokio::spawn(task.with_circuit_limit(CIRCUIT_BYTES, CIRCUIT_TIME).unwrap().run());
    let relay = loop {
        if let Some(NetEvent::Listening { addr }) = events.recv().await {
            break addr;
        }
    };
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    let members: BTreeSet<DeviceKey> = [RELAY, BOB, CAROL].map(key).into();
    net.set_members(members.clone()).await.unwrap();
    let tick = room.tick;
    let mut take = |desk: usize| room.desks.remove(desk);
    let (carol, bob) = (take(CAROL), take(BOB));
    let mut bob = Wired::new(bob, &secret(BOB), team, key(CAROL), tick).await;
    let mut carol = Wired::new(carol, &secret(CAROL), team, key(BOB), tick).await;
    for node in [&bob, &carol] {
        node.net.set_members(members.clone()).await.unwrap();
        node.net.set_addresses(key(RELAY), vec![relay.clone()]).await.unwrap();
    }

    let mut by_circuit: Vec<usize> = Vec::new();
    let all = async {
        while count(&carol.replica, team, incident) < ENTRIES {
            let (until, had) = (bob.deadline().min(carol.deadline()), count(&carol.replica, team, incident));
            tokio::select! {
                event = bob.events.recv() => bob.take(event.unwrap()),
                event = carol.events.recv() => {
                    let was_linked = carol.link.is_some();
                    carol.take(event.unwrap());
                    if carol.link.is_some() && !was_linked {
                        by_circuit.push(0);
                    }
                }
                () = tokio::time::sleep_until(until) => {
                    bob.timeout();
                    carol.timeout();
                }
            }
            if let Some(last) = by_circuit.last_mut() {
                *last += count(&carol.replica, team, incident) - had;
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "not all came; by circuit: {by_circuit:?}");
    let twice = carol.carried - least.min(carol.carried);
    println!("{ENTRIES} entries in {} circuits of 128 KiB: {by_circuit:?}", by_circuit.len());
    println!("entries came as {} bytes before compression, {least} where nothing breaks", carol.carried);
    assert!(by_circuit.len() > 1, "all in one: this test shows nothing about the next");
    let carriers: Vec<usize> = by_circuit.iter().copied().filter(|entries| *entries > 0).collect();
    assert!(carriers[..carriers.len() - 1].iter().all(|entries| *entries >= 1_000), "{by_circuit:?}");
    let breaks = by_circuit.len() as u64 - 1;
    assert!(twice <= breaks * CHUNK_BYTES, "{twice} bytes came twice, with {breaks} circuits ended");
}
