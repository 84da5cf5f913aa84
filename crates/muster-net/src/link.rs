//! One link: the queue of frames to a connected peer, and the count of its frames that the node has not taken.
//!
//! The node holds a [`Link`], the connection handler and the event queue the [`Line`] inside it. Reading and writing
//! streams is in [`crate::frame`].

use crate::limits::{FRAME_OVERHEAD_BYTES, MAX_FRAME_BYTES, MAX_OUTGOING_BYTES, MAX_UNREAD_BYTES};
use muster_log::DeviceKey;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// Frames are gathered to at least this many bytes for one write, so that small ones do not travel alone.
const WRITE_BATCH_BYTES: usize = 64 * 1024;

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The link has ended; a [`crate::NetEvent::Disconnected`] comes or has come.
    #[error("the link has ended")]
    Closed,
    /// The peer reads too slowly. The link ends with [`crate::LinkEnd::TooSlow`].
    #[error("the peer reads too slowly")]
    TooSlow,
    /// The frame is longer than [`crate::MAX_FRAME_BYTES`]; the link goes on without it.
    #[error("the frame has {0} bytes, more than a frame may have")]
    FrameTooLong(usize),
}

/// The way to send to one connected peer, from its [`crate::NetEvent::Connected`] to the matching
/// [`crate::NetEvent::Disconnected`]. Cheap to clone; dropping it ends nothing.
#[derive(Clone)]
pub struct Link {
    peer: DeviceKey,
    path: Path,
    line: Arc<Line>,
}

/// How a link gets to its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// From here to there.
    Direct,
    /// Through another member's node, which carries a bounded number of bytes and sees none of them.
    Relayed,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Path::Direct => "direct",
            Path::Relayed => "relayed",
        })
    }
}

impl Link {
    pub(crate) fn new(peer: DeviceKey, path: Path, line: Arc<Line>) -> Self {
        Self { peer, path, line }
    }

    /// How it gets there. It does not change; a better way makes a new link.
    pub fn path(&self) -> Path {
        self.path
    }

    /// The peer at the other end.
    pub fn peer(&self) -> DeviceKey {
        self.peer
    }

    /// Queues one frame. Never waits.
    ///
    /// # Errors
    /// [`SendError`]; after [`SendError::FrameTooLong`] alone the link goes on.
    pub fn send(&self, frame: Vec<u8>) -> Result<(), SendError> {
        self.line.send(frame)
    }

    /// Bytes that wait to be written to this peer, each frame with [`crate::FRAME_OVERHEAD_BYTES`].
    ///
    /// Whoever can wait stops producing well below [`crate::MAX_OUTGOING_BYTES`].
    pub fn queued_bytes(&self) -> usize {
        self.line.lock().queued_bytes
    }

    /// Ends the link once what is queued has been written, and takes no more: a goodbye that should arrive.
    ///
    /// The peer hangs up when it has read the last frame; until then its own frames go on coming. The event is
    /// [`crate::LinkEnd::Dropped`]. [`Link::close`] cuts it short.
    pub fn finish(&self) {
        self.line.end(Ending::Finishing);
    }

    /// Ends the link at once: the peer broke the protocol, or is not wanted now. Queued frames are dropped. The event is
    /// [`crate::LinkEnd::Dropped`]; the peer is dialled again after the usual wait.
    pub fn close(&self) {
        self.line.end(Ending::Dropped);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.peer)
    }
}

/// What the holders of a line want of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Carry frames.
    Open,
    /// Write what is queued, take no more, then close.
    Finishing,
    /// Close: the queue overflowed.
    TooSlow,
    /// Close: the node said so.
    Dropped,
    /// It has ended.
    Ended,
}

/// The state of a link that the node and the connection handler share.
#[derive(Debug)]
pub(crate) struct Line {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ending: Ending,
    frames: VecDeque<Vec<u8>>,
    /// Charge of `frames` and of what the writer has in hand.
    queued_bytes: usize,
    /// Charge of the frames between the reader and the node.
    unread_bytes: usize,
    /// Of the connection, asleep until there is something to write, room to read, or an end.
    waker: Option<Waker>,
}

impl Line {
    pub(crate) fn new() -> Arc<Self> {
        let (frames, queued_bytes, unread_bytes) = (VecDeque::new(), 0, 0);
        let state = State { ending: Ending::Open, frames, queued_bytes, unread_bytes, waker: None };
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and counters that are a little off harm nobody.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, frame: Vec<u8>) -> Result<(), SendError> {
        if frame.len() > MAX_FRAME_BYTES {
            return Err(SendError::FrameTooLong(frame.len()));
        }
        let mut state = self.lock();
        match state.ending {
            Ending::Open => {}
            Ending::TooSlow => return Err(SendError::TooSlow),
            Ending::Finishing | Ending::Dropped | Ending::Ended => return Err(SendError::Closed),
        }
        let queued_bytes = state.queued_bytes + charge(&frame);
        if queued_bytes > MAX_OUTGOING_BYTES {
            state.end(Ending::TooSlow);
            return Err(SendError::TooSlow);
        }
        state.queued_bytes = queued_bytes;
        state.frames.push_back(frame);
        state.wake();
        Ok(())
    }

    /// Ends the line in this way, unless it is ending already.
    pub(crate) fn end(&self, ending: Ending) {
        let mut state = self.lock();
        if ending == Ending::Ended || matches!(state.ending, Ending::Open | Ending::Finishing) {
            state.end(ending);
        }
    }

    /// What is wanted of the line. The connection is woken when that, or anything else here, changes.
    pub(crate) fn watch(&self, cx: &Context<'_>) -> Ending {
        let mut state = self.lock();
        state.waker = Some(cx.waker().clone());
        state.ending
    }

    /// Moves queued frames into `batch`, each with its length before it, and gives back what they are charged.
    pub(crate) fn gather(&self, batch: &mut Vec<u8>) -> usize {
        let mut state = self.lock();
        let mut charged = 0;
        while batch.len() < WRITE_BATCH_BYTES {
            let Some(frame) = state.frames.pop_front() else { break };
            charged += charge(&frame);
            batch.extend_from_slice(&(frame.len() as u32).to_be_bytes());
            batch.extend_from_slice(&frame);
        }
        charged
    }

    /// What was gathered has been written.
    pub(crate) fn written(&self, charged: usize) {
        let mut state = self.lock();
        state.queued_bytes = state.queued_bytes.saturating_sub(charged);
    }

    /// Whether a frame of this length may be read now. A frame that is alone always may.
    pub(crate) fn admits(&self, len: usize) -> bool {
        let unread_bytes = self.lock().unread_bytes;
        unread_bytes == 0 || unread_bytes + len + FRAME_OVERHEAD_BYTES <= MAX_UNREAD_BYTES
    }

    /// A frame has been read and is on its way to the node.
    pub(crate) fn arrived(&self, frame: &[u8]) {
        self.lock().unread_bytes += charge(frame);
    }

    /// The node has taken a frame, or it was dropped on the way.
    pub(crate) fn taken(&self, frame: &[u8]) {
        let mut state = self.lock();
        state.unread_bytes = state.unread_bytes.saturating_sub(charge(frame));
        state.wake();
    }
}

impl State {
    fn end(&mut self, ending: Ending) {
        self.ending = ending;
        if ending != Ending::Finishing {
            let charged: usize = self.frames.iter().map(|frame| charge(frame)).sum();
            self.queued_bytes = self.queued_bytes.saturating_sub(charged);
            self.frames = VecDeque::new();
        }
        if ending == Ending::Ended {
            // The writer has gone with what it had in hand.
            self.queued_bytes = 0;
        }
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

fn charge(frame: &[u8]) -> usize {
    frame.len() + FRAME_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_ends_the_link_and_frees_its_frames() {
        let line = Line::new();
        let frame = vec![0; MAX_OUTGOING_BYTES / 7 - FRAME_OVERHEAD_BYTES];
        for _ in 0..7 {
            assert_eq!(line.send(frame.clone()), Ok(()));
        }
        assert_eq!(line.lock().queued_bytes, MAX_OUTGOING_BYTES);
        assert_eq!(line.send(Vec::new()), Err(SendError::TooSlow));
        assert_eq!(line.send(Vec::new()), Err(SendError::TooSlow));
        assert!(line.lock().frames.is_empty());
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_and_the_link_goes_on() {
        let line = Line::new();
        assert_eq!(line.send(vec![0; MAX_FRAME_BYTES + 1]), Err(SendError::FrameTooLong(MAX_FRAME_BYTES + 1)));
        assert_eq!(line.send(vec![0; MAX_FRAME_BYTES]), Ok(()));
    }

    #[test]
    fn written_frames_make_room() {
        let line = Line::new();
        for _ in 0..100 {
            assert_eq!(line.send(vec![0; MAX_FRAME_BYTES]), Ok(()));
            let mut batch = Vec::new();
            let charged = line.gather(&mut batch);
            assert_eq!(batch.len(), MAX_FRAME_BYTES + 4);
            line.written(charged);
        }
    }

    #[test]
    fn a_line_that_has_ended_does_not_end_again() {
        let line = Line::new();
        line.end(Ending::Finishing);
        assert_eq!(line.send(Vec::new()), Err(SendError::Closed));
        line.end(Ending::TooSlow);
        line.end(Ending::Dropped);
        assert_eq!(line.lock().ending, Ending::TooSlow);
    }
}
