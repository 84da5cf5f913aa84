//! `bundle read`: chunk by chunk into the home, then receipts, then the reply.

use super::ask::{Named, Taken, Text, Waiting};
use super::bytes::all;
use super::write::{PIECE_BYTES, after, ask, carry_out};
use super::{Ask, Bytes, Progress, Target, WriteAccount};
use crate::client::Client;
use crate::request::Failure;
use muster_log::{EntryId, TeamId};
use muster_sync::bundle::{BundleReader, Found, Header, NoBundle, Summary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::Read;

/// Bytes of chunks kept for a second pass: those with entries that had to wait, whose texts are taken once they are
/// admitted. Past it the file can be read again.
const SECOND_PASS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Passes over those chunks. Each lets in what the one before did; more than a few are only needed by a file made to need them.
const PASSES_MAX: usize = 32;

/// Entries that waited and are asked about at the end; the pending pool holds no more.
const WAITING_MAX: usize = 4_096;

/// Ids of missing entries that are named.
const MISSING_NAMED_MAX: usize = 8;

/// HAVE frames in one request, in bytes before base64.
const HELD_BYTES_MAX: usize = 256 * 1024;

/// An entry that can never be admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The entry.
    pub entry: String,
    /// Which rule it breaks.
    pub reason: String,
}

/// What became of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadAccount {
    /// Its name; `None` where its header is damaged, and so are the next four.
    pub bundle: Option<String>,
    /// The device that wrote it.
    pub writer: Option<String>,
    /// That device's person, if it is in the team.
    pub person: Option<String>,
    /// When, by its clock, in ms since the Unix epoch.
    pub written_ms: Option<i64>,
    /// `full`, `since` or `reply`.
    pub kind: Option<String>,
    /// Entries that are new here.
    pub new: usize,
    /// Entries that were here before.
    pub known: usize,
    /// Entries that wait for something that is not here.
    pub pending: usize,
    /// Some of what they wait for.
    pub waiting_for: Vec<String>,
    /// Entries that can never be admitted; nothing of their chunks was taken.
    pub refused: usize,
    /// The first of them.
    pub first_refused: Option<Refused>,
    /// Whole chunks read.
    pub chunks: u32,
    /// Chunks there were when it was written; `None` where the end is not there.
    pub chunks_written: Option<u32>,
    /// Frames and chunks that are damaged.
    pub damaged: u32,
    /// What is wrong with the first chunk that is whole and holds no entries.
    pub first_fault: Option<String>,
    /// Frames of kinds that this version does not know.
    pub unknown_frames: u32,
    /// Bytes that belong to nothing.
    pub stray_bytes: u64,
    /// Whether the end is not there.
    pub cut_off: bool,
    /// Why reading ended before the file did.
    pub read_error: Option<String>,
    /// Whether everything is as it was written.
    pub whole: bool,
    /// Whether the writer's word about what it holds was good and is counted.
    pub receipts: bool,
    /// The reply that was written.
    pub reply: Option<WriteAccount>,
    /// Why none was, where one was asked for.
    pub no_reply: Option<String>,
}

impl ReadAccount {
    /// Whether somebody should look: something is damaged, gone, refused or not done.
    pub fn is_bad(&self) -> bool {
        !self.whole || self.refused > 0 || self.read_error.is_some() || self.no_reply.is_some()
    }
}

/// Reads a bundle of `size` bytes, where that is known, and writes the reply where one is asked for.
///
/// # Errors
/// Where it is no bundle or may not be read here, or the home fails. What was taken before stays.
pub fn read(
    client: &mut Client,
    source: &mut dyn Read,
    size: Option<u64>,
    reply: Option<&Target>,
    progress: Progress<'_>,
) -> Result<ReadAccount, Failure> {
    let mut reading = Reading::default();
    let summary = reading.all(client, source, size, progress)?;
    reading.second_pass(client)?;
    reading.settle(client, &summary)?;
    let states = summary.states;
    let mut account = reading.account;
    account.receipts = false;
    let Some((header, states)) = reading.header.zip(states).filter(|_| account.person.is_some()) else {
        account.no_reply = reply.map(|_| {
            "what the writer holds cannot be told: the bundle's beginning is damaged, or not signed by a member"
                .to_owned()
        });
        return Ok(account);
    };
    let mut frames: Vec<Vec<u8>> = Vec::new();
    let mut held = |frames: &mut Vec<Vec<u8>>| -> Result<(), Failure> {
        let states = all(std::mem::take(frames));
        let ask_held = Ask::Held { team: Text(header.team), writer: Text(header.writer), states };
        ask::<serde_json::Value>(client, ask_held).map(drop)
    };
    for dag in states.dags() {
        frames.extend(states.frames(header.team, dag));
        if frames.iter().map(Vec::len).sum::<usize>() >= HELD_BYTES_MAX {
            held(&mut frames)?;
        }
    }
    held(&mut frames)?;
    account.receipts = true;
    if let Some(target) = reply {
        let written = carry_out(client, &after(&header, &states, true), &states, target, progress);
        account.reply = Some(written.map_err(|failure| Failure {
            message: format!("the bundle is read, but the reply is not written: {}", failure.message),
            ..failure
        })?);
    }
    Ok(account)
}

#[derive(Default)]
struct Reading {
    account: ReadAccount,
    header: Option<Header>,
    team: Option<TeamId>,
    /// Chunks with entries that wait.
    again: Vec<Vec<u8>>,
    again_bytes: usize,
    waited: BTreeSet<EntryId>,
}

impl Reading {
    fn all(
        &mut self,
        client: &mut Client,
        source: &mut dyn Read,
        size: Option<u64>,
        progress: Progress<'_>,
    ) -> Result<Summary, Failure> {
        let mut reader = BundleReader::new();
        let mut piece = vec![0; PIECE_BYTES];
        let mut done = 0;
        loop {
            let taken = match source.read(&mut piece) {
                Ok(0) => break,
                Ok(taken) => taken,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                // A stick that was pulled out: what came before is good.
                Err(error) => {
                    self.account.read_error = Some(error.to_string());
                    break;
                }
            };
            if done == 0 && muster_log::audit::is_audit_file(&piece[..taken]) {
                return Err(Failure::new("this is an audit file, which is to be checked and not taken in")
                    .hint("`muster verify FILE` checks it; for another home: `muster bundle write`"));
            }
            let was_over = reader.is_over();
            reader.push(&piece[..taken]);
            done += taken as u64;
            while let Some(found) = reader.poll().map_err(not_a_bundle)? {
                match found {
                    Found::Header(header) => self.open(client, *header)?,
                    Found::Chunk(frame) => self.take(client, frame)?,
                }
            }
            progress(done, size);
            if was_over {
                // Nothing belongs behind the end: what there is was counted so far, however much follows.
                break;
            }
        }
        reader.finish().map_err(not_a_bundle)
    }

    fn open(&mut self, client: &mut Client, header: Header) -> Result<(), Failure> {
        let named: Named = ask(client, Ask::Open { header: Bytes(header.encode()) })?;
        self.account.bundle = Some(header.id().to_string());
        self.account.writer = Some(header.writer.to_string());
        self.account.person = named.person;
        self.account.written_ms = Some(header.now.0);
        self.account.kind = Some(header.kind.word().to_owned());
        self.team = Some(header.team);
        self.header = Some(header);
        Ok(())
    }

    fn take(&mut self, client: &mut Client, frame: Vec<u8>) -> Result<(), Failure> {
        let taken = hand_in(client, &frame)?;
        let account = &mut self.account;
        account.new += taken.new;
        account.known += taken.known;
        account.refused += taken.refused;
        self.team = self.team.or(taken.team.map(|team| team.0));
        if let Some((entry, reason)) = taken.first_refused {
            account.first_refused.get_or_insert_with(|| Refused { entry: entry.0.to_string(), reason });
        }
        if let Some(fault) = taken.malformed {
            account.damaged += 1;
            account.first_fault.get_or_insert(fault);
        }
        if !taken.pending.is_empty() {
            let room = WAITING_MAX.saturating_sub(self.waited.len());
            self.waited.extend(taken.pending.iter().map(|id| id.0).take(room));
            if self.again_bytes + frame.len() <= SECOND_PASS_BYTES_MAX {
                self.again_bytes += frame.len();
                self.again.push(frame);
            }
        }
        Ok(())
    }

    /// What waited may have been admitted since, without its texts, or have fallen out of the pool. Each pass that brings
    /// something new may let more in.
    fn second_pass(&mut self, client: &mut Client) -> Result<(), Failure> {
        for _ in 0..PASSES_MAX {
            let mut has_progress = false;
            for frame in std::mem::take(&mut self.again) {
                let taken = hand_in(client, &frame)?;
                self.account.new += taken.new;
                has_progress |= taken.new > 0;
                if !taken.pending.is_empty() {
                    self.again.push(frame);
                }
            }
            if !has_progress || self.again.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Asks what still waits, and counts what the file was like.
    fn settle(&mut self, client: &mut Client, summary: &Summary) -> Result<(), Failure> {
        if let Some(team) = self.team.filter(|_| !self.waited.is_empty()) {
            let entries = self.waited.iter().map(|id| Text(*id)).collect();
            let waiting: Waiting = ask(client, Ask::Waiting { team: Text(team), entries })?;
            self.account.pending = waiting.pending;
            if waiting.pending > 0 {
                let named = waiting.missing.iter().take(MISSING_NAMED_MAX);
                self.account.waiting_for = named.map(|id| id.0.to_string()).collect();
            }
        }
        // The roster in the bundle may be what made its writer known.
        if let Some(header) = &self.header {
            let named: Named = ask(client, Ask::Open { header: Bytes(header.encode()) })?;
            self.account.person = named.person;
        }
        let account = &mut self.account;
        account.whole = summary.is_whole && account.damaged == 0;
        account.damaged += summary.damaged;
        account.chunks = summary.chunks;
        account.chunks_written = summary.chunks_written();
        account.unknown_frames = summary.unknown_frames;
        account.stray_bytes = summary.stray_bytes;
        account.cut_off = summary.is_cut_off();
        Ok(())
    }
}

fn hand_in(client: &mut Client, frame: &[u8]) -> Result<Taken, Failure> {
    ask(client, Ask::Take { frame: Bytes(frame.to_vec()) })
}

fn not_a_bundle(error: NoBundle) -> Failure {
    Failure::new(error.to_string()).hint(match error {
        NoBundle::Magic => "bundles are written by `muster bundle write`; was the file copied whole?",
        NoBundle::Version => "read it with the muster that wrote it, or a newer one",
    })
}
