//! INDEX: which of many incidents differ, by ranges of their ids. How ranges are compared is in `crate::reconcile`.

use super::FrameError;
use crate::limits::{INDEX_RANGES_MAX, INDEX_TAGS_MAX, INDEX_TURNS_MAX};
use crate::wire::{Reader, Writer};
use muster_log::DagId;

/// What keys the tags and fingerprints of one run, and names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Salt(pub [u8; 16]);

/// One incident in one state, under a salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub [u8; 8]);

/// All tags of a range in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

/// The end of a range: the first id behind it. Travels without its zero bytes at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bound([u8; 32]);

/// What the sender says of one range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Nothing is left to say.
    Settled,
    /// The fingerprint of all its items.
    Fingerprint(Fingerprint),
    /// The tags of all its items.
    Tags(Vec<Tag>),
    /// Of the tags it was sent, those it lacks.
    Lacking(Vec<Tag>),
    /// What is open may differ.
    GivenUp,
}

/// One range: it begins where the one before ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its end; `None` in the last, which has none.
    pub to: Option<Bound>,
    /// What is said of it.
    pub what: What,
}

/// One turn of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// What is compared: the team's incidents.
    pub scope: DagId,
    /// The run.
    pub salt: Salt,
    /// 0 in the opening frame.
    pub turn: u8,
    /// Together they cover all ids.
    pub spans: Vec<Span>,
}

impl Bound {
    /// The shortest end that lies behind `before` and not behind `after`; `before` < `after`.
    pub(crate) fn between(before: &DagId, after: &DagId) -> Self {
        let (before, after) = (before.as_bytes(), after.as_bytes());
        let same = before.iter().zip(after).take_while(|(a, b)| a == b).count();
        let mut bytes = [0; 32];
        let kept = (same + 1).min(32);
        bytes[..kept].copy_from_slice(&after[..kept]);
        Self(bytes)
    }

    /// Whether the incident lies before this end.
    pub(crate) fn is_behind(&self, incident: &DagId) -> bool {
        incident.as_bytes() < &self.0
    }

    /// The bytes that travel.
    fn short(&self) -> &[u8] {
        let end = self.0.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        &self.0[..end]
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        let (short, mut bytes) = (r.bytes("end of a range")?, [0; 32]);
        bytes.get_mut(..short.len()).ok_or(FrameError::Form { item: "end of a range" })?.copy_from_slice(short);
        Ok(Self(bytes))
    }
}

impl What {
    /// Whether the receiver has to answer.
    pub(crate) fn asks(&self) -> bool {
        matches!(self, Self::Fingerprint(_) | Self::Tags(_))
    }

    /// The tags it holds.
    pub(crate) fn tags(&self) -> &[Tag] {
        match self {
            Self::Tags(tags) | Self::Lacking(tags) => tags,
            Self::Settled | Self::Fingerprint(_) | Self::GivenUp => &[],
        }
    }

    fn write(&self, w: &mut Writer) {
        let bytes = |tags: &[Tag]| tags.iter().flat_map(|tag| tag.0).collect::<Vec<u8>>();
        match self {
            Self::Settled => w.uint(0).bytes(&[]),
            Self::Fingerprint(fingerprint) => w.uint(1).bytes(&fingerprint.0),
            Self::Tags(tags) => w.uint(2).bytes(&bytes(tags)),
            Self::Lacking(tags) => w.uint(3).bytes(&bytes(tags)),
            Self::GivenUp => w.uint(4).bytes(&[]),
        };
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        let tags = |r: &mut Reader<'_>| Ok(r.table("tags")?.into_iter().map(Tag).collect());
        Ok(match r.u64("mode of a range")? {
            0 => r.array::<0>("payload of a range").map(|_| Self::Settled)?,
            1 => Self::Fingerprint(Fingerprint(r.array("fingerprint")?)),
            2 => Self::Tags(tags(r)?),
            3 => Self::Lacking(tags(r)?),
            4 => r.array::<0>("payload of a range").map(|_| Self::GivenUp)?,
            _ => return Err(FrameError::Form { item: "mode of a range" }),
        })
    }
}

impl Index {
    pub(super) const FIELDS: usize = 4;

    /// Whether the receiver has to answer.
    pub(crate) fn asks(&self) -> bool {
        self.spans.iter().any(|span| span.what.asks())
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(self.scope.as_bytes()).bytes(&self.salt.0).uint(self.turn.into());
        w.list_of(&self.spans, |w, span| {
            w.list(3);
            match &span.to {
                Some(to) => w.bytes(to.short()),
                None => w.null(),
            };
            span.what.write(w);
        });
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        let (scope, salt) = (DagId::from_bytes(r.array("scope")?), Salt(r.array("salt")?));
        let turn = u8::try_from(r.u64("turn")?).ok().filter(|turn| *turn < INDEX_TURNS_MAX);
        let turn = turn.ok_or(FrameError::Form { item: "turn" })?;
        let spans = r.list_of("number of ranges", INDEX_RANGES_MAX, |r| {
            r.exactly("range", 3)?;
            Ok(Span { to: r.optional(Bound::read)?, what: What::read(r)? })
        })?;
        let (last, others) = spans.split_last().ok_or(FrameError::Form { item: "number of ranges" })?;
        let mut end = Bound([0; 32]);
        for span in others {
            let to = span.to.filter(|to| *to > end);
            end = to.ok_or(FrameError::Form { item: "end of a range" })?;
        }
        if last.to.is_some() {
            return Err(FrameError::Form { item: "end of a range" });
        }
        let (found, limit) = (spans.iter().map(|span| span.what.tags().len() as u64).sum(), INDEX_TAGS_MAX as u64);
        if found > limit {
            return Err(FrameError::TooLarge { item: "number of tags", found, limit });
        }
        Ok(Self { scope, salt, turn, spans })
    }
}
