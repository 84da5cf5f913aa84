//! Programs of the workspace that are built optimised and run with the arguments given.

use crate::cargo::{Workspace, shown};
use std::process::ExitCode;

/// Runs the one binary of `package`, beside which the binaries of the packages `beside` are built.
pub(crate) fn run(workspace: &Workspace, package: &str, beside: &[&str], args: &[String]) -> ExitCode {
    match try_run(workspace, package, beside, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(workspace: &Workspace, package: &str, beside: &[&str], args: &[String]) -> Result<(), String> {
    if !workspace.members()?.iter().any(|member| member.name == package && member.has_binary) {
        return Err(format!("this workspace has no program {package}"));
    }
    // One build for all of them: a selection of its own for each would resolve features anew and compile dependencies twice.
    let mut build = workspace.cargo_locked(&["build", "--release", "--package", package]);
    shown(build.args(beside.iter().flat_map(|package| ["--package", package])))?;
    let program = workspace.target_directory()?.join("release").join(package);
    shown(workspace.command(&program.to_string_lossy()).args(args))
}
