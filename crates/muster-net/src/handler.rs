//! One connection: which protocols it offers, and the streams of sync and join on it.
//!
//! Mechanics only. Which of a peer's connections carries the link is decided in [`crate::peer`], who may do what in
//! [`crate::gate`].

use crate::event::LinkEnd;
use crate::gate::Class;
use crate::handler_join::{JoinAnswer, JoinClient, JoinServer};
use crate::handler_sync::SyncStreams;
use crate::join::JoinFailure;
use crate::limits::{HANDSHAKE_TIMEOUT, SYNC_OPEN_TIMEOUT};
use crate::link::Line;
use futures::future::{Ready, ready};
use libp2p::StreamProtocol;
use libp2p::core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, Stream, SubstreamProtocol};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::iter::Flatten;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

pub(crate) const SYNC_PROTOCOL: StreamProtocol = StreamProtocol::new("/muster/sync/1");
pub(crate) const JOIN_PROTOCOL: StreamProtocol = StreamProtocol::new("/muster/join/1");

/// What the task asks of a connection.
#[derive(Debug)]
pub(crate) enum ToConnection {
    /// Open the sync streams and carry this line over them.
    OpenSync(Arc<Line>),
}

/// What a connection tells the task.
pub(crate) enum FromConnection {
    /// Both sync streams are open.
    SyncUp,
    /// The other side does not offer sync to us.
    SyncRefused,
    /// A frame came; the line has counted it.
    Frame(Vec<u8>),
    /// A finishing line has written everything and closed its stream.
    SyncFlushed,
    /// No more frames, either way.
    SyncEnded(LinkEnd),
    /// The other side asks to join.
    JoinAsked { request: Vec<u8>, answer: oneshot::Sender<JoinAnswer> },
    /// The join was answered, or given up.
    JoinServed,
    /// Our own join request has its outcome.
    JoinAnswered(Result<Vec<u8>, JoinFailure>),
}

/// libp2p wants it; bytes are not shown.
impl fmt::Debug for FromConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FromConnection::SyncUp => "SyncUp",
            FromConnection::SyncRefused => "SyncRefused",
            FromConnection::Frame(_) => "Frame",
            FromConnection::SyncFlushed => "SyncFlushed",
            FromConnection::SyncEnded(_) => "SyncEnded",
            FromConnection::JoinAsked { .. } => "JoinAsked",
            FromConnection::JoinServed => "JoinServed",
            FromConnection::JoinAnswered(_) => "JoinAnswered",
        })
    }
}

/// What an outbound stream was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Sync,
    Join,
}

/// The handler of every connection; what it offers depends on its [`Class`].
#[derive(Debug)]
pub(crate) struct Handler {
    /// Members only.
    sync: Option<SyncStreams>,
    /// Whoever called us.
    join_server: Option<JoinServer>,
    /// Our own dial to join.
    join_client: Option<JoinClient>,
    events: VecDeque<FromConnection>,
}

impl Handler {
    pub(crate) fn new(class: Class) -> Self {
        let is_joiner = matches!(class, Class::Joiner(_));
        Self {
            sync: matches!(class, Class::Member).then(SyncStreams::default),
            join_server: (!is_joiner).then(JoinServer::default),
            join_client: match class {
                Class::Joiner(request) => Some(JoinClient::new(request)),
                Class::Member | Class::Stranger => None,
            },
            events: VecDeque::new(),
        }
    }

    fn offer(&self) -> Offer {
        Offer([self.sync.is_some().then_some(SYNC_PROTOCOL), self.join_server.is_some().then_some(JOIN_PROTOCOL)])
    }
}

/// The protocols that one connection offers.
#[derive(Debug, Clone)]
pub(crate) struct Offer([Option<StreamProtocol>; 2]);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = Flatten<std::array::IntoIter<Option<StreamProtocol>, 2>>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter().flatten()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}

type Event = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, Purpose, FromConnection>;

fn open(purpose: Purpose) -> Event {
    let (protocol, timeout) = match purpose {
        Purpose::Sync => (SYNC_PROTOCOL, SYNC_OPEN_TIMEOUT),
        Purpose::Join => (JOIN_PROTOCOL, HANDSHAKE_TIMEOUT),
    };
    let protocol = SubstreamProtocol::new(ReadyUpgrade::new(protocol), purpose).with_timeout(timeout);
    ConnectionHandlerEvent::OutboundSubstreamRequest { protocol }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = ToConnection;
    type ToBehaviour = FromConnection;
    type InboundProtocol = Offer;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Purpose;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        SubstreamProtocol::new(self.offer(), ()).with_timeout(HANDSHAKE_TIMEOUT)
    }

    fn connection_keep_alive(&self) -> bool {
        // The task closes what has no use, with its own deadlines.
        true
    }

    fn on_behaviour_event(&mut self, event: ToConnection) {
        match (event, &mut self.sync) {
            (ToConnection::OpenSync(line), Some(sync)) => sync.start(line),
            (ToConnection::OpenSync(_), None) => self.events.push_back(FromConnection::SyncRefused),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        if self.sync.as_mut().is_some_and(SyncStreams::wants_stream) {
            return Poll::Ready(open(Purpose::Sync));
        }
        if self.join_client.as_mut().is_some_and(JoinClient::wants_stream) {
            return Poll::Ready(open(Purpose::Join));
        }
        let mut polled = Poll::Pending;
        if let Some(client) = &mut self.join_client {
            polled = client.poll(cx);
        }
        if let (Poll::Pending, Some(server)) = (&polled, &mut self.join_server) {
            polled = server.poll(cx);
        }
        if let (Poll::Pending, Some(sync)) = (&polled, &mut self.sync) {
            polled = sync.poll(cx);
        }
        polled.map(ConnectionHandlerEvent::NotifyBehaviour)
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, ReadyUpgrade<StreamProtocol>, (), Purpose>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, protocol), ..
            }) => match (protocol == SYNC_PROTOCOL, &mut self.sync, &mut self.join_server) {
                (true, Some(sync), _) => sync.accept(stream),
                (false, _, Some(server)) => server.accept(stream),
                _ => {}
            },
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: stream, info }) => {
                match (info, &mut self.sync, &mut self.join_client) {
                    (Purpose::Sync, Some(sync), _) => sync.opened(stream),
                    (Purpose::Join, _, Some(client)) => client.opened(stream),
                    _ => {}
                }
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: Purpose::Sync, .. }) => {
                self.events.push_back(FromConnection::SyncRefused);
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: Purpose::Join, .. }) => {
                self.events.push_back(FromConnection::JoinAnswered(Err(JoinFailure::Unsupported)));
            }
            _ => {}
        }
    }
}
