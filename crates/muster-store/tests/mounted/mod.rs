//! File systems mounted for one test. Where that is not permitted the test is skipped loudly, and fails in CI.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Something mounted; unmounted when dropped.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Mounts with `mount ARGUMENTS at`.
    pub(crate) fn new(arguments: &[&str], at: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(at).unwrap();
        run(Command::new("mount").args(arguments).arg(at))?;
        Ok(Self(at.to_path_buf()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Something may hold it for a moment; a lazy unmount ends when that lets go.
        if let Err(error) = run(Command::new("umount").arg("--lazy").arg(&self.0)) {
            eprintln!("{} stays mounted: {error}", self.0.display());
        }
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", complaint.trim())) }
}

/// What was mounted, or none after saying why this test is skipped.
///
/// # Panics
/// Where `CI` is `true`: there, a test that cannot run has failed.
#[track_caller]
pub(crate) fn or_skip(test: &str, mounted: Result<Mounted, String>) -> Option<Mounted> {
    let error = match mounted {
        Ok(mounted) => return Some(mounted),
        Err(error) => error,
    };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} cannot run in CI: {error}");
    eprintln!("\n  SKIPPED  {test}\n  SKIPPED  mounting is not permitted here: {error}\n");
    None
}
