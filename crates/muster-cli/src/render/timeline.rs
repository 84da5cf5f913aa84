//! The timeline as a table: id, time of day, author, what happened. Days are headings.

use super::moment::{self, Moment};
use super::wrap::{behind_a_bar, column, cut_name, name_column, width, wrapped};
use super::{Page, in_quotes, name_alone, short};
use muster_incident::{OUT_OF_RANGE, Why, printable, status_words, time_words};
use muster_log::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Columns of an author's name at most; handles can be of any length.
const AUTHOR_COLUMNS_MAX: usize = 18;

/// Characters of a device that a line names.
const DEVICE_DIGITS: usize = 8;

/// Columns of the time at least and at most.
const TIME_COLUMNS: std::ops::RangeInclusive<usize> = 5..=20;

/// One entry.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    id: String,
    kind: String,
    author: Author,
    #[serde(flatten)]
    moment: Moment,
    recorded_time: String,
    text: String,
    status: String,
    #[serde(default)]
    why: Vec<Why>,
    #[serde(default)]
    detail: Detail,
    #[serde(default)]
    amended_by: Vec<String>,
    origin: Option<Origin>,
    void: Option<String>,
    #[serde(default)]
    body_missing: bool,
    /// The redactions in whose words the text is.
    #[serde(default)]
    redacted_by: Vec<String>,
    received_time: Option<String>,
    held_by: Option<Vec<String>>,
    held_count: Option<usize>,
    held_of: Option<usize>,
    #[serde(default)]
    only_here: bool,
    #[serde(default)]
    late: bool,
    time_label: Option<String>,
    time_lower: Option<String>,
    time_upper: Option<String>,
    /// How many persons' clocks may be wrong without moving them.
    #[serde(default)]
    time_spare: usize,
    /// Whether the device that wrote it is told too.
    #[serde(skip)]
    names_device: bool,
}

#[derive(Debug, Deserialize)]
struct Author {
    person: String,
    #[serde(default)]
    device: String,
}

#[derive(Debug, Deserialize)]
struct Origin {
    id: String,
}

#[derive(Debug, Default, Deserialize)]
struct Detail {
    target: Option<String>,
    on: Option<String>,
    state: Option<String>,
    undo: Option<String>,
    tested: Option<String>,
    drill: Option<bool>,
    private: Option<bool>,
    phase: Option<String>,
    severity: Option<u8>,
    link: Option<String>,
    who: Option<String>,
}

/// Draws all rows, oldest first.
pub(crate) fn show(rows: &[Row], page: &Page) -> String {
    if rows.is_empty() {
        return "nothing is logged yet\n".into();
    }
    let mut drawn = String::new();
    let mut day = None;
    let columns = Columns::of(rows, page);
    for row in rows {
        if let Some(start) = row.moment.start() {
            let its_day = moment::day(start, page);
            if day.as_ref() != Some(&its_day) {
                drawn.push_str(&format!("{}\n", page.paint.bold(&its_day)));
                day = Some(its_day);
            }
        }
        drawn.push_str(&columns.draw(row, page));
    }
    drawn
}

/// As [`show`], of a record that was handed over: each line tells the device that wrote it and what its clock said, and
/// above them stands whose devices these are.
pub(crate) fn show_record(rows: &mut [Row], page: &Page) -> String {
    let mut devices: BTreeMap<&str, &str> = BTreeMap::new();
    for row in rows.iter_mut() {
        row.names_device = true;
    }
    for Row { author: Author { person, device }, .. } in rows.iter() {
        devices.insert(device, person);
    }
    let mut devices: Vec<(&str, &str)> = devices.into_iter().map(|(device, person)| (person, device)).collect();
    devices.sort_unstable();
    let name = |(person, device): &(&str, &str)| {
        let head = format!("{}  ", name_column(&name_alone(person), AUTHOR_COLUMNS_MAX));
        wrapped(&head, width(&head), device)
    };
    let whose: String = devices.iter().map(name).collect();
    whose + &show(rows, page)
}

/// Enough of a device to tell it from others in a table above which it stands whole.
fn end_of_device(device: &str) -> &str {
    device.get(device.len().saturating_sub(DEVICE_DIGITS)..).unwrap_or(device)
}

/// How wide the columns of a table are.
struct Columns {
    time: usize,
    author: usize,
}

impl Columns {
    fn of(rows: &[Row], page: &Page) -> Self {
        let widest = |cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or(0);
        let time = widest(&mut rows.iter().map(|row| width(&row.moment.clock(page))));
        let author = widest(&mut rows.iter().map(|row| width(&row.author_shown())));
        Self { time: time.clamp(*TIME_COLUMNS.start(), *TIME_COLUMNS.end()), author: author.min(AUTHOR_COLUMNS_MAX) }
    }

    fn draw(&self, row: &Row, page: &Page) -> String {
        let (id, time) = (short(&row.id), column(&row.moment.clock(page), self.time));
        let author = name_column(&row.author_shown(), self.author);
        let columns = width(id) + 2 + self.time + 2 + self.author + 2;
        let head = format!("{}  {time}  {author}  ", page.paint.dim(id));
        if !row.is_for_audit() {
            return wrapped(&head, columns, &row.words(page));
        }
        let drawn = wrapped(&head, columns, &row.audit_words(page));
        if row.text.is_empty() { drawn } else { drawn + &behind_a_bar(columns, &row.text) }
    }
}

impl Row {
    /// Id, time, author and the text alone, in lines, for the board.
    pub(super) fn brief(&self, page: &Page) -> Vec<String> {
        let time = self.moment.start().map_or_else(|| "unknown".into(), |start| moment::day_and_clock(start, page));
        let head = format!("{}  {time}  ", short(&self.id));
        let text = format!("{}: {}", cut_name(&self.author.person, AUTHOR_COLUMNS_MAX), self.text);
        wrapped(&head, width(&head), &text).lines().map(str::to_owned).collect()
    }

    /// What happened, and in brackets what else there is to know.
    fn words(&self, page: &Page) -> String {
        let text = if self.body_missing { "(the text is not on this device)" } else { self.text.as_str() };
        let mut words = self.fact(text);
        for remark in self.remarks(page) {
            words.push_str(&format!(" [{}]", printable(&remark)));
        }
        if let Some(link) = &self.detail.link {
            words.push_str(&format!("\n{}", printable(link)));
        }
        words
    }

    /// Whether the program's words are to be told from what was typed, by somebody who trusts nobody who typed it.
    fn is_for_audit(&self) -> bool {
        self.names_device || self.time_label.is_some()
    }

    fn author_shown(&self) -> String {
        if self.is_for_audit() { name_alone(&self.author.person) } else { self.author.person.clone() }
    }

    /// As [`Row::words`] without the text, which stands below behind a bar; what else was typed is in quotes.
    fn audit_words(&self, page: &Page) -> String {
        let target = self.detail.target.as_deref().map(short);
        let mut words = match (self.kind.as_str(), target) {
            ("amendment", Some(target)) => format!("amends {target}"),
            ("declare", _) => self.detail.phase.clone().unwrap_or_else(|| "declared".to_owned()),
            ("action", _) if self.detail.state.as_deref() == Some("doing") => "is doing".to_owned(),
            ("action", _) => "will".to_owned(),
            ("observation", _) => "saw".to_owned(),
            ("decision", _) => "decided".to_owned(),
            ("request", _) => "needs".to_owned(),
            (kind, _) => kind.to_owned(),
        };
        if self.body_missing {
            words.push_str(" [the text is not here]");
        }
        if !self.redacted_by.is_empty() {
            let by: Vec<&str> = self.redacted_by.iter().map(|id| short(id)).collect();
            words.push_str(&format!(" [REDACTED by {}]", by.join(", ")));
        }
        for remark in self.remarks(page) {
            words.push_str(&format!(" [{}]", printable(&remark)));
        }
        words
    }

    /// What was typed besides the text, as it stands in remarks.
    fn typed(&self, text: &str) -> String {
        if self.is_for_audit() { in_quotes(&printable(text)) } else { text.to_owned() }
    }

    /// Who is known to hold it.
    fn held(&self) -> Option<String> {
        let names = self.held_by.as_ref()?.iter().map(|name| self.typed(name)).collect::<Vec<_>>().join(", ");
        Some(match (self.only_here, self.held_count.zip(self.held_of)) {
            (true, _) => "only on this device".to_owned(),
            (false, Some((count, of))) => format!("held by {count} of {of}: {names}"),
            (false, None) => format!("held by {names}"),
        })
    }

    fn fact(&self, text: &str) -> String {
        let detail = &self.detail;
        let about = |id: &Option<String>| id.as_deref().map(short).unwrap_or_default().to_owned();
        let on = detail.on.as_deref().map(|on| format!(" (on {})", printable(on))).unwrap_or_default();
        match self.kind.as_str() {
            "declare" => format!("{}: {text}", detail.phase.as_deref().unwrap_or("declared")),
            "observation" => format!("saw: {text}"),
            "decision" => format!("decided: {text}"),
            "request" => format!("needs: {text}"),
            "action" if detail.state.as_deref() == Some("doing") => format!("is doing: {text}{on}"),
            "action" => format!("will: {text}{on}"),
            "action-state" => format!("{text}{on}"),
            "amendment" => format!("amends {}: {text}", about(&detail.target)),
            "milestone" => format!("milestone {text}"),
            "title" => format!("title: {text}"),
            "note" | "severity" | "selection" | "role" | "phase" | "admit" | "redaction" => text.to_owned(),
            kind if text.is_empty() => kind.to_owned(),
            kind => format!("{kind}: {text}"),
        }
    }

    fn remarks(&self, page: &Page) -> Vec<String> {
        let detail = &self.detail;
        let mut remarks = Vec::new();
        if self.status != "active" {
            let at = |ms| {
                if self.is_for_audit() { moment::to_the_second(ms, page) } else { moment::day_and_clock(ms, page) }
            };
            let words = status_words(&self.status, &self.why, |name| self.typed(name), |ms| at(Timestamp(ms)));
            remarks.push(format!("{words}: without effect"));
        }
        remarks.extend(self.void.clone());
        if self.kind == "declare" {
            remarks.extend(detail.severity.map(|severity| format!("severity {severity}")));
            remarks.extend((detail.drill == Some(true)).then(|| "DRILL".to_owned()));
            remarks.extend((detail.private == Some(true)).then(|| "private".to_owned()));
        }
        if self.is_for_audit() {
            remarks.extend(detail.on.as_deref().map(|on| format!("on {}", self.typed(on))));
            remarks.extend(detail.link.as_deref().map(|link| format!("link {}", self.typed(link))));
        }
        remarks.extend(detail.undo.as_deref().map(|undo| format!("undo: {}", self.typed(undo))));
        remarks.extend(detail.tested.as_deref().map(|tested| format!("tested: {}", self.typed(tested))));
        remarks.extend(detail.who.as_deref().map(|who| format!("reported by {}", self.typed(who))));
        let apart = || Some(format!("recorded {}", self.moment.recorded_apart(&self.recorded_time, page)?));
        remarks.extend(self.device(page).or_else(apart));
        remarks.extend(self.origin.as_ref().map(|origin| format!("written as {} before joining", short(&origin.id))));
        if !self.amended_by.is_empty() {
            let ids: Vec<&str> = self.amended_by.iter().map(|id| short(id)).collect();
            remarks.push(format!("amended by {}", ids.join(", ")));
        }
        let received = self.received_time.as_deref().and_then(moment::read);
        let arrived = if self.late { "ARRIVED LATE, " } else { "arrived " };
        remarks.extend(received.map(|time| format!("{arrived}{}", moment::day_and_clock(time, page))));
        remarks.extend(self.held());
        remarks.extend(self.bracket(page));
        remarks
    }

    /// Between which times it was written, by the clocks of others, and whether that contradicts the author's.
    fn bracket(&self, page: &Page) -> Option<String> {
        let label = self.time_label.as_deref()?;
        let shown =
            |time: &str| moment::read(time).map_or_else(|| OUT_OF_RANGE.into(), |at| moment::to_the_second(at, page));
        let at = |time: &Option<String>| time.as_deref().map(shown);
        let (lower, upper) = (at(&self.time_lower), at(&self.time_upper));
        let recorded = read_recorded(&self.recorded_time, page);
        Some(time_words(label, lower.as_deref(), upper.as_deref(), &recorded, self.time_spare))
    }

    /// On which device it was written, and what its clock said.
    fn device(&self, page: &Page) -> Option<String> {
        let recorded = read_recorded(&self.recorded_time, page);
        self.names_device.then(|| format!("recorded {recorded} on {}", end_of_device(&self.author.device)))
    }
}

fn read_recorded(recorded: &str, page: &Page) -> String {
    moment::read(recorded).map_or_else(|| "an impossible time".to_owned(), |at| moment::to_the_second(at, page))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{fits, from, page};
    use super::*;
    use serde_json::{Value, json};

    /// A row as the node answers it.
    pub(in crate::render) fn row(id: &str, time: &str, person: &str, kind: &str, text: &str) -> Value {
        let time = format!("2023-07-20T{time}:00+00:00");
        json!({
            "id": id.repeat(8), "incident": "7f".repeat(32), "kind": kind,
            "author": {"person": person, "device": "12D3KooWabc"},
            "event_time": time, "event_end": null, "event_precision": "minute", "event_text": null,
            "recorded_time": time, "text": text, "status": "active", "detail": {}, "amended_by": [],
            "origin": null, "void": null, "body_missing": false,
        })
    }

    fn with(mut row: Value, changes: Value) -> Value {
        for (key, value) in changes.as_object().unwrap() {
            row[key] = value.clone();
        }
        row
    }

    #[test]
    fn a_timeline_is_a_table_with_days_as_headings_and_remarks_in_brackets() {
        let rows: Vec<Row> = from(json!([
            with(
                row("0a1b2c3d", "12:17", "alice", "declare", "Downloads\u{1b}[2J break\nfor everybody"),
                json!({
                "detail": {"severity": 1, "drill": true, "private": false, "phase": "suspected"},
                "event_time": "2023-07-19T12:17:00+00:00"})
            ),
            with(
                row("1a1b2c3d", "12:20", "bob", "observation", "5xx on the CDN"),
                json!({
                "event_precision": "about", "detail": {"who": "a customer", "link": "https://example.org/1"}})
            ),
            with(
                row(
                    "2a1b2c3d",
                    "12:25",
                    "a person with a very long name",
                    "action",
                    "roll back the deployment of \
                the service that builds URLs, then purge every edge cache there is"
                ),
                json!({
                "detail": {"on": "api-gateway", "state": "planned", "undo": "deploy again"},
                "amended_by": ["3a".repeat(32)]})
            ),
            with(
                row("3a1b2c3d", "12:26", "bob", "amendment", "only the URL builder"),
                json!({
                "detail": {"target": "2a1b2c3d".repeat(8)}, "status": "revoked",
                "why": [{"removal": "aa".repeat(32), "by": "alice", "of": ["bob"], "what": "stolen", "recorded_ms": 1_689_850_000_000i64}]})
            ),
            with(
                row("4a1b2c3d", "12:28", "alice", "milestone", "acknowledged"),
                json!({
                "recorded_time": "2023-07-20T12:40:00+00:00", "origin": {"id": "ff".repeat(32), "recorded_time": ""}})
            ),
            with(
                row("5a1b2c3d", "12:30", "日本", "note", ""),
                json!({"body_missing": true,
                "received_time": "2023-07-20T12:31:00+00:00", "held_by": ["alice", "bob"]})
            ),
            with(
                row("6a1b2c3d", "12:30", "bob", "note", "some time"),
                json!({
                "event_time": null, "event_precision": "unknown"})
            ),
        ]));
        insta::assert_snapshot!(fits(show(&rows, &page())), @r"
        Wednesday 19 July 2023 (UTC+00:00)
        0a1b2c3d  12:17        alice               suspected: Downloads�[2J break
                                                   for everybody [severity 1] [DRILL]
                                                   [recorded 20 Jul 12:17]
        Thursday 20 July 2023 (UTC+00:00)
        1a1b2c3d  about 12:20  bob                 saw: 5xx on the CDN [reported by a
                                                   customer]
                                                   https://example.org/1
        2a1b2c3d  12:25        a person with a v…  will: roll back the deployment of the
                                                   service that builds URLs, then purge
                                                   every edge cache there is (on
                                                   api-gateway) [undo: deploy again]
                                                   [amended by 3a3a3a3a]
        3a1b2c3d  12:26        bob                 amends 2a1b2c3d: only the URL builder
                                                   [REVOKED by alice's removal of bob
                                                   (stolen), 10:46: without effect]
        4a1b2c3d  12:28        alice               milestone acknowledged [recorded
                                                   12:40] [written as ffffffff before
                                                   joining]
        5a1b2c3d  12:30        日本                (the text is not on this device)
                                                   [arrived 12:31] [held by alice, bob]
        6a1b2c3d  unknown      bob                 some time [recorded 20 Jul 12:30]
        ");
    }

    #[test]
    fn a_record_tells_whose_clock_said_what_on_which_device_and_between_which_times() {
        let timed = |row: Value, label: &str, lower: Value, upper: Value| {
            with(row, json!({"time_label": label, "time_lower": lower, "time_upper": upper, "time_spare": 1}))
        };
        let at = |time: &str| json!(format!("2023-07-20T{time}.250+00:00"));
        let mut rows: Vec<Row> = from(json!([
            timed(row("0a1b2c3d", "12:17", "alice", "note", "first"), "unbounded", Value::Null, at("12:17:30")),
            timed(
                with(
                    row("1a1b2c3d", "12:20", "bob\u{1b}[2J", "note", "second"),
                    json!({"author": {"person": "bob\u{1b}[2J",
                    "device": "12D3KooWxyz98765"}, "status": "late", "recorded_time": "2022-01-02T03:04:05.000+00:00",
                    "why": [{"removal": "aa".repeat(32), "by": null, "of": ["bob\u{1b}[2J"], "what": "stolen", "recorded_ms": 1_689_850_000_000i64},
                            {"removal": "ab".repeat(32), "by": "x's removal of y", "of": ["z"], "what": "observer", "recorded_ms": i64::MAX},
                            {"fork": "ac".repeat(32)}]})
                ),
                "early",
                at("12:17:10"),
                at("12:19:00")
            ),
            timed(row("2a1b2c3d", "12:21", "alice", "note", "third"), "contradictory", at("12:30:00"), at("12:20:00")),
            with(
                timed(
                    row("3a1b2c3d", "12:22", "alice", "note", "fourth"),
                    "late-claimed",
                    Value::Null,
                    json!("-999999999999999 ms since 1970")
                ),
                json!({"time_spare": 0})
            ),
        ]));
        insta::assert_snapshot!(fits(show_record(&mut rows, &page())), @r#"
        alice               12D3KooWabc
        "bob�[2J"           12D3KooWxyz98765
        Thursday 20 July 2023 (UTC+00:00)
        0a1b2c3d  12:17  alice      note [recorded 12:17:00 on 3KooWabc] [written before
                                    12:17:30]
                                    | first
        1a1b2c3d  12:20  "bob�[2J"  note [LATE by a recovery key's removal of "bob�[2J"
                                    (stolen), 10:46:40 and by "x's removal of y"'s
                                    lowering of "z" to observer, unknown and 1 more:
                                    without effect] [recorded 2 Jan 2022 03:04:05 on
                                    xyz98765] [CLOCK EARLY: says 2 Jan 2022 03:04:05,
                                    written between 12:17:10 and 12:19:00]
                                    | second
        2a1b2c3d  12:21  alice      note [recorded 12:21:00 on 3KooWabc] [CLOCKS
                                    CONTRADICT: written between 12:30:00 and 12:20:00]
                                    | third
        3a1b2c3d  12:22  alice      note [recorded 12:22:00 on 3KooWabc] [CLOCKS
                                    CONTRADICT: says 12:22:00, written before a time out
                                    of range by the clocks of others; so few people
                                    cannot tell whose is wrong]
                                    | fourth
        "#);
    }

    #[test]
    fn whatever_is_typed_into_a_record_cannot_be_taken_for_the_programs_marks() {
        let mark = "x] [REVOKED: without effect";
        let mut rows: Vec<Row> = from(json!([with(
            row("0a1b2c3d", "12:17", "bob  note [LATE", "action", &format!("[revoked]\n[{mark}]")),
            json!({"detail": {"on": mark, "undo": mark, "tested": mark, "who": mark, "link": mark}, "amended_by": ["3a".repeat(32)]})
        )]));
        insta::assert_snapshot!(fits(show_record(&mut rows, &page())), @r#"
        "bob  note [LATE"   12D3KooWabc
        Thursday 20 July 2023 (UTC+00:00)
        0a1b2c3d  12:17  "bob  note [LATE"  will [on "x] [REVOKED: without effect"]
                                            [link "x] [REVOKED: without effect"] [undo:
                                            "x] [REVOKED: without effect"] [tested: "x]
                                            [REVOKED: without effect"] [reported by "x]
                                            [REVOKED: without effect"] [recorded
                                            12:17:00 on 3KooWabc] [amended by 3a3a3a3a]
                                            | [revoked]
                                            | [x] [REVOKED: without effect]
        "#);
    }

    #[test]
    fn an_empty_timeline_says_so() {
        assert_eq!(show(&[], &page()), "nothing is logged yet\n");
    }
}
