//! The two sync streams of a member's connection: ours to write, the peer's to read.

use crate::event::LinkEnd;
use crate::frame::{FrameReader, FrameWriter, ReadEnd};
use crate::handler::FromConnection;
use crate::link::{Ending, Line};
use libp2p::swarm::Stream;
use std::sync::Arc;
use std::task::{Context, Poll};

/// From "may open" over "both open" to "ended".
#[derive(Debug, Default)]
pub(crate) struct SyncStreams {
    line: Option<Arc<Line>>,
    requested: bool,
    reader: Option<FrameReader<Stream>>,
    writer: Option<FrameWriter<Stream>>,
    progress: Progress,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Progress {
    #[default]
    Opening,
    Up,
    Flushed,
    Ended,
}

impl SyncStreams {
    /// Opens our stream for this line. A connection has one line in its life.
    pub(crate) fn start(&mut self, line: Arc<Line>) {
        self.line.get_or_insert(line);
    }

    /// Whether our stream is to be requested now; says so once.
    pub(crate) fn wants_stream(&mut self) -> bool {
        let wanted = self.line.is_some() && !self.requested;
        self.requested |= wanted;
        wanted
    }

    /// Our stream is open.
    pub(crate) fn opened(&mut self, stream: Stream) {
        self.writer = Some(FrameWriter::new(stream));
    }

    /// The peer's stream is open. It is held until we have opened ours; a second one is dropped.
    pub(crate) fn accept(&mut self, stream: Stream) {
        if self.reader.is_none() && self.progress == Progress::Opening {
            self.reader = Some(FrameReader::new(stream));
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<FromConnection> {
        let (Some(line), Some(reader), Some(writer)) = (&self.line, &mut self.reader, &mut self.writer) else {
            return Poll::Pending;
        };
        if self.progress == Progress::Opening {
            self.progress = Progress::Up;
            return Poll::Ready(FromConnection::SyncUp);
        }
        let finishing = match line.watch(cx) {
            Ending::Open => false,
            Ending::Finishing => true,
            Ending::TooSlow => return self.end(LinkEnd::TooSlow),
            Ending::Dropped => return self.end(LinkEnd::Dropped),
            Ending::Ended => return self.end(LinkEnd::Closed),
        };
        if self.progress == Progress::Up {
            match writer.poll_drain(cx, line) {
                Poll::Ready(Err(error)) => return self.end(LinkEnd::of(&error)),
                Poll::Ready(Ok(())) if finishing => {
                    if let Poll::Ready(closed) = writer.poll_close(cx) {
                        self.progress = Progress::Flushed;
                        return match closed {
                            Ok(()) => Poll::Ready(FromConnection::SyncFlushed),
                            Err(error) => self.end(LinkEnd::of(&error)),
                        };
                    }
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        match reader.poll_frame(cx, line) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(frame)) => {
                line.arrived(&frame);
                Poll::Ready(FromConnection::Frame(frame))
            }
            Poll::Ready(Err(ReadEnd::Finished)) => self.end(LinkEnd::Closed),
            Poll::Ready(Err(ReadEnd::CutShort)) => self.end(LinkEnd::Lost),
            Poll::Ready(Err(ReadEnd::Failed(error))) => self.end(LinkEnd::of(&error)),
            Poll::Ready(Err(ReadEnd::Oversize)) => self.end(LinkEnd::OversizeFrame),
        }
    }

    /// Drops both streams, which resets what was not closed, and says so once.
    fn end(&mut self, end: LinkEnd) -> Poll<FromConnection> {
        (self.reader, self.writer) = (None, None);
        if let Some(line) = &self.line {
            line.end(Ending::Ended);
        }
        self.progress = Progress::Ended;
        Poll::Ready(FromConnection::SyncEnded(end))
    }
}
