//! What happened in the team of a checked file, a line each: who came and let whom in, who was given or lost what, who was
//! removed and what counts no more.
//!
//! Every name stands in quotes or in bold, so that none can pass for the program's own words.

use super::moment;
use super::verify::plural;
use super::wrap::wrapped;
use super::{Page, in_quotes, short};
use muster_incident::{OUT_OF_RANGE, markdown_text, time_words};
use serde::Deserialize;

/// Events that are told as lines. A team has some hundred in years; a member may have made more.
const EVENTS_SHOWN_MAX: usize = 1_000;

/// The past of a team.
#[derive(Debug, Deserialize)]
pub(crate) struct TeamHistory {
    team: String,
    name: Option<String>,
    recovery_keys: u64,
    persons: u64,
    events: Vec<Event>,
    others: u64,
    unused_tickets: u64,
}

#[derive(Debug, Deserialize)]
struct Event {
    id: String,
    /// None of what a recovery key wrote.
    by: Option<String>,
    recovery_key: Option<u64>,
    device: String,
    recorded_time: String,
    time_label: String,
    time_lower: Option<String>,
    time_upper: Option<String>,
    time_spare: usize,
    effect: String,
    /// The removals that took the author.
    because: Vec<Cause>,
    #[serde(flatten)]
    deed: Deed,
}

#[derive(Debug, Deserialize)]
struct Cause {
    id: String,
    /// None of a recovery key.
    by: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Deed {
    Created {
        automation: bool,
    },
    Joined {
        automation: bool,
        capability: String,
        guest_of: Option<String>,
        ticket: String,
        invited_by: String,
        let_in_by: Vec<String>,
        let_in_in_vain: Vec<String>,
        rivals: Vec<String>,
        rivals_count: usize,
        was: Option<String>,
    },
    Device {
        devices: Vec<String>,
        was: Option<String>,
    },
    Capability {
        of: Vec<String>,
        capability: String,
    },
    Confirmed {
        of: Vec<String>,
    },
    Removed {
        of: Vec<String>,
        devices: Vec<String>,
        what: String,
        seconds: Vec<String>,
        revoked: u64,
        late: u64,
        set_aside: u64,
    },
    RemovedNothing,
    Cut {
        removal: String,
    },
    Unknown {
        number: u64,
    },
}

/// How names and ids are set off from words.
struct Ink {
    name: fn(&str) -> String,
    id: fn(&str) -> String,
    /// Around what is remarked.
    brackets: [&'static str; 2],
}

/// On a terminal.
const PLAIN: Ink = Ink { name: in_quotes, id: |id| short(id).to_owned(), brackets: ["[", "]"] };

/// In Markdown.
const MARKDOWN: Ink =
    Ink { name: |name| format!("**{}**", markdown_text(name)), id: |id| format!("`{id}`"), brackets: ["(", ")"] };

/// Draws the team below what was drawn before.
pub(crate) fn show(history: &TeamHistory, page: &Page) -> String {
    let mut drawn = format!("\n{}\n", page.paint.bold(&format!("Team {}", history.head(&PLAIN))));
    for event in history.events.iter().take(EVENTS_SHOWN_MAX) {
        let at =
            |time: &str| moment::read(time).map_or_else(|| OUT_OF_RANGE.into(), |at| moment::to_the_second(at, page));
        let text = format!("{}  {}", at(&event.recorded_time), event.words(&PLAIN, &at));
        drawn.push_str(&wrapped(&format!("{}  ", page.paint.dim(short(&event.id))), 10, &text));
    }
    history.rest().iter().for_each(|line| drawn.push_str(&wrapped("", 0, line)));
    drawn
}

/// As [`show`], in Markdown: each line with the whole id of its entry and the device that wrote it.
pub(crate) fn markdown(history: &TeamHistory) -> String {
    let mut drawn = format!("\n## Team {}\n\n", history.head(&MARKDOWN));
    for event in history.events.iter().take(EVENTS_SHOWN_MAX) {
        let words = event.words(&MARKDOWN, &|time| time.to_owned());
        drawn.push_str(&format!("- {} {words} (device `{}`) `{}`\n", event.recorded_time, event.device, event.id));
    }
    history.rest().iter().for_each(|line| drawn.push_str(&format!("\n{line}\n")));
    drawn
}

impl TeamHistory {
    fn head(&self, ink: &Ink) -> String {
        let name = self.name.as_deref().map(|name| format!(" {}", (ink.name)(name))).unwrap_or_default();
        let (persons, keys) = (plural(self.persons, "person", "persons"), self.recovery_keys);
        let keys =
            if keys == 0 { String::new() } else { format!(", {}", plural(keys, "recovery key", "recovery keys")) };
        format!("{}{name}, {persons} at the end{keys}", (ink.id)(&self.team))
    }

    /// What is not in the lines.
    fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        let left_out = self.events.len().saturating_sub(EVENTS_SHOWN_MAX);
        if left_out > 0 {
            rest.push(format!("{left_out} later lines are left out: `--report=json` has them all"));
        }
        if self.others > 0 {
            let others = plural(self.others, "entry", "entries");
            let unused = match self.unused_tickets {
                0 => String::new(),
                unused => format!("; by {} nobody came in", plural(unused, "ticket", "tickets")),
            };
            rest.push(format!("{others} more of the team: tickets, vouches, seconds and merges{unused}"));
        }
        rest
    }
}

impl Event {
    fn words(&self, ink: &Ink, at: &dyn Fn(&str) -> String) -> String {
        let names = |names: &[String]| names.iter().map(|name| (ink.name)(name)).collect::<Vec<_>>().join(" and ");
        let by = match (&self.by, self.recovery_key) {
            (Some(by), _) => (ink.name)(by),
            (None, key) => format!("recovery key {}", key.unwrap_or_default()),
        };
        let mut words = format!("{by} {}", self.deed.words(ink, &names));
        for remark in self.remarks(ink, at) {
            let [open, close] = ink.brackets;
            words.push_str(&format!(" {open}{remark}{close}"));
        }
        words
    }

    fn remarks(&self, ink: &Ink, at: &dyn Fn(&str) -> String) -> Vec<String> {
        let because = |cause: &Cause| {
            let by = cause.by.as_deref().map_or_else(|| "a recovery key".to_owned(), ink.name);
            format!("{by} had removed the author ({})", (ink.id)(&cause.id))
        };
        let because = self.because.iter().map(because).collect::<Vec<_>>().join(", ");
        let mut remarks = Vec::new();
        remarks.extend(match self.effect.as_str() {
            "counts" => None,
            "needs-second" => Some("WITHOUT EFFECT: waits for another admin".to_owned()),
            "overruled" if because.is_empty() => {
                Some("OVERRULED: its author, or who seconded it, had not the right any more".to_owned())
            }
            "overruled" => Some(format!("OVERRULED: {because}")),
            "set-aside" => Some(format!("WITHOUT EFFECT: {because}")),
            "forked" => Some("WITHOUT EFFECT: the device wrote something else under the same number".to_owned()),
            _ => Some("WITHOUT EFFECT".to_owned()),
        });
        if let Deed::Removed { revoked, late, set_aside, .. } = &self.deed
            && self.effect == "counts"
        {
            let entries = |count: u64| plural(count, "entry", "entries");
            remarks.extend((*revoked > 0).then(|| format!("{} of incidents here REVOKED by it", entries(*revoked))));
            remarks.extend((*late > 0).then(|| format!("{} of incidents here LATE by it", entries(*late))));
            remarks
                .extend((*set_aside > 0).then(|| format!("{} of the team without effect by it", entries(*set_aside))));
        }
        let (lower, upper) = (self.time_lower.as_deref().map(at), self.time_upper.as_deref().map(at));
        let recorded = at(&self.recorded_time);
        remarks.push(time_words(&self.time_label, lower.as_deref(), upper.as_deref(), &recorded, self.time_spare));
        remarks
    }
}

impl Deed {
    fn words(&self, ink: &Ink, names: &dyn Fn(&[String]) -> String) -> String {
        let machine = |is: &bool| if *is { ", an automation," } else { "" };
        let before = |was: &Option<String>| match was {
            Some(was) => format!("; CAME BACK: the device was that of {} before", (ink.name)(was)),
            None => String::new(),
        };
        match self {
            Self::Created { automation } => format!("created the team{} as its first admin", machine(automation)),
            Self::Joined {
                automation,
                capability,
                guest_of,
                ticket,
                invited_by,
                let_in_by,
                let_in_in_vain,
                rivals,
                rivals_count,
                was,
            } => {
                let machine = machine(automation);
                let with = format!("with a ticket of {} ({})", (ink.name)(invited_by), (ink.id)(ticket));
                let as_what = match guest_of {
                    Some(incident) => format!("as a guest in {} ({capability})", (ink.id)(incident)),
                    None => format!("as {capability}"),
                };
                let mut words = match (let_in_by.as_slice(), let_in_in_vain.as_slice()) {
                    ([], []) => format!("asked to join{machine} {with}, and nobody let them in"),
                    ([], vain) => format!("joined{machine} {with}, let in by {}, WHICH COUNTS NO MORE", names(vain)),
                    (by, _) => format!("joined{machine} {as_what} {with}, let in by {}", names(by)),
                };
                if !rivals.is_empty() {
                    let more = rivals_count.saturating_sub(rivals.len());
                    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                    words.push_str(&format!("; TICKET USED TWICE: {}{more} came by it too", names(rivals)));
                }
                words + &before(was)
            }
            Self::Device { devices, was } => format!("added the device {}{}", devices.join(", "), before(was)),
            Self::Capability { of, capability } => format!("made {} {capability}", names(of)),
            Self::Confirmed { of } => format!("confirmed that a ticket was meant for {}", names(of)),
            Self::Removed { of, devices, what, seconds, .. } => {
                let of = if of.is_empty() { "nobody who was still there".to_owned() } else { names(of) };
                let mut words = match what.as_str() {
                    "stolen" => format!("removed {of}: {} stolen", devices.join(", ")),
                    "retired" => format!("retired {} of {of}", devices.join(", ")),
                    left => format!("lowered {of} to {left}"),
                };
                if !seconds.is_empty() {
                    words.push_str(&format!(", seconded by {}", names(seconds)));
                }
                words
            }
            Self::RemovedNothing => "removed devices that nobody had".to_owned(),
            Self::Cut { removal } => format!("let more count of what the removal {} took", (ink.id)(removal)),
            Self::Unknown { number } => format!("wrote what needs a newer muster (kind {number})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fits, from, page};
    use super::*;
    use serde_json::{Value, json};

    /// An event as the node tells it, by a person called `by`.
    fn event(id: &str, by: &str, changes: Value) -> Value {
        let mut event = json!({
            "id": id.repeat(32), "by": by, "recovery_key": null, "device": "12D3KooWabc",
            "recorded_time": "2023-07-20T12:17:00+00:00", "time_label": "unbounded", "time_lower": null,
            "time_upper": "2023-07-20T12:20:00+00:00", "time_spare": 1, "effect": "counts", "because": [],
        });
        event.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        event
    }

    fn history(events: &[Value]) -> TeamHistory {
        from(json!({"team": "7e".repeat(32), "name": "ops\u{1b}\"", "recovery_keys": 1, "persons": 2, "events": events,
            "others": 5, "unused_tickets": 1}))
    }

    fn newcomer(changes: Value) -> Value {
        let mut joined = json!({"kind": "joined", "automation": false, "capability": "responder", "guest_of": null,
            "ticket": "ab".repeat(32), "invited_by": "alice", "let_in_by": ["alice"], "let_in_in_vain": [], "rivals": [], "rivals_count": 0,
            "was": null});
        joined.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        joined
    }

    #[test]
    fn each_event_is_a_line_with_every_name_in_quotes() {
        let removed = |changes: Value| {
            let mut removed = json!({"kind": "removed", "of": ["bob"], "devices": ["12D3KooWbob"], "what": "stolen",
                "seconds": [], "revoked": 0, "late": 0, "set_aside": 0});
            removed.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            removed
        };
        let told = history(&[
            event("a0", "alice", json!({"kind": "created", "automation": false})),
            event(
                "a1",
                "bob\" joined [REVOKED]",
                newcomer(json!({"rivals": ["eve"], "rivals_count": 3, "was": "old bob"})),
            ),
            event("a2", "carol (net)", newcomer(json!({"guest_of": "cd".repeat(32), "let_in_by": ["alice", "bob"]}))),
            event("a3", "dave", newcomer(json!({"let_in_by": []}))),
            event("a4", "erin", newcomer(json!({"let_in_by": [], "let_in_in_vain": ["bob"]}))),
            event("a5", "alice", json!({"kind": "capability", "of": ["bob"], "capability": "admin"})),
            event("a6", "alice", json!({"kind": "device", "devices": ["12D3KooWnew"], "was": null})),
            event("a7", "alice", removed(json!({"seconds": ["carol"], "revoked": 2, "late": 1, "set_aside": 1}))),
            event("a8", "bob", {
                let mut removed = removed(json!({"of": ["alice"], "what": "observer", "devices": []}));
                removed["effect"] = json!("overruled");
                removed["because"] =
                    json!([{"id": "a7".repeat(32), "by": "alice"}, {"id": "a9".repeat(32), "by": null}]);
                removed
            }),
            event("a9", "", {
                let mut removed = removed(json!({"what": "retired", "effect": "needs-second"}));
                (removed["by"], removed["recovery_key"]) = (Value::Null, json!(1));
                removed
            }),
            event("b0", "alice", json!({"kind": "cut", "removal": "a7".repeat(32)})),
            event("b1", "alice", json!({"kind": "unknown", "number": 300, "effect": "none"})),
        ]);
        insta::assert_snapshot!(fits(show(&told, &page())), @r#"
        Team 7e7e7e7e "ops�'", 2 persons at the end, 1 recovery key
        a0a0a0a0  12:17:00 "alice" created the team as its first admin [written before
                  12:20:00]
        a1a1a1a1  12:17:00 "bob' joined [REVOKED]" joined as responder with a ticket of
                  "alice" (abababab), let in by "alice"; TICKET USED TWICE: "eve" and 2
                  more came by it too; CAME BACK: the device was that of "old bob"
                  before [written before 12:20:00]
        a2a2a2a2  12:17:00 "carol (net)" joined as a guest in cdcdcdcd (responder) with
                  a ticket of "alice" (abababab), let in by "alice" and "bob" [written
                  before 12:20:00]
        a3a3a3a3  12:17:00 "dave" asked to join with a ticket of "alice" (abababab), and
                  nobody let them in [written before 12:20:00]
        a4a4a4a4  12:17:00 "erin" joined with a ticket of "alice" (abababab), let in by
                  "bob", WHICH COUNTS NO MORE [written before 12:20:00]
        a5a5a5a5  12:17:00 "alice" made "bob" admin [written before 12:20:00]
        a6a6a6a6  12:17:00 "alice" added the device 12D3KooWnew [written before
                  12:20:00]
        a7a7a7a7  12:17:00 "alice" removed "bob": 12D3KooWbob stolen, seconded by
                  "carol" [2 entries of incidents here REVOKED by it] [1 entry of
                  incidents here LATE by it] [1 entry of the team without effect by it]
                  [written before 12:20:00]
        a8a8a8a8  12:17:00 "bob" lowered "alice" to observer [OVERRULED: "alice" had
                  removed the author (a7a7a7a7), a recovery key had removed the author
                  (a9a9a9a9)] [written before 12:20:00]
        a9a9a9a9  12:17:00 recovery key 1 retired 12D3KooWbob of "bob" [WITHOUT EFFECT:
                  waits for another admin] [written before 12:20:00]
        b0b0b0b0  12:17:00 "alice" let more count of what the removal a7a7a7a7 took
                  [written before 12:20:00]
        b1b1b1b1  12:17:00 "alice" wrote what needs a newer muster (kind 300) [WITHOUT
                  EFFECT] [written before 12:20:00]
        5 entries more of the team: tickets, vouches, seconds and merges; by 1 ticket
        nobody came in
        "#);
    }

    #[test]
    fn in_markdown_no_name_is_markup_and_each_line_names_entry_and_device_in_full() {
        let told = history(&[event("a1", "**x** https://y [z](w)", newcomer(json!({})))]);
        insta::assert_snapshot!(markdown(&told), @r#"
        ## Team `7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e7e` **ops�"**, 2 persons at the end, 1 recovery key

        - 2023-07-20T12:17:00+00:00 **\*\*x\*\* https\://y \[z\]\(w\)** joined as responder with a ticket of **alice** (`abababababababababababababababababababababababababababababababab`), let in by **alice** (written before 2023-07-20T12:20:00+00:00) (device `12D3KooWabc`) `a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1`

        5 entries more of the team: tickets, vouches, seconds and merges; by 1 ticket nobody came in
        "#);
    }

    #[test]
    fn of_a_very_long_past_the_later_lines_are_counted() {
        let events: Vec<Value> =
            (0..EVENTS_SHOWN_MAX + 3).map(|_| event("a0", "alice", json!({"kind": "removed-nothing"}))).collect();
        let told = history(&events);
        for drawn in [show(&told, &page()), markdown(&told)] {
            assert_eq!(drawn.matches("devices that nobody had").count(), EVENTS_SHOWN_MAX);
            assert!(drawn.contains("3 later lines are left out"), "{drawn}");
        }
    }
}
