//! Reads registers and texts back out of the document: the only way from Automerge to the views.

use super::Document;
use super::register::{Container, Content, Register};
use super::template::{ROW_BODY, actor};
use automerge::{ObjId, ReadDoc, ScalarValue, Value};
use muster_log::{BodyText, Part, ShortLog};
use std::collections::BTreeMap;

/// One of a register's values, with the entry that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// The place of the writing entry.
    pub(crate) writer: u32,
    pub(crate) content: Content,
}

/// What was typed with an entry, by label.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Texts {
    parts: BTreeMap<String, String>,
}

impl Texts {
    pub(crate) fn get(&self, part: Part) -> Option<&str> {
        self.parts.get(part.label()).map(String::as_str)
    }

    pub(crate) fn text(&self) -> &str {
        self.get(Part::Text).unwrap_or_default()
    }

    /// What a body says, as the document would give it back.
    pub(crate) fn of(body: &BodyText) -> Self {
        Self { parts: body.parts().map(|(label, text)| (label.to_owned(), text.to_owned())).collect() }
    }

    pub(crate) fn plain(text: &str) -> Self {
        let parts = BTreeMap::from([(Part::Text.label().to_owned(), text.to_owned())]);
        Self { parts: if text.is_empty() { BTreeMap::new() } else { parts } }
    }

    fn parts(bytes: &[u8]) -> Option<Self> {
        let pairs: Vec<(String, String)> = minicbor::decode(bytes).ok()?;
        Some(Self { parts: pairs.into_iter().collect() })
    }
}

impl Document {
    /// All values of a register, in the order of the writing entries' ids.
    pub(crate) fn values(&self, register: &Register) -> Vec<Held> {
        let container = self.container(register.container);
        let all = self.automerge.get_all(&container, register.key.as_str()).unwrap_or_default();
        let mut held: Vec<Held> = all
            .iter()
            .filter_map(|(value, id)| {
                let Value::Scalar(scalar) = value else { return None };
                Some(Held { writer: self.writer(id)?, content: Content::from_scalar(scalar) })
            })
            .collect();
        held.sort_by_key(|held| self.graph.node(held.writer).id);
        held
    }

    /// The keys of a container, in order.
    pub(crate) fn keys(&self, container: Container) -> Vec<String> {
        self.automerge.keys(self.container(container)).collect()
    }

    /// What was typed with an entry: `None` where that is not at hand, empty where nothing was.
    pub(crate) fn texts(&self, place: u32) -> Option<Texts> {
        let node = self.graph.node(place);
        if !node.has_body {
            return Some(Texts::default());
        }
        let row = ObjId::Id(node.row_op?, actor(node.lane), 0);
        match self.automerge.get(&row, ROW_BODY).ok()?? {
            (Value::Scalar(scalar), _) => match scalar.as_ref() {
                ScalarValue::Str(text) => Some(Texts::plain(text)),
                ScalarValue::Bytes(parts) => Texts::parts(parts),
                _ => None,
            },
            _ => None,
        }
    }

    fn container(&self, container: Container) -> ObjId {
        ObjId::Id(container.op(), actor(self.graph.node(0).lane), 0)
    }

    fn writer(&self, id: &ObjId) -> Option<u32> {
        let ObjId::Id(counter, actor, _) = id else { return None };
        self.graph.by_op(ShortLog::try_from(actor.to_bytes()).ok()?, *counter)
    }
}
