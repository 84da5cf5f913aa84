//! The stages of `cargo xtask test`: which there are, in which order, and the table at the end.
//!
//! Quick stages come first. `doc` follows `clippy` because both need only the dependencies' metadata, and `test`, which
//! compiles them in full, comes last, so that the test runner's summary is the end of the output but for the table.
//! A failed stage does not stop the others: one run tells everything that is wrong.

use crate::cargo::Workspace;
use crate::{install, lint, policy, purity, suite, tidy};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What a stage found wrong, one line each; empty when nothing.
pub(crate) type Findings = Vec<String>;

struct Stage {
    name: &'static str,
    run: fn(&Workspace, &Choice) -> Result<Findings, String>,
    /// Whether `--fast` leaves it out.
    slow: bool,
}

const STAGES: [Stage; 8] = [
    Stage { name: "install", run: |workspace, _| install::run(workspace), slow: true },
    Stage { name: "fmt", run: |workspace, _| lint::fmt(workspace), slow: false },
    Stage { name: "tidy", run: |workspace, _| tidy::run(workspace), slow: false },
    Stage { name: "policy", run: |workspace, _| policy::run(workspace), slow: false },
    Stage { name: "purity", run: |workspace, _| purity::run(workspace), slow: false },
    Stage { name: "clippy", run: |workspace, _| lint::clippy(workspace), slow: false },
    Stage { name: "doc", run: |workspace, _| lint::doc(workspace), slow: true },
    Stage { name: "test", run: suite::run, slow: false },
];

/// What the caller asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Names of stages; none means all.
    stages: Vec<String>,
    /// Whether slow parts are left out.
    pub(crate) fast: bool,
}

impl Choice {
    /// Reads what follows `cargo xtask test`.
    pub(crate) fn parse(args: &[String]) -> Result<Self, String> {
        let mut choice = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--fast" => choice.fast = true,
                "--stage" => {
                    let name = args.next().ok_or("--stage needs the name of a stage")?;
                    if !STAGES.iter().any(|stage| stage.name == name) {
                        return Err(format!("`{name}` is no stage"));
                    }
                    choice.stages.push(name.clone());
                }
                other => return Err(format!("`{other}` is no option of `test`")),
            }
        }
        Ok(choice)
    }

    fn wants(&self, stage: &Stage) -> bool {
        if self.stages.is_empty() { !(self.fast && stage.slow) } else { self.stages.iter().any(|n| n == stage.name) }
    }
}

struct Record {
    name: &'static str,
    time: Duration,
    findings: Findings,
}

/// Runs the chosen stages in order and says how each went.
pub(crate) fn run(workspace: &Workspace, choice: &Choice) -> ExitCode {
    let mut records = Vec::new();
    for stage in STAGES.iter().filter(|stage| choice.wants(stage)) {
        println!("== {}", stage.name);
        let start = Instant::now();
        let findings = (stage.run)(workspace, choice).unwrap_or_else(|error| vec![error]);
        let record = Record { name: stage.name, time: start.elapsed(), findings };
        for finding in &record.findings {
            println!("error: {finding}");
        }
        println!("== {}: {} in {:.1} s\n", record.name, verdict(&record), record.time.as_secs_f64());
        records.push(record);
    }
    summarise(&records)
}

fn summarise(records: &[Record]) -> ExitCode {
    println!("{:<10}{:>10}  result", "stage", "seconds");
    for record in records {
        println!("{:<10}{:>10.1}  {}", record.name, record.time.as_secs_f64(), verdict(record));
    }
    let total: Duration = records.iter().map(|record| record.time).sum();
    println!("{:<10}{:>10.1}", "total", total.as_secs_f64());
    let failed = records.iter().filter(|record| !record.findings.is_empty()).count();
    println!("\nstages: {} passed, {failed} failed", records.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn verdict(record: &Record) -> &'static str {
    if record.findings.is_empty() { "passed" } else { "FAILED" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(args: &str, expected: &[&str]) {
        let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
        let choice = Choice::parse(&args).unwrap();
        let names: Vec<_> = STAGES.iter().filter(|stage| choice.wants(stage)).map(|stage| stage.name).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn every_stage_runs_unless_some_are_named_or_the_slow_ones_declined() {
        check("", &["install", "fmt", "tidy", "policy", "purity", "clippy", "doc", "test"]);
        check("--fast", &["fmt", "tidy", "policy", "purity", "clippy", "test"]);
        check("--stage doc --fast", &["doc"]);
        check("--stage test --stage fmt", &["fmt", "test"]);
    }

    #[test]
    fn an_unknown_stage_or_option_is_refused() {
        for args in [&["--stage", "nonsense"][..], &["--stage"], &["--quick"], &["fmt"]] {
            let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
            assert!(Choice::parse(&args).is_err(), "{args:?}");
        }
    }
}
