//! Repair: a damaged journal is put aside whole, and what stands is written into one of the next generation.
//!
//! The switch is that of a compaction: `format` is replaced by one rename (`docs/storage.md`, "Repair"). Which entries stand is
//! for the caller to say, who can judge them; here is what they lie in.

use crate::archive::ArchiveRef;
use crate::compact::{COPY_BYTES, Packed, append};
use crate::disk::{Disk, How, write_all};
use crate::disk_store::{DiskStore, Held};
use crate::home::{FORMAT, Format};
use crate::index::{body_key, entry_key};
use crate::journal::{Journal, Tail};
use crate::open::{home_of, open_to_read, read_journal, remove_leftovers};
use crate::whole::bodies_named;
use crate::{Damage, OpenOptions, Storage, StoreError, Write};
use muster_log::{DagId, EntryId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Bytes that are copied at a time; where they cannot be read, as many zeros stand in the copy.
const COPY_STEP: usize = 4096;

/// What a repaired store does without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Entries of the store that are left out.
    pub left_out: BTreeSet<EntryId>,
    /// Entries that are not in the store and should be.
    pub gone: BTreeSet<EntryId>,
}

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The places that could not be read.
    pub damage: Vec<Damage>,
    /// Entries that were kept.
    pub kept: u64,
    /// Entries that can be read and were left out.
    pub left_out: u64,
    /// Where the journal is now as it was found.
    pub quarantine: PathBuf,
}

impl DiskStore {
    /// Repairs the store in `dir`: `choose` is given it as it can be read, and gives it back with what to leave out. `None`
    /// where neither a place is damaged nor anything is left out. Until the last step nothing of the store is changed.
    ///
    /// # Errors
    /// Those of `choose`; [`StoreError::InUse`], [`StoreError::Newer`], [`StoreError::NoStore`], [`StoreError::Full`] and those
    /// of reading: the store is as it was.
    pub fn repair<E: From<StoreError>>(
        dir: &Path,
        options: OpenOptions,
        choose: impl FnOnce(Self) -> Result<(Self, Choice), E>,
    ) -> Result<Option<Repaired>, E> {
        let home = home_of(dir, &options);
        let no_store = || StoreError::NoStore { path: dir.into() };
        home.read_format()?.ok_or_else(no_store)?;
        let _lock = home.lock()?;
        // Read again: whoever had the lock before may have compacted the store.
        let found = home.read_format()?.ok_or_else(no_store)?;
        let (store, report) = open_to_read(home.of(found.generation), Some(found), options)?;
        let (store, choice) = choose(store)?;
        if report.damage.is_empty() && choice.left_out.is_empty() {
            return Ok(None);
        }
        Ok(Some(rebuild(&store, report.damage, &choice)?))
    }

    /// Forgets which entries are gone: somebody said that they will not come back.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::NoStore`] and those of removing a file.
    pub fn accept_loss(dir: &Path, options: OpenOptions) -> Result<(), StoreError> {
        let home = home_of(dir, &options);
        home.read_format()?.ok_or_else(|| StoreError::NoStore { path: dir.into() })?;
        let _lock = home.lock()?;
        home.forget_lost()
    }
}

fn rebuild(store: &DiskStore, damage: Vec<Damage>, choice: &Choice) -> Result<Repaired, StoreError> {
    let format = Format { version: FORMAT, generation: store.format.generation.saturating_add(1), ..store.format };
    let home = store.home.of(format.generation);
    let disk = home.disk();
    let quarantine = home.next_quarantine()?;
    copy_all(disk, &store.home.journal(), &quarantine.join("journal"))?;
    // An archive is kept as it is, or everything that can be read of all of them goes back into the journal.
    let archives = store.home.archives();
    let is_whole = !damage.iter().any(|damage| damage.segment.starts_with(&archives))
        && !choice.left_out.iter().any(|id| store.kept.archived.contains_key(&entry_key(id)));
    let is_all_known = crate::archive::Archives::present(disk, &archives)
        .into_iter()
        .all(|number| store.archives.known().any(|archive| archive.number == number));
    if !is_whole || !is_all_known {
        copy_all(disk, &archives, &quarantine.join("archives"))?;
    }
    disk.sync_dir(&quarantine).map_err(|error| StoreError::io("sync", &quarantine, error))?;
    home.sync()?;
    // What a repair or a compaction left behind that did not come to its end.
    Journal::remove(disk, &home.journal());
    let journal = Journal::new(home.shared_disk(), home.journal(), format.store);
    write(store, &journal, choice, is_whole)?;
    let read = read_journal(&home, &journal, format.store, true)?;
    check(store, &read.kept.dags, read.loaded.damage, choice)?;
    let gone = choice.gone.iter().chain(&choice.left_out);
    home.note_lost(gone.map(entry_key))?;
    home.write_format(format)?;
    remove_leftovers(&home, &read.archives, false);
    Ok(Repaired { damage, kept: read.kept.entries, left_out: choice.left_out.len() as u64, quarantine })
}

/// Writes the new journal: first what is older.
fn write(store: &DiskStore, journal: &Journal, choice: &Choice, keeps_archives: bool) -> Result<(), StoreError> {
    let mut tail = journal.start()?;
    let mut out = Out { journal, tail: &mut tail, choice, batch: Vec::new(), bytes: 0, failed: Ok(()) };
    if keeps_archives {
        let archives: Vec<ArchiveRef> = store.archives.known().cloned().collect();
        if !archives.is_empty() {
            journal.append_archives(out.tail, &archives)?;
        }
    } else {
        let mut bodies = BTreeSet::new();
        for held in store.kept.dags.values().flat_map(|(_, order)| order) {
            if !matches!(held, Held::Archive(_)) {
                continue;
            }
            let entry = store.read_entry(*held)?;
            for hash in bodies_named(&entry.bytes) {
                if store.kept.archived.contains_key(&body_key(&hash))
                    && let Some(bytes) = store.body(&hash)?
                    && bodies.insert(hash)
                {
                    out.push(Write::Body { hash, bytes });
                }
            }
            out.push(Write::Entry(entry));
        }
    }
    let none_packed = Packed::default();
    store.journal.load(&mut |position, record| {
        let is_live = |key: &str| store.kept.locals.get(key) == Some(&position);
        none_packed.writes_left(&record.payload, &is_live).into_iter().for_each(|write| out.push(write));
    })?;
    out.finish()
}

/// What goes into the new journal.
struct Out<'a> {
    journal: &'a Journal,
    tail: &'a mut Tail,
    choice: &'a Choice,
    batch: Vec<Write>,
    bytes: usize,
    failed: Result<(), StoreError>,
}

impl Out<'_> {
    fn push(&mut self, write: Write) {
        let (id, bytes) = match &write {
            Write::Entry(entry) => (Some(entry.id), entry.bytes.len()),
            Write::Signature { entry, .. } => (Some(*entry), 0),
            Write::Body { bytes, .. } => (None, bytes.len()),
            Write::Local { value, .. } => (None, value.as_ref().map_or(0, Vec::len)),
        };
        if self.failed.is_err() || id.is_some_and(|id| self.choice.left_out.contains(&id)) {
            return;
        }
        self.batch.push(write);
        self.bytes += bytes;
        if self.bytes >= COPY_BYTES {
            self.bytes = 0;
            self.failed = append(self.journal, self.tail, &mut self.batch);
        }
    }

    fn finish(mut self) -> Result<(), StoreError> {
        self.failed?;
        append(self.journal, self.tail, &mut self.batch)
    }
}

/// Whether what was read back is all that was to be kept.
fn check(
    store: &DiskStore,
    dags: &BTreeMap<DagId, (muster_log::TeamId, Vec<Held>)>,
    damage: Vec<Damage>,
    choice: &Choice,
) -> Result<(), StoreError> {
    if let Some(Damage { segment, offset, what }) = damage.into_iter().next() {
        return Err(StoreError::Damaged { segment, offset, what });
    }
    for (dag, (_, order)) in &store.kept.dags {
        let mut standing = 0;
        for held in order {
            standing += usize::from(!choice.left_out.contains(&store.read_entry(*held)?.id));
        }
        if dags.get(dag).map_or(0, |(_, order)| order.len()) != standing {
            let source = std::io::Error::other("what was written is not what stands");
            return Err(StoreError::Io { doing: "repair", path: store.path().into(), source });
        }
    }
    Ok(())
}

/// Copies the files of a directory, however badly they can be read.
fn copy_all(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), StoreError> {
    let names = match disk.list(from) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        names => names.map_err(|error| StoreError::io("list", from, error))?,
    };
    disk.create_dir(to).map_err(|error| StoreError::io("create", to, error))?;
    for name in names {
        let Ok(source) = disk.open(&from.join(&name), How::Read) else { continue };
        let path = to.join(&name);
        let failed = |error| StoreError::io("write to", &path, error);
        let copy = disk.open(&path, How::Create).map_err(failed)?;
        let size = source.size().map_err(failed)?;
        let mut at = 0;
        while at < size {
            let mut bytes = [0; COPY_STEP];
            let left = usize::try_from(size - at).unwrap_or(COPY_STEP).min(COPY_STEP);
            // What the disk does not give back is zeros in the copy.
            let read = source.read_at(&mut bytes[..left], at).ok().filter(|read| *read > 0).unwrap_or(left);
            write_all(&*copy, &bytes[..read], at).map_err(failed)?;
            at += read as u64;
        }
        copy.sync().map_err(failed)?;
    }
    disk.sync_dir(to).map_err(|error| StoreError::io("sync", to, error))
}
