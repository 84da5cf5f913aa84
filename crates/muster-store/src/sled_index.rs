//! The index in sled 0.34.7, kept at arm's length.
//!
//! sled may fail, panic or hang on a damaged store, and its `flush` does not survive power loss. So it is opened and
//! read through in a thread of its own that is given up after a while, rows are put by another thread while reads find
//! them in a map of pending rows, and whatever goes wrong is an [`IndexFailed`], after which the store does without.

use crate::index::{CHECKPOINT_KEY, Checkpoint, Index, IndexFailed, Key, Row, Sum, decode_position, encode_position};
use crate::scan::Position;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Bytes of sled's page cache. Rows are small and looked up once or twice.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Bytes of a segment of sled's own log: it takes up room and gives it back in pieces of this size.
const SEGMENT_BYTES: usize = 64 * 1024;

/// Milliseconds between sled's own flushes. What it loses is put again from the journal.
const FLUSH_INTERVAL_MS: u64 = 500;

/// Rows that may wait for sled before a commit waits too (about 10 MiB).
const PENDING_ROWS_MAX: usize = 64 * 1024;

/// Rows in one batch when many are put at once.
const BATCH_ROWS: usize = 1024;

/// How long rows are gathered before sled is troubled with them: sled's work would compete with the commits that come
/// thick and fast, and nobody waits for it.
const GATHER: Duration = Duration::from_millis(20);

/// How long a lock of sled's that is still held may take to go away: its threads outlive a dropped store by moments.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// What sled held when it was opened.
pub(crate) struct Opened {
    pub(crate) index: SledIndex,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) sum: Sum,
}

impl Opened {
    /// Whether it was told of commits of this store behind `now`. Each of them had been acknowledged.
    pub(crate) fn is_ahead(&self, now: Checkpoint) -> bool {
        self.checkpoint.is_some_and(|at| at.store == now.store && at.end > now.end)
    }
}

/// Why sled could not be opened.
#[derive(Debug)]
pub(crate) struct OpenFailed {
    pub(crate) reason: String,
    /// Whether only room is lacking, so that the store on disk may well be whole.
    pub(crate) full: bool,
}

/// What the opening thread hands over.
struct Found {
    db: sled::Db,
    checkpoint: Option<Checkpoint>,
    sum: Sum,
}

/// An opening under way in its own thread.
pub(crate) struct Opening {
    answer: Receiver<Result<Found, OpenFailed>>,
    until: Instant,
    patience: Duration,
}

/// Begins to open sled in `dir` and to read it through.
pub(crate) fn begin(dir: PathBuf, patience: Duration) -> Opening {
    let (sender, answer) = mpsc::channel();
    let work = move || {
        let opened = catch_unwind(|| open_and_sum(&dir))
            .unwrap_or_else(|_| Err(OpenFailed { reason: "sled panicked".to_owned(), full: false }));
        // Nobody waits any more once patience is over.
        drop(sender.send(opened));
    };
    if let Err(error) = std::thread::Builder::new().name("index-open".to_owned()).spawn(work) {
        tracing::warn!(%error, "no thread for the index");
    }
    Opening { answer, until: Instant::now() + patience, patience }
}

impl Opening {
    /// Waits for the opening to end, but not for ever.
    pub(crate) fn finish(self) -> Result<Opened, OpenFailed> {
        let left = self.until.saturating_duration_since(Instant::now());
        let Found { db, checkpoint, sum } = match self.answer.recv_timeout(left) {
            Ok(opened) => opened?,
            Err(RecvTimeoutError::Timeout) => {
                let reason = format!("sled did not open within {:?}", self.patience);
                return Err(OpenFailed { reason, full: false });
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(OpenFailed { reason: "the opening of sled was lost".to_owned(), full: false });
            }
        };
        let index = SledIndex::start(db, self.patience).map_err(|error| OpenFailed { reason: error.0, full: false })?;
        Ok(Opened { index, checkpoint, sum })
    }
}

fn open_and_sum(dir: &Path) -> Result<Found, OpenFailed> {
    let failed = |error: sled::Error| OpenFailed {
        full: matches!(&error, sled::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull),
        reason: error.to_string(),
    };
    let db = open_patiently(dir).map_err(failed)?;
    let (mut checkpoint, mut sum) = (None, Sum::default());
    for row in db.iter() {
        let (key, value) = row.map_err(failed)?;
        if key == CHECKPOINT_KEY { checkpoint = Checkpoint::decode(&value) } else { sum.add(&key, &value) }
    }
    Ok(Found { db, checkpoint, sum })
}

fn open_patiently(dir: &Path) -> sled::Result<sled::Db> {
    let begun = Instant::now();
    loop {
        let opened = sled::Config::default()
            .path(dir)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(CACHE_BYTES)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(Some(FLUSH_INTERVAL_MS))
            .open();
        match opened {
            // The home's own lock is ours, so this can only be a remnant of ourselves.
            Err(sled::Error::Io(error)) if is_lock(&error) && begun.elapsed() < LOCK_PATIENCE => {
                std::thread::park_timeout(Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
}

fn is_lock(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock || error.to_string().contains("could not acquire lock")
}

/// sled, and the rows on their way to it.
pub(crate) struct SledIndex {
    db: sled::Db,
    shared: Arc<Shared>,
    batches: Option<Sender<Batch>>,
    thread: Thread,
    done: Receiver<()>,
    next: u64,
    patience: Duration,
}

struct Batch {
    number: u64,
    rows: Vec<Row>,
    checkpoint: Checkpoint,
}

/// Rows some at a time, each time with the checkpoint behind them: whoever is killed in between leaves an index that only lacks
/// its end.
fn in_batches(rows: Vec<Row>, last: Checkpoint) -> Vec<(Vec<Row>, Checkpoint)> {
    let mut batches: Vec<(Vec<Row>, Checkpoint)> = (rows.chunks(BATCH_ROWS))
        .map(|some| {
            let behind =
                some.last().map_or((0, 0), |row| (row.position.segment, row.position.offset.saturating_add(1)));
            (some.to_vec(), Checkpoint { end: behind, ..last })
        })
        .collect();
    match batches.last_mut() {
        Some((_, checkpoint)) => *checkpoint = last,
        None => batches.push((Vec::new(), last)),
    }
    batches
}

#[derive(Default)]
struct Shared {
    pending: Mutex<Pending>,
    progress: Condvar,
    /// Nobody needs what waits any more.
    is_abandoned: AtomicBool,
}

#[derive(Default)]
struct Pending {
    rows: BTreeMap<Key, (u64, Position)>,
    failed: Option<IndexFailed>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SledIndex {
    /// The entries that lie at or behind a place of the journal.
    pub(crate) fn entries_from(&self, end: (u32, u32)) -> Result<Vec<Key>, IndexFailed> {
        guarded(|| {
            let is_behind = |value: &[u8]| {
                decode_position(value).is_some_and(|position| (position.segment, position.offset) >= end)
            };
            let rows = self.db.scan_prefix(b"e").filter(|row| row.as_ref().map_or(true, |(_, value)| is_behind(value)));
            rows.filter_map(|row| row.map(|(key, _)| Key::try_from(&*key).ok()).transpose()).collect()
        })
    }

    fn start(db: sled::Db, patience: Duration) -> Result<Self, IndexFailed> {
        let shared = Arc::new(Shared::default());
        let (batches, queue) = mpsc::channel();
        let (finished, done) = mpsc::channel();
        let (worker_db, worker_shared) = (db.clone(), Arc::clone(&shared));
        let work = move || {
            put_all(&worker_db, &worker_shared, &queue);
            drop(worker_db);
            drop(finished);
        };
        let thread = std::thread::Builder::new().name("index-put".to_owned());
        let thread = thread.spawn(work).map_err(|error| IndexFailed(format!("no thread for the index: {error}")))?;
        let thread = thread.thread().clone();
        Ok(Self { db, shared, batches: Some(batches), thread, done, next: 0, patience })
    }

    /// Waits until sled has taken enough of what waits, or fails once it makes no progress.
    fn wait_for_room(&self) -> Result<(), IndexFailed> {
        let mut pending = self.shared.lock();
        loop {
            if let Some(failed) = &pending.failed {
                return Err(failed.clone());
            }
            let waiting = pending.rows.len();
            if waiting <= PENDING_ROWS_MAX {
                return Ok(());
            }
            self.thread.unpark();
            let (guard, timeout) =
                self.shared.progress.wait_timeout(pending, self.patience).unwrap_or_else(PoisonError::into_inner);
            pending = guard;
            if timeout.timed_out() && pending.rows.len() >= waiting {
                return Err(IndexFailed(format!("sled took no rows for {:?}", self.patience)));
            }
        }
    }
}

/// The work of the putting thread: ends when the index is dropped or sled fails.
fn put_all(db: &sled::Db, shared: &Shared, queue: &Receiver<Batch>) {
    while let Ok(mut batch) = queue.recv() {
        std::thread::park_timeout(GATHER);
        if shared.is_abandoned.load(Ordering::Relaxed) {
            return;
        }
        while batch.rows.len() < BATCH_ROWS
            && let Ok(Batch { number, rows, checkpoint }) = queue.try_recv()
        {
            batch.rows.extend(rows);
            batch = Batch { number, checkpoint, ..batch };
        }
        let put = guarded(|| db.apply_batch(batch.for_sled()));
        let mut pending = shared.lock();
        match put {
            Ok(()) => pending.forget(&batch),
            Err(failed) => pending.failed = Some(failed),
        }
        let stop = pending.failed.is_some();
        drop(pending);
        shared.progress.notify_all();
        if stop {
            return;
        }
    }
}

impl Batch {
    fn for_sled(&self) -> sled::Batch {
        let mut batch = sled::Batch::default();
        self.rows.iter().for_each(|row| batch.insert(&row.key[..], &encode_position(row.position)[..]));
        batch.insert(CHECKPOINT_KEY, &self.checkpoint.encode()[..]);
        batch
    }
}

impl Pending {
    /// Drops the rows that sled has now, but not those that were put again meanwhile.
    fn forget(&mut self, batch: &Batch) {
        for row in &batch.rows {
            if self.rows.get(&row.key).is_some_and(|(number, _)| *number <= batch.number) {
                self.rows.remove(&row.key);
            }
        }
    }
}

fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexFailed> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer.map_err(|error| IndexFailed(error.to_string())),
        Err(_) => Err(IndexFailed("sled panicked".to_owned())),
    }
}

impl Index for SledIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Position>, IndexFailed> {
        let pending = self.shared.lock();
        if let Some(failed) = &pending.failed {
            return Err(failed.clone());
        }
        if let Some((_, position)) = pending.rows.get(key) {
            return Ok(Some(*position));
        }
        drop(pending);
        let Some(value) = guarded(|| self.db.get(key))? else { return Ok(None) };
        decode_position(&value).map(Some).ok_or_else(|| IndexFailed("a row of the index is no position".to_owned()))
    }

    fn put(&mut self, rows: Vec<Row>, checkpoint: Checkpoint) -> Result<(), IndexFailed> {
        let Some(batches) = &self.batches else { return Err(IndexFailed("the index is closed".to_owned())) };
        for (rows, checkpoint) in in_batches(rows, checkpoint) {
            self.wait_for_room()?;
            self.next += 1;
            let mut pending = self.shared.lock();
            pending.rows.extend(rows.iter().map(|row| (row.key, (self.next, row.position))));
            drop(pending);
            let batch = Batch { number: self.next, rows, checkpoint };
            batches.send(batch).map_err(|_| IndexFailed("the thread of the index is gone".to_owned()))?;
        }
        Ok(())
    }

    fn abandon(self: Box<Self>) {
        self.shared.is_abandoned.store(true, Ordering::Relaxed);
    }
}

impl Drop for SledIndex {
    fn drop(&mut self) {
        self.batches = None;
        self.thread.unpark();
        // The thread answers by dropping its end. One that hangs is left behind with its clone of sled.
        if self.done.recv_timeout(self.patience) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("sled did not finish and is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_any_batch_the_index_has_exactly_the_rows_that_its_checkpoint_covers() {
        let last = Checkpoint { store: [7; 16], end: (3, 900_000) };
        let rows: Vec<Row> = (0..3_000u32)
            .map(|n| {
                let mut key = [b'e'; 17];
                key[1..5].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
                Row { key, position: Position { segment: 1 + n / 1_100, offset: 64 + n % 1_100 * 600, len: 600 } }
            })
            .collect();
        let mut put: Vec<Row> = Vec::new();
        for (some, checkpoint) in in_batches(rows.clone(), last) {
            put.extend(some);
            let covered: Vec<Row> = rows.iter().filter(|row| checkpoint.covers(row.position)).cloned().collect();
            assert!(put == covered, "{} rows, {} covered by {:?}", put.len(), covered.len(), checkpoint.end);
        }
        assert_eq!(put.len(), 3_000);
        assert_eq!(in_batches(Vec::new(), last), [(Vec::new(), last)]);
        assert_eq!(in_batches(rows[..5].to_vec(), last).last().map(|(_, checkpoint)| *checkpoint), Some(last));
    }
}
