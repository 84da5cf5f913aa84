//! What was put aside as damaged, when bodies are erased: which files of it hold one, or cannot be read well enough to tell.
//!
//! These go, the rest stays (`docs/storage.md`, "Erasing"). A record tells which body it holds by its hash. What is no record, for
//! it is damaged, is searched for pieces of the texts; where the text is not known here, it may hold it. Putting files aside is in
//! [`crate::aside`] and [`crate::home`].

use crate::archive::{ArchiveRef, Archives};
use crate::disk::{Disk, How, read_up_to};
use crate::home::Home;
use crate::journal::SEGMENT_BYTES;
use crate::record::{Payload, Place, SEGMENT_HEAD, StoreId, decode, decode_segment_head};
use crate::storage::COMMIT_BYTES_MAX;
use crate::{DiskStore, Storage, StoreError};
use muster_log::{Body, BodyHash};
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a piece of a text: so many in a row tell something, and are seldom those of another.
const PIECE_BYTES: usize = 8;

/// Bytes of the shortest text that is searched for as a whole; a shorter one is found by its salt.
const SHORT_BYTES_MIN: usize = 4;

/// Bytes of the longest file that is looked into: as long as a segment can be.
const FILE_BYTES_MAX: u64 = (SEGMENT_BYTES + COMMIT_BYTES_MAX) as u64;

/// Where the salt of a body lies that has one.
const SALT: std::ops::Range<usize> = 2..18;

/// The bodies that are looked for.
pub(crate) struct Sought {
    hashes: BTreeSet<BodyHash>,
    pieces: HashSet<[u8; PIECE_BYTES]>,
    short: Vec<Vec<u8>>,
    /// Whether all of them are here, so that their pieces are known.
    are_known: bool,
}

impl Sought {
    /// Of these bodies what the store knows.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn of(store: &DiskStore, bodies: &[BodyHash]) -> Result<Self, StoreError> {
        let hashes = bodies.iter().copied().collect();
        let mut sought = Self { hashes, pieces: HashSet::new(), short: Vec::new(), are_known: true };
        for hash in bodies {
            match store.body(hash)? {
                Some(body) => sought.add(&body),
                None => sought.are_known = false,
            }
        }
        Ok(sought)
    }

    fn add(&mut self, body: &[u8]) {
        let text = Body::read(body);
        let parts: Vec<&[u8]> = text.parts().map(|(_, text)| text.as_bytes()).collect();
        // What is no text of ours is searched for as it is.
        let parts = if parts.is_empty() { vec![body] } else { parts };
        for part in parts.into_iter().chain(body.get(SALT)) {
            self.pieces.extend(part.windows(PIECE_BYTES).filter_map(|piece| <[u8; PIECE_BYTES]>::try_from(piece).ok()));
            if (SHORT_BYTES_MIN..PIECE_BYTES).contains(&part.len()) {
                self.short.push(part.to_vec());
            }
        }
    }

    /// Whether bytes of which nobody knows what they were may be of one of these bodies.
    fn may_be_in(&self, bytes: &[u8]) -> bool {
        let is_piece =
            |piece: &[u8]| <[u8; PIECE_BYTES]>::try_from(piece).is_ok_and(|piece| self.pieces.contains(&piece));
        let has = |short: &Vec<u8>| bytes.windows(short.len()).any(|window| window == short.as_slice());
        !bytes.is_empty() && (!self.are_known || bytes.windows(PIECE_BYTES).any(is_piece) || self.short.iter().any(has))
    }
}

/// What a file was before it was put aside.
enum Form {
    Segment(u32),
    /// The end of a segment from an offset on.
    Torn(u32, u32),
    Archive(u32),
    /// Of an index: keys and positions, no texts.
    Index,
    Other,
}

impl Form {
    fn of(dir: &str, name: &str) -> Self {
        let number = |ending: &str| name.strip_suffix(ending).filter(|n| n.len() == 8)?.parse().ok();
        let torn = || {
            let (segment, offset) = name.strip_prefix("torn-")?.split_once('-')?;
            Some(Self::Torn(segment.parse().ok()?, offset.parse().ok()?))
        };
        let form = match dir {
            "" if name == "conf" || name == "db" || name.starts_with("snap.") => Some(Self::Index),
            "" => torn(),
            "blobs" => Some(Self::Index),
            "archives" => number(".arc").map(Self::Archive),
            _ if dir.starts_with("journal") => number(".log").map(Self::Segment),
            _ => None,
        };
        form.unwrap_or(Self::Other)
    }
}

/// Whether anything was put aside.
///
/// # Errors
/// Those of listing.
pub(crate) fn is_any(home: &Home) -> Result<bool, StoreError> {
    Ok(list(home.disk(), home.path())?.iter().any(|path| is_quarantine(path)))
}

/// Removes from everything that was put aside what holds one of these bodies or may hold one. `known` are the archives of the store.
///
/// # Errors
/// Those of listing and removing. What cannot be read is removed.
pub(crate) fn purge(home: &Home, id: StoreId, known: &[ArchiveRef], sought: &Sought) -> Result<(), StoreError> {
    let disk = home.disk();
    let mut is_changed = false;
    for dir in list(disk, home.path())?.into_iter().filter(|path| is_quarantine(path)) {
        let (files, dirs) = files_of(disk, &dir);
        let mut archives = known.to_vec();
        let mut going: BTreeSet<&PathBuf> = BTreeSet::new();
        for (path, form) in &files {
            let holds = match form {
                Form::Segment(number) => Some(segment_holds(disk, path, id, *number, 0, sought, &mut archives)),
                Form::Torn(segment, offset) => {
                    Some(segment_holds(disk, path, id, *segment, *offset, sought, &mut archives))
                }
                Form::Other => Some(read(disk, path).is_none_or(|bytes| sought.may_be_in(&bytes))),
                Form::Archive(_) | Form::Index => None,
            };
            going.extend(holds.unwrap_or(false).then_some(path));
        }
        for (path, form) in &files {
            if let Form::Archive(number) = form {
                let in_dir = path.parent().unwrap_or(&dir);
                let mut fitting = archives.iter().filter(|archive| archive.number == *number);
                let is_free = fitting.any(|archive| archive_is_free(home, in_dir, id, archive, sought));
                going.extend((!is_free).then_some(path));
            }
        }
        for path in &going {
            tracing::warn!(path = %path.display(), "removed, for it may hold a text that was redacted");
            remove(disk, path).map_err(|error| StoreError::io("remove", path, error))?;
        }
        if !going.is_empty() {
            // What is empty now goes too.
            for dir in dirs.iter().chain([&dir]) {
                let Ok(left) = disk.list(dir) else { continue };
                disk.sync_dir(dir).map_err(|error| StoreError::io("sync", dir, error))?;
                if left.is_empty() {
                    disk.remove_dir(dir).map_err(|error| StoreError::io("remove", dir, error))?;
                }
            }
            is_changed = true;
        }
    }
    if is_changed { home.sync() } else { Ok(()) }
}

fn is_quarantine(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("quarantine-"))
}

fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let names = disk.list(dir).map_err(|error| StoreError::io("list", dir, error))?;
    Ok(names.into_iter().map(|name| dir.join(name)).collect())
}

type Files = (Vec<(PathBuf, Form)>, Vec<PathBuf>);

/// The files of a quarantine, and the directories in it. What is deeper than we ever put anything is one of unknown form.
fn files_of(disk: &dyn Disk, quarantine: &Path) -> Files {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (mut files, mut dirs) = (Vec::new(), Vec::new());
    let Ok(names) = disk.list(quarantine) else {
        // An index may have been a file.
        return (vec![(quarantine.to_path_buf(), Form::Other)], dirs);
    };
    for path in names.into_iter().map(|name| quarantine.join(name)) {
        match disk.list(&path) {
            Ok(names) => {
                files.extend(names.into_iter().map(|inner| (path.join(&inner), Form::of(&name(&path), &inner))));
                dirs.push(path);
            }
            Err(_) => {
                let form = Form::of("", &name(&path));
                files.push((path, form));
            }
        }
    }
    (files, dirs)
}

/// The bytes of a file; none where it cannot be read or is longer than it could be.
fn read(disk: &dyn Disk, path: &Path) -> Option<Vec<u8>> {
    let file = disk.open(path, How::Read).ok()?;
    let size = file.size().ok().filter(|size| *size <= FILE_BYTES_MAX)?;
    read_up_to(&*file, 0, usize::try_from(size).ok()?).ok()
}

/// Whether a segment, or its end from an offset on, holds one of the bodies or may hold one. Archives that it names are noted.
fn segment_holds(
    disk: &dyn Disk,
    path: &Path,
    id: StoreId,
    segment: u32,
    offset: u32,
    sought: &Sought,
    archives: &mut Vec<ArchiveRef>,
) -> bool {
    let Some(bytes) = read(disk, path) else { return true };
    let is_headed = offset == 0 && decode_segment_head(&bytes, id, segment).is_some();
    let mut at = if is_headed { SEGMENT_HEAD } else { 0 };
    let mut gap = at;
    while at < bytes.len() {
        let place = u32::try_from(at).ok().and_then(|at| offset.checked_add(at));
        let rest = bytes.get(at..).unwrap_or_default();
        let record = place.and_then(|offset| decode(rest, Place { store: id, segment, offset }).ok());
        let Some(record) = record else {
            at += 1;
            continue;
        };
        if sought.may_be_in(bytes.get(gap..at).unwrap_or_default()) {
            return true;
        }
        match &record.payload {
            Payload::Whole { entry, .. } if sought.hashes.contains(&entry.hash) => return true,
            Payload::Body { hash, .. } if sought.hashes.contains(hash) => return true,
            Payload::Archive(archive) => archives.push(archive.clone()),
            _ => {}
        }
        at += record.len as usize;
        gap = at;
    }
    sought.may_be_in(bytes.get(gap..).unwrap_or_default())
}

/// Whether the file is this archive, whole, and has none of the bodies.
fn archive_is_free(home: &Home, dir: &Path, id: StoreId, archive: &ArchiveRef, sought: &Sought) -> bool {
    let archives = Archives::new(home.shared_disk(), dir.to_path_buf(), id);
    let Ok(mut reading) = archives.begin_reading(archive) else { return false };
    let mut holds = false;
    loop {
        let more = archives.read_on(&mut reading, &mut |_, row| {
            holds |= row.body.as_ref().is_some_and(|(hash, _)| sought.hashes.contains(hash));
        });
        match more {
            Ok(true) if !holds => {}
            Ok(false) => return !holds,
            _ => return false,
        }
    }
}

/// Removes a file, or a directory with all that is in it, which is none of ours.
fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) if disk.list(path).is_ok() => std::fs::remove_dir_all(path),
        done => done,
    }
}
