//! The contract of every store: stage, commit, read. Kept by [`crate::DiskStore`] and [`crate::MemoryStore`].

use crate::StoreError;
use crate::compact::{Compacted, CompactionStep};
use muster_log::{BodyHash, DagId, EntryId, Signature, TeamId, Timestamp};
use std::time::Duration;

/// Bytes of one record's payload. Entries and bodies are far smaller; only a local fact could come near.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of everything staged for one commit, which must lie whole in one segment.
pub const COMMIT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of the key of a local fact. Keys are kept in memory.
pub const LOCAL_KEY_BYTES_MAX: usize = 256;

/// An admitted entry as it is kept, with what this node alone knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// The canonical bytes.
    pub bytes: Vec<u8>,
    /// The id of `bytes`; taken on trust, so that opening need not hash everything.
    pub id: EntryId,
    /// The team.
    pub team: TeamId,
    /// The roster or the incident it belongs to.
    pub dag: DagId,
    /// When this node received or wrote it, by the local clock.
    pub received: Timestamp,
    /// A verified signature over `id`, where one came.
    pub signature: Option<Signature>,
}

/// One thing to be made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// An admitted entry; what it builds on must be stored or staged before it. A known one changes nothing, except
    /// that its signature is kept where none was.
    Entry(StoredEntry),
    /// The encoded body that has this hash. A known one changes nothing.
    Body {
        /// The body's hash; taken on trust.
        hash: BodyHash,
        /// The encoded body.
        bytes: Vec<u8>,
    },
    /// A verified signature of a stored or staged entry. Where there is one already, this changes nothing.
    Signature {
        /// The entry.
        entry: EntryId,
        /// The signature.
        signature: Signature,
    },
    /// A durable fact of this home alone: own team, chosen incident, saved address. Each change is a record in the
    /// journal for ever, so this is no place for what changes every second.
    Local {
        /// A name of 1 to [`LOCAL_KEY_BYTES_MAX`] bytes.
        key: String,
        /// The new value; none to forget it.
        value: Option<Vec<u8>>,
    },
}

/// How far an erasure is, and how long the store has been busy with it: this step and those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasureStep {
    /// There is more to do.
    Going {
        /// Busy so far.
        took: Duration,
    },
    /// It is done, and durable.
    Done {
        /// Bodies that were here.
        erased: u64,
        /// Busy in all.
        took: Duration,
    },
}

/// A store of entries, bodies and local facts. Blocking; owned by one thread.
///
/// Reads see what was committed, never what is only staged.
pub trait Storage {
    /// Buffers one write for the next commit. Nothing is durable and nothing may be acknowledged.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] and [`StoreError::UnknownEntry`] refuse this one write;
    /// [`StoreError::Poisoned`] and [`StoreError::ReadOnly`] as for `commit`.
    fn stage(&mut self, write: Write) -> Result<(), StoreError>;

    /// Makes everything staged durable, together or not at all, with one sync. Without anything staged, does nothing.
    ///
    /// # Errors
    /// [`StoreError::Full`]: what was staged is dropped, the store goes on and a later commit may succeed. Any other
    /// error: nothing of it may be acknowledged, it may or may not be there when the store is opened again, and the store
    /// answers [`StoreError::Poisoned`] until then. The session must not be continued (forget the lease).
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Whether it was opened for writing.
    fn is_writable(&self) -> bool {
        true
    }

    /// Whether a commit of a few records would find room now. It promises nothing: another program may take the room.
    ///
    /// # Errors
    /// [`StoreError::Full`]; [`StoreError::Poisoned`] and [`StoreError::ReadOnly`] as for [`Storage::commit`].
    fn check_room(&mut self) -> Result<(), StoreError> {
        self.check_room_for(0)
    }

    /// As [`Storage::check_room`], for a commit of so many bytes of entries and bodies.
    ///
    /// # Errors
    /// As [`Storage::check_room`].
    fn check_room_for(&mut self, bytes: u64) -> Result<(), StoreError> {
        let _ = bytes;
        Ok(())
    }

    /// Entries that this store is known to have had and that are gone.
    ///
    /// # Errors
    /// Those of reading.
    fn lost(&self) -> Result<Option<crate::Lost>, StoreError> {
        Ok(None)
    }

    /// Begins to move the entries of these DAGs, with their signatures and bodies, to where they take less room. What comes
    /// for them later is kept as always and can be moved another time. One that was under way is given up; an erasure is brought to
    /// its end first.
    ///
    /// Answers how many entries will be moved.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`] and [`StoreError::ReadOnly`] as for [`Storage::commit`].
    fn begin_compaction(&mut self, dags: &[DagId]) -> Result<u64, StoreError> {
        let _ = dags;
        Ok(0)
    }

    /// Goes on with what [`Storage::begin_compaction`] began, for some tenths of a second at most. Between steps
    /// the store is read and written as always. Whatever happens, it holds the same before and afterwards.
    ///
    /// # Errors
    /// [`StoreError::Full`] and those of reading: the compaction is given up, the store goes on as it was.
    /// [`StoreError::Io`]: as for [`Storage::commit`], the store may be poisoned.
    fn step_compaction(&mut self) -> Result<CompactionStep, StoreError> {
        Ok(CompactionStep::Done(Compacted::default()))
    }

    /// Gives up a compaction under way and removes what it wrote; the store holds what it held.
    fn give_up_compaction(&mut self) {}

    /// Moves the entries of these DAGs to where they take less room, in one go.
    ///
    /// # Errors
    /// As [`Storage::begin_compaction`] and [`Storage::step_compaction`].
    fn compact(&mut self, dags: &[DagId]) -> Result<Compacted, StoreError> {
        self.begin_compaction(dags)?;
        loop {
            if let CompactionStep::Done(compacted) = self.step_compaction()? {
                return Ok(compacted);
            }
        }
    }

    /// Begins to erase these bodies, those that are not here too, from everything that the store keeps, with what is derived from
    /// bodies and what was put aside as damaged and may hold one. What is staged is committed first. Their entries stay, and a body
    /// may come again with [`Write::Body`] once it is gone. A power cut leaves each body as it was or erases all. An erasure or a
    /// compaction that was under way is given up.
    ///
    /// # Errors
    /// [`StoreError::Full`]: they are still here, the store goes on, and a later call may succeed. Others as for
    /// [`Storage::step_compaction`].
    fn begin_erasure(&mut self, bodies: &[BodyHash]) -> Result<ErasureStep, StoreError>;

    /// Goes on with what [`Storage::begin_erasure`] began, for some tenths of a second at most. Between steps the store is read and
    /// written as always; the bodies are there until the last.
    ///
    /// # Errors
    /// As for [`Storage::begin_erasure`]: the erasure is given up.
    fn step_erasure(&mut self) -> Result<ErasureStep, StoreError> {
        Ok(ErasureStep::Done { erased: 0, took: Duration::ZERO })
    }

    /// Gives up an erasure under way: all of its bodies stay.
    fn give_up_erasure(&mut self) {}

    /// Erases these bodies in one go, and answers how many were here.
    ///
    /// # Errors
    /// As [`Storage::begin_erasure`].
    fn erase(&mut self, bodies: &[BodyHash]) -> Result<u64, StoreError> {
        let mut step = self.begin_erasure(bodies)?;
        loop {
            match step {
                ErasureStep::Going { .. } => step = self.step_erasure()?,
                ErasureStep::Done { erased, .. } => return Ok(erased),
            }
        }
    }

    /// Whether the entry is stored.
    ///
    /// # Errors
    /// Those of reading.
    fn contains(&self, id: &EntryId) -> Result<bool, StoreError>;

    /// One entry.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] or [`StoreError::Io`] where it cannot be read back.
    fn entry(&self, id: &EntryId) -> Result<Option<StoredEntry>, StoreError>;

    /// One encoded body.
    ///
    /// # Errors
    /// As for [`Storage::entry`].
    fn body(&self, hash: &BodyHash) -> Result<Option<Vec<u8>>, StoreError>;

    /// Whether the body is stored; cheaper than reading it.
    ///
    /// # Errors
    /// Those of reading.
    fn contains_body(&self, hash: &BodyHash) -> Result<bool, StoreError>;

    /// The teams of which any entry is stored, sorted.
    fn teams(&self) -> Vec<TeamId>;

    /// The DAGs of a team of which any entry is stored, sorted: the roster and the incidents.
    fn dags(&self, team: &TeamId) -> Vec<DagId>;

    /// How many entries of a DAG are stored.
    fn count(&self, dag: &DagId) -> u64;

    /// At most `limit` entries of a DAG from the `start`-th on (from 0), in the order in which they were staged, which is causal.
    ///
    /// # Errors
    /// As for [`Storage::entry`].
    fn page(&self, dag: &DagId, start: u64, limit: usize) -> Result<Vec<StoredEntry>, StoreError>;

    /// The value of a local fact.
    ///
    /// # Errors
    /// As for [`Storage::entry`].
    fn local(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// The local facts whose keys begin with `prefix`, by key.
    ///
    /// # Errors
    /// As for [`Storage::entry`].
    fn locals(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError>;

    /// All entries of a DAG in the order of [`Storage::page`].
    ///
    /// # Errors
    /// As for [`Storage::entry`].
    fn entries(&self, dag: &DagId) -> Result<Vec<StoredEntry>, StoreError> {
        self.page(dag, 0, usize::MAX)
    }

    /// The `n` entries of a DAG that were staged last, oldest first.
    ///
    /// # Errors
    /// As for [`Storage::entry`].
    fn tail(&self, dag: &DagId, n: usize) -> Result<Vec<StoredEntry>, StoreError> {
        self.page(dag, self.count(dag).saturating_sub(n as u64), n)
    }
}
