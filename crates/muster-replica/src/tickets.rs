//! The tickets of a team that have not expired: by whom, what for, and whether somebody came with one.
//!
//! Made in [`crate::membership`]. There is no withdrawing: a ticket ends when it is used, or by its expiry.

use crate::membership::{honours, vouched_invites};
use crate::replica::{Now, Replica};
use muster_log::fact::{Capability, RosterFact};
use muster_log::{DagId, EntryId, Fact, IncidentId, PersonId, TeamId, Timestamp};
use muster_store::Storage;

/// One ticket, as the roster names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedTicket {
    /// The `invite` entry.
    pub invite: EntryId,
    /// Who made it; `None` where the roster does not say whose the device is any more.
    pub by: Option<PersonId>,
    /// What the newcomer becomes.
    pub capability: Capability,
    /// The one incident of a guest.
    pub incident: Option<IncidentId>,
    /// Until when members honour it, each by their own clock.
    pub expires: Timestamp,
    /// Who came with it: somebody who was let in.
    pub used_by: Option<PersonId>,
}

impl<S: Storage> Replica<S> {
    /// The tickets that have not expired by this device's clock, those that still let somebody in first, then by expiry.
    pub fn tickets(&self, team: &TeamId, now: Now) -> Vec<IssuedTicket> {
        let Some(ledger) = self.teams.get(team).map(|team| &team.ledger) else { return Vec::new() };
        let Some(roster) = ledger.dag(&DagId::from(*team)) else { return Vec::new() };
        let used = vouched_invites(roster);
        let told = roster.entries().filter(|entry| honours(entry, now)).filter_map(|entry| match entry.fact() {
            Ok(Fact::Roster(RosterFact::Invite { capability, expires, incident, .. })) => Some(IssuedTicket {
                invite: entry.id(),
                by: ledger.person(&entry.id()),
                capability,
                incident,
                expires,
                used_by: used.get(&entry.id()).map(|join| PersonId::of_genesis(*join)),
            }),
            _ => None,
        });
        let mut told: Vec<IssuedTicket> = told.collect();
        told.sort_by_key(|ticket| (ticket.used_by.is_some(), ticket.expires, ticket.invite));
        told
    }

    /// How many tickets of the team could still let somebody in, by this device's clock.
    pub fn open_tickets(&self, team: &TeamId, now: Now) -> usize {
        self.tickets(team, now).iter().filter(|ticket| ticket.used_by.is_none()).count()
    }
}
