//! `bundle write`: plan, pack chunk by chunk, and the file appears.

use super::ask::{Base, Packed, Plan, Planned, Text, Who};
use super::bytes::all;
use super::{Ask, Bytes, Pack, Progress, Target};
use crate::client::Client;
use crate::request::{Failure, Request};
use muster_log::{IncidentId, TeamId};
use muster_sync::bundle::{BundleReader, BundleWriter, Chunk, Found, Header, Scope, States};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Read;

/// Bytes read at a time.
pub(super) const PIECE_BYTES: usize = 64 * 1024;

/// What a person asks for.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// `--for`: a person, as typed.
    pub reader: Option<String>,
    /// `-i`: one incident, as typed.
    pub incident: Option<String>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteAccount {
    /// The file; `None` = stdout.
    pub file: Option<String>,
    /// The bundle's name.
    pub bundle: String,
    /// Whose entries.
    pub team: String,
    /// `full`, `since`, `reply`.
    pub kind: String,
    /// For whom, by name.
    pub reader: Option<String>,
    /// Entries in it.
    pub entries: u64,
    /// In so many chunks.
    pub chunks: u32,
    /// Size of the file.
    pub bytes: u64,
    /// Incidents it speaks of.
    pub incidents: usize,
    /// Private incidents that it does not hold, because it is not for one of their persons.
    pub left_out: usize,
}

/// Writes a bundle. With `since`, the contents of an earlier bundle, what that one states is left out.
///
/// # Errors
/// What speaks against it, for a person; nothing is left behind then.
pub fn write(
    client: &mut Client,
    order: Order,
    since: Option<Box<dyn Read>>,
    target: &Target,
    progress: Progress<'_>,
) -> Result<WriteAccount, Failure> {
    let reader = order.reader.map_or(Who::Anybody, Who::Typed);
    let plan = Plan { team: None, reader, incident: order.incident, only: None, base: None };
    let Some(mut since) = since else { return carry_out(client, &plan, &States::default(), target, progress) };
    let (header, states) = stated(since.as_mut())?;
    let plan = Plan { incident: plan.incident, ..after(&header, &states, false) };
    carry_out(client, &plan, &states, target, progress)
}

/// The plan for a bundle that goes on from what the header's bundle states.
pub(super) fn after(header: &Header, states: &States, is_answered: bool) -> Plan {
    let team = header.team;
    let incidents = states.dags().filter(|dag| dag.genesis() != team.genesis());
    Plan {
        team: Some(Text(team)),
        reader: Who::HolderOf { writer: Text(header.writer), reader: header.reader.map(Text) },
        incident: None,
        only: (header.scope == Scope::Stated)
            .then(|| incidents.map(|dag| Text(IncidentId::of_genesis(dag.genesis()))).collect()),
        base: Some(Base { id: Text(header.id()), is_answered }),
    }
}

/// Header and states of a bundle; its chunks are not looked at.
fn stated(source: &mut dyn Read) -> Result<(Header, States), Failure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::new(format!("the earlier bundle cannot be used: {error}"))
            .hint("name one that `muster bundle write` wrote, or write a whole one")
    };
    let (mut reader, mut header) = (BundleReader::new(), None);
    let mut piece = vec![0; PIECE_BYTES];
    'file: loop {
        let taken = source.read(&mut piece).map_err(|error| unreadable(&error))?;
        if taken == 0 {
            break;
        }
        reader.push(&piece[..taken]);
        while let Some(found) = reader.poll().map_err(|error| unreadable(&error))? {
            match found {
                Found::Header(found) => header = Some(*found),
                Found::Chunk(_) => break 'file,
            }
        }
    }
    let summary = reader.finish().map_err(|error| unreadable(&error))?;
    header.zip(summary.states).ok_or_else(|| unreadable(&"its beginning is damaged or not signed by its writer"))
}

/// Plans, packs and writes.
pub(super) fn carry_out(
    client: &mut Client,
    plan: &Plan,
    base: &States,
    target: &Target,
    progress: Progress<'_>,
) -> Result<WriteAccount, Failure> {
    let mut file = target.open()?;
    let planned: Planned = ask(client, Ask::Plan(plan.clone()))?;
    let header = Header::decode(&planned.header.0).map_err(|error| no_sense(&error))?;
    let states: Vec<Vec<u8>> = planned.states.into_iter().map(|state| state.0).collect();
    let (team, id) = (header.team, header.id());
    let mine = states_of(&states, team)?;
    let total: u64 = planned.dags.iter().map(|(_, entries)| *entries as u64).sum();
    let (mut writer, begun) = BundleWriter::begin(header, &states);
    let mut bytes = begun.len() as u64;
    file.write(&begun)?;
    let mut passed = 0;
    for (dag, to) in &planned.dags {
        progress(passed, Some(total));
        // What both have is not packed; with many incidents that is nearly all of them.
        let mut next = (!base.agree_on(&mine, &dag.0)).then_some((0, Vec::new()));
        let base = all(base.frames(team, &dag.0));
        while let Some((from, loose)) = next {
            let pack = Pack {
                team: Text(team),
                dag: *dag,
                base: base.clone(),
                number: writer.next_number(),
                from,
                to: *to,
                loose,
            };
            let packed: Packed = ask(client, Ask::Pack(pack))?;
            if let Some(Bytes(frame)) = packed.frame {
                let record = writer.chunk(&Chunk { frame, entries: packed.entries });
                bytes += record.len() as u64;
                file.write(&record)?;
            }
            progress(passed + packed.from as u64, Some(total));
            next = (packed.from < *to || !packed.loose.is_empty()).then_some((packed.from, packed.loose));
        }
        passed += *to as u64;
    }
    let (chunks, entries) = (writer.chunks(), writer.entries());
    let end = writer.end();
    bytes += end.len() as u64;
    file.write(&end)?;
    file.finish()?;
    Ok(WriteAccount {
        file: target.path().map(|path| path.display().to_string()),
        bundle: id.to_string(),
        team: team.to_string(),
        kind: plan.kind().word().to_owned(),
        reader: planned.reader,
        entries,
        chunks,
        bytes,
        incidents: planned.dags.iter().filter(|(dag, _)| dag.0.genesis() != team.genesis()).count(),
        left_out: planned.left_out,
    })
}

fn states_of(frames: &[Vec<u8>], team: TeamId) -> Result<States, Failure> {
    let mut states = States::default();
    for frame in frames {
        match muster_sync::frame::Frame::decode(frame, team.into()) {
            Ok(muster_sync::frame::Frame::Have(have)) => states.add(&have),
            Ok(_) => return Err(no_sense(&"not a state")),
            Err(error) => return Err(no_sense(&error)),
        }
    }
    Ok(states)
}

/// Asks the home and reads the answer.
pub(super) fn ask<T: DeserializeOwned>(client: &mut Client, ask: Ask) -> Result<T, Failure> {
    let answer = client.call(&Request::Bundle(Box::new(ask)))?;
    serde_json::from_value(answer).map_err(|error| no_sense(&error))
}

fn no_sense(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("the node's answer makes no sense: {error}")).hint("restart the node: its version may differ")
}
