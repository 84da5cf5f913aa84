//! Requests that decide who is in the team and may do what, and what they would lead to.
//!
//! What a decision means is `muster-log`'s affair; here words become persons and devices, and answers become JSON.

use super::Engine;
use crate::decision::{Deciding, Decision};
use crate::request::Failure;
use muster_incident::{People, printable};
use muster_log::fact::{Capability, RevokeMode, RosterFact};
use muster_log::{
    DeviceKey, DeviceSecret, EntryId, IncidentId, PersonId, Removal, Roster, Standing, Status, Taken, TeamId, Timestamp,
};
use muster_replica::{Decision as ByRecovery, Outlook, Removing};
use muster_store::Storage;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Entries that are listed of those that will count for something else; all are counted.
const CHANGED_LISTED_MAX: usize = 50;

/// Characters of the text of an entry that is listed.
const TEXT_SHOWN: usize = 60;

/// The characters of a device's end that are shown for it.
const END_SHOWN: usize = 6;

/// The fewest characters of a device's end, or of an id's beginning, that stand for it.
const PART_MIN: usize = 4;

impl<S: Storage> Engine<S> {
    /// Carries a decision out, or tells what it would lead to.
    pub(crate) fn decide(&mut self, decision: &Decision) -> Result<Value, Failure> {
        let team = self.replica.current_team()?.ok_or_else(no_team)?;
        let people = self.replica.people(&team)?;
        let key = match &decision.recovery {
            Some(words) => Some(words.secret().map_err(|bad| {
                Failure::new(format!("this is no recovery key: {bad}"))
                    .hint("type the 24 words as they stand on the paper")
            })?),
            None => None,
        };
        match &decision.what {
            Deciding::Confirm { person } => self.confirm(team, &people, person, key.as_ref()),
            Deciding::Capability { person, capability } => {
                let person = found(&people, person)?;
                let capability = capability_typed(capability)?;
                let roster = self.replica.ledger(&team)?.roster();
                let held = roster.capability(&person);
                if capability == Capability::Admin && roster.guest_of(&person).is_some() {
                    let guest = people.name(&person);
                    return Err(Failure::new(format!(
                        "{guest} is a guest of one incident, and guests decide nothing here"
                    ))
                    .hint("`muster team revoke NAME --retired`, then a ticket for a member: `muster invite`"));
                }
                match held {
                    Some(held) if held == capability => {
                        Err(Failure::new(format!("{} is {} already", people.name(&person), with_article(capability)))
                            .hint("`muster team show` tells what everybody may do"))
                    }
                    Some(held) if capability < held => {
                        let removing = Removing::Capability { person, left: capability };
                        self.remove(team, &removing, decision.outlook, key.as_ref())
                    }
                    _ => self.grant(team, person, capability, decision.outlook, key.as_ref()),
                }
            }
            Deciding::Revoke { whom, stolen, until_ms } => {
                let devices = self.devices_typed(&team, &people, whom)?;
                let mode = if *stolen { RevokeMode::Compromise } else { RevokeMode::Retire };
                let removing = Removing::Devices { devices, mode, until: until_ms.map(Timestamp) };
                self.remove(team, &removing, decision.outlook, key.as_ref())
            }
            Deciding::Second { removal } => {
                let removal = self.removal_typed(&team, &people, removal)?;
                self.second(team, removal, decision.outlook)
            }
        }
    }

    fn second(&mut self, team: TeamId, removal: EntryId, is_outlook: bool) -> Result<Value, Failure> {
        let now = self.now();
        let before = self.replica.people(&team)?;
        let held = self.replica.ledger(&team)?.roster().clone();
        let outlook = self.replica.second_outlook(team, removal, now)?;
        let entries = if is_outlook { Vec::new() } else { vec![self.replica.second(team, removal, now)?] };
        let mut told =
            self.outcome(&team, &before, &held, &Outlook { entries, ..outlook }, &BTreeSet::new(), is_outlook)?;
        told["removal"] = json!(removal.to_string());
        Ok(told)
    }

    fn confirm(
        &mut self,
        team: TeamId,
        people: &People,
        typed: &str,
        key: Option<&DeviceSecret>,
    ) -> Result<Value, Failure> {
        let person = found(people, typed)?;
        let rivals = self.replica.ledger(&team)?.rivals();
        let Some(rivals) = rivals.into_iter().find(|rivals| rivals.contains(&person)) else {
            return Err(Failure::new(format!("nobody else came with the ticket of {}", people.name(&person)))
                .hint("`muster team show` tells whose tickets were used twice"));
        };
        let now = self.now();
        let entry = match key {
            Some(key) => self.replica.recover(team, key, &ByRecovery::Confirm { person }, now)?.first().copied(),
            None => Some(self.replica.decide(team, &RosterFact::Confirm { join: person.genesis() }, now)?),
        };
        let out: Vec<String> =
            rivals.iter().filter(|rival| **rival != person).map(|rival| people.name(rival)).collect();
        Ok(json!({
            "entry": entry.map(|entry| entry.to_string()),
            "person": people.name(&person),
            "out": out,
            "signed": true,
        }))
    }

    fn grant(
        &mut self,
        team: TeamId,
        person: PersonId,
        capability: Capability,
        outlook: bool,
        key: Option<&DeviceSecret>,
    ) -> Result<Value, Failure> {
        let now = self.now();
        let entry = match (outlook, key) {
            (true, _) => None,
            (false, Some(key)) => {
                self.replica.recover(team, key, &ByRecovery::Grant { person, capability }, now)?.first().copied()
            }
            (false, None) => Some(self.replica.decide(team, &RosterFact::SetCapability { person, capability }, now)?),
        };
        Ok(json!({
            "entries": entry.iter().map(EntryId::to_string).collect::<Vec<_>>(),
            "person": self.replica.people(&team)?.name(&person),
            "capability": capability.word(),
            "takes": false,
            "signed": entry.is_some(),
        }))
    }

    fn remove(
        &mut self,
        team: TeamId,
        removing: &Removing,
        is_outlook: bool,
        key: Option<&DeviceSecret>,
    ) -> Result<Value, Failure> {
        let now = self.now();
        let before = self.replica.people(&team)?;
        let held = self.replica.ledger(&team)?.roster().clone();
        let is_stolen = matches!(removing, Removing::Devices { mode: RevokeMode::Compromise, .. });
        if key.is_none() && !is_stolen {
            let would = self.replica.outlook(team, removing, now)?;
            self.check_somebody_decides(&team, &would)?;
        }
        let outlook = match (is_outlook, key) {
            (true, None) => self.replica.outlook(team, removing, now)?,
            (true, Some(key)) => self.replica.recovery_outlook(team, key, removing, now)?,
            (false, None) => self.replica.remove(team, removing, now)?,
            (false, Some(key)) => {
                let outlook = self.replica.recovery_outlook(team, key, removing, now)?;
                let entries = self.replica.recover(team, key, &ByRecovery::Remove(removing.clone()), now)?;
                Outlook { entries, ..outlook }
            }
        };
        let taken = match removing {
            Removing::Devices { devices, .. } => devices.clone(),
            Removing::Capability { .. } => BTreeSet::new(),
        };
        self.outcome(&team, &before, &held, &outlook, &taken, is_outlook)
    }

    /// What a decision that takes something has done, or would do; `taken` are the devices that it names.
    fn outcome(
        &self,
        team: &TeamId,
        before: &People,
        held: &Roster,
        outlook: &Outlook,
        taken: &BTreeSet<DeviceKey>,
        is_outlook: bool,
    ) -> Result<Value, Failure> {
        let names = |persons: BTreeSet<PersonId>| persons.iter().map(|p| before.name(p)).collect::<Vec<_>>();
        let gone = held.persons().filter(|person| outlook.roster.capability(person).is_none()).collect();
        let admins = outlook.roster.persons().filter(|p| outlook.roster.capability(p) == Some(Capability::Admin));
        let lowered = held
            .persons()
            .filter(|p| outlook.roster.capability(p).is_some_and(|left| Some(left) < held.capability(p)))
            .collect();
        let devices: Vec<DeviceKey> =
            held.members().into_iter().filter(|device| outlook.roster.person_of(device).is_none()).collect();
        let changed: Result<Vec<Value>, Failure> = outlook
            .changed
            .iter()
            .take(CHANGED_LISTED_MAX)
            .map(|changed| self.changed(team, before, changed))
            .collect();
        Ok(json!({
            "entries": if is_outlook { vec![] } else { outlook.entries.iter().map(EntryId::to_string).collect() },
            "signed": !is_outlook,
            "takes": true,
            "counts": outlook.counts,
            "devices": devices.iter().map(DeviceKey::to_string).collect::<Vec<_>>(),
            "gone": names(gone),
            "lowered": names(lowered),
            "admins_left": names(admins.collect()),
            "recovery_keys": self.replica.ledger(team)?.recovery_keys().len(),
            "kept_count": self.kept(team, &devices.iter().chain(taken).copied().collect(), outlook)?,
            "changed_count": outlook.changed.len(),
            "changed": changed?,
        }))
    }

    /// How many entries of devices that go are here and go on counting.
    fn kept(&self, team: &TeamId, devices: &BTreeSet<DeviceKey>, outlook: &Outlook) -> Result<usize, Failure> {
        let ledger = self.replica.ledger(team)?;
        let is_theirs = |id: &EntryId| ledger.entry(id).is_some_and(|entry| devices.contains(&entry.key()));
        let lost: BTreeSet<EntryId> = outlook.changed.iter().map(|changed| changed.entry).collect();
        let active = |incident: IncidentId| -> usize {
            let all = ledger.statuses(&incident);
            all.iter().filter(|(id, status)| **status == Status::Active && is_theirs(id) && !lost.contains(*id)).count()
        };
        Ok(ledger.incidents().map(active).sum())
    }

    /// Refuses to take from the last admin what nobody could give back. A stolen device goes all the same: it must.
    fn check_somebody_decides(&self, team: &TeamId, would: &Outlook) -> Result<(), Failure> {
        let has_admin = would.roster.persons().any(|p| would.roster.capability(&p) == Some(Capability::Admin));
        if has_admin || !would.counts || !self.replica.ledger(team)?.recovery_keys().is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            "nobody could decide about members any more: this takes the team's last admin, and it has no recovery key",
        )
        .hint("make somebody else admin first: `muster team set NAME admin`"))
    }

    fn changed(&self, team: &TeamId, people: &People, changed: &muster_replica::Changed) -> Result<Value, Failure> {
        let ledger = self.replica.ledger(team)?;
        let entry = ledger.entry(&changed.entry);
        let author = ledger.person(&changed.entry).map(|person| people.name(&person));
        Ok(json!({
            "entry": changed.entry.to_string(),
            "incident": changed.incident.to_string(),
            "kind": entry.map(|entry| entry.kind().to_string()),
            "author": author,
            "text": self.text_of(team, changed),
            "recorded_ms": entry.map(|entry| entry.claimed().time.0),
            "before": changed.before.word(),
            "after": changed.after.word(),
        }))
    }

    /// The beginning of what an entry says.
    fn text_of(&self, team: &TeamId, changed: &muster_replica::Changed) -> Option<String> {
        let text = self.replica.text(team, &changed.entry).ok()??;
        Some(text.chars().take(TEXT_SHOWN).collect())
    }

    /// All removals that were ever written, for `team show`.
    pub(crate) fn removals_told(&self, team: &TeamId, people: &People) -> Result<Vec<Value>, Failure> {
        let ledger = self.replica.ledger(team)?;
        let told = ledger.removals().into_iter().map(|removal| {
            let names = |persons: &BTreeSet<PersonId>| persons.iter().map(|p| people.name(p)).collect::<Vec<_>>();
            let (devices, what) = match &removal.taken {
                Taken::Devices { devices, mode: RevokeMode::Retire } => (devices.clone(), "retired"),
                Taken::Devices { devices, mode: RevokeMode::Compromise } => (devices.clone(), "stolen"),
                Taken::Capability { left, .. } => (Vec::new(), left.word()),
            };
            json!({
                "id": removal.id.to_string(),
                "by": if removal.by_recovery { "a recovery key".to_owned() } else { people.name(&removal.by) },
                "of": names(&removal.of),
                "devices": devices.iter().map(DeviceKey::to_string).collect::<Vec<_>>(),
                "what": what,
                "state": match removal.standing {
                    Standing::Counts => "counts",
                    Standing::NeedsSecond => "needs-second",
                    Standing::Overruled => "overruled",
                },
                "seconds": names(&removal.seconds),
            })
        });
        Ok(told.collect())
    }

    /// The removal that a typed id, prefix, or name of somebody means whose removal waits for a second.
    fn removal_typed(&self, team: &TeamId, people: &People, typed: &str) -> Result<EntryId, Failure> {
        let waiting: Vec<Removal> = self.replica.ledger(team)?.removals();
        let waiting: Vec<Removal> = waiting.into_iter().filter(|r| r.standing == Standing::NeedsSecond).collect();
        let prefix = typed.to_ascii_lowercase();
        let mut found: Vec<EntryId> = Vec::new();
        if typed.len() >= PART_MIN {
            found.extend(waiting.iter().map(|r| r.id).filter(|id| id.to_string().starts_with(&prefix)));
        }
        if found.is_empty()
            && let Ok(person) = people.find(typed)
        {
            found.extend(waiting.iter().filter(|removal| removal.of.contains(&person)).map(|removal| removal.id));
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(Failure::new(format!("no removal `{}` waits for a second", printable(typed)))
                .hint("`muster team show` lists those that do")),
            _ => Err(Failure::new(format!("several removals fit `{}`", printable(typed)))
                .hint("give its id, as `muster team show` prints it")),
        }
    }

    /// The devices that are out, by name, id and end: of one that turns out to have been stolen earlier less may count.
    fn removed_devices(
        &self,
        team: &TeamId,
        people: &People,
    ) -> Result<BTreeMap<String, BTreeSet<DeviceKey>>, Failure> {
        let ledger = self.replica.ledger(team)?;
        let mut out: BTreeMap<String, BTreeSet<DeviceKey>> = BTreeMap::new();
        for removal in ledger.removals() {
            let Taken::Devices { devices, .. } = &removal.taken else { continue };
            let gone = || devices.iter().copied().filter(|device| ledger.roster().person_of(device).is_none());
            // Of several persons at once it is not known here whose each device was.
            if let (1, Some(person)) = (removal.of.len(), removal.of.first()) {
                out.entry(people.name(person)).or_default().extend(gone());
            }
            for device in gone() {
                let id = device.to_string();
                let end: String = id.chars().skip(id.chars().count().saturating_sub(END_SHOWN)).collect();
                out.entry(end).or_default().insert(device);
                out.entry(id).or_default().insert(device);
            }
        }
        Ok(out)
    }

    /// The devices that names and devices mean; of a device its end will do, as `team show` prints it.
    fn devices_typed(&self, team: &TeamId, people: &People, typed: &[String]) -> Result<BTreeSet<DeviceKey>, Failure> {
        let members = self.replica.ledger(team)?.roster().members();
        let out = self.removed_devices(team, people)?;
        let mut devices = BTreeSet::new();
        for word in typed {
            if let Ok(person) = people.find(word) {
                let is_device = word.parse::<DeviceKey>().ok().filter(|device| members.contains(device));
                match is_device {
                    Some(device) => drop(devices.insert(device)),
                    None => devices.extend(people.devices(&person)),
                }
                continue;
            }
            let ends: Vec<DeviceKey> = members
                .iter()
                .filter(|device| word.len() >= PART_MIN && device.to_string().ends_with(word.as_str()))
                .copied()
                .collect();
            match ends.as_slice() {
                [one] => drop(devices.insert(*one)),
                [] if out.contains_key(word) => devices.extend(&out[word]),
                [] => drop(found(people, word)?),
                _ => return Err(Failure::new(format!("several devices end with `{}`", printable(word)))),
            }
        }
        Ok(devices)
    }
}

fn no_team() -> Failure {
    Failure::new("there is no team here yet").hint("`muster team create` makes one, `muster join TICKET` joins one")
}

fn found(people: &People, typed: &str) -> Result<PersonId, Failure> {
    people
        .find(typed)
        .map_err(|error| Failure::new(error.to_string()).hint("`muster team show` lists everybody with their devices"))
}

fn capability_typed(typed: &str) -> Result<Capability, Failure> {
    [Capability::Observer, Capability::Responder, Capability::Admin].into_iter().find(|c| c.word() == typed).ok_or_else(
        || {
            Failure::new(format!("`{}` is nothing that somebody can be", printable(typed)))
                .hint("admin, responder or observer")
        },
    )
}

fn with_article(capability: Capability) -> &'static str {
    match capability {
        Capability::Admin => "an admin",
        Capability::Responder => "a responder",
        Capability::Observer => "an observer",
    }
}
