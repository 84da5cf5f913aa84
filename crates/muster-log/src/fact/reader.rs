//! Reads a field list item by item, exactly: a missing, extra or ill-typed item is malformed.

use super::{Kind, Malformed};
use crate::ids::EntryId;
use crate::limits::REGISTER_NAME_BYTES_MAX;
use crate::value::Value;

pub(super) struct Reader<'a> {
    kind: Kind,
    items: std::slice::Iter<'a, Value>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(kind: Kind, fields: &'a [Value]) -> Self {
        Self { kind, items: fields.iter() }
    }

    pub(super) fn malformed(&self, item: &'static str) -> Malformed {
        Malformed { kind: self.kind, item }
    }

    /// The next item through `read`, which says `None` for what it cannot take.
    pub(super) fn item<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, Malformed> {
        self.items.next().and_then(read).ok_or(self.malformed(name))
    }

    /// As [`Reader::item`], `null` standing for absence.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Malformed> {
        self.item(name, |value| if *value == Value::Null { Some(None) } else { read(value).map(Some) })
    }

    /// An item that may be left out where nothing follows it.
    pub(super) fn last<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Malformed> {
        self.items.next().map(|value| read(value).ok_or(self.malformed(name))).transpose()
    }

    pub(super) fn end(mut self) -> Result<(), Malformed> {
        match self.items.next() {
            None => Ok(()),
            Some(_) => Err(self.malformed("one item too many")),
        }
    }
}

pub(super) fn bytes<const N: usize>(value: &Value) -> Option<[u8; N]> {
    value.as_bytes()?.try_into().ok()
}

pub(super) fn entry_id(value: &Value) -> Option<EntryId> {
    bytes(value).map(EntryId::from_bytes)
}

/// A sorted list of different things, at most `max`.
pub(super) fn set<T: Ord>(value: &Value, max: usize, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    let items = value.as_list()?;
    if items.len() > max {
        return None;
    }
    let items: Vec<T> = items.iter().map(read).collect::<Option<_>>()?;
    items.is_sorted_by(|a, b| a < b).then_some(items)
}

/// A register's name: not empty, short, and nothing that a terminal or a reader could take for something else.
pub(super) fn register_name(value: &Value) -> Option<&str> {
    value.as_text().filter(|name| is_register_name(name))
}

pub(super) fn is_register_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= REGISTER_NAME_BYTES_MAX
        && name.trim() == name
        && !name.chars().any(char::is_control)
}
