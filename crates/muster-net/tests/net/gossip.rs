//! Gossip over real sockets: who is told, when, and who is not.

use crate::node::{Node, in_time, key};
use crate::raw_peer::RawPeer;
use muster_log::DeviceKey;
use muster_net::{GossipId, MAX_GOSSIP_BYTES, NetEvent, PublishError, Topic, Verdict};

const TOPIC: Topic = [7; 32];

/// Three members in a row: the first and the last know only the middle.
async fn row() -> [Node; 3] {
    let [mut first, mut middle, mut last] = [Node::start(1).await, Node::start(2).await, Node::start(3).await];
    let members = [first.key, middle.key, last.key];
    for node in [&first, &middle, &last] {
        node.net.subscribe(TOPIC, members.into()).await.unwrap();
    }
    middle.members(&members).await;
    for outer in [&first, &last] {
        outer.members(&[outer.key, middle.key]).await;
        outer.net.set_addresses(middle.key, vec![middle.addr.clone()]).await.unwrap();
    }
    let (a, b, c) = (first.key, middle.key, last.key);
    let both = async {
        let mut missing = vec![a, c];
        while !missing.is_empty() {
            let peer = middle.subscribed_any().await;
            missing.retain(|key| *key != peer);
        }
    };
    tokio::join!(first.subscribed(b), last.subscribed(b), both);
    [first, middle, last]
}

impl Node {
    fn subscribed_any(&mut self) -> impl Future<Output = DeviceKey> {
        self.until("a subscription", |event| match event {
            NetEvent::Subscribed { peer, topic: TOPIC, subscribed: true } => Some(peer),
            _ => None,
        })
    }

    fn subscribed(&mut self, peer: DeviceKey) -> impl Future<Output = ()> {
        self.until("a subscription", move |event| match event {
            NetEvent::Subscribed { peer: found, subscribed: true, .. } => (found == peer).then_some(()),
            _ => None,
        })
    }

    fn gossip(&mut self) -> impl Future<Output = (DeviceKey, GossipId, Vec<u8>)> {
        self.until("gossip", |event| match event {
            NetEvent::Gossip { topic: TOPIC, from, id, bytes } => Some((from, id, bytes)),
            _ => None,
        })
    }
}

#[tokio::test]
async fn a_message_goes_on_to_the_next_hop_only_once_it_is_accepted() {
    let [first, mut middle, mut last] = row().await;
    for text in [&b"rejected"[..], b"ignored", b"not judged", b"accepted"] {
        first.net.publish(TOPIC, text.to_vec()).unwrap();
    }
    let mut verdicts = 0;
    while verdicts < 3 {
        let (from, id, bytes) = middle.gossip().await;
        assert_eq!(from, first.key);
        let verdict = match bytes.as_slice() {
            b"rejected" => Verdict::Reject,
            b"ignored" => Verdict::Ignore,
            b"accepted" => Verdict::Accept,
            _ => continue,
        };
        middle.net.judge(id, verdict);
        verdicts += 1;
    }
    let (from, _, bytes) = last.gossip().await;
    assert_eq!((from, bytes.as_slice()), (middle.key, &b"accepted"[..]));
    // Whatever else was on its way to the last comes before what follows it.
    middle.net.publish(TOPIC, b"the end".to_vec()).unwrap();
    assert_eq!(last.gossip().await.2, b"the end");
}

#[tokio::test]
async fn a_message_past_the_limit_is_not_published_and_the_longest_arrives() {
    let [first, mut middle, _last] = row().await;
    let refused = first.net.publish(TOPIC, vec![0; MAX_GOSSIP_BYTES + 1]);
    assert_eq!(refused, Err(PublishError::TooLong(MAX_GOSSIP_BYTES + 1)));
    for byte in 0..8 {
        first.net.publish(TOPIC, vec![byte; MAX_GOSSIP_BYTES]).unwrap();
    }
    for _ in 0..8 {
        assert_eq!(middle.gossip().await.2.len(), MAX_GOSSIP_BYTES);
    }
}

#[tokio::test]
async fn a_stranger_is_offered_no_gossip_and_a_member_is() {
    let alice = Node::start(1).await;
    alice.net.subscribe(TOPIC, [key(7), key(8)].into()).await.unwrap();
    alice.members(&[key(7)]).await;
    for protocol in ["/meshsub/1.3.0", "/meshsub/1.2.0", "/meshsub/1.1.0", "/meshsub/1.0.0", "/floodsub/1.0.0"] {
        assert!(RawPeer::dial(8, &alice.addr).await.open(protocol).await.is_none(), "{protocol}");
    }
    assert!(RawPeer::dial(7, &alice.addr).await.open("/meshsub/1.2.0").await.is_some());
}

#[tokio::test]
async fn a_message_past_the_limit_from_a_peer_is_dropped_and_one_within_it_is_not() {
    let mut alice = Node::start(1).await;
    alice.net.subscribe(TOPIC, [key(7)].into()).await.unwrap();
    alice.members(&[key(7)]).await;
    let mut liar = RawPeer::dial(7, &alice.addr).await;
    let mut sync = liar.open("/muster/sync/1").await.unwrap();
    sync.write(&[0, 0, 0, 1, 0]).await;
    alice.connected(key(7)).await;
    let mut gossip = liar.open("/meshsub/1.2.0").await.unwrap();
    for len in [MAX_GOSSIP_BYTES + 1, MAX_GOSSIP_BYTES] {
        gossip.write(&rpc(&vec![5; len])).await;
    }
    assert_eq!(alice.gossip().await.2.len(), MAX_GOSSIP_BYTES);
}

#[tokio::test]
async fn a_member_outside_the_audience_hears_nothing_until_let_in() {
    let [first, mut middle, mut last] = row().await;
    // The last is a member, of another team.
    middle.net.subscribe(TOPIC, [first.key, middle.key].into()).await.unwrap();
    last.disconnected(middle.key).await;
    last.connected(middle.key).await;
    middle.net.publish(TOPIC, b"not for the last".to_vec()).unwrap();
    last.net.publish(TOPIC, b"not from the last".to_vec()).unwrap();
    middle.net.subscribe(TOPIC, [first.key, middle.key, last.key].into()).await.unwrap();
    last.disconnected(middle.key).await;
    tokio::join!(last.subscribed(key(2)), async { while middle.subscribed_any().await != key(3) {} });
    middle.net.publish(TOPIC, b"for all".to_vec()).unwrap();
    assert_eq!(last.gossip().await.2, b"for all");
    last.net.publish(TOPIC, b"from the last".to_vec()).unwrap();
    assert_eq!(middle.gossip().await.2, b"from the last");
}

#[tokio::test]
async fn publishing_never_waits_though_nobody_reads() {
    let [first, _middle, _last] = row().await;
    let mut busy = 0;
    for n in 0..100_000_u32 {
        match first.net.publish(TOPIC, n.to_be_bytes().to_vec()) {
            Ok(()) => {}
            Err(PublishError::Busy) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    // The task had no turn to take any: what does not fit is refused, and it goes on.
    assert!(busy > 90_000, "{busy}");
    in_time("a command", first.net.set_members([].into())).await.unwrap();
}

/// One RPC of gossipsub with one message: length, field 2 { field 2 = data, field 4 = topic }.
fn rpc(data: &[u8]) -> Vec<u8> {
    let topic = "07".repeat(32);
    let message = [field(2, data), field(4, topic.as_bytes())].concat();
    let publish = field(2, &message);
    [varint(publish.len()), publish].concat()
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(bytes.len()), bytes.to_vec()].concat()
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
