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

/// Entries of each roster.
const ENTRIES: usize = 15_000;

/// Seconds in which such a roster should be judged.
const AIM_S: f64 = 10.0;

/// A way to make a roster long.
type Shape = (&'static str, fn(&mut Thief, usize));

const SHAPES: [Shape; 6] = [
    ("let in", |thief, step| {
        thief.let_in(0, &format!("new {step}"));
    }),
    ("raised and lowered again", |thief, _| {
        thief.grant(0, &[], Capability::Admin);
        thief.grant(0, &[], Capability::Responder);
    }),
    ("one device let in, revoked, and again", |thief, _| {
        thief.let_in(0, "again");
        thief.revoke(0, &[], "again");
    }),
    ("two lines of both, merged at the end", |thief, step| {
        for line in [1, 2] {
            thief.begin(line);
            thief.mix(line, &[], step);
        }
    }),
    ("the same, merged at each step", |thief, step| {
        let tips = [1, 2].map(|line| thief.begin(line));
        thief.mix(1, &[tips[1]], step);
        thief.mix(2, &[tips[0]], step);
    }),
    ("revokes that know nothing of one another", |thief, step| {
        let line = 10 + step as u32;
        let before = thief.tips.get(&0).map(|(_, id)| *id);
        thief.revoke(line, before.as_slice(), "second");
        thief.loose.extend(thief.tips.get(&line).map(|(_, id)| *id));
        if thief.loose.len() == 60 {
            let loose = std::mem::take(&mut thief.loose);
            thief.write(3, &loose, &RosterFact::Merge);
        }
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
}

/// Measures all shapes.
pub(crate) fn measure() -> Result<Vec<Figure>, Fault> {
    SHAPES.iter().map(|(what, step)| judge(what, *step)).collect()
}

fn judge(what: &str, step: fn(&mut Thief, usize)) -> Result<Figure, Fault> {
    let mut thief = Thief::found()?;
    thief.friend = Some(thief.let_in(0, "second"));
    let mut steps = 0;
    while thief.entries.len() < ENTRIES {
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
    Ok(Figure::new("roster", format!("{ENTRIES} by one admin: {what}"), took, "s").aim(AIM_S))
}

impl Thief {
    fn found() -> Result<Self, Fault> {
        let draft = draft::team_create(secret("first").public(), session(0), clock(0), PersonKind::Human, Vec::new());
        let genesis = draft.seal().map_err(|_| Fault::unexpected("no team could be founded"))?;
        let (team, tips) = (genesis.team(), BTreeMap::from([(0, (1, genesis.id()))]));
        Ok(Self { team, entries: vec![genesis], tips, loose: Vec::new(), friend: None })
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
        let ticket = format!("ticket {}", self.entries.len());
        let ticket_key = secret(&ticket).public();
        let (capability, expires, incident) = (Capability::Responder, Timestamp(0), None);
        let invite = self.write(line, &[], &RosterFact::Invite { ticket_key, capability, expires, incident });
        let seed = secret(&ticket).seed();
        let ticket = Ticket { team: self.team, invite, seed, expires, addresses: Vec::new(), incident };
        let number = self.entries.len();
        let session = session(1_000_000 + number as u32);
        let join = self.seal(draft::join(&ticket, secret(name).public(), session, clock(number), PersonKind::Human));
        self.write(line, &[join], &RosterFact::Vouch { join });
        join
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
