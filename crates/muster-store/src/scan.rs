//! What the bytes of one segment hold: whole commits, a torn tail, damaged places.
//!
//! Pure: bytes in, findings out. Which file the bytes come from, and what is done about the findings, is in
//! [`crate::journal`].

use crate::record::{BadRecord, Chain, Place, Record, SEGMENT_HEAD, StoreId, decode, decode_segment_head};

/// Where a record lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    /// Bytes of the whole record.
    pub(crate) len: u32,
}

/// What was found in one segment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Offset after the last whole commit. What follows it in the last segment is torn.
    pub(crate) end: u32,
    /// Offset at which the last whole commit begins.
    pub(crate) last_commit: Option<u32>,
    /// Offsets of damaged places, and what is wrong there.
    pub(crate) damage: Vec<(u32, &'static str)>,
}

/// Reads one segment. Calls `visit` for each record of a whole commit, in order; and, where a place is damaged, for every
/// other whole record too, so that one bad sector hides nothing but itself.
///
/// `chain` is the value before the segment, none where something before is damaged; afterwards the value behind it. Only
/// the `last` segment may have a torn tail.
pub(crate) fn scan<'a>(
    bytes: &'a [u8],
    store: StoreId,
    segment: u32,
    last: bool,
    chain: &mut Option<Chain>,
    visit: &mut dyn FnMut(Position, &Record<'a>),
) -> Findings {
    let segment = Segment { bytes, store, number: segment };
    let out = Findings { end: SEGMENT_HEAD as u32, ..Findings::default() };
    let mut walk = Walk { segment, chain: *chain, open: None, end: SEGMENT_HEAD as u32, visit, out };
    match decode_segment_head(bytes, store, segment.number) {
        Some(head) => {
            if walk.chain.replace(head).is_some_and(|chain| chain != head) {
                walk.out.damage.push((0, "the segment does not continue the one before"));
            }
        }
        None => walk.damaged(0, "the head of the segment does not fit"),
    }
    walk.records(last);
    *chain = walk.chain;
    walk.out
}

#[derive(Clone, Copy)]
struct Segment<'a> {
    bytes: &'a [u8],
    store: StoreId,
    number: u32,
}

impl<'a> Segment<'a> {
    fn record(&self, offset: usize) -> Result<Record<'a>, BadRecord> {
        let place = u32::try_from(offset).map_err(|_| BadRecord::Length)?;
        let place = Place { store: self.store, segment: self.number, offset: place };
        decode(self.bytes.get(offset..).unwrap_or_default(), place)
    }

    /// The first offset from `from` on at which a whole record of a commit begun after `commit` stands.
    fn next_record(&self, from: usize, commit: u32) -> Option<usize> {
        (from..self.bytes.len()).find(|at| self.record(*at).is_ok_and(|record| record.commit > commit))
    }
}

struct OpenCommit<'a> {
    begun: u32,
    /// Chain value before it.
    before: Chain,
    records: Vec<(Position, Record<'a>)>,
}

struct Walk<'a, 'v> {
    segment: Segment<'a>,
    /// None from a damaged place to the next whole record.
    chain: Option<Chain>,
    /// The commit that is being read. Its records count once it is whole.
    open: Option<OpenCommit<'a>>,
    /// Where the next record should begin.
    end: u32,
    visit: &'v mut dyn FnMut(Position, &Record<'a>),
    out: Findings,
}

impl<'a> Walk<'a, '_> {
    fn records(&mut self, last: bool) {
        while (self.end as usize) < self.segment.bytes.len() {
            match self.segment.record(self.end as usize) {
                Ok(record) => self.record(record),
                Err(bad) => {
                    let begun = self.open.as_ref().map_or(self.end, |open| open.begun);
                    let from = self.end as usize + 1;
                    if last && self.segment.next_record(from, begun).is_none() {
                        self.forget_open();
                        return;
                    }
                    self.damaged(self.end, bad.what());
                    let next = self.segment.next_record(from, 0).unwrap_or(self.segment.bytes.len());
                    self.end = u32::try_from(next).unwrap_or(u32::MAX);
                }
            }
        }
        if self.open.is_some() {
            if last {
                self.forget_open();
            } else {
                self.damaged(self.end, "the end of a commit is missing");
            }
        }
        if !self.out.damage.is_empty() {
            // Nothing behind a damaged place is cut off or written over.
            self.out.end = self.end;
        }
    }

    fn record(&mut self, record: Record<'a>) {
        let position = Position { segment: self.segment.number, offset: self.end, len: record.len };
        if self.chain.is_some_and(|chain| chain != record.before) {
            self.damaged(position.offset, "the chain of records is broken");
        }
        let begun = self.open.as_ref().map_or(self.end, |open| open.begun);
        if record.commit != begun && self.chain.is_some() {
            self.damaged(position.offset, BadRecord::Commit.what());
        }
        let (begun, before, last) = (record.commit, record.before, record.last);
        self.chain = Some(record.after());
        self.end = self.end.saturating_add(record.len);
        let open = self.open.get_or_insert_with(|| OpenCommit { begun, before, records: Vec::new() });
        open.records.push((position, record));
        if last {
            self.flush();
            self.out.last_commit = Some(begun);
            self.out.end = self.end;
        }
    }

    /// Notes a damaged place; the records of the commit around it count one by one.
    fn damaged(&mut self, offset: u32, what: &'static str) {
        self.out.damage.push((offset, what));
        self.flush();
        self.chain = None;
    }

    fn flush(&mut self) {
        for (position, record) in self.open.take().map(|open| open.records).unwrap_or_default() {
            (self.visit)(position, &record);
        }
    }

    /// The commit being read is torn: none of it counts, nor did it move the chain.
    fn forget_open(&mut self) {
        if let Some(open) = self.open.take() {
            self.chain = Some(open.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Write;
    use crate::record::{Contents, encode, encode_segment_head};
    use proptest::prelude::*;

    const STORE: StoreId = [7; 16];

    /// A segment of commits with these numbers of records.
    fn segment(commits: &[usize]) -> Vec<u8> {
        let mut bytes = encode_segment_head(STORE, 1, Chain::default()).to_vec();
        let mut chain = Chain::default();
        for records in commits {
            let commit = bytes.len() as u32;
            for n in 0..*records {
                let place = Place { store: STORE, segment: 1, offset: bytes.len() as u32 };
                let write = Write::Local { key: format!("key {n}"), value: Some(vec![n as u8; 20 * n]) };
                chain = encode(&mut bytes, Contents::Write(&write), place, commit, n + 1 == *records, chain);
            }
        }
        bytes
    }

    fn scanned(bytes: &[u8], last: bool) -> (Findings, usize) {
        let (found, records, _) = chained(bytes, last);
        (found, records)
    }

    /// The chain value behind the segment too: what the head of the next segment is held against.
    fn chained(bytes: &[u8], last: bool) -> (Findings, usize, Option<Chain>) {
        let (mut records, mut chain) = (0, Some(Chain::default()));
        let found = scan(bytes, STORE, 1, last, &mut chain, &mut |_, _| records += 1);
        (found, records, chain)
    }

    #[test]
    fn a_whole_segment_is_read_to_its_end() {
        let bytes = segment(&[1, 3, 2]);
        for last in [true, false] {
            let (found, records) = scanned(&bytes, last);
            assert_eq!((found.end as usize, found.damage.len(), records), (bytes.len(), 0, 6));
        }
    }

    #[test]
    fn only_the_last_segment_may_be_torn() {
        let bytes = segment(&[1, 3, 2]);
        let cut = &bytes[..bytes.len() - 1];
        let (found, records) = scanned(cut, true);
        assert_eq!((found.damage.len(), records), (0, 4));
        let (found, records) = scanned(cut, false);
        assert_eq!((found.damage.len(), records), (1, 5), "what is whole of the commit can be read");
    }

    #[test]
    fn records_that_were_left_out_break_the_chain() {
        let (whole, shorter) = (segment(&[1, 1, 1]), segment(&[1]));
        let third = segment(&[1, 1]).len();
        let mut spliced = shorter;
        spliced.extend_from_slice(&whole[third..]);
        let (found, _) = scanned(&spliced, false);
        assert_eq!(found.damage.len(), 1, "a record elsewhere than it was written is none");
    }

    #[test]
    fn a_segment_cut_between_two_commits_is_shown_by_the_chain_alone() {
        let (whole, shorter) = (segment(&[1, 2]), segment(&[1]));
        assert!(whole.starts_with(&shorter));
        let (found, records, chain) = chained(&shorter, false);
        assert_eq!((found.damage.len(), records), (0, 1), "nothing in the segment itself is wrong");
        assert_ne!(chain, chained(&whole, false).2, "the next segment does not continue it");
    }

    proptest! {
        #[test]
        fn a_spoilt_segment_never_panics_and_never_counts_what_was_spoilt(
            commits in proptest::collection::vec(1usize..4, 1..6),
            spoils in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
            cut in any::<prop::sample::Index>(),
            last in any::<bool>(),
        ) {
            let mut bytes = segment(&commits);
            let (_, _, whole) = chained(&bytes, last);
            let all: usize = commits.iter().sum();
            for (at, with) in spoils {
                let at = at.index(bytes.len());
                bytes[at] ^= with;
            }
            bytes.truncate(bytes.len().saturating_sub(cut.index(80)));
            let (found, records, chain) = chained(&bytes, last);
            prop_assert!(records <= all && found.end as usize <= bytes.len().max(SEGMENT_HEAD));
            // A cut between two commits is seen at the head of the next segment.
            prop_assert!(last || records == all || !found.damage.is_empty() || chain != whole);
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), last in any::<bool>()) {
            let (_, records) = scanned(&bytes, last);
            prop_assert_eq!(records, 0);
        }
    }
}
