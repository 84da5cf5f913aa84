//! Why the own ledger does not take what this device wrote, as its person should read it. The rules are in `muster-log`; here is
//! said what they mean for somebody who may not do what was asked.

use crate::team::Team;
use muster_log::fact::Capability;
use muster_log::limits::ROSTER_ENTRIES_MAX;
use muster_log::{DeviceKey, Kind, PersonId, Refusal};

/// Admins whom a refusal names.
const ADMINS_NAMED_MAX: usize = 5;

impl Team {
    /// A refusal of what `device` wrote, to stand after "this device may not write that".
    pub(crate) fn refusal_in_words(&self, refusal: &Refusal, device: &DeviceKey) -> String {
        let (kind, roster) = match refusal {
            Refusal::Capability { kind, .. } => (*kind, self.ledger.roster()),
            Refusal::NotNamed { .. } if self.is_guest(device) => (Kind::DECLARE, self.ledger.roster()),
            Refusal::NotNamed { .. } => return "only those who were let into it may hold this incident".into(),
            Refusal::TooMany { .. } => {
                return format!("you have decided {ROSTER_ENTRIES_MAX} times about this team; only an admin may go on");
            }
            Refusal::NoInvite | Refusal::Ticket => return "the ticket is none of this team's (any more)".into(),
            // None of these is a person's doing.
            other => return other.to_string(),
        };
        match roster.capability_of(device) {
            None => self.outside(device).into(),
            Some(Capability::Observer) => "you are an observer in this team, who reads and does not write".into(),
            Some(_) if self.is_guest(device) => {
                "you are a guest in this team, for one incident: a guest declares nothing, brings nobody in and decides \
                 nothing about the team"
                    .into()
            }
            Some(_) if kind.is_roster() => format!("that is for an admin of the team: {}", self.admins()),
            Some(_) => refusal.to_string(),
        }
    }

    /// Who decides about the team, by name.
    fn admins(&self) -> String {
        let (people, roster) = (self.people(), self.ledger.roster());
        let is_admin = |person: &PersonId| roster.capability(person) == Some(Capability::Admin);
        let admins: Vec<String> = roster.persons().filter(is_admin).map(|person| people.name(&person)).collect();
        match admins.len() {
            0 => "it has none".into(),
            1..=ADMINS_NAMED_MAX => admins.join(", "),
            all => format!("{} and {} more", admins[..ADMINS_NAMED_MAX].join(", "), all - ADMINS_NAMED_MAX),
        }
    }

    /// Why a device that is in the team no more, or not yet, may write nothing.
    pub(crate) fn outside(&self, device: &DeviceKey) -> &'static str {
        match self.was_removed(device) {
            true => "it was removed from the team; a new ticket lets it in again",
            false => "it is not a member of the team (yet)",
        }
    }
}
