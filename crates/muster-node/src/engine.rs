//! Executes requests on a replica: the same code for a running node and for a command that opens the store itself.
//!
//! It stages and reads; committing, answering and everything that waits is done by its callers, [`crate::node`] and
//! [`crate::client`]. What is asked is in [`crate::request`].

mod audits;
mod bundles;
mod compact;
mod decisions;
mod devices;
mod doctor;
mod failure;
mod forks;
mod reads;
mod redactions;
mod resolve;
mod status;
mod summaries;
mod team_choice;
mod teams;
mod verifications;

pub(crate) use doctor::store_check;
pub(crate) use failure::chain;
pub(crate) use summaries::SummaryFile;
pub(crate) use verifications::Verifications;

use crate::clock::{self, SystemClock};
use crate::request::{Act, Failure, Read, Request, What, Write};
use muster_incident::command::Aside;
use muster_incident::{comma_in_name, printable, unseen_in_name};
use muster_log::fact::Capability;
use muster_log::{DeviceKey, IncidentId, TeamId};
use muster_replica::{Entropy, Now, Replica};
use muster_store::{OpenReport, Storage};
use muster_sync::Tick;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Randomness of the operating system.
pub(crate) struct OsEntropy;

impl Entropy for OsEntropy {
    fn sixteen(&mut self) -> [u8; 16] {
        clock::entropy16().expect("the operating system gave random bytes when the session began")
    }

    fn thirty_two(&mut self) -> [u8; 32] {
        clock::entropy32().expect("the operating system gave random bytes when the session began")
    }
}

/// What the engine knows besides the replica: this process, not this device.
pub(crate) struct Surroundings {
    /// The clock.
    pub(crate) clock: SystemClock,
    /// The handle that this process was told to use, by flag or settings.
    pub(crate) given_handle: Option<String>,
    /// The home, for people.
    pub(crate) home: String,
    /// Where summaries are kept between processes.
    pub(crate) summaries: SummaryFile,
    /// Whether a node is running, so that there is a network.
    pub(crate) is_node: bool,
    /// Places of the journal that cannot be read back.
    pub(crate) damage: Vec<String>,
    /// What opening the store found.
    pub(crate) report: OpenReport,
    /// Where this node listens.
    pub(crate) listening: Vec<String>,
    /// Whom the links are cut to for a drill; `None` inside = everybody.
    pub(crate) cut: BTreeSet<Option<DeviceKey>>,
    /// How the links go, of those peers that are linked.
    pub(crate) paths: BTreeMap<DeviceKey, muster_net::Path>,
    /// Who answers and does not know this device as a member.
    pub(crate) refusing: BTreeSet<DeviceKey>,
}

/// A replica and its surroundings.
pub(crate) struct Engine<S> {
    pub(crate) replica: Replica<S>,
    pub(crate) around: Surroundings,
    /// Those under way.
    pub(crate) verifications: Verifications,
}

impl<S: Storage> Engine<S> {
    pub(crate) fn new(replica: Replica<S>, around: Surroundings) -> Self {
        Self { replica, around, verifications: Verifications::default() }
    }

    /// The time to hand to the replica.
    pub(crate) fn now(&self) -> Now {
        let claimed = self.around.clock.claimed();
        Now { tick: Tick(self.around.clock.tick_ms()), wall: claimed.time, offset_minutes: claimed.offset_minutes }
    }

    /// Does what needs no network. Writes are staged: the reply may go out only after the commit.
    ///
    /// `Join`, `Cut`, `Heal`, `Watch` and `Down` are the caller's affair.
    pub(crate) fn execute(&mut self, request: &Request) -> Result<Value, Failure> {
        let _command = tracing::info_span!("command", what = request.word()).entered();
        let done = self.dispatch(request);
        match &done {
            Ok(_) => tracing::debug!("done"),
            // The message may quote what was typed.
            Err(failure) => tracing::trace!(%failure, "refused"),
        }
        done
    }

    fn dispatch(&mut self, request: &Request) -> Result<Value, Failure> {
        self.verifications.forget_idle(self.around.clock.tick_ms());
        if let Some(muster_store::Damage { segment, offset, what }) = self.around.report.damage.first()
            && request.writes()
        {
            let (segment, offset) = (segment.clone(), *offset);
            return Err(muster_store::StoreError::Damaged { segment, offset, what }.into());
        }
        if let Some(left) = self.replica.left_out().first()
            && request.writes()
        {
            return Err(muster_replica::ReplicaError::Damaged { id: left.id, what: left.what.clone() }.into());
        }
        if request.writes() {
            self.replica.check_room()?;
        }
        match request {
            Request::Write(write) => self.write(write),
            Request::Read(read) => self.read(read),
            Request::Use { incident } => self.choose(incident.as_deref()),
            Request::Invite(invite) => self.invite(invite),
            Request::TeamCreate { name, team, recovery } => {
                self.create_team(name.as_deref(), team.as_deref(), *recovery)
            }
            Request::Decide(decision) => self.decide(decision),
            Request::Device(step) => self.device_step(step),
            Request::TeamUse { team } => self.use_team(team),
            Request::AddAddress { address } => self.add_address(address),
            Request::Bundle(ask) => self.bundle(ask),
            Request::Audit(ask) => self.audit(ask),
            Request::Compact(ask) => self.compact(ask),
            Request::Verify(ask) => self.verify(ask),
            Request::Seen { incident } => self.mark_seen(incident.as_deref()),
            Request::Join { .. }
            | Request::Cut { .. }
            | Request::Heal { .. }
            | Request::Watch { .. }
            | Request::Down => Err(Failure::new("no node is running").hint("start one with `muster up`")),
        }
    }

    fn write(&mut self, write: &Write) -> Result<Value, Failure> {
        let now = self.now();
        let meant = self.replica.current_team()?;
        let (team, incident) = match &write.act {
            Act::Declare { .. } => (self.team_for_declaring(write.name.as_deref())?, None),
            _ => {
                let (team, incident) = self.incident_to_write(write.incident.as_deref())?;
                (team, Some(incident))
            }
        };
        if self.replica.ledger(&team)?.roster().capability_of(&self.replica.device()) == Some(Capability::Observer) {
            let name = self.replica.own_handle(&team).unwrap_or_else(|| "NAME".to_owned());
            return Err(Failure::new("you are an observer in this team and may not write")
                .hint(format!("an admin can change that: `muster team set {} responder`", printable(&name))));
        }
        let when = match &write.at {
            None => None,
            Some(at) => Some(at.when().ok_or_else(|| Failure::new("the event's time contradicts itself"))?),
        };
        let aside = Aside {
            when,
            when_text: write.at.as_ref().map(|at| at.text.clone()),
            who: write.who.clone(),
            link: write.link.clone(),
        };
        let written = self.replica.write(team, incident, &write.act, &aside, now)?;
        let mut answer = json!({ "entry": written.entry.to_string(), "incident": written.incident.to_string() });
        let mut notes = written.notes;
        if incident.is_none() && meant.is_some_and(|meant| meant != team) {
            let name = self
                .replica
                .team_name(&team)
                .unwrap_or_else(|| self.member_names(&team).unwrap_or_default().join(", "));
            notes.push(format!(
                "declared in another team of yours ({}): in the current one you may declare nothing",
                printable(&name)
            ));
        }
        if self.replica.came_back().elsewhere > 0 {
            notes.push("this home runs twice, see `muster doctor`".into());
        }
        if let (Some(answer), false) = (answer.as_object_mut(), notes.is_empty()) {
            answer.insert("note".into(), json!(notes.join("\n")));
        }
        Ok(answer)
    }

    fn read(&mut self, read: &Read) -> Result<Value, Failure> {
        match read.what {
            What::Status => self.status(false),
            What::StatusAll => self.status(true),
            What::Identity => self.identity(),
            What::Team => self.team_members(),
            What::Teams => self.teams_here(),
            What::Peers => self.peers(),
            What::Doctor => self.doctor(),
            What::Forks => self.forks(),
            What::ForkProof => self.fork_proof(read.incident.as_deref().unwrap_or_default()),
            What::WhoHas => self.who_has(read.incident.as_deref().unwrap_or_default()),
            what => self.read_incident(read.incident.as_deref(), what),
        }
    }

    fn choose(&mut self, typed: Option<&str>) -> Result<Value, Failure> {
        let Some(typed) = typed else {
            self.replica.choose_incident(None)?;
            return Ok(json!({ "incident": null, "title": null }));
        };
        let (team, incident) = self.incident_typed(typed)?;
        self.replica.choose_incident(Some(incident))?;
        let title = self.replica.summary(team, incident)?.title;
        Ok(json!({ "incident": incident.to_string(), "title": title }))
    }

    /// The team in which a new incident is declared: the current one where this device may write, else another such, else
    /// a team of one that is made now. Declaring never waits for anybody.
    fn team_for_declaring(&mut self, name: Option<&str>) -> Result<TeamId, Failure> {
        let current = self.replica.current_team()?;
        for team in current.into_iter().chain(self.replica.teams()) {
            let roster = self.replica.ledger(&team)?.roster();
            if roster.capability_of(&self.replica.device()) >= Some(Capability::Responder)
                && !self.replica.is_guest_in(&team)
            {
                return Ok(team);
            }
        }
        self.found_team(name)
    }

    /// The handle for a team that is created or joined now: as asked for, else the one that this device has already,
    /// else the login name.
    ///
    /// None in which something cannot be seen: it would look like another's.
    pub(crate) fn own_handle(&self, asked: Option<&str>) -> Result<String, Failure> {
        let handle = self.handle_meant(asked)?;
        check_name("your name", &handle, "give another one: `--as NAME`")?;
        Ok(handle)
    }

    fn handle_meant(&self, asked: Option<&str>) -> Result<String, Failure> {
        if let Some(asked) = asked.or(self.around.given_handle.as_deref()) {
            return Ok(asked.trim().to_owned());
        }
        for team in self.replica.current_team()?.into_iter().chain(self.replica.teams()) {
            if let Some(handle) = self.replica.own_handle(&team) {
                return Ok(handle);
            }
        }
        Ok(crate::login::name())
    }

    /// Creates a team of this device's person, because something is declared and there is none.
    pub(crate) fn found_team(&mut self, name: Option<&str>) -> Result<TeamId, Failure> {
        let handle = self.own_handle(name)?;
        let now = self.now();
        Ok(self.replica.create_team(&handle, now)?)
    }

    /// Creates a team on purpose, that these offline keys can recover.
    pub(crate) fn found_team_with(
        &mut self,
        name: Option<&str>,
        team: Option<&str>,
        recovery_keys: Vec<DeviceKey>,
    ) -> Result<TeamId, Failure> {
        let handle = self.own_handle(name)?;
        let now = self.now();
        Ok(self.replica.create_team_with(&handle, team, recovery_keys, now)?)
    }

    fn incident_to_write(&mut self, typed: Option<&str>) -> Result<(TeamId, IncidentId), Failure> {
        match self.incident_meant(typed)? {
            Some(found) => Ok(found),
            None => Err(Failure::new("there is no open incident")
                .hint("begin one with `muster declare \"what is wrong\"`, or name one with `-i PREFIX`")),
        }
    }
}

/// Whether everything in a name can be seen by those who will read it, and as one name.
fn check_name(whose: &str, name: &str, hint: &str) -> Result<(), Failure> {
    let refused = match (unseen_in_name(name), comma_in_name(name)) {
        (None, None) => return Ok(()),
        (Some(unseen), _) => format!("{whose} has a character that nobody sees (U+{:04X})", u32::from(unseen)),
        (None, Some(comma)) => format!("{whose} has a `{comma}` in it, and would read as two names"),
    };
    Err(Failure::new(refused).hint(hint))
}
