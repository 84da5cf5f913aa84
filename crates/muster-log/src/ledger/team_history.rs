//! What happened in a team, event by event in causal order: for whoever reads a record and was not there.
//!
//! Nothing is decided here: what stands comes from the fold (`roster`), what an entry of an incident counts for from
//! `status`. Who is in the team now is [`Ledger::roster`].

use super::Ledger;
use crate::brackets::{Bracket, Brackets};
use crate::dag::Dag;
use crate::fact::{Capability, Fact, Kind, PersonKind, RosterFact};
use crate::ids::{EntryId, IncidentId, PersonId};
use crate::key::DeviceKey;
use crate::roster::{Removal, Standing};
use crate::status::{self, TakenEntries};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Persons and removals that one event names; a member may have made very many, and each event could name all.
const NAMED_MAX: usize = 16;

/// The past of a team.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TeamHistory {
    /// What people did to the team; the past of each event stands before it, and equal sets give equal lists.
    pub events: Vec<TeamEvent>,
    /// Entries that are no events: tickets, vouches, seconds and merges.
    pub others: usize,
    /// Tickets by which nobody was let in.
    pub unused_tickets: usize,
    /// How many persons' clocks may be wrong without moving the brackets of the events.
    pub spare: usize,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamEvent {
    /// The entry.
    pub id: EntryId,
    /// Who wrote it; of a recovery key the key.
    pub by: PersonId,
    /// Which recovery key wrote it, from 1; none of a person's.
    pub recovery_key: Option<usize>,
    /// The device that wrote it.
    pub device: DeviceKey,
    /// When, by that device's clock.
    pub claimed: Timestamp,
    /// Between which times, by the clocks of others: those who wrote what it builds on, and those who built on it in the
    /// roster or named it in an incident.
    pub bracket: Bracket,
    /// What was done.
    pub deed: TeamDeed,
    /// What it counts for.
    pub effect: TeamEffect,
}

/// What somebody did to a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TeamDeed {
    /// Created it.
    Created {
        /// What the founder is.
        person_kind: PersonKind,
    },
    /// Came with a ticket.
    Joined(Box<Joined>),
    /// Got a device more.
    Device {
        /// Which.
        device: DeviceKey,
        /// Whose it was before, where it was in the team.
        was: Option<PersonId>,
    },
    /// Gave somebody a capability, not less than what they had.
    Capability {
        /// Whom.
        person: PersonId,
        /// Which.
        capability: Capability,
    },
    /// Said who of several was meant by a ticket.
    Confirmed {
        /// That one.
        person: PersonId,
    },
    /// Took a device or a capability from somebody.
    Removed {
        /// What, from whom, and where that stands.
        removal: Removal,
        /// What of incidents here counts no more because of it.
        taken: TakenEntries,
        /// Entries of the roster that are set aside because of it.
        set_aside: usize,
    },
    /// Tried to take devices that nobody had.
    RemovedNothing,
    /// Let more of what a removed device wrote count.
    Cut {
        /// The removal.
        removal: EntryId,
    },
    /// Something that this version does not know.
    Unknown(Kind),
}

/// A newcomer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// What the newcomer is.
    pub person_kind: PersonKind,
    /// What the ticket gives.
    pub capability: Capability,
    /// The one incident that the ticket is for, of a guest.
    pub incident: Option<IncidentId>,
    /// The ticket's entry.
    pub ticket: EntryId,
    /// Who gave it out.
    pub invited_by: PersonId,
    /// Who let the newcomer in; nobody where nobody did.
    pub let_in_by: BTreeSet<PersonId>,
    /// Who did, but what they wrote counts no more.
    pub let_in_in_vain: BTreeSet<PersonId>,
    /// Who else was let in by the same ticket, the first 16 by id.
    pub rivals: BTreeSet<PersonId>,
    /// How many they are.
    pub rivals_count: usize,
    /// Whose the device was before, where it was in the team: whoever it was came back.
    pub was: Option<PersonId>,
}

/// What an event counts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TeamEffect {
    /// It has its effect.
    Counts,
    /// It waits for another admin.
    NeedsSecond,
    /// None: these removals took its author, who was not to write it any more; the first 16. Of a removal: it is overruled
    /// by them.
    TakenBy(BTreeSet<(EntryId, PersonId)>),
    /// None: the device wrote something else under the same number.
    Forked,
    /// None: its author had not the right, or there was nothing to do.
    None,
}

/// What is known of a roster's entries before they are told.
struct Telling<'a> {
    ledger: &'a Ledger,
    roster: &'a Dag,
    /// Ids by the numbers of the fold.
    ids: BTreeMap<u32, EntryId>,
    removals: BTreeMap<EntryId, Removal>,
    taken: BTreeMap<u32, TakenEntries>,
    set_aside: BTreeMap<u32, usize>,
    /// Who vouched for a join, and whether that counts.
    vouches: BTreeMap<EntryId, Vec<(PersonId, bool)>>,
    /// Persons who were let in by a ticket.
    by_ticket: BTreeMap<EntryId, BTreeSet<PersonId>>,
    /// Who had a device before, with the entry that gave it.
    owners: BTreeMap<DeviceKey, Vec<(EntryId, PersonId)>>,
}

impl Ledger {
    /// What happened in the team.
    pub fn team_history(&self) -> TeamHistory {
        let Some(roster) = self.dag(&self.team.into()) else { return TeamHistory::default() };
        let brackets = self.roster_brackets(roster);
        let mut numbers: Vec<u32> = (0..roster.len() as u32).collect();
        numbers.sort_by_key(|x| (roster.node(*x).depth, roster.node(*x).entry.id()));
        let mut telling = Telling::new(self, roster, &numbers);
        let mut history = TeamHistory { spare: brackets.spare(), ..TeamHistory::default() };
        for x in numbers {
            let node = roster.node(x);
            let entry = &node.entry;
            match telling.deed(&entry.id()) {
                Some(deed) => history.events.push(TeamEvent {
                    id: entry.id(),
                    by: node.author,
                    recovery_key: telling.recovery_key(&entry.id()),
                    device: entry.key(),
                    claimed: entry.claimed().time,
                    bracket: brackets.of(x),
                    deed,
                    effect: telling.effect(&entry.id()),
                }),
                None => history.others += 1,
            }
            if entry.kind() == Kind::INVITE && !telling.by_ticket.contains_key(&entry.id()) {
                history.unused_tickets += 1;
            }
        }
        history
    }

    /// The brackets of the roster's entries, by number, of the roster and all incidents together: an entry of an incident
    /// was written after what it names of the roster.
    fn roster_brackets(&self, roster: &Dag) -> Brackets {
        let standing = &self.whole().standing;
        let first = roster.nodes().iter().map(|node| {
            let counts = self.graph.number(&node.entry.id()).is_some_and(|x| standing.contains(x));
            (node.parents.clone(), node.author, node.entry.claimed().time, counts)
        });
        let mut all: Vec<_> = first.collect();
        for incident in self.incidents() {
            let Some(dag) = self.dag(&incident.into()) else { continue };
            let (clean, from) = (self.clean(&incident), all.len() as u32);
            for (x, node) in dag.nodes().iter().enumerate() {
                let heads = node.entry.items().roster_heads.iter().filter_map(|head| roster.number(head));
                let parents = node.parents.iter().map(|parent| from + parent).chain(heads).collect();
                let counts = clean.as_ref().is_none_or(|clean| clean.get(x).copied().unwrap_or(false));
                all.push((parents, node.author, node.entry.claimed().time, counts));
            }
        }
        Brackets::of_all(all)
    }
}

impl<'a> Telling<'a> {
    fn new(ledger: &'a Ledger, roster: &'a Dag, order: &[u32]) -> Self {
        let entries = roster.entries().map(|entry| entry.id());
        let mut this = Self {
            ledger,
            roster,
            ids: entries.filter_map(|id| Some((ledger.graph.number(&id)?, id))).collect(),
            removals: ledger.removals().into_iter().map(|removal| (removal.id, removal)).collect(),
            taken: BTreeMap::new(),
            set_aside: BTreeMap::new(),
            vouches: BTreeMap::new(),
            by_ticket: BTreeMap::new(),
            owners: BTreeMap::new(),
        };
        for incident in ledger.incidents() {
            let Some(dag) = ledger.dag(&incident.into()) else { continue };
            for (removal, taken) in status::taken(&ledger.graph, ledger.whole(), dag) {
                let sum = this.taken.entry(removal).or_default();
                sum.revoked += taken.revoked;
                sum.late += taken.late;
            }
        }
        for x in ledger.whole().aside.keys() {
            for removal in ledger.graph.taken_by(x, ledger.whole()) {
                *this.set_aside.entry(removal).or_default() += 1;
            }
        }
        for id in order.iter().map(|x| roster.node(*x).entry.id()) {
            let Some(RosterFact::Vouch { join }) = this.fact(&id) else { continue };
            let (Some(by), Some(entry)) = (ledger.person(&id), roster.entry(&join)) else { continue };
            let counts = this.stands(&id) && this.stands(&join);
            this.vouches.entry(join).or_default().push((by, counts));
            if let (true, [ticket]) = (counts, entry.items().deps.as_slice()) {
                this.by_ticket.entry(*ticket).or_default().insert(PersonId::of_genesis(join));
            }
        }
        this
    }

    fn fact(&self, id: &EntryId) -> Option<RosterFact> {
        match self.ledger.fact(id)? {
            Fact::Roster(fact) => Some(fact),
            _ => None,
        }
    }

    fn stands(&self, id: &EntryId) -> bool {
        self.ledger.graph.number(id).is_some_and(|x| self.ledger.whole().standing.contains(x))
    }

    /// From 1.
    fn recovery_key(&self, id: &EntryId) -> Option<usize> {
        let entry = self.roster.entry(id).filter(|entry| entry.kind() != Kind::TEAM_CREATE)?;
        let by = self.ledger.person(id)?;
        // The person of what a recovery key writes is the key: a device of a person may be the same key.
        let is_recovery = by.as_bytes() == entry.key().as_bytes();
        let rank = self.ledger.recovery_keys().iter().position(|key| *key == entry.key());
        rank.filter(|_| is_recovery).map(|rank| rank + 1)
    }

    /// `None` of what is told with something else, or of no interest.
    fn deed(&mut self, id: &EntryId) -> Option<TeamDeed> {
        let entry = self.roster.entry(id)?;
        let Some(fact) = self.fact(id) else { return Some(TeamDeed::Unknown(entry.kind())) };
        let by = self.ledger.person(id)?;
        if let Some(removal) = self.removals.get(id).cloned() {
            let number = self.ledger.graph.number(id)?;
            return Some(TeamDeed::Removed {
                removal,
                taken: self.taken.get(&number).copied().unwrap_or_default(),
                set_aside: self.set_aside.get(&number).copied().unwrap_or_default(),
            });
        }
        Some(match fact {
            RosterFact::TeamCreate { person_kind, .. } => {
                self.own(entry.key(), *id, by);
                TeamDeed::Created { person_kind }
            }
            RosterFact::Join { person_kind, .. } => self.joined(id, person_kind, by)?,
            RosterFact::AddDevice { device, .. } => {
                let was = self.owner(&device, id);
                if self.stands(id) {
                    self.own(device, *id, by);
                }
                TeamDeed::Device { device, was }
            }
            RosterFact::SetCapability { person, capability } => TeamDeed::Capability { person, capability },
            RosterFact::Confirm { join } => TeamDeed::Confirmed { person: PersonId::of_genesis(join) },
            RosterFact::Revoke { .. } => TeamDeed::RemovedNothing,
            RosterFact::Cut { revoke, .. } => TeamDeed::Cut { removal: revoke },
            RosterFact::Invite { .. } | RosterFact::Vouch { .. } | RosterFact::Second { .. } | RosterFact::Merge => {
                return None;
            }
        })
    }

    fn joined(&mut self, id: &EntryId, person_kind: PersonKind, by: PersonId) -> Option<TeamDeed> {
        let entry = self.roster.entry(id)?;
        let ticket = *entry.items().deps.first()?;
        let Some(RosterFact::Invite { capability, incident, .. }) = self.fact(&ticket) else { return None };
        let vouches = self.vouches.get(id).map_or(&[][..], Vec::as_slice);
        let of = |counts: bool| vouches.iter().filter(|(_, is)| *is == counts).map(|(by, _)| *by).collect();
        let (let_in_by, let_in_in_vain): (BTreeSet<PersonId>, BTreeSet<PersonId>) = (of(true), of(false));
        // Who was not let in is nobody's rival.
        let same = self.by_ticket.get(&ticket).filter(|same| same.contains(&by));
        let rivals = same.into_iter().flatten().filter(|rival| **rival != by).take(NAMED_MAX).copied().collect();
        let rivals_count = same.map_or(0, |same| same.len() - 1);
        let was = self.owner(&entry.key(), id);
        if !vouches.is_empty() {
            self.own(entry.key(), *id, by);
        }
        Some(TeamDeed::Joined(Box::new(Joined {
            person_kind,
            capability,
            incident,
            ticket,
            invited_by: self.ledger.person(&ticket)?,
            let_in_by,
            let_in_in_vain,
            rivals,
            rivals_count,
            was,
        })))
    }

    fn own(&mut self, device: DeviceKey, since: EntryId, person: PersonId) {
        self.owners.entry(device).or_default().push((since, person));
    }

    /// Whose a device was last in the past of an entry.
    fn owner(&self, device: &DeviceKey, at: &EntryId) -> Option<PersonId> {
        let before = self.owners.get(device)?.iter().rev().find(|(since, _)| self.roster.is_past(since, at));
        before.map(|(_, person)| *person)
    }

    fn effect(&self, id: &EntryId) -> TeamEffect {
        let (ledger, whole) = (self.ledger, self.ledger.whole());
        let Some(x) = ledger.graph.number(id) else { return TeamEffect::None };
        if whole.standing.contains(x) {
            return TeamEffect::Counts;
        }
        if whole.aside.contains(x) {
            let removals = ledger.graph.taken_by(x, whole);
            if removals.is_empty() {
                return TeamEffect::Forked;
            }
            let ids = removals.iter().take(NAMED_MAX).filter_map(|removal| self.ids.get(removal));
            return TeamEffect::TakenBy(ids.filter_map(|id| Some((*id, ledger.person(id)?))).collect());
        }
        if self.waits(id) { TeamEffect::NeedsSecond } else { TeamEffect::None }
    }

    fn waits(&self, id: &EntryId) -> bool {
        self.removals.get(id).is_some_and(|removal| removal.standing == Standing::NeedsSecond)
    }
}
