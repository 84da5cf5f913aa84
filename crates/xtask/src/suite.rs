//! The tests themselves: documentation tests first, then everything else.
//!
//! `cargo nextest` is used where it is installed, so that its summary closes the stage; else `cargo test`. Both select
//! the whole workspace, for a selection of packages would resolve features anew and compile dependencies twice.

use crate::cargo::{Workspace, captured, shown};
use crate::stage::{Choice, Findings};

/// Runs all tests of the workspace.
pub(crate) fn run(workspace: &Workspace, choice: &Choice) -> Result<Findings, String> {
    let mut findings = Findings::new();
    // The end-to-end tests drive the real binary. It is built with the whole workspace, for the same reason as above.
    let mut build = workspace.cargo_locked(&["build", "--workspace", "--bins", "--quiet"]);
    if let Err(finding) = shown(&mut build) {
        return Ok(vec![finding]);
    }
    let binary = workspace.target_directory()?.join("debug/muster");
    let has_nextest = captured(&mut workspace.cargo(&["nextest", "--version"]))?.status.success();
    if !has_nextest {
        println!("note: cargo-nextest is not installed; `cargo test` does without its limit on a test's time");
    }
    if !choice.fast {
        let mut command = workspace.cargo_locked(&["test", "--workspace", "--doc", "--quiet"]);
        findings.extend(shown(&mut command).err());
    }
    let mut command = if has_nextest {
        let config = ["--config-file", "crates/xtask/nextest.toml", "--no-fail-fast"];
        let mut command = workspace.cargo_locked(&["nextest", "run", "--workspace", "--status-level", "leak"]);
        command.args(config).args(["--final-status-level", "slow"]);
        command
    } else {
        workspace.cargo_locked(&["test", "--workspace", "--lib", "--bins", "--tests", "--examples", "--no-fail-fast"])
    };
    findings.extend(shown(command.env("MUSTER_BIN", binary)).err());
    Ok(findings)
}
