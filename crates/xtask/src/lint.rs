//! Formatting, lints and documentation: what cargo's own tools say, with every warning an error.
//!
//! Warnings are denied through arguments, never through `RUSTFLAGS`, which are part of every crate's fingerprint and
//! would compile all dependencies again.

use crate::cargo::{Workspace, shown};
use crate::stage::Findings;

/// Refuses code that `rustfmt` would change.
pub(crate) fn fmt(workspace: &Workspace) -> Result<Findings, String> {
    shown(&mut workspace.cargo(&["fmt", "--all", "--check"])).map(|()| Findings::new())
}

/// Runs clippy over everything. It needs the dependencies' metadata only, which `doc` shares.
pub(crate) fn clippy(workspace: &Workspace) -> Result<Findings, String> {
    let mut command = workspace.cargo_locked(&["clippy", "--workspace", "--all-targets", "--quiet"]);
    shown(command.args(["--", "-D", "warnings"])).map(|()| Findings::new())
}

/// Builds the documentation of our own crates; a broken link in it is an error.
pub(crate) fn doc(workspace: &Workspace) -> Result<Findings, String> {
    let mut command = workspace.cargo_locked(&["doc", "--workspace", "--no-deps", "--quiet"]);
    shown(command.env("RUSTDOCFLAGS", "-D warnings")).map(|()| Findings::new())
}
