//! What a fact says in words, for kinds that carry no typed text or only a remark.

use super::scene::Scene;
use super::short;
use crate::People;
use crate::document::{Meaning, Texts};
use muster_log::fact::{Phase, RoleAct, What};
use muster_log::{EntryId, Part};

/// Bytes of a title or of a quoted text that are shown; the rest is in the entry.
pub(super) const TITLE_BYTES_MAX: usize = 256;

/// The text of a line: what was typed; before it, where the fact itself says something, the fact.
pub(super) fn headline(scene: &dyn Scene, people: &People, meaning: &Meaning, texts: Option<&Texts>) -> String {
    let typed = texts.map(Texts::text).unwrap_or_default();
    let Some(fact) = meaning.said() else { return typed.to_owned() };
    match &fact.what {
        What::Declare(_) | What::Say(_) | What::Amendment { .. } | What::Title { .. } | What::JoinHeads => {
            typed.to_owned()
        }
        What::Redaction { target } => joined(&format!("redacted {}", short(target)), typed),
        What::Action { target, state, .. } if typed.is_empty() => format!("{} on {target}", state.word()),
        What::Action { .. } => typed.to_owned(),
        What::ActionState { action, state, .. } => {
            let about = if typed.is_empty() { quoted(scene, people, action) } else { typed.to_owned() };
            joined(state.word(), &about)
        }
        What::Severity { severity: Some(severity), .. } => joined(&format!("severity {severity}"), typed),
        What::Severity { severity: None, .. } => joined("severity unknown", typed),
        What::Milestone { letter } => joined(letter.word(), typed),
        What::Selection { letter, claim, .. } => joined(&format!("{} chosen: {}", letter.word(), short(claim)), typed),
        What::Role { role, act, .. } => {
            let reason = texts.and_then(|texts| texts.get(Part::Reason)).unwrap_or(typed);
            joined(&role_words(people, role, act, reason), reason)
        }
        What::Phase { phase, .. } => joined(phase_words(*phase), typed),
        What::Admit { person } => joined(&format!("admits {} to this incident", people.name(person)), typed),
    }
}

/// What was typed with an entry, or of a redacted one, who redacted it and why.
pub(super) fn shown(scene: &dyn Scene, people: &People, id: &EntryId) -> Option<Texts> {
    redaction(scene, people, id).map(|words| Texts::plain(&words)).or_else(|| scene.texts(id))
}

/// What stands in the place of a redacted text: of several redactions the one with the shortest way from the beginning, so
/// that a later one takes nobody's words away.
pub(super) fn redaction(scene: &dyn Scene, people: &People, id: &EntryId) -> Option<String> {
    let by = scene.redacted_by(id);
    let first = by.iter().min_by_key(|id| (scene.line(id).map(|line| line.depth), **id))?;
    let name = super::person_name(people, scene.line(first).and_then(|line| line.person));
    // A reason may be redacted too.
    let reason = scene.texts(first).map(|texts| texts.text().to_owned()).filter(|reason| !reason.is_empty());
    Some(match reason {
        Some(reason) => format!("[redacted by {name}: {reason}]"),
        None => format!("[redacted by {name}]"),
    })
}

/// The event's time as typed.
pub(super) fn event_text(texts: &Texts) -> Option<String> {
    texts.get(Part::When).map(str::to_owned)
}

/// At most `max` bytes, cut between characters.
pub(super) fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

fn joined(fact: &str, typed: &str) -> String {
    if typed.is_empty() { fact.to_owned() } else { format!("{fact}: {typed}") }
}

/// Another entry in a few words: its text, else its id.
fn quoted(scene: &dyn Scene, people: &People, id: &EntryId) -> String {
    let text = shown(scene, people, id).map(|texts| texts.text().to_owned());
    text.filter(|text| !text.is_empty()).map_or_else(|| short(id), |text| cut(&text, TITLE_BYTES_MAX).to_owned())
}

fn role_words(people: &People, role: &str, act: &RoleAct, reason: &str) -> String {
    match act {
        RoleAct::Claim if reason.is_empty() => format!("claimed {role}"),
        RoleAct::Claim => format!("took {role}"),
        RoleAct::Assign(person) => format!("offered {role} to {}", people.name(person)),
        RoleAct::Accept(_) => format!("accepted {role}"),
        RoleAct::Release => format!("released {role}"),
        RoleAct::Settle(person) => format!("settled {role} on {}", people.name(person)),
    }
}

fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Declared => "confirmed",
        other => other.word(),
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_text_is_cut_between_characters() {
        for (text, max, expected) in [("abc", 5, "abc"), ("abc", 2, "ab"), ("aöb", 2, "a"), ("ö", 1, ""), ("", 0, "")]
        {
            assert_eq!(cut(text, max), expected);
        }
    }
}
