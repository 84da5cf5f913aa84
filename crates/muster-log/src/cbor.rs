//! Canonical CBOR (RFC 8949, section 4.2; the DAG-CBOR subset): one byte string for one value.
//!
//! Decoders read tolerantly and then the caller encodes again and compares, so that canonical form is decided in one
//! place. Nesting is checked on the way down; nothing is allocated on the word of a length prefix.

use crate::limits::NESTING_MAX;
use crate::value::Value;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

/// Encoder over a growing buffer: writing cannot fail.
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

    pub(crate) fn int(&mut self, int: i64) -> &mut Self {
        infallible(self.0.i64(int).map(drop));
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

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_writer()
    }
}

fn infallible(result: Result<(), minicbor::encode::Error<std::convert::Infallible>>) {
    if let Err(error) = result {
        unreachable!("writing to memory cannot fail: {error}");
    }
}

/// What the decoder met that no canonical encoder writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotCanonical;

impl From<minicbor::decode::Error> for NotCanonical {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

/// Reads exactly one value. Whether its form is the canonical one is found by encoding it again.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, NotCanonical> {
    let (value, size) = decode_first(bytes)?;
    if size == bytes.len() { Ok(value) } else { Err(NotCanonical) }
}

/// Reads the first value of several, and tells how many bytes it has.
pub(crate) fn decode_first(bytes: &[u8]) -> Result<(Value, usize), NotCanonical> {
    let mut decoder = Decoder::new(bytes);
    let value = decode_value(&mut decoder, NESTING_MAX)?;
    Ok((value, decoder.position()))
}

fn decode_value(decoder: &mut Decoder<'_>, nesting_left: usize) -> Result<Value, NotCanonical> {
    Ok(match decoder.datatype()? {
        Type::Null => {
            decoder.null()?;
            Value::Null
        }
        Type::Bool => Value::Bool(decoder.bool()?),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            Value::Int(decoder.i64()?)
        }
        Type::Bytes => Value::Bytes(decoder.bytes()?.to_vec()),
        Type::String => Value::Text(decoder.str()?.to_owned()),
        Type::Array => {
            let nesting_left = nesting_left.checked_sub(1).ok_or(NotCanonical)?;
            let len = decoder.array()?.ok_or(NotCanonical)?;
            // No capacity is taken from `len`: every item costs at least one byte that must be there.
            let mut items = Vec::new();
            for _ in 0..len {
                items.push(decode_value(decoder, nesting_left)?);
            }
            Value::List(items)
        }
        _ => return Err(NotCanonical),
    })
}

/// Encodes one value canonically.
#[cfg(test)]
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.value(value);
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -25..25i64].prop_map(Value::Int),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
            ".{0,20}".prop_map(Value::Text),
        ];
        leaf.prop_recursive(NESTING_MAX as u32 - 1, 32, 6, |inner| {
            proptest::collection::vec(inner, 0..6).prop_map(Value::List)
        })
    }

    proptest! {
        #[test]
        fn a_value_reads_back_from_its_bytes(value in values()) {
            prop_assert_eq!(decode(&encode(&value)), Ok(value));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = decode(&bytes) {
                let again = encode(&value);
                prop_assert_eq!(decode(&again), Ok(value));
            }
        }
    }

    #[test]
    fn deep_lists_huge_lengths_maps_tags_and_floats_are_refused() {
        let deep = |n: usize| [vec![0x81; n], vec![0x00]].concat();
        assert!(decode(&deep(NESTING_MAX)).is_ok());
        for bad in [
            deep(NESTING_MAX + 1),
            vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            vec![0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            vec![0xa0],
            vec![0xc0, 0x00],
            vec![0xf9, 0x00, 0x00],
            vec![0x9f, 0xff],
            vec![0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            vec![],
        ] {
            assert_eq!(decode(&bad), Err(NotCanonical), "{bad:02x?}");
        }
    }
}
