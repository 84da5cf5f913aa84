//! Range-based set reconciliation: which items of two sets differ, found in few turns with few bytes.
//!
//! After Aljoscha Meyer, "Range-Based Set Reconciliation" (2023). One [`Run`] is one side of one comparison; it knows
//! items and ranges, not peers and not time, which are in `crate::replicator`. Every frame covers all ids, so a side
//! needs no memory of what it asked, only of what it has decided about its own items; whatever a peer sends, each
//! item is decided at most once and each answer is within the limits, so a run ends after
//! [`INDEX_TURNS_MAX`] frames at the latest. Fingerprints are hashes over the keyed tags of a range, not sums: no set
//! of incidents can be made up that cancels out, least of all before the salt is known.

use crate::frame::{Bound, Fingerprint, HeadsDigest, Salt, Span, Tag, What};
use crate::limits::{INDEX_BRANCHES, INDEX_LEAF, INDEX_RANGES_MAX, INDEX_TAGS_MAX, INDEX_TURNS_MAX};
use muster_log::DagId;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ops::Range;

/// One side of one comparison.
#[derive(Debug)]
pub(crate) struct Run {
    salt: Salt,
    /// By incident.
    items: Vec<Item>,
    /// Found to differ and not told yet.
    differing: Vec<DagId>,
}

#[derive(Debug)]
struct Item {
    incident: DagId,
    tag: Tag,
    verdict: Option<Verdict>,
}

/// What became of an own item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The peer has the incident in the same state.
    Equal,
    /// The peer lacks it, has it in another state, or gave up finding out.
    Differs,
}

/// What is still free in the frame being written.
struct Room {
    spans: usize,
    tags: usize,
}

impl Run {
    /// A comparison of these incidents, sorted and different, in these states.
    pub(crate) fn new(salt: Salt, states: impl IntoIterator<Item = (DagId, HeadsDigest)>) -> Self {
        let item = |(incident, digest)| Item { incident, tag: tag_of(&salt, &incident, &digest), verdict: None };
        let items: Vec<Item> = states.into_iter().map(item).collect();
        debug_assert!(items.is_sorted_by(|a, b| a.incident < b.incident), "items come by incident, each once");
        Self { salt, items, differing: Vec::new() }
    }

    pub(crate) fn salt(&self) -> Salt {
        self.salt
    }

    /// The ranges of the opening frame.
    pub(crate) fn open(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut room = Room { spans: INDEX_RANGES_MAX, tags: INDEX_TAGS_MAX };
        self.divide(0..self.items.len(), None, false, &mut room, &mut spans);
        spans
    }

    /// Takes the ranges of the frame of this turn and gives those of the answer. Of it nothing needs to be sent where
    /// the frame did not ask.
    pub(crate) fn answer(&mut self, turn: u8, spans: &[Span]) -> Vec<Span> {
        let is_last = turn + 2 >= INDEX_TURNS_MAX;
        let mut out: Vec<Span> = Vec::new();
        let mut room = Room { spans: INDEX_RANGES_MAX, tags: INDEX_TAGS_MAX };
        let mut start = 0;
        for (position, Span { to, what }) in spans.iter().enumerate() {
            // Whatever the ranges after this one need, each can still be given up.
            room.spans = INDEX_RANGES_MAX.saturating_sub(out.len() + spans.len() - position - 1);
            let end = to.map_or(self.items.len(), |to| self.items.partition_point(|item| to.is_behind(&item.incident)));
            let own = start..end.max(start);
            start = own.end;
            match what {
                // An opening has nothing to settle; what it leaves out is found out otherwise.
                What::Settled if turn == 0 => put(&mut out, *to, What::Settled),
                What::Settled => {
                    self.decide(own, |_| Verdict::Equal);
                    put(&mut out, *to, What::Settled);
                }
                What::GivenUp => {
                    self.decide(own, |_| Verdict::Differs);
                    put(&mut out, *to, What::Settled);
                }
                What::Lacking(tags) => {
                    let lacking: BTreeSet<Tag> = tags.iter().copied().collect();
                    self.decide(own, |tag| if lacking.contains(tag) { Verdict::Differs } else { Verdict::Equal });
                    put(&mut out, *to, What::Settled);
                }
                What::Tags(tags) => {
                    let theirs: BTreeSet<Tag> = tags.iter().copied().collect();
                    let ours: BTreeSet<Tag> = self.items[own.clone()].iter().map(|item| item.tag).collect();
                    self.decide(own, |tag| if theirs.contains(tag) { Verdict::Equal } else { Verdict::Differs });
                    let lacking: Vec<Tag> = theirs.difference(&ours).copied().collect();
                    match lacking.len() {
                        0 => put(&mut out, *to, What::Settled),
                        n if n > room.tags => put(&mut out, *to, What::GivenUp),
                        n => {
                            room.tags -= n;
                            put(&mut out, *to, What::Lacking(lacking));
                        }
                    }
                }
                What::Fingerprint(theirs) if *theirs == self.fingerprint(&own) => {
                    self.decide(own, |_| Verdict::Equal);
                    put(&mut out, *to, What::Settled);
                }
                What::Fingerprint(_) => {
                    if !self.divide(own.clone(), *to, is_last, &mut room, &mut out) {
                        self.decide(own, |_| Verdict::Differs);
                        put(&mut out, *to, What::GivenUp);
                    }
                }
            }
        }
        out
    }

    /// The incidents with what was found out of each; `None` where nothing was.
    pub(crate) fn verdicts(&self) -> impl Iterator<Item = (DagId, Tag, Option<Verdict>)> {
        self.items.iter().map(|item| (item.incident, item.tag, item.verdict))
    }

    /// The incidents that were found to differ since this was last asked.
    pub(crate) fn take_differing(&mut self) -> Vec<DagId> {
        std::mem::take(&mut self.differing)
    }

    /// Puts a range into the frame in more detail; false where there is no room or no turn left for it.
    fn divide(
        &self,
        own: Range<usize>,
        to: Option<Bound>,
        is_last: bool,
        room: &mut Room,
        out: &mut Vec<Span>,
    ) -> bool {
        if own.len() <= INDEX_LEAF {
            if is_last || own.len() > room.tags || room.spans < 1 {
                return false;
            }
            room.tags -= own.len();
            out.push(Span { to, what: What::Tags(self.items[own].iter().map(|item| item.tag).collect()) });
            return true;
        }
        if is_last || room.spans < INDEX_BRANCHES {
            return false;
        }
        let cut = |branch: usize| own.start + own.len() * branch / INDEX_BRANCHES;
        for branch in 0..INDEX_BRANCHES {
            let (from, end) = (cut(branch), cut(branch + 1));
            let to = match end == own.end {
                true => to,
                false => Some(Bound::between(&self.items[end - 1].incident, &self.items[end].incident)),
            };
            out.push(Span { to, what: What::Fingerprint(self.fingerprint(&(from..end))) });
        }
        true
    }

    /// Decides what is still open in a range.
    fn decide(&mut self, own: Range<usize>, verdict: impl Fn(&Tag) -> Verdict) {
        for item in &mut self.items[own] {
            if item.verdict.is_none() {
                let verdict = verdict(&item.tag);
                item.verdict = Some(verdict);
                if verdict == Verdict::Differs {
                    self.differing.push(item.incident);
                }
            }
        }
    }

    fn fingerprint(&self, own: &Range<usize>) -> Fingerprint {
        let mut hasher = Sha256::new();
        hasher.update(b"muster/range/1\0");
        hasher.update(self.salt.0);
        self.items[own.clone()].iter().for_each(|item| hasher.update(item.tag.0));
        Fingerprint(first(hasher))
    }
}

/// The tag of an incident in a state.
pub(crate) fn tag_of(salt: &Salt, incident: &DagId, digest: &HeadsDigest) -> Tag {
    let mut hasher = Sha256::new();
    hasher.update(b"muster/index/1\0");
    hasher.update(salt.0);
    hasher.update(incident.as_bytes());
    hasher.update(digest.as_bytes());
    Tag(first(hasher))
}

/// The first bytes of a hash.
fn first<const N: usize>(hasher: Sha256) -> [u8; N] {
    let mut short = [0; N];
    short.iter_mut().zip(hasher.finalize()).for_each(|(to, from)| *to = from);
    short
}

/// Appends a range; settled ones that meet become one.
fn put(out: &mut Vec<Span>, to: Option<Bound>, what: What) {
    match out.last_mut() {
        Some(last) if what == What::Settled && last.what == What::Settled => last.to = to,
        _ => out.push(Span { to, what }),
    }
}
