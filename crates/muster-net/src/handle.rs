//! The node's side of the task: commands, and nothing else.
//!
//! Events come out of [`crate::NetEvents`]; frames go into a [`crate::Link`].

use crate::gossip::{GossipId, PublishError, Topic, Verdict};
use crate::join::JoinError;
use crate::limits::{MAX_COMMANDS, MAX_GOSSIP_BYTES, MAX_GOSSIP_COMMANDS};
use libp2p::Multiaddr;
use muster_log::DeviceKey;
use std::collections::BTreeSet;
use tokio::sync::{mpsc, oneshot};

/// The network task is not running any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the network task has ended")]
pub struct NetClosed;

/// Commands the network task. Cheap to clone.
///
/// Every method waits only for room in a short queue that the task always drains.
#[derive(Debug, Clone)]
pub struct NetHandle {
    commands: mpsc::Sender<Command>,
    gossip: mpsc::Sender<GossipCommand>,
}

/// What the handle asks of the task. Not `Debug`: a join request proves the ticket.
pub(crate) enum Command {
    SetMembers(BTreeSet<DeviceKey>),
    SetAddresses(DeviceKey, Vec<Multiaddr>),
    SetCircles(Vec<BTreeSet<DeviceKey>>),
    Want(DeviceKey),
    Listen(Multiaddr),
    Cut(Option<DeviceKey>),
    Heal(Option<DeviceKey>),
    Join {
        addrs: Vec<(DeviceKey, Multiaddr)>,
        request: Vec<u8>,
        answer: oneshot::Sender<Result<Vec<u8>, JoinError>>,
    },
    Subscribe(Topic, BTreeSet<DeviceKey>),
    Unsubscribe(Topic),
    #[cfg(test)]
    Fail,
    Shutdown(oneshot::Sender<()>),
}

/// What the handle asks of gossip, which never waits.
pub(crate) enum GossipCommand {
    Publish(Topic, Vec<u8>),
    Judge(GossipId, Verdict),
}

/// The ends that the task reads.
pub(crate) struct Commands {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) gossip: mpsc::Receiver<GossipCommand>,
}

/// A handle and the ends that the task reads.
pub(crate) fn handle() -> (NetHandle, Commands) {
    let ((commands, for_commands), (gossip, for_gossip)) =
        (mpsc::channel(MAX_COMMANDS), mpsc::channel(MAX_GOSSIP_COMMANDS));
    (NetHandle { commands, gossip }, Commands { commands: for_commands, gossip: for_gossip })
}

impl NetHandle {
    /// Says who may sync, all of them. Whoever is left out is disconnected at once; who is new is dialled.
    ///
    /// # Errors
    /// [`NetClosed`].
    pub async fn set_members(&self, members: BTreeSet<DeviceKey>) -> Result<(), NetClosed> {
        self.tell(Command::SetMembers(members)).await
    }

    /// Says which sets of devices this one must be linked into, all of them: some of each set are dialled whatever other links
    /// stand. A device that is no member is not.
    ///
    /// # Errors
    /// [`NetClosed`].
    pub async fn set_circles(&self, circles: Vec<BTreeSet<DeviceKey>>) -> Result<(), NetClosed> {
        self.tell(Command::SetCircles(circles)).await
    }

    /// Says where a device listens, replacing what was said before; a member without a connection is dialled at once.
    ///
    /// Kept for devices that are no members yet, too. A `/p2p/…` tail is ignored, addresses past
    /// [`crate::MAX_ADDRESSES`] are not kept.
    ///
    /// # Errors
    /// [`NetClosed`].
    pub async fn set_addresses(&self, peer: DeviceKey, addrs: Vec<Multiaddr>) -> Result<(), NetClosed> {
        self.tell(Command::SetAddresses(peer, addrs)).await
    }

    /// Dials a device whose address a person has just named, at once, and even where enough links stand without it.
    ///
    /// # Errors
    /// [`NetClosed`].
    pub async fn want(&self, peer: DeviceKey) -> Result<(), NetClosed> {
        self.tell(Command::Want(peer)).await
    }

    /// Listens on one more address; answered by [`crate::NetEvent::Listening`] or [`crate::NetEvent::NotListening`].
    ///
    /// # Errors
    /// [`NetClosed`].
    pub async fn listen(&self, addr: Multiaddr) -> Result<(), NetClosed> {
        self.tell(Command::Listen(addr)).await
    }

    /// Cuts one peer off, or everybody: closes the connections and refuses new ones either way, until healed.
    ///
    /// # Errors
    /// [`NetClosed`].
    pub async fn cut(&self, peer: Option<DeviceKey>) -> Result<(), NetClosed> {
        self.tell(Command::Cut(peer)).await
    }

    /// Undoes [`NetHandle::cut`] and dials again at once. `None` undoes every cut, `Some` the one of that peer.
    ///
    /// While everybody is cut off, healing one peer heals that one alone.
    ///
    /// # Errors
    /// [`NetClosed`].
    pub async fn heal(&self, peer: Option<DeviceKey>) -> Result<(), NetClosed> {
        self.tell(Command::Heal(peer)).await
    }

    /// Asks members at these addresses, in turn, to let this device join, until one answers.
    ///
    /// At most the first 32 addresses are tried, each for [`crate::JOIN_TIMEOUT`]. What the answer means is the
    /// caller's affair.
    ///
    /// # Errors
    /// [`JoinError`] says what went wrong with each address.
    pub async fn join(&self, addrs: Vec<(DeviceKey, Multiaddr)>, request: Vec<u8>) -> Result<Vec<u8>, JoinError> {
        let (answer, answered) = oneshot::channel();
        self.tell(Command::Join { addrs, request, answer }).await.map_err(|NetClosed| JoinError::Closed)?;
        answered.await.unwrap_or(Err(JoinError::Closed))
    }

    /// Takes part in a topic, with those members that may; called again, it says anew who may.
    ///
    /// Members outside the audience neither hear what is published nor are listened to: a home may hold several teams.
    /// Those whose right has changed are disconnected, and meet this device again at once.
    ///
    /// # Errors
    /// [`NetClosed`].
    pub async fn subscribe(&self, topic: Topic, audience: BTreeSet<DeviceKey>) -> Result<(), NetClosed> {
        self.tell(Command::Subscribe(topic, audience)).await
    }

    /// Leaves a topic.
    ///
    /// # Errors
    /// [`NetClosed`].
    pub async fn unsubscribe(&self, topic: Topic) -> Result<(), NetClosed> {
        self.tell(Command::Unsubscribe(topic)).await
    }

    /// Tells everybody who takes part in a topic. Never waits, and promises nothing: sync carries what gets lost.
    ///
    /// # Errors
    /// [`PublishError`]; then nobody was told.
    pub fn publish(&self, topic: Topic, bytes: Vec<u8>) -> Result<(), PublishError> {
        if bytes.len() > MAX_GOSSIP_BYTES {
            return Err(PublishError::TooLong(bytes.len()));
        }
        self.gossip.try_send(GossipCommand::Publish(topic, bytes)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PublishError::Busy,
            mpsc::error::TrySendError::Closed(_) => PublishError::Closed,
        })
    }

    /// Says what is to become of a message from [`crate::NetEvent::Gossip`]; until then it is not passed on. Never waits.
    pub fn judge(&self, id: GossipId, verdict: Verdict) {
        // A verdict for which there is no room is as good as none: the message goes no further.
        if self.gossip.try_send(GossipCommand::Judge(id, verdict)).is_err() {
            tracing::debug!("a verdict on gossip was dropped");
        }
    }

    /// Makes the task panic, so that tests see what a bug in it costs.
    #[cfg(test)]
    pub(crate) async fn fail(&self) -> Result<(), NetClosed> {
        self.tell(Command::Fail).await
    }

    /// Writes what is queued, for at most [`crate::SHUTDOWN_TIMEOUT`], closes every connection and ends the task.
    ///
    /// Returns when that is done.
    ///
    /// # Errors
    /// [`NetClosed`] if the task had ended before.
    pub async fn shutdown(&self) -> Result<(), NetClosed> {
        let (done, finished) = oneshot::channel();
        self.tell(Command::Shutdown(done)).await?;
        // The task drops the sender when it ends, by whatever way.
        finished.await.unwrap_or(());
        Ok(())
    }

    async fn tell(&self, command: Command) -> Result<(), NetClosed> {
        self.commands.send(command).await.map_err(|_| NetClosed)
    }
}
