//! What the registers of a document say, still in ids: the common ground of views and commands.
//!
//! Views turn persons into names and times into text, commands look for what a new write has to supersede.

mod action;
mod milestone;
mod moment;
mod phase;
mod role;
mod set;

pub(crate) use action::{ActionNow, actions};
pub(crate) use milestone::{MilestoneNow, milestones};
pub(crate) use moment::{Moment, rfc3339};
pub(crate) use phase::phase;
pub(crate) use role::{RoleNow, role, roles};
pub(crate) use set::{severity, title};

use crate::document::{Document, Held};
use muster_log::EntryId;

/// The entries that wrote these values: what a new write of the register supersedes.
fn writers(doc: &Document, values: &[Held]) -> Vec<EntryId> {
    values.iter().map(|held| doc.node(held.writer).id).collect()
}

/// Puts things in order and keeps each once, in the order of first appearance.
fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    items.into_iter().fold(Vec::new(), |mut kept, item| {
        if !kept.contains(&item) {
            kept.push(item);
        }
        kept
    })
}
