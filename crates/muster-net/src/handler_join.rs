//! The join stream, from either end: one request, one answer.
//!
//! The time limit is the task's; rate limits are in [`crate::join_rate`], byte layout in the crate header.

use crate::frame::{read_one, write_one};
use crate::handler::FromConnection;
use crate::join::JoinFailure;
use crate::limits::MAX_JOIN_BYTES;
use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::swarm::Stream;
use std::fmt;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::oneshot;

/// What is said to a joiner.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum JoinAnswer {
    Answer(Vec<u8>),
    TooManyTries(Duration),
    NotAnswered,
}

impl JoinAnswer {
    fn encode(&self) -> Vec<u8> {
        match self {
            JoinAnswer::Answer(bytes) => [&[0], bytes.as_slice()].concat(),
            JoinAnswer::TooManyTries(wait) => {
                let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1);
                [&[1], seconds.to_be_bytes().as_slice()].concat()
            }
            JoinAnswer::NotAnswered => vec![2],
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0, answer @ ..] => Some(JoinAnswer::Answer(answer.to_vec())),
            [1, seconds @ ..] => {
                let seconds = u32::from_be_bytes(seconds.try_into().ok()?);
                Some(JoinAnswer::TooManyTries(Duration::from_secs(seconds.into())))
            }
            [2] => Some(JoinAnswer::NotAnswered),
            _ => None,
        }
    }
}

/// Takes one request from whoever called, once in a connection's life.
#[derive(Default)]
pub(crate) enum JoinServer {
    #[default]
    Idle,
    Reading(BoxFuture<'static, io::Result<(Stream, Vec<u8>)>>),
    Answering(BoxFuture<'static, io::Result<()>>),
    Done,
}

impl JoinServer {
    /// A join stream was opened; a second one is dropped.
    pub(crate) fn accept(&mut self, mut stream: Stream) {
        if matches!(self, JoinServer::Idle) {
            let reading = async move { read_one(&mut stream, MAX_JOIN_BYTES).await.map(|request| (stream, request)) };
            *self = JoinServer::Reading(reading.boxed());
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<FromConnection> {
        match self {
            JoinServer::Idle | JoinServer::Done => Poll::Pending,
            JoinServer::Reading(reading) => match ready!(reading.poll_unpin(cx)) {
                Ok((stream, request)) => {
                    let (answer, answered) = oneshot::channel();
                    *self = JoinServer::Answering(write_answer(stream, answered).boxed());
                    Poll::Ready(FromConnection::JoinAsked { request, answer })
                }
                Err(_) => self.done(),
            },
            JoinServer::Answering(answering) => {
                let _ = ready!(answering.poll_unpin(cx));
                self.done()
            }
        }
    }

    fn done(&mut self) -> Poll<FromConnection> {
        *self = JoinServer::Done;
        Poll::Ready(FromConnection::JoinServed)
    }
}

async fn write_answer(mut stream: Stream, answered: oneshot::Receiver<JoinAnswer>) -> io::Result<()> {
    let answer = answered.await.unwrap_or(JoinAnswer::NotAnswered);
    write_one(&mut stream, &answer.encode()).await
}

/// Sends our own request and reads the answer.
pub(crate) enum JoinClient {
    Idle(Vec<u8>),
    Opening(Vec<u8>),
    Asking(BoxFuture<'static, Result<Vec<u8>, JoinFailure>>),
    Done,
}

impl JoinClient {
    pub(crate) fn new(request: Vec<u8>) -> Self {
        JoinClient::Idle(request)
    }

    /// Whether the stream is to be requested now; says so once.
    pub(crate) fn wants_stream(&mut self) -> bool {
        let JoinClient::Idle(request) = self else { return false };
        *self = JoinClient::Opening(std::mem::take(request));
        true
    }

    pub(crate) fn opened(&mut self, stream: Stream) {
        if let JoinClient::Opening(request) = self {
            *self = JoinClient::Asking(ask(stream, std::mem::take(request)).boxed());
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<FromConnection> {
        let JoinClient::Asking(asking) = self else { return Poll::Pending };
        let answered = ready!(asking.poll_unpin(cx));
        *self = JoinClient::Done;
        Poll::Ready(FromConnection::JoinAnswered(answered))
    }
}

async fn ask(mut stream: Stream, request: Vec<u8>) -> Result<Vec<u8>, JoinFailure> {
    write_one(&mut stream, &request).await.map_err(|_| JoinFailure::HungUp)?;
    // One byte more than the longest answer: the status.
    let bytes = read_one(&mut stream, MAX_JOIN_BYTES + 1).await.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => JoinFailure::Malformed,
        _ => JoinFailure::HungUp,
    })?;
    match JoinAnswer::decode(&bytes) {
        Some(JoinAnswer::Answer(answer)) => Ok(answer),
        Some(JoinAnswer::TooManyTries(again_in)) => Err(JoinFailure::TooManyTries { again_in }),
        Some(JoinAnswer::NotAnswered) => Err(JoinFailure::NotAnswered),
        None => Err(JoinFailure::Malformed),
    }
}

impl fmt::Debug for JoinServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinServer")
    }
}

/// Never shows the request, which proves the ticket.
impl fmt::Debug for JoinClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinClient")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        for answer in [
            JoinAnswer::Answer(Vec::new()),
            JoinAnswer::Answer(vec![1, 2, 3]),
            JoinAnswer::TooManyTries(Duration::from_secs(59)),
            JoinAnswer::NotAnswered,
        ] {
            assert_eq!(JoinAnswer::decode(&answer.encode()), Some(answer));
        }
    }

    #[test]
    fn an_unknown_status_or_a_wrong_length_is_malformed() {
        for bytes in [&[][..], &[3], &[1], &[1, 0, 0, 0], &[1, 0, 0, 0, 1, 0], &[2, 0]] {
            assert_eq!(JoinAnswer::decode(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_again_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..8)) {
            if let Some(answer) = JoinAnswer::decode(&bytes) {
                let is_zero_wait = answer == JoinAnswer::TooManyTries(Duration::ZERO);
                prop_assert!(is_zero_wait || answer.encode() == bytes);
            }
        }
    }
}
