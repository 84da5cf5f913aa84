//! Own entries that come from peers: the home was restored from a copy, or it is running twice.
//!
//! A session is new at every opening, so neither can contradict what this device wrote elsewhere; but people must know.
//! Which of the two it is, the claimed time tells as well as it can be told: what was signed after this replica was
//! opened, and not by it, was signed by another one with the same key.

use crate::error::ReplicaError;
use crate::local;
use crate::replica::{Now, Replica};
use muster_log::{Entry, Kind, Timestamp};
use muster_store::Storage;

/// Own entries that peers gave back since this replica was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CameBack {
    /// How many.
    pub entries: u64,
    /// The latest time that one of them claims.
    pub newest: Option<Timestamp>,
    /// Those that claim a time after this replica was opened: they were written elsewhere, with this device's key.
    pub elsewhere: u64,
}

impl<S: Storage> Replica<S> {
    /// What peers gave back since this replica was opened.
    pub fn came_back(&self) -> CameBack {
        self.came_back
    }

    /// When this home last met own entries that it had lost, in this run or an earlier one.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn restored(&self) -> Result<Option<Timestamp>, ReplicaError> {
        let saved = self.store.local(local::RESTORED)?;
        Ok(saved.and_then(|text| String::from_utf8(text).ok()?.parse().ok()).map(Timestamp))
    }

    /// Notes an entry that a peer brought, where this device itself signed it.
    pub(crate) fn note_came_back(&mut self, entry: &Entry, now: Now) -> Result<(), ReplicaError> {
        // The own `join` always comes back: it went to a member as a request and becomes part of the roster there.
        if entry.key() != self.device() || entry.kind() == Kind::JOIN {
            return Ok(());
        }
        let claimed = entry.claimed().time;
        let began = *self.began.get_or_insert(now.wall);
        let seen = &mut self.came_back;
        // The first that this home itself had lost, whatever came from elsewhere before.
        let (first, was_elsewhere) = (seen.entries == seen.elsewhere, seen.elsewhere > 0);
        seen.entries += 1;
        seen.newest = seen.newest.max(Some(claimed));
        if claimed > began {
            seen.elsewhere += 1;
            if !was_elsewhere {
                tracing::error!(
                    "another node is writing with this device's key: this home runs twice. Stop one of the two, and let \
                     the other machine join with a key of its own"
                );
            }
        } else if first {
            tracing::warn!("peers give back entries of this device: this home was restored from an older copy");
            self.set_local(local::RESTORED.to_owned(), Some(now.wall.0.to_string().into_bytes()))?;
        }
        Ok(())
    }
}
