//! Writes entries into a store for ever and prints the number of each one that is acknowledged, for tests that kill it.
//!
//! `ack_writer DIR` uses the store; `ack_writer DIR --bare-sled` only sled's insert and flush, to show that a test which
//! cuts the power can tell the difference. Numbers go on where the last run ended. Now and then a compaction goes along or
//! an erasure of a text that no entry names, a step for each commit.

use muster_log::{BodyHash, DagId, EntryId, TeamId, Timestamp};
use muster_store::{DiskStore, OpenOptions, Storage, StoredEntry, Write as Staged};
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// Commits from one compaction to the next.
const COMPACT_EVERY: u64 = 24;

/// Commits from a compaction to an erasure.
const ERASE_AFTER: u64 = 12;

/// The one DAG that is written to.
pub(crate) const DAG: DagId = DagId::from_bytes([2; 32]);

/// The `n`-th entry.
pub(crate) fn entry(n: u64) -> StoredEntry {
    let bytes = (0..200 + n % 300).map(|i| (i * n) as u8).collect();
    let (id, team) = (EntryId::from_bytes(name(b'e', n)), TeamId::from_bytes([1; 32]));
    StoredEntry { bytes, id, team, dag: DAG, received: Timestamp(n as i64), signature: None }
}

/// The `n`-th body: some long, as a pasted log is.
pub(crate) fn body(n: u64) -> (BodyHash, Vec<u8>) {
    let len = if n.is_multiple_of(10) { 12_000 } else { 120 };
    (BodyHash::from_bytes(name(b'b', n)), (0..len).map(|i| (i + n) as u8).collect())
}

/// The name of the `n`-th thing of a kind.
pub(crate) fn name(tag: u8, n: u64) -> [u8; 32] {
    let mut name = [tag; 32];
    name[1..9].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    name[9..17].copy_from_slice(&n.to_be_bytes());
    name
}

/// Writes to the store in `dir` until `limit` or until nobody listens; one to three entries a commit.
pub(crate) fn write_to_store(dir: &Path, limit: u64, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let (mut store, _) = DiskStore::open(dir, OpenOptions::write([7; 16]))?;
    let (mut next, mut commits) = (store.count(&DAG), 0);
    while next < limit {
        let batch = next..next + 1 + next % 3;
        for n in batch.clone() {
            let (hash, bytes) = body(n);
            store.stage(Staged::Body { hash, bytes })?;
            store.stage(Staged::Entry(entry(n)))?;
        }
        store.commit()?;
        next = batch.end;
        batch.into_iter().try_for_each(|n| writeln!(out, "{n}"))?;
        out.flush()?;
        commits += 1;
        match commits % COMPACT_EVERY {
            0 => {
                store.begin_compaction(&[DAG])?;
            }
            ERASE_AFTER => {
                let hash = BodyHash::from_bytes(name(b's', next));
                store.stage(Staged::Body { hash, bytes: b"not for long".to_vec() })?;
                store.begin_erasure(&[hash])?;
            }
            _ => {}
        }
        store.step_compaction()?;
        store.step_erasure()?;
    }
    Ok(())
}

/// The same with sled alone.
pub(crate) fn write_to_bare_sled(dir: &Path, limit: u64, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let db = sled::open(dir)?;
    let mut next = db.len() as u64 / 2;
    while next < limit {
        db.insert(name(b'e', next), entry(next).bytes)?;
        db.insert(name(b'b', next), body(next).1)?;
        db.flush()?;
        writeln!(out, "{next}")?;
        out.flush()?;
        next += 1;
    }
    Ok(())
}

#[allow(dead_code, reason = "the tests include this file as a module")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut out = std::io::stdout().lock();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [dir] => write_to_store(Path::new(dir), u64::MAX, &mut out),
        [dir, "--bare-sled"] => write_to_bare_sled(Path::new(dir), u64::MAX, &mut out),
        _ => Err("usage: ack_writer DIR [--bare-sled]".into()),
    }
}
