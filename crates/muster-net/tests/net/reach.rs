//! Ways to a peer: QUIC where it is built in, through a third member, and from there directly.

use crate::node::{Node, exchange, key};
use crate::raw_peer::RawPeer;
use muster_log::DeviceKey;
use muster_net::{Link, NetEvent, Path};

impl Node {
    /// Waits for a link to this peer that goes this way; another way may come first.
    fn connected_by(&mut self, peer: DeviceKey, path: Path) -> impl Future<Output = Link> {
        self.until("connected that way", move |event| match event {
            NetEvent::Connected { peer: found, link, .. } if found == peer && link.path() == path => Some(link),
            _ => None,
        })
    }
}

/// Two members who know nobody but the one in the middle.
async fn around_a_middle(mut first: Node, mut last: Node) -> [Node; 3] {
    let mut middle = Node::start(2).await;
    let members = [first.key, middle.key, last.key];
    for node in [&first, &middle, &last] {
        node.members(&members).await;
    }
    for outer in [&first, &last] {
        outer.net.set_addresses(middle.key, vec![middle.addr.clone()]).await.unwrap();
    }
    let both = async {
        middle.connected(key(1)).await;
    };
    tokio::join!(first.connected(key(2)), last.connected(key(2)), both);
    [first, middle, last]
}

#[cfg(feature = "quic")]
#[tokio::test]
async fn members_link_over_quic_and_frames_arrive_in_order() {
    let mut alice = Node::start_at(1, "/ip4/127.0.0.1/udp/0/quic-v1").await;
    let mut bob = Node::start_at(2, "/ip4/127.0.0.1/udp/0/quic-v1").await;
    bob.members(&[alice.key]).await;
    alice.knows(&bob).await;
    let (link, _) = tokio::join!(alice.connected(key(2)), bob.connected(key(1)));
    assert_eq!(link.path(), Path::Direct);
    exchange(&mut alice, &mut bob).await;
    for n in 0..200_u32 {
        link.send([&n.to_be_bytes()[..], &vec![1; 64 * 1024 * (n % 2) as usize]].concat()).unwrap();
        assert_eq!(bob.frame().await[..4], n.to_be_bytes());
    }
}

#[tokio::test]
async fn two_members_that_cannot_be_dialled_meet_through_a_third() {
    let [mut first, middle, mut last] = around_a_middle(Node::start_deaf(1), Node::start_deaf(3)).await;
    let (at_first, at_last) =
        tokio::join!(first.connected_by(key(3), Path::Relayed), last.connected_by(key(1), Path::Relayed));
    assert_eq!((at_first.path(), at_last.path()), (Path::Relayed, Path::Relayed));
    exchange(&mut first, &mut last).await;
    // The middle carries it: without it the link ends.
    middle.net.shutdown().await.unwrap();
    tokio::join!(first.disconnected(key(3)), last.disconnected(key(1)));
}

#[tokio::test]
async fn members_who_meet_through_a_third_go_on_directly_where_they_can() {
    let (first, last) = (Node::start(1).await, Node::start(3).await);
    let [mut first, _middle, mut last] = around_a_middle(first, last).await;
    let learned = first.until("addresses", |event| match event {
        NetEvent::AddressesLearned { peer, addrs } if peer == key(3) => Some(addrs),
        _ => None,
    });
    let addrs = learned.await;
    first.net.set_addresses(key(3), addrs).await.unwrap();
    tokio::join!(first.connected_by(key(3), Path::Direct), last.connected_by(key(1), Path::Direct));
    exchange(&mut first, &mut last).await;
}

#[tokio::test]
async fn a_stranger_is_offered_no_relay_and_a_member_is() {
    let alice = Node::start(1).await;
    alice.members(&[key(7)]).await;
    let relay = "/libp2p/circuit/relay/0.2.0/hop";
    assert!(RawPeer::dial(8, &alice.addr).await.open(relay).await.is_none());
    assert!(RawPeer::dial(7, &alice.addr).await.open(relay).await.is_some());
}

#[tokio::test]
async fn a_large_team_is_not_linked_all_with_all() {
    let mut alice = Node::start(1).await;
    let mut others = Vec::new();
    for seed in 2..=30 {
        let other = Node::start(seed).await;
        other.members(&[alice.key]).await;
        others.push(other);
    }
    for other in &others {
        alice.net.set_addresses(other.key, vec![other.addr.clone()]).await.unwrap();
    }
    let members: Vec<DeviceKey> = others.iter().map(|other| other.key).collect();
    alice.members(&members).await;
    let mut up = 0;
    while up < 10 {
        up += alice.until("a link", |event| matches!(event, NetEvent::Connected { .. }).then_some(1)).await;
    }
    // Whoever is called by nobody calls, and is taken.
    let unlinked = others.iter().position(|other| !alice.links.contains_key(&other.key)).unwrap();
    let caller = &mut others[unlinked];
    caller.net.set_addresses(alice.key, vec![alice.addr.clone()]).await.unwrap();
    tokio::join!(alice.connected(caller.key), caller.connected(key(1)));
    assert_eq!(alice.links.len(), 11);
    // And when one is lost, another is called.
    let lost = others.iter().position(|other| alice.links.contains_key(&other.key)).unwrap();
    let gone = others.swap_remove(lost);
    gone.net.shutdown().await.unwrap();
    alice.disconnected(gone.key).await;
    let gone = others.swap_remove(others.iter().position(|other| alice.links.contains_key(&other.key)).unwrap());
    gone.net.shutdown().await.unwrap();
    let next = alice.until("another link", |event| match event {
        NetEvent::Connected { peer, .. } => Some(peer),
        _ => None,
    });
    assert_ne!(next.await, gone.key);
}
