//! Lies about trust: decisions that are nobody's to take, an admin against all others, what is written after a removal on
//! heads from before, one ticket for two. Each is told only where it is asked for, for it changes who is in the team.

use super::forged::send;
use super::ground::{Ground, any_id};
use super::pen::Sheet;
use super::{Liar, Said};
use crate::failure::Wrong;
use crate::liar::Lie;
use crate::rng::Rng;
use crate::world::World;
use muster_log::fact::{
    Capability, Declare, Frontier, IncidentFact, PersonKind, RevokeMode, RosterFact, Visibility, What,
};
use muster_log::limits::REVOKED_DEVICES_MAX;
use muster_log::{
    DagId, DeviceKey, DeviceSecret, Draft, Entry, EntryId, Fact, PersonId, SessionId, Signature, Taken, Ticket, draft,
};
use muster_replica::{Removing, ReplicaError};
use std::collections::BTreeSet;

/// Who trusts liars: the founder, who alone decides in these histories.
const TRUSTING: usize = 0;

/// How long a liar's ticket is honoured, in milliseconds.
const TICKET_MS: i64 = 20 * 60 * 60 * 1000;

/// That the liar who will write after its removal is removed, each time it would lie, of 1,000.
const REMOVED: u64 = 600;

/// What a liar was trusted with.
#[derive(Debug, Default)]
pub(super) struct Trusted {
    is_admin: bool,
    is_out: bool,
    ticket: Option<Ticket>,
}

impl World {
    /// What somebody honest does, in good faith, that a lie about trust needs.
    pub(super) fn trust(&mut self, n: usize, liar: &mut Liar) -> Result<(), Wrong> {
        let (Some(team), Some(lie)) = (self.team, self.trust) else { return Ok(()) };
        let (now, key) = (self.nodes[TRUSTING].now(self.now), self.nodes[n].key);
        let Some(replica) = &mut self.nodes[TRUSTING].replica else { return Ok(()) };
        let known = replica.ledger(&team).ok().and_then(|ledger| ledger.roster().person_of(&key));
        let Some(person) = known else { return Ok(()) };
        match lie {
            Lie::Deposing if !liar.trusted.is_admin => {
                let fact = RosterFact::SetCapability { person, capability: Capability::Admin };
                let done = replica.decide(team, &fact, now);
                liar.trusted.is_admin = self.done_in_good_faith("trust somebody", done)?.is_some();
            }
            Lie::Removed if n == self.liars.first && !liar.trusted.is_out && liar.rng.chance(REMOVED) => {
                let devices = BTreeSet::from([key]);
                let removing = Removing::Devices { devices, mode: RevokeMode::Compromise, until: None };
                let done = replica.remove(team, &removing, now);
                liar.trusted.is_out = self.done_in_good_faith("remove a liar", done)?.is_some();
            }
            Lie::TicketTwice if liar.trusted.ticket.is_none() => {
                let expires = now.wall.plus_ms(TICKET_MS);
                let done = replica.invite(team, Capability::Responder, None, expires, &[], now);
                liar.trusted.ticket = self.done_in_good_faith("write a ticket", done)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn done_in_good_faith<T>(
        &mut self,
        doing: &'static str,
        done: Result<T, ReplicaError>,
    ) -> Result<Option<T>, Wrong> {
        match done {
            // Whoever was deposed decides nothing any more.
            Err(ReplicaError::NotAllowed(_)) => Ok(None),
            done => self.staged(TRUSTING, doing, done),
        }
    }

    /// The secret of the liar who was removed.
    pub(super) fn removed_liar(&self) -> DeviceSecret {
        self.nodes[self.liars.first].secret()
    }
}

/// What a liar says who lies about trust: to `to`, and some of it to `other`.
pub(super) fn trust_words(
    lie: Lie,
    ground: &Ground<'_>,
    removed: &DeviceSecret,
    liar: &mut Liar,
    (to, other): (usize, usize),
) -> Option<Vec<Said>> {
    let rng = &mut liar.rng;
    match lie {
        Lie::Unauthorised => Some(vec![(to, unauthorised(ground, rng)?)]),
        Lie::Deposing => deposing(ground, (to, other), rng),
        Lie::Removed => {
            let [one, two] = after_removal(ground, removed, rng)?;
            Some(vec![(to, one), (other, two)])
        }
        Lie::TicketTwice => {
            let [one, two] = twice(ground, liar.trusted.ticket.as_ref()?, rng)?;
            Some(vec![(to, one), (other, two)])
        }
        _ => None,
    }
}

fn session(rng: &mut Rng) -> SessionId {
    SessionId::from_bytes(rng.bytes())
}

fn roster_draft(ground: &Ground<'_>, fact: &RosterFact, rng: &mut Rng) -> Option<Draft> {
    ground.ledger.draft_roster(ground.me(), session(rng), ground.claimed, fact).ok()
}

fn roster_frame(ground: &Ground<'_>, draft: Draft, rng: &mut Rng) -> Option<Vec<u8>> {
    let sheet = Sheet::write(draft, "", ground.secret, rng)?;
    Some(send(ground, DagId::from(ground.team), &[sheet], rng))
}

/// The roster's entries that a test is true of.
fn roster_entries(ground: &Ground<'_>, is: impl Fn(&Entry) -> bool) -> Vec<EntryId> {
    let roster = ground.ledger.dag(&DagId::from(ground.team));
    roster.into_iter().flat_map(|dag| dag.entries()).filter(|entry| is(entry)).map(Entry::id).collect()
}

/// Devices of all others.
fn others(ground: &Ground<'_>) -> Vec<(DeviceKey, PersonId)> {
    let me = ground.ledger.roster().person_of(&ground.me());
    ground.ledger.roster().bindings().filter(|(_, person)| Some(*person) != me).collect()
}

/// A decision that is not this member's to take, or an act in somebody else's name.
fn unauthorised(ground: &Ground<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
    let me = ground.ledger.roster().person_of(&ground.me())?;
    let (device, person) = *rng.pick(&others(ground))?;
    let entry = |rng: &mut Rng| rng.pick(&roster_entries(ground, |_| true)).copied();
    let fact = match rng.below(10) {
        0 => RosterFact::SetCapability { person: me, capability: Capability::Admin },
        1 => RosterFact::SetCapability { person, capability: Capability::Observer },
        2 => {
            let (ticket_key, expires) = (ground.me(), ground.claimed.time);
            RosterFact::Invite { ticket_key, capability: Capability::Responder, expires, incident: None }
        }
        3 => RosterFact::Revoke { devices: vec![device], mode: RevokeMode::Compromise, frontier: Frontier::new() },
        4 => RosterFact::Second { removal: entry(rng)? },
        5 => RosterFact::Confirm { join: person.genesis() },
        6 => RosterFact::AddDevice {
            device: DeviceSecret::from_seed(&rng.bytes()).public(),
            device_signature: Signature::from_bytes(rng.bytes()),
        },
        7 => RosterFact::Vouch { join: entry(rng)? },
        8 => return presumptuous(ground, person, rng),
        _ => return declared(ground, rng),
    };
    let draft = roster_draft(ground, &fact, rng)?;
    roster_frame(ground, draft, rng)
}

/// Redacts what another wrote, or lets somebody in.
fn presumptuous(ground: &Ground<'_>, person: PersonId, rng: &mut Rng) -> Option<Vec<u8>> {
    let dag = ground.incident(rng)?;
    let by_others = ground.ledger.dag(&dag)?.entries().filter(|entry| entry.key() != ground.me());
    let targets: Vec<EntryId> = by_others.map(Entry::id).collect();
    let what = match rng.pick(&targets) {
        Some(target) if rng.chance(500) => What::Redaction { target: *target },
        _ => What::Admit { person },
    };
    let fact = IncidentFact::now(what);
    let draft =
        ground.ledger.draft(Some(dag), ground.me(), session(rng), ground.claimed, fact.kind(), fact.fields()).ok()?;
    let sheet = Sheet::write(draft, "for my sake", ground.secret, rng)?;
    Some(send(ground, dag, &[sheet], rng))
}

/// Declares, as one who only observes or is a guest; who may is silent.
fn declared(ground: &Ground<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
    let roster = ground.ledger.roster();
    let me = roster.person_of(&ground.me())?;
    if roster.guest_of(&me).is_none() && roster.capability(&me)? > Capability::Observer {
        return None;
    }
    let declare = Declare { severity: Some(1), drill: false, suspected: true, visibility: Visibility::Team };
    let fact = IncidentFact::now(What::Declare(declare));
    let draft =
        ground.ledger.draft(None, ground.me(), session(rng), ground.claimed, fact.kind(), fact.fields()).ok()?;
    let sheet = Sheet::write(draft, "mine", ground.secret, rng)?;
    let dag = DagId::of_genesis(sheet.entry.id());
    Some(send(ground, dag, &[sheet], rng))
}

/// An admin against the others: removes them, disowns what they wrote, goes on after being removed, from feigned old views.
fn deposing(ground: &Ground<'_>, (to, other): (usize, usize), rng: &mut Rng) -> Option<Vec<Said>> {
    let roster = ground.ledger.roster();
    if roster.capability_of(&ground.me()) != Some(Capability::Admin) {
        return None; // not trusted yet, or found out
    }
    let rivals: Vec<(DeviceKey, PersonId)> = others(ground)
        .into_iter()
        .filter(|(_, person)| rng.chance(300) || roster.capability(person) == Some(Capability::Admin))
        .collect();
    let (device, person) = *rng.pick(&rivals)?;
    let removals: Vec<EntryId> = ground.ledger.removals().into_iter().map(|removal| removal.id).collect();
    let out = |devices: Vec<DeviceKey>, frontier: Frontier| RosterFact::Revoke {
        devices,
        mode: RevokeMode::Compromise,
        frontier,
    };
    let fact = match rng.below(6) {
        0 => {
            let mut devices: Vec<DeviceKey> = rivals.iter().map(|(device, _)| *device).collect();
            devices.sort_unstable();
            devices.dedup();
            devices.truncate(REVOKED_DEVICES_MAX);
            out(devices, Frontier::new())
        }
        1 => RosterFact::SetCapability { person, capability: Capability::Observer },
        // Its own removal too, and what others left open.
        2 => RosterFact::Second { removal: *rng.pick(&removals)? },
        3 => {
            let mut frontier: Frontier =
                ground.ledger.incidents().map(|it| (it, vec![it.genesis()])).take(16).collect();
            frontier.sort_unstable();
            out(vec![device], frontier)
        }
        4 => {
            let incident = ground.ledger.incidents().next()?;
            RosterFact::Cut { revoke: *rng.pick(&removals)?, frontier: vec![(incident, vec![any_id(rng)])] }
        }
        _ => out(vec![device], Frontier::new()),
    };
    let mut draft = roster_draft(ground, &fact, rng)?;
    if rng.chance(300) {
        // As if nothing had come since.
        let own = roster_entries(ground, |entry| entry.key() == ground.me());
        let any = roster_entries(ground, |_| true);
        let old = if rng.chance(500) && !own.is_empty() { own } else { any };
        draft.deps = vec![*rng.pick(&old)?];
    }
    let rival = Draft { session: session(rng), ..draft.clone() };
    let one = roster_frame(ground, draft, rng)?;
    if rng.chance(500) {
        return Some(vec![(to, one)]);
    }
    // The same in another log, to somebody else: two who know of one each.
    Some(vec![(to, one), (other, roster_frame(ground, rival, rng)?)])
}

/// Notes of a removed device on heads from before its removal: one to one, another of the same number to another. An
/// accomplice who is a member brings them in.
fn after_removal(ground: &Ground<'_>, removed: &DeviceSecret, rng: &mut Rng) -> Option<[Vec<u8>; 2]> {
    let (roster, key) = (ground.ledger.dag(&DagId::from(ground.team))?, removed.public());
    let names = |taken: &Taken| matches!(taken, Taken::Devices { devices, .. } if devices.contains(&key));
    let removal = ground.ledger.removals().into_iter().find(|removal| names(&removal.taken))?.id;
    let before: BTreeSet<EntryId> =
        roster_entries(ground, |entry| entry.id() != removal && !roster.is_past(&removal, &entry.id()))
            .into_iter()
            .collect();
    let is_head = |id: &&EntryId| !before.iter().any(|later| roster.is_past(id, later));
    let heads: Vec<EntryId> = before.iter().filter(is_head).copied().collect();
    let dag = ground.incident(rng)?;
    let known = ground.ledger.dag(&dag)?.entries().filter(|entry| {
        let items = entry.items();
        items.roster_heads.iter().all(|head| before.contains(head))
    });
    let known: Vec<EntryId> = known.map(Entry::id).collect();
    let dep = *rng.pick(&known)?;
    let draft = Draft { roster_heads: heads, deps: vec![dep], ..ground.note_by(key, dag, rng)? };
    let apart = Draft { session: session(rng), ..draft.clone() };
    let other = if rng.chance(500) { draft.clone() } else { apart };
    let mut written = |draft: Draft, text: &str| {
        let sheet = Sheet::write(draft, text, removed, rng)?;
        Some(send(ground, dag, &[sheet], rng))
    };
    Some([written(draft, "I was never away")?, written(other, "nor here")?])
}

/// Two who join by one ticket, each vouched for where nobody knows of the other.
fn twice(ground: &Ground<'_>, ticket: &Ticket, rng: &mut Rng) -> Option<[Vec<u8>; 2]> {
    let heads = ground.ledger.roster_heads();
    let is_known = matches!(ground.ledger.fact(&ticket.invite), Some(Fact::Roster(_)));
    let mut joined = |name: &str| {
        let newcomer = DeviceSecret::from_seed(&rng.bytes());
        let join = draft::join(ticket, newcomer.public(), session(rng), ground.claimed, PersonKind::Human);
        let join = Sheet::write(join, name, &newcomer, rng)?;
        let mut vouch = roster_draft(ground, &RosterFact::Vouch { join: ticket.invite }, rng)?;
        vouch.fields = RosterFact::Vouch { join: join.entry.id() }.fields();
        vouch.deps = heads.iter().copied().chain([join.entry.id()]).collect();
        vouch.deps.sort_unstable();
        let vouch = Sheet::write(vouch, "", ground.secret, rng)?;
        Some(send(ground, DagId::from(ground.team), &[join, vouch], rng))
    };
    if !is_known {
        return None;
    }
    Some([joined("kim")?, joined("kim")?])
}
