//! Asking to join and answering: the errors, the reply, and the answer's bytes.
//!
//! How often a stranger may ask is in [`crate::join_rate`]; the streams are driven by [`crate::handler_join`].

use crate::event::DialFault;
use crate::handler_join::JoinAnswer;
use crate::limits::MAX_JOIN_BYTES;
use libp2p::Multiaddr;
use muster_log::DeviceKey;
use std::fmt;
use std::time::Duration;
use tokio::sync::oneshot;

/// Why nobody answered a join request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// No address was given.
    #[error("there is no address to try")]
    NoAddresses,
    /// The request is longer than [`MAX_JOIN_BYTES`].
    #[error("the join request has {0} bytes, at most {MAX_JOIN_BYTES} are allowed")]
    RequestTooLong(usize),
    /// Every address failed, each in its own way, in the order tried.
    #[error("no address answered: {}", list(.0))]
    AllFailed(Vec<(DeviceKey, Multiaddr, JoinFailure)>),
    /// The network task has ended.
    #[error("the network task has ended")]
    Closed,
}

fn list(tries: &[(DeviceKey, Multiaddr, JoinFailure)]) -> String {
    let lines: Vec<String> = tries.iter().map(|(_, addr, failure)| format!("{addr}: {failure}")).collect();
    lines.join("; ")
}

/// Why one address did not answer a join request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinFailure {
    /// The peer was not reached.
    #[error("{0}")]
    Dial(#[from] DialFault),
    /// The peer was reached and does not speak `/muster/join/1`.
    #[error("the peer does not take join requests")]
    Unsupported,
    /// No answer within [`crate::JOIN_TIMEOUT`].
    #[error("no answer in time")]
    TimedOut,
    /// The peer hung up before it answered.
    #[error("the peer hung up")]
    HungUp,
    /// The peer has had too many requests from here.
    #[error("too many tries, again in {} s", .again_in.as_secs())]
    TooManyTries {
        /// When to come back.
        again_in: Duration,
    },
    /// The peer would not answer.
    #[error("the peer did not answer the request")]
    NotAnswered,
    /// The peer's answer has no known form.
    #[error("the answer is malformed")]
    Malformed,
}

/// Answers one join request. Dropping it says "not answered".
pub struct JoinReply {
    sender: oneshot::Sender<JoinAnswer>,
}

impl JoinReply {
    pub(crate) fn new(sender: oneshot::Sender<JoinAnswer>) -> Self {
        Self { sender }
    }

    /// Sends the answer, opaque bytes, at most [`MAX_JOIN_BYTES`] (a longer one is dropped). Too late is not an error: the joiner asks again.
    pub fn send(self, answer: Vec<u8>) {
        if answer.len() > MAX_JOIN_BYTES {
            tracing::error!(bytes = answer.len(), "a join answer is too long to be sent");
            return;
        }
        let _ = self.sender.send(JoinAnswer::Answer(answer));
    }
}

impl fmt::Debug for JoinReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinReply")
    }
}
