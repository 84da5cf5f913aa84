//! The roster: who is in the team, decided from the roster's entries alone.
//!
//! `graph` holds the entries and what each one's own past says; `fold` decides what stands, with `forks`, `removals` and
//! `void`, and `extend` has the same sooner for one entry more; `people` says what that comes to; `causes` is what follows for incidents; `account` tells people what was
//! decided. Whether an entry is admitted is put together in `admission`.

mod account;
#[cfg(test)]
mod book;
mod causes;
mod extend;
mod fold;
mod forks;
mod graph;
mod index;
mod mask;
mod people;
mod removals;
mod repair;
mod sight;
mod sparse;
mod turn;
mod verdict;
mod void;

pub use account::{Removal, Standing, Taken};
pub(crate) use fold::{Fold, recovery_person};
pub(crate) use graph::{Graph, Mark, Numbers, Unfit};
pub(crate) use mask::Mask;
pub use people::Roster;
pub(crate) use void::DEVICE_TAG;
