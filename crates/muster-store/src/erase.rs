//! Erasing bodies: what a redaction names leaves every file of the home.
//!
//! A journal of the next generation is written without them, as by a compaction, and archives that hold one are written
//! anew; replacing `format` is the erasure (`docs/storage.md`, "Erasing"). Which bodies are to go is decided above. What is
//! derived from them goes first, so that a power cut between the two leaves the bodies, and whoever opens the store next
//! finds that they are still to be erased.

use crate::archive::block::{Filling, Row};
use crate::archive::{ArchiveRef, Archives, Slot};
use crate::compact::{give_up, rewrite};
use crate::disk::Disk;
use crate::disk_store::{DiskStore, Held};
use crate::home::Home;
use crate::index::{Key, body_key};
use crate::record::Payload;
use crate::{StoreError, Write};
use muster_log::BodyHash;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// Files that are made from entries and bodies, and may be lost at any time.
const DERIVED: [&str; 4] = ["tail", "tail.new", "summaries", "summaries.new"];

/// Erases these bodies, and answers how many were here.
pub(crate) fn erase(store: &mut DiskStore, bodies: &[BodyHash]) -> Result<u64, StoreError> {
    store.writer()?;
    let mut found: BTreeMap<Key, Held> = BTreeMap::new();
    for hash in bodies {
        if let Some(held) = store.find_body(hash)? {
            found.insert(body_key(hash), held);
        }
    }
    purge(&store.home)?;
    if found.is_empty() {
        return Ok(0);
    }
    give_up(store);
    let going: BTreeSet<Key> = found.keys().copied().collect();
    let erased = without(store, &going, found.values())
        .and_then(|archives| rewrite(store, archives, &|payload, is_live| left(payload, &going, is_live)));
    match erased {
        Ok(_) => Ok(going.len() as u64),
        Err(error) => {
            // What was written of it is not to fill the disk.
            give_up(store);
            Err(error)
        }
    }
}

/// What of a record is not erased and still means something.
fn left(payload: &Payload<'_>, going: &BTreeSet<Key>, is_live: &dyn Fn(&str) -> bool) -> Vec<Write> {
    let goes = |hash: &BodyHash| going.contains(&body_key(hash));
    let body = |hash: &BodyHash, bytes: &[u8]| Write::Body { hash: *hash, bytes: bytes.to_vec() };
    let rest = match payload {
        Payload::Whole { entry, .. } if !goes(&entry.hash) => Some(body(&entry.hash, entry.body)),
        Payload::Body { hash, bytes } if !goes(hash) => Some(body(hash, bytes)),
        Payload::Signature { entry, signature } => Some(Write::Signature { entry: *entry, signature: *signature }),
        Payload::Local { key, value } if is_live(key) => {
            Some(Write::Local { key: (*key).to_owned(), value: value.map(<[u8]>::to_vec) })
        }
        _ => None,
    };
    payload.clone().into_entry().map(Write::Entry).into_iter().chain(rest).collect()
}

/// The archives of the store, those that hold one of these bodies written anew without it.
fn without<'a>(
    store: &DiskStore,
    going: &BTreeSet<Key>,
    places: impl Iterator<Item = &'a Held>,
) -> Result<Vec<ArchiveRef>, StoreError> {
    let slots = places.filter_map(|held| if let Held::Archive(slot) = held { Some(*slot) } else { None });
    let mut blocks: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    slots.for_each(|slot| {
        blocks.entry(slot.archive).or_default().insert(slot.block);
    });
    let mut out = Vec::new();
    let mut next = Archives::next_number(&store.archives, store.home.disk(), &store.home.archives());
    for archive in store.archives.known() {
        let Some(affected) = blocks.get(&archive.number) else {
            out.push(archive.clone());
            continue;
        };
        let mut writer = store.archives.create(next)?;
        next = next.saturating_add(1);
        for block in 0..archive.blocks.len() as u32 {
            let slot = Slot { archive: archive.number, block, row: 0 };
            let rows = store.archives.block(slot)?;
            if !affected.contains(&block) {
                writer.push(&store.archives.packed(slot)?, &rows)?;
                continue;
            }
            let mut filling = Filling::default();
            rows.iter().for_each(|row| filling.push(stripped(row, going)));
            let (bytes, rows) = filling.finish_checked(store.path())?;
            writer.push(&bytes, &rows)?;
        }
        out.push(writer.finish()?);
    }
    if !blocks.is_empty() {
        store.archives.sync_dir()?;
    }
    Ok(out)
}

fn stripped(row: &Row, going: &BTreeSet<Key>) -> Row {
    let body = row.body.clone().filter(|(hash, _)| !going.contains(&body_key(hash)));
    Row { entry: row.entry.clone(), body }
}

/// Removes what is derived from bodies, and what was put aside as damaged: nobody can tell what that holds.
fn purge(home: &Home) -> Result<(), StoreError> {
    let disk = home.disk();
    let names = disk.list(home.path()).map_err(|error| StoreError::io("list", home.path(), error))?;
    let mut is_changed = false;
    for name in names {
        let path = home.path().join(&name);
        let removed = match name.as_str() {
            name if DERIVED.contains(&name) => disk.remove(&path),
            name if name.starts_with("quarantine-") => {
                tracing::warn!(path = %path.display(), "removed, for it may hold a text that was redacted");
                remove_all(disk, &path)
            }
            _ => continue,
        };
        is_changed = true;
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &path, error));
            }
            _ => {}
        }
    }
    if is_changed { home.sync() } else { Ok(()) }
}

/// Removes a directory of the home and everything below. What only the system's own files are, such as sled's, is not
/// behind [`Disk`].
fn remove_all(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for name in disk.list(dir).unwrap_or_default() {
        let path = dir.join(name);
        match disk.list(&path) {
            Ok(names) => {
                names.iter().try_for_each(|name| disk.remove(&path.join(name)))?;
                disk.remove_dir(&path)?;
            }
            Err(_) => disk.remove(&path)?,
        }
    }
    match disk.remove_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
