//! A history of a team, told by bytes: who writes what on which of three replicas, and when two of them meet. Whatever
//! was written, replicas that hold the same, in whatever order it came, say the same of everybody.

use crate::seeds::{clock, secret};
use muster_log::draft::{join, sign_device, team_create};
use muster_log::fact::{Capability, PersonKind, RevokeMode, RosterFact};
use muster_log::{
    DagId, DeviceKey, Draft, EntryId, IncidentId, Ledger, PersonId, Received, SessionId, TeamId, Ticket, Timestamp,
    Value,
};
use zeroize::Zeroizing;

/// Devices that take part.
const DEVICES: u8 = 6;

/// Replicas that they write on.
const REPLICAS: usize = 3;

/// Acts of one history: what matters shows in few.
const ACTS_MAX: usize = 48;

/// A history of a team.
pub fn roster(bytes: &[u8]) {
    let mut story = Story::begin();
    let mut tape = Tape(bytes.iter().copied());
    for _ in 0..ACTS_MAX {
        if story.act(&mut tape).is_none() {
            break;
        }
    }
    story.end();
}

struct Tape<I>(I);

impl<I: Iterator<Item = u8>> Tape<I> {
    fn byte(&mut self) -> Option<u8> {
        self.0.next()
    }

    fn below(&mut self, n: usize) -> Option<usize> {
        Some(usize::from(self.byte()?) % n.max(1))
    }
}

struct Story {
    team: TeamId,
    replicas: [Ledger; REPLICAS],
    tickets: Vec<Ticket>,
}

impl Story {
    fn begin() -> Self {
        let founder = secret(0);
        let recovery = vec![secret(DEVICES).public()];
        let draft = team_create(founder.public(), session(0, 0), clock(0), PersonKind::Human, recovery);
        let entry = draft.seal().unwrap();
        let team = TeamId::from_bytes(*entry.id().as_bytes());
        let signature = Some(founder.sign_entry(&entry.id()));
        let replicas = [(); REPLICAS].map(|()| {
            let mut ledger = Ledger::new(team);
            ledger.receive(None, vec![Received { entry: entry.clone(), signature }]);
            ledger
        });
        Self { team, replicas, tickets: Vec::new() }
    }

    /// One act; `None` where the tape is over.
    fn act(&mut self, tape: &mut Tape<impl Iterator<Item = u8>>) -> Option<()> {
        let (place, who, what) = (tape.below(REPLICAS)?, tape.byte()? % (DEVICES + 1), tape.byte()?);
        let author = secret(who);
        let some_entry = |tape: &mut Tape<_>, ledger: &Ledger| {
            let all: Vec<EntryId> = ledger.dag(&self.team.into()).map(|dag| dag.order().to_vec()).unwrap_or_default();
            Some(*all.get(tape.below(all.len())?)?)
        };
        let person = |id: EntryId| PersonId::from_bytes(*id.as_bytes());
        let device = |tape: &mut Tape<_>| Some(secret(tape.byte()? % DEVICES).public());
        let ledger = &self.replicas[place];
        let fact = match what % 12 {
            0 => {
                let seed = [tape.byte()?; 32];
                let ticket = Ticket {
                    team: self.team,
                    invite: EntryId::from_bytes([0; 32]),
                    seed: Zeroizing::new(seed),
                    expires: Timestamp(0),
                    incident: (tape.byte()? & 1 == 1).then(|| IncidentId::from_bytes([9; 32])),
                    addresses: Vec::new(),
                };
                let capability = if tape.byte()? & 1 == 0 { Capability::Responder } else { Capability::Observer };
                let fact = RosterFact::Invite {
                    ticket_key: ticket.public(),
                    capability,
                    expires: Timestamp(0),
                    incident: ticket.incident,
                };
                if let Some(invite) = self.write(place, who, &fact) {
                    self.tickets.push(Ticket { invite, ..ticket });
                }
                return Some(());
            }
            1 => {
                let ticket = self.tickets.get(tape.below(self.tickets.len())?)?.clone();
                let session = session(who, tape.byte()?);
                let draft = join(&ticket, author.public(), session, clock(who), PersonKind::Human);
                self.hand_in(place, who, draft);
                return Some(());
            }
            2 | 3 => RosterFact::Vouch { join: some_entry(tape, ledger)? },
            4 => {
                let capability = [Capability::Observer, Capability::Responder, Capability::Admin][tape.below(3)?];
                RosterFact::SetCapability { person: person(some_entry(tape, ledger)?), capability }
            }
            5 => {
                let mode = if tape.byte()? & 1 == 0 { RevokeMode::Retire } else { RevokeMode::Compromise };
                let frontier = match tape.byte()? % 4 {
                    0 => vec![(IncidentId::from_bytes([9; 32]), vec![EntryId::from_bytes([tape.byte()?; 32])])],
                    _ => Vec::new(),
                };
                RosterFact::Revoke { devices: vec![device(tape)?], mode, frontier }
            }
            6 => RosterFact::Second { removal: some_entry(tape, ledger)? },
            7 => RosterFact::Confirm { join: some_entry(tape, ledger)? },
            8 => {
                let (new, of) = (secret(tape.byte()? % DEVICES), ledger.roster().person_of(&author.public())?);
                let device_signature = sign_device(&new, self.team, of);
                RosterFact::AddDevice { device: new.public(), device_signature }
            }
            9 => RosterFact::Merge,
            10 => {
                // Two with one number: the log is written on as if the last entry were not there.
                let fact = RosterFact::Merge;
                let drafted = ledger.draft_roster(author.public(), session(who, 0), clock(who), &fact).ok()?;
                let fields = vec![Value::Int(i64::from(tape.byte()?))];
                let seq = drafted.seq.saturating_sub(1).max(1);
                let backlink = drafted.backlink.filter(|_| seq > 1);
                self.hand_in(place, who, Draft { seq, backlink, fields, ..drafted });
                return Some(());
            }
            _ => {
                self.meet(tape.below(REPLICAS)?, place);
                return Some(());
            }
        };
        self.write(place, who, &fact);
        Some(())
    }

    fn write(&mut self, place: usize, who: u8, fact: &RosterFact) -> Option<EntryId> {
        let author = secret(who).public();
        let draft = self.replicas[place].draft_roster(author, session(who, 0), clock(who), fact).ok()?;
        self.hand_in(place, who, draft)
    }

    fn hand_in(&mut self, place: usize, who: u8, draft: Draft) -> Option<EntryId> {
        let entry = draft.seal().ok()?;
        let signature = Some(secret(who).sign_entry(&entry.id()));
        let id = entry.id();
        let outcome = self.replicas[place].receive(None, vec![Received { entry, signature }]);
        outcome.admitted.contains(&id).then_some(id)
    }

    fn meet(&mut self, from: usize, to: usize) {
        if from != to {
            let all = everything(&self.replicas[from]);
            self.replicas[to].receive(None, all);
        }
    }

    /// All meet; then two newcomers get everything, one of them backwards and one by one.
    fn end(mut self) {
        for _ in 0..2 {
            (0..REPLICAS).for_each(|from| (0..REPLICAS).for_each(|to| self.meet(from, to)));
        }
        let all = everything(&self.replicas[0]);
        let (mut forwards, mut backwards) = (Ledger::new(self.team), Ledger::new(self.team));
        forwards.receive(None, all.clone());
        all.into_iter().rev().for_each(|received| drop(backwards.receive(None, vec![received])));
        let expected = face(&self.replicas[0]);
        for other in [&self.replicas[1], &self.replicas[2], &forwards, &backwards] {
            assert_eq!(face(other), expected, "who holds the same says the same");
        }
    }
}

/// All entries of a roster, with their signatures made anew.
fn everything(ledger: &Ledger) -> Vec<Received> {
    let Some(dag) = ledger.dag(&DagId::from(ledger.team())) else { return Vec::new() };
    let signed = |id: &EntryId| {
        let entry = ledger.entry(id)?.clone();
        let author = (0..=DEVICES).map(secret).find(|secret| secret.public() == entry.key())?;
        Some(Received { signature: Some(author.sign_entry(id)), entry })
    };
    dag.order().iter().filter_map(signed).collect()
}

/// All that a roster says, in words.
fn face(ledger: &Ledger) -> String {
    let roster = ledger.roster();
    let bindings: Vec<(DeviceKey, PersonId)> = roster.bindings().collect();
    let persons: Vec<_> = roster.persons().map(|person| (person, roster.capability(&person))).collect();
    let open = (ledger.removals(), ledger.rivals(), ledger.joins_to_vouch());
    format!("{:?} {bindings:?} {persons:?} {:?} {open:?}", ledger.roster_heads(), roster.members())
}

/// A log of a device.
fn session(who: u8, number: u8) -> SessionId {
    SessionId::from_bytes([who, number, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7])
}
