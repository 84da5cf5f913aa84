//! The file `lost`: entries that this home is known to have had and that are gone, until they are here again or somebody says
//! that they will not come back (`docs/storage.md`).
//!
//! It is written before the last thing that knew of them is put aside, and decides nothing. How they went is found in
//! [`crate::index_check`] and [`crate::repair`].

use crate::StoreError;
use crate::disk::{How, read_up_to, write_all};
use crate::disk_store::DiskStore;
use crate::home::Home;
use crate::index::{INDEXED_BYTES, Key};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The most entries that are remembered: the file stays below 3 MiB, and whoever lost more knows it by this many.
const LOST_MAX: usize = 65_536;

/// Bytes read of the file.
const FILE_BYTES_MAX: usize = 3 * 1024 * 1024;

const TITLE: &str = "muster-lost 1";

/// With which the line begins that counts what has no name.
const UNNAMED: &str = "unnamed ";

/// Entries that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// When that was noted first: milliseconds since the Unix epoch.
    pub since_ms: i64,
    /// How many of them are not here again.
    pub missing: u64,
    /// Entries more of which nobody knows which they were: they were in blocks of archives that cannot be read. Whether they are
    /// here again is for a person to say.
    pub unnamed: u64,
}

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    since_ms: i64,
    unnamed: u64,
    keys: BTreeSet<Key>,
}

impl Noted {
    fn text(&self) -> String {
        let mut text = format!("{TITLE}\nsince {}\n", self.since_ms);
        if self.unnamed > 0 {
            // Writing into a text cannot fail.
            let _ = writeln!(text, "{UNNAMED}{}", self.unnamed);
        }
        for key in &self.keys {
            let number = key.last_chunk::<INDEXED_BYTES>().map_or(0, |bytes| u128::from_be_bytes(*bytes));
            let _ = writeln!(text, "{number:032x}");
        }
        text
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines().take(LOST_MAX + 3);
        lines.next().filter(|title| *title == TITLE)?;
        let since_ms = lines.next()?.strip_prefix("since ")?.parse().ok()?;
        let lines: Vec<&str> = lines.collect();
        let unnamed = lines.first().and_then(|line| line.strip_prefix(UNNAMED)?.parse().ok()).unwrap_or(0);
        // A line that is no id, as after a torn write that never was renamed, is nothing to go by.
        let numbers = lines.into_iter().filter_map(|line| u128::from_str_radix(line, 16).ok());
        Some(Self { since_ms, unnamed, keys: numbers.map(key_of).collect() })
    }
}

fn key_of(number: u128) -> Key {
    let mut key = [b'e'; 1 + INDEXED_BYTES];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

impl Home {
    /// Adds to what is gone, durably: entries, and how many more there were that nobody can name.
    pub(crate) fn note_lost(&self, keys: impl IntoIterator<Item = Key>, unnamed: u64) -> Result<(), StoreError> {
        let none = Noted { since_ms: self.opened_ms(), ..Noted::default() };
        let mut noted = self.lost()?.unwrap_or(none);
        noted.keys.extend(keys);
        noted.unnamed = noted.unnamed.saturating_add(unnamed);
        while noted.keys.len() > LOST_MAX {
            noted.keys.pop_last();
        }
        if noted.keys.is_empty() && noted.unnamed == 0 {
            return Ok(());
        }
        let (new, path) = (self.path().join("lost.new"), self.path().join("lost"));
        let failed = |error| StoreError::io("write to", &path, error);
        let written = self.disk().open(&new, How::Create).and_then(|file| {
            write_all(&*file, noted.text().as_bytes(), 0)?;
            file.sync()
        });
        written.and_then(|()| self.disk().rename(&new, &path)).map_err(failed)?;
        self.sync()
    }

    /// What is noted; none where nothing is, or the file makes no sense.
    fn lost(&self) -> Result<Option<Noted>, StoreError> {
        let path = self.path().join("lost");
        let file = match self.disk().open(&path, How::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| StoreError::io("open", &path, error))?,
        };
        let bytes = read_up_to(&*file, 0, FILE_BYTES_MAX).map_err(|error| StoreError::io("read", &path, error))?;
        Ok(Noted::read(&String::from_utf8_lossy(&bytes)))
    }

    /// Forgets what is gone.
    pub(crate) fn forget_lost(&self) -> Result<(), StoreError> {
        let path = self.path().join("lost");
        if self.lost()?.is_none() {
            // Nothing to forget: nearly every opening, which then asks nothing of the disk.
            return Ok(());
        }
        match self.disk().remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("remove", &path, error)),
            _ => self.sync(),
        }
    }
}

impl DiskStore {
    /// How much of what was noted is not here again.
    pub(crate) fn count_lost(&self) -> Result<Option<Lost>, StoreError> {
        let Some(noted) = self.home.lost()? else { return Ok(None) };
        let mut missing = 0;
        for key in &noted.keys {
            missing += u64::from(self.find_held(key)?.is_none());
        }
        let Noted { since_ms, unnamed, .. } = noted;
        Ok((missing > 0 || unnamed > 0).then_some(Lost { since_ms, missing, unnamed }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultyDisk;
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn what_is_noted_twice_is_told_with_its_first_time_until_it_is_forgotten() {
        let home = Home::new(Arc::new(FaultyDisk::default()), Path::new("/store"));
        home.create().unwrap();
        assert_eq!(home.lost().unwrap(), None);
        home.clone().opened_at(5).note_lost([key_of(1), key_of(7)], 0).unwrap();
        home.clone().opened_at(9).note_lost([key_of(7), key_of(u128::MAX)], 3).unwrap();
        let keys = [1, 7, u128::MAX].map(key_of).into();
        assert_eq!(home.lost().unwrap(), Some(Noted { since_ms: 5, unnamed: 3, keys }));
        home.forget_lost().unwrap();
        home.forget_lost().unwrap();
        assert_eq!(home.lost().unwrap(), None);
    }

    #[test]
    fn a_file_of_something_else_says_nothing() {
        for text in ["", "muster-lost 2\nsince 1\n", "muster-lost 1\n", "muster-lost 1\nsince yesterday\n"] {
            assert_eq!(Noted::read(text), None, "{text:?}");
        }
    }
}
