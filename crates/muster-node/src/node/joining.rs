//! Newcomers: answering those who ask this node to let them in, and joining a team oneself.

use super::Node;
use super::effects::Answer;
use crate::engine::Engine;
use crate::mailbox::Mail;
use crate::request::{Failure, Reply};
use muster_log::{DeviceKey, Ticket};
use muster_net::{JoinReply, parse_address};
use muster_replica::{JoinAnswer, ReplicaError};
use muster_store::DiskStore;
use muster_sync::Tick;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// How long a newcomer's command waits for the roster after a member said welcome, in milliseconds.
const ROSTER_WAIT_MS: u64 = 8_000;

/// A newcomer's command that waits for the roster.
pub(super) struct Joining {
    ticket: Box<Ticket>,
    reply: oneshot::Sender<Reply>,
    pub(super) until: Tick,
}

impl Node {
    pub(super) fn answer_join(&mut self, peer: &DeviceKey, request: &[u8], reply: JoinReply) {
        let Some(engine) = &mut self.engine else { return };
        if let Err(error) = engine.replica.check_room() {
            // Without an answer the newcomer tries again.
            return tracing::warn!(%error, "nobody can be let in");
        }
        let now = engine.now();
        match engine.replica.answer_join(peer, request, now) {
            Ok(answer) => {
                tracing::info!(%peer, welcome = (answer == JoinAnswer::Welcome), "asked to join");
                self.answers.push(Answer::Join(reply, answer.encode()));
            }
            Err(error) => self.survive(error),
        }
    }

    pub(super) fn begin_join(&mut self, text: &str, name: Option<&str>, reply: oneshot::Sender<Reply>) {
        let begun = self.with_engine(|engine| {
            let ticket: Ticket = text
                .trim()
                .parse()
                .map_err(|error: muster_log::BadTicket| Failure::new(error.to_string()).hint(not_a_ticket(text)))?;
            engine.replica.check_room()?;
            let handle = engine.own_handle(name)?;
            let now = engine.now();
            let request = engine.replica.join_request(&ticket, &handle, now).map_err(|error| {
                let instead = engine.instead_of_ticket(&ticket).filter(|_| matches!(error, ReplicaError::InTeam));
                let failure = Failure::from(error);
                Failure { hint: instead.or(failure.hint), ..failure }
            })?;
            Ok((ticket, request))
        });
        // The request must be on disk before it is sent, so that a second try sends the same entry.
        self.commit();
        match begun {
            Ok(_) if self.engine.is_none() => drop(reply),
            Ok((ticket, request)) => {
                let addrs = ticket
                    .addresses
                    .iter()
                    .filter_map(|(device, text)| Some((*device, parse_address(text).ok()?)))
                    .collect();
                let (net, mailbox) = (self.net.clone(), self.mailbox.clone());
                self.runtime.spawn(async move {
                    let answer = net.join(addrs, request).await;
                    mailbox.put(Mail::Joined { ticket: Box::new(ticket), answer, reply }).await;
                });
            }
            Err(failure) => self.answers.push(Answer::Request(reply, Err(failure))),
        }
    }

    pub(super) fn take_joined(
        &mut self,
        ticket: Box<Ticket>,
        answer: Result<Vec<u8>, muster_net::JoinError>,
        reply: oneshot::Sender<Reply>,
    ) {
        let welcomed = match answer {
            Err(error) => Err(Failure::new(format!("no member could be asked: {error}"))
                .hint("is one of their nodes up and reachable from here? then join again with the same ticket")),
            Ok(bytes) => match JoinAnswer::decode(&bytes) {
                Some(JoinAnswer::Welcome) => Ok(()),
                Some(JoinAnswer::Refused { reason }) => {
                    let instead = self.engine.as_ref().and_then(|engine| engine.instead_of_ticket(&ticket));
                    let another = || "ask an admin of the team for a new ticket: `muster invite`".to_owned();
                    Err(Failure::new(muster_incident::printable(&reason)).hint(instead.unwrap_or_else(another)))
                }
                None => Err(Failure::new("the member's answer makes no sense")
                    .hint("its muster may be of another version than this one")),
            },
        };
        let joined = welcomed.and_then(|()| self.with_engine(|engine| Ok(engine.replica.joined(&ticket)?)));
        match joined {
            Ok(()) => {
                let until = Tick(self.opened.clock.tick_ms()).plus_ms(ROSTER_WAIT_MS);
                self.joining.push(Joining { ticket, reply, until });
            }
            Err(failure) => self.answers.push(Answer::Request(reply, Err(failure))),
        }
    }

    /// Answers newcomers' commands whose roster has come, or whose patience has ended.
    pub(super) fn look_at_joining(&mut self, now: Tick) {
        let Some(engine) = &self.engine else { return };
        for joining in std::mem::take(&mut self.joining) {
            let person = engine.replica.person_in(&joining.ticket.team);
            if person.is_none() && now < joining.until {
                self.joining.push(joining);
                continue;
            }
            let done = join_result(engine, &joining.ticket);
            self.answers.push(Answer::Request(joining.reply, done));
        }
    }
}

/// What to do with a text that is no ticket.
fn not_a_ticket(text: &str) -> &'static str {
    match text.trim() {
        text if text.starts_with("musterdevice1") => {
            "that is another device's offer, for a device of the same person: `muster team devices accept OFFER`"
        }
        text if text.starts_with("musteranswer1") => {
            "that is a new device's answer, for the device that offered: `muster team devices add ANSWER`"
        }
        _ => "copy the whole ticket; it begins with muster1",
    }
}

fn join_result(engine: &Engine<DiskStore>, ticket: &Ticket) -> Result<Value, Failure> {
    let team = ticket.team;
    let carried: Vec<Value> = engine
        .replica
        .carried()?
        .iter()
        .filter(|(_, to)| engine.replica.team_of(to) == Some(team))
        .map(|(from, to)| json!({ "from": from.to_string(), "to": to.to_string() }))
        .collect();
    let coming: Vec<String> = engine.replica.coming_to(&team)?.iter().map(ToString::to_string).collect();
    let person = engine.replica.person_in(&team);
    Ok(json!({
        "team": team.to_string(),
        "person": person.map(|person| person.to_string()),
        "synced": person.is_some(),
        "carried": carried,
        "coming": coming,
        "guest_of": ticket.incident.map(|incident| incident.to_string()),
    }))
}
