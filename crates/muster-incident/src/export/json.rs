//! The complete export as JSON.
//!
//! Schema, version 1: one object with `format` (`"muster-incident"`), `version` (1) and the fields of [`View`]:
//! `summary`, `people`, `roles` (an object by long name), `milestones`, `actions`, `timeline`. Each field is documented
//! at its type. Every entry that says something is a row of `timeline`, with all of its fact in `detail`. Fields may be
//! added within a version, never changed or taken away; a reader ignores those it does not know.

use crate::View;
use serde::Serialize;

/// Tells this file from other JSON.
pub const EXPORT_FORMAT: &str = "muster-incident";

/// The version of the schema; raised when a field changes its meaning or goes.
pub const EXPORT_VERSION: u32 = 1;

#[derive(Serialize)]
struct Export<'a> {
    format: &'static str,
    version: u32,
    #[serde(flatten)]
    view: &'a View,
}

/// Writes the export, indented, with a line feed at the end.
pub fn export_json(view: &View) -> String {
    let export = Export { format: EXPORT_FORMAT, version: EXPORT_VERSION, view };
    // Only maps without text keys and failing implementations of Serialize make this fail; there are none in a view.
    let mut json = serde_json::to_string_pretty(&export).unwrap_or_default();
    json.push('\n');
    json
}
