//! Peers that misbehave, and surroundings that fail.

use crate::node::{Node, exchange, in_time, key, pair, secret};
use crate::raw_peer::RawPeer;
use muster_net::{
    LinkEnd, MAX_FRAME_BYTES, MAX_OUTGOING_BYTES, MAX_UNREAD_BYTES, NetClosed, NetEvent, NetTask, SendError,
};

/// Bytes of a frame that fills a part of a queue.
const PIECE: usize = 64 * 1024;

#[tokio::test]
async fn an_announced_frame_past_the_limit_ends_the_link() {
    let mut alice = Node::start(1).await;
    alice.members(&[key(7)]).await;
    let mut liar = RawPeer::dial(7, &alice.addr).await;
    let mut stream = liar.open("/muster/sync/1").await.unwrap();
    stream.write(&[0, 0, 0, 2, 4, 2]).await;
    alice.connected(key(7)).await;
    assert_eq!(alice.frame().await, [4, 2], "a frame within the limit, byte by byte as documented");
    stream.write(&(MAX_FRAME_BYTES as u32 + 1).to_be_bytes()).await;
    assert_eq!(alice.disconnected(key(7)).await, LinkEnd::OversizeFrame);
}

#[tokio::test]
async fn a_link_that_ends_within_a_frame_gives_no_part_of_it() {
    let mut alice = Node::start(1).await;
    alice.members(&[key(7)]).await;
    let mut liar = RawPeer::dial(7, &alice.addr).await;
    let mut stream = liar.open("/muster/sync/1").await.unwrap();
    stream.write(&[0, 0, 0, 9, 1, 2, 3]).await;
    alice.connected(key(7)).await;
    drop(stream);
    let reason = alice.until("disconnected", |event| match event {
        NetEvent::Frame { bytes, .. } => panic!("part of a frame: {bytes:?}"),
        NetEvent::Disconnected { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, LinkEnd::Lost);
}

#[tokio::test]
async fn a_peer_that_stops_reading_is_disconnected_and_costs_bounded_memory() {
    let (mut alice, mut bob) = pair(1, 2).await;
    // Nobody takes Bob's events, so Bob stops reading; what Alice sends fills his share, the line, then her queue.
    let (link, frame) = (alice.links[&bob.key].clone(), vec![0; 64 * 1024]);
    let mut sent = 0;
    let refusal = in_time("a refusal", async {
        loop {
            match link.send(frame.clone()) {
                Ok(()) => sent += frame.len(),
                Err(error) => return error,
            }
            assert!(link.queued_bytes() <= MAX_OUTGOING_BYTES);
            // Lets both tasks run until nothing more is read.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
        }
    });
    assert_eq!(refusal.await, SendError::TooSlow);
    assert_eq!(link.queued_bytes(), link.queued_bytes().min(MAX_OUTGOING_BYTES));
    assert_eq!(alice.disconnected(key(2)).await, LinkEnd::TooSlow);
    assert!(sent >= MAX_OUTGOING_BYTES, "{sent}");
    let mut waiting = 0;
    while let Some(event) = bob.events.try_recv() {
        if let NetEvent::Frame { bytes, .. } = event {
            waiting += bytes.len();
        }
    }
    assert!(waiting > 0 && waiting <= MAX_UNREAD_BYTES, "{waiting}");
}

#[tokio::test]
async fn a_peer_that_asks_for_much_and_never_reads_holds_two_mebibytes_and_is_then_dropped() {
    let mut alice = Node::start(1).await;
    alice.members(&[key(7)]).await;
    let mut mute = RawPeer::dial(7, &alice.addr).await;
    let mut stream = mute.open("/muster/sync/1").await.unwrap();
    let link = alice.connected(key(7)).await;
    let (mut asked, mut most) = (0, 0);
    let refusal = loop {
        // A frame of one byte, answered with what fills a piece of line.
        stream.write(&[0, 0, 0, 1, 7]).await;
        asked += 1;
        assert_eq!(alice.frame().await, [7]);
        if let Err(refusal) = link.send(vec![0; PIECE]) {
            break refusal;
        }
        most = most.max(link.queued_bytes());
    };
    assert_eq!(refusal, SendError::TooSlow);
    assert_eq!(alice.disconnected(key(7)).await, LinkEnd::TooSlow);
    println!("{asked} answers of {PIECE} bytes asked for, {most} bytes held at most");
    assert!(most > MAX_OUTGOING_BYTES - 2 * PIECE && most <= MAX_OUTGOING_BYTES, "{most}");
    // And nothing stays behind.
    assert_eq!(link.queued_bytes(), 0);
}

#[tokio::test]
async fn a_peer_that_does_not_read_does_not_hold_up_the_others_or_the_end() {
    let (mut alice, bob) = pair(1, 2).await;
    let mut carol = Node::start(3).await;
    carol.members(&[alice.key]).await;
    alice.members(&[bob.key, carol.key]).await;
    alice.net.set_addresses(carol.key, vec![carol.addr.clone()]).await.unwrap();
    tokio::join!(alice.connected(key(3)), carol.connected(key(1)));
    let link = alice.links[&bob.key].clone();
    while link.queued_bytes() + 2 * PIECE < MAX_OUTGOING_BYTES {
        link.send(vec![0; PIECE]).unwrap();
    }
    exchange(&mut alice, &mut carol).await;
    in_time("shutdown", alice.net.shutdown()).await.unwrap();
    drop(bob);
}

#[tokio::test]
async fn silent_and_nosy_strangers_do_not_keep_a_member_out() {
    let (mut alice, mut bob) = (Node::start(1).await, Node::start(2).await);
    let socket = alice.addr.to_string().replace("/ip4/127.0.0.1/tcp/", "127.0.0.1:");
    let mut silent = Vec::new();
    for _ in 0..84 {
        silent.push(tokio::net::TcpStream::connect(&socket).await.unwrap());
    }
    let mut nosy = Vec::new();
    for seed in 100..130 {
        nosy.push(RawPeer::dial(seed, &alice.addr).await);
    }
    alice.members(&[bob.key]).await;
    bob.knows(&alice).await;
    tokio::join!(alice.connected(key(2)), bob.connected(key(1)));
    exchange(&mut alice, &mut bob).await;
}

#[tokio::test]
async fn a_port_in_use_is_an_event_that_names_the_address() {
    let alice = Node::start(1).await;
    let (task, _net, mut events) = NetTask::new(&secret(2), vec![alice.addr.clone()]).unwrap();
    let task = tokio::spawn(task.run());
    match in_time("an event", events.recv()).await {
        Some(NetEvent::NotListening { addr, error }) => {
            assert_eq!((addr, error.kind()), (alice.addr.clone(), std::io::ErrorKind::AddrInUse));
        }
        other => panic!("{other:?}"),
    }
    task.abort();
}

#[tokio::test]
async fn the_task_ends_when_nobody_holds_its_events() {
    let alice = Node::start(1).await;
    drop(alice.events);
    in_time("the end", alice.task).await.unwrap();
    assert_eq!(alice.net.set_members([].into()).await, Err(NetClosed));
}
