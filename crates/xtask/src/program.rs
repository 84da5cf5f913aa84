//! Programs of the workspace that are built optimised and run with the arguments given.

use crate::cargo::{Workspace, shown};
use std::process::ExitCode;

/// Runs the one binary of `package`.
pub(crate) fn run(workspace: &Workspace, package: &str, args: &[String]) -> ExitCode {
    match try_run(workspace, package, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(workspace: &Workspace, package: &str, args: &[String]) -> Result<(), String> {
    if !workspace.members()?.iter().any(|member| member.name == package && member.has_binary) {
        return Err(format!("this workspace has no program {package}"));
    }
    let mut command = workspace.cargo_locked(&["run", "--release", "--quiet", "--package", package]);
    shown(command.arg("--").args(args))
}
