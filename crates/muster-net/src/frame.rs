//! Length-prefixed frames on a stream: a reader and a writer that a connection handler polls.
//!
//! Byte layout in the crate header. Bounds and queues are in [`crate::link`].

use crate::limits::MAX_FRAME_BYTES;
use crate::link::Line;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A frame's memory grows by this much as its bytes come, so that a length alone costs nothing.
const READ_STEP_BYTES: usize = 64 * 1024;

/// Capacity that the writer keeps between batches; a longer batch is freed.
const KEPT_BATCH_BYTES: usize = 128 * 1024;

/// Why no more frames come.
#[derive(Debug)]
pub(crate) enum ReadEnd {
    /// The stream ended between two frames.
    Finished,
    /// The stream ended within a frame.
    CutShort,
    /// The stream failed.
    Failed(io::Error),
    /// The peer announced a frame past the limit.
    Oversize,
}

/// Reads frames off a stream.
#[derive(Debug)]
pub(crate) struct FrameReader<S> {
    stream: S,
    header: [u8; 4],
    header_len: usize,
    body: Vec<u8>,
}

impl<S: AsyncRead + Unpin> FrameReader<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, header: [0; 4], header_len: 0, body: Vec::new() }
    }

    /// The next frame, once `line` has room for it. The caller has told `line` whom to wake.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>, line: &Line) -> Poll<Result<Vec<u8>, ReadEnd>> {
        while self.header_len < self.header.len() {
            let rest = &mut self.header[self.header_len..];
            match ready!(Pin::new(&mut self.stream).poll_read(cx, rest)) {
                Ok(0) if self.header_len == 0 => return Poll::Ready(Err(ReadEnd::Finished)),
                Ok(0) => return Poll::Ready(Err(ReadEnd::CutShort)),
                Ok(read) => self.header_len += read,
                Err(error) => return Poll::Ready(Err(ReadEnd::Failed(error))),
            }
        }
        let len = u32::from_be_bytes(self.header) as usize;
        if len > MAX_FRAME_BYTES {
            return Poll::Ready(Err(ReadEnd::Oversize));
        }
        if self.body.is_empty() && !line.admits(len) {
            return Poll::Pending;
        }
        while self.body.len() < len {
            let filled = self.body.len();
            self.body.resize(len.min(filled + READ_STEP_BYTES), 0);
            let polled = Pin::new(&mut self.stream).poll_read(cx, &mut self.body[filled..]);
            let read = if let Poll::Ready(Ok(read)) = polled { read } else { 0 };
            self.body.truncate(filled + read);
            match ready!(polled) {
                Ok(0) => return Poll::Ready(Err(ReadEnd::CutShort)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(ReadEnd::Failed(error))),
            }
        }
        self.header_len = 0;
        Poll::Ready(Ok(std::mem::take(&mut self.body)))
    }
}

/// Writes the frames of a line to a stream.
#[derive(Debug)]
pub(crate) struct FrameWriter<S> {
    stream: S,
    batch: Vec<u8>,
    written: usize,
    charged: usize,
    unflushed: bool,
}

impl<S: AsyncWrite + Unpin> FrameWriter<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, batch: Vec::new(), written: 0, charged: 0, unflushed: false }
    }

    /// Writes until the line is empty and flushed (`Ready(Ok)`), or the stream takes no more.
    ///
    /// The caller has told `line` whom to wake.
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>, line: &Line) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.batch.len() {
                let rest = &self.batch[self.written..];
                match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => self.written += written,
                }
                self.unflushed = true;
            }
            line.written(std::mem::take(&mut self.charged));
            self.written = 0;
            self.batch.clear();
            self.batch.shrink_to(KEPT_BATCH_BYTES);
            self.charged = line.gather(&mut self.batch);
            if self.batch.is_empty() {
                if self.unflushed {
                    ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Says that no more frames come. Call after the line was drained.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// Reads one frame of at most `max` bytes.
///
/// # Errors
/// Of the stream; `InvalidData` if the frame is longer, `UnexpectedEof` if it is cut short.
pub(crate) async fn read_one<S: AsyncRead + Unpin>(stream: &mut S, max: usize) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let len = u32::from_be_bytes(header) as usize;
    if len > max {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = Vec::new();
    stream.take(len as u64).read_to_end(&mut body).await?;
    if body.len() < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(body) }
}

/// Writes one frame and says that no more come.
///
/// # Errors
/// Of the stream.
pub(crate) async fn write_one<S: AsyncWrite + Unpin>(stream: &mut S, body: &[u8]) -> io::Result<()> {
    let len = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&len.to_be_bytes()).await?;
    stream.write_all(body).await?;
    stream.close().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::future::poll_fn;
    use futures::io::Cursor;
    use proptest::prelude::*;

    fn read_all(bytes: &[u8]) -> (Vec<Vec<u8>>, ReadEnd, usize) {
        let (line, mut frames, mut most) = (Line::new(), Vec::new(), 0);
        let mut reader = FrameReader::new(Cursor::new(bytes));
        loop {
            let polled = block_on(poll_fn(|cx| reader.poll_frame(cx, &line)));
            most = most.max(reader.body.capacity());
            match polled {
                Ok(frame) => frames.push(frame),
                Err(end) => return (frames, end, most),
            }
        }
    }

    #[test]
    fn a_length_past_the_limit_ends_the_stream_without_allocation() {
        for len in [MAX_FRAME_BYTES as u32 + 1, u32::MAX] {
            let (frames, end, allocated) = read_all(&len.to_be_bytes());
            assert!(frames.is_empty() && matches!(end, ReadEnd::Oversize));
            assert_eq!(allocated, 0);
        }
    }

    #[test]
    fn an_announced_frame_costs_what_has_come_of_it() {
        let (_, end, allocated) = read_all(&(MAX_FRAME_BYTES as u32).to_be_bytes());
        assert!(matches!(end, ReadEnd::CutShort));
        assert!(allocated <= READ_STEP_BYTES, "{allocated}");
    }

    #[test]
    fn a_line_without_room_is_not_read() {
        let line = Line::new();
        line.arrived(&vec![0; crate::limits::MAX_UNREAD_BYTES]);
        let mut reader = FrameReader::new(Cursor::new([0, 0, 0, 1, 7]));
        let polled = block_on(poll_fn(|cx| Poll::Ready(reader.poll_frame(cx, &line))));
        assert!(polled.is_pending());
        line.taken(&vec![0; crate::limits::MAX_UNREAD_BYTES]);
        assert_eq!(block_on(poll_fn(|cx| reader.poll_frame(cx, &line))).unwrap(), [7]);
    }

    #[test]
    fn one_frame_longer_than_its_bound_is_refused() {
        let bytes = [0, 0, 0, 3, 1, 2, 3];
        assert_eq!(block_on(read_one(&mut Cursor::new(bytes), 3)).unwrap(), [1, 2, 3]);
        for (bytes, max, kind) in [
            (&bytes[..], 2, io::ErrorKind::InvalidData),
            (&bytes[..6], 3, io::ErrorKind::UnexpectedEof),
            (&bytes[..3], 3, io::ErrorKind::UnexpectedEof),
        ] {
            assert_eq!(block_on(read_one(&mut Cursor::new(bytes), max)).unwrap_err().kind(), kind);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..40)) {
            let line = Line::new();
            let link = crate::Link::new(muster_log::DeviceKey::from_bytes([0; 32]), crate::Path::Direct, line.clone());
            for frame in &frames {
                link.send(frame.clone()).unwrap();
            }
            let mut writer = FrameWriter::new(Cursor::new(Vec::new()));
            block_on(poll_fn(|cx| writer.poll_drain(cx, &line))).unwrap();
            prop_assert_eq!(link.queued_bytes(), 0);
            let (read, end, _) = read_all(writer.stream.get_ref());
            prop_assert_eq!(read, frames);
            prop_assert!(matches!(end, ReadEnd::Finished));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..200)) {
            let (frames, _, _) = read_all(&bytes);
            prop_assert!(frames.iter().map(|frame| frame.len() + 4).sum::<usize>() <= bytes.len());
        }
    }
}
