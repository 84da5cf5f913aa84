//! An entry that is kept with its body in one record: what its own bytes tell is not written beside them.
//!
//! Only the frame of the protocol's canonical encoding is looked at: where team, incident and the body's hash stand. An
//! entry that does not look so, or whose id is not the hash of its bytes, is kept in the plain form, so nothing depends on
//! what a caller stages.

use crate::StoredEntry;
use crate::record::tagged;
use muster_log::{BodyHash, DagId, EntryId, TeamId};

/// The list of thirteen items, version 1, and the head of the team's 32 bytes.
const BEGIN: [u8; 4] = [0x8d, 0x01, 0x58, 0x20];

/// The head of 32 bytes.
const ID_HEAD: [u8; 2] = [0x58, 0x20];

/// The list of hash and size with which an entry ends that has a body, and the head of the hash.
const BODY_HEAD: [u8; 3] = [0x82, 0x58, 0x20];

/// Where the team stands, and where the incident.
const TEAM_AT: usize = 4;
const INCIDENT_AT: usize = 38;

/// An entry's bytes with its body and what follows from both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WholeEntry<'a> {
    /// The hash of the body.
    pub(crate) hash: BodyHash,
    pub(crate) body: &'a [u8],
    pub(crate) bytes: &'a [u8],
}

impl<'a> WholeEntry<'a> {
    /// Reads the bytes of an entry that names a body of this length.
    pub(crate) fn read(bytes: &'a [u8], body: &'a [u8]) -> Option<Self> {
        let hash = BodyHash::from_bytes(body_hash(bytes, body.len())?);
        let is_framed = bytes.starts_with(&BEGIN) && id_at(bytes, INCIDENT_AT).is_some();
        is_framed.then_some(Self { hash, body, bytes })
    }

    /// The id, hashed anew by each call.
    pub(crate) fn id(&self) -> EntryId {
        EntryId::from_bytes(tagged("muster/entry/1", &[self.bytes]))
    }

    pub(crate) fn team(&self) -> TeamId {
        TeamId::from_bytes(self.named(TEAM_AT))
    }

    pub(crate) fn dag(&self) -> DagId {
        DagId::from_bytes(self.named(INCIDENT_AT))
    }

    /// A genesis names its team, or its incident, by zero: that is itself.
    fn named(&self, at: usize) -> [u8; 32] {
        id_at(self.bytes, at).filter(|named| *named != [0; 32]).unwrap_or_else(|| *self.id().as_bytes())
    }

    /// Whether a record of this says all that was staged: what follows from the bytes is what the caller said.
    pub(crate) fn is_of(&self, entry: &StoredEntry, hash: &BodyHash) -> bool {
        (self.id(), self.team(), self.dag(), self.hash) == (entry.id, entry.team, entry.dag, *hash)
    }
}

/// The body hashes that an entry may name at its end, one for each number of bytes that the size may take.
pub(crate) fn bodies_named(bytes: &[u8]) -> impl Iterator<Item = BodyHash> + '_ {
    [1, 2, 3].into_iter().filter_map(|size| hash_before(bytes, size)).map(BodyHash::from_bytes)
}

fn hash_before(bytes: &[u8], size: usize) -> Option<[u8; 32]> {
    let end = bytes.len().checked_sub(size)?;
    let begin = end.checked_sub(BODY_HEAD.len() + 32)?;
    let hash = bytes.get(begin..end)?.strip_prefix(&BODY_HEAD)?;
    hash.try_into().ok()
}

/// The hash of a body of `length` bytes with which the entry ends.
fn body_hash(bytes: &[u8], length: usize) -> Option<[u8; 32]> {
    let length = u16::try_from(length).ok()?;
    let [high, low] = length.to_be_bytes();
    let size: &[u8] = match length {
        0..24 => &[low],
        24..256 => &[0x18, low],
        _ => &[0x19, high, low],
    };
    if !bytes.ends_with(size) {
        return None;
    }
    hash_before(bytes, size.len())
}

fn id_at(bytes: &[u8], at: usize) -> Option<[u8; 32]> {
    let head = at.checked_sub(ID_HEAD.len())?;
    bytes.get(head..at + 32)?.strip_prefix(&ID_HEAD)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_log::Timestamp;

    /// Bytes of the form that is looked for.
    fn entry(team: u8, incident: u8, size: &[u8]) -> Vec<u8> {
        let middle: &[u8] = b"key, session and the rest";
        [&BEGIN[..], &[team; 32], &ID_HEAD, &[incident; 32], middle, &BODY_HEAD, &[9; 32], size].concat()
    }

    fn id(bytes: &[u8]) -> [u8; 32] {
        tagged("muster/entry/1", &[bytes])
    }

    #[test]
    fn what_follows_from_the_bytes_is_read_from_them() {
        for (length, size) in [(5, &[5][..]), (23, &[23]), (24, &[0x18, 24]), (300, &[0x19, 1, 44])] {
            let (bytes, body) = (entry(1, 2, size), vec![7; length]);
            let whole = WholeEntry::read(&bytes, &body).unwrap();
            assert_eq!((whole.team(), whole.dag()), (TeamId::from_bytes([1; 32]), DagId::from_bytes([2; 32])));
            assert_eq!((whole.id(), whole.hash), (EntryId::from_bytes(id(&bytes)), BodyHash::from_bytes([9; 32])));
            assert!(bodies_named(&bytes).any(|hash| hash == whole.hash));
            assert_eq!(WholeEntry::read(&bytes, &vec![7; length + 1]), None, "the size is part of the entry");
        }
    }

    #[test]
    fn a_genesis_is_its_own_incident_or_team() {
        let declare = entry(1, 0, &[5]);
        assert_eq!(WholeEntry::read(&declare, b"12345").unwrap().dag(), DagId::from_bytes(id(&declare)));
        let create = entry(0, 0, &[5]);
        let whole = WholeEntry::read(&create, b"12345").unwrap();
        assert_eq!((whole.team(), whole.dag()), (TeamId::from_bytes(id(&create)), DagId::from_bytes(id(&create))));
    }

    #[test]
    fn an_entry_that_was_staged_as_something_else_is_told() {
        let bytes = entry(1, 2, &[5]);
        let whole = WholeEntry::read(&bytes, b"12345").unwrap();
        let (id, team, dag, hash) = (whole.id(), whole.team(), whole.dag(), whole.hash);
        let staged = StoredEntry { bytes: bytes.clone(), id, team, dag, received: Timestamp(0), signature: None };
        assert!(whole.is_of(&staged, &hash));
        assert!(!whole.is_of(&staged, &BodyHash::from_bytes([0; 32])));
        assert!(!whole.is_of(&StoredEntry { id: EntryId::from_bytes([0; 32]), ..staged.clone() }, &hash));
        assert!(!whole.is_of(&StoredEntry { dag: DagId::from_bytes([0; 32]), ..staged }, &hash));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), body in 0usize..70_000) {
            let body = vec![0; body];
            let _ = WholeEntry::read(&bytes, &body);
            let _ = bodies_named(&bytes).count();
        }
    }
}
