//! A small world for tests: authors who write entries about one incident, apart or in touch. No ledger, no signatures.

use crate::{Act, Aside, CommandError, Document, People, Prepared, Source, declare, prepare};
use muster_log::body::BodyPlace;
use muster_log::fact::{Declare, IncidentFact, Visibility, What};
use muster_log::{
    Body, BodyText, Claimed, DeviceKey, DeviceSecret, Draft, Entry, EntryId, IncidentId, Kind, PersonId, SessionId,
    Status, TeamId, Timestamp, Value,
};
use std::collections::{BTreeMap, BTreeSet};

/// 2023-07-20 12:17:00 UTC.
pub(crate) const START_MS: i64 = 1_689_855_420_000;

/// All that was ever written, with what everybody is told of it.
pub(crate) struct World {
    pub(crate) entries: Vec<Entry>,
    pub(crate) bodies: BTreeMap<EntryId, BodyText>,
    pub(crate) statuses: BTreeMap<EntryId, Status>,
    pub(crate) people: People,
    pub(crate) clock_ms: i64,
    /// What counts as redacted, by whom.
    pub(crate) redacted: BTreeMap<EntryId, Vec<EntryId>>,
    /// The `admit` entries whose authors could let somebody in.
    pub(crate) admits: BTreeSet<EntryId>,
    persons: BTreeMap<DeviceKey, PersonId>,
}

/// Somebody at a device, and what of the incident has reached them. A clone that goes on writing forks the log.
#[derive(Clone)]
pub(crate) struct Author {
    pub(crate) key: DeviceKey,
    pub(crate) person: PersonId,
    session: SessionId,
    seq: u32,
    backlink: Option<EntryId>,
    pub(crate) known: BTreeSet<EntryId>,
}

impl Author {
    /// The same device in a new session: a log of its own.
    pub(crate) fn elsewhere(self) -> Self {
        Self { session: SessionId::from_bytes([0xee; 16]), seq: 0, backlink: None, ..self }
    }
}

impl World {
    /// A team with one device each, nothing declared.
    pub(crate) fn of(handles: &[&str]) -> (Self, Vec<Author>) {
        let mut persons = BTreeMap::new();
        let authors: Vec<Author> = (1u8..)
            .zip(handles)
            .map(|(byte, _)| {
                let key = DeviceSecret::from_seed(&[byte; 32]).public();
                let person = PersonId::from_bytes([byte; 32]);
                persons.insert(key, person);
                let session = SessionId::from_bytes([byte; 16]);
                Author { key, person, session, seq: 0, backlink: None, known: BTreeSet::new() }
            })
            .collect();
        let people = People::new(
            authors.iter().zip(handles).map(|(author, handle)| (author.person, (*handle).to_owned(), vec![author.key])),
        );
        let world = Self {
            entries: Vec::new(),
            bodies: BTreeMap::new(),
            statuses: BTreeMap::new(),
            people,
            clock_ms: START_MS,
            redacted: BTreeMap::new(),
            admits: BTreeSet::new(),
            persons,
        };
        (world, authors)
    }

    /// A team in which the first has declared an incident that all know of.
    pub(crate) fn declared(handles: &[&str]) -> (Self, Vec<Author>) {
        let (mut world, mut authors) = Self::of(handles);
        let what =
            What::Declare(Declare { drill: false, suspected: false, visibility: Visibility::Team, severity: Some(2) });
        let id = world.write(&mut authors[0], what, BodyText::plain("Checkout is down"));
        authors.iter_mut().for_each(|author| author.known.extend([id]));
        (world, authors)
    }

    /// Writes a fact as `author`, a minute after the last.
    pub(crate) fn write(&mut self, author: &mut Author, what: What, body: BodyText) -> EntryId {
        self.write_fact(author, &IncidentFact::now(what), body)
    }

    pub(crate) fn write_fact(&mut self, author: &mut Author, fact: &IncidentFact, body: BodyText) -> EntryId {
        self.write_raw(author, fact.kind(), fact.fields(), (!body.is_empty()).then_some(body))
    }

    /// Writes what a command prepares from what `author` knows.
    pub(crate) fn act(&mut self, author: &mut Author, act: Act) -> Result<EntryId, CommandError> {
        let Prepared { fact, body, .. } = self.prepare(author, &act)?;
        Ok(self.write_fact(author, &fact, body))
    }

    pub(crate) fn prepare(&self, author: &Author, act: &Act) -> Result<Prepared, CommandError> {
        if author.known.is_empty() {
            return declare(act, &Aside::default(), &self.people);
        }
        prepare(&self.seen_by(author), &self.people, author.person, act, &Aside::default())
    }

    pub(crate) fn write_raw(
        &mut self,
        author: &mut Author,
        kind: Kind,
        fields: Vec<Value>,
        body: Option<BodyText>,
    ) -> EntryId {
        let team = TeamId::from_bytes([7; 32]);
        let incident = if kind == Kind::DECLARE { [0; 32] } else { *self.entries[0].id().as_bytes() };
        let mut deps = self.heads(&author.known);
        deps.retain(|id| Some(*id) != author.backlink);
        // As a `merge` would, were there ever so many heads here.
        deps.truncate(64);
        let mut draft = Draft {
            team,
            incident: IncidentId::from_bytes(incident),
            key: author.key,
            session: author.session,
            seq: author.seq + 1,
            backlink: author.backlink,
            deps,
            roster_heads: Vec::new(),
            claimed: Claimed { time: Timestamp(self.clock_ms), offset_minutes: 120 },
            kind,
            fields,
            body: None,
        };
        let salt = [self.entries.len() as u8; 16];
        draft.body = body.as_ref().map(|text| Body::write(text, salt, &BodyPlace::of(&draft)).unwrap().reference());
        let entry = draft.seal().unwrap();
        let id = entry.id();
        self.clock_ms = self.clock_ms.saturating_add(60_000);
        (author.seq, author.backlink) = (author.seq + 1, Some(id));
        author.known.insert(id);
        self.bodies.extend(body.map(|body| (id, body)));
        self.entries.push(entry);
        id
    }

    /// Brings what `from` knows to `to`.
    pub(crate) fn reach(from: &Author, to: &mut Author) {
        to.known.extend(&from.known);
    }

    /// Everybody learns everything.
    pub(crate) fn heal(&self, authors: &mut [Author]) {
        let all: BTreeSet<EntryId> = self.entries.iter().map(Entry::id).collect();
        authors.iter_mut().for_each(|author| author.known.clone_from(&all));
    }

    fn heads(&self, known: &BTreeSet<EntryId>) -> Vec<EntryId> {
        let parents: BTreeSet<EntryId> =
            self.entries.iter().filter(|entry| known.contains(&entry.id())).flat_map(|e| e.parents()).collect();
        known.difference(&parents).copied().collect()
    }

    /// One entry as a source.
    pub(crate) fn source<'a>(&self, entry: &'a Entry) -> Source<'a> {
        Source {
            entry,
            status: self.statuses.get(&entry.id()).copied().unwrap_or(Status::Active),
            person: self.persons.get(&entry.key()).copied(),
            body: self.bodies.get(&entry.id()).filter(|_| self.redacted_by(&entry.id()).is_empty()).cloned(),
            redacted_by: self.redacted_by(&entry.id()),
            admits: self.admits.contains(&entry.id()),
        }
    }

    /// The redactions of an entry that count.
    pub(crate) fn redacted_by(&self, id: &EntryId) -> Vec<EntryId> {
        self.redacted.get(id).cloned().unwrap_or_default()
    }

    /// Everything, in the order of writing.
    pub(crate) fn sources(&self) -> Vec<Source<'_>> {
        self.entries.iter().map(|entry| self.source(entry)).collect()
    }

    pub(crate) fn document(&self) -> Document {
        Document::derive(&self.sources()).unwrap()
    }

    /// The document of what `author` knows.
    pub(crate) fn seen_by(&self, author: &Author) -> Document {
        let known = self.entries.iter().filter(|entry| author.known.contains(&entry.id()));
        Document::derive(&known.map(|entry| self.source(entry)).collect::<Vec<_>>()).unwrap()
    }
}
