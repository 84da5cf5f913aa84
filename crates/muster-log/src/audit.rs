//! The audit file: what is handed to somebody who is to check a record and has nothing else (protocol, section "Audit
//! file"). Its form alone: bytes in, manifest and rows out, and back.
//!
//! Who may be given what is decided in `muster-replica`; the armour of the signature is the node's affair; what the rows
//! are worth is found in [`crate::Verifier`].

use crate::cbor::{self, Writer};
use crate::ids::{DagId, EntryId, TeamId};
use crate::key::{DeviceKey, Signature};
use crate::limits::{BODY_BYTES_MAX, ENTRY_BYTES_MAX};
use crate::time::Timestamp;
use crate::value::Value;
use std::collections::BTreeSet;

/// The first thing in a manifest. The number is the version of the form.
const MAGIC: &str = "muster/audit/1";

/// What an audit file of whatever version begins with: a list of seven whose first item is such a text.
const BEGINNING_OF_ANY: &[u8] = b"\x87\x6emuster/audit/";

/// What the manifest is signed for, in the sense of SSHSIG.
pub const AUDIT_NAMESPACE: &str = "muster-audit";

/// Bytes of a row at most: entry, signature, body and their heads.
pub const ROW_BYTES_MAX: usize = ENTRY_BYTES_MAX + BODY_BYTES_MAX + 64 + 16;

/// Why bytes are no audit file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAudit {
    /// Begins like nothing of ours.
    #[error("this is not an audit file")]
    Magic,
    /// Written by a later version.
    #[error("this audit file has a form of a later version")]
    Version,
    /// Begins like one, but the first item is none of the form.
    #[error("the manifest is damaged")]
    Manifest,
}

/// What a file holds, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Whose entries.
    pub team: TeamId,
    /// The device that wrote the file and signed the manifest.
    pub device: DeviceKey,
    /// Its wall clock.
    pub now: Timestamp,
    /// The roster, then incidents by id; of each the entries in causal order.
    pub dags: Vec<(DagId, Vec<EntryId>)>,
    /// Of the entries that are listed, those that name a body which is not in the file: ascending.
    pub absent: Vec<EntryId>,
    /// How many entries the device knows that it had, of whatever team, and has no more.
    pub lost: u64,
}

impl Manifest {
    /// The first item of the file, which is what is signed.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.list(7).text(MAGIC).bytes(self.team.as_bytes()).bytes(self.device.as_bytes()).int(self.now.0);
        w.list(self.dags.len());
        for (dag, ids) in &self.dags {
            w.list(2).bytes(dag.as_bytes()).list(ids.len());
            for id in ids {
                w.bytes(id.as_bytes());
            }
        }
        w.list(self.absent.len());
        for id in &self.absent {
            w.bytes(id.as_bytes());
        }
        // More than that nobody can have lost, and readers take no more.
        w.int(i64::try_from(self.lost).unwrap_or(i64::MAX));
        w.finish()
    }

    /// Of each entry that is listed, under which DAG.
    pub fn filed(&self) -> impl Iterator<Item = (EntryId, DagId)> + '_ {
        self.dags.iter().flat_map(|(dag, ids)| ids.iter().map(|id| (*id, *dag)))
    }

    /// All entries that are listed, in the order of the rows.
    pub fn ids(&self) -> impl Iterator<Item = EntryId> + '_ {
        self.dags.iter().flat_map(|(_, ids)| ids.iter().copied())
    }

    /// How many entries are listed.
    pub fn len(&self) -> usize {
        self.dags.iter().map(|(_, ids)| ids.len()).sum()
    }

    /// Whether no entry is listed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(value: &Value) -> Option<Self> {
        let [magic, team, device, now, dags, absent, lost] = value.as_list()? else { return None };
        let id = |value: &Value| value.as_bytes()?.try_into().ok().map(EntryId::from_bytes);
        let dag = |value: &Value| {
            let [dag, ids] = value.as_list()? else { return None };
            let ids = ids.as_list()?.iter().map(id).collect::<Option<Vec<_>>>()?;
            Some((DagId::try_from(dag.as_bytes()?).ok()?, ids))
        };
        (magic.as_text()? == MAGIC).then_some(())?;
        let read = Self {
            team: team.as_bytes()?.try_into().ok()?,
            device: device.as_bytes()?.try_into().ok()?,
            now: Timestamp(now.as_int()?),
            dags: dags.as_list()?.iter().map(dag).collect::<Option<_>>()?,
            absent: absent.as_list()?.iter().map(id).collect::<Option<_>>()?,
            lost: u64::try_from(lost.as_int()?).ok()?,
        };
        let listed: BTreeSet<EntryId> = read.ids().collect();
        let is_listed = read.absent.iter().all(|id| listed.contains(id));
        let is_once = listed.len() == read.len() && read.absent.is_sorted_by(|a, b| a < b);
        (is_listed && is_once && read.is_in_order()).then_some(read)
    }

    /// The roster, then incidents by id, each once and none without entries.
    fn is_in_order(&self) -> bool {
        let roster = DagId::from(self.team);
        let Some(((first, _), incidents)) = self.dags.split_first() else { return false };
        *first == roster
            && incidents.iter().all(|(dag, _)| *dag != roster)
            && incidents.is_sorted_by(|(a, _), (b, _)| a < b)
            && self.dags.iter().all(|(_, ids)| !ids.is_empty())
    }
}

/// An entry with what proves it and what was typed, as far as they are at hand. Nothing is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The entry's bytes.
    pub entry: Vec<u8>,
    /// Its own signature.
    pub signature: Option<Signature>,
    /// Its encoded body.
    pub body: Option<Vec<u8>>,
}

impl Row {
    /// One item of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.list(3).bytes(&self.entry);
        match &self.signature {
            Some(signature) => w.bytes(signature.as_bytes()),
            None => w.null(),
        };
        match &self.body {
            Some(body) => w.bytes(body),
            None => w.null(),
        };
        w.finish()
    }

    fn read(value: Value) -> Option<Self> {
        let Value::List(items) = value else { return None };
        let [entry, signature, body] = <[Value; 3]>::try_from(items).ok()?;
        let optional = |value: Value| match value {
            Value::Null => Some(None),
            Value::Bytes(bytes) => Some(Some(bytes)),
            _ => None,
        };
        let Value::Bytes(entry) = entry else { return None };
        let signature = match optional(signature)? {
            Some(bytes) => Some(Signature::try_from(bytes.as_slice()).ok()?),
            None => None,
        };
        let body = optional(body)?;
        let fits = entry.len() <= ENTRY_BYTES_MAX && body.as_ref().is_none_or(|body| body.len() <= BODY_BYTES_MAX);
        fits.then_some(Self { entry, signature, body })
    }
}

/// A file whose manifest can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFile<'a> {
    /// What the file says that it holds.
    pub manifest: Manifest,
    /// The bytes of the manifest.
    pub signed: &'a [u8],
    /// The armoured signature, where the second item is a text.
    pub signature: Option<String>,
    bytes: &'a [u8],
    rows_at: usize,
}

impl<'a> AuditFile<'a> {
    /// Reads the manifest and finds the signature.
    ///
    /// # Errors
    /// [`BadAudit`].
    pub fn open(bytes: &'a [u8]) -> Result<Self, BadAudit> {
        if !is_audit_file(bytes) {
            return Err(BadAudit::Magic);
        }
        let (value, end) = cbor::decode_first(bytes).map_err(|_| BadAudit::Manifest)?;
        let magic = value.as_list().and_then(|items| items.first()?.as_text());
        if magic.is_some_and(|magic| magic != MAGIC) {
            return Err(BadAudit::Version);
        }
        let signed = bytes.get(..end).unwrap_or_default();
        let manifest = Manifest::read(&value).filter(|manifest| manifest.encode() == signed);
        let manifest = manifest.ok_or(BadAudit::Manifest)?;
        let rest = bytes.get(end..).unwrap_or_default();
        let (signature, rows_at) = match cbor::decode_first(rest) {
            Ok((Value::Text(text), size)) if is_canonical_text(&text, rest, size) => (Some(text), end + size),
            _ => (None, end),
        };
        Ok(Self { manifest, signed, signature, bytes, rows_at })
    }

    /// Bytes before the rows.
    pub fn rows_at(&self) -> usize {
        self.rows_at
    }

    /// The rows, as far as there are any.
    pub fn rows(&self) -> Rows<'a> {
        // Where the second item is no text, nobody knows where the rows begin.
        Rows { bytes: self.bytes, at: self.rows_at, is_over: false }
    }
}

/// Whether the bytes hold a file's manifest and what follows it whole, or something that is neither, so that more of them would
/// change nothing about [`AuditFile::open`].
pub fn has_manifest(bytes: &[u8]) -> bool {
    let mut decoder = minicbor::Decoder::new(bytes);
    (0..2).all(|_| match decoder.skip() {
        Ok(()) => true,
        Err(error) => !error.is_end_of_input(),
    })
}

/// Whether a file begins as audit files of whatever version do.
pub fn is_audit_file(bytes: &[u8]) -> bool {
    bytes.starts_with(BEGINNING_OF_ANY)
}

fn is_canonical_text(text: &str, bytes: &[u8], size: usize) -> bool {
    let mut w = Writer::new();
    w.text(text);
    bytes.get(..size) == Some(w.finish().as_slice())
}

/// The signature item of a file.
pub fn signature_item(armour: &str) -> Vec<u8> {
    let mut w = Writer::new();
    w.text(armour);
    w.finish()
}

/// Bytes that are no row: reading ends where they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("from byte {at} on the file cannot be read")]
pub struct NoRow {
    /// Bytes before it.
    pub at: usize,
}

/// Reads rows one after another.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    bytes: &'a [u8],
    at: usize,
    is_over: bool,
}

impl<'a> Rows<'a> {
    /// Rows without a file around them.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, is_over: false }
    }

    /// Bytes that were read.
    pub fn at(&self) -> usize {
        self.at
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, NoRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty() && !self.is_over)?;
        let read = cbor::decode_first(rest).ok().and_then(|(value, size)| Some((Row::read(value)?, size)));
        match read.filter(|(row, size)| rest.get(..*size) == Some(row.encode().as_slice())) {
            Some((row, size)) => {
                self.at += size;
                Some(Ok(row))
            }
            None => {
                self.is_over = true;
                Some(Err(NoRow { at: self.at }))
            }
        }
    }
}
