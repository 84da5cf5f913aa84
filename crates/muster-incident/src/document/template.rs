//! From one judged entry to one Automerge change, by the fixed template (design, section 7).
//!
//! The number of ops follows from kind, fields and effect, never from the body. This and [`super::read`] are the only
//! files that know how Automerge spells things; its doc-hidden `ExpandedChange` and `legacy` are used because nothing
//! public builds a change with a given actor, number and predecessors (hence the exact version pin).

use super::effect::{Meaning, Planned};
use super::graph::Graph;
use super::register::Container;
use automerge::legacy::{Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ObjType, ScalarValue};
use muster_log::fact::What;
use muster_log::{BodyText, Entry, EntryId, ShortLog, Status};
use std::num::NonZeroU64;

/// The version of the template. A snapshot made by another is rebuilt.
pub const TEMPLATE_VERSION: u32 = 1;

/// Keys of an entry's own map in the timeline.
pub(crate) const ROW_KIND: &str = "kind";
pub(crate) const ROW_CLAIMED: &str = "claimed";
pub(crate) const ROW_EVENT: &str = "event";
pub(crate) const ROW_BODY: &str = "body";

/// The actor of a lane.
pub(crate) fn actor(lane: ShortLog) -> ActorId {
    ActorId::from(lane.as_bytes().as_slice())
}

/// The key of an entry's map in the timeline: the first eight bytes of its id. Equal keys do no harm.
pub(crate) fn row_key(id: &EntryId) -> String {
    id.to_string()[..16].to_owned()
}

/// Where a change stands in the document.
pub(crate) struct Place {
    pub(crate) lane: ShortLog,
    pub(crate) lane_seq: u64,
    /// 1 + the largest op of the parents.
    pub(crate) start_op: u64,
    pub(crate) deps: Vec<ChangeHash>,
}

/// A change and where its parts ended up.
pub(crate) struct Built {
    pub(crate) change: Change,
    pub(crate) row_op: Option<u64>,
    /// The ops of the planned writes, in their order.
    pub(crate) write_ops: Vec<u64>,
    /// `start_op - 1` where there are no ops.
    pub(crate) max_op: u64,
}

/// Whether the entry has a map of its own in the timeline.
pub(crate) fn has_row(entry: &Entry, meaning: &Meaning, status: Status) -> bool {
    let joins_heads = meaning.fact().is_some_and(|fact| fact.what == What::JoinHeads);
    entry.body().is_some() || meaning.fact().is_none() || status != Status::Active && !joins_heads
}

/// Builds the change of one entry.
pub(crate) fn build(
    graph: &Graph,
    place: Place,
    entry: &Entry,
    meaning: &Meaning,
    writes: &[Planned],
    status: Status,
    body: Option<&BodyText>,
) -> Built {
    let actor = actor(place.lane);
    let mut ops = Ops { start: place.start_op, ops: Vec::new() };
    if entry.is_genesis() {
        for (container, key) in Container::ALL {
            let made = if container.is_text() { ObjType::Text } else { ObjType::Map };
            ops.push(ObjectId::Root, key.to_owned(), OpType::Make(made), Vec::new());
        }
    }
    let genesis = graph.iter().next().map_or(place.lane, |(_, genesis)| genesis.lane);
    let container = |container: Container| ObjectId::Id(OpId::new(container.op(), &self::actor(genesis)));
    let row_op = has_row(entry, meaning, status).then(|| {
        let row =
            ops.push(container(Container::Timeline), row_key(&entry.id()), OpType::Make(ObjType::Map), Vec::new());
        let object = ObjectId::Id(OpId::new(row, &actor));
        for (key, value) in row_values(entry, meaning, body) {
            ops.push(object.clone(), key.to_owned(), OpType::Put(value), Vec::new());
        }
        row
    });
    let write_ops = writes
        .iter()
        .map(|write| {
            let replaced = write.replaces.iter().filter_map(|place| {
                let node = graph.node(*place);
                let written = node.writes.iter().find(|written| written.register == write.register)?;
                Some(OpId::new(written.op, &self::actor(node.lane)))
            });
            let put = OpType::Put(write.content.to_scalar());
            ops.push(container(write.register.container), write.register.key.clone(), put, replaced.collect())
        })
        .collect();
    let max_op = place.start_op + ops.ops.len() as u64 - 1;
    let change = Change::from(ExpandedChange {
        operations: ops.ops,
        actor_id: actor,
        hash: None,
        seq: place.lane_seq,
        start_op: NonZeroU64::new(place.start_op).unwrap_or(NonZeroU64::MIN),
        // The author may claim any time; none of it may reach a delta encoding. It is in the entry's own map.
        time: 0,
        message: None,
        deps: place.deps,
        extra_bytes: Vec::new(),
        author: None,
    });
    Built { change, row_op, write_ops, max_op }
}

struct Ops {
    start: u64,
    ops: Vec<Op>,
}

impl Ops {
    /// Adds an op and tells its number.
    fn push(&mut self, obj: ObjectId, key: String, action: OpType, replaced: Vec<OpId>) -> u64 {
        let pred = SortedVec::from(replaced);
        self.ops.push(Op { action, obj, key: Key::Map(key.into()), pred, insert: false });
        self.start + self.ops.len() as u64 - 1
    }
}

fn row_values(entry: &Entry, meaning: &Meaning, body: Option<&BodyText>) -> [(&'static str, ScalarValue); 4] {
    let event = meaning.said().and_then(|fact| fact.when).and_then(|when| when.start());
    [
        (ROW_KIND, ScalarValue::Str(entry.kind().to_string().as_str().into())),
        (ROW_CLAIMED, ScalarValue::Timestamp(entry.claimed().time.0)),
        (ROW_EVENT, event.map_or(ScalarValue::Null, |event| ScalarValue::Timestamp(event.0))),
        (ROW_BODY, body.map_or(ScalarValue::Null, body_value)),
    ]
}

/// One plain text stays readable to everybody; several parts are a CBOR list of pairs, as in the body itself.
fn body_value(body: &BodyText) -> ScalarValue {
    let parts: Vec<(&str, &str)> = body.parts().collect();
    match parts.as_slice() {
        [] => ScalarValue::Str("".into()),
        [("text", text)] => ScalarValue::Str((*text).into()),
        parts => ScalarValue::Bytes(minicbor::to_vec(parts).unwrap_or_default()),
    }
}
