//! CBOR for frames and chunks: a writer that cannot fail and a reader that believes no length.
//!
//! The reader is tolerant of form; whoever needs canonical bytes encodes again and compares ([`crate::frame`]). Which
//! fields a frame has is not known here.

use crate::frame::FrameError;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use muster_log::Value;
use muster_log::limits::NESTING_MAX;

/// Encoder over a growing buffer.
pub(crate) struct Writer(Encoder<Vec<u8>>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(Encoder::new(Vec::new()))
    }

    /// Opens a list of `len` items, which the caller writes next.
    pub(crate) fn list(&mut self, len: usize) -> &mut Self {
        infallible(self.0.array(len as u64).map(drop));
        self
    }

    pub(crate) fn uint(&mut self, n: u64) -> &mut Self {
        infallible(self.0.u64(n).map(drop));
        self
    }

    pub(crate) fn int(&mut self, n: i64) -> &mut Self {
        infallible(self.0.i64(n).map(drop));
        self
    }

    pub(crate) fn null(&mut self) -> &mut Self {
        infallible(self.0.null().map(drop));
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        infallible(self.0.bytes(bytes).map(drop));
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        infallible(self.0.str(text).map(drop));
        self
    }

    /// Writes each item of a slice through `write`, behind their number.
    pub(crate) fn list_of<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) -> &mut Self {
        self.list(items.len());
        items.iter().for_each(|item| write(self, item));
        self
    }

    /// Writes one value of an entry's fields.
    pub(crate) fn value(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::Null => self.null(),
            Value::Bool(truth) => {
                infallible(self.0.bool(*truth).map(drop));
                self
            }
            Value::Int(int) => self.int(*int),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Text(text) => self.text(text),
            Value::List(items) => {
                self.list(items.len());
                items.iter().fold(self, |writer, item| writer.value(item))
            }
        }
    }

    /// Appends bytes that are already CBOR.
    pub(crate) fn raw(&mut self, cbor: &[u8]) -> &mut Self {
        self.0.writer_mut().extend_from_slice(cbor);
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.0.writer().len()
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_writer()
    }
}

fn infallible(result: Result<(), minicbor::encode::Error<std::convert::Infallible>>) {
    if let Err(error) = result {
        unreachable!("writing to memory cannot fail: {error}");
    }
}

/// Reads items one after another; every item has a name for the error.
pub(crate) struct Reader<'b>(Decoder<'b>);

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self(Decoder::new(bytes))
    }

    /// The number of items of a list, which cannot be more than bytes are left: each item costs at least one.
    pub(crate) fn list(&mut self, item: &'static str, limit: usize) -> Result<usize, FrameError> {
        let len = self.0.array().ok().flatten().ok_or(FrameError::Form { item })?;
        let left = self.0.input().len() - self.0.position();
        if len > limit as u64 {
            return Err(FrameError::TooLarge { item, found: len, limit: limit as u64 });
        }
        usize::try_from(len).ok().filter(|len| *len <= left).ok_or(FrameError::Form { item })
    }

    /// Opens a list that must have exactly `len` items.
    pub(crate) fn exactly(&mut self, item: &'static str, len: usize) -> Result<(), FrameError> {
        if self.list(item, len)? == len { Ok(()) } else { Err(FrameError::Form { item }) }
    }

    /// Reads a list of at most `limit` items through `read`.
    pub(crate) fn list_of<T>(
        &mut self,
        item: &'static str,
        limit: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, FrameError>,
    ) -> Result<Vec<T>, FrameError> {
        let len = self.list(item, limit)?;
        (0..len).map(|_| read(self)).collect()
    }

    pub(crate) fn u64(&mut self, item: &'static str) -> Result<u64, FrameError> {
        self.0.u64().map_err(|_| FrameError::Form { item })
    }

    pub(crate) fn u32(&mut self, item: &'static str) -> Result<u32, FrameError> {
        self.0.u32().map_err(|_| FrameError::Form { item })
    }

    pub(crate) fn u16(&mut self, item: &'static str) -> Result<u16, FrameError> {
        self.0.u16().map_err(|_| FrameError::Form { item })
    }

    pub(crate) fn i64(&mut self, item: &'static str) -> Result<i64, FrameError> {
        self.0.i64().map_err(|_| FrameError::Form { item })
    }

    pub(crate) fn bytes(&mut self, item: &'static str) -> Result<&'b [u8], FrameError> {
        self.0.bytes().map_err(|_| FrameError::Form { item })
    }

    pub(crate) fn text(&mut self, item: &'static str) -> Result<&'b str, FrameError> {
        self.0.str().map_err(|_| FrameError::Form { item })
    }

    /// A byte string of exactly `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self, item: &'static str) -> Result<[u8; N], FrameError> {
        self.bytes(item)?.try_into().map_err(|_| FrameError::Form { item })
    }

    /// A byte string that holds whole records of `N` bytes.
    pub(crate) fn table<const N: usize>(&mut self, item: &'static str) -> Result<Vec<[u8; N]>, FrameError> {
        let (records, rest) = self.bytes(item)?.as_chunks::<N>();
        if rest.is_empty() { Ok(records.to_vec()) } else { Err(FrameError::Form { item }) }
    }

    /// `None` for null, else what `read` reads.
    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, FrameError>,
    ) -> Result<Option<T>, FrameError> {
        if self.next_is(Type::Null) {
            self.0.null().map_err(|_| FrameError::Form { item: "null" })?;
            return Ok(None);
        }
        read(self).map(Some)
    }

    pub(crate) fn next_is(&self, wanted: Type) -> bool {
        self.0.datatype().is_ok_and(|found| found == wanted)
    }

    /// One value of an entry's fields.
    pub(crate) fn value(&mut self, item: &'static str) -> Result<Value, FrameError> {
        // The fields' list is the second level of an entry.
        self.nested_value(item, NESTING_MAX - 2)
    }

    fn nested_value(&mut self, item: &'static str, nesting_left: usize) -> Result<Value, FrameError> {
        let form = |_| FrameError::Form { item };
        Ok(match self.0.datatype().map_err(form)? {
            Type::Null => {
                self.0.null().map_err(form)?;
                Value::Null
            }
            Type::Bool => Value::Bool(self.0.bool().map_err(form)?),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
                Value::Int(self.0.i64().map_err(form)?)
            }
            Type::Bytes => Value::Bytes(self.0.bytes().map_err(form)?.to_vec()),
            Type::String => Value::Text(self.0.str().map_err(form)?.to_owned()),
            Type::Array => {
                let nesting_left = nesting_left.checked_sub(1).ok_or(FrameError::Form { item })?;
                Value::List(self.list_of(item, usize::MAX, |r| r.nested_value(item, nesting_left))?)
            }
            _ => return Err(FrameError::Form { item }),
        })
    }

    /// Checks that the next item ends within `limit` bytes, before any of it is kept.
    pub(crate) fn bounded(&self, item: &'static str, limit: usize) -> Result<(), FrameError> {
        let left = self.0.input().get(self.0.position()..).unwrap_or_default();
        let ahead = left.get(..limit).unwrap_or(left);
        Decoder::new(ahead).skip().map_err(|_| FrameError::Form { item })
    }

    /// Everything must have been read.
    pub(crate) fn end(&self) -> Result<(), FrameError> {
        if self.0.position() == self.0.input().len() {
            Ok(())
        } else {
            Err(FrameError::Form { item: "bytes after the end" })
        }
    }
}
