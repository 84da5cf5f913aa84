//! What happened in a team, as JSON with names and times, for the report of a checked file.
//!
//! What happened is found in [`muster_log::TeamHistory`]; how a person reads it is drawn by whoever asked.

use crate::when::{is_in_range, rfc3339};
use jiff::tz::TimeZone;
use muster_incident::{OUT_OF_RANGE, People};
use muster_log::fact::{PersonKind, RevokeMode};
use muster_log::{
    DeviceKey, EntryId, Joined, Ledger, PersonId, Removal, Standing, Taken, TeamDeed, TeamEffect, TeamEvent,
    TeamHistory, Timestamp,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Characters of a team's name that are told; its founder can have typed any number.
const NAME_CHARS_MAX: usize = 64;

/// The past of a team and what its people are called.
pub(crate) struct Told {
    history: TeamHistory,
    people: People,
    team: String,
    name: Option<String>,
    recovery_keys: usize,
    /// What recovery keys wrote, which are nobody.
    by_recovery: BTreeSet<EntryId>,
}

impl Told {
    /// Of a ledger; `name` is what its founder called the team.
    pub(crate) fn new(ledger: &Ledger, people: People, name: Option<String>) -> Self {
        let history = ledger.team_history();
        let by_recovery = history.events.iter().filter(|event| event.recovery_key.is_some()).map(|event| event.id);
        Self {
            by_recovery: by_recovery.collect(),
            history,
            people,
            team: ledger.team().to_string(),
            name: name.map(|name| name.chars().take(NAME_CHARS_MAX).collect()),
            recovery_keys: ledger.recovery_keys().len(),
        }
    }

    /// All of it, with times in a zone.
    pub(crate) fn json(&self, zone: &TimeZone) -> Value {
        let TeamHistory { events, others, unused_tickets, spare } = &self.history;
        json!({
            "team": self.team,
            "name": self.name,
            "recovery_keys": self.recovery_keys,
            "persons": self.people.persons().count(),
            "events": events.iter().map(|event| self.event(event, *spare, zone)).collect::<Vec<_>>(),
            "others": others,
            "unused_tickets": unused_tickets,
        })
    }

    fn event(&self, event: &TeamEvent, spare: usize, zone: &TimeZone) -> Value {
        let at = |at: Timestamp| if is_in_range(at) { rfc3339(at, zone) } else { OUT_OF_RANGE.to_owned() };
        let mut told = json!({
            "id": event.id.to_string(),
            "by": if event.recovery_key.is_some() { None } else { Some(self.name(&event.by)) },
            "recovery_key": event.recovery_key,
            "device": event.device.to_string(),
            "recorded_time": at(event.claimed),
            "time_label": event.bracket.label(event.claimed).word(),
            "time_lower": event.bracket.lower.map(at),
            "time_upper": event.bracket.upper.map(at),
            "time_spare": spare,
            "effect": effect_word(event),
        });
        let more = self.deed(&event.deed);
        let cause = |(id, by): &(EntryId, PersonId)| {
            let by = (!self.by_recovery.contains(id)).then(|| self.name(by));
            json!({ "id": id.to_string(), "by": by })
        };
        let because: Vec<Value> = match &event.effect {
            TeamEffect::TakenBy(removals) => removals.iter().map(cause).collect(),
            _ => Vec::new(),
        };
        if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
            told.extend(more);
            told.insert("because".into(), json!(because));
        }
        told
    }

    fn deed(&self, deed: &TeamDeed) -> Value {
        match deed {
            TeamDeed::Created { person_kind } => {
                json!({ "kind": "created", "automation": is_automation(*person_kind) })
            }
            TeamDeed::Joined(joined) => self.joined(joined),
            TeamDeed::Device { device, was } => json!({
                "kind": "device",
                "devices": [device.to_string()],
                "was": was.map(|was| self.name(&was)),
            }),
            TeamDeed::Capability { person, capability } => json!({
                "kind": "capability",
                "of": [self.name(person)],
                "capability": capability.word(),
            }),
            TeamDeed::Confirmed { person } => json!({ "kind": "confirmed", "of": [self.name(person)] }),
            TeamDeed::Removed { removal, taken, set_aside } => {
                let mut told = self.removal(removal);
                told["revoked"] = json!(taken.revoked);
                told["late"] = json!(taken.late);
                told["set_aside"] = json!(set_aside);
                told
            }
            TeamDeed::RemovedNothing => json!({ "kind": "removed-nothing" }),
            TeamDeed::Cut { removal } => json!({ "kind": "cut", "removal": removal.to_string() }),
            TeamDeed::Unknown(kind) => json!({ "kind": "unknown", "number": kind.number() }),
        }
    }

    fn joined(&self, joined: &Joined) -> Value {
        json!({
            "kind": "joined",
            "automation": is_automation(joined.person_kind),
            "capability": joined.capability.word(),
            "guest_of": joined.incident.map(|incident| incident.to_string()),
            "ticket": joined.ticket.to_string(),
            "invited_by": self.name(&joined.invited_by),
            "let_in_by": self.names(&joined.let_in_by),
            "let_in_in_vain": self.names(&joined.let_in_in_vain),
            "rivals": self.names(&joined.rivals),
            "rivals_count": joined.rivals_count,
            "was": joined.was.map(|was| self.name(&was)),
        })
    }

    fn removal(&self, removal: &Removal) -> Value {
        let (devices, what) = match &removal.taken {
            Taken::Devices { devices, mode: RevokeMode::Retire } => (devices.as_slice(), "retired"),
            Taken::Devices { devices, mode: RevokeMode::Compromise } => (devices.as_slice(), "stolen"),
            Taken::Capability { left, .. } => (&[][..], left.word()),
        };
        json!({
            "kind": "removed",
            "of": self.names(&removal.of),
            "devices": devices.iter().map(DeviceKey::to_string).collect::<Vec<_>>(),
            "what": what,
            "seconds": self.names(&removal.seconds),
        })
    }

    fn name(&self, person: &PersonId) -> String {
        self.people.name(person)
    }

    fn names(&self, persons: &BTreeSet<PersonId>) -> Vec<String> {
        persons.iter().map(|person| self.name(person)).collect()
    }
}

fn is_automation(kind: PersonKind) -> bool {
    kind == PersonKind::Automation
}

fn effect_word(event: &TeamEvent) -> &'static str {
    let is_overruled =
        matches!(&event.deed, TeamDeed::Removed { removal, .. } if removal.standing == Standing::Overruled);
    match &event.effect {
        TeamEffect::Counts => "counts",
        TeamEffect::NeedsSecond => "needs-second",
        _ if is_overruled => "overruled",
        TeamEffect::TakenBy(_) => "set-aside",
        TeamEffect::Forked => "forked",
        TeamEffect::None => "none",
    }
}
