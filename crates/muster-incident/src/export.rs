//! What leaves the incident as a file: one complete JSON document, one report in Markdown.
//!
//! Both are drawn from a [`crate::View`], so they are as canonical as the view. Exports never hold a text that is not
//! at hand.

mod json;
mod markdown;

pub use json::{EXPORT_FORMAT, EXPORT_VERSION, export_json};
pub use markdown::{export_markdown, export_markdown_with_times, markdown_text};
