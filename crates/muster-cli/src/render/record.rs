//! What stands in a file that was checked: each incident with its timeline, for somebody who has only the file.

use super::summary::{Summary, shortened};
use super::timeline::{self, Row};
use super::verify::plural;
use super::wrap::{behind_a_bar, wrapped};
use super::{Page, short};
use serde::Deserialize;

/// One incident of a record.
#[derive(Debug, Deserialize)]
pub(crate) struct Incident {
    summary: Summary,
    timeline: Vec<Row>,
}

/// Draws an incident below what was drawn before.
pub(crate) fn show(mut incident: Incident, page: &Page) -> String {
    let Summary { incident: id, title, .. } = &incident.summary;
    let head = wrapped(&format!("{}  ", short(id)), 10, &incident.summary.standing_in_record());
    let title = behind_a_bar(10, &shortened(title));
    let left_out = left_out(incident.summary.entries.saturating_sub(incident.timeline.len()));
    let lines = timeline::show_record(&mut incident.timeline, page);
    format!(
        "\n{}\n{title}{lines}{}",
        page.paint.bold(head.trim_end()),
        left_out.map(|text| text + "\n").unwrap_or_default()
    )
}

/// What is not in a timeline, where there is any.
pub(crate) fn left_out(entries: usize) -> Option<String> {
    let entries = (entries > 0).then(|| plural(entries as u64, "entry", "entries"))?;
    Some(format!("{entries} more: these only join branches and say nothing"))
}
