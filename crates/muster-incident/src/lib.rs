//! Commands → entries → the Automerge document → views.
//!
//! This crate is pure: it does no IO, spawns nothing, reads no clock and owns no randomness (automerge brings `rand`
//! along, but nothing of it reaches a document). It has never heard of sled or libp2p.
//!
//! - [`command`] turns what a person asks for into an entry's facts and body, or says why not.
//! - [`document`] derives the incident's Automerge document from admitted entries, statuses and bodies; it is the only
//!   module that calls automerge.
//! - [`view`] folds the document and the people into what is drawn; [`export`] writes that to files.
//!
//! ```text
//! Act ──command──▶ IncidentFact + BodyText ──(ledger, store, sync)──▶ Source ──document──▶ Document ──view──▶ View
//! ```
// In tests a wrong assumption may end the test; `clippy.toml` covers test functions, this covers their helpers.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod command;
pub mod document;
pub mod export;
mod people;
mod printable;
mod role;
mod source;
mod state;
pub mod view;
#[cfg(test)]
mod world;

pub use command::{Act, Aside, CommandError, Prepared, declare, prepare, resolve_entry};
pub use document::{DeriveError, Document, NeedsRebuild, TEMPLATE_VERSION};
pub use export::{export_json, export_markdown, export_markdown_with_times, markdown_text};
pub use people::{People, UnknownPerson};
pub use printable::{comma_in_name, printable, printable_lines, printable_name, unseen_in_name};
pub use role::{BadRoleName, ROLES_MANY, ROLES_SINGLE, RoleName};
pub use source::Source;
pub use view::{
    ActionView, Board, Entries, MilestoneView, Newest, OUT_OF_RANGE, RoleView, Row, SUMMARY_VERSION, Summary, Times,
    View, Why, actions, board, commanders, incident_view, milestones, roles, status_line, status_words, summary,
    time_words, timeline, timeline_end, timeline_of,
};
