//! Developer tasks: `cargo xtask test` and the programs that are started through it.
//!
//! This file reads the command line. The stages of `test` are listed in [`stage`], one file each; what they know of
//! cargo is in [`cargo`], of the repository's files in [`files`]. Nothing of muster itself is used here, so that this
//! program builds in seconds on a fresh checkout.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a panic is a failed test

mod cargo;
mod files;
mod install;
mod licence;
mod links;
mod lint;
mod policy;
mod program;
mod purity;
mod source;
mod stage;
mod suite;
mod tidy;

use cargo::Workspace;
use std::process::ExitCode;

const USAGE: &str = "\
Developer tasks of muster

usage:
  cargo xtask test [--stage NAME]... [--fast]   run the stages, all of them or the named ones
  cargo xtask bench [ARG]...                    build and run the benchmarks (crate muster-bench)
  cargo xtask sim [ARG]...                      build and run the simulator (crate muster-sim)

  --stage NAME   one of: install fmt tidy policy purity clippy doc test
  --fast         leave out `install` and `doc`, and documentation tests in `test`

With CI=true in the environment a test that cannot run here is a failure, and Cargo.lock may not change.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let workspace = Workspace::here();
    let message = match args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("test", rest)) => match stage::Choice::parse(rest) {
            Ok(choice) => return stage::run(&workspace, &choice),
            Err(message) => message,
        },
        Some(("bench", rest)) => {
            return program::run(&workspace, "muster-bench", &["muster-cli", "muster-tests"], rest);
        }
        Some(("sim", rest)) => return program::run(&workspace, "muster-sim", &[], rest),
        Some(("help" | "--help" | "-h", _)) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some((other, _)) => format!("`{other}` is no task"),
        None => "no task was named".to_owned(),
    };
    eprintln!("error: {message}\n  hint: see `cargo xtask help`");
    ExitCode::from(2)
}
