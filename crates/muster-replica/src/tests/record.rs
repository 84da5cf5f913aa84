//! Verification of what is stored, step by step, and reading a record that was handed over.

use super::{Room, declare, say};
use crate::{AuditOrder, Record, VerifyScope};
use muster_incident::Aside;
use muster_log::audit::Rows;
use muster_log::{BodyHash, DagId, IncidentId, TeamId, TimeLabel, Timestamp, Verifier};
use std::collections::BTreeMap;

const MINUTE_MS: i64 = 60_000;

impl Room {
    /// As [`Room::write`], by a clock that is wrong by so much, and brought to everybody.
    fn say_by_wrong_clock(&mut self, desk: usize, team: TeamId, incident: IncidentId, off_ms: i64) {
        self.tick += 1;
        let mut now = self.now();
        now.wall = Timestamp(now.wall.0 + off_ms);
        self.desks[desk].write(team, Some(incident), &say("by a wrong clock"), &Aside::default(), now).unwrap();
        self.desks[desk].commit(now).unwrap();
        self.settle();
    }
}

/// What a file of this desk's would hold, verified without a home.
fn handed_over(room: &Room, desk: usize, team: TeamId) -> Record {
    let replica = &room.desks[desk];
    let plan = replica.plan_audit(&team, &AuditOrder::All, 0, room.now()).unwrap();
    assert_eq!(plan.manifest.lost, 0);
    let mut verifier = Verifier::new(team).every().expecting(plan.manifest.ids()).lacking(plan.manifest.absent.clone());
    let mut bodies: BTreeMap<BodyHash, Vec<u8>> = BTreeMap::new();
    for (dag, ids) in &plan.manifest.dags {
        let page = replica.audit_rows(&team, dag, 0, usize::MAX).unwrap();
        assert_eq!(page.next, ids.len());
        assert!(page.absent.iter().all(|at| plan.manifest.absent.contains(&ids[*at])));
        for row in Rows::of(&page.bytes).map(Result::unwrap) {
            let entry = verifier.read(None, &row.entry).unwrap();
            bodies.extend(entry.body().map(|body| body.hash).zip(row.body.clone()));
            verifier.judge(entry, row.signature, row.body.as_deref());
        }
    }
    let (report, ledger) = verifier.finish();
    assert!(report.is_ok(), "{report:?}");
    Record::new(&ledger, bodies).unwrap()
}

#[test]
fn a_record_that_was_handed_over_reads_as_it_does_at_home_with_every_doubt_about_a_clock() {
    let mut room = Room::new(4);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    for desk in [1, 2, 3, 0] {
        room.write(desk, team, Some(incident), &say("seen"));
        room.settle();
    }
    room.say_by_wrong_clock(2, team, incident, -10 * MINUTE_MS);
    for desk in [0, 1, 3] {
        room.write(desk, team, Some(incident), &say("still"));
        room.settle();
    }
    room.say_by_wrong_clock(3, team, incident, 10 * MINUTE_MS);
    for desk in [0, 1, 2] {
        room.write(desk, team, Some(incident), &say("and on"));
        room.settle();
    }
    let mut record = handed_over(&room, 1, team);
    assert_eq!(record.incidents(), [incident]);
    for desk in 0..4 {
        let at_home =
            (room.desks[desk].view(team, incident).unwrap(), room.desks[desk].time_audit(team, incident).unwrap());
        assert_eq!(record.read(incident).unwrap(), at_home);
        let found = room.desks[desk].verify(VerifyScope::default()).unwrap();
        assert_eq!(found.problems, [], "no clock is a problem");
        let (_, report) = &found.teams[0];
        let clocks = &report.clocks[&incident];
        let person = |desk: usize| room.desks[desk].ledger(&team).unwrap().roster().person_of(&room.key(desk)).unwrap();
        let doubts = [(2, TimeLabel::Early), (3, TimeLabel::LateClaimed)];
        let doubts = doubts.map(|(desk, label)| ((person(desk), room.key(desk), label), 1));
        assert_eq!(clocks.doubts, BTreeMap::from(doubts));
        assert_eq!((clocks.spare, clocks.entries()), (1, at_home.1.findings.len()));
        assert!(clocks.both > 4 && clocks.one > 1 && clocks.none == 0, "{clocks:?}");
    }
}

#[test]
fn what_comes_while_it_is_verified_is_left_for_the_next_time_and_nothing_of_it_is_missed() {
    let mut room = Room::new(3);
    let team = room.team();
    let incident = room.write(0, team, None, &declare("checkout is down"));
    room.settle();
    let scope = VerifyScope { incident: None, every: true };
    let before = room.desks[0].verify(scope).unwrap();
    let mut verifying = room.desks[0].begin_verify(scope);
    let (_, of) = verifying.progress();
    assert_eq!(of, before.entries as u64);
    let mut last = 0;
    let found = loop {
        // A newcomer's roster entries, what builds on them, and another incident.
        let ticket = room.ticket(team, super::HOUR_MS);
        room.write(1, team, Some(incident), &say("meanwhile"));
        room.write(0, team, None, &declare(&format!("another {}", ticket.invite)));
        room.settle();
        if let Some(found) = room.desks[0].step_verify(&mut verifying).unwrap() {
            break found;
        }
        let (done, still) = verifying.progress();
        assert!(done >= last && done <= of && still == of);
        last = done;
    };
    assert_eq!(found, before);
    assert_eq!(last, of);
    let after = room.desks[0].verify(scope).unwrap();
    assert!(after.problems.is_empty() && after.entries > before.entries + 3);
    let dag = DagId::from(incident);
    let of_one = room.desks[0].verify(VerifyScope { incident: Some((team, incident)), every: true }).unwrap();
    let ledger = room.desks[0].ledger(&team).unwrap();
    let expected = ledger.dag(&dag).unwrap().len() + ledger.dag(&team.into()).unwrap().len();
    assert_eq!(of_one.entries, expected, "the incident and the roster");
}
