//! Links between members: made, kept single, cut, healed, ended.

use crate::node::{Node, exchange, in_time, key, pair};
use muster_net::{LinkEnd, NetEvent, SendError};

#[tokio::test]
async fn ten_thousand_frames_arrive_in_order_both_ways() {
    let (mut alice, mut bob) = pair(1, 2).await;
    let count = 10_000_u32;
    let frame = |from: u8, n: u32| [&[from][..], &n.to_be_bytes(), &vec![from; (n % 200) as usize]].concat();
    for n in 0..count {
        alice.links[&bob.key].send(frame(1, n)).unwrap();
        bob.links[&alice.key].send(frame(2, n)).unwrap();
    }
    let at_alice = async {
        for n in 0..count {
            assert_eq!(alice.frame().await, frame(2, n));
        }
    };
    let at_bob = async {
        for n in 0..count {
            assert_eq!(bob.frame().await, frame(1, n));
        }
    };
    tokio::join!(at_alice, at_bob);
    assert_eq!(alice.links[&bob.key].queued_bytes(), 0);
}

#[tokio::test]
async fn the_longest_frame_and_the_empty_one_arrive() {
    let (alice, mut bob) = pair(1, 2).await;
    for len in [muster_net::MAX_FRAME_BYTES, 0, 1] {
        alice.links[&bob.key].send(vec![7; len]).unwrap();
        assert_eq!(bob.frame().await.len(), len);
    }
}

#[tokio::test]
async fn two_nodes_that_dial_each_other_at_once_have_one_link() {
    for round in 0..10 {
        let (mut alice, mut bob) = (Node::start(1 + round).await, Node::start(100 - round).await);
        tokio::join!(alice.knows(&bob), bob.knows(&alice));
        // Links may be replaced until both sides agree; `Node::next` checks that there is never more than one.
        let (a, b) = (alice.key, bob.key);
        tokio::join!(alice.connected(b), bob.connected(a));
        for node in [&mut alice, &mut bob] {
            while let Some(event) = node.events.try_recv() {
                assert!(!matches!(event, NetEvent::Connected { .. } | NetEvent::Disconnected { .. }), "{event:?}");
            }
        }
        exchange(&mut alice, &mut bob).await;
    }
}

#[tokio::test]
async fn a_cut_disconnects_and_refuses_and_a_heal_connects_again() {
    let (mut alice, mut bob) = pair(1, 2).await;
    bob.knows(&alice).await;
    for whom in [Some(bob.key), None] {
        alice.net.cut(whom).await.unwrap();
        assert_eq!(alice.disconnected(key(2)).await, LinkEnd::Cut);
        assert_eq!(bob.disconnected(key(1)).await, LinkEnd::Closed);
        // Bob calls, and is turned away.
        let missed = bob.until("unreachable", |event| match event {
            NetEvent::Connected { .. } => panic!("connected through a cut"),
            NetEvent::Unreachable { peer, .. } => Some(peer),
            _ => None,
        });
        assert_eq!(missed.await, key(1));
        alice.net.heal(whom).await.unwrap();
        tokio::join!(alice.connected(key(2)), bob.connected(key(1)));
        exchange(&mut alice, &mut bob).await;
    }
}

#[tokio::test]
async fn a_cut_of_one_peer_leaves_the_others() {
    let (mut alice, mut bob) = pair(1, 2).await;
    let mut carol = Node::start(3).await;
    carol.members(&[alice.key]).await;
    alice.members(&[bob.key, carol.key]).await;
    alice.net.set_addresses(carol.key, vec![carol.addr.clone()]).await.unwrap();
    tokio::join!(alice.connected(key(3)), carol.connected(key(1)));
    alice.net.cut(Some(carol.key)).await.unwrap();
    alice.disconnected(key(3)).await;
    exchange(&mut alice, &mut bob).await;
}

#[tokio::test]
async fn whoever_is_no_longer_a_member_is_disconnected() {
    let (mut alice, mut bob) = pair(1, 2).await;
    let link = alice.links[&bob.key].clone();
    alice.members(&[]).await;
    assert_eq!(alice.disconnected(key(2)).await, LinkEnd::NotAMember);
    assert_eq!(bob.disconnected(key(1)).await, LinkEnd::Closed);
    assert_eq!(link.send(Vec::new()), Err(SendError::Closed));
}

#[tokio::test]
async fn a_link_closed_by_its_holder_ends_on_both_sides_and_comes_back() {
    let (mut alice, mut bob) = pair(1, 2).await;
    alice.links[&bob.key].close();
    assert_eq!(alice.disconnected(key(2)).await, LinkEnd::Dropped);
    bob.disconnected(key(1)).await;
    tokio::join!(alice.connected(key(2)), bob.connected(key(1)));
    exchange(&mut alice, &mut bob).await;
}

#[tokio::test]
async fn a_finished_link_delivers_what_is_queued_and_ends() {
    let (mut alice, mut bob) = pair(1, 2).await;
    let link = alice.links[&bob.key].clone();
    for n in 0..1000_u32 {
        link.send(n.to_be_bytes().repeat(200)).unwrap();
    }
    link.finish();
    assert_eq!(link.send(Vec::new()), Err(SendError::Closed));
    for n in 0..1000_u32 {
        assert_eq!(bob.frame().await, n.to_be_bytes().repeat(200));
    }
    assert_eq!(bob.disconnected(key(1)).await, LinkEnd::Closed);
    assert_eq!(alice.disconnected(key(2)).await, LinkEnd::Dropped);
}

#[tokio::test]
async fn shutdown_writes_what_is_queued_and_says_goodbye() {
    let (mut alice, mut bob) = pair(1, 2).await;
    for n in 0..1000_u32 {
        alice.links[&bob.key].send(n.to_be_bytes().repeat(200)).unwrap();
    }
    in_time("shutdown", alice.net.shutdown()).await.unwrap();
    in_time("the end of the task", &mut alice.task).await.unwrap();
    for n in 0..1000_u32 {
        assert_eq!(bob.frame().await, n.to_be_bytes().repeat(200));
    }
    assert_eq!(bob.disconnected(key(1)).await, LinkEnd::Closed);
    assert_eq!(alice.disconnected(key(2)).await, LinkEnd::Shutdown);
    assert!(in_time("the end of events", alice.events.recv()).await.is_none());
    assert!(alice.net.shutdown().await.is_err());
}

#[tokio::test]
async fn a_node_that_died_and_came_back_is_met_again() {
    let (mut alice, bob) = pair(1, 2).await;
    bob.knows(&alice).await;
    bob.task.abort();
    alice.disconnected(key(2)).await;
    let mut bob = Node::start(2).await;
    bob.knows(&alice).await;
    tokio::join!(alice.connected(key(2)), bob.connected(key(1)));
    exchange(&mut alice, &mut bob).await;
}

#[tokio::test]
async fn members_tell_each_other_where_they_listen() {
    let (mut alice, mut bob) = (Node::start(1).await, Node::start(2).await);
    alice.members(&[bob.key]).await;
    bob.knows(&alice).await;
    let expected = bob.addr.clone();
    let learned = alice.until("addresses", |event| match event {
        NetEvent::AddressesLearned { peer, addrs } => Some((peer, addrs)),
        _ => None,
    });
    assert_eq!(learned.await, (bob.key, vec![expected]));
    bob.until("a round trip", |event| matches!(event, NetEvent::Rtt { .. }).then_some(())).await;
}

#[tokio::test]
async fn a_wildcard_is_told_as_the_addresses_behind_it() {
    let mut alice = Node::start(1).await;
    alice.net.listen("/ip4/0.0.0.0/tcp/0".parse().unwrap()).await.unwrap();
    let told = alice.until("listening", |event| match event {
        NetEvent::Listening { addr } => Some(addr.to_string()),
        NetEvent::NotListening { addr, error } => panic!("{addr}: {error}"),
        _ => None,
    });
    let told = told.await;
    assert!(!told.contains("/0.0.0.0/") && !told.ends_with("/tcp/0"), "{told}");
}
