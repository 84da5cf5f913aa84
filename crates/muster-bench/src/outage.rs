//! A home with a long outage in it: one team, one incident, five authors who take turns.
//!
//! The entries are real (hashed, signed, admitted one by one by a ledger) but staged straight into the store: deriving
//! the document after each of them would take long and change nothing of what is in the home.

use crate::fault::Fault;
use crate::surroundings::{self, OsEntropy};
use crate::words;
use muster_incident::Act;
use muster_incident::command::Aside;
use muster_log::body::BodyPlace;
use muster_log::fact::{Capability, IncidentFact, Saying, What};
use muster_log::{
    Body, BodyText, Claimed, DagId, DeviceSecret, Entry, EntryId, IncidentId, Ledger, Received, SessionId, TeamId,
    Timestamp,
};
use muster_node::clock::{entropy16, entropy32};
use muster_node::keystore;
use muster_node::unlock::Unlock;
use muster_replica::{JoinAnswer, Replica};
use muster_store::{DiskStore, MemoryStore, Storage, StoredEntry, Write};
use std::path::{Path, PathBuf};

/// Names of the authors; the first one's home it is.
pub(crate) const AUTHORS: [&str; 5] = ["ada", "ben", "cho", "dia", "eli"];

/// Entries of one commit while the home is written.
const COMMIT_EVERY: u32 = 1_000;

/// Time between two entries, as claimed.
const STEP_MS: i64 = 3_000;

/// The home and what is in it.
pub(crate) struct Outage {
    /// The home.
    pub(crate) home: PathBuf,
    /// The team.
    pub(crate) team: TeamId,
    /// The incident.
    pub(crate) incident: IncidentId,
    /// Entries of the incident, its declaration among them.
    pub(crate) entries: u32,
    /// The last of them, which has all others in its past.
    pub(crate) last: EntryId,
}

/// One line of the outage.
pub(crate) struct Line {
    /// What was done.
    pub(crate) saying: Saying,
    /// When it was written, by its author's clock; `None` = evenly spread until now.
    pub(crate) written: Option<Timestamp>,
    /// What was typed.
    pub(crate) text: String,
}

/// What is to be written.
pub(crate) struct Script<'a> {
    /// Entries of the incident, its declaration among them.
    pub(crate) entries: u32,
    /// How many take turns, at most as many as there are [`AUTHORS`].
    pub(crate) authors: usize,
    /// The n-th line, from 1.
    pub(crate) line: &'a dyn Fn(u32) -> Line,
    /// Further members who write nothing yet: name and key file.
    pub(crate) others: &'a [(String, PathBuf)],
}

struct Author {
    secret: DeviceSecret,
    session: SessionId,
}

impl Outage {
    /// Writes an incident of `entries` entries by five authors into a new home at `path`.
    pub(crate) fn write(path: &Path, entries: u32) -> Result<Self, Fault> {
        Self::write_lines(path, entries, &words::note)
    }

    /// The same of these lines.
    pub(crate) fn write_lines(path: &Path, entries: u32, text: &dyn Fn(u32) -> String) -> Result<Self, Fault> {
        let line = |n| Line { saying: Saying::Note, written: None, text: text(n) };
        Self::play(path, &Script { entries, authors: AUTHORS.len(), line: &line, others: &[] })
    }

    /// Writes an incident into a new home at `path`.
    pub(crate) fn play(path: &Path, script: &Script<'_>) -> Result<Self, Fault> {
        let entries = script.entries;
        let mut replica = surroundings::replica(path, surroundings::for_writing()?)?;
        let (_, secret) = surroundings::home(path)?;
        let mut authors = vec![Author { secret, session: replica.session() }];
        let team = replica.create_team(AUTHORS[0], surroundings::now())?;
        for name in AUTHORS.iter().take(script.authors).skip(1) {
            let seed = entropy32()?;
            let secret = || Ok(DeviceSecret::from_seed(&seed));
            authors.push(join(&mut replica, team, name, &secret)?);
        }
        for (name, key_file) in script.others {
            join(&mut replica, team, name, &|| Ok(keystore::load_or_create(key_file, &Unlock::default())?.0))?;
        }
        let title = "Checkout is down".to_owned();
        let declare = Act::Declare { title, severity: Some(1), drill: false, suspected: false, private: Vec::new() };
        let mut now = surroundings::now();
        if let Some(first) = (entries > 1).then(|| (script.line)(1).written).flatten() {
            // It comes before its first line in the timeline, too.
            now.wall = first.plus_ms(-1_000);
        }
        let incident = replica.write(team, None, &declare, &Aside::default(), now)?.incident;
        replica.commit(now)?;
        let mut store = replica.into_store();
        let last = fill(&mut store, team, incident, &authors, script)?;
        Ok(Self { home: path.to_owned(), team, incident, entries, last })
    }
}

/// Lets a newcomer into the team, whose own replica is not needed any more then.
fn join(
    replica: &mut Replica<DiskStore>,
    team: TeamId,
    name: &str,
    secret: &dyn Fn() -> Result<DeviceSecret, Fault>,
) -> Result<Author, Fault> {
    let author = Author { secret: secret()?, session: surroundings::session()? };
    let mut newcomer = Replica::open(MemoryStore::new(), secret()?, author.session, Box::new(OsEntropy))?;
    let now = surroundings::now();
    let ticket = replica.invite(team, Capability::Responder, None, now.wall.plus_ms(60_000), &[], now)?;
    let request = newcomer.join_request(&ticket, name, now)?;
    let answer = replica.answer_join(&newcomer.device(), &request, now)?;
    replica.commit(now)?;
    match answer {
        JoinAnswer::Welcome => Ok(author),
        JoinAnswer::Refused { reason } => Err(Fault::Unexpected(format!("{name} was not let in: {reason}"))),
    }
}

fn fill(
    store: &mut DiskStore,
    team: TeamId,
    incident: IncidentId,
    authors: &[Author],
    script: &Script<'_>,
) -> Result<EntryId, Fault> {
    let dag = DagId::from(incident);
    let mut ledger = restored(store, team, dag)?;
    let mut last = incident.genesis();
    let start = surroundings::now().wall.plus_ms(-STEP_MS * i64::from(script.entries));
    for (n, author) in (1..script.entries).zip(authors.iter().cycle()) {
        let line = (script.line)(n);
        let time = line.written.unwrap_or(start.plus_ms(STEP_MS * i64::from(n)));
        let fact = IncidentFact::now(What::Say(line.saying));
        let claimed = Claimed { time, offset_minutes: 0 };
        let draft =
            ledger.draft(Some(dag), author.secret.public(), author.session, claimed, fact.kind(), fact.fields());
        let mut draft = draft.map_err(Fault::unexpected)?;
        let body = Body::write(&BodyText::plain(line.text), entropy16()?, &BodyPlace::of(&draft));
        let body = body.map_err(Fault::unexpected)?;
        draft.body = Some(body.reference());
        let entry = draft.seal().map_err(Fault::unexpected)?;
        admit(&mut ledger, store, &entry, author, time)?;
        store.stage(Write::Body { hash: body.hash(), bytes: body.bytes().to_vec() })?;
        last = entry.id();
        if n % COMMIT_EVERY == 0 {
            store.commit()?;
        }
    }
    store.commit()?;
    Ok(last)
}

/// A ledger of what the store holds.
fn restored(store: &DiskStore, team: TeamId, incident: DagId) -> Result<Ledger, Fault> {
    let mut ledger = Ledger::new(team);
    for stored in store.entries(&team.into())?.into_iter().chain(store.entries(&incident)?) {
        let entry = Entry::decode(&stored.bytes).map_err(Fault::unexpected)?;
        ledger.restore(entry).map_err(Fault::unexpected)?;
    }
    Ok(ledger)
}

/// Signs an entry as its author, admits it and stages it.
fn admit(
    ledger: &mut Ledger,
    store: &mut DiskStore,
    entry: &Entry,
    author: &Author,
    received: Timestamp,
) -> Result<(), Fault> {
    let id = entry.id();
    let signature = Some(author.secret.sign_entry(&id));
    let outcome = ledger.receive(None, vec![Received { entry: entry.clone(), signature }]);
    if outcome.admitted != [id] {
        return Err(Fault::Unexpected(format!("an entry of the outage was not admitted: {:?}", outcome.refused)));
    }
    let (team, dag) = (entry.team(), entry.dag());
    let stored = StoredEntry { bytes: entry.bytes().to_vec(), id, team, dag, received, signature };
    Ok(store.stage(Write::Entry(stored))?)
}
