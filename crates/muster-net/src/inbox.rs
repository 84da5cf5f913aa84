//! The bounded queue of events from the task to the node.
//!
//! When it is full the task stops polling the network; the count of one peer's unread frames is in [`crate::link`].

use crate::event::NetEvent;
use crate::limits::MAX_EVENTS;
use crate::link::Line;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The node's end of the event queue.
#[derive(Debug)]
pub struct NetEvents {
    receiver: mpsc::Receiver<Item>,
}

impl NetEvents {
    /// Waits for the next event; `None` when the task has ended and everything was taken. Safe to cancel.
    pub async fn recv(&mut self) -> Option<NetEvent> {
        self.receiver.recv().await.map(Item::take)
    }

    /// The next event if there is one already.
    pub fn try_recv(&mut self) -> Option<NetEvent> {
        self.receiver.try_recv().ok().map(Item::take)
    }
}

/// An event and, if it is a frame, the line that counts it as unread.
#[derive(Debug)]
struct Item {
    event: NetEvent,
    line: Option<Arc<Line>>,
}

impl Item {
    fn take(self) -> NetEvent {
        if let (NetEvent::Frame { bytes, .. }, Some(line)) = (&self.event, &self.line) {
            line.taken(bytes);
        }
        self.event
    }
}

/// The task's end.
///
/// What does not fit waits in `overflow`. That stays short: links end by commands and deadlines, too, but new ones
/// begin only while the network is polled, and it is not while something waits.
#[derive(Debug)]
pub(crate) struct Outlet {
    sender: mpsc::Sender<Item>,
    overflow: VecDeque<Item>,
}

pub(crate) fn inbox() -> (Outlet, NetEvents) {
    let (sender, receiver) = mpsc::channel(MAX_EVENTS);
    (Outlet { sender, overflow: VecDeque::new() }, NetEvents { receiver })
}

impl Outlet {
    pub(crate) fn push(&mut self, event: NetEvent) {
        self.push_item(Item { event, line: None });
    }

    pub(crate) fn push_frame(&mut self, event: NetEvent, line: Arc<Line>) {
        self.push_item(Item { event, line: Some(line) });
    }

    fn push_item(&mut self, item: Item) {
        self.overflow.push_back(item);
        self.drain();
    }

    /// Moves what waits into the queue as far as it fits.
    fn drain(&mut self) {
        while let Some(item) = self.overflow.pop_front() {
            if let Err(error) = self.sender.try_send(item) {
                match error {
                    mpsc::error::TrySendError::Full(item) => self.overflow.push_front(item),
                    mpsc::error::TrySendError::Closed(_) => self.overflow.clear(),
                }
                return;
            }
        }
    }

    /// Whether everything pushed has found its place.
    pub(crate) fn has_room(&self) -> bool {
        self.overflow.is_empty()
    }

    /// Waits until there is room again, or if there is, until the node has dropped its end. Safe to cancel.
    pub(crate) async fn changed(&mut self) {
        if self.overflow.is_empty() {
            return self.sender.closed().await;
        }
        // The permit is given back at once: nobody else sends.
        let _ = self.sender.reserve().await;
        self.drain();
    }

    /// Whether the node has dropped its end.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{MAX_FRAME_BYTES, MAX_UNREAD_BYTES};
    use muster_log::DeviceKey;

    #[tokio::test]
    async fn nothing_is_lost_or_reordered_when_the_queue_overflows() {
        let (mut outlet, mut events) = inbox();
        let peer = DeviceKey::from_bytes([0; 32]);
        for ms in 0..MAX_EVENTS as u32 + 10 {
            outlet.push(NetEvent::Rtt { peer, ms });
        }
        assert!(!outlet.has_room());
        for expected in 0..MAX_EVENTS as u32 + 10 {
            let event = events.recv().await;
            assert!(matches!(event, Some(NetEvent::Rtt { ms, .. }) if ms == expected), "{event:?} at {expected}");
            if !outlet.has_room() {
                outlet.changed().await;
            }
        }
        assert!(outlet.has_room());
    }

    #[test]
    fn a_frame_counts_as_unread_until_the_node_takes_it() {
        let (mut outlet, mut events) = inbox();
        let (peer, line) = (DeviceKey::from_bytes([0; 32]), Line::new());
        while line.admits(MAX_FRAME_BYTES / 2) {
            let bytes = vec![0; MAX_FRAME_BYTES / 2];
            line.arrived(&bytes);
            outlet.push_frame(NetEvent::Frame { peer, bytes }, line.clone());
        }
        let mut taken = 0;
        while let Some(NetEvent::Frame { bytes, .. }) = events.try_recv() {
            taken += bytes.len();
            assert!(line.admits(MAX_FRAME_BYTES / 2));
        }
        assert!(taken > 0 && taken <= MAX_UNREAD_BYTES, "{taken}");
    }
}
