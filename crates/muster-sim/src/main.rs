//! The simulator's command line: plays found seeds and then many others, and ends with 1 at the first that fails.

use clap::Parser;
use muster_sim::{
    DiskFailure, DiskTally, Failure, Lie, REPLICAS, REPLICAS_MAX, Setup, Shell, Tally, found_seeds, play, play_on_disk,
};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// More would be read at every look for minutes.
const INCIDENTS_MAX: usize = 10_000;

/// Plays whole histories of a team with faults, each from one seed.
#[derive(Debug, Parser)]
#[command(name = "muster-sim")]
struct Args {
    /// How many seeds to play, after those that found something once.
    #[arg(long, default_value_t = 200, conflicts_with = "seed")]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    first: u64,
    /// Play this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Replicas in each history.
    #[arg(long, default_value_t = REPLICAS, value_parser = replicas)]
    replicas: usize,
    /// Members besides who lie on the wire.
    #[arg(long, default_value_t = 0, value_parser = liars)]
    liars: usize,
    /// The one way in which they lie; else each seed draws its own.
    #[arg(long, value_name = "KIND", requires = "liars", value_parser = lie)]
    lie: Option<Lie>,
    /// Incidents that the founder declares at the beginning; of more than 64 those that differ are found out by ranges.
    #[arg(long, default_value_t = 0, value_parser = incidents)]
    incidents: usize,
    /// How many of 1,000 newcomers come as guests of one incident; then people admit each other besides.
    #[arg(long, default_value_t = 0, conflicts_with = "liars")]
    guests: u64,
    /// How many of 1,000 acts decide who is in the team: removals, grants, seconds, further devices, coming back.
    #[arg(long, default_value_t = 0)]
    decisions: u64,
    /// Play two replicas over stores on disks that fail instead, which redact and compact.
    #[arg(long, conflicts_with_all = ["replicas", "liars", "incidents", "guests", "decisions"])]
    on_disk: bool,
    /// Tell on stderr what happens, as far as the filter lets through; `muster_sim=debug` is a good one.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

fn replicas(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if (2..=REPLICAS_MAX).contains(&number) { Ok(number) } else { Err(format!("from 2 to {REPLICAS_MAX}")) }
}

fn liars(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if number <= REPLICAS_MAX - 2 { Ok(number) } else { Err(format!("at most {}", REPLICAS_MAX - 2)) }
}

fn incidents(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if number <= INCIDENTS_MAX { Ok(number) } else { Err(format!("at most {INCIDENTS_MAX}")) }
}

fn lie(text: &str) -> Result<Lie, String> {
    let words: Vec<&str> = Lie::ALL.iter().map(|(_, word)| *word).collect();
    Lie::from_word(text).ok_or_else(|| format!("one of {}", words.join(", ")))
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(filter) = &args.log {
        match filter.parse::<EnvFilter>() {
            Ok(filter) => {
                tracing_subscriber::fmt().with_env_filter(filter).without_time().with_writer(std::io::stderr).init();
            }
            Err(error) => {
                eprintln!("error: --log: {error}");
                return ExitCode::from(2);
            }
        }
    }
    let played = match args.on_disk {
        true => run_on_disk(&args).map(|tally| tally.to_string()).map_err(|failure| failure.to_string()),
        false => run(&args).map(|tally| tally.to_string()).map_err(|failure| failure.to_string()),
    };
    match played {
        Ok(tally) => {
            println!("{tally}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run_on_disk(args: &Args) -> Result<DiskTally, DiskFailure> {
    let mut tally = DiskTally::default();
    let seeds =
        args.seed.map_or(args.first..args.first.saturating_add(args.seeds), |seed| seed..seed.saturating_add(1));
    for seed in seeds {
        tally.add(&play_on_disk(seed)?);
    }
    Ok(tally)
}

fn run(args: &Args) -> Result<Tally, Box<Failure>> {
    let setup = Setup {
        replicas: args.replicas,
        shell: Shell::Honest,
        liars: args.liars,
        lie: args.lie,
        incidents: args.incidents,
        guests: args.guests,
        decisions: args.decisions,
    };
    if let Some(seed) = args.seed {
        return play(seed, &setup);
    }
    let mut tally = Tally::default();
    for found in found_seeds() {
        tally.add(&play(found.seed, &found.setup())?);
    }
    for seed in args.first..args.first.saturating_add(args.seeds) {
        tally.add(&play(seed, &setup)?);
    }
    Ok(tally)
}
