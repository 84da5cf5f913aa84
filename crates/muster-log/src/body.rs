//! The body: everything a human typed, apart from the entry so that it can be erased and the proof can stay.
//!
//! A body is the list `[salt, media type, content]`. Its hash is taken together with the place it belongs to, so no
//! other entry can name the same body and have it erased (protocol, section "Body").

use crate::cbor::{self, Writer};
use crate::entry::BodyRef;
use crate::ids::{BodyHash, IncidentId, SessionId, TeamId, tagged_hash};
use crate::key::DeviceKey;
use crate::limits::BODY_BYTES_MAX;
use std::collections::BTreeMap;

/// Media type of a content that is one plain text.
pub const MEDIA_TEXT: &str = "text/plain";

/// Media type of a content that is a list of labelled texts: `[[label, text], ..]`, labels sorted and different.
pub const MEDIA_PARTS: &str = "application/vnd.muster.parts+cbor";

/// Why a body cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More was typed than one body holds.
    #[error("the text needs {size} bytes, an entry holds at most {BODY_BYTES_MAX}")]
    TooLarge {
        /// Bytes of the encoded body.
        size: usize,
    },
    /// Not the canonical list of salt, media type and content.
    #[error("the bytes are not a body")]
    NotCanonical,
    /// The bytes are a body, but not this entry's.
    #[error("the body does not fit the hash and size that were signed")]
    Mismatch,
}

/// A labelled piece of what was typed. The label's number is its place in sorted order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The text itself: a note, a title, a reason, a handle.
    Text,
    /// A link that belongs to it.
    Link,
    /// Why a role was taken.
    Reason,
    /// What an action is about to touch, as typed.
    Target,
    /// The name of a team: in `team-create` of this one, in `join` of the newcomer's own.
    Team,
    /// Where a change was tried before.
    Tested,
    /// What would undo an action.
    Undo,
    /// The event's time as typed.
    When,
    /// Who reported it, where that is not the author.
    Who,
}

impl Part {
    const ALL: [(Part, &'static str); 9] = [
        (Part::Text, "text"),
        (Part::Link, "link"),
        (Part::Reason, "reason"),
        (Part::Target, "target"),
        (Part::Team, "team"),
        (Part::Tested, "tested"),
        (Part::Undo, "undo"),
        (Part::When, "when"),
        (Part::Who, "who"),
    ];

    /// The label in the body's bytes.
    pub fn label(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// The texts of a body by label. Labels this version does not know are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BodyText {
    parts: BTreeMap<String, String>,
}

impl BodyText {
    /// A body of one text.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::default().with(Part::Text, text)
    }

    /// Adds a part; an empty text is no part.
    #[must_use]
    pub fn with(mut self, part: Part, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.parts.insert(part.label().to_owned(), text);
        }
        self
    }

    /// The text under a label.
    pub fn get(&self, part: Part) -> Option<&str> {
        self.parts.get(part.label()).map(String::as_str)
    }

    /// The main text, empty where there is none.
    pub fn text(&self) -> &str {
        self.get(Part::Text).unwrap_or_default()
    }

    /// All parts by label.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parts.iter().map(|(label, text)| (label.as_str(), text.as_str()))
    }

    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    fn is_plain(&self) -> bool {
        self.parts.keys().all(|label| label == Part::Text.label())
    }

    fn content(&self) -> Vec<u8> {
        if self.is_plain() {
            return self.text().as_bytes().to_vec();
        }
        let mut w = Writer::new();
        w.list(self.parts.len());
        for (label, text) in &self.parts {
            w.list(2).text(label).text(text);
        }
        w.finish()
    }

    fn read_parts(content: &[u8]) -> Option<Self> {
        let value = cbor::decode(content).ok()?;
        let mut parts = BTreeMap::new();
        for pair in value.as_list()? {
            let [label, text] = pair.as_list()? else { return None };
            parts.insert(label.as_text()?.to_owned(), text.as_text()?.to_owned());
        }
        let text = Self { parts };
        (!text.is_plain() && text.content() == content).then_some(text)
    }
}

/// Where a body belongs: the items of its entry that its hash covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyPlace {
    /// Item `team` of the entry.
    pub team: TeamId,
    /// Item `incident` of the entry.
    pub incident: IncidentId,
    /// Item `key` of the entry.
    pub key: DeviceKey,
    /// Item `session` of the entry.
    pub session: SessionId,
    /// Item `seq` of the entry.
    pub seq: u32,
}

impl BodyPlace {
    /// The place of the body that `draft` names or will name.
    pub fn of(draft: &crate::Draft) -> Self {
        Self { team: draft.team, incident: draft.incident, key: draft.key, session: draft.session, seq: draft.seq }
    }

    fn hash(&self, bytes: &[u8]) -> BodyHash {
        let seq = self.seq.to_be_bytes();
        BodyHash::from_bytes(tagged_hash(
            "muster/body/1",
            &[
                self.team.as_bytes(),
                self.incident.as_bytes(),
                self.key.as_bytes(),
                self.session.as_bytes(),
                &seq,
                bytes,
            ],
        ))
    }
}

/// An encoded body that fits the entry it was made or checked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    bytes: Box<[u8]>,
    hash: BodyHash,
}

impl Body {
    /// Encodes `text` with `salt` for the entry at `place`.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] past [`BODY_BYTES_MAX`].
    pub fn write(text: &BodyText, salt: [u8; 16], place: &BodyPlace) -> Result<Self, BodyError> {
        let mut w = Writer::new();
        w.list(3).bytes(&salt).text(if text.is_plain() { MEDIA_TEXT } else { MEDIA_PARTS }).bytes(&text.content());
        let bytes = w.finish();
        if bytes.len() > BODY_BYTES_MAX {
            return Err(BodyError::TooLarge { size: bytes.len() });
        }
        Ok(Self { hash: place.hash(&bytes), bytes: bytes.into() })
    }

    /// Takes encoded bytes as the body at `place`, for an entry that is being put together and will name it.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] past [`BODY_BYTES_MAX`].
    pub fn take(bytes: &[u8], place: &BodyPlace) -> Result<Self, BodyError> {
        if bytes.len() > BODY_BYTES_MAX {
            return Err(BodyError::TooLarge { size: bytes.len() });
        }
        Ok(Self { hash: place.hash(bytes), bytes: bytes.into() })
    }

    /// Takes bytes that came from elsewhere, if they are the body that `entry` names.
    ///
    /// # Errors
    /// [`BodyError::Mismatch`] where hash or size differ or the entry has no body.
    pub fn check(entry: &crate::Entry, bytes: &[u8]) -> Result<Self, BodyError> {
        let signed = entry.body().ok_or(BodyError::Mismatch)?;
        if bytes.len() != signed.size as usize {
            return Err(BodyError::Mismatch);
        }
        let hash = BodyPlace::of(entry.items()).hash(bytes);
        if hash == signed.hash { Ok(Self { bytes: bytes.into(), hash }) } else { Err(BodyError::Mismatch) }
    }

    /// What the entry signs of it.
    pub fn reference(&self) -> BodyRef {
        BodyRef { hash: self.hash, size: self.bytes.len() as u32 }
    }

    /// The hash.
    pub fn hash(&self) -> BodyHash {
        self.hash
    }

    /// The encoded bytes, salt included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was typed, of bytes already known to fit their entry.
    ///
    /// The author may have signed anything; a content that is neither text nor parts is shown as its media type.
    pub fn read(bytes: &[u8]) -> BodyText {
        Self::try_read(bytes).unwrap_or_else(|| BodyText::plain("(unreadable body)"))
    }

    fn try_read(bytes: &[u8]) -> Option<BodyText> {
        let value = cbor::decode(bytes).ok()?;
        let [_, media, content] = value.as_list()? else { return None };
        match (media.as_text()?, content.as_bytes()?) {
            (MEDIA_TEXT, text) => Some(BodyText::plain(String::from_utf8_lossy(text))),
            (MEDIA_PARTS, parts) => BodyText::read_parts(parts),
            (media, content) => Some(BodyText::plain(format!("({} bytes of {media})", content.len()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(seq: u32) -> BodyPlace {
        BodyPlace {
            team: TeamId::from_bytes([1; 32]),
            incident: IncidentId::from_bytes([2; 32]),
            key: DeviceKey::from_bytes([3; 32]),
            session: SessionId::from_bytes([4; 16]),
            seq,
        }
    }

    #[test]
    fn a_body_reads_back_and_one_text_is_written_plain() {
        for text in [
            BodyText::plain("db is down"),
            BodyText::default(),
            BodyText::plain("restart").with(Part::Undo, "start it again").with(Part::When, "about 13:30"),
            BodyText::default().with(Part::Reason, "bob is on a train"),
        ] {
            let body = Body::write(&text, [9; 16], &place(1)).unwrap();
            assert_eq!(Body::read(body.bytes()), text);
        }
    }

    #[test]
    fn the_same_text_at_another_place_has_another_hash() {
        let text = BodyText::plain("x");
        let one = Body::write(&text, [0; 16], &place(1)).unwrap();
        let two = Body::write(&text, [0; 16], &place(2)).unwrap();
        assert_eq!(one.bytes(), two.bytes());
        assert_ne!(one.hash(), two.hash());
    }

    #[test]
    fn more_than_the_limit_is_refused_with_its_size() {
        let long = BodyText::plain("x".repeat(BODY_BYTES_MAX));
        assert!(matches!(Body::write(&long, [0; 16], &place(1)), Err(BodyError::TooLarge { .. })));
    }
}
