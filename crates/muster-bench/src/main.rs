//! The benchmark: prints the figures of `docs/performance.md`, and asserts none of them.
//!
//! This file reads the command line and says what is measured in which order; each figure has a file of its own. A
//! figure that needs a fresh process gets this same program again, in a mode that is not for people.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a panic is a failed test

mod append;
mod args;
mod cli;
mod compact;
mod counting_disk;
mod fault;
mod figure;
mod heal;
mod live;
mod machine;
mod many;
mod node_process;
mod open;
mod outage;
mod peer;
mod prose;
mod roster;
mod sample;
mod surroundings;
mod sync;
mod verify;
mod wan;
mod words;
mod writers;

use args::{Args, What};
use clap::Parser;
use fault::Fault;
use figure::Report;
use machine::Machine;
use outage::Outage;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.what {
        What::Node => args.child_home().and_then(node_process::serve),
        What::Peer => args.peer().and_then(peer::serve),
        What::WriteMany => args.child_home().and_then(|home| many::write(home, args.incidents)),
        What::OpenMany => args.child_home().and_then(many::in_fresh_process),
        What::OpenHome => args.child_home().and_then(open::in_fresh_process),
        _ => measure(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {}", fault::chain(&fault));
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<(), Fault> {
    let dir = tempfile::Builder::new().prefix("muster-bench-").tempdir_in(&args.dir);
    let dir = dir.map_err(Fault::io("make a directory to work in"))?;
    let mut report = Report::begin(Machine::look(dir.path()));
    if args.wants(What::Append) {
        progress(&format!("append: {} entries, one by one", args.reps));
        report.add(append::in_new_home(&dir.path().join("append"), args.reps)?);
    }
    if [What::Append, What::Open, What::Sync].into_iter().any(|part| args.wants(part)) {
        progress(&format!("writing an outage of {} entries", args.entries));
        let outage = Outage::write(&dir.path().join("outage"), args.entries)?;
        if args.wants(What::Open) {
            progress("open: fresh processes");
            report.add(open::measure(&outage)?);
        }
        if args.wants(What::Sync) {
            progress("sync: a newcomer joins, three times");
            report.add(sync::measure(&outage, dir.path())?);
        }
        // Last, for it makes the outage longer.
        if args.wants(What::Append) {
            progress("append: to the end of that outage");
            report.add(append::in_outage(&outage, args.reps)?);
        }
    }
    if args.wants(What::Compact) {
        progress(&format!("compact: another outage of {} entries", args.entries));
        report.add(compact::measure(&Outage::write(&dir.path().join("compact"), args.entries)?)?);
    }
    if args.wants(What::Verify) {
        progress(&format!("verify: an outage of {} entries, judged again", args.entries));
        report.add(verify::measure(&Outage::write(&dir.path().join("verify"), args.entries)?)?);
    }
    if args.wants(What::Roster) {
        progress("roster: seven that an admin has made long");
        report.add(roster::measure()?);
    }
    if args.wants(What::Writers) {
        progress(&format!("writers: {} entries each", args.reps));
        report.add(writers::measure(&dir.path().join("writers"), args.reps)?);
    }
    if args.wants(What::Heal) {
        progress("heal: apart and together again, three times");
        let outage = Outage::write(&dir.path().join("heal"), args.entries)?;
        let lines = heal::Lines { part: "heal", line: &words::note, each_bytes: 100.0, heal_kb: 30.0 };
        report.add(heal::measure(&outage, &dir.path().join("healed"), &lines)?);
    }
    if args.wants(What::Prose) {
        progress("prose: a first sync, then apart and together again");
        let outage = Outage::write_lines(&dir.path().join("prose"), args.entries, &prose::line)?;
        let lines = heal::Lines { part: "prose", line: &prose::line, each_bytes: 130.0, heal_kb: 40.0 };
        report.add(heal::measure(&outage, &dir.path().join("prosed"), &lines)?);
    }
    if args.wants(What::Many) {
        progress(&format!("many: {} incidents", args.incidents));
        report.add(many::measure(&dir.path().join("many"), args.incidents)?);
    }
    if args.wants(What::Live) {
        progress(&format!("live: {} entries, twenty a second, in a new incident and in a long one", args.reps));
        let outage = Outage::write(&dir.path().join("lived"), args.entries)?;
        report.add(live::measure(&dir.path().join("live"), &outage, args.reps)?);
    }
    if args.wants(What::Wan) {
        progress("wan: ten nodes on bad lines");
        report.add(wan::measure(&dir.path().join("wan"), args.reps)?);
    }
    if args.wants(What::Cli) {
        progress("cli: from exec to exit");
        match args.muster() {
            Some(muster) => report.add(cli::measure(&muster, &dir.path().join("cli"))?),
            None => progress("cli: left out, there is no `muster` beside this program; build it or give --muster"),
        }
    }
    report.print(args.json)
}

/// Tells whoever waits what is going on; the figures themselves go to stdout.
fn progress(what: &str) {
    eprintln!("{what}");
}
