//! The program `muster` as a person meets it: from exec to exit, on an empty home each time.

use crate::fault::Fault;
use crate::figure::Figure;
use crate::sample::Sample;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often each command is run.
const RUNS: u32 = 20;

/// Measures `muster`, with homes below `dir`.
pub(crate) fn measure(muster: &Path, dir: &Path) -> Result<Vec<Figure>, Fault> {
    let (mut help, mut declare) = (Sample::default(), Sample::default());
    std::fs::create_dir_all(dir).map_err(Fault::io("make a directory for homes"))?;
    for n in 0..RUNS {
        let home = dir.join(n.to_string());
        help.push(one_run(muster, &home, &["--help"])?);
        declare.push(one_run(muster, &home, &["declare", "Checkout is down", "--sev", "1", "--json"])?);
    }
    let figure = |what: &str, measured| Figure::new("cli", what, measured, "ms");
    Ok(vec![
        figure("`muster --help`, median", help.median_ms()).aim(20.0),
        figure("`muster --help`, slowest of 20", help.percentile_ms(100)),
        figure("`muster declare` with no home, peers or set-up, median", declare.median_ms()).aim(2_000.0),
        figure("`muster declare`, slowest of 20", declare.percentile_ms(100)),
    ])
}

fn one_run(muster: &Path, home: &Path, args: &[&str]) -> Result<Duration, Fault> {
    let mut command = Command::new(muster);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MUSTER_")) {
        command.env_remove(name);
    }
    // The lease of the session goes there, and must not be left in the user's own place.
    command.env("MUSTER_HOME", home).env("XDG_RUNTIME_DIR", home).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let status = command.status().map_err(Fault::io("start muster"))?;
    let took = began.elapsed();
    if status.success() { Ok(took) } else { Err(Fault::Unexpected(format!("`muster {}` failed", args.join(" ")))) }
}
