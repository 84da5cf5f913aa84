//! A made-up team: devices with views, which write on what they have seen, honestly or not. No assertions here.

use crate::draft;
use crate::entry::{BodyRef, Draft, Entry};
use crate::fact::{
    Capability, Declare, Frontier, IncidentFact, Kind, PersonKind, RevokeMode, RosterFact, Saying, Visibility, What,
};
use crate::ids::{BodyHash, DagId, EntryId, IncidentId, PersonId, SessionId, TeamId};
use crate::key::{DeviceKey, DeviceSecret, Signature};
use crate::ledger::{Ledger, Outcome, Received};
use crate::roster::{Fold, Mask};
use crate::ticket::Ticket;
use crate::time::{Claimed, Timestamp};
use crate::value::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use zeroize::Zeroizing;

pub(super) type View = BTreeSet<EntryId>;

/// A small generator (splitmix64), so that a seed names a history for good.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// A device is known by a name: its person's letter and a number, as "A1".
pub(super) fn secret(name: &str) -> DeviceSecret {
    DeviceSecret::from_seed(&Sha256::digest(name).into())
}

pub(super) fn key(name: &str) -> DeviceKey {
    secret(name).public()
}

pub(super) fn session(number: u16) -> SessionId {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    SessionId::from_bytes(bytes)
}

pub(super) fn clock(ms: i64) -> Claimed {
    Claimed { time: Timestamp(ms), offset_minutes: 0 }
}

/// What the clock of a device says at a step: some are off by minutes, some go backwards.
fn claims(name: &str, step: i64) -> i64 {
    let skew = name.bytes().map(i64::from).sum::<i64>() % 7 - 3;
    let pace = if name.starts_with(['C', 'S']) { -20_000 } else { 30_000 };
    step * pace + skew * 100_000
}

pub(super) fn note() -> What {
    What::Say(Saying::Note)
}

/// What is written: a fact, or one that is completed where it stands.
#[derive(Clone)]
pub(super) enum Deed {
    Roster(RosterFact),
    /// A join by this invite.
    Join(EntryId),
    /// A device of this name for the author's person.
    AddDevice(String),
    Incident(IncidentId, What),
    Declare(Visibility),
}

/// Where and how it is written, where that is not on all the author has seen.
#[derive(Clone, Default)]
pub(super) struct Way {
    /// Write on this view and do not look at the result.
    pub(super) view: Option<View>,
    pub(super) session: Option<u16>,
    /// Own entries to pass over: a fork.
    pub(super) back: usize,
}

impl Way {
    pub(super) fn on(view: &View) -> Self {
        Self { view: Some(view.clone()), ..Self::default() }
    }
}

pub(super) struct World {
    /// Knows everything, every entry with its signature.
    pub(super) ledger: Ledger,
    pub(super) team: TeamId,
    pub(super) written: Vec<(Entry, Signature)>,
    pub(super) entries: BTreeMap<EntryId, Entry>,
    pub(super) names: BTreeMap<DeviceKey, String>,
    pub(super) view: BTreeMap<String, View>,
    pub(super) snaps: BTreeMap<String, Vec<View>>,
    pub(super) last: Outcome,
    /// Notes have bodies, and clocks are off.
    pub(super) is_lifelike: bool,
}

impl World {
    /// A team created by A1, with one recovery key, "rk0".
    pub(super) fn new() -> Self {
        let draft = draft::team_create(key("A1"), session(0), clock(0), PersonKind::Human, vec![key("rk0")]);
        let genesis = draft.seal().unwrap();
        let team = genesis.team();
        let mut world = Self {
            ledger: Ledger::new(team),
            team,
            written: Vec::new(),
            entries: BTreeMap::new(),
            names: BTreeMap::new(),
            view: BTreeMap::new(),
            snaps: BTreeMap::new(),
            last: Outcome::default(),
            is_lifelike: false,
        };
        world.names.insert(key("A1"), "A1".into());
        world.names.insert(key("rk0"), "rk0".into());
        let id = world.hand_in(genesis, "A1");
        world.see("A1", &View::from([id]));
        world
    }

    pub(super) fn is_admitted(&self, id: &EntryId) -> bool {
        self.ledger.contains(id)
    }

    pub(super) fn person(&self, name: &str) -> PersonId {
        self.ledger.roster().person_of(&key(name)).unwrap()
    }

    /// The entries of a view that no other of it builds on.
    fn heads<'a>(&self, of: impl Iterator<Item = &'a EntryId> + Clone) -> Vec<EntryId> {
        let parents: View = of.clone().flat_map(|id| self.entries[id].parents()).collect();
        of.filter(|id| !parents.contains(id)).copied().collect()
    }

    /// Everything below and with these: parents and roster heads.
    pub(super) fn past_of(&self, ids: impl IntoIterator<Item = EntryId>) -> View {
        let (mut past, mut todo) = (View::new(), ids.into_iter().collect::<Vec<_>>());
        while let Some(id) = todo.pop() {
            if past.insert(id) {
                todo.extend(self.entries[&id].parents().chain(self.entries[&id].items().roster_heads.clone()));
            }
        }
        past
    }

    pub(super) fn all(&self) -> View {
        self.ledger.dags().flat_map(|(_, dag)| dag.order().to_vec()).collect()
    }

    pub(super) fn fold(&self, view: &View) -> Arc<Fold> {
        let numbers = view.iter().filter_map(|id| self.ledger.graph().number(id));
        self.ledger.graph().fold(&numbers.collect::<Mask>())
    }

    pub(super) fn write(&mut self, name: &str, deed: Deed) -> EntryId {
        self.write_so(name, deed, Way::default())
    }

    pub(super) fn say(&mut self, name: &str, incident: IncidentId) -> EntryId {
        self.write(name, Deed::Incident(incident, note()))
    }

    pub(super) fn write_so(&mut self, name: &str, deed: Deed, way: Way) -> EntryId {
        let is_own = way.view.is_none();
        let view = way.view.clone().unwrap_or_else(|| self.view.get(name).cloned().unwrap_or_default());
        self.names.insert(key(name), name.into());
        let entry = self.place(name, &deed, &view, &way).seal().unwrap();
        let id = self.hand_in(entry, name);
        if is_own && self.is_admitted(&id) {
            let seen = self.past_of([id]);
            self.see(name, &seen);
        }
        id
    }

    fn place(&self, name: &str, deed: &Deed, view: &View, way: &Way) -> Draft {
        let author = key(name);
        let step = self.written.len() as i64;
        let is_off = self.is_lifelike && matches!(deed, Deed::Incident(..));
        let claimed = clock(if is_off { claims(name, step) } else { step });
        if let Deed::Join(invite) = deed {
            let session = session(100 + self.written.len() as u16);
            return draft::join(&self.ticket(*invite), author, session, claimed, PersonKind::Human);
        }
        let dag: Option<DagId> = match deed {
            Deed::Declare(_) => None,
            Deed::Incident(incident, _) => Some((*incident).into()),
            _ => Some(self.team.into()),
        };
        let session = session(way.session.unwrap_or(0));
        let mut here: Vec<EntryId> =
            view.iter().filter(|id| dag.is_some_and(|dag| self.entries[*id].dag() == dag)).copied().collect();
        let is_mine = |id: &EntryId| self.entries[id].key() == author && self.entries[id].items().session == session;
        let mut mine: Vec<EntryId> = here.iter().copied().filter(is_mine).collect();
        mine.sort_by_key(|id| self.entries[id].seq());
        let dropped = mine.split_off(mine.len().saturating_sub(way.back));
        here.retain(|id| {
            !dropped.iter().any(|drop| {
                drop == id || self.ledger.dag(&self.entries[id].dag()).is_some_and(|dag| dag.is_past(drop, id))
            })
        });
        let backlink = mine.last().copied();
        let mut deps = self.heads(here.iter());
        deps.retain(|id| Some(*id) != backlink);
        let roster: Vec<EntryId> = view.iter().filter(|id| self.entries[*id].kind().is_roster()).copied().collect();
        let is_roster = dag == Some(self.team.into());
        let past = self.past_of(deps.iter().copied().chain(backlink));
        let (kind, fields) = self.facts(name, deed, &past);
        let seq = backlink.map_or(1, |id| self.entries[&id].seq() + 1);
        Draft {
            team: self.team,
            incident: IncidentId::from_bytes(dag.map_or([0; 32], |dag| *dag.as_bytes())),
            key: author,
            session,
            seq,
            backlink,
            deps,
            roster_heads: if is_roster { Vec::new() } else { self.heads(roster.iter()) },
            claimed,
            kind,
            fields,
            body: match deed {
                Deed::Incident(_, What::Say(_)) if self.is_lifelike => {
                    // Nobody looks for it; siblings name the same.
                    let hash = BodyHash::from_bytes([(seq % 200) as u8; 32]);
                    Some(BodyRef { hash, size: 20 })
                }
                _ => None,
            },
        }
    }

    fn facts(&self, name: &str, deed: &Deed, past: &View) -> (Kind, Vec<Value>) {
        let roster = |fact: &RosterFact| (fact.kind(), fact.fields());
        let incident = |what: &What| {
            let fact = IncidentFact::now(what.clone());
            (fact.kind(), fact.fields())
        };
        match deed {
            Deed::Roster(fact) => roster(fact),
            Deed::AddDevice(device) => {
                let person = self.fold(past).roster.person_of(&key(name)).unwrap_or(PersonId::from_bytes([0; 32]));
                let device_signature = draft::sign_device(&secret(device), self.team, person);
                roster(&RosterFact::AddDevice { device: key(device), device_signature })
            }
            Deed::Declare(visibility) => incident(&What::Declare(Declare {
                drill: false,
                suspected: false,
                visibility: visibility.clone(),
                severity: None,
            })),
            Deed::Incident(_, what) => incident(what),
            Deed::Join(_) => unreachable!("placed before"),
        }
    }

    /// Every ticket's seed follows from the invite's clock, so the world need keep none.
    pub(super) fn ticket(&self, invite: EntryId) -> Ticket {
        let seed = Zeroizing::new(ticket_seed(self.entries[&invite].claimed().time.0));
        Ticket { team: self.team, invite, seed, expires: Timestamp(0), addresses: Vec::new(), incident: None }
    }

    pub(super) fn invite(&self, capability: Capability) -> Deed {
        let ticket_key = DeviceSecret::from_seed(&ticket_seed(self.written.len() as i64)).public();
        Deed::Roster(RosterFact::Invite { ticket_key, capability, expires: crate::Timestamp(0), incident: None })
    }

    /// As [`World::invite`], for a guest of this incident.
    pub(super) fn invite_to(&self, incident: IncidentId, capability: Capability) -> Deed {
        let ticket_key = DeviceSecret::from_seed(&ticket_seed(self.written.len() as i64)).public();
        let (expires, incident) = (crate::Timestamp(0), Some(incident));
        Deed::Roster(RosterFact::Invite { ticket_key, capability, expires, incident })
    }

    pub(super) fn hand_in(&mut self, entry: Entry, name: &str) -> EntryId {
        let (id, signature) = (entry.id(), secret(name).sign_entry(&entry.id()));
        self.entries.insert(id, entry.clone());
        self.written.push((entry.clone(), signature));
        self.last = self.ledger.receive(None, vec![Received { entry, signature: Some(signature) }]);
        id
    }

    pub(super) fn see(&mut self, name: &str, ids: &View) {
        let seen: Vec<EntryId> = ids.iter().filter(|id| self.is_admitted(id)).copied().collect();
        let view = self.view.entry(name.into()).or_default();
        view.extend(seen);
        self.snaps.entry(name.into()).or_default().push(view.clone());
    }

    pub(super) fn sync(&mut self, a: &str, b: &str) {
        let both: View = [a, b].iter().filter_map(|name| self.view.get(*name)).flatten().copied().collect();
        self.see(a, &both);
        self.see(b, &both);
    }

    /// Lets a guest into an incident.
    pub(super) fn visitor(&mut self, inviter: &str, name: &str, incident: IncidentId) -> PersonId {
        let invite = self.write(inviter, self.invite_to(incident, Capability::Responder));
        self.let_in(inviter, name, invite, false)
    }

    /// Invite, join, vouch, and a grant of admin where wanted, in one go.
    pub(super) fn guest(&mut self, inviter: &str, name: &str, is_admin: bool) -> PersonId {
        let invite = self.write(inviter, self.invite(Capability::Responder));
        self.let_in(inviter, name, invite, is_admin)
    }

    fn let_in(&mut self, inviter: &str, name: &str, invite: EntryId, is_admin: bool) -> PersonId {
        let join = self.write(name, Deed::Join(invite));
        self.see(inviter, &View::from([join, invite]));
        self.write(inviter, Deed::Roster(RosterFact::Vouch { join }));
        let person = PersonId::of_genesis(join);
        if is_admin {
            self.write(inviter, Deed::Roster(RosterFact::SetCapability { person, capability: Capability::Admin }));
        }
        let seen = self.view[inviter].clone();
        self.see(name, &seen);
        person
    }

    /// A1 with the guests B1, C1, D1, those in `admins` admins, and one incident that all have seen.
    pub(super) fn small(admins: &str) -> (Self, IncidentId) {
        let mut world = Self::new();
        for name in ["B1", "C1", "D1"] {
            world.guest("A1", name, admins.contains(&name[..1]));
        }
        let incident = IncidentId::of_genesis(world.write("A1", Deed::Declare(Visibility::Team)));
        ["B1", "C1", "D1"].iter().for_each(|name| world.sync("A1", name));
        (world, incident)
    }

    pub(super) fn revoke(&self, devices: &[&str], mode: RevokeMode, frontier: Frontier) -> Deed {
        let mut devices: Vec<DeviceKey> = devices.iter().map(|name| key(name)).collect();
        devices.sort_unstable();
        Deed::Roster(RosterFact::Revoke { devices, mode, frontier })
    }

    pub(super) fn out(&self, device: &str) -> Deed {
        self.revoke(&[device], RevokeMode::Compromise, Vec::new())
    }
}

fn ticket_seed(clock: i64) -> [u8; 32] {
    Sha256::digest(format!("ticket {clock}")).into()
}
