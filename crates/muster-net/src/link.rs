//! One link: the queue of frames to a connected peer, and the count of its frames that the node has not taken.
//!
//! The node holds [`Link`]s, the connection handler the other side. Reading and writing streams is in
//! [`crate::frame`].

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
