//! The binary `muster`: the command line over `muster-node`.
//!
//! Words in, requests to the node or the store, answers out. Nothing is decided here about incidents, and nothing is
//! opened before the words are understood, so that help is there at once. What scripts may rely on is in
//! `docs/commands.md`.

// A failed invariant of a test is a failed test.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod args;
mod batch;
mod commands;
mod demo;
mod follow;
mod help;
mod input;
mod output;
mod passphrase;
mod problem;
mod progress;
mod render;
mod run;
mod session;
mod setting;
mod size;
mod text;
mod usage;

use args::Args;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage::tell(&error),
    };
    match run::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            problem.tell();
            problem.code()
        }
    }
}
