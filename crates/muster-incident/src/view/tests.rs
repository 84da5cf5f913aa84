//! What people see of one small outage, kept as they see it.

use crate::world::{START_MS, World};
use crate::{Act, Aside, board, export_json, export_markdown, incident_view, prepare, status_line, summary, timeline};
use muster_log::fact::{Capability, IncidentFact, Origin, RevokeMode, Saying, What};
use muster_log::time::PointPrecision;
use muster_log::{BodyText, Claimed, EntryId, Kind, Reason, Removal, Standing, Status, Taken, Timestamp, Value, When};
use serde_json::json;

fn say(text: &str) -> Act {
    Act::Say { text: text.into() }
}

/// Two people, a cut, two commanders, a clash, a milestone, a correction.
pub(super) fn outage() -> World {
    let (mut world, mut authors) = World::declared(&["alice", "bob"]);
    let [alice, bob] = authors.as_mut_slice() else { panic!("two authors") };
    let claim = || Act::RoleClaim { role: "ic".into(), take: None };
    let will = |text: &str| Act::Will {
        text: text.into(),
        target: "db-1".into(),
        undo: Some("start it again".into()),
        tested: None,
        expected_minutes: Some(5),
    };
    world.act(alice, claim()).unwrap();
    world.act(bob, claim()).unwrap();
    world.act(alice, will("restart the database")).unwrap();
    world.act(bob, will("fail over")).unwrap();
    let late = Aside {
        when: Some(When::about(Timestamp(START_MS - 600_000), None, 0)),
        when_text: Some("about 12:07".into()),
        who: Some("the help desk".into()),
        link: Some("https://example.org/t/1".into()),
    };
    let prepared =
        prepare(&world.seen_by(bob), &world.people, bob.person, &Act::Saw { text: "carts are *empty*".into() }, &late);
    let prepared = prepared.unwrap();
    let seen = world.write_fact(bob, &prepared.fact, prepared.body);
    world.act(bob, Act::Amend { id: seen.to_string(), text: "only some are".into() }).unwrap();
    World::reach(&bob.clone(), alice);
    world.act(alice, Act::Did { id: None, result: "worked".into(), text: Some("took 3 minutes".into()) }).unwrap();
    world.act(alice, Act::Mark { milestone: "recovered".into(), text: None }).unwrap();
    world.act(alice, Act::Decided { text: "we wait an hour".into() }).unwrap();
    world
}

#[test]
fn the_timeline_tells_the_story_oldest_event_first() {
    let world = outage();
    let rows = timeline(&world.document(), &world.people);
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let time = row.event_time.as_deref().unwrap_or("-");
            let amended = if row.amended_by.is_empty() { "" } else { " (amended)" };
            format!("{time} {} {} {}: {}{amended}", row.event_precision, row.author.person, row.kind, row.text)
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r###"
2023-07-20T12:07:00+00:00 about bob observation: carts are *empty* (amended)
2023-07-20T14:17:00+02:00 exact alice declare: Checkout is down
2023-07-20T14:18:00+02:00 exact alice role: claimed incident-commander
2023-07-20T14:19:00+02:00 exact bob role: claimed incident-commander
2023-07-20T14:20:00+02:00 exact alice action: restart the database
2023-07-20T14:21:00+02:00 exact bob action: fail over
2023-07-20T14:23:00+02:00 exact bob amendment: only some are
2023-07-20T14:24:00+02:00 exact alice action-state: worked: took 3 minutes
2023-07-20T14:25:00+02:00 exact alice milestone: recovered
2023-07-20T14:26:00+02:00 exact alice decision: we wait an hour
"###);
}

#[test]
fn a_row_has_the_fields_that_scripts_rely_on() {
    let world = outage();
    let rows = serde_json::to_value(timeline(&world.document(), &world.people)).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&rows[0]).unwrap(), @r###"
{
  "amended_by": [
    "41cad64590cc6066ada771336afb53b4c5009b4021c0559fcabe282551ad1dfa"
  ],
  "author": {
    "device": "12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq",
    "person": "bob"
  },
  "body_missing": false,
  "detail": {
    "link": "https://example.org/t/1",
    "who": "the help desk"
  },
  "event_end": null,
  "event_precision": "about",
  "event_text": "about 12:07",
  "event_time": "2023-07-20T12:07:00+00:00",
  "id": "4bcafe01782849fde1e954787c4f1cf00a83590690cbcb36f1f079c2112cc887",
  "incident": "e347dc12d7f4c2d369bc328a257cc71cfdc19710557e027d64ea7442c8f6cc0d",
  "kind": "observation",
  "origin": null,
  "recorded_time": "2023-07-20T14:22:00+02:00",
  "status": "active",
  "text": "carts are *empty*",
  "void": null
}
"###);
}

#[test]
fn the_report_reads_well_and_escapes_what_was_typed() {
    let world = outage();
    insta::assert_snapshot!(export_markdown(&incident_view(&world.document(), &world.people)), @r###"
# Checkout is down

- Incident: `e347dc12d7f4c2d369bc328a257cc71cfdc19710557e027d64ea7442c8f6cc0d`
- Severity: 2
- Phase: declared
- Declared: 2023-07-20T14:17:00+02:00
- **Contested**: incident-commander
- People: alice, bob

## Roles

- incident-commander (**contested**)
  - alice, since 2023-07-20T14:18:00+02:00
  - bob, since 2023-07-20T14:19:00+02:00

## Milestones

- **N** 2023-07-20T14:25:00+02:00: recovered (claimed by alice)

## Actions

- worked: restart the database, on db-1, alice
  - undone by: start it again
- planned: fail over, on db-1, bob
  - undone by: start it again

## Timeline

- about 2023-07-20T12:07:00+00:00 **bob** observation: carts are \*empty\* (recorded 2023-07-20T14:22:00+02:00) (reported by the help desk) https\://example.org/t/1 (amended by 41cad645) `4bcafe01`
- 2023-07-20T14:17:00+02:00 **alice** declare: Checkout is down `e347dc12`
- 2023-07-20T14:18:00+02:00 **alice** role: claimed incident-commander `965dece8`
- 2023-07-20T14:19:00+02:00 **bob** role: claimed incident-commander `57947c59`
- 2023-07-20T14:20:00+02:00 **alice** action: restart the database (on db-1) `050a617d`
- 2023-07-20T14:21:00+02:00 **bob** action: fail over (on db-1) `e61cc217`
- 2023-07-20T14:23:00+02:00 **bob** amendment: only some are `41cad645`
- 2023-07-20T14:24:00+02:00 **alice** action-state: worked: took 3 minutes (on db-1) `d4972539`
- 2023-07-20T14:25:00+02:00 **alice** milestone: recovered `f2119df0`
- 2023-07-20T14:26:00+02:00 **alice** decision: we wait an hour `b9a4947d`
"###);
}

#[test]
fn the_board_and_the_status_line_show_what_is_to_be_settled() {
    let world = outage();
    let board = board(&world.document(), &world.people);
    assert!(board.roles["incident-commander"].contested);
    assert_eq!(board.actions.len(), 1, "the other is done");
    assert_eq!((board.decisions.len(), board.requests.len(), board.people.len()), (1, 0, 2));
    insta::assert_snapshot!(status_line(&board.summary), @"e347dc12 Checkout is down · declared · severity 2 · commanders alice and bob (contested) · 1 open action · to settle: incident-commander");
}

#[test]
fn the_json_export_names_its_format_and_version() {
    let world = outage();
    let export: serde_json::Value =
        serde_json::from_str(&export_json(&incident_view(&world.document(), &world.people))).unwrap();
    assert_eq!((&export["format"], &export["version"]), (&"muster-incident".into(), &1.into()));
    assert_eq!(export["timeline"].as_array().unwrap().len(), world.entries.len());
}

#[test]
fn opaque_and_void_entries_are_shown_with_the_reason_and_do_nothing() {
    let (mut world, mut authors) = World::declared(&["alice"]);
    world.write_raw(&mut authors[0], Kind::from_number(99), vec![Value::Int(1)], Some(BodyText::plain("from later")));
    world.write_raw(&mut authors[0], Kind::SEVERITY, vec![Value::Null], None);
    let nowhere = What::Amendment { target: EntryId::from_bytes([1; 32]) };
    world.write(&mut authors[0], nowhere, BodyText::plain("lost"));
    let rows = timeline(&world.document(), &world.people);
    let told: Vec<_> =
        rows[1..].iter().map(|row| (row.kind.as_str(), row.text.as_str(), row.void.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("kind 99", "from later", Some("needs a newer muster")),
            ("severity", "", Some("void: its fields are malformed")),
            ("amendment", "lost", Some("void: it names an entry that is not in its past or not of the right kind")),
        ]
    );
    assert_eq!(summary(&world.document(), &world.people).severity, Some(2));
}

#[test]
fn what_has_no_effect_says_by_whose_removal_or_what_fork() {
    let (mut world, mut authors) = World::declared(&["alice", "bob"]);
    let said: Vec<EntryId> =
        ["one", "two", "three"].iter().map(|text| world.act(&mut authors[1], say(text)).unwrap()).collect();
    let removal = |byte: u8, by_recovery: bool, taken: Taken| Reason::Removal {
        removal: Removal {
            id: EntryId::from_bytes([byte; 32]),
            by: authors[0].person,
            by_recovery,
            of: [authors[1].person].into(),
            taken,
            standing: Standing::Counts,
            seconds: [].into(),
        },
        recorded: Timestamp(START_MS),
    };
    let stolen = Taken::Devices { devices: vec![authors[1].key], mode: RevokeMode::Compromise };
    let lowered = Taken::Capability { person: authors[1].person, left: Capability::Observer };
    let reasons = [
        (said[0], Status::Revoked, vec![removal(3, false, stolen.clone())]),
        (
            said[1],
            Status::Late,
            vec![removal(3, true, stolen), removal(4, false, lowered), Reason::Fork(EntryId::from_bytes([5; 32]))],
        ),
        (said[2], Status::Forked, vec![Reason::Fork(EntryId::from_bytes([5; 32]))]),
    ];
    world.statuses.extend(reasons.iter().map(|(id, status, _)| (*id, *status)));
    let mut document = world.document();
    document.explain(reasons.into_iter().map(|(id, _, why)| (id, why.into())).collect());
    let view = incident_view(&document, &world.people);
    let row = serde_json::to_value(&view.timeline[1]).unwrap();
    let told =
        json!({"removal": "03".repeat(32), "by": "alice", "of": ["bob"], "what": "stolen", "recorded_ms": START_MS});
    assert_eq!(row["why"], json!([told]));
    assert_eq!(serde_json::to_value(&view.timeline[3].why).unwrap(), json!([{"fork": "05".repeat(32)}]));
    assert!(serde_json::to_value(&view.timeline[0]).unwrap().get("why").is_none());
    let report = export_markdown(&view);
    let marks: Vec<&str> = report.lines().filter_map(|line| Some(line.split_once(": without effect)")?.0)).collect();
    let mark = |at: usize| marks[at].rsplit_once(" (").unwrap().1;
    assert!(marks[0].ends_with(" (REVOKED by alice's removal of bob (stolen), 2023-07-20T12:17:00+00:00"), "{report}");
    assert!(
        marks[1]
            .contains("(LATE by a recovery key's removal of bob (stolen), 2023-07-20T12:17:00+00:00 and by alice's")
    );
    assert!(marks[1].ends_with(" lowering of bob to observer, 2023-07-20T12:17:00+00:00 and 1 more"), "{report}");
    assert_eq!(mark(2), "FORKED with 05050505");
    document.explain(Default::default());
    assert!(timeline(&document, &world.people).iter().all(|row| row.why.is_empty()));
}

#[test]
fn a_body_that_is_not_here_leaves_the_row_and_says_so() {
    let (mut world, mut authors) = World::declared(&["alice"]);
    let note = world.act(&mut authors[0], say("secret")).unwrap();
    world.bodies.clear();
    let rows = timeline(&world.document(), &world.people);
    assert!(rows.iter().all(|row| row.body_missing && row.text.is_empty()));
    assert_eq!(rows[1].id, note.to_string());
    assert_eq!(summary(&world.document(), &world.people).title, "(title not here)");
}

#[test]
fn an_entry_that_came_along_tells_its_first_time_and_its_old_id_finds_it() {
    let (mut world, mut authors) = World::declared(&["alice"]);
    let old = EntryId::from_bytes([0xcd; 32]);
    let claimed = Claimed { time: Timestamp(START_MS - 86_400_000), offset_minutes: 0 };
    let fact = IncidentFact { when: None, origin: Some(Origin { entry: old, claimed }), what: What::Say(Saying::Note) };
    let new = world.write_fact(&mut authors[0], &fact, BodyText::plain("alone at first"));
    let doc = world.document();
    let row = timeline(&doc, &world.people).remove(0);
    assert_eq!(row.event_time.as_deref(), Some("2023-07-19T12:17:00+00:00"));
    assert_eq!(row.origin.unwrap().id, old.to_string());
    assert_eq!(crate::resolve_entry(&doc, "cdcdcd"), Ok(new));
}

#[test]
fn times_told_as_ranges_or_as_unknown_keep_their_place() {
    let (mut world, mut authors) = World::declared(&["alice"]);
    let at = |minutes: i64| Timestamp(START_MS + minutes * 60_000);
    let mut tell = |when: When, text: &str| {
        let fact = IncidentFact { when: Some(when), origin: None, what: What::Say(Saying::Note) };
        world.write_fact(&mut authors[0], &fact, BodyText::plain(text));
    };
    tell(When::unknown(), "some time");
    tell(When::between(at(-20), at(-10), 60), "within ten minutes");
    tell(When::at(at(-30), PointPrecision::Minute, 60), "first");
    let rows = timeline(&world.document(), &world.people);
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.text.as_str(), row.event_precision, row.event_time.as_deref(), row.event_end.is_some()))
        .collect();
    assert_eq!(
        told,
        [
            ("first", "minute", Some("2023-07-20T12:47:00+01:00"), false),
            ("within ten minutes", "range", Some("2023-07-20T12:57:00+01:00"), true),
            ("Checkout is down", "exact", Some("2023-07-20T14:17:00+02:00"), false),
            ("some time", "unknown", None, false),
        ]
    );
}
