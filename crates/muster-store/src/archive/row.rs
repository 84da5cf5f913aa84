//! One entry as instructions: what follows from other entries of the block is not written out.
//!
//! Hashes cannot be compressed, and an entry is mostly hashes: the ids of those it builds on, the hash of its body. Whoever
//! has the entries before it and its body can compute them, so an instruction stands for each. What an entry does not share
//! with others is copied as it is, so any bytes come back, whatever they mean.

use super::block::{Reader, Writer};
use crate::record::tagged;
use std::collections::BTreeMap;

/// Bytes of an entry up to and with its session: version, team, incident, key, session, in their frame.
const FRONT: usize = 121;

/// Where the frame's marks stand, and what they are.
const MARKS: [(usize, &[u8]); 4] =
    [(0, &[0x8d, 0x01, 0x58, 0x20]), (36, &[0x58, 0x20]), (70, &[0x58, 0x20]), (104, &[0x50])];

/// The head of 32 bytes.
const ID_HEAD: [u8; 2] = [0x58, 0x20];

/// The list of hash and size with which an entry ends that has a body, and the head of the hash.
const BODY_HEAD: [u8; 3] = [0x82, 0x58, 0x20];

/// The head of a number of eight bytes of which the first is zero, as a time has in ms for some million years.
const TIME_HEAD: [u8; 2] = [0x1b, 0];

/// The instructions. An odd number n is (n − 1) / 2 bytes as they follow; an even one is twice these.
const END: u64 = 0;
const BODY: u64 = 1;
const TIME: u64 = 2;
const LAST: u64 = 3;
const NEXT: u64 = 4;
/// And how many rows back, from 1.
const BACK: u64 = 4;

/// What the rows of a block so far have told, the same for whoever packs and unpacks.
#[derive(Default)]
pub(super) struct Past {
    ids: Vec<[u8; 32]>,
    places: BTreeMap<[u8; 32], usize>,
    logs: Vec<Log>,
    log_places: BTreeMap<[u8; FRONT], usize>,
    time: u64,
}

struct Log {
    front: [u8; FRONT],
    seq: u32,
    last: [u8; 32],
}

impl Past {
    /// Takes in a whole row.
    pub(super) fn note(&mut self, bytes: &[u8], id: [u8; 32]) {
        self.places.insert(id, self.ids.len());
        self.ids.push(id);
        let Some((front, seq, _)) = read_front(bytes) else { return };
        let next = self.logs.len();
        let place = *self.log_places.entry(front).or_insert(next);
        match self.logs.get_mut(place) {
            Some(log) => (log.seq, log.last) = (seq, id),
            None => self.logs.push(Log { front, seq, last: id }),
        }
    }

    /// Writes `bytes` as instructions. `body` is kept beside them.
    pub(super) fn pack(&mut self, bytes: &[u8], body: Option<&[u8]>, w: &mut Writer) {
        let body_at = body.and_then(|body| body_place(bytes, body));
        let (mut done, mut at, mut log) = (0, 0, None);
        if let Some((front, seq, end)) = read_front(bytes)
            && let Some(place) = self.log_places.get(&front).copied()
            && self.logs.get(place).is_some_and(|log| log.seq.checked_add(1) == Some(seq))
        {
            w.number(NEXT << 1).number(place as u64);
            (done, at, log) = (end, end, self.logs.get(place).map(|log| log.last));
        }
        while at < bytes.len() {
            let rest = &bytes[at..];
            if Some(at) == body_at {
                w.literal(&bytes[done..at]).number(BODY << 1);
                (done, at) = (bytes.len(), bytes.len());
            } else if let Some(id) = rest.strip_prefix(&ID_HEAD).and_then(|rest| rest.first_chunk::<32>())
                && let Some(op) = self.reference(id, log.as_ref())
            {
                w.literal(&bytes[done..at + 2]).number(op << 1);
                at += 34;
                done = at;
            } else if let Some(low) = rest.strip_prefix(&TIME_HEAD).and_then(|rest| rest.first_chunk::<7>()) {
                let [a, b, c, d, e, f, g] = *low;
                let time = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
                w.literal(&bytes[done..at + 2]).number(TIME << 1).difference(time.wrapping_sub(self.time));
                self.time = time;
                at += 9;
                done = at;
            } else {
                at += 1;
            }
        }
        w.literal(&bytes[done..]).number(END);
    }

    fn reference(&self, id: &[u8; 32], log: Option<&[u8; 32]>) -> Option<u64> {
        if log == Some(id) {
            return Some(LAST);
        }
        self.places.get(id).map(|place| BACK + (self.ids.len() - place) as u64)
    }

    /// Carries out the instructions of one row; none where they cannot have been written, or tell more than `limit` bytes.
    pub(super) fn unpack(&mut self, r: &mut Reader<'_>, body: Option<&[u8]>, limit: usize) -> Option<Vec<u8>> {
        let (mut out, mut log): (_, Option<[u8; 32]>) = (Vec::new(), None);
        loop {
            let op = r.number()?;
            if op % 2 == 1 {
                out.extend_from_slice(r.take(usize::try_from(op >> 1).ok()?)?);
            } else {
                match op >> 1 {
                    END => return Some(out),
                    BODY => {
                        let body = body?;
                        let hash = body_hash(&out, body)?;
                        out.extend_from_slice(&hash);
                        out.extend_from_slice(&number(u32::try_from(body.len()).ok()?));
                    }
                    TIME => {
                        self.time = self.time.wrapping_add(r.difference()?);
                        out.extend_from_slice(&self.time.to_be_bytes()[1..]);
                    }
                    LAST => out.extend_from_slice(&log?),
                    NEXT => {
                        let found = self.logs.get(usize::try_from(r.number()?).ok()?)?;
                        out.extend_from_slice(&found.front);
                        out.extend_from_slice(&number(found.seq.checked_add(1)?));
                        log = Some(found.last);
                    }
                    back => {
                        let back = usize::try_from(back - BACK).ok()?;
                        out.extend_from_slice(self.ids.get(self.ids.len().checked_sub(back)?)?);
                    }
                }
            }
            if out.len() > limit {
                return None;
            }
        }
    }
}

/// The bytes up to the session, the sequence number, and where what follows it begins; none for what is framed otherwise.
fn read_front(bytes: &[u8]) -> Option<([u8; FRONT], u32, usize)> {
    let front = bytes.first_chunk::<FRONT>()?;
    let is_framed = MARKS.iter().all(|(at, mark)| front[*at..].starts_with(mark));
    let rest = &bytes[FRONT..];
    let seq = match rest.first()? {
        small @ 0..24 => u32::from(*small),
        0x18 => u32::from(*rest.get(1)?),
        0x19 => u32::from(u16::from_be_bytes(*rest.get(1..)?.first_chunk()?)),
        0x1a => u32::from_be_bytes(*rest.get(1..)?.first_chunk()?),
        _ => return None,
    };
    let written = number(seq);
    (is_framed && rest.starts_with(&written)).then_some((*front, seq, FRONT + written.len()))
}

/// A number as the protocol writes it.
fn number(n: u32) -> Vec<u8> {
    let [a, b, c, d] = n.to_be_bytes();
    match n {
        0..24 => vec![d],
        24..0x100 => vec![0x18, d],
        0x100..0x1_0000 => vec![0x19, c, d],
        _ => vec![0x1a, a, b, c, d],
    }
}

/// Where the hash of `body` begins, if the entry ends with it and its size.
fn body_place(bytes: &[u8], body: &[u8]) -> Option<usize> {
    let size = number(u32::try_from(body.len()).ok()?);
    let at = bytes.len().checked_sub(size.len() + 32)?;
    let is_named = bytes[..at].ends_with(&BODY_HEAD) && bytes.ends_with(&size);
    (is_named && body_hash(bytes, body)? == bytes[at..at + 32]).then_some(at)
}

/// The hash that the protocol gives a body in this place.
fn body_hash(front: &[u8], body: &[u8]) -> Option<[u8; 32]> {
    let (front, seq, _) = read_front(front)?;
    let (team, incident, key, session) = (&front[4..36], &front[38..70], &front[72..104], &front[105..]);
    Some(tagged("muster/body/1", &[team, incident, key, session, &seq.to_be_bytes(), body]))
}
