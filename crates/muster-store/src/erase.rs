//! Erasing bodies: what a redaction names leaves every file of the home.
//!
//! Archives that hold one are written anew, block by block, then a journal of the next generation without them
//! ([`crate::rewrite`]); replacing `format` is the erasure (`docs/storage.md`, "Erasing"). Which bodies are to go is decided above.
//! What is derived from them goes first, so that a power cut between the two leaves the bodies, and whoever opens the store next
//! finds that they are still to be erased.

use crate::archive::block::{Filling, Row};
use crate::archive::{ArchiveRef, ArchiveWriter, Slot};
use crate::compact::give_up;
use crate::disk_store::{DiskStore, Held};
use crate::home::Home;
use crate::index::{Key, body_key};
use crate::quarantine::{self, Sought};
use crate::record::Payload;
use crate::rewrite::{Left, LeftOf, Rewriting};
use crate::{ErasureStep, StoreError, Write};
use muster_log::BodyHash;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

/// Files that are made from entries and bodies, and may be lost at any time.
const DERIVED: [&str; 4] = ["tail", "tail.new", "summaries", "summaries.new"];

/// Blocks of an archive that are copied in one step. One that is packed anew takes as long.
const BLOCKS_A_STEP: usize = 8;

/// Bytes that are to stay free beside an erasure: what is committed meanwhile needs room too.
const FREE_BYTES: u64 = 4 * 1024 * 1024;

/// An erasure under way.
pub(crate) struct Erasure {
    going: BTreeSet<Key>,
    took: Duration,
    /// Archives to be written anew or kept, the next one last, with the blocks that hold a body.
    waiting: Vec<(ArchiveRef, BTreeSet<u32>)>,
    /// The one that is being written anew.
    packing: Option<Packing>,
    next_archive: u32,
    archives: Vec<ArchiveRef>,
    /// The next journal, once the archives are done.
    rewriting: Option<Rewriting>,
}

/// An archive that is being written anew.
struct Packing {
    from: ArchiveRef,
    affected: BTreeSet<u32>,
    next_block: u32,
    writer: ArchiveWriter,
}

/// Begins to erase these bodies.
pub(crate) fn begin(store: &mut DiskStore, bodies: &[BodyHash]) -> Result<ErasureStep, StoreError> {
    let begun = Instant::now();
    store.writer()?;
    if store.erasure.is_some() {
        give_up(store);
    }
    let mut found: BTreeMap<Key, Held> = BTreeMap::new();
    for hash in bodies {
        if let Some(held) = store.find_body(hash)? {
            found.insert(body_key(hash), held);
        }
    }
    let archives: Vec<ArchiveRef> = store.archives.known().cloned().collect();
    if quarantine::is_any(&store.home)? {
        quarantine::purge(&store.home, store.format.store, &archives, &Sought::of(store, bodies)?)?;
    }
    purge_derived(&store.home)?;
    if found.is_empty() {
        return Ok(ErasureStep::Done { erased: 0, took: begun.elapsed() });
    }
    give_up(store);
    let mut blocks: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for held in found.values() {
        if let Held::Archive(slot) = held {
            blocks.entry(slot.archive).or_default().insert(slot.block);
        }
    }
    let affected = |archive: &ArchiveRef| blocks.get(&archive.number).cloned().unwrap_or_default();
    let waiting = archives.into_iter().map(|archive| (affected(&archive), archive));
    let mut waiting: Vec<_> = waiting.map(|(blocks, archive)| (archive, blocks)).collect();
    let packed: u64 = waiting.iter().filter(|(_, blocks)| !blocks.is_empty()).map(|(archive, _)| archive.size()).sum();
    let needed = store.journal.bytes()?.saturating_add(packed).saturating_add(FREE_BYTES);
    if store.home.disk().free(store.path()).is_ok_and(|free| free < needed) {
        return Err(StoreError::Full { path: store.path().into() });
    }
    waiting.reverse();
    store.erasure = Some(Box::new(Erasure {
        going: found.into_keys().collect(),
        took: begun.elapsed(),
        waiting,
        packing: None,
        next_archive: store.archives.next_number(store.home.disk(), &store.home.archives()),
        archives: Vec::new(),
        rewriting: None,
    }));
    Ok(ErasureStep::Going { took: begun.elapsed() })
}

/// Goes on with it.
pub(crate) fn step(store: &mut DiskStore) -> Result<ErasureStep, StoreError> {
    let begun = Instant::now();
    store.writer()?;
    let Some(mut erasure) = store.erasure.take() else {
        return Ok(ErasureStep::Done { erased: 0, took: Duration::ZERO });
    };
    let stepped = erasure.go_on(store);
    erasure.took += begun.elapsed();
    let took = erasure.took;
    match stepped {
        Ok(true) => Ok(ErasureStep::Done { erased: erasure.going.len() as u64, took }),
        Ok(false) => {
            store.erasure = Some(erasure);
            Ok(ErasureStep::Going { took })
        }
        Err(error) => {
            // What was written of it is not to fill the disk.
            drop(erasure);
            give_up(store);
            Err(error)
        }
    }
}

impl Erasure {
    /// Takes the next step; true where it was the last.
    fn go_on(&mut self, store: &mut DiskStore) -> Result<bool, StoreError> {
        if self.pack(store)? {
            return Ok(false);
        }
        let mut rewriting = match self.rewriting.take() {
            Some(rewriting) => rewriting,
            None => Rewriting::begin(store, self.archives.clone())?,
        };
        let going = &self.going;
        let left: LeftOf<'_> = &|payload, is_live| left(payload, going, is_live);
        if rewriting.is_near_end(store)? {
            // Once more: somebody may have written them meanwhile.
            purge_derived(&store.home)?;
            return rewriting.switch(store, left).map(|_| true);
        }
        rewriting.step(store, left)?;
        self.rewriting = Some(rewriting);
        Ok(false)
    }

    /// Writes some blocks of the archives that hold a body; false where all are done.
    fn pack(&mut self, store: &DiskStore) -> Result<bool, StoreError> {
        while self.packing.is_none() {
            let Some((from, affected)) = self.waiting.pop() else { return Ok(false) };
            if affected.is_empty() {
                self.archives.push(from);
                continue;
            }
            let writer = store.archives.create(self.next_archive)?;
            self.next_archive = self.next_archive.saturating_add(1);
            self.packing = Some(Packing { from, affected, next_block: 0, writer });
        }
        let is_done = match &mut self.packing {
            Some(packing) => packing.go_on(store, &self.going)?,
            None => false,
        };
        if let Some(packing) = self.packing.take_if(|_| is_done) {
            self.archives.push(packing.writer.finish()?);
            store.archives.sync_dir()?;
        }
        Ok(true)
    }
}

impl Packing {
    /// Writes some blocks; true behind the last.
    fn go_on(&mut self, store: &DiskStore, going: &BTreeSet<Key>) -> Result<bool, StoreError> {
        for _ in 0..BLOCKS_A_STEP {
            let block = self.next_block;
            if block as usize >= self.from.blocks.len() {
                return Ok(true);
            }
            self.next_block += 1;
            let slot = Slot { archive: self.from.number, block, row: 0 };
            let rows = store.archives.block(slot)?;
            if self.affected.contains(&block) {
                let mut filling = Filling::default();
                rows.iter().for_each(|row| filling.push(stripped(row, going)));
                let (bytes, rows) = filling.finish_checked(store.path())?;
                self.writer.push(&bytes, &rows)?;
                return Ok(false);
            }
            self.writer.push(&store.archives.packed(slot)?, &rows)?;
        }
        Ok(false)
    }
}

/// What of a record is not erased and still means something.
fn left(payload: &Payload<'_>, going: &BTreeSet<Key>, is_live: &dyn Fn(&str) -> bool) -> Left {
    let goes = |hash: &BodyHash| going.contains(&body_key(hash));
    match payload {
        Payload::Whole { entry, .. } if goes(&entry.hash) => {
            Left::Only(payload.clone().into_entry().map(Write::Entry).into_iter().collect())
        }
        Payload::Body { hash, .. } if goes(hash) => Left::Only(Vec::new()),
        Payload::Local { key, .. } if !is_live(key) => Left::Only(Vec::new()),
        // The new ones are named already.
        Payload::Archive(_) => Left::Only(Vec::new()),
        _ => Left::AsItIs,
    }
}

fn stripped(row: &Row, going: &BTreeSet<Key>) -> Row {
    let body = row.body.clone().filter(|(hash, _)| !going.contains(&body_key(hash)));
    Row { entry: row.entry.clone(), body }
}

/// Removes what is derived from bodies.
fn purge_derived(home: &Home) -> Result<(), StoreError> {
    let disk = home.disk();
    let names = disk.list(home.path()).map_err(|error| StoreError::io("list", home.path(), error))?;
    let mut is_changed = false;
    for name in names.into_iter().filter(|name| DERIVED.contains(&name.as_str())) {
        let path = home.path().join(&name);
        match disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &path, error));
            }
            _ => is_changed = true,
        }
    }
    if is_changed { home.sync() } else { Ok(()) }
}
