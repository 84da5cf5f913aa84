//! Strangers: what they may do, how often, and what becomes of them.

use crate::node::{Node, exchange, in_time, key};
use crate::raw_peer::RawPeer;
use muster_net::{
    DialFault, JoinError, JoinFailure, JoinReply, MAX_JOIN_BYTES, MAX_JOIN_TRIES, NetEvent, parse_address,
};

impl Node {
    #[track_caller]
    fn join_request(&mut self) -> impl Future<Output = (muster_log::DeviceKey, Vec<u8>, JoinReply)> {
        self.until("a join request", |event| match event {
            NetEvent::JoinRequest { peer, bytes, reply } => Some((peer, bytes, reply)),
            _ => None,
        })
    }
}

fn failure(outcome: Result<Vec<u8>, JoinError>) -> JoinFailure {
    match outcome {
        Err(JoinError::AllFailed(tries)) => tries.into_iter().next().unwrap().2,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stranger_cannot_sync_can_join_and_then_syncs() {
    let (mut alice, mut bob) = (Node::start(1).await, Node::start(2).await);
    // Bob believes that he is a member already.
    bob.knows(&alice).await;
    let fault = bob.until("refusal", |event| match event {
        NetEvent::Unreachable { faults, .. } => faults.into_iter().next().map(|(_, fault)| fault),
        NetEvent::Connected { .. } => panic!("a stranger was let in"),
        _ => None,
    });
    assert_eq!(fault.await, DialFault::Unwelcome);
    bob.members(&[]).await;
    // The answer comes when Alice has made him one.
    let (net, to) = (bob.net.clone(), vec![(alice.key, alice.addr.clone())]);
    let joining = tokio::spawn(async move { net.join(to, b"let me in".to_vec()).await });
    let (who, request, reply) = alice.join_request().await;
    assert_eq!((who, request.as_slice()), (bob.key, &b"let me in"[..]));
    alice.members(&[bob.key]).await;
    reply.send(b"welcome".to_vec());
    assert_eq!(in_time("an answer", joining).await.unwrap(), Ok(b"welcome".to_vec()));
    bob.knows(&alice).await;
    tokio::join!(alice.connected(key(2)), bob.connected(key(1)));
    exchange(&mut alice, &mut bob).await;
}

#[tokio::test]
async fn a_member_whose_answer_was_lost_may_ask_again() {
    let (mut alice, bob) = (Node::start(1).await, Node::start(2).await);
    alice.members(&[bob.key]).await;
    let (net, to) = (bob.net.clone(), vec![(alice.key, alice.addr.clone())]);
    let joining = tokio::spawn(async move { net.join(to, Vec::new()).await });
    let (_, _, reply) = alice.join_request().await;
    reply.send(vec![7; MAX_JOIN_BYTES]);
    assert_eq!(in_time("an answer", joining).await.unwrap(), Ok(vec![7; MAX_JOIN_BYTES]));
}

#[tokio::test]
async fn too_many_join_requests_are_refused_politely() {
    let (mut alice, bob) = (Node::start(1).await, Node::start(2).await);
    let answering = tokio::spawn(async move {
        while let Some(event) = alice.events.recv().await {
            if let NetEvent::JoinRequest { reply, .. } = event {
                reply.send(b"no".to_vec());
            }
        }
    });
    let to = vec![(alice.key, alice.addr.clone())];
    for _ in 0..MAX_JOIN_TRIES {
        assert_eq!(in_time("an answer", bob.net.join(to.clone(), Vec::new())).await, Ok(b"no".to_vec()));
    }
    match failure(in_time("a refusal", bob.net.join(to, Vec::new())).await) {
        JoinFailure::TooManyTries { again_in } => assert!(again_in.as_secs() <= 60, "{again_in:?}"),
        other => panic!("{other:?}"),
    }
    answering.abort();
}

#[tokio::test]
async fn a_join_says_what_went_wrong_with_each_address_and_takes_the_first_that_answers() {
    let (mut alice, bob, carol) = (Node::start(1).await, Node::start(2).await, Node::start(3).await);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bad = vec![
        (key(9), parse_address(&nobody.to_string()).unwrap()),
        (key(9), carol.addr.clone()),
        (key(9), "/ip4/127.0.0.1/udp/1".parse().unwrap()),
    ];
    let expected: Vec<JoinFailure> =
        vec![DialFault::Refused.into(), DialFault::WrongKey(carol.key).into(), DialFault::Unsupported.into()];
    match in_time("an outcome", bob.net.join(bad.clone(), Vec::new())).await {
        Err(JoinError::AllFailed(tries)) => {
            assert_eq!(tries.into_iter().map(|(_, _, failure)| failure).collect::<Vec<_>>(), expected);
        }
        other => panic!("{other:?}"),
    }
    let (net, to) = (bob.net.clone(), [bad, vec![(alice.key, alice.addr.clone())]].concat());
    let joining = tokio::spawn(async move { net.join(to, Vec::new()).await });
    let (_, _, reply) = alice.join_request().await;
    reply.send(Vec::new());
    assert_eq!(in_time("an answer", joining).await.unwrap(), Ok(Vec::new()));
}

#[tokio::test]
async fn a_join_that_nobody_answers_or_that_makes_no_sense_is_an_error() {
    let (mut alice, bob) = (Node::start(1).await, Node::start(2).await);
    let (net, to) = (bob.net.clone(), vec![(alice.key, alice.addr.clone())]);
    let joining = tokio::spawn(async move { net.join(to, Vec::new()).await });
    drop(alice.join_request().await);
    assert_eq!(failure(in_time("an answer", joining).await.unwrap()), JoinFailure::NotAnswered);
    assert_eq!(bob.net.join(Vec::new(), Vec::new()).await, Err(JoinError::NoAddresses));
    let to = vec![(alice.key, alice.addr.clone())];
    let too_long = MAX_JOIN_BYTES + 1;
    assert_eq!(bob.net.join(to.clone(), vec![0; too_long]).await, Err(JoinError::RequestTooLong(too_long)));
    bob.net.cut(None).await.unwrap();
    assert_eq!(failure(bob.net.join(to, Vec::new()).await), DialFault::Cut.into());
}

#[tokio::test]
async fn a_stranger_is_offered_nothing_but_the_join() {
    let alice = Node::start(1).await;
    let mut stranger = RawPeer::dial(7, &alice.addr).await;
    for protocol in ["/muster/sync/1", "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0"] {
        assert!(stranger.open(protocol).await.is_none(), "{protocol}");
    }
    assert!(stranger.open("/muster/join/1").await.is_some());
}

#[tokio::test]
async fn a_join_request_that_is_too_long_is_not_taken() {
    let mut alice = Node::start(1).await;
    let mut stranger = RawPeer::dial(7, &alice.addr).await;
    let mut stream = stranger.open("/muster/join/1").await.unwrap();
    stream.write(&(MAX_JOIN_BYTES as u32 + 1).to_be_bytes()).await;
    assert_eq!(stream.read_to_end().await, b"");
    let bob = Node::start(2).await;
    let (net, to) = (bob.net.clone(), vec![(alice.key, alice.addr.clone())]);
    tokio::spawn(async move { net.join(to, b"fits".to_vec()).await });
    assert_eq!(alice.join_request().await.1, b"fits");
}
