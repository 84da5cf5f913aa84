//! What a damaged `format` said, found again in the journals beside it (`docs/storage.md`, "Repair").
//!
//! Changes nothing. Who only reads goes on with it, a repair writes it down.

use crate::format::Format;
use crate::home::{FORMAT, Home};
use crate::journal::Journal;
use crate::open::{Read, read_journal};
use crate::record::StoreId;
use crate::{Damage, StoreError};
use std::collections::BTreeMap;

/// What `format` says or said, and what is wrong with it, if anything is.
pub(crate) type Refound = (Option<Format>, Option<Damage>);

/// What `format` says, or what it must have said where it is damaged.
///
/// # Errors
/// [`StoreError::Newer`], those of reading, and [`StoreError::NoJournal`].
pub(crate) fn format_of(home: &Home) -> Result<Refound, StoreError> {
    match home.read_format() {
        Ok(found) => Ok((found, None)),
        Err(StoreError::Damaged { segment, offset, what }) => {
            let damage = Damage { segment, offset, what };
            match refind(home)? {
                Some(format) => Ok((Some(format), Some(damage))),
                None => Err(StoreError::NoJournal { path: home.path().into(), what }),
            }
        }
        Err(error) => Err(error),
    }
}

/// The store that most segments name, with the oldest journal that is whole and that no other has more than. A later one like it
/// was never written to; one that is not finished may lack local facts.
fn refind(home: &Home) -> Result<Option<Format>, StoreError> {
    let mut generations = home.generations("journal")?;
    generations.sort_unstable();
    let mut told: BTreeMap<StoreId, usize> = BTreeMap::new();
    for generation in &generations {
        for (store, count) in Journal::stores_told(home.disk(), &home.of(*generation).journal()) {
            *told.entry(store).or_default() += count;
        }
    }
    let Some((store, _)) = told.into_iter().max_by_key(|(_, count)| *count) else { return Ok(None) };
    let mut read: Vec<(u32, Read)> = Vec::new();
    for generation in generations {
        let of = home.of(generation);
        if Journal::exists(home.disk(), &of.journal())? {
            let journal = Journal::new(home.shared_disk(), of.journal(), store);
            read.push((generation, read_journal(&of, &journal, store, false)?));
        }
    }
    let stands = |(_, one): &&(u32, Read)| {
        one.loaded.damage.is_empty() && !read.iter().any(|(_, other)| other.kept.has_more_than(&one.kept))
    };
    let most = || read.iter().max_by_key(|(_, one)| one.kept.entries);
    let found = read.iter().find(stands).or_else(most);
    Ok(found.map(|(generation, _)| match *generation {
        1 => Format::plain(store),
        generation => Format { version: FORMAT, store, generation },
    }))
}
