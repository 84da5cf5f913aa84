//! What a panic in the task costs, over real sockets. Here and not beside the other tests of that sort, because outside
//! this crate's own tests nobody can make the task panic.

use crate::node::{exchange, key, pair};
use crate::{LinkEnd, NetEvent};

#[tokio::test]
async fn networking_that_fails_comes_back_with_its_port_members_addresses_and_topics() {
    let (mut alice, mut bob) = pair(1, 2).await;
    let topic = [9; 32];
    for node in [&alice, &bob] {
        node.net.subscribe(topic, [alice.key, bob.key].into()).await.unwrap();
    }
    for round in 0..2 {
        alice.net.fail().await.unwrap();
        assert_eq!(alice.disconnected(key(2)).await, LinkEnd::Restarted);
        let again = alice.until("listening again", |event| match event {
            NetEvent::Listening { addr } => Some(addr),
            _ => None,
        });
        assert_eq!(again.await, alice.addr.clone());
        assert_eq!(bob.disconnected(key(1)).await, LinkEnd::Closed);
        // Bob knows no address of Alice: it is she who remembers his, and that he is a member.
        tokio::join!(alice.connected(key(2)), bob.connected(key(1)));
        let hears = bob.until("a subscription", |event| match event {
            NetEvent::Subscribed { subscribed: true, .. } => Some(()),
            _ => None,
        });
        hears.await;
        exchange(&mut alice, &mut bob).await;
        bob.net.publish(topic, vec![round]).unwrap();
        let heard = alice.until("gossip", |event| match event {
            NetEvent::Gossip { bytes, .. } => Some(bytes),
            _ => None,
        });
        assert_eq!(heard.await, [round]);
    }
}
