//! The data model of an entry's fields: DAG-CBOR without maps, tags and floats.
//!
//! Kept as a small tree, so that an entry of a kind this version does not know can be held and passed on whole.

/// One value of a field list. Integers are those that fit an `i64`; any other is refused at decoding (A1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Absent.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Bytes: ids, keys, signatures.
    Bytes(Vec<u8>),
    /// UTF-8 text: register names.
    Text(String),
    /// A list.
    List(Vec<Value>),
}

impl Value {
    /// The integer, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(int) = self { Some(*int) } else { None }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    /// The bytes, if it is a byte string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// An id as a byte string.
    pub(crate) fn id(bytes: &[u8; 32]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}
