//! `muster proof [ID]` and `muster verify-proof FILE`: that a device wrote two entries under one number.
//!
//! A proof can be checked by anybody: no home, team or network is needed.

use super::{Ask, export, read};
use crate::output;
use crate::problem::Problem;
use crate::render::wrap::wrapped;
use crate::render::{Page, short};
use crate::setting::Setting;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use muster_log::Timestamp;
use muster_log::fork_proof::{FORK_PROOF_BYTES_MAX, ForkProof, Forked};
use muster_node::request::{self, Failure, Request, What};
use muster_node::when;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// What `proof` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Proof {
    /// An entry under whose number another stands; without one the forks are listed
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Where the proof is written
    #[arg(long, short, value_name = "FILE", default_value = "fork.proof")]
    output: PathBuf,
    /// Write over the file if it is there
    #[arg(long)]
    force: bool,
}

/// What `verify-proof` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyProof {
    /// The proof
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Deserialize)]
struct Fork {
    person: Option<String>,
    entries: Vec<String>,
}

#[derive(Deserialize)]
struct Made {
    proof: String,
}

impl Ask for Proof {
    fn request(&self, _: &mut Setting) -> Result<Request, Problem> {
        let what = if self.id.is_some() { What::ForkProof } else { What::Forks };
        Ok(Request::Read(request::Read { incident: self.id.clone(), what }))
    }

    fn show(&self, answer: Value, _: &Page) -> Result<String, Problem> {
        if self.id.is_none() {
            let forks: Vec<Fork> = read(answer)?;
            if forks.is_empty() {
                return Ok("no fork is known here\n".into());
            }
            let draw = |fork: &Fork| {
                let ids: Vec<&str> = fork.entries.iter().map(|id| short(id)).collect();
                let person = fork.person.as_deref().unwrap_or("somebody");
                wrapped("fork  ", 6, &format!("{person} wrote under one number: {}", ids.join(", ")))
            };
            return Ok(forks.iter().map(draw).collect());
        }
        let Made { proof } = read(answer)?;
        let bytes = BASE64_STANDARD
            .decode(proof)
            .map_err(|error| Failure::new(format!("the node's answer is odd: {error}")))?;
        export::save(&self.output, &bytes, self.force)?;
        let file = self.output.display();
        Ok(format!("the proof is in {file}: anybody can check it with `muster verify-proof {file}`\n"))
    }
}

impl VerifyProof {
    /// Checks the proof and tells what it shows.
    pub(crate) fn run(&self, json: bool, page: &Page) -> Result<(), Problem> {
        let mut bytes = Vec::new();
        let taken =
            File::open(&self.file).and_then(|file| file.take(FORK_PROOF_BYTES_MAX as u64 + 64).read_to_end(&mut bytes));
        taken.map_err(|error| Failure::new(format!("cannot read `{}`: {error}", self.file.display())))?;
        let shown = ForkProof::decode(&bytes).and_then(|proof| proof.check());
        let shown = match shown {
            Ok(shown) => shown,
            Err(bad) => {
                if json {
                    output::print_json(&json!({ "ok": false, "what": bad.to_string() }))?;
                }
                return Err(Problem::refused(
                    format!("nothing is proven: {bad}"),
                    "ask whoever gave it to you for the file as it was written",
                ));
            }
        };
        if json { output::print_json(&told(&shown)) } else { output::print(&drawn(&shown, page)) }
    }
}

fn told(shown: &Forked) -> Value {
    json!({
        "ok": true,
        "device": shown.key.to_string(),
        "team": shown.team.to_string(),
        "dag": shown.dag.to_string(),
        "seq": shown.seq,
        "entries": shown.entries.map(|id| id.to_string()),
        "claimed_ms": shown.claimed_ms,
    })
}

fn drawn(shown: &Forked, page: &Page) -> String {
    let mut drawn =
        wrapped("proven  ", 8, &format!("device {} signed two entries as number {} of one log", shown.key, shown.seq));
    for (id, ms) in shown.entries.iter().zip(shown.claimed_ms) {
        let time = when::human(Timestamp(ms), page.now, &page.zone);
        drawn.push_str(&format!("        {id}  {time}\n"));
    }
    drawn + "whose device it is and what the entries count for takes the team's roster\n"
}
