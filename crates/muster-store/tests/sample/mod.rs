//! Made-up writes for the tests of this folder. The store takes ids on trust, so they need not be hashes.

#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod linked;

use muster_log::{BodyHash, DagId, EntryId, Signature, TeamId, Timestamp};
use muster_store::{Storage, StoredEntry, Write};

pub(crate) fn team(n: u8) -> TeamId {
    TeamId::from_bytes([n; 32])
}

pub(crate) fn dag(n: u8) -> DagId {
    DagId::from_bytes([n; 32])
}

fn bytes32(tag: u8, dag: u8, n: u32) -> [u8; 32] {
    let mut bytes = [tag; 32];
    bytes[1] = dag;
    bytes[2..6].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
    bytes
}

pub(crate) fn id(dag: u8, n: u32) -> EntryId {
    EntryId::from_bytes(bytes32(b'e', dag, n))
}

pub(crate) fn hash(dag: u8, n: u32) -> BodyHash {
    BodyHash::from_bytes(bytes32(b'b', dag, n))
}

pub(crate) fn signature(n: u8) -> Signature {
    Signature::from_bytes([n; 64])
}

/// The `n`-th entry of a DAG of team 1, about 300 bytes.
pub(crate) fn entry(of: u8, n: u32) -> StoredEntry {
    let bytes = (0..300u32).map(|i| (i.wrapping_mul(n + 7) >> 3) as u8).collect();
    StoredEntry {
        bytes,
        id: id(of, n),
        team: team(1),
        dag: dag(of),
        received: Timestamp(1_000 + i64::from(n)),
        signature: None,
    }
}

pub(crate) fn body_bytes(of: u8, n: u32) -> Vec<u8> {
    format!("body {n} of {of}").into_bytes()
}

pub(crate) fn body(of: u8, n: u32) -> Write {
    Write::Body { hash: hash(of, n), bytes: body_bytes(of, n) }
}

pub(crate) fn local(key: &str, value: &str) -> Write {
    Write::Local { key: key.to_owned(), value: Some(value.as_bytes().to_vec()) }
}

/// Stages the `n`-th entry of a DAG with its body.
#[track_caller]
pub(crate) fn stage(store: &mut impl Storage, of: u8, n: u32) {
    store.stage(Write::Entry(entry(of, n))).unwrap();
    store.stage(body(of, n)).unwrap();
}

/// The entries `range` of a DAG, staged and committed one by one.
#[track_caller]
pub(crate) fn fill(store: &mut impl Storage, of: u8, range: std::ops::Range<u32>) {
    for n in range {
        stage(store, of, n);
        store.commit().unwrap();
    }
}

/// That exactly the entries `0..n` of a DAG are there, in order, with their bodies.
#[track_caller]
pub(crate) fn check_filled(store: &impl Storage, of: u8, n: u32) {
    let entries = store.entries(&dag(of)).unwrap();
    let wanted: Vec<StoredEntry> = (0..n).map(|n| entry(of, n)).collect();
    assert!(entries == wanted, "{} entries where {n} were wanted, or not these", entries.len());
    for n in 0..n {
        assert_eq!(store.entry(&id(of, n)).unwrap(), Some(entry(of, n)));
        assert_eq!(store.body(&hash(of, n)).unwrap(), Some(body_bytes(of, n)));
    }
}

/// The bytes of an entry as the protocol frames them, as far as the store looks: one that names a body of this size.
pub(crate) fn framed(of: u8, n: u32, body: usize) -> Vec<u8> {
    let frame = [0x8d, 0x01, 0x58, 0x20];
    let middle = [&[0x58, 0x20][..], dag(of).as_bytes(), &n.to_be_bytes(), &[7; 150]].concat();
    let size = u16::try_from(body).unwrap().to_be_bytes();
    [&frame[..], team(1).as_bytes(), &middle, &[0x82, 0x58, 0x20], hash(of, n).as_bytes(), &[0x19], &size].concat()
}

/// The `n`-th entry of a DAG, framed and named by its hash, that goes with a body of [`long_body`].
pub(crate) fn framed_entry(of: u8, n: u32) -> StoredEntry {
    use sha2::Digest;
    let bytes = framed(of, n, long_body(of, n).len());
    let id = sha2::Sha256::new().chain_update(b"muster/entry/1\0").chain_update(&bytes).finalize();
    let signature = n.is_multiple_of(2).then(|| signature(9));
    StoredEntry { id: EntryId::from_bytes(id.into()), bytes, signature, ..entry(of, n) }
}

pub(crate) fn long_body(of: u8, n: u32) -> Vec<u8> {
    format!("body {n} of {of}").repeat(30).into_bytes()
}

/// Three entries and their bodies as one commit, the bodies last.
pub(crate) fn whole(of: u8) -> Vec<Write> {
    let entries = (0..3).map(|n| Write::Entry(framed_entry(of, n)));
    entries.chain((0..3).map(|n| Write::Body { hash: hash(of, n), bytes: long_body(of, n) })).collect()
}

/// That what [`whole`] staged is there.
#[track_caller]
pub(crate) fn check_whole(store: &impl Storage, of: u8) {
    let wanted: Vec<StoredEntry> = (0..3).map(|n| framed_entry(of, n)).collect();
    assert_eq!(store.entries(&dag(of)).unwrap(), wanted);
    for n in 0..3 {
        assert_eq!(store.entry(&wanted[n as usize].id).unwrap().as_ref(), wanted.get(n as usize));
        assert!(store.contains_body(&hash(of, n)).unwrap());
        assert_eq!(store.body(&hash(of, n)).unwrap(), Some(long_body(of, n)));
    }
}
