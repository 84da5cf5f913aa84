//! Requests about teams: create, invite, who is in it, where members listen.

use super::{Engine, check_name};
use crate::lookalike::lookalikes;
use crate::request::{Failure, Invite, RecoveryWords};
use muster_incident::{People, printable};
use muster_log::fact::Capability;
use muster_log::limits::RECOVERY_KEYS_MAX;
use muster_log::{DeviceKey, DeviceSecret, PersonId, TeamId, Ticket};
use muster_store::Storage;
use serde_json::{Value, json};

/// The longest time a ticket may be honoured: a day. Somebody who has not joined by then asks again.
const TICKET_MINUTES_MAX: u32 = 24 * 60;

/// Tickets that an answer lists: more than any team needs in a day.
const TICKETS_LISTED_MAX: usize = 100;

impl<S: Storage> Engine<S> {
    /// Creates a team. The words of its recovery keys are in the answer and nowhere else.
    pub(crate) fn create_team(
        &mut self,
        name: Option<&str>,
        called: Option<&str>,
        recovery: u8,
    ) -> Result<Value, Failure> {
        if usize::from(recovery) > RECOVERY_KEYS_MAX {
            return Err(Failure::new(format!("a team has {RECOVERY_KEYS_MAX} recovery keys at most")));
        }
        let seeds: Vec<_> = (0..recovery).map(|_| self.replica.draw_seed()).collect();
        let keys = seeds.iter().map(|seed| DeviceSecret::from_seed(seed).public());
        let keys: Vec<DeviceKey> = keys.collect();
        let words: Vec<Value> = seeds
            .iter()
            .zip(&keys)
            .map(|(seed, key)| json!({ "key": key.to_string(), "words": RecoveryWords::of(seed).text() }))
            .collect();
        let called = called.map(str::trim).filter(|called| !called.is_empty());
        check_name("the team's name", called.unwrap_or_default(), "type it again by hand, without that")?;
        let team = self.found_team_with(name, called, keys)?;
        Ok(json!({ "team": team.to_string(), "name": called, "recovery": words }))
    }

    pub(crate) fn invite(&mut self, invite: &Invite) -> Result<Value, Failure> {
        let capability = match invite.capability.as_str() {
            "responder" => Capability::Responder,
            "observer" => Capability::Observer,
            other => {
                return Err(Failure::new(format!("a ticket cannot make somebody `{other}`"))
                    .hint("responder or observer; an admin is made later, of a member"));
            }
        };
        let minutes = invite.minutes;
        if !(1..=TICKET_MINUTES_MAX).contains(&minutes) {
            return Err(Failure::new("a ticket is good for one minute at least and one day at most")
                .hint("--for 30m, --for 24h; whoever has not joined by then asks again"));
        }
        // First what may be refused: nothing is founded for a ticket that is not made.
        let addresses = match invite.addresses.as_slice() {
            [] => self.own_addresses()?,
            typed => addresses_typed(typed)?,
        };
        let incident = invite.incident.as_deref().map(|typed| self.incident_typed(typed)).transpose()?;
        let team = match (incident, self.replica.current_team()?) {
            (Some((team, _)), _) | (None, Some(team)) => team,
            (None, None) => self.found_team(None)?,
        };
        let incident = incident.map(|(_, incident)| incident);
        let title = match incident {
            Some(incident) => Some(self.replica.summary(team, incident)?.title),
            None => None,
        };
        let now = self.now();
        let expires = now.wall.plus_ms(i64::from(minutes) * 60_000);
        let ticket = self.replica.invite(team, capability, incident, expires, &addresses, now)?;
        Ok(json!({
            "ticket": ticket.to_string(),
            "expires_ms": expires.0,
            "capability": capability.word(),
            "incident": incident.map(|incident| incident.to_string()),
            "title": title,
        }))
    }

    /// What to do instead of using a ticket of a team that this device is in: no ticket opens an incident then, nor makes a
    /// guest a member. `None` where a ticket is the way, or there is nothing to do.
    pub(crate) fn instead_of_ticket(&self, ticket: &Ticket) -> Option<String> {
        let replica = &self.replica;
        replica.person_in(&ticket.team)?;
        let Some(incident) = ticket.incident else {
            let name = replica.own_handle(&ticket.team).unwrap_or_else(|| "NAME".to_owned());
            return replica.is_guest_in(&ticket.team).then(|| {
                format!(
                    "you are a guest there: let an admin run `muster team revoke {} --retired` first, then join with this \
                     ticket as a member",
                    printable(&name)
                )
            });
        };
        if replica.team_of(&incident).is_some() {
            return None;
        }
        let name = replica.own_handle(&ticket.team).unwrap_or_else(|| "NAME".to_owned());
        let (name, incident) = (printable(&name), &incident.to_string()[..8]);
        Some(format!("no ticket is needed: let somebody in that incident run `muster admit {name} -i {incident}`"))
    }

    /// Where this device listens, or listened last.
    pub(crate) fn own_addresses(&self) -> Result<Vec<String>, Failure> {
        let mut addresses = self.around.listening.clone();
        if addresses.is_empty() {
            addresses = self.replica.addresses(&self.replica.device())?;
        }
        if addresses.is_empty() {
            return Err(Failure::new("this device has no address that a newcomer could reach")
                .hint("start the node first with `muster up`, then go on in another terminal"));
        }
        Ok(addresses)
    }

    pub(crate) fn team_members(&mut self) -> Result<Value, Failure> {
        let Some(team) = self.replica.current_team()? else {
            return Ok(json!({ "team": null, "members": [] }));
        };
        let people = self.replica.people(&team)?;
        let ledger = self.replica.ledger(&team)?;
        let roster = ledger.roster();
        let names_of = |rivals: &std::collections::BTreeSet<PersonId>| rivals.iter().map(|p| people.name(p)).collect();
        let rivals: Vec<Vec<String>> = ledger.rivals().iter().map(names_of).collect();
        let me = roster.person_of(&self.replica.device());
        let names: Vec<String> = roster.persons().map(|person| people.name(&person)).collect();
        let members: Vec<Value> = roster
            .persons()
            .zip(lookalikes(&names))
            .map(|(person, looks_like)| {
                let devices: Vec<String> = roster.devices(&person).iter().map(ToString::to_string).collect();
                json!({
                    "person": people.name(&person),
                    "id": person.to_string(),
                    "capability": roster.capability(&person).map(Capability::word),
                    "devices": devices,
                    "me": me == Some(person),
                    "guest_of": roster.guest_of(&person).map(|incident| incident.to_string()),
                    "looks_like": looks_like,
                })
            })
            .collect();
        Ok(json!({
            "team": team.to_string(),
            "name": self.replica.team_name(&team),
            "members": members,
            "rivals": rivals,
            "removals": self.removals_told(&team, &people)?,
            "recovery_keys": ledger.recovery_keys().iter().map(DeviceKey::to_string).collect::<Vec<_>>(),
            "open_tickets": self.replica.open_tickets(&team, self.now()),
            "tickets": self.tickets_told(&team, &people),
        }))
    }

    /// The tickets that have not expired, open ones first.
    fn tickets_told(&self, team: &TeamId, people: &People) -> Vec<Value> {
        let told = self.replica.tickets(team, self.now()).into_iter().take(TICKETS_LISTED_MAX).map(|ticket| {
            json!({
                "id": ticket.invite.to_string(),
                "by": ticket.by.map(|person| people.name(&person)),
                "capability": ticket.capability.word(),
                "incident": ticket.incident.map(|incident| incident.to_string()),
                "expires_ms": ticket.expires.0,
                "used_by": ticket.used_by.map(|person| people.name(&person)),
            })
        });
        told.collect()
    }

    /// The other device that a typed handle or device means: of a person with several, the first.
    pub(crate) fn device_typed(&self, typed: &str) -> Result<DeviceKey, Failure> {
        if let Ok(device) = typed.parse() {
            return Ok(device);
        }
        let team = self.replica.current_team()?.ok_or_else(|| Failure::new("there is no team here yet"))?;
        let people = self.replica.people(&team)?;
        let person = people
            .find(typed)
            .map_err(|error| Failure::new(error.to_string()).hint("`muster team show` lists everybody"))?;
        people.devices(&person).first().copied().ok_or_else(|| Failure::new(format!("{typed} has no device")))
    }

    /// Saves an address with `/p2p/DEVICE` for that member.
    pub(crate) fn add_address(&mut self, address: &str) -> Result<Value, Failure> {
        let hint = "an address looks like /ip4/192.0.2.7/tcp/7001/p2p/12D3KooW..., as `muster up` prints it";
        let (address, device) = address
            .rsplit_once("/p2p/")
            .ok_or_else(|| Failure::new("the address does not say whose it is").hint(hint))?;
        let device = device.parse().map_err(|_| Failure::new("that is not a device").hint(hint))?;
        let parsed =
            muster_net::parse_addresses(address).map_err(|error| Failure::new(error.to_string()).hint(hint))?;
        let mut saved = self.replica.addresses(&device)?;
        saved = crate::addresses::merged(parsed.iter().map(ToString::to_string).collect(), &saved);
        self.replica.save_addresses(&device, &saved)?;
        let mut added = json!({ "device": device.to_string(), "addresses": saved });
        let is_member =
            |team: &TeamId| self.replica.ledger(team).is_ok_and(|it| it.roster().person_of(&device).is_some());
        if !self.replica.teams().iter().any(is_member) {
            let note = "that device is in no team here: it is not dialled before it has joined one";
            added["note"] = json!(note);
        }
        Ok(added)
    }
}

/// The addresses that somebody wants in a ticket, as multiaddrs; what is typed as `IP:PORT` is TCP.
fn addresses_typed(typed: &[String]) -> Result<Vec<String>, Failure> {
    let read = |text: &String| {
        let parsed = muster_net::parse_address(text);
        parsed.map(|addr| addr.to_string()).map_err(|error| Failure::new(error.to_string()).hint(error.hint()))
    };
    typed.iter().map(read).collect()
}
