//! A transport that waits before it dials, so that a better one is taken where it works.
//!
//! A peer's addresses are all dialled at once, and the first connection that stands is kept. TCP goes first, for it
//! costs the least where it works well; QUIC, where it is built in, follows, and is there first where lines are slow; a
//! relay comes last.

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::{Multiaddr, PeerId};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

type Inner = Boxed<(PeerId, StreamMuxerBox)>;

/// Dials after a wait.
pub(crate) struct Later {
    inner: Inner,
    wait: Duration,
}

impl Later {
    pub(crate) fn new(inner: Inner, wait: Duration) -> Self {
        Self { inner, wait }
    }
}

impl Transport for Later {
    type Output = (PeerId, StreamMuxerBox);
    type Error = io::Error;
    type ListenerUpgrade = <Inner as Transport>::ListenerUpgrade;
    type Dial = Pin<Box<dyn Future<Output = io::Result<Self::Output>> + Send>>;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, addr)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, addr: Multiaddr, opts: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let (dial, wait) = (self.inner.dial(addr, opts)?, self.wait);
        Ok(Box::pin(async move {
            tokio::time::sleep(wait).await;
            dial.await
        }))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}
