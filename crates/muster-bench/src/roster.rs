//! How long it takes to judge a roster that somebody with an admin's key has made long.
//!
//! Every command without a node does that, and whoever is sent such a roster. Measured is [`Ledger::restore`] of each entry, in
//! one thread, and the roster at the end; making the entries is not.

use crate::fault::Fault;
use crate::figure::Figure;
use muster_log::fact::{Capability, PersonKind, RevokeMode, RosterFact};
use muster_log::{
    Claimed, DeviceSecret, Draft, Entry, EntryId, IncidentId, Ledger, PersonId, SessionId, TeamId, Ticket, Timestamp,
    draft,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Instant;

/// Entries of each roster...
const ENTRIES: usize = 15_000;

/// ... and of the one for which that many would take minutes.
const ENTRIES_OF_RIVALS: usize = 1_500;

/// So many come by one ticket there.
const RIVALS: usize = 250;

/// Seconds in which such a roster should be judged.
const AIM_S: f64 = 10.0;

/// A way to make a roster long, and how long.
type Shape = (&'static str, usize, fn(&mut Thief, usize));

const SHAPES: [Shape; 7] = [
    ("let in", ENTRIES, |thief, step| {
        thief.let_in(0, &format!("new {step}"));
    }),
    ("raised and lowered again", ENTRIES, |thief, _| {
        thief.grant(0, &[], Capability::Admin);
        thief.grant(0, &[], Capability::Responder);
    }),
    ("one device let in, revoked, and again", ENTRIES, |thief, _| {
        thief.let_in(0, "again");
        thief.revoke(0, &[], "again");
    }),
    ("two lines of both, merged at the end", ENTRIES, |thief, step| {
        for line in [1, 2] {
            thief.begin(line);
            thief.mix(line, &[], step);
        }
    }),
    ("the same, merged at each step", ENTRIES, |thief, step| {
        let tips = [1, 2].map(|line| thief.begin(line));
        thief.mix(1, &[tips[1]], step);
        thief.mix(2, &[tips[0]], step);
    }),
    ("revokes that know nothing of one another", ENTRIES, |thief, step| {
        let line = 10 + step as u32;
        let before = thief.tips.get(&0).map(|(_, id)| *id);
        thief.revoke(line, before.as_slice(), "second");
        thief.loose.extend(thief.tips.get(&line).map(|(_, id)| *id));
        if thief.loose.len() == 60 {
            let loose = std::mem::take(&mut thief.loose);
            thief.write(3, &loose, &RosterFact::Merge);
        }
    }),
    ("hundreds by one ticket, and confirms without end", ENTRIES_OF_RIVALS, |thief, step| match thief.rivals.len() {
        RIVALS => {
            let join = thief.rivals[step % RIVALS];
            thief.write(0, &[], &RosterFact::Confirm { join });
        }
        _ => thief.one_more_by_the_same_ticket(step),
    }),
];

/// Somebody with the founder's key.
struct Thief {
    team: TeamId,
    entries: Vec<Entry>,
    /// The last entry of each line that is written, with its number.
    tips: BTreeMap<u32, (u32, EntryId)>,
    /// Entries that are to be merged.
    loose: Vec<EntryId>,
    /// Somebody who was let in.
    friend: Option<EntryId>,
    /// A ticket that many use, and who came by it.
    shared: Option<Ticket>,
    rivals: Vec<EntryId>,
}

/// Measures all shapes.
pub(crate) fn measure() -> Result<Vec<Figure>, Fault> {
    SHAPES.iter().map(|(what, entries, step)| judge(what, *entries, *step)).collect()
}

fn judge(what: &str, entries: usize, step: fn(&mut Thief, usize)) -> Result<Figure, Fault> {
    let mut thief = Thief::found()?;
    thief.friend = Some(thief.let_in(0, "second"));
    let mut steps = 0;
    while thief.entries.len() < entries {
        step(&mut thief, steps);
        steps += 1;
    }
    let tips: Vec<EntryId> = thief.tips.values().map(|(_, id)| *id).take(60).collect();
    thief.write(0, &tips, &RosterFact::Merge);
    let mut ledger = Ledger::new(thief.team);
    let begun = Instant::now();
    for entry in thief.entries {
        ledger.restore(entry).map_err(|_| Fault::unexpected("an entry of the roster was refused"))?;
    }
    if ledger.roster().members().is_empty() {
        return Err(Fault::unexpected("nobody is left in the roster"));
    }
    let took = begun.elapsed().as_secs_f64();
    let figure = Figure::new("roster", format!("{entries} by one admin: {what}"), took, "s");
    // The shorter one is there to be watched: what it grows with is not mended.
    Ok(if entries == ENTRIES { figure.aim(AIM_S) } else { figure })
}

impl Thief {
    fn found() -> Result<Self, Fault> {
        let draft = draft::team_create(secret("first").public(), session(0), clock(0), PersonKind::Human, Vec::new());
        let genesis = draft.seal().map_err(|_| Fault::unexpected("no team could be founded"))?;
        let (team, tips) = (genesis.team(), BTreeMap::from([(0, (1, genesis.id()))]));
        Ok(Self {
            team,
            entries: vec![genesis],
            tips,
            loose: Vec::new(),
            friend: None,
            shared: None,
            rivals: Vec::new(),
        })
    }

    /// Where a line stands; a new one begins at the friend's vouch.
    fn begin(&mut self, line: u32) -> EntryId {
        if let Some((_, tip)) = self.tips.get(&line) {
            return *tip;
        }
        let base: Vec<EntryId> = self.tips.get(&0).map(|(_, id)| *id).into_iter().collect();
        self.write(line, &base, &RosterFact::Merge)
    }

    fn write(&mut self, line: u32, deps: &[EntryId], fact: &RosterFact) -> EntryId {
        let tip = self.tips.get(&line).copied();
        let backlink = tip.map(|(_, id)| id);
        let mut deps: Vec<EntryId> = deps.iter().copied().filter(|dep| Some(*dep) != backlink).collect();
        deps.sort_unstable();
        let entry = self.seal(Draft {
            team: self.team,
            incident: IncidentId::from_bytes(*self.team.as_bytes()),
            key: secret("first").public(),
            session: session(line),
            seq: tip.map_or(1, |(seq, _)| seq + 1),
            backlink,
            deps,
            roster_heads: Vec::new(),
            claimed: clock(self.entries.len()),
            kind: fact.kind(),
            fields: fact.fields(),
            body: None,
        });
        self.tips.insert(line, (tip.map_or(1, |(seq, _)| seq + 1), entry));
        entry
    }

    fn seal(&mut self, draft: Draft) -> EntryId {
        let entry = draft.seal().expect("made here, of facts of good form");
        let id = entry.id();
        self.entries.push(entry);
        id
    }

    fn let_in(&mut self, line: u32, name: &str) -> EntryId {
        let ticket = self.invite(line);
        let join = self.join(&ticket, name);
        self.write(line, &[join], &RosterFact::Vouch { join });
        join
    }

    fn invite(&mut self, line: u32) -> Ticket {
        let ticket = secret(&format!("ticket {}", self.entries.len()));
        let (capability, expires, incident) = (Capability::Responder, Timestamp(0), None);
        let fact = RosterFact::Invite { ticket_key: ticket.public(), capability, expires, incident };
        let invite = self.write(line, &[], &fact);
        Ticket { team: self.team, invite, seed: ticket.seed(), expires, addresses: Vec::new(), incident }
    }

    fn join(&mut self, ticket: &Ticket, name: &str) -> EntryId {
        let number = self.entries.len();
        let session = session(1_000_000 + number as u32);
        self.seal(draft::join(ticket, secret(name).public(), session, clock(number), PersonKind::Human))
    }

    /// Vouched for by somebody who has not heard of the others.
    fn one_more_by_the_same_ticket(&mut self, step: usize) {
        let ticket = match self.shared.take() {
            Some(ticket) => ticket,
            None => self.invite(0),
        };
        let join = self.join(&ticket, &format!("rival {step}"));
        self.shared = Some(ticket);
        self.rivals.push(join);
        let line = 10 + step as u32;
        self.write(line, &[join], &RosterFact::Vouch { join });
        self.loose.extend(self.tips.remove(&line).map(|(_, id)| id));
        if self.loose.len() == 60 || self.rivals.len() == RIVALS {
            let loose = std::mem::take(&mut self.loose);
            self.write(0, &loose, &RosterFact::Merge);
        }
    }

    fn grant(&mut self, line: u32, deps: &[EntryId], capability: Capability) {
        if let Some(person) = self.friend.map(PersonId::of_genesis) {
            self.write(line, deps, &RosterFact::SetCapability { person, capability });
        }
    }

    fn revoke(&mut self, line: u32, deps: &[EntryId], name: &str) {
        let (devices, mode, frontier) = (vec![secret(name).public()], RevokeMode::Compromise, Vec::new());
        self.write(line, deps, &RosterFact::Revoke { devices, mode, frontier });
    }

    /// One deed of several in turn, on a line.
    fn mix(&mut self, line: u32, deps: &[EntryId], step: usize) {
        let name = format!("line {line}");
        match step % 4 {
            0 => self.grant(line, deps, Capability::Admin),
            1 => self.grant(line, deps, Capability::Responder),
            2 => {
                self.let_in(line, &name);
            }
            _ => self.revoke(line, deps, &name),
        }
    }
}

fn secret(name: &str) -> DeviceSecret {
    DeviceSecret::from_seed(&Sha256::digest(name).into())
}

fn session(number: u32) -> SessionId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SessionId::from_bytes(bytes)
}

fn clock(step: usize) -> Claimed {
    Claimed { time: Timestamp(step as i64), offset_minutes: 0 }
}
