//! What a liar writes with: entries of any content and chunks of any shape, encoded by hand and not by the code under
//! test. Nothing here checks anything.

use crate::rng::Rng;
use minicbor::Encoder;
use muster_log::body::BodyPlace;
use muster_log::{Body, BodyText, DeviceKey, DeviceSecret, Draft, Entry, EntryId, SessionId, Signature, Value};
use muster_sync::frame::{Packed, Part};

/// An entry as a liar sends it.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    pub(crate) entry: Entry,
    pub(crate) signature: Option<Signature>,
    /// The body that goes along.
    pub(crate) body: Option<Vec<u8>>,
}

impl Sheet {
    /// Gives a draft a body and the signature of `by`; `None` where it has no form.
    pub(crate) fn write(mut draft: Draft, text: &str, by: &DeviceSecret, rng: &mut Rng) -> Option<Self> {
        let body = Body::write(&BodyText::plain(text), rng.bytes(), &BodyPlace::of(&draft)).ok()?;
        draft.body = Some(body.reference());
        let entry = draft.seal().ok()?;
        let signature = Some(by.sign_entry(&entry.id()));
        Some(Self { entry, signature, body: Some(body.bytes().to_vec()) })
    }

    /// The same entry without its body.
    pub(crate) fn bare(&self) -> Self {
        Self { body: None, ..self.clone() }
    }
}

/// A chunk of these entries, in the order given.
pub(crate) fn chunk(sheets: &[Sheet], number: u32, part: Part) -> Packed {
    let mut ids: Vec<EntryId> = Vec::new();
    let mut logs: Vec<(DeviceKey, SessionId)> = Vec::new();
    let mut rosters: Vec<Vec<u64>> = Vec::new();
    let mut time = 0;
    let mut rows: Encoder<Vec<u8>> = Encoder::new(Vec::new());
    for sheet in sheets {
        let items = sheet.entry.items();
        let log = place(&mut logs, (items.key, items.session));
        let parents: Vec<i64> = sheet.entry.parents().map(|id| -1 - place(&mut ids, id) as i64).collect();
        let (backlink, deps) = parents.split_at(usize::from(items.backlink.is_some()));
        let heads: Vec<u64> = items.roster_heads.iter().map(|id| place(&mut ids, *id) as u64).collect();
        let roster = (!heads.is_empty()).then(|| place(&mut rosters, heads));
        let delta = items.claimed.time.0.wrapping_sub(time);
        time = items.claimed.time.0;
        list(&mut rows, 9);
        int(&mut rows, log as i64);
        list(&mut rows, 2);
        int(&mut rows, items.seq.into());
        value(&mut rows, &backlink.first().map_or(Value::Null, |place| Value::Int(*place)));
        value(&mut rows, &Value::List(deps.iter().map(|place| Value::Int(*place)).collect()));
        value(&mut rows, &roster.map_or(Value::Null, |roster| Value::Int(roster as i64)));
        int(&mut rows, delta);
        int(&mut rows, items.claimed.offset_minutes.into());
        int(&mut rows, items.kind.number().into());
        value(&mut rows, &Value::List(items.fields.clone()));
        value(&mut rows, &body(sheet));
    }
    let mut all: Encoder<Vec<u8>> = Encoder::new(Vec::new());
    list(&mut all, 5);
    let log = |(key, session): &(DeviceKey, SessionId)| {
        Value::List(vec![Value::Bytes(key.as_bytes().to_vec()), Value::Bytes(session.as_bytes().to_vec())])
    };
    value(&mut all, &Value::List(logs.iter().map(log).collect()));
    let roster = |heads: &Vec<u64>| Value::List(heads.iter().map(|place| Value::Int(*place as i64)).collect());
    value(&mut all, &Value::List(rosters.iter().map(roster).collect()));
    list(&mut all, sheets.len() as u64);
    all.writer_mut().extend_from_slice(rows.writer());
    let signed = sheets.iter().enumerate().filter(|(_, sheet)| sheet.signature.is_some());
    value(&mut all, &Value::List(signed.map(|(row, _)| Value::Int(row as i64)).collect()));
    list(&mut all, 0);
    let signatures = sheets.iter().filter_map(|sheet| sheet.signature).collect();
    Packed { signatures, ids, ..packed(&all.into_writer(), number, part) }
}

/// A chunk of any bytes.
pub(crate) fn packed(raw: &[u8], number: u32, part: Part) -> Packed {
    Packed {
        number,
        part,
        ids: Vec::new(),
        salts: Vec::new(),
        signatures: Vec::new(),
        raw_size: u32::try_from(raw.len()).unwrap_or(u32::MAX),
        compressed: squeeze(raw),
    }
}

/// Compressed bytes.
pub(crate) fn squeeze(raw: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(raw, 1).unwrap_or_default()
}

/// The body as a row carries it: whole, or by name.
fn body(sheet: &Sheet) -> Value {
    match (&sheet.body, sheet.entry.body()) {
        (Some(bytes), _) => Value::Bytes(bytes.clone()),
        (None, Some(named)) => {
            Value::List(vec![Value::Bytes(named.hash.as_bytes().to_vec()), Value::Int(named.size.into())])
        }
        (None, None) => Value::Null,
    }
}

fn place<T: PartialEq>(table: &mut Vec<T>, item: T) -> usize {
    table.iter().position(|known| *known == item).unwrap_or_else(|| {
        table.push(item);
        table.len() - 1
    })
}

// Writing to memory cannot fail, so what the encoder returns is of no interest.

pub(crate) fn list(e: &mut Encoder<Vec<u8>>, len: u64) {
    e.array(len).map(drop).unwrap_or_default();
}

pub(crate) fn int(e: &mut Encoder<Vec<u8>>, int: i64) {
    e.i64(int).map(drop).unwrap_or_default();
}

pub(crate) fn value(e: &mut Encoder<Vec<u8>>, item: &Value) {
    match item {
        Value::Null => e.null().map(drop).unwrap_or_default(),
        Value::Bool(truth) => e.bool(*truth).map(drop).unwrap_or_default(),
        Value::Int(number) => int(e, *number),
        Value::Bytes(bytes) => e.bytes(bytes).map(drop).unwrap_or_default(),
        Value::Text(text) => e.str(text).map(drop).unwrap_or_default(),
        Value::List(items) => {
            list(e, items.len() as u64);
            items.iter().for_each(|item| value(e, item));
        }
    }
}
