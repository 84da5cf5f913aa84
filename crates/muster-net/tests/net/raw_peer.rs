//! A peer without manners: TCP, Noise and the stock yamux, and whatever bytes a test likes.
//!
//! It speaks multistream-select by hand (libp2p connections specification, "protocol negotiation"): each message is a
//! length byte, the text, a newline.

use crate::node::in_time;
use futures::channel::mpsc;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse, Transport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{noise, tcp, yamux};
use muster_net::Multiaddr;
use std::future::poll_fn;
use std::task::Poll;
use tokio::sync::oneshot;

const MULTISTREAM: &str = "/multistream/1.0.0";

pub(crate) struct RawPeer {
    wanted: mpsc::UnboundedSender<oneshot::Sender<SubstreamBox>>,
}

impl RawPeer {
    /// Connects and takes every stream of sync and gossip that the other side opens, without reading it.
    pub(crate) async fn dial(seed: u8, addr: &Multiaddr) -> Self {
        let keypair = Keypair::ed25519_from_bytes([seed; 32]).unwrap();
        let mut transport = tcp::tokio::Transport::new(tcp::Config::default())
            .upgrade(Version::V1)
            .authenticate(noise::Config::new(&keypair).unwrap())
            .multiplex(yamux::Config::default())
            .boxed();
        let opts = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        let (_, muxer) = in_time("a dial", transport.dial(addr.clone(), opts).unwrap()).await.unwrap();
        let (wanted, requests) = mpsc::unbounded();
        tokio::spawn(drive(muxer, requests));
        Self { wanted }
    }

    /// Opens a stream; `None` if the other side does not speak that protocol there.
    pub(crate) async fn open(&mut self, protocol: &str) -> Option<RawStream> {
        let (sender, opened) = oneshot::channel();
        self.wanted.unbounded_send(sender).unwrap();
        let stream = in_time("a stream", opened).await.unwrap();
        let mut stream = RawStream { stream };
        stream.say(MULTISTREAM).await;
        stream.say(protocol).await;
        assert_eq!(stream.hear().await, MULTISTREAM);
        (stream.hear().await == protocol).then_some(stream)
    }
}

pub(crate) struct RawStream {
    stream: SubstreamBox,
}

impl RawStream {
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        in_time("a write", self.stream.write_all(bytes)).await.unwrap();
        in_time("a flush", self.stream.flush()).await.unwrap();
    }

    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset is an end, too.
        let _ = in_time("an end", self.stream.read_to_end(&mut bytes)).await;
        bytes
    }

    async fn say(&mut self, text: &str) {
        self.write(&[&[text.len() as u8 + 1], text.as_bytes(), b"\n"].concat()).await;
    }

    async fn hear(&mut self) -> String {
        let mut len = [0];
        in_time("a length", self.stream.read_exact(&mut len)).await.unwrap();
        let mut text = vec![0; len[0].into()];
        in_time("a text", self.stream.read_exact(&mut text)).await.unwrap();
        String::from_utf8(text).unwrap().trim_end().to_owned()
    }

    /// As listener: agrees to sync and gossip and to nothing else.
    async fn agree(mut self) -> Option<Self> {
        let mut len = [0];
        loop {
            self.stream.read_exact(&mut len).await.ok()?;
            let mut text = vec![0; len[0].into()];
            self.stream.read_exact(&mut text).await.ok()?;
            let is_wanted = text == b"/muster/sync/1\n" || text == b"/meshsub/1.3.0\n";
            let known = is_wanted || text.trim_ascii_end() == MULTISTREAM.as_bytes();
            let answer = if known { [&len[..], &text].concat() } else { b"\x03na\n".to_vec() };
            self.stream.write_all(&answer).await.ok()?;
            self.stream.flush().await.ok()?;
            if is_wanted {
                return Some(self);
            }
        }
    }
}

/// Keeps the connection going until it ends or the peer is dropped.
async fn drive(mut muxer: StreamMuxerBox, mut requests: mpsc::UnboundedReceiver<oneshot::Sender<SubstreamBox>>) {
    let mut pending = None;
    poll_fn(|cx| {
        loop {
            if pending.is_none() {
                match requests.poll_next_unpin(cx) {
                    Poll::Ready(Some(sender)) => pending = Some(sender),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            if pending.is_some()
                && let Poll::Ready(Ok(stream)) = muxer.poll_outbound_unpin(cx)
                && let Some(sender) = pending.take()
            {
                let _ = sender.send(stream);
                continue;
            }
            match muxer.poll_inbound_unpin(cx) {
                Poll::Ready(Ok(stream)) => {
                    tokio::spawn(async move {
                        let held = RawStream { stream }.agree().await;
                        std::future::pending::<()>().await;
                        drop(held);
                    });
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {
                    return match muxer.poll_unpin(cx) {
                        Poll::Ready(Err(_)) => Poll::Ready(()),
                        _ => Poll::Pending,
                    };
                }
            }
        }
    })
    .await;
}
