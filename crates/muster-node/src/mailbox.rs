//! What reaches the engine's thread, in order: requests, network events, results of joins, the word to stop.

use crate::request::{Reply, Request};
use muster_log::{DeviceKey, Ticket};
use muster_net::{JoinError, NetEvent};
use tokio::sync::{mpsc, oneshot};

/// Letters that may wait. Senders wait for room, so a slow disk slows its callers and nothing piles up.
const MAILBOX_MAX: usize = 1024;

/// One letter.
#[derive(Debug)]
pub(crate) enum Mail {
    /// A request and where its answer goes.
    Request {
        /// What is asked.
        request: Box<Request>,
        /// Where the answer goes; dropped if the node stops.
        reply: oneshot::Sender<Reply>,
    },
    /// Something happened on the network.
    Net(NetEvent),
    /// A member answered this device's request to join, or nobody did.
    Joined {
        /// With which ticket.
        ticket: Box<Ticket>,
        /// The answer.
        answer: Result<Vec<u8>, JoinError>,
        /// Who waits for it.
        reply: oneshot::Sender<Reply>,
    },
    /// A member that does not let this device sync answered when it was shown the roster, or did not.
    Appealed {
        /// Who.
        peer: DeviceKey,
        /// The answer.
        answer: Result<Vec<u8>, JoinError>,
    },
    /// The node has to stop.
    Stop,
}

/// The sending end.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox(mpsc::Sender<Mail>);

impl Mailbox {
    /// A mailbox and the end that the engine's thread reads.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Mail>) {
        let (sender, receiver) = mpsc::channel(MAILBOX_MAX);
        (Self(sender), receiver)
    }

    /// Puts a letter in, waiting for room. When the engine has ended, the letter and its reply channel are dropped.
    pub(crate) async fn put(&self, mail: Mail) {
        let _ = self.0.send(mail).await;
    }
}
