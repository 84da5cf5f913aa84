//! One replica without a disk: a ledger with its signatures and bodies, and a hand that writes. No assertions here.

use crate::frame::Range;
use crate::replica::Replica;
use muster_log::body::BodyPlace;
use muster_log::dag::Tip;
use muster_log::fact::{Capability, Declare, IncidentFact, PersonKind, RosterFact, Saying, Visibility, What};
use muster_log::{
    Body, BodyHash, BodyText, Claimed, DagId, DeviceKey, DeviceSecret, Draft, Entry, EntryId, IncidentId, Ledger,
    Outcome, PersonId, Received, SessionId, ShortLog, Signature, TeamId, Ticket, Timestamp, draft,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Desk {
    pub(super) secret: DeviceSecret,
    session: SessionId,
    pub(super) ledger: Ledger,
    pub(super) signatures: BTreeMap<EntryId, Signature>,
    pub(super) bodies: BTreeMap<BodyHash, Vec<u8>>,
    written: u64,
}

impl Desk {
    /// The first device of a new team, which it has created. `number` < 200 names the device.
    pub(super) fn founder(number: u8) -> Self {
        let mut desk = Self::newcomer(number, TeamId::from_bytes([0; 32]));
        let draft = draft::team_create(desk.key(), desk.session, desk.clock(), PersonKind::Human, Vec::new());
        desk.ledger = Ledger::new(draft.clone().seal().unwrap().team());
        desk.hand_in(draft, "");
        desk
    }

    /// A device that knows the team's id and nothing else.
    pub(super) fn newcomer(number: u8, team: TeamId) -> Self {
        Self {
            secret: DeviceSecret::from_seed(&[number; 32]),
            session: SessionId::from_bytes([number; 16]),
            ledger: Ledger::new(team),
            signatures: BTreeMap::new(),
            bodies: BTreeMap::new(),
            written: 0,
        }
    }

    /// Lets `number` in: invite, join and vouch are written here. The newcomer's own desk is still empty.
    pub(super) fn let_in(&mut self, number: u8) -> Self {
        let mut guest = Self::newcomer(number, self.team());
        let seed = zeroize::Zeroizing::new([200 - number; 32]);
        let ticket_key = DeviceSecret::from_seed(&seed).public();
        let expires = muster_log::Timestamp(0);
        let fact = RosterFact::Invite { ticket_key, capability: Capability::Responder, expires, incident: None };
        let invite = self.roster_fact(&fact);
        let ticket =
            Ticket { team: self.team(), invite, seed, expires: Timestamp(0), addresses: Vec::new(), incident: None };
        let join = draft::join(&ticket, guest.key(), guest.session, guest.clock(), PersonKind::Human).seal().unwrap();
        let signature = Some(guest.secret.sign_entry(&join.id()));
        let join_id = join.id();
        self.receive(Some(guest.key()), vec![Received { entry: join, signature }], Vec::new());
        self.roster_fact(&RosterFact::Vouch { join: join_id });
        // The log of the join goes on in the roster; incidents have logs of their own.
        guest.written = 1;
        guest
    }

    pub(super) fn team(&self) -> TeamId {
        self.ledger.team()
    }

    pub(super) fn key(&self) -> DeviceKey {
        self.secret.public()
    }

    pub(super) fn person(&self, of: &DeviceKey) -> PersonId {
        self.ledger.roster().person_of(of).unwrap()
    }

    fn clock(&self) -> Claimed {
        let ms = 1_689_855_420_000 + self.written as i64 * 1_370 + i64::from(self.session.as_bytes()[0]);
        Claimed { time: Timestamp(ms), offset_minutes: 120 }
    }

    pub(super) fn roster_fact(&mut self, fact: &RosterFact) -> EntryId {
        let draft = self.ledger.draft_roster(self.key(), self.session, self.clock(), fact).unwrap();
        self.hand_in(draft, "")
    }

    pub(super) fn declare(&mut self, title: &str, private_to: Option<Vec<PersonId>>) -> DagId {
        let visibility = match private_to {
            None => Visibility::Team,
            Some(mut persons) => {
                persons.sort_unstable();
                Visibility::Private(persons)
            }
        };
        let what = What::Declare(Declare { drill: false, suspected: false, visibility, severity: None });
        IncidentId::of_genesis(self.write(None, what, title)).into()
    }

    pub(super) fn say(&mut self, incident: DagId, text: &str) -> EntryId {
        self.write(Some(incident), What::Say(Saying::Note), text)
    }

    /// Writes as another device, on everything that is here.
    pub(super) fn say_as(&mut self, author: &Desk, incident: DagId, text: &str) -> EntryId {
        let fact = IncidentFact::now(What::Say(Saying::Note));
        let (key, session) = (author.key(), author.session);
        let draft = self.ledger.draft(Some(incident), key, session, self.clock(), fact.kind(), fact.fields()).unwrap();
        self.hand_in_as(&author.secret, draft, text)
    }

    pub(super) fn write(&mut self, dag: Option<DagId>, what: What, text: &str) -> EntryId {
        let fact = IncidentFact::now(what);
        let draft = self.ledger.draft(dag, self.key(), self.session, self.clock(), fact.kind(), fact.fields()).unwrap();
        self.hand_in(draft, text)
    }

    fn hand_in(&mut self, draft: Draft, text: &str) -> EntryId {
        let secret = DeviceSecret::from_seed(&self.secret.seed());
        self.hand_in_as(&secret, draft, text)
    }

    fn hand_in_as(&mut self, secret: &DeviceSecret, mut draft: Draft, text: &str) -> EntryId {
        self.written += 1;
        let mut bodies = Vec::new();
        if !text.is_empty() {
            let mut salt = [0; 16];
            for (i, byte) in salt.iter_mut().enumerate() {
                *byte = (noise(self.written * 7919 + u64::from(self.session.as_bytes()[0]) * 31 + i as u64)) as u8;
            }
            let body = Body::write(&BodyText::plain(text), salt, &BodyPlace::of(&draft)).unwrap();
            draft.body = Some(body.reference());
            bodies.push(body);
        }
        let entry = draft.seal().unwrap();
        let id = entry.id();
        let signature = Some(secret.sign_entry(&id));
        let bodies = bodies.into_iter().map(|body| (id, body)).collect();
        let outcome = self.receive(None, vec![Received { entry, signature }], bodies);
        assert_eq!(outcome.admitted, [id], "{:?} {:?}", outcome.refused, outcome.missing);
        id
    }

    pub(super) fn receive(
        &mut self,
        sender: Option<DeviceKey>,
        received: Vec<Received>,
        bodies: Vec<(EntryId, Body)>,
    ) -> Outcome {
        let outcome = self.ledger.receive(sender, received);
        if outcome.refused.is_empty() {
            self.signatures.extend(outcome.signatures.iter().copied());
            self.bodies.extend(bodies.into_iter().map(|(_, body)| (body.hash(), body.bytes().to_vec())));
        }
        outcome
    }

    /// Begins a new session, as a store that is opened again does.
    pub(super) fn begin_session(&mut self, number: u32) {
        let mut session = [0; 16];
        session[..4].copy_from_slice(&number.to_be_bytes());
        self.session = SessionId::from_bytes(session);
    }

    /// Hands over the roster, without signatures.
    pub(super) fn copy_roster_to(&self, other: &mut Desk) {
        self.copy_dag_to(self.team().into(), other);
    }

    fn copy_dag_to(&self, dag: DagId, other: &mut Desk) {
        for id in self.order(&dag) {
            other.ledger.restore(self.ledger.entry(id).unwrap().clone()).unwrap();
        }
    }

    /// Hands over everything, as a copy of the disk would.
    pub(super) fn copy_to(&self, other: &mut Desk) {
        self.copy_roster_to(other);
        self.incidents().into_iter().for_each(|incident| self.copy_dag_to(incident, other));
        other.signatures.extend(self.signatures.iter().map(|(id, signature)| (*id, *signature)));
        other.bodies.extend(self.bodies.iter().map(|(hash, body)| (*hash, body.clone())));
    }
}

/// A well-mixed number for a number (splitmix64).
pub(super) fn noise(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Replica for Desk {
    fn incidents(&self) -> Vec<DagId> {
        self.ledger.incidents().map(DagId::from).collect()
    }

    fn visible_to(&self, incident: &DagId, peer: &DeviceKey) -> bool {
        let names = self.ledger.names(&IncidentId::of_genesis(incident.genesis()));
        let person = self.ledger.roster().person_of(peer);
        names.is_none_or(|names| person.is_some_and(|person| names.contains(&person)))
    }

    fn is_shared(&self, dag: &DagId) -> bool {
        *dag == DagId::from(self.team()) || self.ledger.names(&IncidentId::of_genesis(dag.genesis())).is_none()
    }

    fn is_member(&self, device: &DeviceKey) -> bool {
        self.ledger.roster().person_of(device).is_some()
    }

    fn members(&self) -> usize {
        self.ledger.roster().members().len()
    }

    fn entry_beginning(&self, prefix: &crate::frame::HeadPrefix) -> Option<&Entry> {
        self.ledger.entry_beginning(prefix)
    }

    fn len(&self, dag: &DagId) -> u64 {
        self.ledger.dag(dag).map_or(0, |dag| dag.len() as u64)
    }

    fn heads(&self, dag: &DagId) -> Vec<EntryId> {
        self.ledger.dag(dag).map(|dag| dag.heads()).unwrap_or_default()
    }

    fn tips(&self, dag: &DagId) -> Vec<Tip> {
        self.ledger.dag(dag).map(|dag| dag.tips().collect()).unwrap_or_default()
    }

    fn range(&self, dag: &DagId, log: &ShortLog, from: u32, to: u32) -> Vec<EntryId> {
        self.ledger.dag(dag).map(|dag| dag.range(log, from, to)).unwrap_or_default()
    }

    fn order(&self, dag: &DagId) -> &[EntryId] {
        self.ledger.dag(dag).map_or(&[], |dag| dag.order())
    }

    fn is_past(&self, dag: &DagId, earlier: &EntryId, later: &EntryId) -> bool {
        self.ledger.dag(dag).is_some_and(|dag| dag.is_past(earlier, later))
    }

    fn covered(&self, dag: &DagId, ids: &BTreeSet<EntryId>, later: &[EntryId]) -> BTreeSet<EntryId> {
        self.ledger.dag(dag).map(|dag| dag.covered(ids, later)).unwrap_or_default()
    }

    fn first_of(&self, dag: &DagId, parts: &[Range], limit: usize) -> Vec<EntryId> {
        let parts = parts.iter().map(|part| (part.log, part.from, part.to));
        self.ledger.dag(dag).map(|dag| dag.first_of(parts, limit)).unwrap_or_default()
    }

    fn entry(&self, id: &EntryId) -> Option<&Entry> {
        self.ledger.entry(id)
    }

    fn signature(&self, id: &EntryId) -> Option<Signature> {
        self.signatures.get(id).copied()
    }

    fn body(&self, hash: &BodyHash) -> Option<Vec<u8>> {
        self.bodies.get(hash).cloned()
    }

    fn has_body(&self, hash: &BodyHash) -> bool {
        self.bodies.contains_key(hash)
    }

    fn missing_bodies(
        &self,
        dag: &DagId,
        after: Option<EntryId>,
        but: &BTreeSet<EntryId>,
        limit: usize,
    ) -> Vec<EntryId> {
        let Some(dag) = self.ledger.dag(dag) else { return Vec::new() };
        let lacks = |entry: &&Entry| entry.body().is_some_and(|body| !self.bodies.contains_key(&body.hash));
        let mut ids: Vec<EntryId> = dag.entries().filter(lacks).map(Entry::id).filter(|id| !but.contains(id)).collect();
        ids.sort_by_key(|id| (after.is_some_and(|after| *id <= after), *id));
        ids.truncate(limit);
        ids
    }
}
