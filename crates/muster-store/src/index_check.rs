//! Holding the index against the journal: used as it is, caught up, or moved away and built again.

use crate::StoreError;
use crate::home::Home;
use crate::index::{Checkpoint, Index, MemoryIndex, Row, Sum};
use crate::journal::Journal;
use crate::open::IndexReport;
use crate::sled_index::{self, OpenFailed, Opened};
use std::time::Duration;

type Checked = (Box<dyn Index>, IndexReport);

/// Makes an index of what sled holds that agrees with the journal, which has `sum` and ends at `now`; of memory where
/// sled cannot be used.
pub(crate) fn check(
    home: &Home,
    journal: &Journal,
    now: Checkpoint,
    sum: Sum,
    opened: Result<Opened, OpenFailed>,
    patience: Duration,
) -> Result<Checked, StoreError> {
    let (mut lost, mut ahead) = (None, Vec::new());
    let reason = match opened {
        Ok(opened) if opened.sum == sum && opened.checkpoint == Some(now) => {
            return Ok((Box::new(opened.index), IndexReport::Whole));
        }
        Ok(opened) if opened.checkpoint.is_none() && opened.sum.rows > 0 => {
            // It was never whole: whoever put its first rows was killed. That is no damage, and nobody needs it.
            drop(opened);
            let _ = std::fs::remove_dir_all(home.index());
            return again(home, journal, now, patience)?.or_else(|reason| in_memory(journal, reason));
        }
        Ok(opened) => {
            lost = lost_records(&opened, now, sum);
            if lost.is_some() {
                // What of it can be read; the rest is counted only.
                ahead = opened.index.entries_from(now.end).unwrap_or_default();
            } else if opened.checkpoint.is_some_and(|at| at.store != now.store) {
                // Nobody makes two stores in one home: the journal was exchanged, or is gone.
                let here = MemoryIndex::of(journal)?;
                ahead = opened.index.entries_from((0, 0)).unwrap_or_default();
                ahead.retain(|key| here.get(key).is_ok_and(|found| found.is_none()));
                lost = Some(ahead.len() as u64).filter(|missing| *missing > 0);
            }
            match catch_up(journal, opened, now)? {
                Ok(caught_up) => return Ok(caught_up),
                Err(reason) => reason,
            }
        }
        Err(OpenFailed { reason, full: true }) => return in_memory(journal, reason),
        Err(OpenFailed { reason, full: false }) => reason,
    };
    if lost.is_some() {
        home.note_lost(ahead, 0)?;
    }
    let quarantine = match home.quarantine_index() {
        Ok(quarantine) => quarantine,
        Err(error) => return in_memory(journal, format!("{reason}; {error}")),
    };
    tracing::warn!(%reason, quarantine = %quarantine.display(), "the index is built again from the journal");
    match again(home, journal, now, patience)? {
        Ok((index, _)) => {
            let rebuilt = IndexReport::Rebuilt { reason, quarantine: quarantine.clone() };
            Ok((index, lost.map_or(rebuilt, |records| IndexReport::JournalShort { records, quarantine })))
        }
        Err(second) => in_memory(journal, format!("{reason}; {second}")),
    }
}

/// An index that begins anew.
fn again(
    home: &Home,
    journal: &Journal,
    now: Checkpoint,
    patience: Duration,
) -> Result<Result<Checked, String>, StoreError> {
    match sled_index::begin(home.index(), patience).finish() {
        Ok(opened) => catch_up(journal, opened, now),
        Err(failed) => Ok(Err(failed.reason)),
    }
}

/// How many records the index of this store knows that the journal does not reach to any more. The index is told of a
/// commit only after the journal is synced, so each of them had been acknowledged.
fn lost_records(opened: &Opened, now: Checkpoint, sum: Sum) -> Option<u64> {
    opened.is_ahead(now).then(|| opened.sum.rows.saturating_sub(sum.rows))
}

/// Puts the rows behind sled's checkpoint, if up to there it agrees with the journal; else says why it does not.
fn catch_up(journal: &Journal, mut opened: Opened, now: Checkpoint) -> Result<Result<Checked, String>, StoreError> {
    let checkpoint = opened.checkpoint.unwrap_or(Checkpoint { store: now.store, end: (0, 0) });
    if checkpoint.store != now.store {
        return Ok(Err("the index belongs to another store".to_owned()));
    }
    if checkpoint.end > now.end {
        return Ok(Err("the index knows of commits that the journal does not have".to_owned()));
    }
    let (mut sum, mut missing) = (Sum::default(), Vec::new());
    journal.load(&mut |position, record| {
        let Some(row) = Row::of(&record.payload, position) else { return };
        if checkpoint.covers(position) { sum.add_row(&row) } else { missing.push(row) }
    })?;
    if sum != opened.sum {
        let (has, should) = (opened.sum.rows, sum.rows);
        return Ok(Err(format!("the index has {has} rows that do not agree with the journal's {should}")));
    }
    let rows = missing.len() as u64;
    if let Err(failed) = opened.index.put(missing, now) {
        return Ok(Err(failed.to_string()));
    }
    Ok(Ok((Box::new(opened.index), IndexReport::CaughtUp(rows))))
}

fn in_memory(journal: &Journal, reason: String) -> Result<Checked, StoreError> {
    tracing::warn!(%reason, "the index is kept in memory");
    let index: Box<dyn Index> = Box::new(MemoryIndex::of(journal)?);
    Ok((index, IndexReport::InMemory { reason: Some(reason) }))
}
