//! A report for people: what the incident was, who did what, what happened when.
//!
//! All typed text is escaped, so nobody can write a heading, a link or HTML into the report.

use crate::state::rfc3339;
use crate::view::{ActionView, MilestoneView, Row, Summary, Times, status_words, time_words};
use crate::{View, printable};
use muster_log::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Writes the report.
pub fn export_markdown(view: &View) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_report(&mut out, view, None);
    out
}

/// Writes the report for an auditor: each line of the timeline with the whole id of its entry, the device that wrote it,
/// what that device's clock said, and between which times it was written. `times` by id.
pub fn export_markdown_with_times(view: &View, times: &BTreeMap<String, Times>) -> String {
    let mut out = String::new();
    // As above.
    let _ = write_report(&mut out, view, Some(times));
    out
}

/// What an auditor is told besides.
type ForAudit<'a> = Option<&'a BTreeMap<String, Times>>;

fn write_report(out: &mut String, view: &View, audit: ForAudit<'_>) -> std::fmt::Result {
    let summary = &view.summary;
    writeln!(out, "# {}\n", escape(&summary.title))?;
    write_header(out, summary, &view.people)?;
    writeln!(out, "\n## Roles\n")?;
    for (name, role) in view.roles.iter().filter(|(_, role)| !role.holds.is_empty() || !role.offers.is_empty()) {
        let contested = if role.contested { " (**contested**)" } else { "" };
        writeln!(out, "- {}{contested}", escape(name))?;
        for hold in &role.holds {
            writeln!(out, "  - {}, since {}", escape(&hold.person), hold.since.as_deref().unwrap_or("unknown"))?;
        }
        for offer in &role.offers {
            writeln!(out, "  - offered to {} by {}", escape(&offer.person), escape(&offer.by))?;
        }
    }
    writeln!(out, "\n## Milestones\n")?;
    view.milestones.iter().try_for_each(|milestone| write_milestone(out, milestone))?;
    writeln!(out, "\n## Actions\n")?;
    view.actions.iter().try_for_each(|action| write_action(out, action))?;
    writeln!(out, "\n## Timeline\n")?;
    view.timeline.iter().try_for_each(|row| write_row(out, row, audit))
}

fn write_header(out: &mut String, summary: &Summary, people: &[String]) -> std::fmt::Result {
    writeln!(out, "- Incident: `{}`", summary.incident)?;
    if summary.titles.len() > 1 {
        let titles: Vec<String> = summary.titles.iter().map(|title| escape(title)).collect();
        writeln!(out, "- Titles given apart: {}", titles.join(" / "))?;
    }
    let severity = summary.severity.map_or("unknown".to_owned(), |severity| severity.to_string());
    writeln!(out, "- Severity: {severity}")?;
    writeln!(out, "- Phase: {}", summary.phases.join(" / "))?;
    writeln!(out, "- Declared: {}", summary.declared_time.as_deref().unwrap_or("unknown"))?;
    if summary.drill {
        writeln!(out, "- This was a drill.")?;
    }
    if summary.private {
        writeln!(out, "- Private: only named persons may hold this.")?;
    }
    if !summary.contested.is_empty() {
        let contested: Vec<String> = summary.contested.iter().map(|name| escape(name)).collect();
        writeln!(out, "- **Contested**: {}", contested.join(", "))?;
    }
    writeln!(out, "- People: {}", people.iter().map(|name| escape(name)).collect::<Vec<_>>().join(", "))
}

fn write_milestone(out: &mut String, milestone: &MilestoneView) -> std::fmt::Result {
    for claim in &milestone.claims {
        let several = milestone.claims.len() > 1;
        let chosen = if several && milestone.chosen.as_ref() == Some(&claim.id) { " (chosen)" } else { "" };
        let (text, person) = (escape(&claim.text), escape(&claim.person));
        let when = time(claim.event_time.as_deref(), claim.event_end.as_deref(), claim.event_precision);
        writeln!(out, "- **{}** {when}: {text} (claimed by {person}){chosen}", milestone.letter)?;
    }
    Ok(())
}

fn write_action(out: &mut String, action: &ActionView) -> std::fmt::Result {
    let (text, target, person) = (escape(&action.text), escape(&action.target), escape(&action.person));
    let clash = if action.clash { " (**another open action has the same target**)" } else { "" };
    writeln!(out, "- {}: {text}, on {target}, {person}{clash}", action.states.join(" / "))?;
    if let Some(undo) = &action.undo {
        writeln!(out, "  - undone by: {}", escape(undo))?;
    }
    if let Some(tested) = &action.tested {
        writeln!(out, "  - tried: {}", escape(tested))?;
    }
    Ok(())
}

fn write_row(out: &mut String, row: &Row, audit: ForAudit<'_>) -> std::fmt::Result {
    let when = time(row.event_time.as_deref(), row.event_end.as_deref(), row.event_precision);
    // Nobody can type the end of an emphasis, so that an auditor tells the program's brackets from typed ones.
    let typed = |text: &str| if audit.is_some() { emphasized(text) } else { escape(text) };
    let text = if row.body_missing && row.text.is_empty() { "(text not here)".to_owned() } else { typed(&row.text) };
    write!(out, "- {when} **{}** {}: {text}", escape(&row.author.person), escape(&row.kind))?;
    if let Some(on) = &row.detail.on {
        write!(out, " (on {})", typed(on))?;
    }
    if row.event_time.as_ref() != Some(&row.recorded_time) || audit.is_some() {
        write!(out, " (recorded {})", row.recorded_time)?;
    }
    if let Some(who) = &row.detail.who {
        write!(out, " (reported by {})", typed(who))?;
    }
    if let Some(link) = &row.detail.link {
        write!(out, " {}", typed(link))?;
    }
    if let Some(void) = &row.void {
        write!(out, " ({void})")?;
    }
    if row.status != "active" {
        let at = |recorded_ms| rfc3339(Timestamp(recorded_ms), 0);
        write!(out, " ({}: without effect)", status_words(row.status, &row.why, escape, at))?;
    }
    for amendment in &row.amended_by {
        write!(out, " (amended by {})", amendment.get(..8).unwrap_or(amendment))?;
    }
    for redaction in row.redacted_by.iter().filter(|_| audit.is_some()) {
        write!(out, " (redacted by {})", redaction.get(..8).unwrap_or(redaction))?;
    }
    let Some(times) = audit else { return writeln!(out, " `{}`", row.short_id()) };
    if let Some(Times { label, lower, upper, spare }) = times.get(&row.id) {
        let words = time_words(label, lower.as_deref(), upper.as_deref(), &row.recorded_time, *spare);
        write!(out, " ({words})")?;
    }
    writeln!(out, " (device `{}`) `{}`", row.author.device, row.id)
}

fn time(start: Option<&str>, end: Option<&str>, precision: &str) -> String {
    match (start, end) {
        (None, _) => "time unknown".to_owned(),
        (Some(start), Some(end)) => format!("{start} to {end}"),
        (Some(start), None) if precision == "about" => format!("about {start}"),
        (Some(start), None) => start.to_owned(),
    }
}

/// Typed text as one line that is told from what stands around it.
fn emphasized(text: &str) -> String {
    let escaped = escape(text);
    // A blank at either end would make the stars plain ones.
    let escaped = escaped.trim();
    if escaped.is_empty() { String::new() } else { format!("*{escaped}*") }
}

/// Typed text as one line in which nothing is Markdown or HTML, for reports that others put together.
pub fn markdown_text(text: &str) -> String {
    escape(text)
}

/// One line in which nothing is Markdown or HTML: CommonMark lets every ASCII punctuation character be escaped.
fn escape(text: &str) -> String {
    let text = printable(text);
    let mut escaped = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        // GitHub's dialect makes links of `://` and `www.`.
        let links = c == ':' && chars.peek() == Some(&'/') || c == '.' && ends_in_www(&escaped);
        if is_markup(c) || links {
            escaped.push('\\');
        }
        escaped.push(c);
        // It looks for addresses and names of people when escapes are gone; an empty comment is not.
        if c == '@' && chars.peek().is_some_and(|next| !next.is_whitespace()) {
            escaped.push_str("<!-- -->");
        }
    }
    escaped
}

fn ends_in_www(text: &str) -> bool {
    text.len().checked_sub(3).and_then(|from| text.get(from..)).is_some_and(|end| end.eq_ignore_ascii_case("www"))
}

/// Characters with a meaning inside a line. A full stop, a dash or a digit has one only where a line begins, and no
/// typed text begins one.
fn is_markup(c: char) -> bool {
    "\\`*_{}[]<>()#+!|~&@".contains(c)
}

#[cfg(test)]
mod tests {
    use super::{emphasized, escape};

    #[test]
    fn typed_text_ends_where_its_emphasis_does() {
        for (typed, expected) in
            [("down (revoked)", r"*down \(revoked\)*"), (" x* (late)\u{a0}\n", r"*x\* \(late\)*"), ("\n", "")]
        {
            assert_eq!(emphasized(typed), expected);
        }
    }

    #[test]
    fn typed_text_is_never_markup() {
        for (typed, expected) in [
            ("db-1 is slow.", "db-1 is slow."),
            ("[x](http://y)", r"\[x\]\(http\://y\)"),
            ("<script>&amp;", r"\<script\>\&amp;"),
            ("**b** `c`\n# d", r"\*\*b\*\* \`c\` \# d"),
            ("9: see http://x", r"9: see http\://x"),
            ("www.x.org, WWW.x.org. ww.", r"www\.x.org, WWW\.x.org. ww."),
            ("a@.x", r"a\@<!-- -->.x"),
            ("bob@x.org @bob @ noon", r"bob\@<!-- -->x.org \@<!-- -->bob \@ noon"),
            ("red \u{1b}[0m", "red \u{fffd}\\[0m"),
        ] {
            assert_eq!(escape(typed), expected);
        }
    }
}
