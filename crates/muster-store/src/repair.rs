//! Repair: a damaged journal is put aside whole, and what stands is written into one of the next generation.
//!
//! The switch is that of a compaction: `format` is replaced by one rename (`docs/storage.md`, "Repair"). Which entries stand is
//! for the caller to say, who can judge them; here is what they lie in.

use crate::archive::ArchiveRef;
use crate::aside::{check_readable, files, is_readable, put_aside};
use crate::compact::{COPY_BYTES, Packed, append};
use crate::disk::Disk;
use crate::disk_store::{DiskStore, Held};
use crate::format::Format;
use crate::home::{FORMAT, Home};
use crate::index::{Checkpoint, Index, Key, body_key, entry_key};
use crate::journal::{Journal, Tail};
use crate::open::{Read, home_of, open_to_read_as, read_journal, remove_leftovers};
use crate::refind;
use crate::sled_index::{self, Opened};
use crate::whole::bodies_named;
use crate::{Damage, OpenOptions, OpenReport, Storage, StoreError, Write};
use muster_log::{DagId, EntryId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a repaired store does without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Entries of the store that are left out.
    pub left_out: BTreeSet<EntryId>,
    /// Entries that are not in the store and should be.
    pub gone: BTreeSet<EntryId>,
    /// Local facts that are otherwise afterwards: as given here, or forgotten.
    pub facts: BTreeMap<String, Option<Vec<u8>>>,
    /// Local facts that are forgotten where a place of the journal is damaged: what replaced them may have been there.
    pub doubtful: BTreeSet<String>,
}

impl Choice {
    /// Whether a local fact is not taken over.
    fn replaces(&self, key: &str, is_journal_damaged: bool) -> bool {
        self.facts.contains_key(key) || is_journal_damaged && self.doubtful.contains(key)
    }
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// The places that could not be read.
    pub damage: Vec<Damage>,
    /// Entries that were kept.
    pub kept: u64,
    /// Entries that can be read and were left out.
    pub left_out: u64,
    /// Entries in blocks of archives that cannot be read: how many, not which.
    pub unnamed: u64,
    /// Local facts that were there and were forgotten, for newer ones may have been in a damaged place.
    pub forgotten: Vec<String>,
    /// Where the journal is now as it was found; none where it was whole and stays.
    pub quarantine: Option<PathBuf>,
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
        refind::format_of(&home)?.0.ok_or_else(no_store)?;
        let _lock = home.lock()?;
        // Read again: whoever had the lock before may have compacted the store.
        let (found, wrong) = refind::format_of(&home)?;
        let found = found.ok_or_else(no_store)?;
        let home = home.of(found.generation);
        if wrong.is_some() {
            // One rename. Nothing goes that another journal may hold: what is wrong with one is told below.
            home.write_format(found)?;
        }
        let index = open_index(&home, &options);
        let (store, report) = open_as_known(&home, found, &options, index.as_ref())?;
        let and_format = |damage: Vec<Damage>| wrong.clone().into_iter().chain(damage).collect();
        if let Some(repaired) = take_later(&store, &report.damage)? {
            return Ok(Some(Repaired { damage: and_format(repaired.damage), ..repaired }));
        }
        // sled is done with before its files are removed.
        let known = index.and_then(|index| index.index.entries_from((0, 0)).ok()).unwrap_or_default();
        let (store, choice) = choose(store)?;
        if report.damage.is_empty() && choice.left_out.is_empty() {
            let whole = Repaired { damage: and_format(Vec::new()), kept: report.entries, ..Repaired::default() };
            return Ok(wrong.is_some().then_some(whole));
        }
        let repaired = rebuild(&store, report.damage, &choice, &known)?;
        Ok(Some(Repaired { damage: and_format(repaired.damage), ..repaired }))
    }

    /// Forgets which entries are gone: somebody said that they will not come back.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::NoStore`] and those of removing a file.
    pub fn accept_loss(dir: &Path, options: OpenOptions) -> Result<(), StoreError> {
        let home = home_of(dir, &options);
        refind::format_of(&home)?.0.ok_or_else(|| StoreError::NoStore { path: dir.into() })?;
        let _lock = home.lock()?;
        home.forget_lost()
    }
}

/// The index as it is, if there is one and it can be used: it knows what was acknowledged.
fn open_index(home: &Home, options: &OpenOptions) -> Option<Opened> {
    if options.index_in_memory || !home.index().is_dir() {
        return None;
    }
    let opened = sled_index::begin(home.index(), options.index_patience).finish();
    let opened = opened.inspect_err(|failed| tracing::warn!(reason = failed.reason, "the index cannot be asked")).ok();
    // Of another store it tells what that one held: nobody makes two in one home, so the journal was exchanged or is gone.
    opened.filter(|opened| opened.checkpoint.is_some())
}

/// Opens the store for reading. What is not whole at its end is damage where it is known to have been acknowledged.
fn open_as_known(
    home: &Home,
    found: Format,
    options: &OpenOptions,
    index: Option<&Opened>,
) -> Result<(DiskStore, OpenReport), StoreError> {
    let open =
        |known: fn(Journal) -> Journal| open_to_read_as(home.clone(), (Some(found), None), options.clone(), known);
    let (store, report, unfinished) = open(|journal| journal)?;
    let is_acknowledged = |end| index.is_some_and(|index| index.is_ahead(Checkpoint { store: found.store, end }));
    if unfinished.is_some_and(is_acknowledged) {
        return open(Journal::acknowledged).map(|(store, report, _)| (store, report));
    }
    Ok((store, report))
}

/// Goes over to a later journal that is whole and holds all that ours does, and more. `format` was not replaced along with it,
/// as in a copy that was made meanwhile.
fn take_later(store: &DiskStore, damage: &[Damage]) -> Result<Option<Repaired>, StoreError> {
    let (home, disk) = (&store.home, store.home.disk());
    for generation in home.generations("journal")? {
        let later = home.of(generation);
        if !damage.iter().any(|damage| damage.segment == later.journal()) {
            continue;
        }
        let journal = Journal::new(home.shared_disk(), later.journal(), store.format.store);
        let read = read_journal(&later, &journal, store.format.store, false)?;
        let is_whole = read.loaded.damage.is_empty() && read.loaded.unfinished().is_none();
        if !is_whole || store.kept.has_more_than(&read.kept) {
            continue;
        }
        let segments = files(disk, &home.journal(), ".log")?;
        check_readable(disk, &segments)?;
        let quarantine = home.next_quarantine()?;
        disk.create_dir(&quarantine).map_err(|error| StoreError::io("create", &quarantine, error))?;
        put_aside(disk, &segments, &quarantine.join("journal"))?;
        disk.sync_dir(&quarantine).map_err(|error| StoreError::io("sync", &quarantine, error))?;
        later.write_format(Format { version: FORMAT, generation, ..store.format })?;
        remove_leftovers(&later, &read.archives, false);
        let (damage, kept) = (damage.to_vec(), read.kept.entries);
        return Ok(Some(Repaired {
            damage,
            kept,
            left_out: 0,
            unnamed: 0,
            forgotten: Vec::new(),
            quarantine: Some(quarantine),
        }));
    }
    Ok(None)
}

fn rebuild(store: &DiskStore, damage: Vec<Damage>, choice: &Choice, known: &[Key]) -> Result<Repaired, StoreError> {
    let format = Format { version: FORMAT, generation: store.format.generation.saturating_add(1), ..store.format };
    let home = store.home.of(format.generation);
    let disk = home.disk();
    let quarantine = home.next_quarantine()?;
    let segments = files(disk, &store.home.journal(), ".log")?;
    check_readable(disk, &segments)?;
    let packed = files(disk, &store.home.archives(), ".arc")?;
    check_readable(disk, &packed)?;
    check_lasting(disk, &damage)?;
    // What a repair or a compaction left behind that did not come to its end; but what more it holds is kept.
    let mut later = Vec::new();
    for generation in home.generations("journal")?.into_iter().filter(|other| *other >= format.generation) {
        let dir = home.of(generation).journal();
        if damage.iter().any(|damage| damage.segment == dir) {
            later.push((quarantine.join(format!("journal-{generation}")), files(disk, &dir, ".log")?));
        }
    }
    for (to, segments) in &later {
        check_readable(disk, segments)?;
        put_aside(disk, segments, to)?;
    }
    Journal::remove(disk, &home.journal());
    let unnamed = store.unreadable_rows();
    let is_journal_damaged = damage.iter().any(|damage| damage.segment.starts_with(store.home.journal()));
    let is_forgotten = |key: &&String| is_journal_damaged && store.kept.locals.contains_key(*key);
    let forgotten = choice.doubtful.iter().filter(is_forgotten).cloned().collect();
    let aside = Aside { segments, packed, quarantine: &quarantine };
    let written = make(store, &home, format, &damage, choice, &aside);
    // Of what no entry names that is left, only the old index may know.
    let is_gone = |made: &Read, key: &Key| !made.kept.archived.contains_key(key) && !made.has_row(key);
    let noted = |made: &Read| {
        let named = choice.gone.iter().chain(&choice.left_out).map(entry_key);
        home.note_lost(named.chain(known.iter().filter(|key| is_gone(made, key)).copied()), unnamed)
    };
    let written = written.and_then(|made| noted(&made).map(|()| made));
    let switched = written.and_then(|made| match home.write_format(format) {
        // Without room it was not replaced; else either may be found after a power cut, and both have to be there.
        Err(error) if !matches!(error, StoreError::Full { .. }) || !is_still(&home, store.format) => Ok(Err(error)),
        Err(error) => Err(error),
        Ok(()) => Ok(Ok(made)),
    });
    let made = switched.inspect_err(|_| clear_away(&home, &quarantine))??;
    remove_leftovers(&home, &made.archives, false);
    Ok(Repaired {
        damage,
        kept: made.kept.entries,
        left_out: choice.left_out.len() as u64,
        unnamed,
        forgotten,
        quarantine: Some(quarantine),
    })
}

impl DiskStore {
    /// Entries of which the journal says that archives hold them, and which they do not give back.
    fn unreadable_rows(&self) -> u64 {
        let named = self.archives.known().flat_map(|archive| &archive.blocks).map(|block| u64::from(block.rows));
        let read = self.kept.archived.keys().filter(|key| key.starts_with(b"e")).count();
        named.sum::<u64>().saturating_sub(read as u64)
    }
}

impl Read {
    fn has_row(&self, key: &Key) -> bool {
        self.memory.as_ref().is_some_and(|index| index.get(key).is_ok_and(|found| found.is_some()))
    }
}

/// What is put aside, and where.
struct Aside<'a> {
    segments: Vec<PathBuf>,
    packed: Vec<PathBuf>,
    quarantine: &'a Path,
}

/// Puts aside what there is, writes what stands into the next journal and reads it back. None of it counts yet.
fn make(
    store: &DiskStore,
    home: &Home,
    format: Format,
    damage: &[Damage],
    choice: &Choice,
    aside: &Aside<'_>,
) -> Result<Read, StoreError> {
    let disk = home.disk();
    // An archive is kept as it is, or everything that can be read of all of them goes back into the journal.
    let archives = store.home.archives();
    let is_whole = !damage.iter().any(|damage| damage.segment.starts_with(&archives))
        && !choice.left_out.iter().any(|id| store.kept.archived.contains_key(&entry_key(id)));
    let is_known = |path: &PathBuf| store.archives.known().any(|archive| store.archives.path(archive.number) == *path);
    put_aside(disk, &aside.segments, &aside.quarantine.join("journal"))?;
    if !is_whole || !aside.packed.iter().all(is_known) {
        put_aside(disk, &aside.packed, &aside.quarantine.join("archives"))?;
    }
    disk.sync_dir(aside.quarantine).map_err(|error| StoreError::io("sync", aside.quarantine, error))?;
    home.sync()?;
    let unpacked = if is_whole { 0 } else { store.archives.known().map(ArchiveRef::size).sum() };
    let needed = store.journal.bytes()?.saturating_add(unpacked);
    if disk.free(home.path()).is_ok_and(|free| free < needed) {
        return Err(StoreError::Full { path: home.path().into() });
    }
    let journal = Journal::new(home.shared_disk(), home.journal(), format.store);
    write(store, &journal, damage, choice, is_whole)?;
    let read = read_journal(home, &journal, format.store, true)?;
    check(store, &read.kept.dags, &read.loaded.damage, choice)?;
    Ok(read)
}

/// Whether `format` surely says what it said.
fn is_still(home: &Home, format: Format) -> bool {
    home.read_format().is_ok_and(|now| now == Some(format))
}

/// Removes what a repair made that was refused: the store is as it was.
fn clear_away(home: &Home, quarantine: &Path) {
    let disk = home.disk();
    Journal::remove(disk, &home.journal());
    for dir in disk.list(quarantine).unwrap_or_default().into_iter().map(|name| quarantine.join(name)) {
        for path in files(disk, &dir, "").unwrap_or_default() {
            drop(disk.remove(&path));
        }
        drop(disk.remove_dir(&dir));
    }
    drop(disk.remove_dir(quarantine));
}

/// Writes the new journal: first what is older.
fn write(
    store: &DiskStore,
    journal: &Journal,
    damage: &[Damage],
    choice: &Choice,
    keeps_archives: bool,
) -> Result<(), StoreError> {
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
    let is_journal_damaged = damage.iter().any(|damage| damage.segment.starts_with(store.home.journal()));
    let loaded = store.journal.load(&mut |position, record| {
        let is_live =
            |key: &str| store.kept.locals.get(key) == Some(&position) && !choice.replaces(key, is_journal_damaged);
        none_packed.writes_left(&record.payload, &is_live).into_iter().for_each(|write| out.push(write));
    })?;
    if let Some(Damage { segment, offset, what }) = loaded.damage.into_iter().find(|found| !damage.contains(found)) {
        // More than was there when it was judged what stands.
        return Err(StoreError::Damaged { segment, offset, what });
    }
    for (key, value) in choice.facts.iter().filter(|(_, value)| value.is_some()) {
        out.push(Write::Local { key: key.clone(), value: value.clone() });
    }
    out.finish()
}

/// Whether what could not be read when the store was judged still cannot. If it can, nothing in it is lost.
fn check_lasting(disk: &dyn Disk, damage: &[Damage]) -> Result<(), StoreError> {
    let unread = damage.iter().filter(|damage| damage.what.ends_with("cannot be read"));
    match unread.map(|damage| &damage.segment).find(|path| is_readable(disk, path)) {
        None => Ok(()),
        Some(path) => {
            let source = std::io::Error::other("it could not be read a moment ago, and can now");
            Err(StoreError::Unreadable { path: path.clone(), source })
        }
    }
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
    damage: &[Damage],
    choice: &Choice,
) -> Result<(), StoreError> {
    if let Some(Damage { segment, offset, what }) = damage.first().cloned() {
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
