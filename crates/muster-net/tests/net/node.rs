//! A network task under test, with its handle, its events and what it said so far.

use muster_log::{DeviceKey, DeviceSecret};
use muster_net::{Link, LinkEnd, Multiaddr, NetEvent, NetEvents, NetHandle, NetTask, parse_address};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) key: DeviceKey,
    pub(crate) net: NetHandle,
    pub(crate) events: NetEvents,
    pub(crate) addr: Multiaddr,
    pub(crate) links: BTreeMap<DeviceKey, Link>,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) fn secret(seed: u8) -> DeviceSecret {
    DeviceSecret::from_seed(&[seed; 32])
}

pub(crate) fn key(seed: u8) -> DeviceKey {
    secret(seed).public()
}

/// Fails the test if this takes too long.
#[track_caller]
pub(crate) fn in_time<T>(what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let (what, place) = (what.to_owned(), std::panic::Location::caller());
    async move {
        let Ok(value) = tokio::time::timeout(PATIENCE, future).await else { panic!("{place}: {what} did not happen") };
        value
    }
}

impl Node {
    /// A node that listens on loopback.
    pub(crate) async fn start(seed: u8) -> Self {
        Self::start_at(seed, "/ip4/127.0.0.1/tcp/0").await
    }

    /// A node that listens nowhere, and so cannot be dialled.
    pub(crate) fn start_deaf(seed: u8) -> Self {
        let (task, net, events) = NetTask::new(&secret(seed), Vec::new()).unwrap();
        let task = tokio::spawn(task.run());
        Self { key: key(seed), net, events, addr: Multiaddr::empty(), links: BTreeMap::new(), task }
    }

    pub(crate) async fn start_at(seed: u8, addr: &str) -> Self {
        let (task, net, events) = NetTask::new(&secret(seed), vec![parse_address(addr).unwrap()]).unwrap();
        let task = tokio::spawn(task.run());
        let mut node = Self { key: key(seed), net, events, addr: Multiaddr::empty(), links: BTreeMap::new(), task };
        node.addr = node
            .until("listening", |event| match event {
                NetEvent::Listening { addr } => Some(addr),
                _ => None,
            })
            .await;
        node
    }

    pub(crate) async fn members(&self, members: &[DeviceKey]) {
        self.net.set_members(members.iter().copied().collect()).await.unwrap();
    }

    /// Tells this node that the other is a member and where it is.
    pub(crate) async fn knows(&self, other: &Node) {
        self.members(&[self.key, other.key]).await;
        self.net.set_addresses(other.key, vec![other.addr.clone()]).await.unwrap();
    }

    /// The next event, with links kept up to date.
    pub(crate) async fn next(&mut self) -> NetEvent {
        let event = self.events.recv().await.expect("the task ended");
        match &event {
            NetEvent::Connected { peer, link, .. } => {
                assert!(self.links.insert(*peer, link.clone()).is_none(), "connected twice");
            }
            NetEvent::Disconnected { peer, .. } => {
                assert!(self.links.remove(peer).is_some(), "disconnected and was not connected");
            }
            NetEvent::Frame { peer, .. } => assert!(self.links.contains_key(peer), "a frame without a link"),
            _ => {}
        }
        event
    }

    /// Takes events until one of them gives a value.
    #[track_caller]
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(NetEvent) -> Option<T>,
    ) -> impl Future<Output = T> {
        in_time(what, async move {
            loop {
                if let Some(value) = pick(self.next().await) {
                    return value;
                }
            }
        })
    }

    #[track_caller]
    pub(crate) fn connected(&mut self, peer: DeviceKey) -> impl Future<Output = Link> {
        self.until("connected", move |event| match event {
            NetEvent::Connected { peer: found, link, .. } if found == peer => Some(link),
            _ => None,
        })
    }

    #[track_caller]
    pub(crate) fn disconnected(&mut self, peer: DeviceKey) -> impl Future<Output = LinkEnd> {
        self.until("disconnected", move |event| match event {
            NetEvent::Disconnected { peer: found, reason } if found == peer => Some(reason),
            _ => None,
        })
    }

    #[track_caller]
    pub(crate) fn frame(&mut self) -> impl Future<Output = Vec<u8>> {
        self.until("a frame", |event| match event {
            NetEvent::Frame { bytes, .. } => Some(bytes),
            _ => None,
        })
    }
}

/// Two members with a link.
pub(crate) async fn pair(first: u8, second: u8) -> (Node, Node) {
    let (mut alice, mut bob) = (Node::start(first).await, Node::start(second).await);
    bob.members(&[alice.key]).await;
    alice.knows(&bob).await;
    tokio::join!(alice.connected(key(second)), bob.connected(key(first)));
    (alice, bob)
}

/// A frame from each to the other.
pub(crate) async fn exchange(alice: &mut Node, bob: &mut Node) {
    alice.links[&bob.key].send(b"from alice".to_vec()).unwrap();
    bob.links[&alice.key].send(b"from bob".to_vec()).unwrap();
    let (at_alice, at_bob) = tokio::join!(alice.frame(), bob.frame());
    assert_eq!((at_alice.as_slice(), at_bob.as_slice()), (&b"from bob"[..], &b"from alice"[..]));
}
