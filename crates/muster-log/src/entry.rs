//! The entry: thirteen items in canonical CBOR, named by their hash (protocol, section "Entry").
//!
//! An [`Entry`] is well-formed bytes and nothing more: form and limits (A1) were checked, everything else is the
//! affair of [`crate::ledger`]. What its fields mean is in [`crate::fact`].

use crate::cbor::{self, Writer};
use crate::fact::{Fact, Kind, Malformed};
use crate::ids::{BodyHash, DagId, EntryId, IncidentId, LogId, SessionId, TeamId, tagged_hash};
use crate::key::{BadKey, DeviceKey, GoodKeys};
use crate::limits::{BODY_BYTES_MAX, DEPS_MAX, ENTRY_BYTES_MAX, ENTRY_VERSION, ROSTER_HEADS_MAX};
use crate::time::{Claimed, Timestamp};
use crate::value::Value;

/// Why bytes are no entry (A1). Nothing here depends on other entries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not the canonical encoding of thirteen items of the right types.
    #[error("the bytes are not a canonical entry: {item}")]
    NotCanonical {
        /// The item that was found wrong.
        item: &'static str,
    },
    /// A format version other than [`ENTRY_VERSION`].
    #[error("entry format {version} is not known to this version of muster")]
    Version {
        /// The version found.
        version: i64,
    },
    /// Longer, or with more items in a list, than the protocol allows.
    #[error("the entry exceeds a limit: {item} is {found}, at most {limit} is allowed")]
    TooLarge {
        /// What is too large.
        item: &'static str,
        /// How large it is.
        found: u64,
        /// How large it may be.
        limit: u64,
    },
    /// The author's key could not have signed anything.
    #[error("the author's key is unusable: {0}")]
    Key(#[from] BadKey),
    /// A kind whose fields decide admission has the wrong fields.
    #[error(transparent)]
    Fact(#[from] Malformed),
}

/// An entry's hold on its body: hash and size, both signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyRef {
    /// The hash that binds the body to this entry.
    pub hash: BodyHash,
    /// Bytes of the encoded body.
    pub size: u32,
}

/// The thirteen items of an entry that is being written or has been read. Plain data without promises;
/// [`Draft::seal`] makes an [`Entry`] of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The team; all zero in `team-create` only.
    pub team: TeamId,
    /// The incident; equal to the team in roster entries, zero in `team-create` and `declare`.
    pub incident: IncidentId,
    /// The author's device.
    pub key: DeviceKey,
    /// The author's session.
    pub session: SessionId,
    /// Position in the author's log, from 1.
    pub seq: u32,
    /// The entry before in the author's log; none at `seq` 1.
    pub backlink: Option<EntryId>,
    /// Heads of the DAG that the author had, besides the backlink: sorted, unique.
    pub deps: Vec<EntryId>,
    /// Heads of the roster as the author knew it: sorted, unique; empty in roster entries.
    pub roster_heads: Vec<EntryId>,
    /// The author's own clock.
    pub claimed: Claimed,
    /// The kind's number.
    pub kind: Kind,
    /// The kind's facts.
    pub fields: Vec<Value>,
    /// The body, where there is one.
    pub body: Option<BodyRef>,
}

impl Draft {
    /// Encodes, checks form and limits, and names the result.
    ///
    /// # Errors
    /// Any [`FormError`], as [`Entry::decode`] would find it.
    pub fn seal(self) -> Result<Entry, FormError> {
        self.seal_by(&mut GoodKeys::default())
    }

    /// As [`Draft::seal`], one of many: keys among the good ones are not looked at again.
    ///
    /// # Errors
    /// As [`Draft::seal`].
    pub fn seal_by(self, good: &mut GoodKeys) -> Result<Entry, FormError> {
        let bytes = self.encode();
        check_limit("entry bytes", bytes.len(), ENTRY_BYTES_MAX)?;
        // What was written must also read back: the one way in is the decoder, for own entries too.
        Entry::decode_by(&bytes, good)
    }

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        let ids = |w: &mut Writer, ids: &[EntryId]| {
            w.list(ids.len());
            for id in ids {
                w.bytes(id.as_bytes());
            }
        };
        w.list(13).int(ENTRY_VERSION.into()).bytes(self.team.as_bytes()).bytes(self.incident.as_bytes());
        w.bytes(self.key.as_bytes()).bytes(self.session.as_bytes()).int(self.seq.into());
        match &self.backlink {
            Some(id) => w.bytes(id.as_bytes()),
            None => w.null(),
        };
        ids(&mut w, &self.deps);
        ids(&mut w, &self.roster_heads);
        w.list(2).int(self.claimed.time.0).int(self.claimed.offset_minutes.into());
        w.int(self.kind.number().into()).list(self.fields.len());
        for field in &self.fields {
            w.value(field);
        }
        match &self.body {
            Some(body) => w.list(2).bytes(body.hash.as_bytes()).int(body.size.into()),
            None => w.null(),
        };
        w.finish()
    }

    /// Reads the thirteen items; limits on numbers of items are checked by [`Entry::decode`].
    fn decode(bytes: &[u8]) -> Result<Self, FormError> {
        let wrong = |item| FormError::NotCanonical { item };
        let value = cbor::decode(bytes).map_err(|_| wrong("encoding"))?;
        let items = value.as_list().ok_or(wrong("outer list"))?;
        if let Some(version) = items.first().and_then(Value::as_int).filter(|v| *v != i64::from(ENTRY_VERSION)) {
            return Err(FormError::Version { version });
        }
        let [_, team, incident, key, session, seq, backlink, deps, roster_heads, claimed, kind, fields, body] = items
        else {
            return Err(wrong("number of items"));
        };
        Ok(Self {
            team: TeamId::from_bytes(array(team).ok_or(wrong("team"))?),
            incident: IncidentId::from_bytes(array(incident).ok_or(wrong("incident"))?),
            key: DeviceKey::from_bytes(array(key).ok_or(wrong("key"))?),
            session: SessionId::from_bytes(array(session).ok_or(wrong("session"))?),
            seq: seq.as_int().and_then(|seq| u32::try_from(seq).ok()).filter(|seq| *seq >= 1).ok_or(wrong("seq"))?,
            backlink: optional(backlink, entry_id).ok_or(wrong("backlink"))?,
            deps: ids(deps).ok_or(wrong("deps"))?,
            roster_heads: ids(roster_heads).ok_or(wrong("roster heads"))?,
            claimed: read_claimed(claimed).ok_or(wrong("claimed time"))?,
            kind: kind
                .as_int()
                .and_then(|kind| u16::try_from(kind).ok())
                .map(Kind::from_number)
                .ok_or(wrong("kind"))?,
            fields: fields.as_list().ok_or(wrong("fields"))?.to_vec(),
            body: optional(body, read_body).ok_or(wrong("body"))?,
        })
    }
}

fn array<const N: usize>(value: &Value) -> Option<[u8; N]> {
    value.as_bytes()?.try_into().ok()
}

fn entry_id(value: &Value) -> Option<EntryId> {
    array(value).map(EntryId::from_bytes)
}

fn optional<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    if *value == Value::Null { Some(None) } else { read(value).map(Some) }
}

/// A sorted list of different ids.
fn ids(value: &Value) -> Option<Vec<EntryId>> {
    let ids: Vec<EntryId> = value.as_list()?.iter().map(entry_id).collect::<Option<_>>()?;
    ids.is_sorted_by(|a, b| a < b).then_some(ids)
}

fn read_claimed(value: &Value) -> Option<Claimed> {
    let [time, offset] = value.as_list()? else { return None };
    Some(Claimed { time: Timestamp(time.as_int()?), offset_minutes: i16::try_from(offset.as_int()?).ok()? })
}

fn read_body(value: &Value) -> Option<BodyRef> {
    let [hash, size] = value.as_list()? else { return None };
    Some(BodyRef { hash: BodyHash::from_bytes(array(hash)?), size: u32::try_from(size.as_int()?).ok()? })
}

fn check_limit(item: &'static str, found: usize, limit: usize) -> Result<(), FormError> {
    if found <= limit { Ok(()) } else { Err(FormError::TooLarge { item, found: found as u64, limit: limit as u64 }) }
}

/// An entry of good form, with its canonical bytes and its id.
///
/// Only this module makes one, so whoever holds it knows: A1 holds and `id` is the hash of `bytes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    draft: Draft,
    bytes: Box<[u8]>,
    id: EntryId,
}

impl Entry {
    /// Reads canonical bytes, checks A1 and names the entry.
    ///
    /// # Errors
    /// [`FormError`] where the bytes are not the one encoding of an entry within the limits, where the author's key is
    /// unusable, or where a kind that decides admission has the wrong fields.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormError> {
        Self::decode_by(bytes, &mut GoodKeys::default())
    }

    /// As [`Entry::decode`], one of many: keys among the good ones are not looked at again.
    ///
    /// # Errors
    /// As [`Entry::decode`].
    pub fn decode_by(bytes: &[u8], good: &mut GoodKeys) -> Result<Self, FormError> {
        check_limit("entry bytes", bytes.len(), ENTRY_BYTES_MAX)?;
        let draft = Draft::decode(bytes)?;
        check_limit("deps", draft.deps.len(), DEPS_MAX)?;
        check_limit("roster heads", draft.roster_heads.len(), ROSTER_HEADS_MAX)?;
        check_limit("body size", draft.body.map_or(0, |body| body.size as usize), BODY_BYTES_MAX)?;
        if draft.backlink.is_some_and(|backlink| draft.deps.contains(&backlink)) {
            return Err(FormError::NotCanonical { item: "the backlink among the deps" });
        }
        if draft.encode() != bytes {
            return Err(FormError::NotCanonical { item: "encoding" });
        }
        good.check(&draft.key)?;
        if draft.kind.decides_admission() {
            Fact::parse(draft.kind, &draft.fields)?;
        }
        Ok(Self { id: EntryId::from_bytes(tagged_hash("muster/entry/1", &[bytes])), bytes: bytes.into(), draft })
    }

    /// The id: hash of the canonical bytes.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// The canonical bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The thirteen items.
    pub fn items(&self) -> &Draft {
        &self.draft
    }

    /// The author's device.
    pub fn key(&self) -> DeviceKey {
        self.draft.key
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.draft.kind
    }

    /// Position in the author's log, from 1.
    pub fn seq(&self) -> u32 {
        self.draft.seq
    }

    /// The entry before in the author's log.
    pub fn backlink(&self) -> Option<EntryId> {
        self.draft.backlink
    }

    /// The body's hash and size.
    pub fn body(&self) -> Option<BodyRef> {
        self.draft.body
    }

    /// The author's clock at the time of writing.
    pub fn claimed(&self) -> Claimed {
        self.draft.claimed
    }

    /// Whether this entry names its own DAG (`team-create`, `declare`).
    pub fn is_genesis(&self) -> bool {
        matches!(self.draft.kind, Kind::TEAM_CREATE | Kind::DECLARE)
    }

    /// The team: a `team-create` is its own.
    pub fn team(&self) -> TeamId {
        if self.draft.kind == Kind::TEAM_CREATE { TeamId::of_genesis(self.id) } else { self.draft.team }
    }

    /// The DAG: the roster's or an incident's.
    pub fn dag(&self) -> DagId {
        match self.draft.kind {
            Kind::TEAM_CREATE | Kind::DECLARE => DagId::of_genesis(self.id),
            kind if kind.is_roster() => self.draft.team.into(),
            _ => self.draft.incident.into(),
        }
    }

    /// The author's log in this entry's DAG.
    pub fn log(&self) -> LogId {
        LogId::of(&self.dag(), &self.draft.key, &self.draft.session)
    }

    /// The entries it builds on directly: backlink and deps.
    pub fn parents(&self) -> impl Iterator<Item = EntryId> + '_ {
        self.draft.backlink.iter().chain(&self.draft.deps).copied()
    }

    /// What the fields say, or that they are malformed for the kind.
    ///
    /// # Errors
    /// [`Malformed`] where a known kind has wrong fields: the entry is void.
    pub fn fact(&self) -> Result<Fact, Malformed> {
        Fact::parse(self.draft.kind, &self.draft.fields)
    }
}
